//! A host that runs transactions: what it executes, and the entries of the `host` profile
//! that it records, with more or less detail.

mod machine;
mod render;

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::random::Random;

pub use render::{Beginning, Begun};

/// Stores of a host.
pub(crate) const STORES: [&str; 3] = ["bank", "gov", "staking"];
/// Keys of a store.
pub(crate) const KEYS: u64 = 6;

/// Where something is stored.
pub(crate) type Place = (usize, u64);

/// What all nodes of a chain do alike in recording.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// `branch` tells on which cache operations are made.
    pub branches: bool,
    /// `step-phase` tells the phases.
    pub phases: bool,
    /// `step-store-root` tells the roots.
    pub roots: bool,
    /// `end-block` has the AppHash too.
    pub early_hash: bool,
    /// Rows are gone through in an order that is each process's own.
    pub shuffled: bool,
    /// `step-events` tells what happened.
    pub events: bool,
    /// Results stand behind the operations of all transactions.
    pub results_behind: bool,
    /// `step-input` stands behind the block's beginning.
    pub inputs: bool,
}

impl Habits {
    /// Of a chain.
    pub fn of(chain: u64) -> Habits {
        let mut random = Random::at(chain, &[9]);
        Habits {
            branches: random.percent(50),
            phases: random.percent(50),
            roots: random.percent(50),
            early_hash: random.percent(70),
            shuffled: random.percent(25),
            events: random.percent(40),
            results_behind: random.percent(50),
            inputs: random.percent(80),
        }
    }
}

/// How much a process records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Each operation.
    Operations,
    /// What each block left.
    Writes,
    /// Roots and results.
    Roots,
}

/// What one process records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// How much of stores.
    pub level: Level,
    /// Which stores.
    pub stores: [bool; 3],
    /// It adds steps of its own.
    pub own_steps: bool,
    /// It keeps what it read.
    pub caches: bool,
    /// It puts short values beside their digests.
    pub values: bool,
}

impl Tracing {
    /// As one process is set.
    pub fn drawn(random: &mut Random) -> Tracing {
        let level = match random.below(10) {
            0..=5 => Level::Operations,
            6 | 7 => Level::Writes,
            _ => Level::Roots,
        };
        let all = random.percent(70);
        Tracing {
            level,
            stores: [(); 3].map(|()| all || random.percent(50)),
            own_steps: random.percent(15),
            caches: random.percent(30),
            values: random.percent(20),
        }
    }

    /// Everything.
    pub fn full() -> Tracing {
        Tracing {
            level: Level::Operations,
            stores: [true; 3],
            own_steps: false,
            caches: false,
            values: false,
        }
    }

    /// It records every operation of every store.
    pub fn is_full(&self) -> bool {
        self.level == Level::Operations && self.stores == [true; 3]
    }
}

/// Something an execution does, with all that can be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Phase(&'static str),
    TxBegin(u64),
    TxEnd(u64),
    Branch(u64, Option<u64>),
    Written(u64),
    Read(Place, Option<u64>),
    Has(Place, bool),
    /// The rows from one key on.
    Iterate(usize, u64, Vec<(u64, u64)>),
    Write(Place, u64),
    Delete(Place),
    /// Reads whose order decides nothing.
    Unordered(Vec<(Place, Option<u64>)>),
    /// What only a process reads that has just started.
    Fresh(usize, Vec<(u64, u64)>),
}

/// A transaction, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tx {
    pub digest: String,
    pub code: u64,
    pub gas: u64,
    pub data: String,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub(crate) time: u64,
    pub(crate) txs: Vec<Tx>,
    pub(crate) ops: Vec<Op>,
    pub(crate) updates: String,
    /// What it left: each key once.
    pub(crate) left: BTreeMap<Place, Option<u64>>,
    pub(crate) roots: [String; 3],
    pub(crate) app_hash: String,
}

/// A chain, as one node executed it.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// By height.
    pub blocks: BTreeMap<u64, Block>,
    /// How it is recorded.
    pub habits: Habits,
    chain: u64,
}

impl Block {
    /// What decides.
    fn outcome(&self) -> (u64, &Vec<Tx>, &String, &String) {
        (self.time, &self.txs, &self.updates, &self.app_hash)
    }
}

impl Ledger {
    /// Executes a chain of so many blocks.
    pub fn execute(chain: u64, blocks: u64, size: u64, fault: Option<Fault>) -> Ledger {
        Ledger {
            blocks: machine::Machine::new(chain, size, fault).run(blocks),
            habits: Habits::of(chain),
            chain,
        }
    }

    /// The lowest height at which two nodes came to another outcome.
    pub fn parting(&self, other: &Ledger) -> Option<u64> {
        let differs = |height: &&u64| {
            let found = other.blocks.get(*height);
            found.is_some_and(|block| block.outcome() != self.blocks[*height].outcome())
        };
        self.blocks.keys().find(differs).copied()
    }

    /// The lowest height at which they did not do the same, whatever came of it.
    pub fn courses_part(&self, other: &Ledger) -> Option<u64> {
        let differs = |height: &&u64| other.blocks.get(*height) != self.blocks.get(*height);
        self.blocks.keys().find(differs).copied()
    }
}
