//! Bodies of the marks about a block.

use serde::{Deserialize, Serialize};

use super::Position;
use crate::app_hash::AppHash;
use crate::stream::Stream;

/// One attempt at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Height that is executed.
    pub height: u64,
    /// 1 for the first attempt at it.
    pub attempt: u32,
}

/// See [`Mark::Begin`](super::Mark::Begin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Position of its first entry, which may precede the begin entry.
    #[serde(flatten)]
    pub from: Position,
    /// No entry before its first recorded one can be missing.
    pub whole: bool,
    /// The stream that reported it.
    pub by: Stream,
    /// The block was open already: the other stream reported it, or earlier work opened
    /// it and this is its own begin entry. If false, the block is new, even if an older
    /// one with the same height and attempt was released and forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins: bool,
    /// Work before the block's own begin entry opened it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// An attempt, and the stream that reported the event: [`Mark::End`](super::Mark::End),
/// [`Mark::Commit`](super::Mark::Commit).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// The stream that reported it.
    pub by: Stream,
}

/// See [`Mark::LocalHash`](super::Mark::LocalHash).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalHash {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// AppHash that this node computed.
    pub app_hash: AppHash,
}

/// See [`Mark::Release`](super::Mark::Release).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// What proved that the block is settled.
    pub by: ReleasedBy,
    /// The network's AppHash, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppHash>,
}

/// Reasons why a block is no longer protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleasedBy {
    /// The next height was committed.
    NextCommit,
    /// The network decided the next header, which confirms the block.
    Network,
    /// A later attempt at the height replaced it.
    LaterAttempt,
}

/// See [`Mark::Pin`](super::Mark::Pin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Reason, in words for the operator.
    pub why: String,
    /// The network's AppHash, if a mismatch was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppHash>,
    /// The host discarded the attempt: no later entry belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
    /// The node said that the block does not stand. A later block that the network agrees
    /// with builds on another block, so it does not release this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
}

/// See [`Mark::Diverged`](super::Mark::Diverged).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Header field that differs.
    pub field: String,
    /// This node's value.
    pub local: AppHash,
    /// The network's value.
    pub network: AppHash,
}

/// See [`Mark::Frozen`](super::Mark::Frozen).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// File name of the box.
    pub name: String,
}
