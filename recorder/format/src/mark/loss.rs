//! Records that could not be kept.

use serde::{Deserialize, Serialize};

use crate::stream::{Lane, Stream};

/// See [`Mark::Loss`](super::Mark::Loss).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Lane that could not keep them.
    pub lane: Lane,
    /// Stream of the records, where they are of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// How many.
    pub records: u64,
    /// Their bytes as the source gave them, line ends included.
    pub bytes: u64,
    /// Why, in words for the operator.
    pub why: String,
    /// Whether the records were never in the ring (dropped); otherwise
    /// unreleased ones were overwritten.
    pub dropped: bool,
    /// Where in the lane; rings of older recorders do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

/// Counters of a lane: `from` and those behind it, before `until`. A record that
/// is dropped takes a counter, so that the lane itself shows that it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The first.
    pub from: u64,
    /// The one behind the last; `from` for a place where nobody counted.
    pub until: u64,
}

impl Loss {
    /// Block records were lost here, how many or which nobody knows.
    pub fn breaks_blocks(&self) -> bool {
        self.dropped && self.lane == Lane::Main && self.stream != Some(Stream::Node)
    }

    /// The lane lacks counters where the records are missing, or holds a record
    /// that says it was cut: the mark is not needed to see it.
    pub fn shows_as_gap(&self) -> bool {
        !self.dropped || self.counters.is_some_and(|lost| lost.from < lost.until)
    }
}

impl Counters {
    /// Whether any of them is `counter` or stands behind it.
    pub fn reach(self, counter: u64) -> bool {
        self.until > counter || self.from == self.until && self.from == counter
    }
}

/// Records of a lane that were dropped, for [`Mark::Checkpoint`](super::Mark::Checkpoint).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The lane.
    pub lane: Lane,
    /// Their counters.
    #[serde(flatten)]
    pub counters: Counters,
}
