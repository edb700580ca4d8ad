//! The thread that reads the checks in one file, pipe or standard input.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alloy_primitives::keccak256;
use haltbox_daemon::console::say;
use haltbox_daemon::intake::{News, OpenError, Place, Source, Turn};
use haltbox_format::Stream;
use haltbox_format::mark::SourceMark;
use haltbox_model::ShowPath;
use haltbox_recorder::source_entry::Given;

use super::keeper::Keeper;
use super::proxyd::{Joiner, LogLine};
use super::sample::{Line, Sample};
use crate::stages::OncePerMinute;
use haltbox_recorder::clock::now_ms;

/// Pause after a look that found nothing. A file that is created and removed between two
/// looks is not seen.
const REST: Duration = Duration::from_millis(20);
/// Time between two attempts to open a source.
const RETRY: Duration = Duration::from_secs(5);
/// Time between two marks of how far a file was read.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// Longest line that is read, in bytes.
const LONGEST: usize = 64 << 10;
/// After this many lines without a readable one, the operator is warned.
const STRANGE: u64 = 100;
/// Bytes at the end of a file in which the end of a line is searched.
const TAIL: u64 = 1 << 20;

/// Reads one source.
pub(super) struct Feed {
    source: Source,
    reading: Reading,
    /// File that stores how far the source was read.
    mark_at: PathBuf,
    marked: (u64, u64),
    marked_when: Instant,
    /// A log that is rotated or cut often must not fill the console.
    missed: OncePerMinute,
}

/// Turns lines into samples.
struct Reading {
    keeper: Arc<Keeper>,
    joiner: Joiner,
    done: Vec<Sample>,
    dropped: u64,
    strange: u64,
    told_strange: bool,
}

/// A parsed line.
enum Read {
    Sample(Box<Sample>),
    Log(Box<LogLine>),
    Unreadable,
}

impl Feed {
    /// Opens a source. `dir`: the folder of the chain.
    pub(super) fn open(place: &Place, keeper: Arc<Keeper>, dir: &Path) -> Result<Feed, OpenError> {
        let name = match place {
            Place::Path(path) => path.display().to_string(),
            _ => String::new(),
        };
        let digest = keccak256(&name).to_string();
        let hex = digest.get(2..10).unwrap_or_default();
        let mark_at = dir.join(format!("checks-{hex}.json"));
        let left = left(&mark_at, &name).or_else(|| at_end(place));
        let mut source = Source::open(Stream::Node, place, left.as_ref(), now_ms())?;
        source.take_told().into_iter().for_each(|told| say(&told));
        if left.is_some() && !source.goes_on() {
            keeper.missing(format!("{name}: it is not the file that was read before"));
        }
        Ok(Feed {
            source,
            reading: Reading {
                keeper,
                joiner: Joiner::default(),
                done: Vec::new(),
                dropped: 0,
                strange: 0,
                told_strange: false,
            },
            mark_at,
            marked: (0, 0),
            marked_when: Instant::now(),
            missed: OncePerMinute::default(),
        })
    }

    /// Reads in a thread until `stop` is set, or the source ends. A source that cannot be
    /// opened is tried again and again, because a missing log must not prevent the
    /// watcher's start.
    pub(super) fn start(
        place: Place,
        keeper: Arc<Keeper>,
        dir: PathBuf,
        stop: Arc<AtomicBool>,
    ) -> io::Result<JoinHandle<()>> {
        let open = move || Feed::open(&place, Arc::clone(&keeper), &dir);
        // Open it at once, so that lines from now on are not mistaken for older ones.
        let mut opened = open();
        if let Err(why) = &opened {
            say(&format!("checks: {why}; retrying"));
        }
        let thread = std::thread::Builder::new().name("checks".to_owned());
        thread.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match opened {
                    Ok(feed) => return feed.run(&stop),
                    Err(_) => rest(RETRY, &stop),
                }
                opened = open();
            }
        })
    }

    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) && !self.source.is_over() {
            if !self.turn() {
                std::thread::sleep(REST);
            }
        }
        self.mark();
    }

    /// Reads once. `false` if nothing came.
    fn turn(&mut self) -> bool {
        let reading = &mut self.reading;
        let (turn, news) = self.source.turn(&mut |given| reading.line(&given));
        if let Some(News::Turned(text) | News::Lasts(text)) = news {
            say(&format!("checks: {text}"));
        }
        let name = self.source.name();
        match &turn {
            Turn::Progress | Turn::Quiet | Turn::WriterGone | Turn::Rotated(_) => {}
            Turn::Over => say(&format!(
                "checks: {name} has ended, nothing more is read from it"
            )),
            Turn::Appeared => say(&format!("checks: {name} exists now and is read")),
            Turn::Message(text) => say(&format!("checks: {text}")),
            Turn::Missed(why) => {
                if self.missed.is_due(Instant::now()) {
                    say(&format!("checks: some may be missing: {why}"));
                }
                self.reading.keeper.missing(format!("{name}: {why}"));
            }
            Turn::MissedMore => {
                let why =
                    format!("{name}: lines were written to a rotated file that is no longer read");
                self.reading.keeper.missing(why);
            }
        }
        self.reading.look(name);
        if self.marked_when.elapsed() >= MARK_EVERY {
            self.mark();
        }
        turn == Turn::Progress
    }

    /// Stores how far a file was read, so that the next session continues there.
    fn mark(&mut self) {
        self.marked_when = Instant::now();
        let mark = self.source.mark();
        // A pipe has no position to continue at.
        if mark.inode == 0 || self.marked == (mark.inode, mark.offset) {
            return;
        }
        self.marked = (mark.inode, mark.offset);
        let Ok(text) = serde_json::to_vec(&mark) else {
            return;
        };
        let beside = self.mark_at.with_extension("new");
        let written = std::fs::write(&beside, text);
        // If this fails, the next session may read some checks twice, or miss some and
        // say so.
        let _ = written.and_then(|()| std::fs::rename(&beside, &self.mark_at));
    }
}

impl Reading {
    fn line(&mut self, given: &Given<'_>) {
        match read(given) {
            Read::Sample(sample) => {
                self.keeper.count(|counts| counts.lines += 1);
                self.keeper.take(*sample);
            }
            Read::Log(line) => {
                let is_of_check = self
                    .joiner
                    .take(&line, Instant::now(), now_ms(), &mut self.done);
                self.keeper.count(|counts| match is_of_check {
                    true => counts.lines += 1,
                    false => counts.others += 1,
                });
                self.pass_on();
            }
            Read::Unreadable => {
                self.strange += 1;
                return self.keeper.count(|counts| counts.unreadable += 1);
            }
        }
        self.told_strange = true;
    }

    fn pass_on(&mut self) {
        self.done
            .drain(..)
            .for_each(|sample| self.keeper.take(sample));
    }

    /// Does what is due by the clock.
    fn look(&mut self, name: &str) {
        self.joiner.look(Instant::now(), &mut self.done);
        self.pass_on();
        let dropped = self.joiner.dropped - self.dropped;
        self.dropped = self.joiner.dropped;
        if dropped > 0 {
            self.keeper.count(|counts| counts.unfinished += dropped);
        }
        self.keeper.look();
        if self.strange >= STRANGE && !self.told_strange {
            self.told_strange = true;
            say(&format!(
                "checks: found {STRANGE} lines in {name}, none of them JSON; expected proxyd's \
                 log in JSON, or lines such as {{\"check\":{{...}}}}: configure the program to \
                 write these"
            ));
        }
    }
}

/// Waits, but not after `stop` is set.
fn rest(long: Duration, stop: &AtomicBool) {
    let until = Instant::now() + long;
    while !stop.load(Ordering::Relaxed) && Instant::now() < until {
        std::thread::sleep(REST);
    }
}

fn read(given: &Given<'_>) -> Read {
    let line = given.bytes;
    if given.cut.is_some() || line.len() > LONGEST {
        return Read::Unreadable;
    }
    if let Ok(Line { check }) = serde_json::from_slice(line) {
        return Read::Sample(check);
    }
    serde_json::from_slice(line).map_or(Read::Unreadable, Read::Log)
}

/// How far an earlier session read a file of this name.
fn left(mark_at: &Path, name: &str) -> Option<SourceMark> {
    let text = std::fs::read(mark_at).ok()?;
    let mark: SourceMark = serde_json::from_slice(&text).ok()?;
    (mark.path == name).then_some(mark)
}

/// The position behind the last complete line of an existing file. Older checks were
/// written before anyone wanted them, so they are not read.
fn at_end(place: &Place) -> Option<SourceMark> {
    let Place::Path(path) = place else {
        return None;
    };
    let found = std::fs::metadata(path).ok()?;
    if !found.is_file() {
        return None;
    }
    let offset = last_line_end(path, found.len());
    let offset = offset
        .map_err(|error| say(&format!("checks: cannot read {}: {error}", path.shown())))
        .ok()?;
    Some(SourceMark {
        stream: Stream::Node,
        path: path.display().to_string(),
        inode: found.ino(),
        file: None,
        offset,
        before: None,
        trouble: None,
    })
}

fn last_line_end(path: &Path, length: u64) -> io::Result<u64> {
    let from = length.saturating_sub(TAIL);
    let mut tail = vec![0; usize::try_from(length - from).unwrap_or_default()];
    File::open(path)?.read_exact_at(&mut tail, from)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n');
    Ok(end.map_or(0, |end| from + end as u64 + 1))
}

#[cfg(test)]
mod tests;
