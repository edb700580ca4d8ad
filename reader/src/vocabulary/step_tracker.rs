//! Steps that a recording may lack, though its node made them: a host chooses what it
//! traces, and a process that starts reads more than one that runs.

use std::fmt;

/// Follows the entries of a block.
pub trait StepTracker: fmt::Debug + Send {
    /// A block begins.
    fn begins(&mut self);

    /// What an entry is; `None`: every recording has it, and it is compared as it stands.
    fn step(&mut self, canonical: &[u8]) -> Option<TrackedStep>;
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedStep {
    /// What a recording has as a whole or not at all: a store, or a type of entries.
    pub stream: String,
    /// What it is to the block's outcome.
    pub kind: StepKind,
    /// The stream of the operations of what it tells the root of.
    pub root_of: Option<String>,
    /// The step without the numbers that others shift.
    pub bare: Vec<u8>,
    /// What a read asks for: the same question has one answer until something is written.
    /// What a write is to, whatever it writes.
    pub asks: Option<Vec<u8>>,
}

/// What a step is to the outcome of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// It tells how the outcome came about, and is no part of it.
    Read,
    /// It makes the state.
    Write,
    /// It tells where a transaction begins in what was traced.
    Place,
    /// It tells what came of the block, and is no part of it.
    Told,
    /// What came of a transaction. It may stand behind the transaction or behind all.
    Result,
    /// It tells what the block leaves in the state.
    Left,
    /// It is a part of the outcome.
    Outcome,
}
