//! Disk space that the recorder keeps for a freeze, and frees for it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

use crate::owner_only;

/// The file's name in the folder of boxes.
pub const RESERVE: &str = ".reserve";

/// A preallocated file in the folder of boxes.
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// Allocates `bytes` in the folder `boxes`.
    ///
    /// After an error a freeze still works as long as the disk has room, so the
    /// caller only tells the operator.
    ///
    /// # Errors
    /// The file cannot be created or allocated.
    pub fn take(boxes: &Path, bytes: u64) -> io::Result<Reserve> {
        let reserve = Reserve {
            path: boxes.join(RESERVE),
            bytes,
        };
        reserve.refill()?;
        Ok(reserve)
    }

    /// Allocates the space again after a freeze. Removes the file if that
    /// fails.
    ///
    /// # Errors
    /// The file cannot be opened or allocated.
    pub fn refill(&self) -> io::Result<()> {
        let filled = self.open().and_then(|file| {
            let length = i64::try_from(self.bytes).unwrap_or(i64::MAX);
            fallocate(&file, FallocateFlags::empty(), 0, length).map_err(io::Error::from)
        });
        if filled.is_err() {
            self.give_up();
        }
        filled
    }

    /// Frees the space, so that the freeze can use it.
    pub fn give_up(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn open(&self) -> io::Result<File> {
        owner_only::writing()
            .create(true)
            .truncate(false)
            .open(&self.path)
    }
}
