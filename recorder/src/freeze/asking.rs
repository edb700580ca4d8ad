//! Interface to a node that is asked about a block while its box is written.
//!
//! `haltbox-daemon` implements it. This crate has no HTTP client, so that a
//! host links none.

use std::fmt;

/// A node that can be asked. Its `Display` text names it to the operator.
pub trait AskNode: fmt::Display + Send + Sync {
    /// Begins to ask about a height. Does not wait for the answers.
    fn ask(&self, height: u64) -> Box<dyn Asking>;
}

/// Questions to a node that are under way.
pub trait Asking {
    /// Waits for the answers. Returns soon after `is_ending` says that the
    /// recorder was told to end.
    fn take(&self, is_ending: &dyn Fn() -> bool) -> Answered;
}

/// Answers of a node for a box.
pub struct Answered {
    /// One line for each question, with the answer or the error.
    pub lines: Vec<Vec<u8>>,
    /// Why some questions were not asked, in words. `None` if all were.
    pub cut: Option<String>,
}
