//! A FIFO that the service manager holds (systemd: ListenFIFO=) and passes to
//! the recorder.
//!
//! The recorder opens it again by its descriptor's number. This gives a
//! descriptor of its own, for reading only and without waiting, whatever the
//! manager and the node do with theirs. The manager holds the FIFO for writing
//! too, so it never ends.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use thiserror::Error;

/// A FIFO that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    number: RawFd,
    name: String,
}

/// Reasons why no FIFO that was passed can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotPassed {
    /// No descriptor was passed.
    #[error(
        "the service manager passed no file descriptor (LISTEN_FDS): the recorder's unit \
         needs Sockets=, and the socket's unit needs ListenFIFO="
    )]
    None,
    /// Several were passed, and none of them was asked for.
    #[error("several file descriptors were passed, choose one with fd:NAME: {names}")]
    Several {
        /// Their names.
        names: String,
    },
    /// The one that was asked for was not passed.
    #[error(
        "no file descriptor named {asked} was passed, only {names}: set FileDescriptorName= \
         in the socket's unit"
    )]
    NotAmong {
        /// The name that was asked for.
        asked: String,
        /// The names that were passed.
        names: String,
    },
    /// It is no FIFO.
    #[error("the file descriptor {name} is not a FIFO: the socket's unit needs ListenFIFO=")]
    NoFifo {
        /// Its name.
        name: String,
    },
}

/// Finds the FIFO of this name, or the only one if there is no name.
///
/// # Errors
/// [`NotPassed`].
pub fn find(name: Option<&str>) -> Result<Passed, NotPassed> {
    let passed = sd_notify::listen_fds_with_names(false)
        .map(|passed| passed.collect::<Vec<_>>())
        .unwrap_or_default();
    let names: Vec<&str> = passed.iter().map(|(_, name)| name.as_str()).collect();
    let names = names.join(", ");
    let found = match (name, passed.as_slice()) {
        (_, []) => return Err(NotPassed::None),
        (None, [only]) => Some(only),
        (None, _) => return Err(NotPassed::Several { names }),
        (Some(name), _) => passed.iter().find(|(_, passed)| passed == name),
    };
    let Some((number, name)) = found.cloned() else {
        let asked = name.unwrap_or_default().to_owned();
        return Err(NotPassed::NotAmong { asked, names });
    };
    let passed = Passed { number, name };
    let is_fifo = fs::metadata(passed.path()).is_ok_and(|found| found.file_type().is_fifo());
    match is_fifo {
        true => Ok(passed),
        false => Err(NotPassed::NoFifo { name: passed.name }),
    }
}

impl Passed {
    /// A path that opens it again.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.number))
    }

    /// Its path in the file system, for the operator.
    pub fn shown(&self) -> String {
        let path = fs::read_link(self.path()).ok();
        let path = path.filter(|path| path.is_absolute());
        path.map_or("-".to_owned(), |path| path.display().to_string())
    }

    /// The name under which it was passed.
    pub fn name(&self) -> &str {
        &self.name
    }
}
