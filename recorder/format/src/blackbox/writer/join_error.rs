//! Errors of copying frames into another box.

use std::io;

use thiserror::Error;

use crate::blackbox::sink::BoxError;

/// Reasons why frames could not be copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The source cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A frame of the source does not match its manifest.
    #[error("its frame at byte {offset} is damaged; run haltbox verify")]
    Damaged {
        /// Offset of the frame.
        offset: u64,
    },
    /// The block does not begin with a frame: it cannot be copied alone.
    #[error("the block does not begin with a frame of its own")]
    NotAligned,
    /// The new box cannot be written.
    #[error(transparent)]
    Write(#[from] BoxError),
}
