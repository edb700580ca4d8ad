//! Records that the recorder could not keep.

use serde::{Deserialize, Serialize};

use crate::stream::{Lane, Stream};

/// See [`Mark::Loss`](super::Mark::Loss).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Lane of the records.
    pub lane: Lane,
    /// Stream of the records, if all belong to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// Number of records.
    pub records: u64,
    /// Bytes as the source gave them, line ends included.
    pub bytes: u64,
    /// Reason, in words for the operator.
    pub why: String,
    /// True if the records never reached the ring (dropped). False if unreleased records
    /// were overwritten.
    pub dropped: bool,
    /// Their counters in the lane. `None` in rings of older recorders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

/// A range of counters of a lane. A dropped record takes a counter, so the lane itself
/// shows the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// First counter.
    pub from: u64,
    /// Counter behind the last. Equal to `from` if the number of records is unknown.
    pub until: u64,
}

impl Loss {
    /// Whether block records were dropped, even if their number is unknown.
    pub fn breaks_blocks(&self) -> bool {
        self.dropped && self.lane == Lane::Main && self.stream != Some(Stream::Node)
    }

    /// Whether the lane itself shows the loss: it lacks the counters, or holds a record
    /// that says that it was cut. A reader then does not need the mark.
    pub fn shows_as_gap(&self) -> bool {
        !self.dropped || self.counters.is_some_and(|lost| lost.from < lost.until)
    }
}

impl Counters {
    /// Whether the range has `counter` or a later one.
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
