//! A concern: something other than a block that needs the operator.

use std::time::Duration;

use serde::Serialize;

/// How to judge a recorder's state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judging {
    /// Greatest age of the last block. `None` takes a minute, or ten of the
    /// chain's own intervals if that is longer.
    pub max_block_age: Option<Duration>,
    /// Whether the recorder answers, if the caller knows. `None` asks the
    /// recorder.
    pub answers: Option<bool>,
}

/// Something other than a block that needs the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// The kind, in one word. docs/json.md lists them.
    pub word: &'static str,
    /// What was found.
    pub what: String,
    /// The next step.
    pub mend: String,
}
