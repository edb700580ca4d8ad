//! Turns bytes of one of the [`crate::sources`] into entries of a stream.

pub(crate) mod draining;
mod open_error;
pub(crate) mod trouble;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use haltbox_format::Stream;
use haltbox_format::mark::{Before, SourceMark};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;

use crate::sources::Came;
use crate::sources::failure::Failure;
use crate::sources::fifo::Fifo;
use crate::sources::followed::{self, BlockFolder, Follow, Followed, Step};
use crate::sources::journald::{self, Journal};
use crate::sources::lines::LineSplitter;
use crate::sources::stdin::Stdin;
use crate::sources::systemd_fifo::{self, Passed};
use crate::sources::wrapped::{Left, Rest, Wrapped};
use trouble::Trouble;

use haltbox_recorder::source_entry::{Given, OWN_LINE};

pub use open_error::OpenError;
pub use trouble::News;

/// Most bytes read at once.
const CHUNK: usize = 128 << 10;
/// Bytes of a followed file that are not freed yet, behind what was read. If the
/// machine fails, the ring loses its newest pages, and the file still has these
/// bytes.
const KEPT_BEHIND: u64 = 64 << 20;
/// Bytes of a followed file between two source marks.
const MARK_EVERY: u64 = 8 << 20;
/// Bytes of the journal between two source marks. After a kill, what follows the
/// last mark is read again, and must still be in the journal.
const JOURNAL_MARK_EVERY: u64 = 256 << 10;
const PAGE: u64 = 4096;

/// A source as the operator types it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `-`: standard input.
    Stdin,
    /// A path: a file, a FIFO, or a folder.
    Path(PathBuf),
    /// `systemd` or `fd:NAME`: a FIFO that the service manager holds and
    /// passes. Without a name, the only one.
    Passed(Option<String>),
    /// Standard input from `haltbox run`, which reads this FIFO.
    Wrapped(PathBuf),
    /// The journal entries of this unit of systemd.
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

/// The result of one turn of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Bytes were read.
    Progress,
    /// Nothing can be read now.
    Quiet,
    /// The writer is gone. Another may come.
    WriterGone,
    /// The source has ended for good.
    Over,
    /// The file was rotated. Reading continues in the new one. The text says so.
    Rotated(String),
    /// Bytes may be missing from here on. The text says why.
    Missed(String),
    /// As [`Turn::Missed`], for a reason that was reported before.
    MissedMore,
    /// A followed file appeared. It is read from now on.
    Appeared,
    /// A message for the operator. Reading continues.
    Message(String),
}

/// A source of one stream.
pub struct Source {
    stream: Stream,
    name: String,
    input: Input,
    splitter: LineSplitter,
    chunk: Vec<u8>,
    /// Bytes that became entries.
    consumed: u64,
    /// Whether the first bytes may be the end of a line that another recorder
    /// began.
    joining: bool,
    /// Value of `consumed` at the last source mark.
    marked: u64,
    /// How many bytes the last source mark used to identify the followed file.
    told_by: u64,
    /// Whether nothing is missing between the last session and the first byte
    /// read.
    goes_on: bool,
    /// A message about how the source was opened.
    told: Option<String>,
    trouble: Trouble,
}

enum Input {
    Stdin(Stdin),
    Fifo(Fifo),
    Wrapped(Wrapped),
    Rest(Left),
    Followed {
        path: PathBuf,
        followed: Box<dyn Follow>,
    },
    Journal(Box<Journal>),
    Over,
}

impl Source {
    /// Opens a source. `resume` is its mark of the last session. `until_ms` is
    /// when that session recorded last.
    ///
    /// # Errors
    /// [`OpenError`]. A path without a file is no error: it is followed once it
    /// appears.
    pub fn open(
        stream: Stream,
        place: &Place,
        resume: Option<&SourceMark>,
        until_ms: u64,
    ) -> Result<Source, OpenError> {
        let begins = match place {
            Place::Stdin => Begins::new("-".to_owned(), Input::Stdin(open_stdin()?)),
            Place::Passed(name) => open_passed(systemd_fifo::find(name.as_deref())?)?,
            Place::Wrapped(path) => open_wrapped(path)?,
            Place::Journal(unit) => {
                let left = resume.map(|mark| (mark.path.as_str(), mark.offset));
                let journal = Journal::new(unit, left);
                let goes_on = left.is_some_and(|(path, offset)| {
                    let (now, behind) = journal.mark();
                    (path, offset) == (now.as_str(), behind)
                });
                Begins {
                    goes_on,
                    ..Begins::new(Journal::name(unit), Input::Journal(Box::new(journal)))
                }
            }
            Place::Path(path) => open_path(stream, path, resume, until_ms)?,
        };
        let held = matches!(place, Place::Passed(_) | Place::Wrapped(_));
        Ok(Source {
            joining: held && stream == Stream::Slog,
            stream,
            name: begins.name,
            input: begins.input,
            splitter: LineSplitter::default(),
            chunk: vec![0; CHUNK],
            consumed: begins.from,
            marked: begins.from,
            told_by: begins.from.min(Before::MOST as u64),
            goes_on: begins.goes_on,
            told: begins.told,
            trouble: Trouble::default(),
        })
    }

    /// The stream that it feeds.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Its path as the operator gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is certain that reading continues exactly where the last
    /// session stopped.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Takes the message about how the source was opened.
    pub fn take_told(&mut self) -> Option<String> {
        self.told.take()
    }

    /// Whether more is there than was read, in a file whose turn has not come.
    pub fn holds_back(&self) -> bool {
        match &self.input {
            Input::Followed { followed, .. } => followed.holds_back(),
            _ => false,
        }
    }

    /// Whether it is standard input, which never comes back after its end.
    pub fn is_stdin(&self) -> bool {
        matches!(self.input, Input::Stdin(_))
    }

    /// Whether `haltbox run` stands between. Then lines of its own are among
    /// the node's lines.
    pub fn is_wrapped(&self) -> bool {
        matches!(self.input, Input::Wrapped(_) | Input::Rest(_))
    }

    /// Whether what the wrapper left is not read to its end.
    pub fn has_rest(&self) -> bool {
        matches!(self.input, Input::Rest(_))
    }

    /// Says that the node ended and that its wrapper sends nothing more.
    pub fn wrapper_ended(&mut self, rest: Rest) {
        self.input = match std::mem::replace(&mut self.input, Input::Over) {
            Input::Wrapped(wrapped) => Input::Rest(wrapped.ended(rest)),
            other => other,
        };
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.input, Input::Over)
    }

    /// Descriptor to wait on. `None` for followed files, which are polled by
    /// the clock, and for a FIFO without a writer, which would always be ready.
    pub fn wait_on(&self) -> Option<BorrowedFd<'_>> {
        match &self.input {
            Input::Stdin(stdin) => Some(stdin.wait_on()),
            Input::Wrapped(wrapped) => Some(wrapped.wait_on()),
            Input::Fifo(fifo) => fifo.wait_on(),
            Input::Journal(journal) => journal.wait_on(),
            Input::Followed { .. } | Input::Rest(_) | Input::Over => None,
        }
    }

    /// How far it was read.
    pub fn mark(&self) -> SourceMark {
        let mark = SourceMark {
            stream: self.stream,
            path: self.name.clone(),
            inode: 0,
            offset: self.consumed,
            file: None,
            before: None,
            trouble: self.trouble.mark(),
        };
        match &self.input {
            Input::Followed { followed, .. } => SourceMark {
                inode: followed.inode(),
                file: followed.file_name().map(str::to_owned),
                before: followed.before(),
                ..mark
            },
            Input::Journal(journal) => {
                let (path, offset) = journal.mark();
                SourceMark {
                    path,
                    offset,
                    ..mark
                }
            }
            _ => mark,
        }
    }

    /// Whether enough was read since the last mark for another one. If so, the
    /// caller must make it.
    pub fn mark_is_due(&mut self) -> bool {
        let due = match &self.input {
            // Mark the file again once its first line is read, and once its
            // first page is: each identifies it better.
            Input::Followed { followed, .. } => {
                let tells = followed.told_by();
                let full = tells == Before::MOST as u64;
                let better = tells > self.told_by && (self.told_by == 0 || full);
                if better {
                    self.told_by = tells;
                }
                better || self.consumed >= self.marked + MARK_EVERY
            }
            // Without a marked cursor a restart would not know where to
            // continue.
            Input::Journal(journal) => {
                let first = self.marked == 0 && self.consumed > 0;
                let more = self.consumed >= self.marked + JOURNAL_MARK_EVERY;
                journal.has_cursor() && (first || more)
            }
            Input::Stdin(_) | Input::Fifo(_) | Input::Wrapped(_) | Input::Rest(_) | Input::Over => {
                false
            }
        };
        if due {
            self.marked = self.consumed;
        }
        due
    }

    /// Frees the disk blocks of the part that was recorded long ago. The file
    /// keeps its length, so the writer and all offsets stay valid. Errors are
    /// ignored.
    pub fn give_back(&self) {
        let Input::Followed { path, followed } = &self.input else {
            return;
        };
        let end = self.consumed.saturating_sub(KEPT_BEHIND) / PAGE * PAGE;
        // Another file may be at the path by now. Opening a FIFO would wait.
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let Ok(file) = options.open(path) else {
            return;
        };
        let same = file
            .metadata()
            .is_ok_and(|found| followed.reads(found.ino(), found.dev()));
        if let (true, Ok(end)) = (same && end > 0, i64::try_from(end)) {
            let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let _ = fallocate(&file, punch, 0, end);
        }
    }

    /// Reads at most one chunk, and passes its lines to `sink`. Also returns
    /// news when reading begins to fail, or works again.
    pub fn turn(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> (Turn, Option<News>) {
        let (turn, failure) = match self.try_turn(sink) {
            Ok(turn) => (turn, None),
            Err(error) => (Turn::Quiet, Some(Failure::of(&error))),
        };
        let failure = match &self.input {
            Input::Followed { followed, .. } => followed.failure(),
            _ => failure.as_ref(),
        };
        let news = self.trouble.see(
            &format_args!("the {} source {}", self.stream.name(), self.name),
            failure,
            Instant::now(),
        );
        (turn, news)
    }

    fn try_turn(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> io::Result<Turn> {
        let came = match &mut self.input {
            Input::Stdin(stdin) => stdin.turn(&mut self.chunk)?,
            Input::Fifo(fifo) => fifo.turn(&mut self.chunk)?,
            Input::Rest(left) => left.turn(&mut self.chunk)?,
            Input::Wrapped(wrapped) => match wrapped.turn(&mut self.chunk)? {
                Came::End => return Ok(self.leave_wrapper()),
                came => came,
            },
            Input::Followed { .. } => return Ok(self.turn_followed(sink)),
            Input::Journal(_) => return self.turn_journal(sink),
            Input::Over => Came::Nothing,
        };
        let turn = match came {
            Came::Bytes(count) => self.take(count, sink),
            Came::Nothing => Turn::Quiet,
            Came::WriterGone => Turn::WriterGone,
            Came::End => Turn::Over,
        };
        if matches!(turn, Turn::Over | Turn::WriterGone) {
            self.end_line(sink);
        }
        if turn == Turn::Over {
            self.input = Input::Over;
        }
        Ok(turn)
    }

    fn turn_journal(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> io::Result<Turn> {
        let Input::Journal(journal) = &mut self.input else {
            return Ok(Turn::Quiet);
        };
        let consumed = &mut self.consumed;
        let read = journal.turn(&mut self.chunk, &mut |given| {
            *consumed += given.bytes.len() as u64 + 1;
            sink(given);
        });
        Ok(match read? {
            journald::Read::Progress => Turn::Progress,
            journald::Read::Quiet => Turn::Quiet,
            journald::Read::Message(what) => Turn::Message(what),
            journald::Read::Missed(what) => Turn::Missed(what),
        })
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

    /// From now on the recorder reads the node's FIFO itself.
    fn leave_wrapper(&mut self) -> Turn {
        self.input = match std::mem::replace(&mut self.input, Input::Over) {
            Input::Wrapped(wrapped) => Input::Fifo(wrapped.died()),
            other => other,
        };
        self.splitter.forget();
        self.joining = true;
        Turn::Missed(
            "haltbox run has ended: the recorder now reads the node's FIFO itself".to_owned(),
        )
    }

    fn turn_followed(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> Turn {
        let Input::Followed { followed, .. } = &mut self.input else {
            return Turn::Quiet;
        };
        match followed.turn(&mut self.chunk) {
            Step::Read(count) => self.take(count, sink),
            Step::Quiet => self.look_for_folder(),
            Step::Late(Some(what)) => Turn::Missed(what),
            Step::Late(None) => Turn::MissedMore,
            Step::Appeared { from } => {
                self.begin_at(from, sink);
                Turn::Appeared
            }
            Step::Anew { from, missing } => {
                self.begin_at(from, sink);
                Turn::Missed(missing)
            }
            Step::Next { from, missing } => {
                self.begin_at(from, sink);
                match missing {
                    Some(missing) => Turn::Missed(missing),
                    None => Turn::Rotated(format!("{} was rotated", self.name)),
                }
            }
        }
    }

    /// If no file was ever at the path, a folder may appear. All files in it
    /// are new.
    fn look_for_folder(&mut self) -> Turn {
        let Input::Followed { path, followed } = &mut self.input else {
            return Turn::Quiet;
        };
        if self.stream == Stream::Slog && followed.is_untouched() && path.is_dir() {
            match BlockFolder::open_new(path) {
                Ok(folder) => {
                    *followed = Box::new(folder);
                    return Turn::Appeared;
                }
                // Treat it as a file that cannot be read.
                Err(_) => return Turn::Quiet,
            }
        }
        Turn::Quiet
    }

    /// Begins to read another file. The line that was begun gets no more bytes.
    fn begin_at(&mut self, from: u64, sink: &mut dyn FnMut(Given<'_>)) {
        self.end_line(sink);
        (self.consumed, self.marked) = (from, from);
        self.told_by = 0;
    }
}

/// A source that was just opened.
struct Begins {
    name: String,
    input: Input,
    from: u64,
    goes_on: bool,
    told: Option<String>,
}

impl Begins {
    fn new(name: String, input: Input) -> Begins {
        Begins {
            name,
            input,
            from: 0,
            goes_on: false,
            told: None,
        }
    }
}

/// Skips the rest of a line whose beginning another recorder read. A line of a
/// slog begins with `{"`. The rest of one begins otherwise, or begins inside a
/// nested value and is no valid JSON.
fn behind_fragment(bytes: &[u8]) -> &[u8] {
    if bytes.starts_with(b"{\"") || bytes.starts_with(&[OWN_LINE]) {
        return bytes;
    }
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    bytes.get(end..).unwrap_or_default()
}

fn open_stdin() -> Result<Stdin, OpenError> {
    Stdin::open().map_err(|error| OpenError::Stdin { error })
}

/// Opens a FIFO that the service manager passed.
fn open_passed(passed: Passed) -> Result<Begins, OpenError> {
    match Fifo::open(&passed.path()) {
        Ok(fifo) => Ok(Begins::new(passed.shown(), Input::Fifo(fifo))),
        Err(error) => Err(OpenError::Passed { passed, error }),
    }
}

/// Takes standard input, and opens the FIFO of the node.
fn open_wrapped(path: &Path) -> Result<Begins, OpenError> {
    let pipe = open_stdin()?;
    let fifo = Fifo::open(path).map_err(|error| OpenError::Wrapped {
        path: path.to_owned(),
        error,
    })?;
    let wrapped = Wrapped::new(pipe, fifo);
    Ok(Begins::new("-".to_owned(), Input::Wrapped(wrapped)))
}

fn open_path(
    stream: Stream,
    path: &Path,
    resume: Option<&SourceMark>,
    until_ms: u64,
) -> Result<Begins, OpenError> {
    let name = path.display().to_string();
    let cannot = |error| OpenError::Path {
        stream,
        name: name.clone(),
        error,
    };
    match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_fifo() => {
            let fifo = Fifo::open(path).map_err(cannot)?;
            return Ok(Begins::new(name, Input::Fifo(fifo)));
        }
        Ok(found) if found.is_dir() => return open_folder(stream, path, resume),
        // The folder is missing at the moment.
        Err(_) if is_of_folder(resume, &name) => return open_folder(stream, path, resume),
        // A file is followed from its first byte once it exists.
        _ => {}
    }
    let opened = Followed::open(path, resume, until_ms).map_err(cannot)?;
    Ok(begins(path, opened))
}

/// Opens a folder into which the node writes a file for each block.
fn open_folder(
    stream: Stream,
    path: &Path,
    resume: Option<&SourceMark>,
) -> Result<Begins, OpenError> {
    let name = path.display().to_string();
    if stream != Stream::Slog {
        return Err(OpenError::Folder { name });
    }
    let resume = resume.filter(|mark| mark.path == name);
    match BlockFolder::open(path, resume) {
        Ok(opened) => Ok(begins(path, opened)),
        Err(error) => Err(OpenError::Path {
            stream,
            name,
            error,
        }),
    }
}

/// Whether the last session read a folder at this path.
fn is_of_folder(resume: Option<&SourceMark>, name: &str) -> bool {
    resume.is_some_and(|mark| mark.path == name && mark.file.is_some())
}

fn begins(path: &Path, opened: followed::Opened<impl Follow + 'static>) -> Begins {
    let input = Input::Followed {
        path: path.to_owned(),
        followed: Box::new(opened.followed),
    };
    Begins {
        from: opened.from,
        goes_on: opened.goes_on,
        told: opened.told,
        ..Begins::new(path.display().to_string(), input)
    }
}
