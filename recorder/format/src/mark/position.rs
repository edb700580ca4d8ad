//! Where in the recording a mark was made, and when.

use serde::{Deserialize, Serialize};

use crate::stream::Lane;

/// A place in the recorded order: how many records each lane had been given.
///
/// An entry lies at or behind a position if its own lane's counter does, so
/// positions compare across lanes without a common clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Counter of the next main record.
    pub main: u64,
    /// Counter of the next local record.
    pub local: u64,
}

impl Position {
    /// Whether the record `counter` of `lane` stands before this position.
    /// Marks have a place of their own and are never asked.
    pub fn is_behind(&self, lane: Lane, counter: u64) -> bool {
        match lane {
            Lane::Main | Lane::Spine => counter < self.main,
            Lane::Local => counter < self.local,
        }
    }
}

/// When and where marks were made: behind every record the position counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Behind which records.
    pub at: Position,
    /// Wall clock of the recorder, milliseconds since 1970 (48 bits kept).
    pub time_ms: u64,
}
