//! The recorder and its own state.

use serde::{Deserialize, Serialize};

use super::{BlockRecord, Dropped, Position, SourceMark};

/// See [`Mark::Session`](super::Mark::Session).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Version of the recorder.
    pub version: String,
    /// Process that writes.
    pub pid: u32,
    /// Kernel boot id: another one than before means the tail may be missing.
    pub boot: String,
    /// Name of the profile in force.
    pub profile: String,
    /// Digest of its canonical rules, in hex: two profiles may have one name. `None`
    /// without such rules, and of an older recorder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
}

/// See [`Mark::Note`](super::Mark::Note).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The sentence.
    pub text: String,
}

/// See [`Mark::Checkpoint`](super::Mark::Checkpoint).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Every block that is not released, or of which entries may still come,
    /// oldest first.
    pub blocks: Vec<BlockRecord>,
    /// How far each source had been read.
    pub sources: Vec<SourceMark>,
    /// Where the search for the next block's first entry begins, if no block is
    /// being executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// What was dropped, oldest first: the marks that told of it go by age, and
    /// a pinned block beside the gap may stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// The session that goes on: its own mark goes by age, too, and without it
    /// nobody knows by which profile the ring is read. Absent in rings of older
    /// recorders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

/// A place between two executions: canonical entries behind it belong to the
/// block that is executed next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// The place.
    #[serde(flatten)]
    pub at: Position,
    /// Nothing between it and the newest entry can be missing.
    pub whole: bool,
}
