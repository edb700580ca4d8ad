//! Bodies of the marks about the recorder itself.

use serde::{Deserialize, Serialize};

use super::{BlockRecord, Dropped, Position, SourceMark};

/// See [`Mark::Session`](super::Mark::Session).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Version of the recorder.
    pub version: String,
    /// Process id of the writer.
    pub pid: u32,
    /// Kernel boot id. If it differs from the last session's, a power cut may have taken
    /// the tail.
    pub boot: String,
    /// Name of the active profile.
    pub profile: String,
    /// Digest of the profile's canonical rules, in hex: two profiles may share a name.
    /// `None` if the profile has no such rules, and in rings of older recorders.
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
    /// Every block that is not released, or that may still get entries, oldest first.
    pub blocks: Vec<BlockRecord>,
    /// How far each source had been read.
    pub sources: Vec<SourceMark>,
    /// Position from which entries belong to the next block, if no block is being
    /// executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// Dropped records, oldest first. The Loss marks are evicted by age, while a pinned
    /// block beside the gap may stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// The current session. Its own mark is evicted by age, too; without it no reader
    /// knows the profile of the ring. Absent in rings of older recorders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The writer was still opening the ring: it had not recorded its own start yet, and
    /// `session` is the one before. False in rings of older recorders.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opening: bool,
    /// The first line of the node's log that waits for the slog, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_waits: Option<Position>,
}

/// A place between two executions. Canonical entries behind it belong to the block that
/// is executed next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// Position of the boundary.
    #[serde(flatten)]
    pub at: Position,
    /// No entry between the boundary and the newest one can be missing.
    pub whole: bool,
}
