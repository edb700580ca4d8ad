//! The record of a block in a checkpoint.

use serde::{Deserialize, Serialize};

use super::{Attempt, Position};
use crate::app_hash::{AppHash, Digest};
use crate::stream::Stream;

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being executed, or executed and not yet committed.
    Open,
    /// Durable at the host, not yet agreed by the network.
    Committed,
    /// The network agreed: released.
    Confirmed,
    /// Replaced by later attempts at the same height: released.
    Superseded,
    /// Something is unproven: kept until a box of it is durable, or a later
    /// attempt is agreed.
    Pinned,
    /// This node's hash and the network's are proved to differ.
    Diverged,
}

impl State {
    /// The word used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Committed => "committed",
            State::Confirmed => "confirmed",
            State::Superseded => "superseded",
            State::Pinned => "pinned",
            State::Diverged => "diverged",
        }
    }
}

/// Which of the two streams told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldBy {
    #[serde(default)]
    slog: bool,
    #[serde(default)]
    node: bool,
}

impl ToldBy {
    /// Adds `stream`.
    pub fn add(&mut self, stream: Stream) {
        match stream {
            Stream::Slog => self.slog = true,
            Stream::Node => self.node = true,
        }
    }

    /// Whether `stream` told it.
    pub fn has(self, stream: Stream) -> bool {
        match stream {
            Stream::Slog => self.slog,
            Stream::Node => self.node,
        }
    }

    /// Whether any stream told it.
    pub fn any(self) -> bool {
        self.slog || self.node
    }
}

/// One attempt at a height as [`Mark::Checkpoint`](super::Mark::Checkpoint) carries it.
///
/// These are the members of a format on disk: what a program keeps of a block in memory
/// is a type of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRecord {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Where it stands.
    pub state: State,
    /// Its first entry.
    pub from: Position,
    /// Behind the last entry of its execution. `None` also for an execution
    /// that the host threw away.
    pub end: Option<Position>,
    /// Where what follows no longer belongs to it: set as soon as it is
    /// committed, so that a halted chain's log does not grow it without bound.
    pub until: Option<Position>,
    /// Neither its first entries nor any between them and the newest can be
    /// missing.
    pub whole: bool,
    /// It did work of its own.
    pub executed: bool,
    /// Opened by work that precedes its own begin entry, which is still to come.
    #[serde(default)]
    pub early: bool,
    /// Who told of its begin.
    pub begun: ToldBy,
    /// Who told of its end.
    pub ended: ToldBy,
    /// Who told of its commit.
    pub committed: ToldBy,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network: Option<AppHash>,
    /// Why it is pinned, or which field diverged.
    pub why: Option<String>,
    /// The node told that the block does not stand: nothing later releases it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
    /// Box that holds it.
    pub frozen: Option<String>,
    /// Cranks finished in it.
    pub cranks: u64,
    /// First crank's number.
    pub first_crank: Option<u64>,
    /// Last crank's number.
    pub last_crank: Option<u64>,
    /// The last crank's activityhash.
    pub activityhash: Option<Digest>,
}
