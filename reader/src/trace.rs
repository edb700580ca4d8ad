//! A recording as a sequence of blocks, each a sequence of units with a digest:
//! a crank, or one entry outside cranks. This is all that two sources are
//! compared by until a difference is found.

use std::collections::{BTreeMap, HashSet};

use haltbox_format::{AppHash, Digest};

use crate::block_inputs::BlockInputs;
use crate::carrier::Carrier;
use crate::vocabulary::step_tracker::StepKind;

/// First 16 bytes of BLAKE3 over canonical lines, each ending in a line feed,
/// the activityhash left out because it is derived.
pub type UnitDigest = [u8; 16];

/// A crank, or one canonical entry outside cranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Digest of its canonical lines.
    pub digest: UnitDigest,
    /// What it is.
    pub what: What,
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A crank: its number, and what its end tells, if that is there.
    Crank {
        /// Its number.
        number: u64,
        /// Its end.
        end: Option<CrankEnd>,
    },
    /// An input: digest of its body.
    Input(UnitDigest),
    /// A kernel run begins.
    RunStart,
    /// A step that a recording may lack, or that does not decide what came of its block.
    Step(Step),
    /// Any other entry.
    Entry,
}

impl What {
    /// It is a part of what came of its block, wherever it is told.
    pub fn is_of_outcome(&self) -> bool {
        match self {
            What::Entry => true,
            What::Step(step) => step.kind == StepKind::Outcome,
            _ => false,
        }
    }
}

/// A step, and how it is told again in another recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What a recording has as a whole or not at all.
    pub stream: StreamId,
    /// What it is to the block's outcome.
    pub kind: StepKind,
    /// A phase of the block begins with it.
    pub begins_phase: bool,
    /// Digest of its canonical line without the numbers that others shift.
    pub bare: UnitDigest,
    /// Of a read, digest of what it asks for; of a write, of what it is to.
    pub asks: Option<UnitDigest>,
}

/// The name of a stream, digested.
pub type StreamId = u64;

/// The root of what a stream tells of, behind its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The stream of its operations.
    pub stream: StreamId,
    /// Digest of the entry that tells it.
    pub says: UnitDigest,
    /// Whether it is another one than behind the block before; `None`: not known.
    pub changed: Option<bool>,
}

/// What the end of a crank tells. Older kernels write no hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrankEnd {
    /// What the crank wrote.
    pub crankhash: Option<Digest>,
    /// All that was written up to here.
    pub activityhash: Option<Digest>,
}

impl Unit {
    /// A crank whose end is not there.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.what, What::Crank { end: None, .. })
    }

    /// Crankhash, if it is a crank that ended.
    pub fn crankhash(&self) -> Option<Digest> {
        match self.what {
            What::Crank { end, .. } => end?.crankhash,
            _ => None,
        }
    }

    /// Activityhash, if it is a crank that ended.
    pub fn activityhash(&self) -> Option<Digest> {
        match self.what {
            What::Crank { end, .. } => end?.activityhash,
            _ => None,
        }
    }

    /// The step that it is.
    pub fn step(&self) -> Option<&Step> {
        match &self.what {
            What::Step(step) => Some(step),
            _ => None,
        }
    }

    /// It reads or writes.
    pub fn is_operation(&self) -> bool {
        let kind = self.step().map(|step| step.kind);
        matches!(kind, Some(StepKind::Read | StepKind::Write))
    }

    /// Number, if it is a crank.
    pub fn crank(&self) -> Option<u64> {
        match self.what {
            What::Crank { number, .. } => Some(number),
            _ => None,
        }
    }
}

/// One execution of one height.
#[derive(Clone, Debug, Default)]
pub struct BlockTrace {
    /// Height.
    pub height: u64,
    /// Which execution of it in this source, from 1.
    pub attempt: u32,
    /// Its place among the executions of the source, from 0.
    pub ordinal: u64,
    /// Its beginning is there.
    pub begun: bool,
    /// Its end is there.
    pub ended: bool,
    /// The beginning of the kernel's run is there.
    pub executed: bool,
    /// It began on a proposal, before the network decided which block has this height.
    pub proposed: bool,
    /// Units before which something is missing.
    pub holes: Vec<usize>,
    /// Its units.
    pub units: Vec<Unit>,
    /// What it tells of roots.
    pub roots: Vec<Root>,
    /// Cranks whose activityhash does not follow from the one before, and
    /// whether the one before was of the same run.
    pub breaks: Vec<ChainBreak>,
    /// Of the digests only the first 62 bits are known.
    pub narrow: bool,
    /// The source says that this execution diverged.
    pub diverged: bool,
    /// Cranks of it have no crankhash: an older kernel wrote none.
    pub hashless: bool,
    /// Its sender leaves out what cannot be seen to be missing.
    pub wrapped: bool,
    /// Why its entries cannot all stand as the kernel wrote them.
    pub fault: Option<String>,
    /// This node's AppHash after it, where its own entries tell it.
    pub app_hash: Option<AppHash>,
    /// What it was given.
    pub given: BlockInputs,
}

/// An activityhash that does not follow from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainBreak {
    /// Index of the crank's unit.
    pub unit: usize,
    /// The crank's number.
    pub crank: u64,
    /// The crank before was of the same run: kernel operations between runs,
    /// which the slog does not tell, are no excuse.
    pub in_run: bool,
}

impl BlockTrace {
    /// The other one asks for, or writes to, what the step at this place does.
    pub fn is_asked_at(&self, at: usize, other: &BlockTrace) -> bool {
        let asks = |unit: &Unit| unit.step().and_then(|step| step.asks);
        let own = self.units.get(at).and_then(asks);
        own.is_some() && other.units.iter().any(|unit| asks(unit) == own)
    }

    /// It has writes to what the entry at this place tells the root of.
    pub fn writes_to_root(&self, at: usize) -> bool {
        let told = self.units.get(at).and_then(Unit::step);
        let is_told = |root: &&Root| told.is_some_and(|step| step.bare == root.says);
        let root = self.roots.iter().find(is_told);
        let writes = |step: &Step| {
            step.kind == StepKind::Write && root.is_some_and(|root| root.stream == step.stream)
        };
        self.units.iter().filter_map(Unit::step).any(writes)
    }

    /// Beginning and end are there, and all between.
    pub fn is_whole(&self) -> bool {
        self.begun && self.ended && self.holes.is_empty()
    }

    /// The recording does not tell whether the network decided this block. Its own end
    /// alone proves that: where a commit or the next height follows without it, entries are
    /// missing, and the decided block may be among them.
    pub fn is_undecided(&self) -> bool {
        self.proposed && !self.ended
    }

    /// Units that are there whole and behind one another, counted from the first.
    /// What stands behind them is not covered.
    pub fn covered(&self) -> usize {
        let until = self.holes.iter().copied().min().unwrap_or(self.units.len());
        let cut = !self.ended || !self.holes.is_empty();
        let last = until.checked_sub(1).and_then(|last| self.units.get(last));
        until - usize::from(cut && last.is_some_and(Unit::is_unfinished))
    }

    /// Something is missing inside: entries stand behind the place. The beginning of a
    /// recording is no such place. Digests alone hold nothing of what stands behind it.
    pub fn has_hole_inside(&self) -> bool {
        let inside = |hole: &usize| *hole < self.units.len() && (self.begun || *hole > 0);
        let untold = self.narrow && self.begun && self.ended && !self.holes.is_empty();
        untold || self.holes.iter().any(inside)
    }

    /// The kernel ran: the beginning of its run is there, or cranks of it are. A block
    /// that was saved already runs again empty.
    pub fn ran(&self) -> bool {
        self.executed || self.units.iter().any(|unit| unit.crank().is_some())
    }

    /// Number of cranks.
    pub fn cranks(&self) -> usize {
        self.units
            .iter()
            .filter(|unit| unit.crank().is_some())
            .count()
    }

    /// The last activityhash.
    pub fn activityhash(&self) -> Option<Digest> {
        self.units.iter().rev().find_map(Unit::activityhash)
    }
}

/// What a source told beside its blocks.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Slog lines.
    pub lines: u64,
    /// Cranks.
    pub cranks: u64,
    /// Those of them whose end tells no crankhash, or no activityhash.
    pub without_hashes: u64,
    /// Those of these whose end tells no crankhash.
    pub without_crankhashes: u64,
    /// Lines that stand there twice, byte for byte: the second was passed over.
    pub doubled: u64,
    /// Lines are not as the host writes them.
    pub rewritten: bool,
    /// A block's beginning or end tells a height that could not be read: another writer
    /// writes it otherwise.
    pub unread: bool,
    /// What carried its lines.
    pub carrier: Option<Carrier>,
    /// Lines that held an entry with its context.
    pub wrapped: u64,
    /// Entries of a type that the profile knows.
    pub known: u64,
    /// Lines that hold an entry behind something that is not known.
    pub prefixed: u64,
    /// Heights before whose execution a kernel started.
    pub kernel_starts: Vec<u64>,
    /// Deliveries that it replays.
    pub replays: Replayed,
    /// What is damaged or missing, in words; at most a hundred.
    pub holes: Vec<String>,
    /// Why its entries are known not to follow one another as they were written: what is
    /// not where it belongs may stand elsewhere.
    pub disorder: Option<String>,
    /// The chain's id.
    pub chain_id: Option<String>,
    /// The streams that it has.
    pub streams: Streams,
    /// The first and the last height of which it tells an AppHash.
    pub app_hashes: Option<(u64, u64)>,
}

/// Streams by their digest.
pub type Streams = BTreeMap<StreamId, Stream>;

/// What a source has steps of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The lowest and the highest height of a block that has a step of it; none where no
    /// block that counts has one.
    pub heights: Option<(u64, u64)>,
}

/// The heights that are told of, and this one.
pub fn spanning(heights: Option<(u64, u64)>, height: u64) -> (u64, u64) {
    heights.map_or((height, height), |(first, last)| {
        (first.min(height), last.max(height))
    })
}

/// Deliveries that a source replays.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Vat and number, in no order; at most a million.
    pub deliveries: HashSet<(String, u64)>,
    /// Slog line at which the last one begins; behind its end there is nothing to check.
    pub last: u64,
}

impl Summary {
    /// How its lines differ from those that the host wrote, in words.
    pub fn changed_by(&self) -> Option<String> {
        let mut words = Vec::new();
        if self.rewritten {
            words.push("rewritten by another JSON writer, so it is compared by values".to_owned());
        }
        words.extend(
            self.carrier
                .map(|by| format!("entries extracted from {by}")),
        );
        if self.wrapped > 0 {
            words.push(
                "its slog sender drops members and entries (lines with a context)".to_owned(),
            );
        }
        if self.doubled > 0 {
            words.push(format!(
                "sent twice by something after the node: {}, with the same bytes and the same \
                 clock; each is counted once",
                crate::count::counted(self.doubled, "line")
            ));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// What becomes of what was executed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is durable.
    Committed,
    /// What was executed since the last commit never happened.
    Discarded,
    /// Something is missing, or the node went back to an older state: what was
    /// known before may not hold.
    Unknown,
}

/// Takes what is found while a source is cut into a trace.
pub trait TraceSink {
    /// A whole execution or a part of one. False ends the reading.
    fn block(&mut self, block: BlockTrace) -> bool;
    /// A canonical line: the execution and unit that it belongs to, and its
    /// number in the slog, from 1.
    fn line(&mut self, _ordinal: u64, _unit: usize, _line: &[u8], _number: u64) {}
    /// What was executed before the next line stands, or does not.
    fn durability(&mut self, _turn: Durability) {}
    /// Any slog line, before what it means is known.
    fn any_line(&mut self, _line: &[u8], _number: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_inside_where_entries_stand_behind_it() {
        let unit = Unit {
            digest: [0; 16],
            what: What::Entry,
        };
        let block = |begun, ended, narrow, hole| BlockTrace {
            begun,
            ended,
            narrow,
            holes: vec![hole],
            units: vec![unit; 3],
            ..BlockTrace::default()
        };
        assert!(block(true, true, false, 0).has_hole_inside());
        assert!(block(true, false, false, 2).has_hole_inside());
        assert!(!block(true, false, false, 3).has_hole_inside(), "cut off");
        assert!(
            !block(false, true, false, 0).has_hole_inside(),
            "begins inside"
        );
        assert!(
            block(true, true, true, 3).has_hole_inside(),
            "digests alone"
        );
        assert!(!block(true, false, true, 3).has_hole_inside());
    }
}
