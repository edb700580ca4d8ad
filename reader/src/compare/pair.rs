//! Two tapes side by side: which heights both have, where they part first, and
//! how much differs from there on. Holds two blocks at a time.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::cutter::{self, Depth};
use super::party::Party;
use crate::fingerprint;
use crate::tape::{BlockTape, ChainBreak, Finds, Summary, Unit, UnitDigest, What};

/// Blocks read ahead of the comparison, by source.
const AHEAD: usize = 2;
/// Heights, breaks and missing heights that are told one by one.
const TOLD: usize = 10_000;
/// Blocks after the first difference in which a carried-over input is looked for.
const CARRIED: u64 = 4;

/// Where the tapes part: unit indices in the two executions.
#[derive(Clone, Debug)]
pub struct Parting {
    /// The execution on side A and the unit.
    pub a: (BlockTape, usize),
    /// The same on side B.
    pub b: (BlockTape, usize),
    /// Inputs of the blocks that follow, by side: (height, body).
    pub later: [Vec<(u64, UnitDigest)>; 2],
    /// A height before this one is missing on a side, so that this may not be
    /// where they parted.
    pub behind_gap: bool,
}

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
}

/// A crank from which on the activityhashes differ though all steps are equal.
#[derive(Clone, Copy, Debug)]
pub struct ActivityParting {
    /// Height.
    pub height: u64,
    /// Crank.
    pub crank: u64,
    /// First crank of its run.
    pub between_runs: bool,
}

/// One side's coverage.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// What the source told.
    pub summary: Summary,
    /// Lowest and highest height.
    pub heights: Option<(u64, u64)>,
    /// Executions taken for their height.
    pub blocks: u64,
    /// Heights without a whole execution.
    pub incomplete: Vec<u64>,
    /// Heights missing between two that are there.
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    pub again: Vec<u64>,
    /// Breaks of the activityhash chain, and their heights.
    pub breaks: Vec<(u64, ChainBreak)>,
}

/// Everything that comparing tapes tells.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Sides A and B.
    pub sides: [Side; 2],
    /// The first difference.
    pub parting: Option<Parting>,
    /// The first difference of activityhashes alone.
    pub activity: Option<ActivityParting>,
    /// Heights both have.
    pub rows: Vec<HeightRow>,
    /// Heights both have whole.
    pub whole: u64,
    /// Heights that differ.
    pub differing: u64,
    /// Cranks compared, and of these: cranks that differ.
    pub cranks: (u64, u64),
    /// Cranks from the parting to the first with another crankhash.
    pub crankhash_after: Option<u64>,
    /// Cranks of the first block that differs which do, by their place in it.
    pub in_block: Vec<u64>,
    since_parting: u64,
}

/// The tape of one source, read by a thread of its own.
pub struct TapeReader<'scope> {
    blocks: Receiver<BlockTape>,
    thread: ScopedJoinHandle<'scope, io::Result<Summary>>,
    held: Option<BlockTape>,
    pub(crate) again: Vec<u64>,
}

struct Send(std::sync::mpsc::SyncSender<BlockTape>);

impl Finds for Send {
    fn block(&mut self, block: BlockTape) -> bool {
        self.0.send(block).is_ok()
    }
}

impl<'scope> TapeReader<'scope> {
    /// Begins to read.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        party: &'env Party,
    ) -> TapeReader<'scope> {
        let (sender, blocks) = sync_channel(AHEAD);
        let thread = scope.spawn(move || cutter::read(party, Depth::Digests, &mut Send(sender)));
        TapeReader {
            blocks,
            thread,
            held: None,
            again: Vec::new(),
        }
    }

    /// The execution that counts at the next height: the last whole one that
    /// executed, else the last whole one, else the longest.
    pub fn next_height(&mut self) -> Option<BlockTape> {
        let mut best = self.held.take().or_else(|| self.blocks.recv().ok())?;
        while let Ok(block) = self.blocks.recv() {
            if block.height != best.height {
                self.held = Some(block);
                break;
            }
            if self.again.last() != Some(&block.height) {
                self.again.push(block.height);
            }
            if rank(&block) >= rank(&best) {
                best = block;
            }
        }
        Some(best)
    }

    /// What else the source told, once its tape is over.
    ///
    /// # Errors
    /// What reading gives.
    pub fn finish(self) -> io::Result<(Summary, Vec<u64>)> {
        drop(self.blocks);
        let ended = self.thread.join();
        let summary =
            ended.map_err(|_| io::Error::other("the reading thread ended without a word"))??;
        Ok((summary, self.again))
    }
}

fn rank(block: &BlockTape) -> (bool, bool, usize) {
    let whole = block.is_whole();
    (
        whole && block.executed,
        whole,
        if whole { 0 } else { block.units.len() },
    )
}

/// Compares two tapes to their ends.
///
/// # Errors
/// What reading gives.
pub fn compare(mut a: TapeReader<'_>, mut b: TapeReader<'_>) -> io::Result<Comparison> {
    let mut comparison = Comparison::default();
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
                side.take(block);
            }
        }
        comparison.note_inputs([block_a.as_ref(), block_b.as_ref()]);
        if let (Some(a), Some(b)) = (block_a, block_b) {
            comparison.block(a, b);
        }
    }
    for (side, reader) in comparison.sides.iter_mut().zip([a, b]) {
        (side.summary, side.again) = reader.finish()?;
    }
    Ok(comparison)
}

impl Side {
    fn take(&mut self, block: &BlockTape) {
        if let Some((_, last)) = self.heights {
            let between = last.saturating_add(1)..block.height;
            self.missing
                .extend(between.take(TOLD.saturating_sub(self.missing.len())));
        }
        let first = self.heights.map_or(block.height, |(first, _)| first);
        self.heights = Some((first.min(block.height), block.height));
        self.blocks += 1;
        if !block.is_whole() && self.incomplete.len() < TOLD {
            self.incomplete.push(block.height);
        }
        let breaks = block.breaks.iter().map(|found| (block.height, *found));
        self.breaks
            .extend(breaks.take(TOLD.saturating_sub(self.breaks.len())));
    }

    fn has_gap_before(&self, height: u64) -> bool {
        let before = height.checked_sub(1);
        before.is_some_and(|before| self.missing.contains(&before))
    }
}

impl Comparison {
    fn block(&mut self, a: BlockTape, b: BlockTape) {
        let cranks = a.cranks().max(b.cranks());
        let met = meet(&a, &b);
        let agreement = match met {
            Met::Equal if a.is_whole() && b.is_whole() => Agreement::Same,
            Met::Equal => Agreement::Partial,
            Met::Parts(..) => Agreement::Different,
            Met::Nowhere => Agreement::Unknown,
        };
        self.whole += u64::from(a.is_whole() && b.is_whole());
        self.differing += u64::from(agreement == Agreement::Different);
        if self.rows.len() < TOLD {
            self.rows.push(HeightRow {
                height: a.height,
                cranks,
                agreement,
            });
        }
        if agreement == Agreement::Same && self.activity.is_none() && self.parting.is_none() {
            self.activity = activity_parting(&a, &b);
        }
        self.count_cranks(&a, &b, &met);
        if let (Met::Parts(at_a, at_b), None) = (met, &self.parting) {
            let behind_gap = self.sides.iter().any(|side| side.has_gap_before(a.height));
            let first_seen = at_a == 0 || at_b == 0;
            self.parting = Some(Parting {
                behind_gap: behind_gap && first_seen,
                a: (a, at_a),
                b: (b, at_b),
                later: Default::default(),
            });
        }
    }

    /// Cranks side by side, by their place in the block: after the parting the
    /// numbers tell nothing.
    fn count_cranks(&mut self, a: &BlockTape, b: &BlockTape, met: &Met) {
        if !a.begun || !b.begun {
            return;
        }
        let parts = |unit: usize| matches!(met, Met::Parts(at, _) if unit >= *at);
        let of = |tape: &BlockTape| -> Vec<(usize, Unit)> {
            let units = tape.units.iter().copied().enumerate();
            units.filter(|(_, unit)| unit.crank().is_some()).collect()
        };
        let (of_a, of_b) = (of(a), of(b));
        let narrow = a.narrow || b.narrow;
        self.cranks.0 += of_a.len().max(of_b.len()) as u64;
        self.cranks.1 += of_a.len().abs_diff(of_b.len()) as u64;
        for (ordinal, ((index, one), (_, other))) in of_a.iter().zip(&of_b).enumerate() {
            let same = is_equal(one, other, narrow);
            self.cranks.1 += u64::from(!same);
            if !same && self.parting.is_none() && self.in_block.len() < TOLD {
                self.in_block.push(ordinal as u64);
            }
            if self.parting.is_none() && !parts(*index) {
                continue;
            }
            if self.crankhash_after.is_none() && parted(one.crankhash(), other.crankhash()) {
                self.crankhash_after = Some(self.since_parting);
            }
            self.since_parting += 1;
        }
    }

    /// Remembers the inputs of the few blocks after the parting.
    fn note_inputs(&mut self, blocks: [Option<&BlockTape>; 2]) {
        let Some(parting) = &mut self.parting else {
            return;
        };
        let last = parting.a.0.height + CARRIED;
        for (list, block) in parting.later.iter_mut().zip(blocks) {
            let Some(block) = block.filter(|block| block.height <= last) else {
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

/// Both are known and not equal.
fn parted<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// Where two executions of a height part.
enum Met {
    /// Nowhere in what both have.
    Equal,
    /// At these units.
    Parts(usize, usize),
    /// They have nothing in common to begin from.
    Nowhere,
}

fn meet(a: &BlockTape, b: &BlockTape) -> Met {
    let Some((from_a, from_b)) = common_start(a, b) else {
        return Met::Nowhere;
    };
    let narrow = a.narrow || b.narrow;
    let (rest_a, rest_b) = (&a.units[from_a..], &b.units[from_b..]);
    let equal = rest_a
        .iter()
        .zip(rest_b)
        .take_while(|(x, y)| is_equal(x, y, narrow))
        .count();
    let (at_a, at_b) = (from_a + equal, from_b + equal);
    let known = |tape: &BlockTape, at: usize| tape.holes.iter().all(|hole| *hole > at);
    if !known(a, at_a) || !known(b, at_b) {
        return if equal > 0 { Met::Equal } else { Met::Nowhere };
    }
    match (a.units.get(at_a), b.units.get(at_b)) {
        (None, None) => Met::Equal,
        // A recording that ends inside the block says nothing of the rest, not
        // even of the crank it ends in.
        (None, _) if !a.ended => Met::Equal,
        (_, None) if !b.ended => Met::Equal,
        (Some(unit), _) if !a.ended && is_unfinished(unit) && at_a + 1 == a.units.len() => {
            Met::Equal
        }
        (_, Some(unit)) if !b.ended && is_unfinished(unit) && at_b + 1 == b.units.len() => {
            Met::Equal
        }
        _ => Met::Parts(at_a, at_b),
    }
}

/// Equal as far as both tell.
fn is_equal(a: &Unit, b: &Unit, narrow: bool) -> bool {
    if narrow {
        fingerprint::narrow(a) == fingerprint::narrow(b)
    } else {
        a.digest == b.digest
    }
}

fn is_unfinished(unit: &Unit) -> bool {
    matches!(unit.what, What::Crank { hashes: None, .. })
}

/// Where both begin: at the block's beginning, else at the first crank that
/// both have whole.
fn common_start(a: &BlockTape, b: &BlockTape) -> Option<(usize, usize)> {
    if a.begun && b.begun {
        return Some((0, 0));
    }
    // The first crank of a recording that begins inside the block may be cut.
    let whole = |tape: &BlockTape| -> Vec<(usize, u64)> {
        let cranks = tape
            .units
            .iter()
            .enumerate()
            .filter_map(|(at, unit)| Some((at, unit.crank()?)));
        cranks.skip(usize::from(!tape.begun)).collect()
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

fn activity_parting(a: &BlockTape, b: &BlockTape) -> Option<ActivityParting> {
    let mut between_runs = true;
    for (one, other) in a.units.iter().zip(&b.units) {
        if one.crank().is_none() {
            between_runs |= one.what == What::RunStart;
            continue;
        }
        if parted(one.activityhash(), other.activityhash()) {
            let crank = one.crank().unwrap_or(0);
            return Some(ActivityParting {
                height: a.height,
                crank,
                between_runs,
            });
        }
        between_runs = false;
    }
    None
}
