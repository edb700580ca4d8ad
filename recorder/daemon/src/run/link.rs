//! What `haltbox run` and its recorder share, so that neither waits for the
//! other.
//!
//! The recorder inherits everything when it is started. After the node's end,
//! the wrapper first leaves what the recorder has not read yet, then writes one
//! line into a pipe that says how the node ended, and exits. The kernel keeps
//! both for a recorder that is stopped, busy, or not started yet. A pipe that
//! ends without a line means that the wrapper was killed.

use std::fmt;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::str::FromStr;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use thiserror::Error;

use crate::sources::pipe::read_now;
use crate::sources::wrapped::Rest;

/// Most bytes of the line about the node's end.
const LONGEST: usize = 4096;

/// The wrapper's side.
pub struct Link {
    /// The only writing end of the pipe. It closes when this process ends.
    end: Option<PipeWriter>,
    reader: PipeReader,
    rest: Option<File>,
    output: Option<File>,
}

impl Link {
    /// A link without memory yet.
    ///
    /// # Errors
    /// The system has no pipe to give.
    pub fn new() -> io::Result<Link> {
        let (reader, end) = io::pipe()?;
        Ok(Link {
            end: Some(end),
            reader,
            rest: None,
            output: None,
        })
    }

    /// Adds memory for what the wrapper could not pass on.
    ///
    /// # Errors
    /// There is no memory or no descriptor.
    pub fn add_rest(&mut self) -> io::Result<File> {
        let mut rest = memory("haltbox-rest")?;
        Rest::begin(&mut rest)?;
        self.rest = Some(rest.try_clone()?);
        Ok(rest)
    }

    /// Adds the memory that the node writes its output into.
    ///
    /// # Errors
    /// There is no descriptor.
    pub fn add_output(&mut self, output: &File) -> io::Result<()> {
        self.output = Some(output.try_clone()?);
        Ok(())
    }

    /// Lets programs inherit the link that are started from now on. The node
    /// was started before and has none of it.
    ///
    /// # Errors
    /// A descriptor cannot be duplicated or marked as inherited.
    pub fn hand_on(&self) -> io::Result<Shared> {
        let of = |file: &Option<File>| file.as_ref().map(|file| inherited(file)).transpose();
        let word = self.reader.try_clone()?;
        let handed = Handed {
            end: inherited(&word)?,
            rest: of(&self.rest)?,
            output: of(&self.output)?,
        };
        Ok(Shared { handed, word })
    }

    /// Writes how the node ended, once. Errors are ignored: a closed or full
    /// pipe has no reader.
    pub fn end(&mut self, how: &str) {
        if let Some(mut end) = self.end.take() {
            let _ = end.write_all(format!("{how}\n").as_bytes());
        }
    }
}

/// What every recorder inherits.
pub struct Shared {
    handed: Handed,
    word: PipeReader,
}

impl Shared {
    /// The descriptor numbers for the next recorder.
    pub fn handed(&self) -> Handed {
        self.handed
    }

    /// Whether no recorder has read how the node ended.
    pub fn is_unheard(&self) -> bool {
        let mut waiting = [PollFd::new(self.word.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut waiting, PollTimeout::ZERO);
        let [waiting] = waiting;
        let found = waiting.revents().unwrap_or(PollFlags::empty());
        found.contains(PollFlags::POLLIN)
    }

    /// Writes how the node ended once more, for the next recorder. The one that
    /// read it before has died. Without the line the next one would believe
    /// that the wrapper was killed, and wait for a node that is gone.
    ///
    /// # Errors
    /// The system has no pipe to give.
    pub fn tell_again(&mut self, how: &str) -> io::Result<()> {
        let (word, mut end) = io::pipe()?;
        end.write_all(format!("{how}\n").as_bytes())?;
        self.handed.end = inherited(&word)?;
        self.word = word;
        Ok(())
    }
}

/// Lets programs inherit a descriptor that are started from now on.
fn inherited(file: &dyn AsFd) -> io::Result<RawFd> {
    let file = file.as_fd();
    fcntl_setfd(file, FdFlags::empty())?;
    Ok(file.as_raw_fd())
}

/// A file in memory. It is gone when its last descriptor is closed.
pub(super) fn memory(name: &str) -> io::Result<File> {
    let made = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL);
    let made = match made {
        // Linux before 6.3 does not know the flag.
        Err(rustix::io::Errno::INVAL) => memfd_create(name, MemfdFlags::CLOEXEC),
        made => made,
    };
    Ok(made.map(File::from)?)
}

/// The descriptor numbers that a recorder inherits, as an option on its command
/// line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    end: RawFd,
    rest: Option<RawFd>,
    output: Option<RawFd>,
}

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "end={}", self.end)?;
        let named = [("rest", self.rest), ("output", self.output)];
        named
            .into_iter()
            .filter_map(|(name, number)| Some((name, number?)))
            .try_for_each(|(name, number)| write!(f, ",{name}={number}"))
    }
}

/// The option does not have the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected end=NUMBER: only haltbox run uses this option")]
pub struct NotHanded;

impl FromStr for Handed {
    type Err = NotHanded;

    fn from_str(text: &str) -> Result<Handed, NotHanded> {
        let of = |name: &str| {
            let mut parts = text.split(',').filter_map(|part| part.split_once('='));
            parts.find(|(found, _)| *found == name)?.1.parse().ok()
        };
        Ok(Handed {
            end: of("end").ok_or(NotHanded)?,
            rest: of("rest"),
            output: of("output"),
        })
    }
}

/// The recorder's side.
pub struct Wrapper {
    end: File,
    heard: Vec<u8>,
    over: bool,
    handed: Handed,
}

/// What the wrapper's pipe says. It comes once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The node ended. The text says how.
    Ended(String),
    /// The wrapper was killed. The node may still run.
    Gone,
}

impl Wrapper {
    /// Opens the inherited link.
    ///
    /// # Errors
    /// It was not inherited.
    pub fn open(handed: Handed) -> io::Result<Wrapper> {
        let end = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path(handed.end))?;
        Ok(Wrapper {
            end,
            heard: Vec::new(),
            over: false,
            handed,
        })
    }

    /// What the pipe says, if it says something now.
    pub fn word(&mut self) -> Option<Word> {
        if self.over {
            return None;
        }
        let mut chunk = [0; 512];
        loop {
            match read_now(&mut self.end, &mut chunk) {
                Ok(None) => return None,
                Ok(Some(0)) | Err(_) => break,
                Ok(Some(count)) => self.heard.extend(chunk.iter().take(count)),
            }
        }
        self.over = true;
        self.heard.truncate(LONGEST);
        let said = String::from_utf8_lossy(&self.heard).trim_end().to_owned();
        Some(match said.is_empty() {
            true => Word::Gone,
            false => Word::Ended(said),
        })
    }

    /// What the wrapper could not pass on.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn rest(&self) -> io::Result<Option<Rest>> {
        let open = |number| File::options().read(true).write(true).open(path(number));
        Ok(self.handed.rest.map(open).transpose()?.map(Rest::of))
    }

    /// The memory that the node writes its output into, and how far the wrapper
    /// copied it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn output(&self) -> io::Result<Option<(File, u64)>> {
        let open = |number| {
            let output = File::options().read(true).write(true).open(path(number))?;
            Ok((output, position(number)?))
        };
        self.handed.output.map(open).transpose()
    }
}

/// A path that opens an inherited descriptor again. The new descriptor belongs
/// to this process alone and is not inherited.
fn path(number: RawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{number}"))
}

/// The file position of an inherited descriptor. All processes that have it
/// share the position.
fn position(number: RawFd) -> io::Result<u64> {
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    let position = told.lines().find_map(|line| line.strip_prefix("pos:"));
    let position = position.and_then(|text| text.trim().parse().ok());
    position.ok_or_else(|| Errno::EBADF.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom};

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for text in [
            "end=5",
            "end=5,rest=6",
            "end=5,output=7",
            "end=5,rest=6,output=7",
        ] {
            let handed: Handed = text.parse().unwrap();
            assert_eq!(handed.to_string(), text);
        }
        for wrong in ["", "5", "end=", "rest=6", "end=x"] {
            assert!(wrong.parse::<Handed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_left_is_there_when_the_wrapper_is_gone() {
        let mut link = Link::new().unwrap();
        let mut output = memory("output").unwrap();
        link.add_output(&output).unwrap();
        let mut rest = link.add_rest().unwrap();
        let mut shared = link.hand_on().unwrap();
        let mut recorder = Wrapper::open(shared.handed()).unwrap();
        assert_eq!(recorder.word(), None);
        rest.write_all(b"last\n").unwrap();
        output.write_all(b"0123456789").unwrap();
        output.seek(SeekFrom::Start(7)).unwrap();
        link.end("the node ended normally");
        let ended = Word::Ended("the node ended normally".to_owned());
        assert_eq!(recorder.word(), Some(ended));
        assert_eq!(recorder.word(), None, "once");
        let take = |recorder: &Wrapper, most: usize| {
            let mut chunk = vec![0; most];
            let count = recorder.rest().unwrap().unwrap().read(&mut chunk).unwrap();
            String::from_utf8(chunk[..count].to_vec()).unwrap()
        };
        assert_eq!(take(&recorder, 2), "la");
        // A recorder that is killed here leaves the rest and the line to the
        // next one.
        assert!(!shared.is_unheard());
        shared.tell_again("the node ended normally").unwrap();
        assert!(shared.is_unheard());
        let mut recorder = Wrapper::open(shared.handed()).unwrap();
        let ended = Word::Ended("the node ended normally".to_owned());
        assert_eq!(recorder.word(), Some(ended));
        assert_eq!(take(&recorder, 9), "st\n");
        assert_eq!(take(&recorder, 9), "");
        let (_, copied) = recorder.output().unwrap().unwrap();
        assert_eq!(copied, 7);
    }

    #[test]
    fn a_wrapper_that_was_killed_is_gone() {
        let link = Link::new().unwrap();
        let shared = link.hand_on().unwrap();
        let mut recorder = Wrapper::open(shared.handed()).unwrap();
        assert_eq!(recorder.word(), None);
        drop(link);
        // A program that another test starts has all descriptors for an
        // instant.
        let word = (0..1000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            recorder.word()
        });
        assert_eq!(word, Some(Word::Gone));
    }
}
