//! The archive: released blocks of the ring, compressed, within a budget of
//! bytes.
//!
//! ```text
//! ring --pass--> part, some minutes --join--> hour --budget--> removed, oldest first
//! ```
//!
//! A part is a box of the blocks that were released since the last part. A
//! thread of low priority makes it from the ring's file, so the append path
//! does no work for the archive. A part becomes visible only when it is whole.
//! A kill before that loses nothing, because the ring still has the records.
//! When an hour is over, its parts are joined without compressing them again.

mod block;
mod budget;
mod copy_released;
mod hours;
#[cfg(test)]
mod tests;
mod thread;

use haltbox_model::ShowPath;
use haltbox_model::size::human_bytes;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::ArchiveName;
use haltbox_format::blackbox::{BoxError, IndexError, JoinError};
use haltbox_format::ring::RingError;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use crate::blackbox::BoxFolder;
use crate::open_regular;
use crate::owner_only;
use crate::recorder_dir::RecorderDir;

pub use block::ArchivedBlock;
pub use thread::{Archiver, Archiving, Plan, part_of};

/// The folder of an archive.
pub struct Archive {
    path: PathBuf,
    folder: BoxFolder,
}

/// The lock on an archive's folder. Only its holder writes there.
struct Lock {
    /// `None` where the file system has no locks.
    _folder: Option<Flock<File>>,
}

/// One file of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveFile {
    /// The hour, the part and the heights, from the file name.
    pub name: ArchiveName,
    /// Path of the file.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
}

/// Why something was not archived, or not had out of the archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The ring cannot be read.
    #[error("the ring {0}")]
    Ring(RingError),
    /// A file of the archive cannot be written.
    #[error(transparent)]
    Write(BoxError),
    /// A file of the archive cannot be used.
    #[error("{} {error}", path.shown())]
    File {
        /// Which.
        path: PathBuf,
        /// What was wrong with it.
        error: IndexError,
    },
    /// Frames of a file cannot be taken over.
    #[error("{}: {error}", path.shown())]
    Join {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: JoinError,
    },
    /// Another recorder archives here; two would keep everything twice.
    #[error(
        "{} is in use by another recorder (the host's own, or one with --attach), so this one does \
         not archive",
        path.shown()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What is left of the disk is the node's. Told once: what is free now would make it
    /// another sentence each time.
    #[error(
        "less than {} are free on the disk of {}, so archiving pauses: free disk space, or lower \
         --archive-bytes",
        human_bytes(*kept),
        path.shown()
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes that stay free.
        kept: u64,
    },
    /// The system said no.
    #[error("cannot {doing} {}: {error}", path.shown())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl Archive {
    /// Opens the archive beside a ring, and creates its folder if it is
    /// missing.
    ///
    /// # Errors
    /// The folder cannot be created or opened.
    pub fn open(dir: &Path) -> Result<Archive, ArchiveError> {
        let path = RecorderDir::at(dir).archive();
        let made = owner_only::folder(&path);
        let opened = made.and_then(|()| BoxFolder::open(&path));
        let folder = opened.map_err(|error| at("open", &path, error))?;
        Ok(Archive { path, folder })
    }

    /// The archive's files, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn files(&self) -> Result<Vec<ArchiveFile>, ArchiveError> {
        files_in(&self.path).map_err(|error| at("list", &self.path, error))
    }

    /// Takes the archive's lock without waiting.
    ///
    /// Fails if another recorder holds it, or if the folder cannot be opened.
    /// Where the file system has no locks, it succeeds: archiving twice costs
    /// space, not archiving costs evidence.
    fn lock(&self) -> Result<Lock, ArchiveError> {
        let folder = File::open(&self.path);
        let folder = folder.map_err(|error| at("open", &self.path, error))?;
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Err((_, Errno::EWOULDBLOCK)) => Err(ArchiveError::InUse {
                path: self.path.clone(),
            }),
            locked => Ok(Lock {
                _folder: locked.ok(),
            }),
        }
    }
}

/// The archive's files in `folder`, oldest first. Empty if the folder does not
/// exist.
///
/// # Errors
/// The folder exists and cannot be read.
pub fn files_in(folder: &Path) -> io::Result<Vec<ArchiveFile>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().parse::<ArchiveName>();
        let metadata = fs::metadata(entry.path()).ok();
        let (Ok(name), Some(metadata)) = (name, metadata.filter(fs::Metadata::is_file)) else {
            continue;
        };
        files.push(ArchiveFile {
            name,
            path: entry.path(),
            bytes: metadata.len(),
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn remove(path: &Path) -> Result<(), ArchiveError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path, error)),
        _ => Ok(()),
    }
}

fn open_file(path: &Path) -> Result<File, ArchiveError> {
    open_regular::open(path).map_err(|error| at("open", path, error))
}

fn at(doing: &'static str, path: &Path, error: io::Error) -> ArchiveError {
    ArchiveError::Io {
        doing,
        path: path.to_owned(),
        error,
    }
}
