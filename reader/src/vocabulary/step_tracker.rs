//! Steps that a recording may lack although its node made them. A host chooses what it traces,
//! and a process that has just started reads more than one that runs.

use std::fmt;

/// Classifies the entries of a block.
pub trait StepTracker: fmt::Debug + Send {
    /// A block begins.
    fn begins(&mut self);

    /// The step that an entry is. `None` if every recording has such entries, so that they are
    /// compared as they are.
    fn step(&mut self, canonical: &[u8]) -> Option<TrackedStep>;
}

/// A step of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedStep {
    /// The stream: a recording has all of its steps or none. A store's operations, or a type of
    /// entries.
    pub stream: String,
    /// What the step is to the outcome of the block.
    pub kind: StepKind,
    /// If the step is a root: the stream of operations on the same store.
    pub root_of: Option<String>,
    /// The step without the numbers that earlier steps shift.
    pub bare: Vec<u8>,
    /// The question of a read: the same question has one answer until something is written. For a
    /// write, its key, whatever the value.
    pub asks: Option<Vec<u8>>,
}

/// What a step is to the outcome of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// It shows how the outcome came about, and is not part of it.
    Read,
    /// It writes state.
    Write,
    /// It marks where a transaction begins.
    Place,
    /// It reports the block's events, and is not part of the outcome.
    Told,
    /// The result of a transaction. It may come behind the transaction or behind all.
    Result,
    /// It is a value that the block leaves in the state.
    Left,
    /// It is part of the outcome.
    Outcome,
}
