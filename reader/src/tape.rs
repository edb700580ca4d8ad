//! A recording as a sequence of blocks, each a sequence of units with a digest:
//! a crank, or one entry outside cranks. This is all that two sources are
//! compared by until a difference is found.

use std::collections::HashSet;

use haltbox_format::Digest;

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
    /// A crank: its number, and its hashes if it ended.
    Crank {
        /// Its number.
        number: u64,
        /// crankhash and activityhash.
        hashes: Option<(Digest, Digest)>,
    },
    /// An input: digest of its body.
    Input(UnitDigest),
    /// A kernel run begins.
    RunStart,
    /// Any other entry.
    Entry,
}

impl Unit {
    /// Crankhash, if it is a crank that ended.
    pub fn crankhash(&self) -> Option<Digest> {
        match self.what {
            What::Crank { hashes, .. } => hashes.map(|(crankhash, _)| crankhash),
            _ => None,
        }
    }

    /// Activityhash, if it is a crank that ended.
    pub fn activityhash(&self) -> Option<Digest> {
        match self.what {
            What::Crank { hashes, .. } => hashes.map(|(_, activityhash)| activityhash),
            _ => None,
        }
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
pub struct BlockTape {
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
    /// The kernel ran.
    pub executed: bool,
    /// Units before which something is missing.
    pub holes: Vec<usize>,
    /// Its units.
    pub units: Vec<Unit>,
    /// Cranks whose activityhash does not follow from the one before, and
    /// whether the one before was of the same run.
    pub breaks: Vec<ChainBreak>,
    /// Of the digests only the first 62 bits are known.
    pub narrow: bool,
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

impl BlockTape {
    /// Beginning and end are there, and all between.
    pub fn is_whole(&self) -> bool {
        self.begun && self.ended && self.holes.is_empty()
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
    /// Heights before whose execution a kernel started.
    pub kernel_starts: Vec<u64>,
    /// Replayed deliveries, vat and number, in no order; at most a million.
    pub replays: HashSet<(String, u64)>,
    /// What is damaged or missing, in words; at most a hundred.
    pub holes: Vec<String>,
    /// The chain's id.
    pub chain_id: Option<String>,
}

/// Takes what is found while a source is cut into a tape.
pub trait Finds {
    /// A whole execution or a part of one. False ends the reading.
    fn block(&mut self, block: BlockTape) -> bool;
    /// A canonical line: the execution and unit that it belongs to, and its
    /// number in the slog, from 1.
    fn line(&mut self, _ordinal: u64, _unit: usize, _line: &[u8], _number: u64) {}
    /// Any slog line, before what it means is known.
    fn any_line(&mut self, _line: &[u8], _number: u64) {}
}
