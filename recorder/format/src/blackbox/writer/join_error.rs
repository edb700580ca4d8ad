//! Errors of copying frames into another box.

use std::fmt;
use std::io;

use crate::blackbox::sink::BoxError;

/// Reasons why frames could not be copied.
#[derive(Debug)]
pub enum JoinError {
    /// The source cannot be read.
    Read(io::Error),
    /// A frame of the source does not match its manifest.
    Damaged {
        /// Offset of the frame.
        offset: u64,
    },
    /// The block does not begin with a frame: it cannot be copied alone.
    NotAligned,
    /// The new box cannot be written.
    Write(BoxError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Read(error) => write!(f, "cannot be read: {error}"),
            JoinError::Damaged { offset } => {
                write!(
                    f,
                    "its frame at byte {offset} is damaged; run haltbox verify"
                )
            }
            JoinError::NotAligned => write!(f, "the block does not begin with a frame of its own"),
            JoinError::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<BoxError> for JoinError {
    fn from(error: BoxError) -> Self {
        JoinError::Write(error)
    }
}
