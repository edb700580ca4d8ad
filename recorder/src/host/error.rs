//! Why a call of a host did nothing.

use std::path::PathBuf;

use haltbox_model::ShowPath;
use thiserror::Error;

use crate::freeze::FreezeError;
use crate::freeze_request::NotHeld;
use crate::ring::file::OpenError;

/// Why a call did nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// The ring cannot be had: locked, refused by its file system, no room.
    #[error(transparent)]
    Open(OpenError),
    /// The folder cannot be made or read.
    #[error("cannot make the folder {folder}: {error}", folder = .0.shown(), error = .1)]
    Folder(PathBuf, std::io::Error),
    /// This process is a fork of the one that opened the recorder.
    #[error("this process is a fork of the one that opened the recorder; only that one records")]
    Forked,
    /// The recorder was closed.
    #[error("the recorder is closed")]
    Closed,
    /// A panic in an earlier call, or in the background thread, left the lock:
    /// the ring is valid as it is, and nothing more goes into it.
    #[error("the recorder failed in an earlier call and is off; what it recorded is in the ring")]
    Broken,
    /// The profile takes blocks from the host's own entries.
    #[error(
        "this profile reads blocks and cranks from the host's own entries; record those entries \
         instead of this call"
    )]
    MarkedByEntries,
    /// No part of this ring can be lent.
    #[error(
        "no part of this ring can be lent, record by calls: the ring is not mapped, or its profile \
         reads tx-*, op-* or branch* entries as marks"
    )]
    NotLent,
    /// There is no box: why.
    #[error(transparent)]
    Freeze(FreezeError),
    /// There is nothing to freeze: why.
    #[error(transparent)]
    Nothing(NotHeld),
}

/// What a [`HostError`] means to a host, whatever it is made of. Exhaustive: who maps it to
/// codes of their own has to say what a new one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostErrorKind {
    /// Another recorder writes the ring.
    Locked,
    /// The disk has no room for the ring or the box.
    NoSpace,
    /// A host must not map a file of this file system.
    FileSystem,
    /// Not a size a ring can have.
    Size,
    /// The system refused a file operation.
    Io,
    /// [`HostError::Forked`].
    Forked,
    /// [`HostError::Closed`].
    Closed,
    /// [`HostError::Broken`].
    Broken,
    /// [`HostError::MarkedByEntries`].
    MarkedByEntries,
    /// [`HostError::NotLent`].
    NotLent,
    /// There is nothing to freeze.
    Nothing,
    /// There is something to freeze, and no box of it.
    NotFrozen,
}

impl HostError {
    /// What it means. Each variant is named here, so that a new one gets its kind.
    pub fn kind(&self) -> HostErrorKind {
        match self {
            HostError::Open(error) => of_open(error),
            HostError::Folder(..) => HostErrorKind::Io,
            HostError::Forked => HostErrorKind::Forked,
            HostError::Closed => HostErrorKind::Closed,
            HostError::Broken => HostErrorKind::Broken,
            HostError::MarkedByEntries => HostErrorKind::MarkedByEntries,
            HostError::NotLent => HostErrorKind::NotLent,
            HostError::Freeze(error) => of_freeze(error),
            HostError::Nothing(_) => HostErrorKind::Nothing,
        }
    }
}

fn of_open(error: &OpenError) -> HostErrorKind {
    match error {
        OpenError::Locked(_) => HostErrorKind::Locked,
        OpenError::NoSpace { .. } => HostErrorKind::NoSpace,
        OpenError::FileSystem { .. } => HostErrorKind::FileSystem,
        OpenError::Size(_) => HostErrorKind::Size,
        OpenError::Io { .. } => HostErrorKind::Io,
    }
}

fn of_freeze(error: &FreezeError) -> HostErrorKind {
    match error {
        FreezeError::NoBlock(_) => HostErrorKind::Nothing,
        FreezeError::NoSpace { .. } => HostErrorKind::NoSpace,
        FreezeError::Ring(_) | FreezeError::Archive(_) | FreezeError::Io { .. } => {
            HostErrorKind::NotFrozen
        }
    }
}
