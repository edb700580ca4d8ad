//! A node that is asked about a block while a box of it is written.
//!
//! How it is asked is no business of freezing: whoever links this crate links no HTTP client.

use std::fmt;

/// A node that can be asked. Its text is what the operator reads of it.
pub trait AskNode: fmt::Display + Send + Sync {
    /// Begins to ask about a height. Does not wait for the answers.
    fn ask(&self, height: u64) -> Box<dyn Asking>;
}

/// A node that is being asked.
pub trait Asking {
    /// Waits for what the node tells, but not for long once `is_ending` says that the recorder
    /// is told to end.
    fn take(&self, is_ending: &dyn Fn() -> bool) -> Answered;
}

/// What a node answered for a box.
pub struct Answered {
    /// A line for each answer; the last one says what was not answered any more.
    pub lines: Vec<Vec<u8>>,
    /// Why not everything was asked, in words.
    pub cut: Option<String>,
}
