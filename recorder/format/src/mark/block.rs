//! What happens to a block: the bodies of its marks.

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
    /// Where its first entry stands: work before the begin entry included.
    #[serde(flatten)]
    pub from: Position,
    /// Nothing before its first entry can be missing.
    pub whole: bool,
    /// The stream that told.
    pub by: Stream,
    /// The block was known: the other stream told of it, or its own begin entry
    /// follows the work that opened it. Otherwise the block is a new one, also
    /// if an older one of the same name was released and forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins: bool,
    /// Opened by work that precedes the block's own begin entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// An attempt and the stream that told of it: [`Mark::End`](super::Mark::End), [`Mark::Commit`](super::Mark::Commit).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// The stream that told.
    pub by: Stream,
}

/// See [`Mark::LocalHash`](super::Mark::LocalHash).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalHash {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// What this node computed.
    pub app_hash: AppHash,
}

/// See [`Mark::Release`](super::Mark::Release).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// What proved it.
    pub by: ReleasedBy,
    /// The network's AppHash, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppHash>,
}

/// Why a block is no longer protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleasedBy {
    /// The next height was committed.
    NextCommit,
    /// The network decided the next header.
    Network,
    /// Later attempts at the height replaced it.
    LaterAttempt,
}

/// See [`Mark::Pin`](super::Mark::Pin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Why, in words for the operator.
    pub why: String,
    /// The network's AppHash, if a mismatch was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppHash>,
    /// The host threw the attempt away: nothing that follows belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
    /// The node told that the block does not stand: what it goes on with agrees with
    /// another, and does not release this one.
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
