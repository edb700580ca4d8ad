//! Where bytes come from: followed files, FIFOs, standard input, the journal. What they mean
//! is not known here: [`crate::intake`] makes entries of a stream of them.
//!
//! A followed file cannot hold the node up, whatever the recorder does. A pipe
//! can: a node that writes into a pipe nobody drains stops. validator-guide.md
//! says when to use which.

pub(crate) mod failure;
pub(crate) mod fifo;
pub(crate) mod followed;
pub(crate) mod journald;
pub mod lines;
pub(crate) mod pipe;
pub(crate) mod stdin;
pub(crate) mod systemd_fifo;
pub(crate) mod wrapped;

/// What one turn of reading a pipe came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// So many bytes are in the chunk.
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
    /// The writer is gone; another may come.
    WriterGone,
    /// Nothing comes any more.
    End,
}
