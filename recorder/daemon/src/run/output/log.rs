//! `node.log`, as far as the disk takes it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use haltbox_model::ShowPath;
use thiserror::Error;

use haltbox_recorder::host_threads::SizeLimit;
use haltbox_recorder::owner_only;
use haltbox_recorder::source_entry::LeftOut;

/// Time between two attempts to write to a full disk ...
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// ... and between two reports to the operator.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// The node's log file, and the lines that it lacks.
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    /// Whether the node is in the middle of a line.
    in_line: bool,
    /// The lines left out since the log takes no more. `None` while it does.
    leaving: Option<LeftOut>,
    /// Time of the last attempt to write.
    asked: Option<Instant>,
    /// Time of the last report to the operator.
    told: Option<Instant>,
    say: fn(&str),
}

/// The node's log cannot be opened.
#[derive(Debug, Error)]
#[error("cannot open the node's log {}: {error}", path.shown())]
pub struct LogError {
    /// Its path.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

impl Log {
    pub(super) fn new(path: &Path, say: fn(&str)) -> Log {
        Log {
            path: path.to_owned(),
            file: None,
            in_line: false,
            leaving: None,
            asked: None,
            told: None,
            say,
        }
    }

    /// Opens the log. If its last line has no newline, a process that was killed
    /// began it. The next line must not become its end, so it counts as left out.
    pub(super) fn open(&mut self) -> Result<(), LogError> {
        match open_log(&self.path) {
            Ok((file, torn)) => {
                self.leaving = torn.then_some(LeftOut { lines: 1, bytes: 0 });
                self.file = Some(file);
            }
            Err(error) if is_full(&error) => self.leave(&error),
            Err(error) => {
                let path = self.path.clone();
                return Err(LogError { path, error });
            }
        }
        Ok(())
    }

    /// Notes a gap of unknown length.
    pub(super) fn gap(&mut self) {
        let left_out = self.leaving.get_or_insert_default();
        left_out.lines += 1;
        self.in_line = false;
    }

    /// Writes what the log takes, and counts the rest.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut bytes = match self.was_moved() {
            true => self.begin_anew(bytes),
            false => bytes,
        };
        while !bytes.is_empty() {
            bytes = match self.leaving {
                Some(_) => self.leave_out(bytes),
                None => self.append(bytes),
            };
        }
    }

    /// Appends bytes. Returns those that the file did not take.
    fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match self.try_append(bytes) {
            Ok(count) => {
                let (written, rest) = bytes.split_at(count.min(bytes.len()));
                self.in_line = written.last().map_or(self.in_line, |last| *last != b'\n');
                rest
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => bytes,
            Err(error) => {
                self.leave(&error);
                bytes
            }
        }
    }

    fn try_append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = SizeLimit::begin();
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        match file.write(bytes)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => {
                limit.was_kept();
                Ok(count)
            }
        }
    }

    fn leave(&mut self, error: &io::Error) {
        self.leaving = Some(LeftOut::default());
        self.asked = Some(Instant::now());
        if self.told.is_some_and(|told| told.elapsed() < TELL_AGAIN) {
            return;
        }
        self.told = self.asked;
        (self.say)(&format!(
            "cannot write node.log ({error}): the node's output is still shown, but not logged \
             until writing works again; free disk space, or check {}",
            self.path.shown()
        ));
    }

    /// Leaves out the line that was begun. Then tries the log again: the line
    /// about the gap comes first, and ends a half line in the file.
    fn leave_out<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(mut left_out) = self.leaving else {
            return bytes;
        };
        let due = self.asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN);
        if due && !self.in_line && left_out != LeftOut::default() {
            self.asked = Some(Instant::now());
            if self.say_so(left_out) {
                self.leaving = None;
                return bytes;
            }
        }
        // Leave out one line if the disk is asked after it, else everything.
        let end = match due {
            true => memchr::memchr(b'\n', bytes),
            false => None,
        };
        let (left, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        left_out.count(left);
        self.in_line = left.last() != Some(&b'\n');
        self.leaving = Some(left_out);
        rest
    }

    fn say_so(&mut self, left_out: LeftOut) -> bool {
        let line = left_out.line();
        let mut bytes = line.as_bytes();
        // If only a part of the line fits, it is written again as a whole
        // later. A reader takes the last one.
        while !bytes.is_empty() {
            match self.try_append(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(_) => return false,
            }
        }
        if left_out.bytes > 0 {
            (self.say)(&format!(
                "node.log is written again; lines of the node's output missing in it: {} ({} \
                 bytes)",
                left_out.lines, left_out.bytes
            ));
        }
        true
    }

    /// Whether the file was renamed or removed, or was never opened.
    fn was_moved(&self) -> bool {
        let Some(file) = &self.file else { return true };
        let own = file.metadata().map(|found| (found.dev(), found.ino()));
        let there = std::fs::symlink_metadata(&self.path);
        let there = there.map(|found| (found.dev(), found.ino()));
        !matches!((own, there), (Ok(own), Ok(there)) if own == there)
    }

    /// Opens a new log, after the old one has the line that was begun there.
    fn begin_anew<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while self.in_line && self.leaving.is_none() && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
            let (line, rest) = bytes.split_at(end);
            let left = self.append(line).len();
            bytes = bytes.get(end - left..).unwrap_or(rest);
        }
        if (!self.in_line || self.leaving.is_some())
            && let Ok((file, torn)) = open_log(&self.path)
        {
            self.file = Some(file);
            if torn && self.leaving.is_none() {
                self.leaving = Some(LeftOut { lines: 1, bytes: 0 });
            }
        }
        bytes
    }

    /// Ends the log. Adds a newline to the last line, because a reader ignores
    /// a line without one.
    pub(super) fn end(&mut self) {
        if self.in_line {
            self.write(b"\n");
        }
        let Some(left_out) = self.leaving else { return };
        if left_out != LeftOut::default() && !self.say_so(left_out) {
            (self.say)(&format!(
                "last lines of the node's output missing in node.log: {} ({} bytes)",
                left_out.lines, left_out.bytes
            ));
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Opens the log. Returns whether its last line has no newline.
fn open_log(path: &Path) -> io::Result<(File, bool)> {
    let file = owner_only::append(path)?;
    let length = file.metadata()?.len();
    let torn = length > 0 && last_byte(path, length)? != b'\n';
    Ok((file, torn))
}

fn last_byte(path: &Path, length: u64) -> io::Result<u8> {
    let mut last = [0];
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(_: &str) {}

    /// The log of a node that writes before, during and after a time in which
    /// the log takes nothing.
    fn away(before: &str, meanwhile: &str, after: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (there, gone) = (folder.path().join("there"), folder.path().join("gone"));
        std::fs::create_dir(&there).unwrap();
        let mut log = Log::new(&there.join("node.log"), quiet);
        log.open().unwrap();
        log.write(before.as_bytes());
        std::fs::rename(&there, &gone).unwrap();
        log.file = None; // a file that is open takes more wherever it is
        log.write(meanwhile.as_bytes());
        std::fs::rename(&gone, &there).unwrap();
        log.asked = None;
        log.write(after.as_bytes());
        log.end();
        std::fs::read_to_string(there.join("node.log")).unwrap()
    }

    #[test]
    fn lines_are_left_out_whole_and_counted_in_their_place() {
        let cases = [
            ("a\n", "b\nc\n", "d\n", "a\n\u{1e}left out 2 4\nd\n"),
            // A line that began before the gap and ended after it is missing as
            // a whole.
            ("a\nbe", "gu", "n\nc\n", "a\nbe\u{1e}left out 1 4\nc\n"),
            (
                "a\n",
                "be",
                "gun\nc\nlast",
                "a\n\u{1e}left out 1 6\nc\nlast\n",
            ),
            ("a\n", "", "b\n", "a\nb\n"),
        ];
        for (before, meanwhile, after, expected) in cases {
            assert_eq!(away(before, meanwhile, after), expected);
        }
    }

    #[test]
    fn a_renamed_log_gets_the_rest_of_its_line_and_the_new_one_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut log = Log::new(&at("node.log"), quiet);
        log.open().unwrap();
        log.write(b"one\ntw");
        std::fs::rename(at("node.log"), at("node.log.1")).unwrap();
        log.write(b"o\nthree\n");
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        assert_eq!(
            (read("node.log.1").as_str(), read("node.log").as_str()),
            ("one\ntwo\n", "three\n")
        );
    }

    #[test]
    fn a_line_that_another_left_without_its_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.log");
        std::fs::write(&path, "app_hash=AB").unwrap();
        let mut log = Log::new(&path, quiet);
        log.open().unwrap();
        log.write(b"CD\n");
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, "app_hash=AB\u{1e}left out 1 0\nCD\n");
    }
}
