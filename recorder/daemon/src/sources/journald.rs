//! Reads the node's log from systemd's journal, by way of `journalctl`.
//!
//! `journalctl` runs as a child. It first prints what the unit said last. Then
//! it is started again to follow, and again whenever it ends. If it gets both
//! requests at once, it loses the first entry of a unit that has said nothing
//! yet (systemd 252).
//!
//! Entries become the lines that the node wrote. The journal's own fields are
//! not read; its priority says nothing about what a service prints. The place
//! in the journal is a cursor and the number of bytes read behind it. Source
//! marks keep it, so after a kill the recorder continues exactly where it
//! stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::Deserialize;

use super::lines::{LONGEST, LineSplitter};
use super::pipe::read_now;
use haltbox_recorder::source_entry::Given;

/// Begins the name of such a source.
pub(crate) const SCHEME: &str = "journal:";
/// Separates unit and cursor in a source mark.
const AFTER: &str = " after ";
/// Entries to ask for without a cursor: what the unit said last, not everything
/// in the journal.
const FIRST_LINES: u32 = 1000;
/// Pause before journalctl is started again. It doubles each time journalctl
/// ends ...
const AGAIN: Duration = Duration::from_millis(500);
/// ... up to this, until an entry comes.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// Longest wait for journalctl to end after its output has ended.
const LAST_MOMENT: Duration = Duration::from_millis(200);
/// Most lines that wait for their end. If there are more, one of them is passed
/// on without its end.
const PARTS_MAX: usize = 64;

/// The result of one turn of reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Entries came.
    Progress,
    /// Nothing can be read now.
    Quiet,
    /// A message for the operator.
    Message(String),
    /// Entries were missed. The text says why.
    Missed(String),
}

/// The entries of one unit.
pub(crate) struct Journal {
    unit: String,
    place: Place,
    /// Whether the entry at the cursor comes first, which shows that the
    /// journal still has it.
    resuming: bool,
    /// Bytes behind the cursor that are recorded already and come again.
    to_skip: u64,
    parts: Parts,
    /// Splits the output of journalctl into entries.
    entries: LineSplitter,
    journalctl: Option<Running>,
    /// Whether what the unit said before is read, so that new entries are
    /// followed.
    follows: bool,
    again: Backoff,
    /// Whether the operator was told about a line that is no entry.
    told_nonsense: bool,
}

/// How far the journal was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Cursor of the last entry that was passed on whole. Empty if there is
    /// none.
    cursor: String,
    /// Bytes passed on of entries behind it.
    behind: u64,
}

struct Running {
    child: Child,
    output: File,
}

impl Running {
    /// How it ended, after its output has ended. Waits only a moment. A
    /// journalctl that runs on is killed.
    fn ended(mut self) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.child.try_wait().ok()?;
            if status.is_some() || begun.elapsed() >= LAST_MOMENT {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// When to try again, and whether the operator was told.
struct Backoff {
    at: Instant,
    pause: Duration,
    told: bool,
}

impl Backoff {
    fn new() -> Backoff {
        Backoff {
            at: Instant::now(),
            pause: AGAIN,
            told: false,
        }
    }

    /// Says that it works.
    fn reset(&mut self) {
        (self.pause, self.told) = (AGAIN, false);
    }

    /// Says that it failed. Returns whether the operator must be told.
    fn fail(&mut self) -> bool {
        self.at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(AGAIN_AT_MOST);
        !std::mem::replace(&mut self.told, true)
    }
}

impl Journal {
    /// Follows a unit from where a source mark left it. `left` is the path and
    /// the offset of that mark.
    pub(crate) fn new(unit: &str, left: Option<(&str, u64)>) -> Journal {
        let place = left.and_then(|(path, offset)| Place::parse(unit, path, offset));
        Journal {
            unit: unit.to_owned(),
            follows: place.is_some(),
            place: place.unwrap_or_default(),
            resuming: false,
            to_skip: 0,
            parts: Parts::default(),
            entries: LineSplitter::default(),
            journalctl: None,
            again: Backoff::new(),
            told_nonsense: false,
        }
    }

    /// Its name in messages.
    pub(crate) fn name(unit: &str) -> String {
        format!("{SCHEME}{unit}")
    }

    /// The place for a source mark: a path with the cursor, and the bytes
    /// behind it.
    pub(crate) fn mark(&self) -> (String, u64) {
        let Place { cursor, behind } = &self.place;
        let name = Journal::name(&self.unit);
        match cursor.as_str() {
            "" => (name, *behind),
            cursor => (format!("{name}{AFTER}{cursor}"), *behind),
        }
    }

    /// Whether there is a cursor, so that a mark is worth making.
    pub(crate) fn has_cursor(&self) -> bool {
        !self.place.cursor.is_empty()
    }

    /// Descriptor to wait on. `None` while journalctl does not run.
    pub(crate) fn wait_on(&self) -> Option<BorrowedFd<'_>> {
        let running = self.journalctl.as_ref();
        running.map(|running| running.output.as_fd())
    }

    /// Reads at most one chunk.
    pub(crate) fn turn(
        &mut self,
        chunk: &mut [u8],
        sink: &mut dyn FnMut(Given<'_>),
    ) -> io::Result<Read> {
        let Some(running) = &mut self.journalctl else {
            return Ok(self.start());
        };
        let Some(count) = read_now(&mut running.output, chunk)? else {
            return Ok(Read::Quiet);
        };
        Ok(match chunk.get(..count) {
            Some([]) | None => self.ended(),
            Some(bytes) => self.take(bytes, sink),
        })
    }

    fn start(&mut self) -> Read {
        if Instant::now() < self.again.at {
            return Read::Quiet;
        }
        // journalctl may have ended before everything from before was read. The
        // cursor shows where to follow from.
        self.follows |= self.has_cursor();
        match self.spawn() {
            Ok(running) => {
                self.begin_at_cursor();
                self.journalctl = Some(running);
                Read::Progress
            }
            Err(error) => self.failed(&format!("cannot start journalctl: {error}")),
        }
    }

    fn begin_at_cursor(&mut self) {
        self.resuming = self.has_cursor();
        self.to_skip = self.place.behind;
        self.parts = Parts::default();
        self.entries.forget();
    }

    fn spawn(&self) -> io::Result<Running> {
        let mut command = Command::new("journalctl");
        command
            .args(["--quiet", "--output=json", "--all"])
            .arg("--output-fields=MESSAGE,_LINE_BREAK,_STREAM_ID")
            .arg(format!("--unit={}", self.unit));
        match self.follows {
            true => command.args(["--follow", "--no-tail"]),
            false => command.arg(format!("--lines={FIRST_LINES}")),
        };
        if self.follows && self.has_cursor() {
            command.arg(format!("--cursor={}", self.place.cursor));
        }
        // Its complaints are worth reading once.
        if self.again.told {
            command.stderr(Stdio::null());
        }
        // journalctl watches its end of the pipe, and ends with this process.
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().map(OwnedFd::from);
        let output = output.ok_or_else(|| io::Error::other("it has no output"))?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let output = File::from(output);
        Ok(Running { child, output })
    }

    fn ended(&mut self) -> Read {
        let running = self.journalctl.take();
        let status = running.and_then(Running::ended);
        if !self.follows && status.is_some_and(|status| status.success()) {
            self.follows = true;
            return Read::Progress;
        }
        let how = status.map_or(String::new(), |status| format!(" with {status}"));
        self.failed(&format!("journalctl ended{how}"))
    }

    fn failed(&mut self, how: &str) -> Read {
        let unit = &self.unit;
        match self.again.fail() {
            true => Read::Message(format!(
                "{how}; retrying; the log of {unit} is not read until journalctl runs"
            )),
            false => Read::Quiet,
        }
    }

    fn take(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Given<'_>)) -> Read {
        let mut entries = std::mem::take(&mut self.entries);
        let mut read = Read::Progress;
        entries.feed(bytes, &mut |line| {
            let of_line = match Entry::parse(line.bytes) {
                Some(entry) => self.entry(entry, sink),
                None => self.nonsense(line.bytes),
            };
            if of_line != Read::Progress {
                read = of_line;
            }
        });
        self.entries = entries;
        read
    }

    fn nonsense(&mut self, line: &[u8]) -> Read {
        if std::mem::replace(&mut self.told_nonsense, true) {
            return Read::Progress;
        }
        let line: String = String::from_utf8_lossy(line).chars().take(80).collect();
        Read::Message(format!(
            "journalctl printed a line that is not a JSON entry: {line:?}; such lines are skipped"
        ))
    }

    /// Passes on the lines that are whole with this entry.
    fn entry(&mut self, entry: Entry, sink: &mut dyn FnMut(Given<'_>)) -> Read {
        self.again.reset();
        let resuming = std::mem::take(&mut self.resuming);
        if resuming && entry.cursor == self.place.cursor {
            return Read::Progress;
        }
        if resuming {
            self.to_skip = 0;
        }
        for text in self.parts.add(entry.text, entry.stream, entry.continues) {
            self.hand_on(&text, sink);
        }
        // An entry with the beginning of a line must be read again after a
        // restart, so keep the cursor before it.
        if self.parts.is_empty() && self.to_skip == 0 {
            self.place = Place {
                cursor: entry.cursor,
                behind: 0,
            };
        }
        match resuming {
            true => Read::Missed(format!(
                "the journal no longer contains the entry of {} that was read last: entries after \
                 it may be lost too",
                self.unit
            )),
            false => Read::Progress,
        }
    }

    fn hand_on(&mut self, text: &[u8], sink: &mut dyn FnMut(Given<'_>)) {
        for line in text.split(|byte| *byte == b'\n') {
            let length = line.len() as u64 + 1;
            if self.to_skip > 0 {
                self.to_skip = self.to_skip.saturating_sub(length);
            } else {
                self.place.behind += length;
                sink(Given::line(line));
            }
        }
    }
}

impl Place {
    fn parse(unit: &str, path: &str, behind: u64) -> Option<Place> {
        let rest = path.strip_prefix(&Journal::name(unit))?;
        let cursor = rest.strip_prefix(AFTER)?.to_owned();
        Some(Place { cursor, behind })
    }
}

/// The path of a source mark without its cursor, for operators.
pub fn shown_path(path: &str) -> &str {
    match path.split_once(AFTER) {
        Some((name, _)) if name.starts_with(SCHEME) => name,
        _ => path,
    }
}

/// Lines that the journal splits into several entries, by the stream they came
/// through. A part of a line must not be passed on as a line: its text could
/// then pass for the node's own message.
#[derive(Default)]
struct Parts(BTreeMap<String, Vec<u8>>);

impl Parts {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a part. Returns the texts that are whole now.
    fn add(&mut self, text: Vec<u8>, stream: String, continues: bool) -> Vec<Vec<u8>> {
        let mut whole = self.0.remove(&stream).unwrap_or_default();
        whole.extend(text);
        if !continues || whole.len() > LONGEST {
            return vec![whole];
        }
        self.0.insert(stream, whole);
        let full = self.0.len() > PARTS_MAX;
        let first = if full { self.0.pop_first() } else { None };
        first.into_iter().map(|(_, text)| text).collect()
    }
}

/// The needed fields of an entry.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    cursor: String,
    text: Vec<u8>,
    stream: String,
    /// Whether the line was too long for one entry and continues.
    continues: bool,
}

#[derive(Deserialize)]
struct Members {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "MESSAGE")]
    message: Option<Text>,
    #[serde(rename = "_LINE_BREAK")]
    line_break: Option<Text>,
    #[serde(rename = "_STREAM_ID")]
    stream: Option<Text>,
}

/// A field: a list of bytes if it is no printable UTF-8, a list of fields if
/// the entry has it several times.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Words(String),
    Bytes(Vec<u8>),
    Several(Vec<Option<Text>>),
}

impl Text {
    fn bytes(self) -> Vec<u8> {
        match self {
            Text::Words(words) => words.into_bytes(),
            Text::Bytes(bytes) => bytes,
            Text::Several(texts) => {
                let texts = texts.into_iter().flatten().map(Text::bytes);
                texts.collect::<Vec<_>>().join(&b'\n')
            }
        }
    }
}

impl Entry {
    /// `None` if the line is no entry as `--output=json` prints it.
    fn parse(line: &[u8]) -> Option<Entry> {
        let members: Members = serde_json::from_slice(line).ok()?;
        let text_of = |field: Option<Text>| field.map(Text::bytes).unwrap_or_default();
        Some(Entry {
            cursor: members.cursor,
            text: text_of(members.message),
            stream: String::from_utf8_lossy(&text_of(members.stream)).into_owned(),
            continues: text_of(members.line_break) == b"line-max",
        })
    }
}

#[cfg(test)]
mod tests;
