//! Where the node's log waits for the slog.

use serde::{Deserialize, Serialize};

use super::Position;

/// See [`Mark::LogWait`](super::Mark::LogWait).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogWait {
    /// The first line of the log that the recorder has not acted on; `None` once nothing
    /// waits. A recorder that is killed hears the lines from there on again.
    pub from: Option<Position>,
}
