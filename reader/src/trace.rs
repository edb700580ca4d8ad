//! A recording as a sequence of blocks. A block is a sequence of units, each with a digest: a
//! crank, or one entry outside cranks. Two sources are compared by these alone until a
//! difference is found.

use std::collections::{BTreeMap, HashSet};

use haltbox_format::{AppHash, Digest};

use crate::block_inputs::BlockInputs;
use crate::carrier::Carrier;
use crate::vocabulary::step_tracker::StepKind;

/// The first 16 bytes of the BLAKE3 of canonical lines. Each line of a crank ends with a line
/// feed. The activityhash is left out, because it is derived.
pub type UnitDigest = [u8; 16];

/// A crank, or one canonical entry outside cranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Digest of its canonical lines.
    pub digest: UnitDigest,
    /// What it is.
    pub what: What,
}

/// The kind of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A crank.
    Crank {
        /// Its number.
        number: u64,
        /// Its hashes, if its end is recorded.
        end: Option<CrankEnd>,
    },
    /// An input, with the digest of its body.
    Input(UnitDigest),
    /// A kernel run begins.
    RunStart,
    /// A step of a stream, which a recording may lack, or which does not decide the outcome of its
    /// block.
    Step(Step),
    /// Any other entry.
    Entry,
}

impl What {
    /// Whether it is part of the outcome of its block, wherever it is recorded.
    pub fn is_of_outcome(&self) -> bool {
        match self {
            What::Entry => true,
            What::Step(step) => step.kind == StepKind::Outcome,
            _ => false,
        }
    }
}

/// A step, described so that it is found again in another recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its stream: a recording has all of its steps or none.
    pub stream: StreamId,
    /// What it is to the outcome of the block.
    pub kind: StepKind,
    /// A phase of the block begins with it.
    pub begins_phase: bool,
    /// Digest of its canonical line without the numbers that earlier steps shift.
    pub bare: UnitDigest,
    /// For a read the digest of its question, for a write of its key.
    pub asks: Option<UnitDigest>,
}

/// Digest of a stream's name.
pub type StreamId = u64;

/// The root of a store at the end of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The stream of operations on the store.
    pub stream: StreamId,
    /// Digest of the entry with the root.
    pub says: UnitDigest,
    /// Whether it differs from the root at the end of the block before; `None` if that is unknown.
    pub changed: Option<bool>,
}

/// The hashes at the end of a crank. Older kernels write none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrankEnd {
    /// Hash of what the crank wrote.
    pub crankhash: Option<Digest>,
    /// Hash of all that was written up to here.
    pub activityhash: Option<Digest>,
}

impl Unit {
    /// Whether it is a crank without its end.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.what, What::Crank { end: None, .. })
    }

    /// The crankhash, if it is a crank that has one.
    pub fn crankhash(&self) -> Option<Digest> {
        match self.what {
            What::Crank { end, .. } => end?.crankhash,
            _ => None,
        }
    }

    /// The activityhash, if it is a crank that has one.
    pub fn activityhash(&self) -> Option<Digest> {
        match self.what {
            What::Crank { end, .. } => end?.activityhash,
            _ => None,
        }
    }

    /// The step, if it is one.
    pub fn step(&self) -> Option<&Step> {
        match &self.what {
            What::Step(step) => Some(step),
            _ => None,
        }
    }

    /// Whether it is a read or a write of a stream.
    pub fn is_operation(&self) -> bool {
        let kind = self.step().map(|step| step.kind);
        matches!(kind, Some(StepKind::Read | StepKind::Write))
    }

    /// The crank's number, if it is a crank.
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
    /// Its attempt in this source, from 1.
    pub attempt: u32,
    /// Its index among the executions of the source, from 0.
    pub ordinal: u64,
    /// Its beginning is recorded.
    pub begun: bool,
    /// Its end is recorded.
    pub ended: bool,
    /// The beginning of the kernel's run is recorded.
    pub executed: bool,
    /// It began on a proposal, before the network decided the block of this height.
    pub proposed: bool,
    /// An entry of it is cut off and the next process writes behind it: the recording goes on.
    pub torn: bool,
    /// Indices of units before which something is missing.
    pub holes: Vec<usize>,
    /// Its units.
    pub units: Vec<Unit>,
    /// The roots that it records.
    pub roots: Vec<Root>,
    /// Cranks whose activityhash does not follow from the one before.
    pub breaks: Vec<ChainBreak>,
    /// Only 62 bits of the digests are known, because the source is a fingerprint.
    pub narrow: bool,
    /// The source says that this execution diverged.
    pub diverged: bool,
    /// Some of its cranks have no crankhash or no activityhash, because an older kernel wrote
    /// none.
    pub hashless: bool,
    /// Its sender drops entries without a trace.
    pub wrapped: bool,
    /// Why its entries cannot all be in the order in which the kernel wrote them.
    pub fault: Option<String>,
    /// This node's AppHash after it, if its own entries have it.
    pub app_hash: Option<AppHash>,
    /// Its inputs.
    pub given: BlockInputs,
}

/// An activityhash that does not follow from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainBreak {
    /// Index of the crank's unit.
    pub unit: usize,
    /// Number of the crank.
    pub crank: u64,
    /// The crank before belongs to the same run. Kernel work between runs, which the slog does not
    /// record, cannot explain the break then.
    pub in_run: bool,
}

impl BlockTrace {
    /// Whether the other execution has a step with the same question or key as the step at `at`.
    pub fn is_asked_at(&self, at: usize, other: &BlockTrace) -> bool {
        let asks = |unit: &Unit| unit.step().and_then(|step| step.asks);
        let own = self.units.get(at).and_then(asks);
        own.is_some() && other.units.iter().any(|unit| asks(unit) == own)
    }

    /// Whether it writes to the store whose root the entry at `at` records.
    pub fn writes_to_root(&self, at: usize) -> bool {
        let step_at = self.units.get(at).and_then(Unit::step);
        let is_its_root = |root: &&Root| step_at.is_some_and(|step| step.bare == root.says);
        let root = self.roots.iter().find(is_its_root);
        let writes = |step: &Step| {
            step.kind == StepKind::Write && root.is_some_and(|root| root.stream == step.stream)
        };
        self.units.iter().filter_map(Unit::step).any(writes)
    }

    /// Whether its beginning, its end, and all between are recorded.
    pub fn is_whole(&self) -> bool {
        self.begun && self.ended && self.holes.is_empty()
    }

    /// Whether its end is missing, or what comes just before it.
    pub fn lacks_end(&self) -> bool {
        !self.ended || self.holes.iter().any(|hole| *hole >= self.units.len())
    }

    /// Whether the recording does not show that the network decided this block. Only the block's
    /// own end proves it. If a commit or the next height follows without an end, entries are
    /// missing, and the decided block may be among them.
    pub fn is_undecided(&self) -> bool {
        self.proposed && !(self.ended && self.holes.is_empty())
    }

    /// Number of whole units from the first one on, without a gap. Units behind them are not
    /// covered.
    pub fn covered(&self) -> usize {
        let until = self.holes.iter().copied().min().unwrap_or(self.units.len());
        let cut = !self.ended || !self.holes.is_empty();
        let last = until.checked_sub(1).and_then(|last| self.units.get(last));
        until - usize::from(cut && last.is_some_and(Unit::is_unfinished))
    }

    /// Whether something is missing inside: entries follow the place. The beginning of a recording
    /// does not count. A fingerprint has no units behind a hole, so there a hole in a block with
    /// beginning and end counts.
    pub fn has_hole_inside(&self) -> bool {
        let inside = |hole: &usize| *hole < self.units.len() && (self.begun || *hole > 0);
        let ends_at_hole = self.narrow && self.begun && self.ended && !self.holes.is_empty();
        ends_at_hole || self.holes.iter().any(inside)
    }

    /// Whether the kernel ran: the beginning of its run is recorded, or cranks of it. A block that
    /// was already saved runs again without any.
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

/// What a source holds besides its blocks.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Number of slog lines.
    pub lines: u64,
    /// Number of cranks.
    pub cranks: u64,
    /// Number of cranks without a crankhash or without an activityhash.
    pub without_hashes: u64,
    /// Number of cranks without a crankhash.
    pub without_crankhashes: u64,
    /// Number of lines that directly repeat the line before, byte for byte. The repeated line is
    /// skipped.
    pub doubled: u64,
    /// Some lines are not as the host writes them.
    pub rewritten: bool,
    /// The height of a block's begin or end entry could not be read, because another writer
    /// formatted it.
    pub unread: bool,
    /// What carried its lines.
    pub carrier: Option<Carrier>,
    /// Number of lines that wrap an entry with its context.
    pub wrapped: u64,
    /// Number of entries of a type that the profile knows.
    pub known: u64,
    /// Number of lines that hold an entry behind an unknown prefix.
    pub prefixed: u64,
    /// Heights before whose execution a kernel started.
    pub kernel_starts: Vec<u64>,
    /// Deliveries that it replays.
    pub replays: Replayed,
    /// What is damaged or missing, in words; at most 100.
    pub holes: Vec<String>,
    /// Why its entries are known not to be in the order in which they were written. A missing
    /// entry may be at another place then.
    pub disorder: Option<String>,
    /// The chain's id.
    pub chain_id: Option<String>,
    /// The streams that it has.
    pub streams: Streams,
    /// The first and the last height whose AppHash is known.
    pub app_hashes: Option<(u64, u64)>,
}

/// Streams by the digest of their name.
pub type Streams = BTreeMap<StreamId, Stream>;

/// A stream of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The lowest and the highest height with a step of it; `None` if no execution that was passed
    /// on has one.
    pub heights: Option<(u64, u64)>,
}

/// Extends a range of heights by one height.
pub fn spanning(heights: Option<(u64, u64)>, height: u64) -> (u64, u64) {
    heights.map_or((height, height), |(first, last)| {
        (first.min(height), last.max(height))
    })
}

/// Deliveries that a source replays.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Vat and number of each, unordered; at most 2^20.
    pub deliveries: HashSet<(String, u64)>,
    /// Slog line at which the last one begins. No replay has to be checked behind its end.
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

/// Whether what was executed before this point is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is durable.
    Committed,
    /// What was executed since the last commit is discarded.
    Discarded,
    /// Unknown: something is missing, or the node went back to an older state. Earlier knowledge
    /// of the state may no longer hold.
    Unknown,
}

/// Takes what is found while a source is cut into a trace.
pub trait TraceSink {
    /// Takes an execution, whole or in part. Returns false to end the reading.
    fn block(&mut self, block: BlockTrace) -> bool;
    /// Takes a canonical line: the ordinal of its execution, the index of its unit, and its number
    /// in the slog, from 1.
    fn line(&mut self, _ordinal: u64, _unit: usize, _line: &[u8], _number: u64) {}
    /// Says what happened to all that was executed before the next line.
    fn durability(&mut self, _durability: Durability) {}
    /// Takes any slog line, before `line` takes it if it is canonical.
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
