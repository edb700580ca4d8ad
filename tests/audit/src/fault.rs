//! What a node does otherwise than the others, once.

use crate::random::Random;

/// The kinds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A row of its storage was altered before the block.
    Row,
    /// What a block wrote was not there after it.
    LostWrite,
    /// One read gave another value.
    Read,
    /// A device answered otherwise.
    Device,
    /// Another value was written.
    Write,
    /// A write, or another call, was left out.
    Skipped,
    /// One more was made.
    Extra,
    /// Reads came in another order, and something came of it.
    Order,
    /// Other compute, or other gas.
    Cost,
    /// Another result of a delivery or a transaction.
    Outcome,
    /// Another crankhash, and nothing else.
    Hash,
    /// Work that no entry shows.
    Hidden,
    /// Another heap snapshot.
    Snapshot,
    /// A replay that did otherwise than the delivery.
    Replay,
    /// Another input.
    Input,
    /// One input less.
    InputLess,
    /// Another time of the block.
    Time,
    /// A trigger from outside the kernel more.
    Trigger,
    /// Changes of validators or parameters that are others.
    Updates,
}

/// Of a kernel of vats.
pub const OF_KERNEL: [Kind; 17] = [
    Kind::Row,
    Kind::LostWrite,
    Kind::Read,
    Kind::Device,
    Kind::Write,
    Kind::Skipped,
    Kind::Extra,
    Kind::Order,
    Kind::Cost,
    Kind::Outcome,
    Kind::Hash,
    Kind::Hidden,
    Kind::Snapshot,
    Kind::Replay,
    Kind::Input,
    Kind::Time,
    Kind::Trigger,
];

/// Of a host that runs transactions.
pub const OF_LEDGER: [Kind; 13] = [
    Kind::Row,
    Kind::LostWrite,
    Kind::Read,
    Kind::Write,
    Kind::Skipped,
    Kind::Extra,
    Kind::Order,
    Kind::Cost,
    Kind::Outcome,
    Kind::Hidden,
    Kind::Input,
    Kind::InputLess,
    Kind::Updates,
];

/// One of them, at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// In which block.
    pub height: u64,
    /// At which of the places in it where that can happen.
    pub at: u64,
}

impl Kind {
    /// What `diff` may call it where everything of it is recorded.
    pub fn verdicts(self, kernel: bool) -> &'static [&'static str] {
        match (self, kernel) {
            (Kind::Row | Kind::LostWrite | Kind::Read, _) => &["state differs"],
            (Kind::Device, _) => &["host answer differs"],
            (Kind::Order, _) => &["order differs"],
            (Kind::Hash, _) => &["hash only"],
            (Kind::Hidden, true) => &["hidden crank", "hash only"],
            (Kind::Hidden, false) => &["outside the recording", "state differs"],
            (Kind::Snapshot, _) => &["snapshot differs"],
            (Kind::Replay, _) => &["replay differs"],
            (Kind::Input | Kind::InputLess | Kind::Time | Kind::Trigger, _) => &["inputs differ"],
            (Kind::Cost | Kind::Outcome, false) => &["results only", "execution differs"],
            _ => &["execution differs"],
        }
    }
}

impl Fault {
    /// One of a list, in a block of these.
    pub fn drawn(of: &[Kind], blocks: u64, random: &mut Random) -> Fault {
        Fault {
            kind: random.pick(of),
            height: 1 + random.below(blocks),
            at: random.below(8),
        }
    }
}

/// Counts the places where a fault can happen, and says which one it is.
#[derive(Clone, Debug)]
pub struct Trigger {
    fault: Option<Fault>,
    seen: u64,
}

impl Trigger {
    /// Of a node that has a fault, or none.
    pub fn new(fault: Option<Fault>) -> Trigger {
        Trigger { fault, seen: 0 }
    }

    /// Such a thing happens here if the node's fault is of this kind: whether it does.
    pub fn fires(&mut self, kind: Kind, height: u64) -> bool {
        let Some(fault) = self.fault else {
            return false;
        };
        if fault.kind != kind || fault.height != height {
            return false;
        }
        self.seen += 1;
        self.seen == fault.at + 1
    }
}
