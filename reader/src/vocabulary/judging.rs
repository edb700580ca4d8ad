//! Verdicts of a recorder on things in a block. A verdict is not part of the block: it may
//! come late, may change, and may be missing while the recorder was away.

use std::fmt;

/// Collects the verdicts of a recording.
pub trait Judging: fmt::Debug + Send {
    /// Takes the next entry, and its number among the slog's lines.
    fn take(&mut self, line: &[u8], number: u64);

    /// Block records are missing here. A later verdict may have been among them.
    fn hole(&mut self);

    /// Returns what is known at the end of the recording.
    fn end(self: Box<Self>) -> Judged;
}

/// All verdicts of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Things, ordered by height and number.
    pub items: Vec<JudgedItem>,
    /// Heights whose last block is no longer on the chain, as the recording itself says. Another
    /// block there is no contradiction.
    pub gone: Vec<u64>,
}

/// A thing that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedItem {
    /// Height of its block.
    pub height: u64,
    /// What distinguishes this block from others of its height: its hash.
    pub block: String,
    /// Its number in the block.
    pub number: u64,
    /// The thing, in words.
    pub words: String,
    /// The last verdict; `None` if nothing was decided.
    pub judgement: Option<Judgement>,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict as a word. Two recorders must agree on it.
    pub is: String,
    /// The reason as a word. Two recorders may differ in it.
    pub why: Option<String>,
    /// Verdict and reason, in words.
    pub words: String,
    /// No later event changes it, and no later entry is missing.
    pub is_final: bool,
    /// The one unchangeable thing that decided it. Two recorders that judge differently by the
    /// same thing contradict each other at any time.
    pub decided_by: Option<String>,
    /// It also depends on settings, which may differ between recorders.
    pub by_settings: bool,
    /// The entry with the verdict.
    pub line: Vec<u8>,
    /// Number of that entry among the slog's lines.
    pub line_number: u64,
}
