//! Limits of the archive: its own budget, and the disk space that it leaves
//! free.

use nix::sys::statvfs::statvfs;

use super::{Archive, ArchiveError, at, remove};

impl Archive {
    /// Refuses to archive if little disk space is free: the archive must not
    /// fill the node's disk.
    pub(super) fn check_room(&self) -> Result<(), ArchiveError> {
        let stat = statvfs(&self.path).map_err(|error| at("examine", &self.path, error.into()))?;
        let unit = stat.fragment_size();
        let free = stat.blocks_available().saturating_mul(unit);
        let kept = kept_free(stat.blocks().saturating_mul(unit));
        let path = self.path.clone();
        (free >= kept)
            .then_some(())
            .ok_or(ArchiveError::NoRoom { path, kept })
    }

    /// Removes the oldest files until the rest fits the budget. Keeps the
    /// newest file in any case.
    pub(super) fn keep_budget(&self, budget: u64) -> Result<(), ArchiveError> {
        let files = self.files()?;
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let older = files.len().saturating_sub(1);
        for file in files.iter().take(older) {
            if bytes <= budget {
                break;
            }
            remove(&file.path)?;
            bytes -= file.bytes;
        }
        Ok(())
    }
}

/// Bytes that stay free on a disk of `size` bytes: a twentieth, at most 1 GiB.
fn kept_free(size: u64) -> u64 {
    (size / 20).min(1 << 30)
}
