//! The record of a block in a checkpoint.

use serde::{Deserialize, Serialize};

use super::{Attempt, Position};
use crate::app_hash::{AppHash, Digest};
use crate::stream::Stream;

/// State of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being executed, or executed and not yet committed.
    Open,
    /// Durable at the host; the network has not confirmed it yet.
    Committed,
    /// Confirmed by the network: released.
    Confirmed,
    /// Replaced by later attempts at the same height: released.
    Superseded,
    /// Something is unproven. The recorder keeps it until a box of it is durable, or the
    /// network agrees with a later attempt.
    Pinned,
    /// This node's hash is proved to differ from the network's.
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

/// The streams that reported an event.
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

    /// Whether `stream` reported it.
    pub fn has(self, stream: Stream) -> bool {
        match stream {
            Stream::Slog => self.slog,
            Stream::Node => self.node,
        }
    }

    /// Whether any stream reported it.
    pub fn any(self) -> bool {
        self.slog || self.node
    }
}

/// One attempt at a height, as a [`Mark::Checkpoint`](super::Mark::Checkpoint) stores it.
///
/// The members are a format on disk. Programs that keep a block in memory have their own
/// type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRecord {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Its state.
    pub state: State,
    /// Position of its first entry.
    pub from: Position,
    /// Position behind the last entry of its execution. `None` also for an execution that
    /// the host discarded.
    pub end: Option<Position>,
    /// Position from which entries no longer belong to it. It is set at the commit;
    /// without it the log of a halted chain would make the block grow without bound.
    pub until: Option<Position>,
    /// Neither its first entries nor any up to the newest can be missing.
    pub whole: bool,
    /// It executed something.
    pub executed: bool,
    /// Work before its own begin entry opened it, and that entry has not come yet.
    #[serde(default)]
    pub early: bool,
    /// Streams that reported its begin.
    pub begun: ToldBy,
    /// Streams that reported its end.
    pub ended: ToldBy,
    /// Streams that reported its commit.
    pub committed: ToldBy,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network: Option<AppHash>,
    /// Why it is pinned, or which field diverged.
    pub why: Option<String>,
    /// The node said that the block does not stand: no later block releases it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
    /// Name of the box that holds it.
    pub frozen: Option<String>,
    /// Number of cranks that finished in it.
    pub cranks: u64,
    /// First crank's number.
    pub first_crank: Option<u64>,
    /// Last crank's number.
    pub last_crank: Option<u64>,
    /// The last crank's activityhash.
    pub activityhash: Option<Digest>,
}
