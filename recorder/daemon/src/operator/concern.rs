//! One thing that needs the operator, and is no block.

use std::time::Duration;

use serde::Serialize;

/// How a recorder's state is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judging {
    /// How old the last block may be; by default the larger of a minute and ten of the
    /// chain's own intervals.
    pub max_block_age: Option<Duration>,
    /// Whether the recorder answers, if the caller knows; else it is asked.
    pub answers: Option<bool>,
}

/// One thing that needs attention, and is no block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// The kind, in a word. docs/json.md lists them.
    pub word: &'static str,
    /// What was found.
    pub what: String,
    /// The next step.
    pub mend: String,
}
