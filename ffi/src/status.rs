//! The results of calls.

use std::ffi::CStr;

use haltbox_recorder::host::{HostError, HostErrorKind};
use thiserror::Error;

/// The result of a call. 0: done. Above 0: done, but check the value. Below 0: nothing was
/// done. The numbers are fixed and never reused; later libraries may return new ones, whose
/// signs mean the same.
pub type haltbox_status = i32;

/// Done.
pub const HALTBOX_OK: haltbox_status = 0;
/// The entry was dropped, and counted as such: the ring has no room that may be overwritten, or
/// the file accepts no writes now.
pub const HALTBOX_DROPPED: haltbox_status = 1;
/// `haltbox_confirm`: the AppHashes differ; the block is pinned.
pub const HALTBOX_DIFFERS: haltbox_status = 2;
/// `haltbox_confirm`: this node's AppHash of the height is not known; the network's is
/// recorded.
pub const HALTBOX_UNKNOWN: haltbox_status = 3;
/// An argument is NULL but must not be, or is out of range.
pub const HALTBOX_BAD_ARGUMENT: haltbox_status = -1;
/// The struct sets a field that this library does not know.
pub const HALTBOX_TOO_NEW: haltbox_status = -2;
/// Another recorder writes the ring of this folder.
pub const HALTBOX_LOCKED: haltbox_status = -3;
/// A host's ring is not safe on this file system; see `options.engine`.
pub const HALTBOX_FILE_SYSTEM: haltbox_status = -4;
/// The disk has too little space for the ring or the box.
pub const HALTBOX_NO_SPACE: haltbox_status = -5;
/// The system refused a file operation.
pub const HALTBOX_IO: haltbox_status = -6;
/// This process is a fork of the one that opened the recorder.
pub const HALTBOX_FORKED: haltbox_status = -7;
/// The recorder is closed, or was never opened (NULL).
pub const HALTBOX_CLOSED: haltbox_status = -8;
/// A panic inside the library was caught. The recorder is off; its ring is valid.
pub const HALTBOX_BROKEN: haltbox_status = -9;
/// The profile reads blocks and cranks from the host's own entries: record those instead.
pub const HALTBOX_MARKED_BY_ENTRIES: haltbox_status = -10;
/// There is nothing to freeze.
pub const HALTBOX_NOTHING: haltbox_status = -11;
/// The box could not be made.
pub const HALTBOX_NOT_FROZEN: haltbox_status = -12;
/// The profile cannot be read.
pub const HALTBOX_PROFILE: haltbox_status = -13;
/// No part of this ring can be lent: use calls to record.
pub const HALTBOX_NOT_LENT: haltbox_status = -14;

/// Reasons a call fails.
#[derive(Debug, Error)]
pub enum Refusal {
    /// An argument is wrong; the text says which and how.
    #[error("{0}")]
    Argument(&'static str),
    /// Size of the struct, and the size that this library knows.
    #[error(
        "struct_size is {0}, but this library ({version}) knows only {1} bytes, and a field beyond \
         them is set; use the library that the program was built for",
        version = env!("CARGO_PKG_VERSION")
    )]
    TooNew(usize, usize),
    /// The profile is wrong; the text says how.
    #[error("{0}")]
    Profile(String),
    /// An error of the recorder.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Refusal {
    pub fn status(&self) -> haltbox_status {
        match self {
            Refusal::Argument(_) => HALTBOX_BAD_ARGUMENT,
            Refusal::TooNew(..) => HALTBOX_TOO_NEW,
            Refusal::Profile(_) => HALTBOX_PROFILE,
            Refusal::Host(error) => of_host(error),
        }
    }
}

fn of_host(error: &HostError) -> haltbox_status {
    match error.kind() {
        HostErrorKind::Locked => HALTBOX_LOCKED,
        HostErrorKind::NoSpace => HALTBOX_NO_SPACE,
        HostErrorKind::FileSystem => HALTBOX_FILE_SYSTEM,
        HostErrorKind::Size => HALTBOX_BAD_ARGUMENT,
        HostErrorKind::Io => HALTBOX_IO,
        HostErrorKind::Forked => HALTBOX_FORKED,
        HostErrorKind::Closed => HALTBOX_CLOSED,
        HostErrorKind::Broken => HALTBOX_BROKEN,
        HostErrorKind::MarkedByEntries => HALTBOX_MARKED_BY_ENTRIES,
        HostErrorKind::NotLent => HALTBOX_NOT_LENT,
        HostErrorKind::Nothing => HALTBOX_NOTHING,
        HostErrorKind::NotFrozen => HALTBOX_NOT_FROZEN,
    }
}

/// The text of a status, for a log.
pub fn text(status: haltbox_status) -> &'static CStr {
    match status {
        HALTBOX_OK => c"done",
        HALTBOX_DROPPED => c"the entry was dropped: no room that may be overwritten, or no writes",
        HALTBOX_DIFFERS => c"the AppHash differs from the network's; the block is pinned",
        HALTBOX_UNKNOWN => c"this node's AppHash of that height is not known",
        HALTBOX_BAD_ARGUMENT => c"an argument is NULL or out of its range",
        HALTBOX_TOO_NEW => c"the struct is of a newer library than this one",
        HALTBOX_LOCKED => c"another recorder writes the ring of this folder",
        HALTBOX_FILE_SYSTEM => c"nothing protects a host's ring on this file system",
        HALTBOX_NO_SPACE => c"the disk has too little room",
        HALTBOX_IO => c"the system refused a file operation",
        HALTBOX_FORKED => c"this process is a fork of the one that opened the recorder",
        HALTBOX_CLOSED => c"the recorder is closed",
        HALTBOX_BROKEN => c"the recorder failed inside and is off; its ring is valid",
        HALTBOX_MARKED_BY_ENTRIES => c"the profile takes blocks from the host's own entries",
        HALTBOX_NOTHING => c"there is nothing to freeze",
        HALTBOX_NOT_FROZEN => c"the black box could not be made",
        HALTBOX_PROFILE => c"the profile cannot be read",
        HALTBOX_NOT_LENT => c"no part of this ring can be lent; record by calls",
        _ => c"a status that this library does not know",
    }
}
