//! Entries of a stream, out of one of the [`crate::sources`].

pub(crate) mod draining;
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
use crate::sources::systemd_fifo;
use crate::sources::wrapped::{Left, Rest, Wrapped};
use trouble::Trouble;

use haltbox_recorder::source_entry::{Given, OWN_LINE};

pub use trouble::News;

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
    /// The file was rotated: reading goes on in the new one.
    Rotated(String),
    /// Bytes may be missing from here on, and why.
    Missed(String),
    /// The same again; it was said already.
    MissedMore,
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
    /// Bytes by which the last source mark tells the followed file from others.
    told_by: u64,
    /// Nothing is missing between what was recorded before and where it goes on.
    goes_on: bool,
    /// What there is to tell of how it was opened.
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
    /// Opens a source. `resume` is where the last session left it, `until_ms` when
    /// that session recorded last.
    pub fn open(
        stream: Stream,
        place: &Place,
        resume: Option<&SourceMark>,
        until_ms: u64,
    ) -> Result<Source, String> {
        let begins = match place {
            Place::Stdin => Begins::new("-".to_owned(), Input::Stdin(Stdin::open()?)),
            Place::Passed(name) => {
                let passed = systemd_fifo::find(name.as_deref())?;
                let cannot = |error| passed.cannot_be_opened(&error);
                let fifo = Fifo::open(&passed.path()).map_err(cannot)?;
                Begins::new(passed.shown(), Input::Fifo(fifo))
            }
            Place::Wrapped(path) => {
                Begins::new("-".to_owned(), Input::Wrapped(Wrapped::open(path)?))
            }
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

    /// The stream it feeds.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Its path as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It goes on exactly where the last session left it: nothing is missing in
    /// between, if that is known for certain.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Takes what there is to tell of how it was opened.
    pub fn take_told(&mut self) -> Option<String> {
        self.told.take()
    }

    /// More is there than was read, and its turn has not come.
    pub fn holds_back(&self) -> bool {
        match &self.input {
            Input::Followed { followed, .. } => followed.holds_back(),
            _ => false,
        }
    }

    /// It never comes back once it is over.
    pub fn is_stdin(&self) -> bool {
        matches!(self.input, Input::Stdin(_))
    }

    /// `haltbox run` stands before it: lines of its own are among the node's.
    pub fn is_wrapped(&self) -> bool {
        matches!(self.input, Input::Wrapped(_) | Input::Rest(_))
    }

    /// What the wrapper left is not read to its end yet.
    pub fn has_rest(&self) -> bool {
        matches!(self.input, Input::Rest(_))
    }

    /// The node ended, and its wrapper will say no more.
    pub fn wrapper_ended(&mut self, rest: Rest) {
        self.input = match std::mem::replace(&mut self.input, Input::Over) {
            Input::Wrapped(wrapped) => Input::Rest(wrapped.ended(rest)),
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

    /// Far enough was read of a followed file since the last mark for another,
    /// which the caller then makes.
    pub fn mark_is_due(&mut self) -> bool {
        let due = match &self.input {
            // The first line tells the file from most others, the first page from all.
            Input::Followed { followed, .. } => {
                let tells = followed.told_by();
                let full = tells == Before::MOST as u64;
                let better = tells > self.told_by && (self.told_by == 0 || full);
                if better {
                    self.told_by = tells;
                }
                better || self.consumed >= self.marked + MARK_EVERY
            }
            // Before the first cursor is marked nothing tells where to go on.
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

    /// Gives the part of a followed file back to the disk that is recorded and
    /// long read: its length stays, so the writer and every offset do too. What
    /// cannot be given back stays.
    pub fn give_back(&self) {
        let Input::Followed { path, followed } = &self.input else {
            return;
        };
        let end = self.consumed.saturating_sub(KEPT_BEHIND) / PAGE * PAGE;
        // Another may be at the path by now: a FIFO would be waited for.
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

    /// Reads what is there, at most one chunk, and hands on its lines; and tells of
    /// reading that fails, or works again.
    pub fn turn(&mut self, sink: &mut dyn FnMut(Given<'_>)) -> (Turn, Option<News>) {
        let (turn, failure) = match self.try_turn(sink) {
            Ok(turn) => (turn, None),
            Err(error) => (Turn::Quiet, Some(Failure::of(&error))),
        };
        let failure = match &self.input {
            Input::Followed { followed, .. } => followed.failure(),
            _ => failure.as_ref(),
        };
        let name = format_args!("the {} source {}", self.stream.name(), self.name);
        let news = self.trouble.see(&name, failure, Instant::now());
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
            journald::Read::Told(what) => Turn::Told(what),
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

    /// The recorder reads the node's FIFO itself from now on.
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

    /// Where no file ever was a folder may come: all that is in it came since.
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
                // It stays a file that cannot be read.
                Err(_) => return Turn::Quiet,
            }
        }
        Turn::Quiet
    }

    /// Another file is read from here on. What was read of a line is all that there
    /// will be of it.
    fn begin_at(&mut self, from: u64, sink: &mut dyn FnMut(Given<'_>)) {
        self.end_line(sink);
        (self.consumed, self.marked) = (from, from);
        self.told_by = 0;
    }
}

/// A source that was opened.
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

fn open_path(
    stream: Stream,
    path: &Path,
    resume: Option<&SourceMark>,
    until_ms: u64,
) -> Result<Begins, String> {
    let name = path.display().to_string();
    let cannot =
        |error: io::Error| format!("cannot open the {} source {name}: {error}", stream.name());
    match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_fifo() => {
            let fifo = Fifo::open(path).map_err(cannot)?;
            return Ok(Begins::new(name, Input::Fifo(fifo)));
        }
        Ok(found) if found.is_dir() => return open_folder(stream, path, resume),
        // Away for now.
        Err(_) if is_of_folder(resume, &name) => return open_folder(stream, path, resume),
        // Followed from its first byte on once it is there.
        _ => {}
    }
    let opened = Followed::open(path, resume, until_ms).map_err(cannot)?;
    Ok(begins(path, opened))
}

/// A folder in which the node writes a file for each block.
fn open_folder(stream: Stream, path: &Path, resume: Option<&SourceMark>) -> Result<Begins, String> {
    let name = path.display().to_string();
    if stream != Stream::Slog {
        return Err(format!("{name} is a folder, not a file or FIFO"));
    }
    let resume = resume.filter(|mark| mark.path == name);
    let opened = BlockFolder::open(path, resume)
        .map_err(|error| format!("cannot open the {} source {name}: {error}", stream.name()))?;
    Ok(begins(path, opened))
}

/// The last session read a folder here.
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
