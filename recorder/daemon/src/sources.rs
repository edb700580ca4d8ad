//! Where bytes come from: followed files, FIFOs, standard input, the journal.
//! [`crate::intake`] turns them into entries.
//!
//! A followed file never makes the node wait, whatever the recorder does. A
//! pipe can: a node that writes into a pipe without a reader stops.
//! validator-guide.md says when to use which.

pub(crate) mod failure;
pub(crate) mod fifo;
pub(crate) mod followed;
pub(crate) mod journald;
pub mod lines;
pub(crate) mod pipe;
pub(crate) mod stdin;
pub(crate) mod systemd_fifo;
pub(crate) mod wrapped;

/// The result of one turn of reading a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// The chunk has this many bytes.
    Bytes(usize),
    /// Nothing can be read now.
    Nothing,
    /// The writer is gone. Another may come.
    WriterGone,
    /// Nothing comes any more.
    End,
}
