//! A FIFO that a node writes into.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

use super::Came;
use super::pipe::{read_now, widen};

/// The FIFO's reading end. It stays open while writers come and go.
pub(crate) struct Fifo {
    file: File,
    writer_seen: bool,
    /// Whether no other writer can come after this one.
    last: bool,
}

impl Fifo {
    /// Opens the FIFO for reading. Does not wait for a writer.
    ///
    /// # Errors
    /// The FIFO cannot be opened.
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

    /// The same FIFO, with a writer that is the last one.
    pub(crate) fn with_last_writer(self) -> Fifo {
        Fifo {
            writer_seen: true,
            last: true,
            ..self
        }
    }

    /// Reads at most one chunk.
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

    /// Descriptor to wait on. `None` without a writer, because it would always
    /// be ready.
    pub(crate) fn wait_on(&self) -> Option<BorrowedFd<'_>> {
        self.writer_seen.then(|| self.file.as_fd())
    }
}
