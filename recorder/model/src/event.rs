//! Events that profiles read from a host's streams. They drive the life of a block
//! ([`crate::lifecycle`]), which knows no chain.

use haltbox_format::{AppHash, Digest};

/// One event of a host's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node process started (again). It cut short whatever block was open.
    ProcessStart,
    /// Execution of a block began. `early` marks work before the block's own begin entry
    /// (bootstrap, upgrade). It opens the block if none is open; otherwise it belongs to
    /// the open block.
    Begin {
        /// Height being executed.
        height: u64,
        /// Whether this is work before the block's own begin entry.
        early: bool,
    },
    /// The block executed something. An empty re-run of a saved block gives no such
    /// event.
    Executed,
    /// A crank ended.
    Crank {
        /// The kernel's number of the crank.
        number: u64,
        /// SHA-256 over the crank's consensus writes.
        crankhash: Digest,
        /// SHA-256 chain over all crankhashes so far.
        activityhash: Digest,
    },
    /// Execution of a block ended.
    End {
        /// Height that was executed.
        height: u64,
    },
    /// The host made a block's state durable.
    Commit {
        /// Height that was committed.
        height: u64,
        /// This node's AppHash after it, if the entry has it.
        app_hash: Option<AppHash>,
    },
    /// This node's own AppHash after a height became known.
    LocalHash {
        /// Height that was executed.
        height: u64,
        /// The AppHash.
        app_hash: AppHash,
    },
    /// The network decided the next header, and it agrees with this height.
    Confirm {
        /// Height that is proved good.
        height: u64,
        /// The network's AppHash after it, if the entry has it.
        app_hash: Option<AppHash>,
    },
    /// The host discarded the execution of a height.
    Abort {
        /// Height that was being executed.
        height: u64,
    },
    /// The node saw a hash that differs from its own.
    Mismatch(Mismatch),
    /// The node refuses a block of other nodes, for a reason other than a hash.
    Refused(Refusal),
    /// The node's consensus ended, and the entry shows no two hashes: a deterministic
    /// panic, or a line that was cut.
    Failure {
        /// The node's own words, cut short. Empty if the line was cut before them.
        text: String,
        /// Cause of the failure.
        over: FailedOver,
    },
    /// The node says that a block of its own does not stand.
    Break(Break),
    /// A text that a host in trouble prints.
    Alarm {
        /// Its meaning, in the profile's words.
        why: String,
        /// Whether the text stands where somebody else may have chosen it.
        quoted: bool,
    },
    /// The host announced that it will stop, for an upgrade or a halt height.
    Farewell {
        /// The reason, in the profile's words.
        why: String,
    },
    /// Entries may be missing here, because the recorder was not reading.
    Gap,
    /// The stream ended: its writer is gone.
    StreamEnd,
}

impl Event {
    /// Whether the node is in trouble, or somebody says so.
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

    /// The height that the entry names as the host's own progress. A mismatch and a break
    /// return `None`: they name the height in dispute.
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

    /// The height that the node has come to, by this entry. The network agrees with a block's
    /// AppHash in the next block.
    pub fn reached(&self) -> Option<u64> {
        match self {
            Event::Confirm { height, .. } => Some(height.saturating_add(1)),
            other => other.height(),
        }
    }
}

/// Cause of a consensus failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailedOver {
    /// Hashes that differ, of which no pair could be read.
    Hashes,
    /// A block that other nodes accept and this node refuses. The text is the usual
    /// meaning of the node's reason, if the profile knows it.
    Refusal(Option<String>),
    /// Something else.
    Other,
}

/// What a node says when it learns that a block of its own does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Height of the block, if the entry has it.
    pub height: Option<u64>,
    /// The block's hash on this node, if the entry has it.
    pub local: Option<AppHash>,
    /// Its meaning, in the profile's words.
    pub why: String,
    /// Details of the entry, in the form that the profile defines.
    pub text: String,
}

impl Break {
    /// Reason why the block at height `at` is kept. That is the block itself, or the
    /// newest recorded one in its place.
    pub fn why_of(&self, at: u64) -> String {
        match self.height {
            Some(height) if height == at => self.why.clone(),
            Some(height) => format!("{}, at height {height}, which is not recorded", self.why),
            None => format!("{}, at an unknown height", self.why),
        }
    }
}

/// A block of other nodes that the node refuses, for a reason other than a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Height that was executed before it, if the entry has it.
    pub height: Option<u64>,
    /// Round of consensus, if the entry has it.
    pub round: Option<u64>,
    /// The node's own words.
    pub text: String,
    /// Their usual meaning, if the profile knows it.
    pub why: Option<String>,
    /// Whether the node was catching up and blames the peers that sent the block.
    pub blamed: bool,
}

/// Two hashes in an entry that should be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Height that was executed (header height - 1), if the entry has it.
    pub height: Option<u64>,
    /// The height from an earlier entry, if this one has none. What is known of the
    /// hashes is more certain.
    pub carried: Option<u64>,
    /// Round of consensus, if the entry has it.
    pub round: Option<u64>,
    /// Header field that differs, e.g. `AppHash` or `LastResultsHash`.
    pub field: String,
    /// This node's value ("Expected" in CometBFT's line).
    pub local: AppHash,
    /// The network's value ("got").
    pub network: AppHash,
    /// How much the entry proves.
    pub weight: Weight,
}

/// How much an entry with two hashes proves, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The text stands where somebody else may have chosen it: in a memo, a contract's
    /// output, a peer's words.
    Quoted,
    /// The node itself refused a proposal. Either the proposer diverged, or this node did
    /// and refuses all others.
    Seen,
    /// The node refused a block while it caught up, and blames the peers that sent it.
    Blamed,
    /// The first words of a panic. They are proof once the process ends.
    LastWords,
    /// The node's consensus failed over the two hashes.
    Proved,
}
