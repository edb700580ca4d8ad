//! The folder that an attached recorder keeps beside a host's ring.
//!
//! It holds who is attached, the marks that the attached recorder found, and
//! lines of the node's log. Calls wait for the disk only if something is wrong
//! with a block: the file system's journal orders the node's own writes behind
//! ours.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use haltbox_format::attached::{AttachedState, FOLDER, LINES, Lines, LinesEnd, STATE};
use haltbox_format::mark::Position;
use haltbox_model::ShowPath;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use crate::recorder_dir::RecorderDir;
use crate::ring::file::is_held;
use crate::{open_regular, owner_only};

/// Locked by the recorder that is attached.
const LOCK: &str = "lock";
/// Bytes after which another file of lines begins. The newest two files are
/// kept.
const MOST: u64 = 8 << 20;

/// The folder, locked by this process.
pub struct Folder {
    path: PathBuf,
    _lock: Flock<File>,
    lines: Option<File>,
    end: LinesEnd,
}

/// Path of the attached recorder's folder beside a ring.
pub fn beside(ring: &Path) -> PathBuf {
    RecorderDir::of_ring(ring).path().join(FOLDER)
}

/// Reads the marks that an attached recorder left beside a ring. `None` if
/// there are none or they cannot be read.
pub fn state(ring: &Path) -> Option<AttachedState> {
    let bytes = open_regular::read(&beside(ring).join(STATE)).ok()?;
    AttachedState::decode(&bytes)
}

/// Whether a recorder is attached to the ring now.
pub fn is_attached(ring: &Path) -> bool {
    open_regular::open(&beside(ring).join(LOCK)).is_ok_and(is_held)
}

/// Calls `take` for each line kept beside a ring, oldest first. The flag says
/// whether the line had its newline. Stops at the first error of `take`.
///
/// # Errors
/// The first error of `take`. Files that cannot be read are skipped.
pub fn lines<E>(ring: &Path, mut take: impl FnMut(&[u8], bool) -> Result<(), E>) -> Result<(), E> {
    let folder = beside(ring);
    for number in numbers(&folder) {
        let bytes = open_regular::read(&file_of(&folder, number)).unwrap_or_default();
        for (line, terminated) in Lines::of(&bytes) {
            take(line, terminated)?;
        }
    }
    Ok(())
}

/// Reasons why the folder beside a ring cannot be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TakeError {
    /// Another recorder has it.
    #[error(
        "another haltbox record --attach{} is already attached to {}; stop it before starting this \
         one",
        in_brackets(*process),
        ring.shown()
    )]
    Taken {
        /// The ring.
        ring: PathBuf,
        /// Of that recorder, if it told.
        process: Option<u32>,
    },
    /// It cannot be made or locked.
    #[error("{}: {error}", path.shown())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Folder {
    /// Locks the folder beside a ring, creates it if it is missing, and reads
    /// the marks left in it.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take(ring: &Path) -> Result<(Folder, AttachedState), TakeError> {
        let path = beside(ring);
        let cannot = |error| TakeError::Io {
            path: path.clone(),
            error,
        };
        owner_only::folder(&path).map_err(cannot)?;
        let lock = owner_only::append(&path.join(LOCK)).map_err(cannot)?;
        let told = state(ring).unwrap_or_default();
        let lock = match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Err(taken(ring, &told)),
            Err((_, error)) => return Err(cannot(error.into())),
        };
        let mut folder = Folder {
            end: told.lines,
            path,
            _lock: lock,
            lines: None,
        };
        folder.go_on();
        Ok((folder, told))
    }

    /// Removes lines that were written after the last saved marks: the attached
    /// recorder reads the log from there and keeps them again.
    fn go_on(&mut self) {
        let numbers = numbers(&self.path);
        if self.end == LinesEnd::default() {
            // The saved marks are lost, so nothing says where to cut. Keep all
            // lines and begin a new file.
            self.end.file = numbers.last().map_or(0, |newest| newest + 1);
            return;
        }
        let newer = numbers.iter().filter(|number| **number > self.end.file);
        newer.for_each(|number| drop(fs::remove_file(file_of(&self.path, *number))));
        let file = owner_only::append(&file_of(&self.path, self.end.file));
        let length = |file: &File| file.metadata().map(|found| found.len());
        self.lines = file.ok().filter(|file| {
            let end = length(file).unwrap_or(0).min(self.end.bytes);
            self.end.bytes = end;
            file.set_len(end).is_ok()
        });
    }

    /// Appends lines, encoded by [`haltbox_format::attached::encode_line`].
    ///
    /// # Errors
    /// The lines cannot be written. They are lost.
    pub fn keep(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if self.end.bytes >= MOST {
            self.begin_another();
        }
        let file = match &mut self.lines {
            Some(file) => file,
            none => none.insert(owner_only::append(&file_of(&self.path, self.end.file))?),
        };
        let written = file.write_all(lines);
        if written.is_err() {
            // Cut off a half-written line: a reader finds nothing behind it.
            let _ = file.set_len(self.end.bytes);
        }
        written?;
        self.end.bytes += lines.len() as u64;
        Ok(())
    }

    fn begin_another(&mut self) {
        self.lines = None;
        self.end = LinesEnd {
            file: self.end.file + 1,
            bytes: 0,
        };
        let numbers = numbers(&self.path).into_iter();
        let old = numbers.filter(|number| number + 1 < self.end.file);
        old.for_each(|number| drop(fs::remove_file(file_of(&self.path, number))));
    }

    /// Saves the marks. If `serious` is set, waits for the disk, so that a power
    /// cut leaves these marks or the ones before, and nothing in between.
    ///
    /// # Errors
    /// The file cannot be written. The state before it stays.
    pub fn save(&self, told: &mut AttachedState, at: Position, serious: bool) -> io::Result<()> {
        told.lines = self.end;
        let (path, bytes) = (self.path.join(STATE), told.encode(at));
        match serious {
            true => owner_only::replace(&path, &bytes),
            false => owner_only::put(&path, &bytes),
        }
    }
}

fn taken(ring: &Path, told: &AttachedState) -> TakeError {
    TakeError::Taken {
        ring: ring.to_owned(),
        process: told.session.as_ref().map(|session| session.pid),
    }
}

fn in_brackets(process: Option<u32>) -> String {
    process.map_or(String::new(), |process| format!(" (process {process})"))
}

fn file_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{LINES}{number}"))
}

/// Numbers of the files of lines, oldest first.
fn numbers(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_prefix(LINES)?.parse().ok()
    });
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltbox_format::attached;

    fn line(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        attached::encode_line(text.as_bytes(), true, &mut bytes);
        bytes
    }

    fn kept(ring: &Path) -> Vec<String> {
        let mut kept = Vec::new();
        let taken: Result<(), ()> = lines(ring, |line, _| {
            kept.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        });
        taken.unwrap();
        kept
    }

    #[test]
    fn lines_that_no_marks_tell_of_are_read_again_and_stand_once() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("ring");
        let (mut first, mut told) = Folder::take(&ring).unwrap();
        first.keep(&line("one")).unwrap();
        first.save(&mut told, Position::default(), false).unwrap();
        first.keep(&line("two")).unwrap();
        // Killed here: the saved state does not count the second line.
        drop(first);
        let (mut next, told) = Folder::take(&ring).unwrap();
        assert_eq!(kept(&ring), ["one"]);
        next.keep(&line("two")).unwrap();
        next.keep(&line("three")).unwrap();
        assert_eq!(kept(&ring), ["one", "two", "three"]);
        assert_eq!(told.lines.bytes, line("one").len() as u64);
    }

    #[test]
    fn two_files_are_kept_and_a_kill_between_them_doubles_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("ring");
        let (mut first, mut told) = Folder::take(&ring).unwrap();
        let long = line(&"x".repeat(MOST as usize));
        first.keep(&line("one")).unwrap();
        first.keep(&long).unwrap();
        first.save(&mut told, Position::default(), false).unwrap();
        first.keep(&line("two")).unwrap();
        drop(first);
        let (mut next, mut told) = Folder::take(&ring).unwrap();
        assert_eq!(kept(&ring).len(), 2);
        next.keep(&line("two")).unwrap();
        next.keep(&long).unwrap();
        next.save(&mut told, Position::default(), false).unwrap();
        next.keep(&line("three")).unwrap();
        let kept = kept(&ring);
        assert_eq!(kept.len(), 3, "the oldest file went");
        assert_eq!((&*kept[0], &*kept[2]), ("two", "three"));
    }

    #[test]
    fn what_was_told_and_is_damaged_costs_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("ring");
        let (mut first, mut told) = Folder::take(&ring).unwrap();
        first.keep(&line("one")).unwrap();
        first.save(&mut told, Position::default(), true).unwrap();
        drop(first);
        fs::write(beside(&ring).join(STATE), vec![0; 99]).unwrap();
        let (mut next, _) = Folder::take(&ring).unwrap();
        next.keep(&line("two")).unwrap();
        assert_eq!(kept(&ring), ["one", "two"]);
    }

    #[test]
    fn one_recorder_stands_beside_a_ring() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("ring");
        assert!(!is_attached(&ring));
        let first = Folder::take(&ring).unwrap();
        assert!(is_attached(&ring));
        let refused = Folder::take(&ring).err().unwrap();
        assert!(matches!(refused, TakeError::Taken { .. }), "{refused}");
        drop(first);
        assert!(!is_attached(&ring));
        assert!(Folder::take(&ring).is_ok());
    }
}
