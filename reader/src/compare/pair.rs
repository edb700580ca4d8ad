//! Two traces side by side: which heights both have, where they part first, and
//! how much differs from there on. Holds two blocks at a time.

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::cutter::{self, Depth};
use super::inputs::Inputs;
use super::outcome::{self, Harmless, Met, Outcome};
use super::parting::Parting;
use super::recording::Recording;
use super::side::Side;
use super::streams::OneSided;
use crate::fingerprint;
use crate::trace::{BlockTrace, ChainBreak, Streams, Summary, TraceSink, Unit, What};
use crate::vocabulary::{ComparedAmount, Vocabulary};

/// Blocks read ahead of the comparison, by source.
const AHEAD: usize = 2;
/// Heights, breaks and missing heights that are told one by one.
const TOLD: usize = 10_000;
/// Blocks after the first difference in which a carried-over input is looked for.
const CARRIED: u64 = 4;
/// Places before the first difference that only entries can decide.
const DOUBTS: usize = 16;

/// How a height compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Whole on both sides and equal.
    Same,
    /// Not equal.
    Different,
    /// What both have is equal, but a side does not have all of it.
    Partial,
    /// Nothing to compare.
    Unknown,
}

/// One height that both sides have.
#[derive(Clone, Copy, Debug)]
pub struct HeightRow {
    /// Height.
    pub height: u64,
    /// Cranks, of the side with more.
    pub cranks: usize,
    /// How it compares.
    pub agreement: Agreement,
    /// Whole on both sides.
    pub whole: bool,
}

/// A crank from which on the activityhashes differ though all steps are equal.
#[derive(Clone, Copy, Debug)]
pub struct ActivityParting {
    /// Height.
    pub height: u64,
    /// Which execution of it: the later of the two sides'.
    pub attempt: u32,
    /// Cranks before it in the block.
    pub before: u64,
    /// Crank.
    pub crank: u64,
    /// First crank of its run.
    pub between_runs: bool,
}

/// One side's coverage.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// What the source told.
    pub summary: Summary,
    /// Lowest and highest height.
    pub heights: Option<(u64, u64)>,
    /// The beginning of the first height is there.
    pub begins_whole: bool,
    /// Executions taken for their height.
    pub blocks: u64,
    /// Heights without a whole execution.
    pub incomplete: Vec<u64>,
    /// Heights of which something inside is missing: what stands behind it is not
    /// compared.
    pub holed: Vec<u64>,
    /// Heights missing between two that are there.
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    pub executions: Executions,
    /// Heights whose entries do not stand as the kernel wrote them, and why.
    pub faults: Vec<(u64, String)>,
    /// Breaks of the activityhash chain, and their heights.
    pub breaks: Vec<(u64, ChainBreak)>,
}

/// Heights at which the entries of an unfinished crank were found to differ, which
/// its digest cannot tell.
pub type Known = BTreeSet<u64>;

/// A height at which the AppHashes are not the same.
#[derive(Clone, Copy, Debug)]
pub struct DisputedHash {
    /// The height.
    pub height: u64,
    /// One side alone records steps of it that may be why.
    pub one_sided: Option<OneSided>,
    /// Both have it whole.
    pub whole: bool,
    /// Some read is not the same.
    pub reads_differ: bool,
}

/// Everything that comparing traces tells.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Sides A and B.
    pub sides: [Coverage; 2],
    /// The first difference.
    pub parting: Option<Parting>,
    /// Where both are equal up to a crank that a side does not have to its end: only
    /// its entries tell whether they part there. Those before the first difference.
    pub doubts: Vec<Parting>,
    /// The first place where courses part and what came of the block is the same, and at
    /// how many heights that is so.
    pub aside: Option<Parting>,
    /// Such heights.
    pub asides: u64,
    /// Of the first height that differs, where what is told of it does too.
    pub told: Option<Parting>,
    /// The first height of which both have the end and at which their AppHashes are not the
    /// same.
    pub other_app_hash: Option<DisputedHash>,
    /// The first height that both have whole, of which a fingerprint or what stands beside
    /// one tells no AppHash.
    pub unhashed: Option<u64>,
    /// The first height at which what one side alone records may decide.
    pub one_sided: Option<(u64, OneSided)>,
    /// The first difference of activityhashes alone.
    pub activity: Option<ActivityParting>,
    /// Heights both have.
    pub rows: Vec<HeightRow>,
    /// Heights both have whole.
    pub whole: u64,
    /// Heights that are whole on both sides and whose digests cannot be compared: in
    /// one of them are hashes that the other does not tell.
    pub apart: u64,
    /// Heights at which another block stands on either side, of a chain that replaces
    /// blocks.
    pub replaced: Vec<u64>,
    /// Heights at which a side began another block on its proposal, and its recording
    /// ends before the decision.
    pub undecided: Vec<(u64, Vec<Side>)>,
    /// Heights that differ.
    pub differing: u64,
    /// Inputs and steps that both have in the heights that both have whole.
    pub inputs: u64,
    /// The steps.
    pub steps: u64,
    /// What the blocks of both were given.
    pub given: Inputs,
    /// Cranks compared, and of these: cranks that differ.
    pub cranks: (u64, u64),
    /// Cranks from the parting to the first with another crankhash.
    pub crankhash_after: Option<u64>,
    /// Cranks of the first block that differs which do, by their place in it.
    pub in_block: Vec<u64>,
    since_parting: u64,
    /// Reads whose order did no harm so far.
    harmless: Harmless,
}

/// The trace of one source, read by a thread of its own.
pub struct TraceReader<'scope> {
    blocks: Receiver<BlockTrace>,
    thread: ScopedJoinHandle<'scope, io::Result<Summary>>,
    held: Option<BlockTrace>,
    vocabulary: &'static dyn Vocabulary,
    height_runs: HeightRuns,
    newest: Option<u64>,
    attempt: Option<u32>,
    range: RangeInclusive<u64>,
    executions: Executions,
}

/// What is handed out of a source whose node went back to lower heights: its heights run
/// more than once.
#[derive(Clone, Debug)]
pub enum HeightRuns {
    /// One run, from 0.
    One(usize),
    /// What stands: of each run the heights below all later ones. Holds where these
    /// begin at the lowest, by run.
    Standing(Vec<u64>),
}

impl HeightRuns {
    /// What stands of runs that begin at these heights.
    pub fn standing(starts: &[u64]) -> HeightRuns {
        let mut lowest = u64::MAX;
        let below = starts.iter().rev().map(|start| {
            let above = lowest;
            lowest = lowest.min(*start);
            above
        });
        let mut below: Vec<u64> = below.collect();
        below.reverse();
        HeightRuns::Standing(below)
    }

    fn have(&self, run: usize, height: u64) -> bool {
        match self {
            HeightRuns::One(of) => *of == run,
            HeightRuns::Standing(below) => below.get(run).is_some_and(|below| height < *below),
        }
    }
}

/// A height that was executed more than once, and the execution that counts.
#[derive(Clone, Copy, Debug)]
pub struct RepeatedHeight {
    /// The height.
    pub height: u64,
    /// Which execution of it counts.
    pub attempt: u32,
    /// That one is whole.
    pub whole: bool,
}

/// Heights that a source has more than once.
#[derive(Clone, Debug, Default)]
pub struct Executions {
    /// Heights executed more than once in a row; at most ten thousand.
    pub again: Vec<RepeatedHeight>,
    /// Executions that count because they were asked for: height and attempt.
    pub asked: Vec<(u64, u32)>,
    /// Executions that count because they diverged, though another one came after:
    /// height and attempt.
    pub diverged: Vec<(u64, u32)>,
    /// Executions that do not count and that did something else than the one that
    /// does: height, its attempt, the attempt that counts.
    pub otherwise: Vec<(u64, u32, u32)>,
    /// Heights at which the chain put another block in the place of one, the last of
    /// which counts; at most ten thousand.
    pub replaced: Vec<u64>,
    /// How often heights run from a lower one: once, unless the node went back.
    pub height_runs: usize,
    /// Where the runs begin; at most ten thousand.
    pub starts: Vec<u64>,
}

struct Send(std::sync::mpsc::SyncSender<BlockTrace>);

impl TraceSink for Send {
    fn block(&mut self, block: BlockTrace) -> bool {
        self.0.send(block).is_ok()
    }
}

impl Executions {
    fn rises_from(&mut self, height: u64) {
        self.height_runs += 1;
        if self.starts.len() < TOLD {
            self.starts.push(height);
        }
    }
}

impl<'scope> TraceReader<'scope> {
    /// Begins to read.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        recording: &'env Recording,
        height_runs: HeightRuns,
    ) -> TraceReader<'scope> {
        let (sender, blocks) = sync_channel(AHEAD);
        let thread =
            scope.spawn(move || cutter::read(recording, Depth::Digests, &mut Send(sender)));
        TraceReader {
            blocks,
            thread,
            held: None,
            vocabulary: recording.vocabulary,
            height_runs,
            newest: None,
            attempt: recording.attempt,
            range: recording.range.clone(),
            executions: Executions::default(),
        }
    }

    /// The execution that counts at the next height: the one that was asked for, else
    /// one that diverged, else the last whole one in which the kernel ran, else one in which
    /// it ran, else the last whole one, else the longest.
    pub fn next_height(&mut self) -> Option<BlockTrace> {
        let mut best = self.held.take().or_else(|| self.next_block())?;
        let mut others = Vec::new();
        while let Some(block) = self.next_block() {
            if block.height != best.height {
                self.held = Some(block);
                break;
            }
            let better = self.is_better(&block, &best);
            others.push(match better {
                true => std::mem::replace(&mut best, block),
                false => block,
            });
        }
        if !others.is_empty() && self.executions.again.len() < TOLD {
            self.executions.again.push(RepeatedHeight {
                height: best.height,
                attempt: best.attempt,
                whole: best.is_whole(),
            });
        }
        self.note_others(&best, &others);
        Some(best)
    }

    /// The next execution that is asked for.
    fn next_block(&mut self) -> Option<BlockTrace> {
        while let Ok(block) = self.blocks.recv() {
            if !self.range.contains(&block.height) {
                continue;
            }
            let goes_back = self.newest.is_some_and(|newest| block.height < newest);
            // A block that was saved runs again empty.
            if goes_back && !block.ran() {
                continue;
            }
            if goes_back || self.newest.is_none() {
                self.executions.rises_from(block.height);
            }
            self.newest = Some(block.height);
            if self
                .height_runs
                .have(self.executions.height_runs.saturating_sub(1), block.height)
            {
                return Some(block);
            }
        }
        None
    }

    /// Of two blocks of which the network decides one, the length tells nothing: the one
    /// that was decided counts, or the one that was begun later.
    fn is_better(&self, block: &BlockTrace, best: &BlockTrace) -> bool {
        let choice = |block: &BlockTrace| self.attempt == Some(block.attempt) || block.diverged;
        let is_choice = undecided(best, block).is_some() && is_other_block(best, block);
        match is_choice && !choice(block) && !choice(best) {
            true => best.is_undecided(),
            false => self.rank(block) >= self.rank(best),
        }
    }

    fn rank(&self, block: &BlockTrace) -> (bool, bool, bool, bool, bool, usize) {
        let whole = block.is_whole();
        (
            self.attempt == Some(block.attempt),
            block.diverged,
            whole && block.executed,
            block.ran(),
            whole,
            if whole { 0 } else { block.units.len() },
        )
    }

    fn note_others(&mut self, best: &BlockTrace, others: &[BlockTrace]) {
        let height = best.height;
        if self.attempt == Some(best.attempt) && !others.is_empty() {
            self.executions.asked.push((height, best.attempt));
        } else if best.diverged && !others.is_empty() {
            self.executions.diverged.push((height, best.attempt));
        }
        if self.vocabulary.replaces_blocks() {
            let replaced = others.iter().any(|other| is_other_block(best, other));
            let room = self.executions.replaced.len() < TOLD;
            self.executions
                .replaced
                .extend((replaced && room).then_some(height));
            return;
        }
        let is_other =
            |other: &&BlockTrace| undecided(best, other).is_some() && is_other_block(best, other);
        let others = others.iter().filter(|other| !is_other(other));
        let executed = others.filter(|other| other.ran() && best.ran());
        let none = Harmless::default();
        let parts = |other: &&BlockTrace| matches!(meet(best, other, &none).met, Met::Parts(..));
        let otherwise = executed.filter(parts);
        let otherwise = otherwise.map(|other| (height, other.attempt, best.attempt));
        let room = TOLD.saturating_sub(self.executions.otherwise.len());
        self.executions.otherwise.extend(otherwise.take(room));
    }

    /// What else the source told, once its trace is over.
    ///
    /// # Errors
    /// What reading gives.
    pub fn finish(mut self) -> io::Result<(Summary, Executions)> {
        while self.next_block().is_some() {}
        drop(self.blocks);
        let ended = self.thread.join();
        let summary =
            ended.map_err(|_| io::Error::other("the reader thread stopped unexpectedly"))??;
        Ok((summary, self.executions))
    }
}

/// Hands on the execution that counts of each height. Where the node went back, heights
/// come again, and what comes last is what it executed last.
///
/// # Errors
/// What reading gives, or the sink.
pub fn each_height<E: From<io::Error>>(
    recording: &Recording,
    sink: &mut dyn FnMut(BlockTrace) -> Result<(), E>,
) -> Result<(Summary, Executions), E> {
    let mut run = 0;
    loop {
        let (summary, executions) = std::thread::scope(|scope| -> Result<_, E> {
            let mut trace = TraceReader::start(scope, recording, HeightRuns::One(run));
            while let Some(block) = trace.next_height() {
                sink(block)?;
            }
            Ok(trace.finish()?)
        })?;
        run += 1;
        if run >= executions.height_runs {
            return Ok((summary, executions));
        }
    }
}

/// Compares two traces to their ends.
///
/// # Errors
/// What reading gives.
pub fn compare(
    mut a: TraceReader<'_>,
    mut b: TraceReader<'_>,
    known: &Known,
) -> io::Result<Comparison> {
    let mut comparison = Comparison::default();
    let replaces = a.vocabulary.replaces_blocks();
    let every = a.vocabulary.records_every_height();
    let (mut left, mut right) = (a.next_height(), b.next_height());
    loop {
        let heights = (
            left.as_ref().map(|t| t.height),
            right.as_ref().map(|t| t.height),
        );
        let (take_a, take_b) = match heights {
            (None, None) => break,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(x), Some(y)) => (x <= y, y <= x),
        };
        let block_a = take_a
            .then(|| std::mem::replace(&mut left, a.next_height()))
            .flatten();
        let block_b = take_b
            .then(|| std::mem::replace(&mut right, b.next_height()))
            .flatten();
        for (side, block) in comparison.sides.iter_mut().zip([&block_a, &block_b]) {
            if let Some(block) = block {
                side.take(block, every);
            }
        }
        comparison.note_lone([block_a.as_ref(), block_b.as_ref()], every);
        comparison.note_inputs([block_a.as_ref(), block_b.as_ref()]);
        if let (Some(a), Some(b)) = (block_a, block_b) {
            let other = is_other_block(&a, &b);
            if replaces && other {
                comparison.other_block(&a, &b);
            } else if let Some(sides) = undecided(&a, &b).filter(|_| other) {
                comparison.other_proposal(&a, &b, sides);
            } else {
                comparison.block(a, b, known);
            }
        }
    }
    comparison.sides.iter_mut().for_each(Coverage::end);
    for (side, reader) in comparison.sides.iter_mut().zip([a, b]) {
        (side.summary, side.executions) = reader.finish()?;
    }
    Ok(comparison)
}

impl Coverage {
    fn take(&mut self, block: &BlockTrace, every: bool) {
        if let Some((_, last)) = self.heights.filter(|_| every) {
            let between = last.saturating_add(1)..block.height;
            self.missing
                .extend(between.take(TOLD.saturating_sub(self.missing.len())));
        }
        if self.heights.is_none() {
            self.begins_whole = block.begun;
        }
        let first = self.heights.map_or(block.height, |(first, _)| first);
        self.heights = Some((first.min(block.height), block.height));
        self.blocks += 1;
        if !block.is_whole() && self.incomplete.len() < TOLD {
            self.incomplete.push(block.height);
        }
        if block.has_hole_inside() && self.holed.len() < TOLD {
            self.holed.push(block.height);
        }
        let fault = block.fault.iter().map(|why| (block.height, why.clone()));
        self.faults
            .extend(fault.take(TOLD.saturating_sub(self.faults.len())));
        let breaks = block.breaks.iter().map(|found| (block.height, *found));
        self.breaks
            .extend(breaks.take(TOLD.saturating_sub(self.breaks.len())));
    }

    /// What stands outside its heights is not missing.
    fn end(&mut self) {
        if let Some((first, last)) = self.heights {
            self.missing
                .retain(|height| (first..=last).contains(height));
        }
    }

    fn has_gap_before(&self, height: u64) -> bool {
        let before = height.checked_sub(1);
        let broken = |before: u64| self.faults.iter().any(|(height, _)| *height == before);
        before.is_some_and(|before| self.missing.contains(&before) || broken(before))
    }
}

impl Comparison {
    /// Of a height that both have, a side's entries do not stand as its kernel wrote
    /// them: what differs there was not seen.
    pub fn is_broken(&self) -> bool {
        let common = |height: u64| self.rows.iter().any(|row| row.height == height);
        let mut faults = self.sides.iter().flat_map(|side| &side.faults);
        faults.any(|(height, _)| common(*height))
    }

    /// A side's sender leaves out what cannot be seen to be missing.
    pub fn is_left_out(&self) -> bool {
        self.sides.iter().any(|side| side.summary.wrapped > 0)
    }

    /// The AppHashes differ already before the first step that does, where all that both
    /// record is equal.
    pub fn is_led(&self) -> bool {
        let parting = self.parting.as_ref().map(|parting| parting.a.0.height);
        let other = self.other_app_hash.map(|other| other.height);
        parting
            .zip(other)
            .is_some_and(|(parting, other)| other < parting)
    }

    /// Of recordings without every height, only the other one tells what is missing.
    fn note_lone(&mut self, blocks: [Option<&BlockTrace>; 2], every: bool) {
        let (lone, side) = match blocks {
            [Some(block), None] => (block, &mut self.sides[1]),
            [None, Some(block)] => (block, &mut self.sides[0]),
            _ => return,
        };
        if !every && side.missing.len() < TOLD {
            side.missing.push(lone.height);
        }
    }

    /// The chain has had both blocks at their height.
    fn other_block(&mut self, a: &BlockTrace, b: &BlockTrace) {
        if self.rows.len() < TOLD {
            self.replaced.push(a.height);
            self.incomparable(a, b);
        }
    }

    /// One block is a proposal, and it is unknown whether the network decided it.
    fn other_proposal(&mut self, a: &BlockTrace, b: &BlockTrace, sides: Vec<Side>) {
        if self.undecided.len() < TOLD {
            self.undecided.push((a.height, sides));
        }
        if self.rows.len() < TOLD {
            self.incomparable(a, b);
        }
    }

    /// Nothing of two blocks can be compared.
    fn incomparable(&mut self, a: &BlockTrace, b: &BlockTrace) {
        self.rows.push(HeightRow {
            height: a.height,
            cranks: a.cranks().max(b.cranks()),
            agreement: Agreement::Unknown,
            whole: false,
        });
    }

    /// Notes where the AppHashes differ first, and where none is told; gives whether
    /// they differ.
    fn note_app_hashes(&mut self, a: &BlockTrace, b: &BlockTrace, outcome: &Outcome) -> bool {
        let whole = a.is_whole() && b.is_whole();
        let same = fingerprint::is_same_app_hash(a, b);
        let differ = a.ended && b.ended && same == Some(false);
        let unhashed = whole && same.is_none() && (a.narrow || b.narrow);
        self.unhashed = self.unhashed.or(unhashed.then_some(a.height));
        let other = differ.then_some(DisputedHash {
            height: a.height,
            one_sided: outcome.one_sided,
            whole,
            reads_differ: outcome.aside.is_some(),
        });
        self.other_app_hash = self.other_app_hash.or(other);
        differ
    }

    fn block(&mut self, a: BlockTrace, b: BlockTrace, known: &Known) {
        let cranks = a.cranks().max(b.cranks());
        self.given.take(a.height, &a.given, &b.given);
        let outcome = meet(&a, &b, &self.harmless);
        if outcome::is_same_state(&a, &b) {
            self.harmless.learn(&outcome);
        }
        let (aside, one_sided, told) = (outcome.aside, outcome.one_sided, outcome.told);
        let other_hash = self.note_app_hashes(&a, &b, &outcome);
        let both = a.is_whole() && b.is_whole();
        let met = match (outcome.met, outcome.moved) {
            (Met::Doubt(at_a, at_b), _) if known.contains(&a.height) => Met::Parts(at_a, at_b),
            // Where the state is another one, the order may be why.
            (Met::Equal, Some((at_a, at_b))) if other_hash && both => Met::Parts(at_a, at_b),
            (met, _) => met,
        };
        // What a sender left out may differ.
        let wrapped = a.wrapped || b.wrapped;
        let open = one_sided.filter(|_| matches!(met, Met::Equal));
        let first = self.one_sided.take();
        self.one_sided = first.or(open.map(|open| (a.height, open)));
        let apart = wrapped || (a.narrow || b.narrow) && a.hashless != b.hashless;
        let whole = a.is_whole() && b.is_whole() && !apart;
        let agreement = match met {
            Met::Equal if whole && open.is_none() => Agreement::Same,
            Met::Equal | Met::Doubt(..) => Agreement::Partial,
            Met::Parts(..) => Agreement::Different,
            Met::Nowhere => Agreement::Unknown,
        };
        self.whole += u64::from(whole);
        self.count_units(&a, &b, whole);
        self.apart += u64::from(a.is_whole() && b.is_whole() && apart);
        self.differing += u64::from(agreement == Agreement::Different);
        if self.rows.len() < TOLD {
            self.rows.push(HeightRow {
                height: a.height,
                cranks,
                agreement,
                whole,
            });
        }
        let equal = !matches!(met, Met::Parts(..) | Met::Nowhere);
        if equal && self.activity.is_none() && self.parting.is_none() {
            self.activity = activity_parting(&a, &b);
        }
        self.count_cranks(&a, &b, &met);
        if self.parting.is_some() {
            return;
        }
        if let (Some((at_a, at_b)), true) = (aside, equal) {
            self.asides += 1;
            let aside = self.aside.take();
            self.aside = aside.or_else(|| Some(self.parting_at(a.clone(), at_a, b.clone(), at_b)));
        }
        if let Some((at_a, at_b)) = told.filter(|_| !equal || other_hash) {
            let told = self.told.take();
            self.told = told.or_else(|| Some(self.parting_at(a.clone(), at_a, b.clone(), at_b)));
        }
        match met {
            Met::Parts(at_a, at_b) => self.parting = Some(self.parting_at(a, at_a, b, at_b)),
            Met::Doubt(at_a, at_b) if self.doubts.len() < DOUBTS => {
                let doubt = self.parting_at(a, at_a, b, at_b);
                self.doubts.push(doubt);
            }
            _ => {}
        }
    }

    /// What each side records beside its blocks.
    pub fn streams(&self) -> [&Streams; 2] {
        self.sides.each_ref().map(|side| &side.summary.streams)
    }

    /// How much was compared beside whole blocks.
    pub fn amount(&self) -> ComparedAmount {
        ComparedAmount {
            cranks: self.cranks.0,
            inputs: self.inputs,
            steps: self.steps,
        }
    }

    fn count_units(&mut self, a: &BlockTrace, b: &BlockTrace, whole: bool) {
        let both = |is: fn(&Unit) -> bool| {
            let [of_a, of_b] =
                [a, b].map(|trace| trace.units.iter().filter(|unit| is(unit)).count());
            if whole { of_a.min(of_b) as u64 } else { 0 }
        };
        self.inputs += both(|unit| matches!(unit.what, What::Input(_)));
        self.steps += both(Unit::is_operation);
    }

    fn parting_at(&self, a: BlockTrace, at_a: usize, b: BlockTrace, at_b: usize) -> Parting {
        let is_before = |(height, _): &(u64, Vec<Side>)| height.checked_add(1) == Some(a.height);
        let behind_gap = self.sides.iter().any(|side| side.has_gap_before(a.height))
            || self.undecided.iter().any(is_before);
        let first_seen = at_a == 0 || at_b == 0;
        Parting {
            behind_gap: behind_gap && first_seen,
            a: (a, at_a),
            b: (b, at_b),
            later: Default::default(),
        }
    }

    /// Cranks side by side, by their place in the block: after the parting the
    /// numbers tell nothing. What a side does not cover is not compared.
    fn count_cranks(&mut self, a: &BlockTrace, b: &BlockTrace, met: &Met) {
        let Some((from_a, from_b)) = common_start(a, b).filter(|_| !matches!(met, Met::Nowhere))
        else {
            return;
        };
        let parts = |unit: usize| matches!(met, Met::Parts(at, _) if unit >= *at);
        let (of_a, of_b) = (covered_cranks(a, from_a), covered_cranks(b, from_b));
        let narrow = a.narrow || b.narrow;
        let before = [&a.units[..from_a], &b.units[..from_b]].map(|units| {
            let cranks = units.iter().filter(|unit| unit.crank().is_some());
            cranks.count()
        });
        let first = before[0].max(before[1]);
        let mut pairs = 0;
        for (ordinal, ((index, one), (_, other))) in of_a.iter().zip(&of_b).enumerate() {
            pairs = ordinal + 1;
            let same = is_equal(one, other, narrow);
            self.cranks.1 += u64::from(!same);
            if !same && self.parting.is_none() && self.in_block.len() < TOLD {
                self.in_block.push((first + ordinal) as u64);
            }
            if self.parting.is_none() && !parts(*index) {
                continue;
            }
            if self.crankhash_after.is_none() && parted(one.crankhash(), other.crankhash()) {
                self.crankhash_after = Some(self.since_parting);
            }
            self.since_parting += 1;
        }
        let surplus = surplus(a, of_a.len(), b, of_b.len(), met);
        let room = TOLD.saturating_sub(self.in_block.len());
        if self.parting.is_none() {
            let more = (first + pairs)..(first + pairs + surplus);
            self.in_block
                .extend(more.map(|ordinal| ordinal as u64).take(room));
        }
        self.cranks.0 += (pairs + surplus) as u64;
        self.cranks.1 += surplus as u64;
    }

    /// Remembers the inputs of the few blocks after the parting.
    fn note_inputs(&mut self, blocks: [Option<&BlockTrace>; 2]) {
        let Some(parting) = &mut self.parting else {
            return;
        };
        let last = parting.a.0.height + CARRIED;
        for (list, block) in parting.later.iter_mut().zip(blocks) {
            // What a proposal brings may never have been in a block.
            let counts = |block: &&BlockTrace| block.height <= last && !block.is_undecided();
            let Some(block) = block.filter(counts) else {
                continue;
            };
            let bodies = block.units.iter().filter_map(|unit| match unit.what {
                What::Input(body) => Some((block.height, body)),
                _ => None,
            });
            list.extend(bodies.take(TOLD));
        }
    }
}

/// The sides whose block is a proposal that may not be the block of its height.
fn undecided(a: &BlockTrace, b: &BlockTrace) -> Option<Vec<Side>> {
    match (a.is_undecided(), b.is_undecided()) {
        (true, true) => Some(vec![Side::A, Side::B]),
        (true, false) => Some(vec![Side::A]),
        (false, true) => Some(vec![Side::B]),
        (false, false) => None,
    }
}

/// Two blocks of one height, as their first entries say, or what both were given.
fn is_other_block(a: &BlockTrace, b: &BlockTrace) -> bool {
    let narrow = a.narrow || b.narrow;
    let first = a.units.first().zip(b.units.first());
    let differs = first.is_some_and(|(one, other)| !is_equal(one, other, narrow));
    a.begun && b.begun && (differs || !a.given.others(&b.given).is_empty())
}

/// Both are known and not equal.
fn parted<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

fn meet(a: &BlockTrace, b: &BlockTrace, harmless: &Harmless) -> Outcome {
    let by_outcome = outcome::meet(a, b, harmless);
    by_outcome.unwrap_or_else(|| Outcome::of(meet_unit_by_unit(a, b)))
}

fn meet_unit_by_unit(a: &BlockTrace, b: &BlockTrace) -> Met {
    // A digest with a crankhash in it says nothing of one without.
    if (a.narrow || b.narrow) && a.hashless != b.hashless {
        return Met::Nowhere;
    }
    let Some((from_a, from_b)) = common_start(a, b) else {
        return Met::Nowhere;
    };
    let narrow = a.narrow || b.narrow;
    let covered = |trace: &BlockTrace, from: usize| from..trace.covered().max(from);
    let (rest_a, rest_b) = (&a.units[covered(a, from_a)], &b.units[covered(b, from_b)]);
    let equal = rest_a
        .iter()
        .zip(rest_b)
        .take_while(|(x, y)| is_equal(x, y, narrow))
        .count();
    let (at_a, at_b) = (from_a + equal, from_b + equal);
    let [of_a, of_b] = [Next::of(a, at_a), Next::of(b, at_b)];
    match (of_a, of_b) {
        (Next::Unit | Next::End, Next::Unit | Next::End)
            if (of_a, of_b) != (Next::End, Next::End) =>
        {
            Met::Parts(at_a, at_b)
        }
        // Nothing of a crank that it does not have to its end is in a fingerprint.
        (Next::Part, Next::Unit | Next::Part) | (Next::Unit, Next::Part) if !narrow => {
            Met::Doubt(at_a, at_b)
        }
        _ if equal > 0 => Met::Equal,
        (Next::End, Next::End) => Met::Equal,
        _ => Met::Nowhere,
    }
}

/// What a trace has at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A unit that is there whole.
    Unit,
    /// The beginning of a crank.
    Part,
    /// The block's end.
    End,
    /// Nothing is known.
    Unknown,
}

impl Next {
    fn of(trace: &BlockTrace, at: usize) -> Next {
        if at < trace.covered() {
            return Next::Unit;
        }
        if trace.ended && trace.holes.is_empty() {
            return Next::End;
        }
        let behind_hole = trace.holes.iter().any(|hole| *hole <= at);
        match trace.units.get(at) {
            Some(unit) if unit.is_unfinished() && !behind_hole => Next::Part,
            _ => Next::Unknown,
        }
    }
}

/// Cranks behind a unit that are there whole, and their units.
fn covered_cranks(trace: &BlockTrace, from: usize) -> Vec<(usize, Unit)> {
    let units = trace.units.iter().copied().enumerate();
    let covered = units.take(trace.covered()).skip(from);
    covered.filter(|(_, unit)| unit.crank().is_some()).collect()
}

/// Cranks of one side that are known to have no counterpart on the other.
fn surplus(a: &BlockTrace, of_a: usize, b: &BlockTrace, of_b: usize, met: &Met) -> usize {
    let shorter = if of_a < of_b { a } else { b };
    let ends = shorter.ended && shorter.holes.is_empty();
    let unfinished = match met {
        Met::Parts(at_a, at_b) => {
            let part = |trace: &BlockTrace, at: usize| Next::of(trace, at) == Next::Part;
            part(a, *at_a) || part(b, *at_b)
        }
        _ => false,
    };
    match ends {
        true => of_a.abs_diff(of_b),
        false => usize::from(unfinished),
    }
}

/// Equal as far as both tell.
fn is_equal(a: &Unit, b: &Unit, narrow: bool) -> bool {
    if narrow {
        fingerprint::narrow(a) == fingerprint::narrow(b)
    } else {
        a.digest == b.digest && !parted(a.crankhash(), b.crankhash())
    }
}

/// Where both begin: at the block's beginning, else at the first crank that
/// both have whole.
fn common_start(a: &BlockTrace, b: &BlockTrace) -> Option<(usize, usize)> {
    if a.begun && b.begun {
        return Some((0, 0));
    }
    // The first crank of a recording that begins inside the block may be cut.
    let whole = |trace: &BlockTrace| -> Vec<(usize, u64)> {
        let cranks = trace
            .units
            .iter()
            .enumerate()
            .filter_map(|(at, unit)| Some((at, unit.crank()?)));
        cranks.skip(usize::from(!trace.begun)).collect()
    };
    let (of_a, of_b) = (whole(a), whole(b));
    let mut others = of_b.iter().peekable();
    for (at_a, number) in of_a {
        while others.next_if(|(_, other)| *other < number).is_some() {}
        if let Some((at_b, other)) = others.peek()
            && *other == number
        {
            return Some((at_a, *at_b));
        }
    }
    None
}

/// The first crank with another activityhash, where all units are equal.
fn activity_parting(a: &BlockTrace, b: &BlockTrace) -> Option<ActivityParting> {
    // What began in mid-block may have parted before.
    if !a.begun || !b.begun {
        return None;
    }
    let narrow = a.narrow || b.narrow;
    let mut between_runs = true;
    let mut before = 0;
    let covered = a.covered().min(b.covered());
    for (one, other) in a.units.iter().zip(&b.units).take(covered) {
        if one.crank().is_none() {
            between_runs |= one.what == What::RunStart;
            continue;
        }
        let word = |unit: &Unit| unit.activityhash().map(|hash| fingerprint::word_of(&hash));
        let other_hash = match narrow {
            true => parted(word(one), word(other)),
            false => parted(one.activityhash(), other.activityhash()),
        };
        if other_hash {
            let crank = one.crank().unwrap_or(0);
            return Some(ActivityParting {
                height: a.height,
                attempt: a.attempt.max(b.attempt),
                before,
                crank,
                between_runs,
            });
        }
        between_runs = false;
        before += 1;
    }
    None
}
