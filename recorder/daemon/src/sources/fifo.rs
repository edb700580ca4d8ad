//! A FIFO that a node writes into.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

use super::Came;
use super::pipe::{read_now, widen};

/// Its reading end. It stays open, so a writer may come, go and come again.
pub(crate) struct Fifo {
    file: File,
    writer_seen: bool,
    /// Nobody is there who would start another writer.
    last: bool,
}

impl Fifo {
    /// Opens for reading without waiting for a writer.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(path: &Path) -> io::Result<Fifo> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        widen(&file);
        Ok(Fifo {
            file,
            writer_seen: false,
            last: false,
        })
    }

    /// The same, whose writer is there and is the last.
    pub(crate) fn with_last_writer(self) -> Fifo {
        Fifo {
            writer_seen: true,
            last: true,
            ..self
        }
    }

    /// Reads what is there, at most one chunk.
    pub(crate) fn turn(&mut self, chunk: &mut [u8]) -> io::Result<Came> {
        Ok(match read_now(&mut self.file, chunk)? {
            Some(0) if self.last => Came::End,
            Some(0) if self.writer_seen => {
                self.writer_seen = false;
                Came::WriterGone
            }
            Some(0) => Came::Nothing,
            Some(count) => {
                self.writer_seen = true;
                Came::Bytes(count)
            }
            None => {
                self.writer_seen = true;
                Came::Nothing
            }
        })
    }

    /// What to wait on; without a writer it would be ready all the time.
    pub(crate) fn wait_on(&self) -> Option<BorrowedFd<'_>> {
        self.writer_seen.then(|| self.file.as_fd())
    }
}
