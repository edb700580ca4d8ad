//! The archive: what the ring lets go, compressed, within a budget of bytes.
//!
//! ```text
//! ring --pass--> part, some minutes --join--> hour --budget--> gone, the oldest first
//! ```
//!
//! A part is a box of the blocks that were released since the last one. It is
//! made out of the ring's file by a thread of low priority, so that the append
//! path knows nothing of it, and is visible only when it is whole: the ring
//! itself is what a kill leaves of a part that was not. When an hour is over
//! its parts are joined, without compressing them again.

mod block;
mod budget;
mod copy_released;
mod hours;
#[cfg(test)]
mod tests;
mod thread;

use haltbox_model::ShowPath;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::ArchiveName;
use haltbox_format::blackbox::{BoxError, IndexError, JoinError};
use haltbox_format::ring::RingError;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::blackbox::BoxFolder;
use crate::open_regular;
use crate::owner_only;
use crate::recorder_dir::RecorderDir;
use crate::size::human_bytes;

pub use block::ArchivedBlock;
pub use thread::{Archiving, Plan, part_of};

/// An archive's folder.
pub struct Archive {
    path: PathBuf,
    folder: BoxFolder,
}

/// The right to write into an archive, until it is dropped.
struct Lock {
    /// None where folders cannot be locked.
    _folder: Option<Flock<File>>,
}

/// A file of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveFile {
    /// What its name says.
    pub name: ArchiveName,
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
}

/// Why something was not archived, or not had out of the archive.
#[derive(Debug)]
pub enum ArchiveError {
    /// The ring cannot be read.
    Ring(RingError),
    /// A file of the archive cannot be written.
    Write(BoxError),
    /// A file of the archive cannot be used.
    File {
        /// Which.
        path: PathBuf,
        /// What was wrong with it.
        error: IndexError,
    },
    /// Frames of a file cannot be taken over.
    Join {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: JoinError,
    },
    /// Another recorder archives here; two would keep everything twice.
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What is left of the disk is the node's.
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes that stay free.
        kept: u64,
    },
    /// The system said no.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(error) => write!(f, "the ring {error}"),
            Self::Write(error) => error.fmt(f),
            Self::File { path, error } => write!(f, "{} {error}", path.shown()),
            Self::Join { path, error } => write!(f, "{}: {error}", path.shown()),
            Self::InUse { path } => write!(
                f,
                "{} is in use by another recorder (the host's own, or one with --attach), so this \
                 one does not archive",
                path.shown()
            ),
            // Told once: what is free now would make it another sentence each time.
            Self::NoRoom { path, kept } => write!(
                f,
                "less than {} are free on the disk of {}, so archiving pauses: free disk space, \
                 or lower --archive-bytes",
                human_bytes(*kept),
                path.shown()
            ),
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.shown())
            }
        }
    }
}

impl std::error::Error for ArchiveError {}

impl Archive {
    /// Opens the archive beside a ring, and makes its folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(dir: &Path) -> Result<Archive, ArchiveError> {
        let path = RecorderDir::at(dir).archive();
        let made = owner_only::folder(&path);
        let opened = made.and_then(|()| BoxFolder::open(&path));
        let folder = opened.map_err(|error| at("open", &path, error))?;
        Ok(Archive { path, folder })
    }

    /// Its files, oldest first.
    ///
    /// # Errors
    /// What the system says.
    pub fn files(&self) -> Result<Vec<ArchiveFile>, ArchiveError> {
        files_in(&self.path).map_err(|error| at("list", &self.path, error))
    }

    /// Fails only if another holds it.
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

/// The files of the archive in a folder, oldest first; none if it is not there.
///
/// # Errors
/// What the system says.
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
