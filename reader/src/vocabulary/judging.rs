//! What a recorder says of things in a block, beside what the block holds: verdicts that
//! may come late, change, and be missing where it was away.

use std::fmt;

/// Gathers the judgements of a recording.
pub trait Judging: fmt::Debug + Send {
    /// Takes the next entry, and its number among the slog's lines.
    fn take(&mut self, line: &[u8], number: u64);

    /// Block records are missing here: what was said last may have been among them.
    fn hole(&mut self);

    /// What is known at the recording's end.
    fn end(self: Box<Self>) -> Judged;
}

/// What a recording says in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Things by height and number, the lowest first.
    pub items: Vec<JudgedItem>,
    /// Heights whose last block is not the chain's any more, as the recording itself
    /// says: nothing has to stand there.
    pub gone: Vec<u64>,
}

/// Something that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedItem {
    /// Height of its block.
    pub height: u64,
    /// What tells this block from others of its height.
    pub block: String,
    /// Its number in the block.
    pub number: u64,
    /// In words.
    pub words: String,
    /// What was said last; `None` if nothing was decided.
    pub judgement: Option<Judgement>,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict in a word: what two sides must agree on.
    pub is: String,
    /// Why, in a word; on this they may differ.
    pub why: Option<String>,
    /// Both in words.
    pub words: String,
    /// Nothing that may still happen changes it, and nothing that followed is missing.
    pub is_final: bool,
    /// What alone decided it, if that cannot change: two who found otherwise in the same
    /// thing contradict one another at any time.
    pub decided_by: Option<String>,
    /// It rests on settings too, which may differ between recorders.
    pub by_settings: bool,
    /// The entry that says so.
    pub line: Vec<u8>,
    /// Its number among the slog's lines.
    pub line_number: u64,
}
