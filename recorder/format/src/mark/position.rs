//! Where in the recording a mark was made, and when.

use serde::{Deserialize, Serialize};

use crate::stream::Lane;

/// A place in the recorded order: the number of records that each lane had been given.
///
/// An entry lies at or behind a position if the counter of its own lane does. So
/// positions compare across lanes without a common clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Counter of the next main record.
    pub main: u64,
    /// Counter of the next local record.
    pub local: u64,
}

impl Position {
    /// Behind what stands before either.
    #[must_use]
    pub fn max(self, other: Position) -> Position {
        Position {
            main: self.main.max(other.main),
            local: self.local.max(other.local),
        }
    }

    /// Whether record `counter` of `lane` stands before this position. Spine counters
    /// have no place in a position; callers never ask for them.
    pub fn is_behind(&self, lane: Lane, counter: u64) -> bool {
        match lane {
            Lane::Main | Lane::Spine => counter < self.main,
            Lane::Local => counter < self.local,
        }
    }
}

/// Time and position of a spine record. It stands behind every record that the position
/// counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Position of the marks.
    pub at: Position,
    /// Wall clock of the recorder, milliseconds since 1970 (48 bits kept).
    pub time_ms: u64,
}
