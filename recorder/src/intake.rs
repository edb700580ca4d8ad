//! Where entries come from: followed files, pipes, standard input, the journal.
//!
//! A followed file cannot hold the node up, whatever the recorder does. A pipe
//! can: a node that writes into a pipe nobody drains stops. validator-guide.md
//! says when to use which.

pub mod given;
pub(crate) mod journal;
pub mod lines;
mod passed;
pub(crate) mod pipe;

use haltbox_format::ShowPath;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use haltbox_format::Stream;
use haltbox_format::mark::SourceMark;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;
use nix::unistd::{Whence, lseek};

use given::{Given, OWN_LINE};
use journal::Journal;
use lines::LineSplitter;
use pipe::{read_now, widen};

/// Bytes read at once.
const CHUNK: usize = 128 << 10;
/// Bytes of a followed file that stay behind what was read of it: should the
/// machine fail, the ring's newest pages go with it.
const KEPT_BEHIND: u64 = 64 << 20;
/// How far a followed file is read between two source marks.
const MARK_EVERY: u64 = 8 << 20;
/// The same for the journal: what is behind the last mark is read twice after a
/// kill, and has to be in the journal still.
const JOURNAL_MARK_EVERY: u64 = 256 << 10;
const PAGE: u64 = 4096;
/// Bytes by which a file that was cut and grew again is known: times stand in
/// them, so that others are never the same.
const LAST: usize = 256;

/// Where a source is, as typed: a path, or `-` for standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard input.
    Stdin,
    /// A file or FIFO.
    Path(PathBuf),
    /// A FIFO that the service manager holds and passes, by its name there; the
    /// only one if none is given.
    Passed(Option<String>),
    /// Standard input from `haltbox run`, which reads this FIFO.
    Wrapped(PathBuf),
    /// A unit of systemd, whose output is in the journal.
    Journal(String),
}

impl From<&str> for Place {
    fn from(text: &str) -> Place {
        match text {
            "-" => Place::Stdin,
            "systemd" => Place::Passed(None),
            text => match text.strip_prefix("fd:") {
                Some(name) => Place::Passed(Some(name.to_owned())),
                None => Place::Path(PathBuf::from(text)),
            },
        }
    }
}

/// What one turn of reading came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Bytes came.
    Progress,
    /// Nothing is there now.
    Quiet,
    /// The writer is gone; another may come.
    WriterGone,
    /// The source is over.
    Over,
    /// The file was rotated or cut: reading goes on in the new one.
    Rotated(String),
    /// Bytes may be missing from here on, and why.
    Missed(String),
    /// A followed file that was not there before is read from now on.
    Appeared,
    /// Something the operator has to hear of; reading goes on.
    Told(String),
}

/// One source of one stream.
pub struct Source {
    stream: Stream,
    name: String,
    input: Input,
    splitter: LineSplitter,
    chunk: Vec<u8>,
    /// Bytes handed on as entries.
    consumed: u64,
    /// Whoever read here before may have had the beginning of the first line.
    joining: bool,
    /// As many of them as the last source mark told of.
    marked: u64,
}

enum Input {
    Stdin(File),
    Fifo {
        file: File,
        writer_seen: bool,
        /// Nobody is there who would start another writer.
        last: bool,
    },
    Wrapped {
        pipe: File,
        /// The pipe ended: the wrapper went, or was killed.
        over: bool,
        /// Held open, so that the node does not get EPIPE if the wrapper dies.
        fifo: File,
    },
    /// The node ended, and its wrapper left what the pipe had no room for.
    Rest {
        pipe: File,
        rest: File,
    },
    Followed {
        path: PathBuf,
        file: Option<File>,
        inode: u64,
        /// Bytes read, those of an unfinished line included.
        read: u64,
        /// The last of them, which stand there still unless the file was cut.
        last: Vec<u8>,
    },
    Journal(Box<Journal>),
    Over,
}

impl Source {
    /// Opens a source. `resume` is where the last session left it.
    pub fn open(
        stream: Stream,
        place: &Place,
        resume: Option<&SourceMark>,
    ) -> Result<Source, String> {
        let (name, input, consumed) = match place {
            Place::Stdin => ("-".to_owned(), Input::Stdin(stdin()?), 0),
            Place::Passed(name) => {
                let passed = passed::find(name.as_deref())?;
                let cannot = |error| passed.cannot_be_opened(&error);
                (passed.shown(), fifo(&passed.path()).map_err(cannot)?, 0)
            }
            Place::Wrapped(path) => {
                let pipe = stdin()?;
                let fifo = open_fifo(path)
                    .map_err(|error| format!("cannot open {}: {error}", path.shown()))?;
                let over = false;
                ("-".to_owned(), Input::Wrapped { pipe, over, fifo }, 0)
            }
            Place::Journal(unit) => {
                let left = resume.map(|mark| (mark.path.as_str(), mark.offset));
                let journal = Journal::new(unit, left);
                (Journal::name(unit), Input::Journal(Box::new(journal)), 0)
            }
            Place::Path(path) => open_path(stream, path, resume)?,
        };
        let splitter = LineSplitter::default();
        let held = matches!(place, Place::Passed(_) | Place::Wrapped(_));
        Ok(Source {
            joining: held && stream == Stream::Slog,
            stream,
            name,
            input,
            splitter,
            chunk: vec![0; CHUNK],
            consumed,
            marked: consumed,
        })
    }

    /// The stream it feeds.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Its path as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The recorder can say exactly where it goes on after it was away.
    pub fn is_followed(&self) -> bool {
        matches!(self.input, Input::Followed { .. } | Input::Journal(_))
    }

    /// It never comes back once it is over.
    pub fn is_stdin(&self) -> bool {
        matches!(self.input, Input::Stdin(_))
    }

    /// `haltbox run` stands before it: lines of its own are among the node's.
    pub fn is_wrapped(&self) -> bool {
        matches!(self.input, Input::Wrapped { .. } | Input::Rest { .. })
    }

    /// What the wrapper left is not read to its end yet.
    pub fn has_rest(&self) -> bool {
        matches!(self.input, Input::Rest { .. })
    }

    /// The node ended, and its wrapper will say no more.
    pub fn wrapper_ended(&mut self, rest: File) {
        self.input = match std::mem::replace(&mut self.input, Input::Over) {
            Input::Wrapped { pipe, .. } => Input::Rest { pipe, rest },
            other => other,
        };
    }

    /// It came to its end.
    pub fn is_over(&self) -> bool {
        matches!(self.input, Input::Over)
    }

    /// What to wait on; followed files are looked at by the clock, and so is a
    /// FIFO without a writer, which would be ready all the time.
    pub fn wait_on(&self) -> Option<BorrowedFd<'_>> {
        match &self.input {
            Input::Stdin(file)
            | Input::Wrapped { pipe: file, .. }
            | Input::Fifo {
                file,
                writer_seen: true,
                ..
            } => Some(file.as_fd()),
            Input::Journal(journal) => journal.wait_on(),
            Input::Fifo { .. } | Input::Followed { .. } | Input::Rest { .. } | Input::Over => None,
        }
    }

    /// How far it was read.
    pub fn mark(&self) -> SourceMark {
        let (path, inode, offset) = match &self.input {
            Input::Followed { inode, .. } => (self.name.clone(), *inode, self.consumed),
            Input::Journal(journal) => {
                let (path, behind) = journal.mark();
                (path, 0, behind)
            }
            _ => (self.name.clone(), 0, self.consumed),
        };
        SourceMark {
            stream: self.stream,
            path,
            inode,
            offset,
        }
    }

    /// Far enough was read of a followed file since the last mark for another,
    /// which the caller then makes.
    pub fn mark_is_due(&mut self) -> bool {
        let due = match &self.input {
            Input::Followed { .. } => self.consumed >= self.marked + MARK_EVERY,
            // Before the first cursor is marked nothing tells where to go on.
            Input::Journal(journal) => {
                let first = self.marked == 0 && self.consumed > 0;
                let more = self.consumed >= self.marked + JOURNAL_MARK_EVERY;
                journal.has_cursor() && (first || more)
            }
            Input::Stdin(_)
            | Input::Fifo { .. }
            | Input::Wrapped { .. }
            | Input::Rest { .. }
            | Input::Over => false,
        };
        if due {
            self.marked = self.consumed;
        }
        due
    }

    /// Gives the part of a followed file back to the disk that is recorded and
    /// long read: its length stays, so the writer and every offset do too. What
    /// cannot be given back stays.
    pub fn give_back(&self) {
        let Input::Followed { path, inode, .. } = &self.input else {
            return;
        };
        let end = self.consumed.saturating_sub(KEPT_BEHIND) / PAGE * PAGE;
        let Ok(file) = OpenOptions::new().write(true).open(path) else {
            return;
        };
        let same = file.metadata().is_ok_and(|found| found.ino() == *inode);
        if let (true, Ok(end)) = (same && end > 0, i64::try_from(end)) {
            let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let _ = fallocate(&file, punch, 0, end);
        }
    }

    /// Reads what is there, at most one chunk, and hands on its lines.
    pub fn turn(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> io::Result<Turn> {
        let turn = match &mut self.input {
            Input::Stdin(file) => match read_ready(file, &mut self.chunk)? {
                Some(0) => Turn::Over,
                Some(count) => self.take(count, sink),
                None => Turn::Quiet,
            },
            Input::Wrapped { pipe, over, .. } => match read_ready(pipe, &mut self.chunk)? {
                Some(0) if *over => self.leave_wrapper(),
                // A wrapper that went in order said so before: that is heard first.
                Some(0) => {
                    *over = true;
                    Turn::Quiet
                }
                Some(count) => self.take(count, sink),
                None => Turn::Quiet,
            },
            Input::Rest { pipe, rest } => match read_ready(pipe, &mut self.chunk)? {
                Some(count @ 1..) => self.take(count, sink),
                Some(0) | None => match read_now(rest, &mut self.chunk)? {
                    Some(0) => Turn::Over,
                    Some(count) => self.take(count, sink),
                    None => Turn::Quiet,
                },
            },
            Input::Fifo {
                file,
                writer_seen,
                last,
            } => match read_now(file, &mut self.chunk)? {
                Some(0) if *last => Turn::Over,
                Some(0) if *writer_seen => {
                    *writer_seen = false;
                    Turn::WriterGone
                }
                Some(0) => Turn::Quiet,
                Some(count) => {
                    *writer_seen = true;
                    self.take(count, sink)
                }
                None => {
                    *writer_seen = true;
                    Turn::Quiet
                }
            },
            Input::Followed { .. } => return self.turn_followed(sink),
            Input::Journal(journal) => {
                let consumed = &mut self.consumed;
                let read = journal.turn(&mut self.chunk, &mut |given| {
                    *consumed += given.bytes.len() as u64 + 1;
                    sink(given);
                });
                match read? {
                    journal::Read::Progress => Turn::Progress,
                    journal::Read::Quiet => Turn::Quiet,
                    journal::Read::Told(what) => Turn::Told(what),
                    journal::Read::Missed(what) => Turn::Missed(what),
                }
            }
            Input::Over => Turn::Quiet,
        };
        if matches!(turn, Turn::Over | Turn::WriterGone) {
            self.end_line(sink);
        }
        if turn == Turn::Over {
            self.input = Input::Over;
        }
        Ok(turn)
    }

    fn take(&mut self, count: usize, sink: &mut dyn FnMut(Given<'_>)) -> Turn {
        let consumed = &mut self.consumed;
        let mut bytes = self.chunk.get(..count).unwrap_or_default();
        if self.joining {
            bytes = behind_fragment(bytes);
            self.joining = bytes.is_empty();
        }
        self.splitter.feed(bytes, &mut |given| {
            *consumed += given.cut.map_or(given.bytes.len() as u64, |cut| cut.length) + 1;
            sink(given);
        });
        Turn::Progress
    }

    fn end_line(&mut self, sink: &mut dyn FnMut(Given<'_>)) {
        let consumed = &mut self.consumed;
        self.splitter.end(&mut |given| {
            *consumed += given.cut.map_or(given.bytes.len() as u64, |cut| cut.length);
            sink(given);
        });
    }

    /// The wrapper died. The node has its FIFO still, and writes on: until it
    /// ends, this process is the only one that reads there.
    fn leave_wrapper(&mut self) -> Turn {
        if let Input::Wrapped { fifo, .. } = std::mem::replace(&mut self.input, Input::Over) {
            self.input = Input::Fifo {
                file: fifo,
                writer_seen: true,
                last: true,
            };
        }
        self.splitter.forget();
        self.joining = true;
        Turn::Missed("haltbox run is gone: the node's FIFO is read without it".to_owned())
    }

    fn turn_followed(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> io::Result<Turn> {
        let Input::Followed {
            path,
            file,
            inode,
            read,
            last,
        } = &mut self.input
        else {
            return Ok(Turn::Quiet);
        };
        let Some(open) = file else {
            return self.appear();
        };
        let count = match open.read(&mut self.chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Turn::Progress),
            Err(error) => return Err(error),
        };
        if count > 0 {
            if !stands_before(open, *read, last)? {
                return self.begin_anew(sink);
            }
            *read += count as u64;
            keep_last(last, self.chunk.get(..count).unwrap_or_default());
            return Ok(self.take(count, sink));
        }
        // The end, for now. A file that is shorter than what was read of it was
        // cut; one that has another inode was put in its place.
        if open.metadata()?.len() < *read {
            return self.begin_anew(sink);
        }
        match std::fs::metadata(&*path) {
            Ok(found) if found.ino() != *inode => {
                let why = format!("{} was rotated", path.shown());
                // A mark of the old file must not fit the new one, which is
                // marked as soon as it is open.
                (*file, *inode) = (None, 0);
                self.end_line(sink);
                (self.consumed, self.marked) = (0, 0);
                Ok(Turn::Rotated(why))
            }
            _ => Ok(Turn::Quiet),
        }
    }

    /// The file was cut, and may have grown since. What stood behind the place
    /// that was reached is gone unread, if anything did: nobody knows. What was
    /// read of a line is all that there will be of it.
    fn begin_anew(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> io::Result<Turn> {
        if let Input::Followed {
            file: Some(file),
            read,
            last,
            ..
        } = &mut self.input
        {
            file.seek(SeekFrom::Start(0))?;
            *read = 0;
            last.clear();
        }
        self.end_line(sink);
        (self.consumed, self.marked) = (0, 0);
        Ok(Turn::Missed(format!(
            "{} was cut: what was not read of it before is missing; rotate it by renaming",
            self.name
        )))
    }

    /// Opens a followed file that was not there before.
    fn appear(&mut self) -> io::Result<Turn> {
        let Input::Followed { path, .. } = &self.input else {
            return Ok(Turn::Quiet);
        };
        match follow(path, 0) {
            Ok((input, from)) => {
                self.input = input;
                (self.consumed, self.marked) = (from, from);
                Ok(Turn::Appeared)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Turn::Quiet),
            Err(error) => Err(error),
        }
    }
}

fn stdin() -> Result<File, String> {
    let duplicate = io::stdin().as_fd().try_clone_to_owned();
    let file = duplicate.map_err(|error| format!("cannot read standard input: {error}"))?;
    widen(&file);
    Ok(file.into())
}

/// Opens for reading without waiting for a writer. The reading end stays open,
/// so a writer may come, go and come again.
fn fifo(path: &Path) -> io::Result<Input> {
    Ok(Input::Fifo {
        file: open_fifo(path)?,
        writer_seen: false,
        last: false,
    })
}

fn open_fifo(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    widen(&file);
    Ok(file)
}

/// What to record of the first bytes that are read where another recorder read
/// before: a slog's line begins with `{"`; the rest of one begins otherwise, or,
/// within a nested value, is no whole JSON and means nothing to anybody.
fn behind_fragment(bytes: &[u8]) -> &[u8] {
    if bytes.starts_with(b"{\"") || bytes.starts_with(&[OWN_LINE]) {
        return bytes;
    }
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    bytes.get(end..).unwrap_or_default()
}

/// The input at a path, its name, and the offset at which reading begins.
fn open_path(
    stream: Stream,
    path: &Path,
    resume: Option<&SourceMark>,
) -> Result<(String, Input, u64), String> {
    let name = path.display().to_string();
    let cannot =
        |error: io::Error| format!("cannot open the {} source {name}: {error}", stream.name());
    let (input, from) = match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_fifo() => (fifo(path).map_err(cannot)?, 0),
        Ok(found) if found.is_dir() => {
            return Err(format!("{name} is a folder, not a file or FIFO"));
        }
        Ok(found) => follow(path, resume_offset(&found, resume)).map_err(cannot)?,
        // Followed from its first byte on once it is there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.to_owned();
            let missing = Input::Followed {
                path,
                file: None,
                inode: 0,
                read: 0,
                last: Vec::new(),
            };
            (missing, 0)
        }
        Err(error) => return Err(cannot(error)),
    };
    Ok((name, input, from))
}

/// A file from an offset on, and the offset at which reading begins.
fn follow(path: &Path, from: u64) -> io::Result<(Input, u64)> {
    let mut file = File::open(path)?;
    let from = if is_behind_a_line(&file, from)? {
        from
    } else {
        0
    };
    let from = behind_hole(&mut file, from)?;
    let inode = file.metadata()?.ino();
    let kept = from.min(LAST as u64);
    let mut last = vec![0; kept as usize];
    file.read_exact_at(&mut last, from - kept)?;
    let input = Input::Followed {
        path: path.to_owned(),
        file: Some(file),
        inode,
        read: from,
        last,
    };
    Ok((input, from))
}

/// Whether these bytes still stand in a file before a place.
fn stands_before(file: &File, at: u64, last: &[u8]) -> io::Result<bool> {
    let mut found = [0; LAST];
    let found = found.get_mut(..last.len()).unwrap_or_default();
    let read = file.read_at(found, at - last.len() as u64)?;
    Ok(read == last.len() && found == last)
}

/// Keeps the last bytes of what was read so far.
fn keep_last(last: &mut Vec<u8>, bytes: &[u8]) {
    let fresh = bytes.get(bytes.len().saturating_sub(LAST)..);
    let fresh = fresh.unwrap_or_default();
    let surplus = (last.len() + fresh.len()).saturating_sub(LAST);
    last.drain(..surplus);
    last.extend_from_slice(fresh);
}

/// Reading stops behind whole lines only: where there is none before the place,
/// the file was cut meanwhile and has grown beyond it again. What was given back
/// reads as zeros.
fn is_behind_a_line(file: &File, from: u64) -> io::Result<bool> {
    let Some(last) = from.checked_sub(1) else {
        return Ok(true);
    };
    let mut byte = [0];
    let read = file.read_at(&mut byte, last)?;
    Ok(read == 0 || matches!(byte, [b'\n' | 0]))
}

/// Where the first whole line at or behind an offset begins, past what was
/// given back of the file.
fn behind_hole(file: &mut File, from: u64) -> io::Result<u64> {
    let offset = i64::try_from(from).unwrap_or(i64::MAX);
    let data = lseek(&*file, offset, Whence::SeekData);
    let data = data.map_or(from, |at| u64::try_from(at).unwrap_or(from));
    file.seek(SeekFrom::Start(data))?;
    if data == from {
        return Ok(from);
    }
    let mut at = data;
    let mut block = [0; 4096];
    loop {
        let count = file.read(&mut block)?;
        let found = block.get(..count).unwrap_or_default();
        match found.iter().position(|byte| *byte == b'\n') {
            Some(end) => at += end as u64 + 1,
            None if count == 0 => {}
            None => {
                at += count as u64;
                continue;
            }
        }
        file.seek(SeekFrom::Start(at))?;
        return Ok(at);
    }
}

/// Where a file goes on: behind what was recorded of it, if it is still the
/// same file and has not become shorter.
fn resume_offset(found: &Metadata, resume: Option<&SourceMark>) -> u64 {
    match resume {
        Some(mark) if mark.inode == found.ino() && mark.offset <= found.len() => mark.offset,
        _ => 0,
    }
}

/// Reads a descriptor that may be a terminal or belong to another process too,
/// and therefore is not made non-blocking: asks first whether bytes are there.
fn read_ready(file: &mut File, chunk: &mut [u8]) -> io::Result<Option<usize>> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let ready = {
        let mut waiting = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::ZERO)? > 0
    };
    if ready {
        read_now(file, chunk)
    } else {
        Ok(None)
    }
}
