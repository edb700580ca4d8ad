//! Standard input.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::Came;
use super::pipe::{read_ready, widen};

/// A duplicate of standard input's descriptor.
pub(crate) struct Stdin(File);

impl Stdin {
    /// Duplicates standard input.
    ///
    /// # Errors
    /// There is no descriptor.
    pub(crate) fn open() -> io::Result<Stdin> {
        let file = io::stdin().as_fd().try_clone_to_owned()?;
        widen(&file);
        Ok(Stdin(file.into()))
    }

    /// Reads at most one chunk.
    pub(crate) fn turn(&mut self, chunk: &mut [u8]) -> io::Result<Came> {
        Ok(match read_ready(&mut self.0, chunk)? {
            Some(0) => Came::End,
            Some(count) => Came::Bytes(count),
            None => Came::Nothing,
        })
    }

    /// The descriptor to wait on.
    pub(crate) fn wait_on(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
