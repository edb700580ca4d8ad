//! What an adapter takes from a host's stream. The life of a block
//! ([`crate::lifecycle`]) is driven by these and knows no chain.

use haltbox_format::{AppHash, Digest};

/// One thing a host's entry told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node process started (again): whatever was open was cut short.
    ProcessStart,
    /// Execution of a block began. `early` marks work done before the block's
    /// own begin entry (bootstrap, upgrade): it opens the block if none is
    /// open, and is otherwise part of it.
    Begin {
        /// Height being executed.
        height: u64,
        /// Work done before the block's own begin entry.
        early: bool,
    },
    /// The block's own work ran: not an empty re-run of a saved block.
    Executed,
    /// A crank was finished.
    Crank {
        /// The kernel's own number of the crank.
        number: u64,
        /// SHA-256 over the crank's consensus writes.
        crankhash: Digest,
        /// SHA-256 chain over all crankhashes so far.
        activityhash: Digest,
    },
    /// The last entry of the execution of a block.
    End {
        /// Height that was executed.
        height: u64,
    },
    /// The host made a block's state durable.
    Commit {
        /// Height that was committed.
        height: u64,
        /// This node's AppHash after it, where the entry carries it.
        app_hash: Option<AppHash>,
    },
    /// This node's own AppHash after a height became known.
    LocalHash {
        /// Height that was executed.
        height: u64,
        /// The result.
        app_hash: AppHash,
    },
    /// The network decided the next header, which agrees with this height.
    Confirm {
        /// Height proved good.
        height: u64,
        /// The network's AppHash after it, where the entry carries it.
        app_hash: Option<AppHash>,
    },
    /// The execution of a height was thrown away by the host.
    Abort {
        /// Height that was being executed.
        height: u64,
    },
    /// The node saw a hash that is not its own.
    Mismatch(Mismatch),
    /// The node refuses a block of the others, and not over two hashes.
    Refused(Refusal),
    /// The node's consensus ended, and no two hashes tell why: a deterministic
    /// panic, or a line that was cut.
    Failure {
        /// Its own words, cut short; empty if the line was cut before them.
        text: String,
        /// What it failed over.
        over: FailedOver,
    },
    /// The node tells in its own words that what it had is not what the others have.
    Break(Break),
    /// A text that a host in trouble prints.
    Alarm {
        /// What it means, in the profile's words.
        why: String,
        /// It stands where somebody else may have chosen it.
        quoted: bool,
    },
    /// The host announced that it will stop: an upgrade, a halt height.
    Farewell {
        /// What it said, in the profile's words.
        why: String,
    },
    /// Entries may be missing here: the recorder was not reading.
    Gap,
    /// The stream came to its end: the writer is gone.
    StreamEnd,
}

impl Event {
    /// The node is in trouble, or somebody says that it is.
    pub fn is_trouble(&self) -> bool {
        matches!(
            self,
            Event::Mismatch(_)
                | Event::Refused(_)
                | Event::Failure { .. }
                | Event::Break(_)
                | Event::Alarm { .. }
        )
    }

    /// The height that its entry names as the host's own progress. A mismatch and a
    /// break have none: they name the height that is in dispute.
    pub fn height(&self) -> Option<u64> {
        match self {
            Event::Begin { height, .. }
            | Event::End { height }
            | Event::Commit { height, .. }
            | Event::LocalHash { height, .. }
            | Event::Confirm { height, .. }
            | Event::Abort { height } => Some(*height),
            Event::ProcessStart
            | Event::Executed
            | Event::Crank { .. }
            | Event::Mismatch(_)
            | Event::Refused(_)
            | Event::Failure { .. }
            | Event::Break(_)
            | Event::Alarm { .. }
            | Event::Farewell { .. }
            | Event::Gap
            | Event::StreamEnd => None,
        }
    }
}

/// What consensus failed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailedOver {
    /// Hashes that differ, but no two could be read.
    Hashes,
    /// A block that the others accept and this node refuses: what the reason that
    /// it gives usually means, where the profile knows.
    Refusal(Option<String>),
    /// Something else.
    Other,
}

/// What a node says where it learns that a block of its own does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Height of the block, where the entry tells.
    pub height: Option<u64>,
    /// The block's hash as this node had it, where the entry tells.
    pub local: Option<AppHash>,
    /// What it means, in the profile's words.
    pub why: String,
    /// What the entry adds, as the profile wants it shown.
    pub text: String,
}

impl Break {
    /// Why the block of a height is kept for it: the block itself, or the newest that is
    /// recorded.
    pub fn why_of(&self, at: u64) -> String {
        match self.height {
            Some(height) if height == at => self.why.clone(),
            Some(height) => format!("{}, at height {height}, which is not recorded", self.why),
            None => format!("{}, at an unknown height", self.why),
        }
    }
}

/// A block of the others that the node refuses, for a reason that is no hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Height that was executed before it, where the entry tells.
    pub height: Option<u64>,
    /// Round of consensus, where the entry tells.
    pub round: Option<u64>,
    /// The node's own words.
    pub text: String,
    /// What they usually mean, where the profile knows.
    pub why: Option<String>,
    /// The node was catching up, and blames the peers that sent it.
    pub blamed: bool,
}

/// A sighting of two hashes that should have been one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Height that was executed (header height - 1), where the entry tells.
    pub height: Option<u64>,
    /// The same by an earlier entry, where this one does not tell: less certain
    /// than what is known of the hashes.
    pub carried: Option<u64>,
    /// Round of consensus, where the entry tells.
    pub round: Option<u64>,
    /// Header field that differs, e.g. `AppHash` or `LastResultsHash`.
    pub field: String,
    /// This node's value ("Expected" in CometBFT's line).
    pub local: AppHash,
    /// The network's value ("got").
    pub network: AppHash,
    /// How much it says.
    pub weight: Weight,
}

/// How much a sighting of two hashes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The text stands where somebody else may have chosen it: a memo, a
    /// contract's output, a peer's words.
    Quoted,
    /// The node itself refused a proposal: a divergent proposer's, or all that
    /// do not share its own divergence.
    Seen,
    /// The node refused a block while it caught up, and blames the peers that
    /// sent it.
    Blamed,
    /// The first words of a panic: proof if the process then ends.
    LastWords,
    /// The node's consensus failed over it.
    Proved,
}
