//! A FIFO that the service manager holds (systemd: ListenFIFO=) and passes to
//! the recorder it starts.
//!
//! It is opened once more by its descriptor's number: that gives a descriptor of
//! this process's own, for reading alone and without waiting, whatever the
//! manager and the node do with theirs. Since the manager holds it for writing
//! too, it never comes to an end.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

/// A FIFO that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    number: RawFd,
    name: String,
}

/// Finds the one of this name, or, without a name, the only one.
///
/// # Errors
/// In words: nothing of that name was passed, or it is no FIFO.
pub fn find(name: Option<&str>) -> Result<Passed, String> {
    let passed = sd_notify::listen_fds_with_names(false)
        .map(|passed| passed.collect::<Vec<_>>())
        .unwrap_or_default();
    let names: Vec<&str> = passed.iter().map(|(_, name)| name.as_str()).collect();
    let names = names.join(", ");
    let found = match (name, passed.as_slice()) {
        (_, []) => {
            return Err(
                "the service manager passed no file descriptor (LISTEN_FDS): the recorder's unit \
                 needs Sockets=, and the socket's unit needs ListenFIFO="
                    .to_owned(),
            );
        }
        (None, [only]) => Some(only),
        (None, _) => {
            return Err(format!(
                "several file descriptors were passed, choose one with fd:NAME: {names}"
            ));
        }
        (Some(name), _) => passed.iter().find(|(_, passed)| passed == name),
    };
    let Some((number, name)) = found.cloned() else {
        let asked = name.unwrap_or_default();
        return Err(format!(
            "no file descriptor named {asked} was passed, only {names}: set FileDescriptorName= \
             in the socket's unit"
        ));
    };
    let passed = Passed { number, name };
    let is_fifo = fs::metadata(passed.path()).is_ok_and(|found| found.file_type().is_fifo());
    match is_fifo {
        true => Ok(passed),
        false => Err(format!(
            "the file descriptor {} is not a FIFO: the socket's unit needs ListenFIFO=",
            passed.name
        )),
    }
}

impl Passed {
    /// Where it can be opened.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.number))
    }

    /// Its path in the file system, for people.
    pub fn shown(&self) -> String {
        let path = fs::read_link(self.path()).ok();
        let path = path.filter(|path| path.is_absolute());
        path.map_or("-".to_owned(), |path| path.display().to_string())
    }

    /// What to say if it cannot be opened.
    pub fn cannot_be_opened(&self, error: &io::Error) -> String {
        let shown = self.shown();
        format!(
            "cannot open {shown}, passed as {}: {error}; set SocketUser= to the recorder's user",
            self.name
        )
    }
}
