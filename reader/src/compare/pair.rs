//! Lays two traces side by side: which heights both have, where they first part, and how much
//! differs from there on. Holds two blocks at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::cutter::{self, Depth};
use super::height_ranges::HeightRanges;
use super::inputs::Inputs;
use super::outcome::{self, Harmless, Met, Outcome};
use super::parting::Parting;
use super::recording::Recording;
use super::side::{Side, Who};
use super::streams::OneSided;
use crate::fingerprint;
use crate::trace::{BlockTrace, ChainBreak, Streams, Summary, TraceSink, Unit, What};
use crate::vocabulary::{ComparedAmount, Vocabulary};

/// Blocks that each reader thread reads ahead of the comparison.
const AHEAD: usize = 2;
/// Limit of each list of heights, rows, breaks and faults in a comparison. The lists are for the
/// reader of a report. What decides is kept beside them, because it may be behind their ends.
const LIST_LIMIT: usize = 10_000;
/// Number of blocks after the parting in which a carried-over input is looked for.
const CARRIED: u64 = 4;
/// Limit of the doubtful places before the parting, where only entries can decide.
const DOUBTS: usize = 16;

/// How the two executions of a height compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Both have it whole, and it is equal.
    Same,
    /// Not equal.
    Different,
    /// Both have it whole, every entry is equal, and the AppHashes after it differ.
    OtherAppHash,
    /// All that both have is equal, but at least one side lacks some of it.
    Partial,
    /// Nothing of it can be compared.
    Unknown,
}

/// One height that both sides have.
#[derive(Clone, Copy, Debug)]
pub struct HeightRow {
    /// Height.
    pub height: u64,
    /// Cranks of the side that has more.
    pub cranks: usize,
    /// How the height compares.
    pub agreement: Agreement,
    /// Both sides have it whole.
    pub whole: bool,
}

/// The heights that both sides have, without a limit.
#[derive(Debug, Default)]
pub struct CommonHeights {
    /// Their number.
    pub count: u64,
    /// All of them.
    pub all: HeightRanges,
    /// Those whose agreement is [`Agreement::Same`].
    pub same: HeightRanges,
    /// Number of those whose agreement is [`Agreement::Partial`].
    pub partial: u64,
    /// The first that both sides have whole.
    pub first_whole: Option<u64>,
    /// The first whose agreement is [`Agreement::Unknown`].
    pub first_unknown: Option<u64>,
}

impl CommonHeights {
    fn take(&mut self, row: &HeightRow) {
        let at = |is: bool| is.then_some(row.height);
        self.count += 1;
        self.all.add(row.height);
        self.first_whole = self.first_whole.or(at(row.whole));
        match row.agreement {
            Agreement::Same | Agreement::OtherAppHash => self.same.add(row.height),
            Agreement::Partial => self.partial += 1,
            Agreement::Unknown => self.first_unknown = self.first_unknown.or(at(true)),
            Agreement::Different => {}
        }
    }
}

/// The crank from which on the activityhashes differ although all steps are equal.
#[derive(Clone, Copy, Debug)]
pub struct ActivityParting {
    /// Height.
    pub height: u64,
    /// The attempt: the higher number of the two sides'.
    pub attempt: u32,
    /// Number of cranks before it in the block.
    pub before: u64,
    /// Number of the crank.
    pub crank: u64,
    /// It is the first crank of its run, so work between two runs can explain the difference.
    pub between_runs: bool,
}

/// What one side covers.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Summary of the source.
    pub summary: Summary,
    /// Lowest and highest height; `None` if it has no block.
    pub heights: Option<(u64, u64)>,
    /// It has the beginning of its first height.
    pub begins_whole: bool,
    /// Number of executions that count: one for each height of the source.
    pub blocks: u64,
    /// Heights without a whole execution; at most ten thousand.
    pub incomplete: Vec<u64>,
    /// Heights between two that both sides have, which this side lacks or in which it has a hole.
    /// The entries behind a hole are not compared.
    pub gaps: HeightRanges,
    /// Heights missing between two that the source has; at most ten thousand.
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    pub executions: Executions,
    /// Heights whose entries are not in the order in which the kernel wrote them, and why; at most
    /// ten thousand.
    pub faults: Vec<(u64, String)>,
    /// Breaks of the activityhash chain, with their heights; at most ten thousand.
    pub breaks: Vec<(u64, ChainBreak)>,
    /// Its first fault at a height that both sides have.
    pub common_fault: Option<(u64, String)>,
    /// The attempt that counts, where it is not the first.
    pub attempts: BTreeMap<u64, u32>,
    /// The highest missing height so far.
    newest_missing: Option<u64>,
    /// The two highest heights with a fault so far.
    newest_faults: [Option<u64>; 2],
}

/// Heights where an unfinished crank is known to differ, because its entries were read.
/// Digests cannot show that: an unfinished crank has none to compare.
pub type Known = BTreeSet<u64>;

/// A height at which the AppHashes differ.
#[derive(Clone, Copy, Debug)]
pub struct DisputedHash {
    /// The height.
    pub height: u64,
    /// Steps that only one side records at this height and that may explain the difference.
    pub one_sided: Option<OneSided>,
    /// Both sides have it whole.
    pub whole: bool,
    /// At least one read differs.
    pub reads_differ: bool,
}

/// The result of comparing two traces.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Sides A and B.
    pub sides: [Coverage; 2],
    /// The first difference that decides.
    pub parting: Option<Parting>,
    /// Places where all is equal up to a crank that one side does not have to its end. Only the
    /// entries show whether the sides differ there. Only places before the parting are listed, at
    /// most 16.
    pub doubts: Vec<Parting>,
    /// The first place where steps differ although the outcome of the block is the same.
    pub harmless_at: Option<Parting>,
    /// Number of heights at which that is so.
    pub harmless_heights: u64,
    /// The first difference in events, at a height that differs or has another AppHash.
    pub events: Option<Parting>,
    /// The first height whose end both sides have and whose AppHashes differ.
    pub other_app_hash: Option<DisputedHash>,
    /// The first height that both sides have whole, but whose AppHash is unknown on a side. Set
    /// only if one side is a fingerprint.
    pub unhashed: Option<u64>,
    /// The first equal height at which steps that only one side records may decide the outcome.
    pub one_sided: Option<(u64, OneSided)>,
    /// The first place where only activityhashes differ.
    pub activity: Option<ActivityParting>,
    /// Heights that both sides have; at most ten thousand.
    pub rows: Vec<HeightRow>,
    /// What decides of the heights that both sides have.
    pub common: CommonHeights,
    /// The first height that both sides have, of which a side lacks the beginning or the end
    /// although it has the height before or behind it.
    pub in_part: Option<(u64, Who)>,
    /// Number of heights that both sides have whole.
    pub whole: u64,
    /// Number of heights that both sides have whole but whose digests cannot be compared: the
    /// digests of one side include hashes that the other side does not record.
    pub incomparable_digests: u64,
    /// Heights at which the sides have different blocks, on a chain that replaces blocks.
    pub replaced: HeightRanges,
    /// Heights at which a side began a different block on a proposal, and its recording ends
    /// before the network decided.
    pub undecided: Vec<(u64, Vec<Side>)>,
    /// Number of heights that differ.
    pub differing: u64,
    /// Inputs in the heights that both sides have whole, of the side with fewer.
    pub inputs: u64,
    /// Steps in those heights, of the side with fewer.
    pub steps: u64,
    /// The inputs of the blocks of both sides.
    pub given: Inputs,
    /// Number of cranks compared, and how many of them differ.
    pub cranks: (u64, u64),
    /// Number of cranks from the parting to the first one whose crankhash differs.
    pub crankhash_after: Option<u64>,
    /// The cranks that differ in the block of the parting, by their position in the block.
    pub in_block: Vec<u64>,
    since_parting: u64,
    /// Moved reads that changed nothing in earlier blocks.
    harmless: Harmless,
}

/// Reads the trace of one source in a thread of its own.
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

/// Which of the height runs of a source a reader returns. A source has several if its node
/// went back to lower heights.
#[derive(Clone, Debug)]
pub enum HeightRuns {
    /// One run, counted from 0.
    One(usize),
    /// Of each run, the heights below the start of every later run: what was not executed again.
    /// Element `n` is the first height that run `n` no longer counts for.
    Standing(Vec<u64>),
}

impl HeightRuns {
    /// Selects what stands of the runs that begin at these heights.
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
            HeightRuns::One(selected) => *selected == run,
            HeightRuns::Standing(below) => below.get(run).is_some_and(|below| height < *below),
        }
    }
}

/// A height that was executed more than once, and the execution that counts.
#[derive(Clone, Copy, Debug)]
pub struct RepeatedHeight {
    /// The height.
    pub height: u64,
    /// The attempt that counts.
    pub attempt: u32,
    /// The execution that counts is whole.
    pub whole: bool,
}

/// Heights that a source has more than once.
#[derive(Clone, Debug, Default)]
pub struct Executions {
    /// Heights that were executed more than once in a row; at most ten thousand.
    pub repeated: Vec<RepeatedHeight>,
    /// Executions that count because the user asked for them: height and attempt.
    pub requested: Vec<(u64, u32)>,
    /// Executions that count because they diverged, although a later one exists: height and
    /// attempt.
    pub diverged: Vec<(u64, u32)>,
    /// Executions that do not count and that differ from the one that does: height, its attempt,
    /// the attempt that counts.
    pub differing_attempts: Vec<(u64, u32, u32)>,
    /// Heights at which the chain replaced a block. The last block counts. At most ten thousand.
    pub replaced: Vec<u64>,
    /// Number of height runs: 1, unless the node went back to a lower height.
    pub height_runs: usize,
    /// The first height of each run; at most ten thousand.
    pub starts: Vec<u64>,
}

struct Send(std::sync::mpsc::SyncSender<BlockTrace>);

impl TraceSink for Send {
    fn block(&mut self, block: BlockTrace) -> bool {
        self.0.send(block).is_ok()
    }
}

impl Executions {
    fn begins_run(&mut self, height: u64) {
        self.height_runs += 1;
        if self.starts.len() < LIST_LIMIT {
            self.starts.push(height);
        }
    }
}

impl<'scope> TraceReader<'scope> {
    /// Starts the reader thread.
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

    /// Returns the execution that counts at the next height. The order of preference: the attempt
    /// that the user asked for, one that diverged, the last whole one in which the kernel ran, one
    /// in which it ran, the last whole one, the longest.
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
        if !others.is_empty() && self.executions.repeated.len() < LIST_LIMIT {
            self.executions.repeated.push(RepeatedHeight {
                height: best.height,
                attempt: best.attempt,
                whole: best.is_whole(),
            });
        }
        self.note_others(&best, &others);
        Some(best)
    }

    /// Returns the next execution in the range of heights and in the selected height run.
    fn next_block(&mut self) -> Option<BlockTrace> {
        while let Ok(block) = self.blocks.recv() {
            if !self.range.contains(&block.height) {
                continue;
            }
            let goes_back = self.newest.is_some_and(|newest| block.height < newest);
            // A node that starts again executes a block that it has saved once more, without any
            // work.
            if goes_back && !block.ran() {
                continue;
            }
            if goes_back || self.newest.is_none() {
                self.executions.begins_run(block.height);
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

    /// Whether `block` counts rather than `best`. If the two are different blocks and one is an
    /// undecided proposal, their length proves nothing: a decided block wins, else the later one.
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
            self.executions.requested.push((height, best.attempt));
        } else if best.diverged && !others.is_empty() {
            self.executions.diverged.push((height, best.attempt));
        }
        if self.vocabulary.replaces_blocks() {
            let replaced = others.iter().any(|other| is_other_block(best, other));
            let room = self.executions.replaced.len() < LIST_LIMIT;
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
        let differing = executed.filter(parts);
        let differing = differing.map(|other| (height, other.attempt, best.attempt));
        let room = LIST_LIMIT.saturating_sub(self.executions.differing_attempts.len());
        self.executions
            .differing_attempts
            .extend(differing.take(room));
    }

    /// Reads the rest of the trace, and returns the summary of the source and its executions.
    ///
    /// # Errors
    /// An error from reading the source.
    pub fn finish(mut self) -> io::Result<(Summary, Executions)> {
        while self.next_block().is_some() {}
        drop(self.blocks);
        let ended = self.thread.join();
        let summary =
            ended.map_err(|_| io::Error::other("the reader thread stopped unexpectedly"))??;
        Ok((summary, self.executions))
    }
}

/// Passes the execution that counts of each height to `sink`, one height run after the other.
/// Where the node went back, a height comes several times, and the last time is what the node
/// executed last.
///
/// # Errors
/// An error from reading the source, or from `sink`.
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
/// An error from reading a source.
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
        let goes_on = [left.is_some(), right.is_some()];
        comparison.note_gaps([block_a.as_ref(), block_b.as_ref()], goes_on, every);
        for (side, block) in comparison.sides.iter_mut().zip([&block_a, &block_b]) {
            if let Some(block) = block {
                side.take(block, every);
            }
        }
        comparison.note_missing([block_a.as_ref(), block_b.as_ref()], every);
        comparison.note_inputs([block_a.as_ref(), block_b.as_ref()]);
        if let (Some(a), Some(b)) = (block_a, block_b) {
            comparison.note_common(&a, &b, goes_on);
            let other = is_other_block(&a, &b);
            if replaces && other {
                comparison.other_block(&a, &b);
            } else if let Some(sides) = undecided(&a, &b).filter(|_| other) {
                comparison.other_proposal(&a, &b, sides);
            } else if let Some(side) = saved_before(&a, &b) {
                comparison.only_saved(&a, &b, side);
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
            self.newest_missing = between.clone().next_back().or(self.newest_missing);
            self.missing
                .extend(between.take(LIST_LIMIT.saturating_sub(self.missing.len())));
        }
        if self.heights.is_none() {
            self.begins_whole = block.begun;
        }
        let first = self.heights.map_or(block.height, |(first, _)| first);
        self.heights = Some((first.min(block.height), block.height));
        self.blocks += 1;
        if !block.is_whole() && self.incomplete.len() < LIST_LIMIT {
            self.incomplete.push(block.height);
        }
        if block.attempt != 1 {
            self.attempts.insert(block.height, block.attempt);
        }
        if block.fault.is_some() {
            self.newest_faults = [self.newest_faults[1], Some(block.height)];
        }
        let fault = block.fault.iter().map(|why| (block.height, why.clone()));
        self.faults
            .extend(fault.take(LIST_LIMIT.saturating_sub(self.faults.len())));
        let breaks = block.breaks.iter().map(|found| (block.height, *found));
        self.breaks
            .extend(breaks.take(LIST_LIMIT.saturating_sub(self.breaks.len())));
    }

    /// Drops missing heights that are outside the range of the source: the other side reported
    /// them, and the source does not claim to cover them.
    fn end(&mut self) {
        if let Some((first, last)) = self.heights {
            self.missing
                .retain(|height| (first..=last).contains(height));
        }
    }

    fn has_gap_before(&self, height: u64) -> bool {
        let before = height.checked_sub(1);
        before.is_some() && (before == self.newest_missing || self.newest_faults.contains(&before))
    }

    /// The attempt that counts at a height that the side has.
    fn attempt_at(&self, height: u64) -> u32 {
        self.attempts.get(&height).copied().unwrap_or(1)
    }
}

impl Comparison {
    /// Whether the entries of a height that both sides have are not in the order in which the
    /// kernel wrote them. A difference at that height may have been missed.
    pub fn is_broken(&self) -> bool {
        self.sides.iter().any(|side| side.common_fault.is_some())
    }

    /// The attempt of a side that was compared at a height; `None` if nothing was.
    pub fn compared_attempt(&self, side: Side, height: u64) -> Option<u32> {
        let is_common = self.common.all.contains(height);
        is_common.then(|| self.sides[side.index()].attempt_at(height))
    }

    /// The lowest height that stands and in which a side has a gap, and the sides that have one.
    pub fn lacking(&self, stands: &dyn Fn(u64) -> bool) -> Option<(u64, Who)> {
        let first = self.sides.each_ref();
        let first = first.map(|side| side.gaps.first(stands));
        let height = first.iter().flatten().copied().min()?;
        Some((height, Who::of(first.map(|first| first == Some(height)))))
    }

    /// Takes over what earlier runs lack: a height that these runs do not have whole on both
    /// sides either is not covered.
    pub fn lacks_too(&mut self, earlier: &[(u64, Who)]) {
        let earlier = earlier.iter().copied();
        let open = earlier.filter(|(height, _)| !self.common.same.contains(*height));
        let found = open.chain(self.in_part).min_by_key(|(height, _)| *height);
        self.in_part = found;
    }

    /// Whether a side was sent by a slog sender that may drop entries without a trace.
    pub fn is_left_out(&self) -> bool {
        self.sides.iter().any(|side| side.summary.wrapped > 0)
    }

    /// Whether the AppHashes already differ before the first step that differs. Then the step is a
    /// consequence, and the cause is outside the recordings.
    pub fn is_dispute_older(&self) -> bool {
        let parting = self.parting.as_ref().map(|parting| parting.a.0.height);
        let other = self.other_app_hash.map(|other| other.height);
        parting
            .zip(other)
            .is_some_and(|(parting, other)| other < parting)
    }

    /// A recording that does not have every height shows a missing height only by comparison with
    /// the other one.
    fn note_missing(&mut self, blocks: [Option<&BlockTrace>; 2], every: bool) {
        let (lone, side) = match blocks {
            [Some(block), None] => (block, &mut self.sides[1]),
            [None, Some(block)] => (block, &mut self.sides[0]),
            _ => return,
        };
        if every {
            return;
        }
        side.newest_missing = Some(lone.height);
        if side.missing.len() < LIST_LIMIT {
            side.missing.push(lone.height);
        }
    }

    /// Notes what each side lacks between two heights that both have. Comes before the blocks are
    /// taken.
    fn note_gaps(&mut self, blocks: [Option<&BlockTrace>; 2], goes_on: [bool; 2], every: bool) {
        let heights = self.sides.each_ref().map(|side| side.heights);
        for (at, side) in self.sides.iter_mut().enumerate() {
            let (own, other) = (blocks[at], blocks[1 - at]);
            let Some(block) = own else {
                let is_within = heights[at].is_some() && goes_on[at] && !every;
                let lone = other.filter(|_| is_within);
                lone.into_iter().for_each(|lone| side.gaps.add(lone.height));
                continue;
            };
            let reaches = other.is_some() || goes_on[1 - at];
            if let (Some((_, last)), Some((from, until)), true) =
                (heights[at], heights[1 - at], every)
            {
                let before = block.height.saturating_sub(1);
                let end = if reaches { before } else { before.min(until) };
                side.gaps.add_range(last.saturating_add(1).max(from), end);
            }
            let is_common = other.is_some() || heights[1 - at].is_some() && reaches;
            if is_common && block.has_hole_inside() {
                side.gaps.add(block.height);
            }
        }
    }

    /// Notes what is wrong with a height that both sides have. A recording may begin and end
    /// inside a block. One that has the height before lacks the beginning, and one that goes on
    /// lacks the end.
    fn note_common(&mut self, a: &BlockTrace, b: &BlockTrace, goes_on: [bool; 2]) {
        let mut lacks = [false; 2];
        for (at, block) in [a, b].into_iter().enumerate() {
            let side = &mut self.sides[at];
            let is_first = side.heights.is_none_or(|(first, _)| first == block.height);
            lacks[at] =
                !block.begun && !is_first || block.lacks_end() && (goes_on[at] || block.torn);
            if side.common_fault.is_none() {
                let fault = block.fault.clone();
                side.common_fault = fault.map(|why| (block.height, why));
            }
        }
        let lacking = lacks.contains(&true);
        let found = lacking.then(|| (a.height, Who::of(lacks)));
        self.in_part = self.in_part.or(found);
    }

    /// Adds the row of a height that both sides have.
    fn add_row(&mut self, row: HeightRow) {
        self.common.take(&row);
        if self.rows.len() < LIST_LIMIT {
            self.rows.push(row);
        }
    }

    /// Both blocks were on the chain at this height, at different times: nothing is wrong.
    fn other_block(&mut self, a: &BlockTrace, b: &BlockTrace) {
        self.replaced.add(a.height);
        self.incomparable(a, b);
    }

    /// One of the blocks is a proposal, and the recording does not say whether the network decided
    /// it.
    fn other_proposal(&mut self, a: &BlockTrace, b: &BlockTrace, sides: Vec<Side>) {
        if self.undecided.len() < LIST_LIMIT {
            self.undecided.push((a.height, sides));
        }
        self.incomparable(a, b);
    }

    /// Adds the row of a height that one side only saved: it ran the block again, empty, and the
    /// execution itself is not in its recording.
    fn only_saved(&mut self, a: &BlockTrace, b: &BlockTrace, side: Side) {
        let lacks = &mut self.sides[side.index()];
        lacks.gaps.add(a.height);
        let incomplete = &mut lacks.incomplete;
        if incomplete.len() < LIST_LIMIT && incomplete.last() != Some(&a.height) {
            incomplete.push(a.height);
        }
        if self.rows.len() < LIST_LIMIT {
            self.incomparable(a, b);
        }
    }

    /// Adds the row of a height whose blocks cannot be compared.
    fn incomparable(&mut self, a: &BlockTrace, b: &BlockTrace) {
        self.add_row(HeightRow {
            height: a.height,
            cranks: a.cranks().max(b.cranks()),
            agreement: Agreement::Unknown,
            whole: false,
        });
    }

    /// Notes the first height whose AppHashes differ, and the first without one. Returns whether
    /// the AppHashes differ.
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
            reads_differ: outcome.harmless_at.is_some(),
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
        let (harmless, one_sided, events) =
            (outcome.harmless_at, outcome.one_sided, outcome.events);
        let other_hash = self.note_app_hashes(&a, &b, &outcome);
        let both = a.is_whole() && b.is_whole();
        let met = match (outcome.met, outcome.moved) {
            (Met::Doubt(at_a, at_b), _) if known.contains(&a.height) => Met::Parts(at_a, at_b),
            // The AppHash differs, so the changed order of reads may be the cause.
            (Met::Equal, Some((at_a, at_b))) if other_hash && both => Met::Parts(at_a, at_b),
            (met, _) => met,
        };
        // Entries that a sender dropped may differ.
        let wrapped = a.wrapped || b.wrapped;
        let open = one_sided.filter(|_| matches!(met, Met::Equal));
        let first = self.one_sided.take();
        self.one_sided = first.or(open.map(|open| (a.height, open)));
        let incomparable = wrapped || (a.narrow || b.narrow) && a.hashless != b.hashless;
        // What a host does not record may differ, and the AppHash alone shows it.
        let unproved = a.app_hash.is_some() != b.app_hash.is_some();
        let whole = a.is_whole() && b.is_whole() && !incomparable && !unproved;
        let agreement = match met {
            Met::Equal if whole && open.is_none() && other_hash => Agreement::OtherAppHash,
            Met::Equal if whole && open.is_none() => Agreement::Same,
            Met::Equal | Met::Doubt(..) => Agreement::Partial,
            Met::Parts(..) => Agreement::Different,
            Met::Nowhere => Agreement::Unknown,
        };
        self.whole += u64::from(whole);
        self.count_units(&a, &b, whole);
        self.incomparable_digests += u64::from(a.is_whole() && b.is_whole() && incomparable);
        self.differing += u64::from(agreement == Agreement::Different);
        self.add_row(HeightRow {
            height: a.height,
            cranks,
            agreement,
            whole,
        });
        let equal = !matches!(met, Met::Parts(..) | Met::Nowhere);
        if equal && self.activity.is_none() && self.parting.is_none() {
            self.activity = activity_parting(&a, &b);
        }
        self.count_cranks(&a, &b, &met);
        if self.parting.is_some() {
            return;
        }
        if let (Some((at_a, at_b)), true) = (harmless, equal) {
            self.harmless_heights += 1;
            let first = self.harmless_at.take();
            self.harmless_at =
                first.or_else(|| Some(self.parting_at(a.clone(), at_a, b.clone(), at_b)));
        }
        if let Some((at_a, at_b)) = events.filter(|_| !equal || other_hash) {
            let first = self.events.take();
            self.events = first.or_else(|| Some(self.parting_at(a.clone(), at_a, b.clone(), at_b)));
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

    /// The streams that each side records.
    pub fn streams(&self) -> [&Streams; 2] {
        self.sides.each_ref().map(|side| &side.summary.streams)
    }

    /// How much was compared besides whole blocks.
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
        let inside = [!a.begun, !b.begun];
        Parting {
            begins_inside: inside.contains(&true).then(|| Who::of(inside)),
            behind_gap: behind_gap && first_seen,
            a: (a, at_a),
            b: (b, at_b),
            later: Default::default(),
        }
    }

    /// Compares cranks by their position in the block: after the parting their numbers no longer
    /// correspond. Cranks that a side does not cover are not compared.
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
            if !same && self.parting.is_none() && self.in_block.len() < LIST_LIMIT {
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
        let room = LIST_LIMIT.saturating_sub(self.in_block.len());
        if self.parting.is_none() {
            let more = (first + pairs)..(first + pairs + surplus);
            self.in_block
                .extend(more.map(|ordinal| ordinal as u64).take(room));
        }
        self.cranks.0 += (pairs + surplus) as u64;
        self.cranks.1 += surplus as u64;
    }

    /// Collects the inputs of the few blocks after the parting. They show whether an input was
    /// carried over to a later block.
    fn note_inputs(&mut self, blocks: [Option<&BlockTrace>; 2]) {
        let Some(parting) = &mut self.parting else {
            return;
        };
        let last = parting.a.0.height + CARRIED;
        for (list, block) in parting.later.iter_mut().zip(blocks) {
            // The inputs of a proposal may never get into a block.
            let counts = |block: &&BlockTrace| block.height <= last && !block.is_undecided();
            let Some(block) = block.filter(counts) else {
                continue;
            };
            let bodies = block.units.iter().filter_map(|unit| match unit.what {
                What::Input(body) => Some((block.height, body)),
                _ => None,
            });
            list.extend(bodies.take(LIST_LIMIT));
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

/// The side that ended an execution without running anything in it, while the other side ran. A node
/// runs a block again empty if it had saved it.
fn saved_before(a: &BlockTrace, b: &BlockTrace) -> Option<Side> {
    let is_empty = |trace: &BlockTrace| trace.begun && trace.ended && !trace.ran();
    match (is_empty(a), is_empty(b)) {
        (true, false) => b.ran().then_some(Side::A),
        (false, true) => a.ran().then_some(Side::B),
        _ => None,
    }
}

/// Whether these are different blocks: their first entries differ, or their inputs do.
fn is_other_block(a: &BlockTrace, b: &BlockTrace) -> bool {
    let narrow = a.narrow || b.narrow;
    let first = a.units.first().zip(b.units.first());
    let differs = first.is_some_and(|(one, other)| !is_equal(one, other, narrow));
    a.begun && b.begun && (differs || !a.given.others(&b.given).is_empty())
}

/// Whether both values are known and differ.
fn parted<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

fn meet(a: &BlockTrace, b: &BlockTrace, harmless: &Harmless) -> Outcome {
    let by_outcome = outcome::meet(a, b, harmless);
    by_outcome.unwrap_or_else(|| Outcome::of(meet_unit_by_unit(a, b)))
}

fn meet_unit_by_unit(a: &BlockTrace, b: &BlockTrace) -> Met {
    // A digest that includes a crankhash cannot be compared with one that does not.
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
        // A fingerprint has nothing of an unfinished crank, so no entries can decide.
        (Next::Part, Next::Unit | Next::Part) | (Next::Unit, Next::Part) if !narrow => {
            Met::Doubt(at_a, at_b)
        }
        _ if equal > 0 => Met::Equal,
        (Next::End, Next::End) => Met::Equal,
        _ => Met::Nowhere,
    }
}

/// What a trace has at an index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A whole unit.
    Unit,
    /// An unfinished crank.
    Part,
    /// The end of the block.
    End,
    /// Unknown: behind a hole, or behind the end of an unfinished recording.
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

/// The whole cranks from a unit on, with their unit indices.
fn covered_cranks(trace: &BlockTrace, from: usize) -> Vec<(usize, Unit)> {
    let units = trace.units.iter().copied().enumerate();
    let covered = units.take(trace.covered()).skip(from);
    covered.filter(|(_, unit)| unit.crank().is_some()).collect()
}

/// Number of cranks of one side that certainly have no counterpart on the other.
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

/// Whether two units are equal in all that both sides record.
fn is_equal(a: &Unit, b: &Unit, narrow: bool) -> bool {
    if narrow {
        fingerprint::narrow(a) == fingerprint::narrow(b)
    } else {
        a.digest == b.digest && !parted(a.crankhash(), b.crankhash())
    }
}

/// The unit indices from which to compare: 0 if both have the block's beginning, else the
/// first crank that both have whole.
fn common_start(a: &BlockTrace, b: &BlockTrace) -> Option<(usize, usize)> {
    if a.begun && b.begun {
        return Some((0, 0));
    }
    // The first crank of a recording that begins inside the block may lack its first entries.
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

/// The first crank whose activityhash differs, in a block whose units are all equal.
fn activity_parting(a: &BlockTrace, b: &BlockTrace) -> Option<ActivityParting> {
    // A side that began in mid-block may have parted before its recording begins.
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
