//! One recorder: takes entries, and writes records and marks into the ring.
//!
//! The order makes a kill harmless. First the entry's record is written, then
//! one spine record with all marks that the entry caused. A mark says behind
//! which records it stands. So the next opening finds the entries without
//! marks, and reads those again.

mod boxes_of_others;
mod log_ahead;
mod lost_start;
mod resuming;
mod told_elsewhere;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use haltbox_format::mark::{
    Attempt, Checkpoint, Counters, Diverged, Frozen, LogWait, Loss, Mark, Note, Pin, Position,
    Session, SourceMark, Stamp, Tail, encode_mark, encode_stamp,
};
use haltbox_format::ring::{CutHeader, Entry, Flags, Hole, HoleKind, Line, RingView, Timeline};
use haltbox_format::{Digest, Lane, Stream};
use haltbox_model::Event;
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Accused, Block, Finding, Lifecycle};
use haltbox_model::{NodeLog, NodeRules, Profile, SlogEntry, SlogRules, Unread};

use crate::clock;
use crate::known_entries::{Heard, KnownEntries};
use crate::machine;
use crate::ring::engine::Engine;
use crate::ring::file::{self, OpenError, OpenedRing, RingLock, RingOptions};
use crate::ring::lent::Span;
use crate::ring::populate::{self, Populating};
use crate::ring::{AFTERMATH, Appended, Protected, RingWriter, Waiting};
use crate::ring_profile::rules_of;
use crate::source_entry::{CUT_KEEPS, Given, LeftOut};
use log_ahead::HeldEvents;
use lost_start::Starts;
pub use resuming::resume_points;

/// Most dropped records that one loss mark counts.
const DROPS_PER_MARK: u64 = 10_000;
const NO_SEGMENT: &str = "no segment was free: pinned blocks are kept, later records were dropped";
const NO_WRITE: &str = "the ring's file took no writes: its disk was full, failed, or was too slow";
/// Records of the local lane before a line of the node's log that tell what it is about: the
/// height and round carry over from line to line.
const LOG_CONTEXT: u64 = 1000;
/// Released blocks that stay in memory beside the protected ones.
const BLOCKS_KEPT: usize = 256;

const LOST_START: &str = "a start of the node may be lost: the machine went down";

/// Settings of a recorder.
#[derive(Clone)]
pub struct Config {
    /// Size and engine of the ring.
    pub ring: RingOptions,
    /// The profile that says how to read the streams.
    pub profile: Arc<Profile>,
    /// The lane for the node's log. Beside a slog it is the local lane, so that
    /// the log does not overwrite block records. A log that is the only stream
    /// may have the main lane.
    pub node_lane: Lane,
    /// Whether the program records the start of the node's process itself, as its first
    /// entry. It runs in that process then, so each opening of the ring is a start.
    pub own_start: bool,
    /// Whether a thread makes pages present ahead of the writer.
    pub populate: bool,
}

/// An event that the operator must learn of.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A block was pinned.
    Pinned(Pin),
    /// A block diverged and needs a box.
    Diverged(Diverged),
    /// Records could not be kept.
    Lost(Loss),
    /// The node's log reports trouble, perhaps about a block. `None` if no
    /// block is recorded.
    Trouble(Event, Option<Accused>),
    /// No line of the node's log is understood. The text is an example of a
    /// line that would be.
    Unread(Unread, String),
    /// No entry of the slog is understood. The text lists the entries that were
    /// looked for.
    SlogUnread(Unread, String),
    /// An entry of the slog is understood again.
    SlogRead,
    /// The node's process was started again.
    NodeStarted,
    /// The node announced that it will stop. The text says why.
    Farewell(String),
}

impl News {
    /// News from an entry of the node's log. Call it after the marks of the
    /// entry are applied.
    pub fn of_event(event: Event, life: &Lifecycle) -> Option<News> {
        let of = life.accused(&event);
        match event {
            Event::Farewell { why } => Some(News::Farewell(why)),
            Event::ProcessStart => Some(News::NodeStarted),
            event if event.is_trouble() && (of.is_some() || life.blocks().is_empty()) => {
                Some(News::Trouble(event, of))
            }
            _ => None,
        }
    }

    /// News from another witness, such as a peer. Reported as if the node's log
    /// had it.
    pub fn of_testimony(event: Event, life: &Lifecycle) -> Option<News> {
        let of = life.accused(&event).filter(|_| event.is_trouble())?;
        Some(News::Trouble(event, Some(of)))
    }

    /// News about a slog that is not understood, or is again.
    fn of_slog(heard: Heard, rules: &SlogRules) -> News {
        match heard {
            Heard::Unread(unread) => News::SlogUnread(unread, rules.looked_for()),
            Heard::Again => News::SlogRead,
        }
    }

    /// News from a mark.
    pub fn of_mark(mark: &Mark) -> Option<News> {
        match mark {
            Mark::Pin(pin) => Some(News::Pinned(pin.clone())),
            Mark::Diverged(diverged) => Some(News::Diverged(diverged.clone())),
            Mark::NodeStart => Some(News::NodeStarted),
            _ => None,
        }
    }
}

/// Entries that the host wrote into a lent part and that the recorder took
/// over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Number of entries.
    pub entries: u64,
    /// Bytes of these entries.
    pub bytes: u64,
}

/// An opened recorder, and what opening found.
pub struct Opened {
    /// The recorder, ready to take entries.
    pub recorder: Recorder,
    /// Notices for the operator.
    pub notices: Vec<String>,
    /// The position at which each source of the last session goes on.
    pub sources: Vec<SourceMark>,
    /// Sources for which it is uncertain what was recorded. They go on at their
    /// last mark, and some entries may come twice or be missing.
    pub uncertain: Vec<Stream>,
    /// Whether the ring already held records.
    pub resumed: bool,
    /// Time of the last mark before this session, in milliseconds since 1970.
    pub until_ms: u64,
}

/// A recorder with its ring open. It holds the ring's lock.
pub struct Recorder {
    path: PathBuf,
    writer: RingWriter,
    file: RingLock,
    /// How far each source was read, counted from what was recorded of it.
    sources: Vec<Reached>,
    /// Whether a segment was begun since the sources were marked.
    switched: bool,
    life: Lifecycle,
    session: Session,
    opening: Opening,
    config: Config,
    group: Vec<u8>,
    news: Vec<News>,
    /// State for reading the node's log, where several lines make one event.
    node_log: NodeLog,
    /// Events of the node's log that wait for the slog.
    held_events: HeldEvents,
    told_unread: bool,
    /// Counts of known and unknown entries in the slog.
    slog: KnownEntries,
    dropping: Option<Loss>,
    _populating: Option<Populating>,
}

impl Recorder {
    /// Opens the ring at `path`, or creates it, and goes on where its last
    /// writer stopped.
    ///
    /// # Errors
    /// The ring is in use by another recorder, its disk has no room, its file
    /// system is refused, or it cannot be read.
    pub fn open(path: &Path, config: Config) -> Result<Opened, OpenError> {
        let OpenedRing {
            writer,
            view,
            file,
            notices,
            ..
        } = file::open(path, &config.ring)?;
        let io_error = |error| OpenError::Io {
            doing: "read",
            path: path.to_owned(),
            error,
        };
        let handle = file.try_clone().map_err(io_error)?;
        let history = History::read(&handle, &view).map_err(io_error)?;
        let mut writer = writer;
        writer.go_on_behind(history.last.at);
        if !history.closed {
            let told = told_elsewhere::by_local_records(&handle, &view).map_err(io_error)?;
            writer.go_on_behind(told.max(told_elsewhere::by_archive(path, &view)));
        }
        let (sources, uncertain) =
            resume_points(&handle, &view, &history, &machine::boot()).map_err(io_error)?;
        let resumed = view.lane(Lane::Spine).next_counter() > 0;
        let pages = writer.pages().filter(|_| config.populate);
        let populating = pages.map(|pages| {
            populate::start(pages, writer.heads(), view.geometry.segment_size as usize).ok()
        });
        let mut recorder = Recorder {
            path: path.to_owned(),
            writer,
            file,
            sources: Vec::new(),
            switched: false,
            life: history.life.clone(),
            session: session_of(&config.profile),
            opening: Opening::ReadsAgain {
                last: history.sessions.last().map(|(_, session)| session.clone()),
            },
            config,
            group: Vec::new(),
            news: Vec::new(),
            node_log: NodeLog::default(),
            held_events: HeldEvents::behind(history.log_waits),
            told_unread: false,
            slog: KnownEntries::default(),
            dropping: None,
            _populating: populating.flatten(),
        };
        recorder.hear_waiting(&view, &history).map_err(io_error)?;
        recorder.catch_up(&view, &history).map_err(io_error)?;
        recorder.begin_session();
        Ok(Opened {
            recorder,
            notices,
            sources,
            uncertain,
            resumed,
            until_ms: history.last.time_ms,
        })
    }

    /// Reads the lines of the node's log again whose events waited when the last recorder was
    /// killed. [`Recorder::catch_up`] reads the lines behind the last marks.
    fn hear_waiting(&mut self, view: &RingView, history: &History) -> std::io::Result<()> {
        let profile = Arc::clone(&self.config.profile);
        let waits = history.log_waits.filter(|_| self.log_waits());
        let (Some(from), Some(rules)) = (waits, &profile.node) else {
            return Ok(());
        };
        let marked = history.last.at;
        let begin = Position {
            main: marked.main,
            local: from.local.saturating_sub(LOG_CONTEXT),
        };
        let file = self.file.try_clone()?;
        let mut timeline = Timeline::lines_after(&file, view, history.marked(), begin);
        while let Some(entry) = timeline.next()? {
            let Entry::Line(line) = entry else { continue };
            if line.stream != Stream::Node || !marked.is_behind(line.lane, line.counter) {
                continue;
            }
            let (at, _) = around(&line, marked);
            let read = |log: &mut NodeLog, sink: &mut dyn FnMut(Event)| {
                rules.read(log, line.bytes, line.terminated, sink);
            };
            match line.counter < from.local {
                true => read(&mut self.node_log, &mut |_| {}),
                false => self.hear_node(at, marked, marked, |_, log, sink| read(log, sink)),
            }
        }
        Ok(())
    }

    /// Reads the records again that the last session wrote without their marks.
    fn catch_up(&mut self, view: &RingView, history: &History) -> std::io::Result<()> {
        let marked = history.last.at;
        let begin = self
            .life
            .search_from()
            .filter(|from| from.main < marked.main);
        let begins = begin.unwrap_or(marked);
        let file = self.file.try_clone()?;
        let profile = Arc::clone(&self.config.profile);
        let mut timeline = Timeline::lines_after(&file, view, history.marked(), begins);
        let mut reached = marked;
        let mut starts = match self.config.own_start {
            true => Starts::told(&file, view)?,
            false if resuming::machine_went_down(history, &machine::boot()) => Starts::Doubted,
            false => Starts::Whole,
        };
        // The last records that are not there.
        let mut gap = missing_before(view, begins);
        if let Some(hole) = gap {
            self.missing(&hole, begins, &mut reached);
        }
        while let Some(entry) = timeline.next()? {
            let line = match entry {
                Entry::Line(line) => line,
                Entry::Marks(..) => continue,
                Entry::Hole(hole) => {
                    self.missing(&hole, reached, &mut reached);
                    gap = Some(hole).filter(|hole| hole.lane == Lane::Main).or(gap);
                    continue;
                }
            };
            let understood = marked.is_behind(line.lane, line.counter);
            if !understood && starts.may_lack_one_before(&line) {
                self.lost(line.counter, LOST_START, &mut reached);
            }
            let (before, after) = around(&line, reached);
            reached = reached.max(after);
            match (line.stream, &profile.slog) {
                (Stream::Slog, Some(rules)) => {
                    let entry = rules.read(line.bytes);
                    entry.events().for_each(|event| starts.learn(&line, &event));
                    self.understand_slog(&entry, before, after, understood);
                    let is_start = entry.events().any(|event| event == Event::ProcessStart);
                    let rest = gap.and_then(|hole| hole.behind(line.main));
                    if let Some(rest) = rest.filter(|_| is_start && !understood) {
                        self.missing(&rest, reached, &mut reached);
                    }
                }
                (Stream::Node, _) if !understood => {
                    self.understand_node(line.bytes, line.terminated, before, after);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Records are not there. What follows may be the middle of a block.
    ///
    /// The timeline has a gap before the lines of other lanes that were written between its
    /// records. So behind a start that stands there, the rest of the gap is reported again.
    fn missing(&mut self, hole: &Hole, at: Position, reached: &mut Position) {
        match hole.why {
            _ if hole.lane != Lane::Main => {}
            // The ring reused them before they were read again. No block is held there, but a
            // block that has not begun may have been prepared there.
            HoleKind::Evicted => {
                let main = hole.from;
                self.life.entry(true, Position { main, ..at });
            }
            _ => self.lost(hole.to + 1, &hole.to_string(), reached),
        }
    }

    /// Entries before this counter are lost, or may be.
    fn lost(&mut self, until: u64, why: &str, reached: &mut Position) {
        reached.main = reached.main.max(until);
        let loss = Mark::Loss(Loss {
            lane: Lane::Main,
            stream: None,
            records: 0,
            bytes: 0,
            why: format!("{why}, found when the ring was opened"),
            dropped: true,
            counters: Some(Counters { from: until, until }),
        });
        self.life.apply(&loss, *reached);
        self.publish_at(*reached, &[loss]);
    }

    fn begin_session(&mut self) {
        self.opening = match self.config.own_start {
            true => Opening::AwaitsStart,
            false => Opening::Done,
        };
        let from = self.held_events.from();
        let waits = from.map(|_| Mark::LogWait(LogWait { from }));
        let session = Mark::Session(self.session.clone());
        let marks: Vec<Mark> = [session].into_iter().chain(waits).collect();
        self.publish(&marks);
        self.protect();
    }

    /// The ring's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another handle of the ring's file, to read it while the writer writes.
    ///
    /// # Errors
    /// The system has no descriptor to give.
    pub fn file(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Handle to wait for the records that are not in the file yet.
    pub(crate) fn waiting(&self) -> Waiting {
        self.writer.waiting()
    }

    /// How records get into the file.
    pub fn engine(&self) -> Engine {
        self.writer.engine()
    }

    /// The profile that says how to read the streams.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.config.profile
    }

    /// The blocks and their states.
    pub fn life(&self) -> &Lifecycle {
        &self.life
    }

    /// Counter of the oldest main record in the ring.
    pub fn oldest(&self) -> u64 {
        self.writer.oldest_counter(Lane::Main)
    }

    /// Whether main records were overwritten since the ring was created.
    pub fn has_wrapped(&self) -> bool {
        self.oldest() > 0
    }

    /// Takes the collected news.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Drops the news if nobody takes them. The marks have them too.
    pub fn forget_news(&mut self) {
        self.news.clear();
    }

    /// The counters that the next records get.
    pub fn position(&self) -> Position {
        Position {
            main: self.writer.next_counter(Lane::Main),
            local: self.writer.next_counter(Lane::Local),
        }
    }

    /// Records one entry of a stream. Returns false if it was dropped and
    /// counted, because no segment may be overwritten or the file took no
    /// write.
    pub fn record(&mut self, stream: Stream, given: Given<'_>) -> bool {
        let mut sources = self.sources.iter_mut();
        if let Some(source) = sources.find(|source| source.mark.stream == stream) {
            source.advance(&given);
        }
        let kept = match stream {
            Stream::Slog => self.record_slog(given),
            Stream::Node => self.record_node(given),
        };
        self.mark_sources();
        kept
    }

    fn record_slog(&mut self, given: Given<'_>) -> bool {
        let profile = Arc::clone(&self.config.profile);
        let before = self.position();
        let Some(rules) = &profile.slog else {
            return self.append(Lane::Main, Stream::Slog, given);
        };
        let entry = rules.read(given.bytes);
        let heard = self.slog.take(given.bytes, entry.known);
        self.news
            .extend(heard.map(|heard| News::of_slog(heard, rules)));
        let kept = self.append(entry.lane, Stream::Slog, given);
        if given.cut.is_none() {
            let after = self.position();
            self.understand_slog(&entry, before, after, false);
        }
        kept
    }

    fn record_node(&mut self, given: Given<'_>) -> bool {
        let before = self.position();
        let kept = self.append(self.config.node_lane, Stream::Node, given);
        if given.cut.is_none() {
            let after = self.position();
            self.understand_node(given.bytes, given.terminated, before, after);
        }
        kept
    }

    /// Acts on a slog entry. `understood` says that its marks exist already.
    /// Then only the beginning of the next block is searched again.
    fn understand_slog(
        &mut self,
        entry: &SlogEntry<'_>,
        before: Position,
        after: Position,
        understood: bool,
    ) {
        self.life.entry(entry.canonical, before);
        if understood {
            return;
        }
        let marks_block = |event: &Event| !matches!(event, Event::Crank { .. });
        if self.dropping.is_some() && entry.events().any(|event| marks_block(&event)) {
            self.end_dropping();
        }
        let mut marks = Vec::new();
        for event in entry.events() {
            marks.extend(self.life.on(&event, Stream::Slog, before, after));
        }
        self.publish_at(after, &marks);
        self.held_events.slog_moved();
        self.release_due_events();
    }

    fn understand_node(&mut self, bytes: &[u8], complete: bool, before: Position, after: Position) {
        self.hear_node(before, before, after, |rules, log, sink| {
            rules.read(log, bytes, complete, sink);
        });
        let unread = self.unread();
        self.news.extend(unread);
    }

    /// Acts on the events of the node's log, from the line at `line` or from its end.
    fn hear_node(
        &mut self,
        line: Position,
        before: Position,
        after: Position,
        tell: impl FnOnce(&NodeRules, &mut NodeLog, &mut dyn FnMut(Event)),
    ) {
        let profile = Arc::clone(&self.config.profile);
        let Some(rules) = &profile.node else { return };
        let (mut marks, mut news) = (Vec::new(), Vec::new());
        let log_waits = self.log_waits();
        tell(rules, &mut self.node_log, &mut |event| {
            let reach = self.life.reach_of_slog().filter(|_| log_waits);
            if let Some(event) = self.held_events.take(event, line, reach) {
                marks.extend(self.life.on(&event, Stream::Node, before, after));
                news.extend(News::of_event(event, &self.life));
            }
        });
        self.news.extend(news);
        marks.extend(self.held_events.mark());
        self.publish_at(after, &marks);
        self.release_due_events();
    }

    /// Whether the node's log may be read further than the slog. A host that records both itself
    /// gives them in their order.
    fn log_waits(&self) -> bool {
        !self.config.own_start && self.config.node_lane == Lane::Local
    }

    /// Acts on the events of the node's log that wait no longer.
    fn release_due_events(&mut self) {
        if !self.held_events.is_empty() {
            let reach = self.life.reach_of_slog();
            self.release_events(|held| held.next(reach));
        }
    }

    /// The events count as if they came now.
    fn release_events(&mut self, mut next: impl FnMut(&mut HeldEvents) -> Option<Event>) {
        let at = self.position();
        let (mut marks, mut news) = (Vec::new(), Vec::new());
        while let Some(event) = next(&mut self.held_events) {
            marks.extend(self.life.on(&event, Stream::Node, at, at));
            news.extend(News::of_event(event, &self.life));
        }
        self.news.extend(news);
        marks.extend(self.held_events.mark());
        self.publish_at(at, &marks);
    }

    /// Ends the wait of the node's log for a slog that does not come as far. Call it often, and
    /// before [`Recorder::take_news`].
    pub fn end_long_wait(&mut self, now: Instant) {
        if self.held_events.is_over(now) {
            self.end_wait();
        }
    }

    /// Acts on all that the node's log reported: nothing more of the slog comes.
    pub fn end_wait(&mut self) {
        self.release_events(HeldEvents::next_of_all);
    }

    /// Ends an event of the node's log that waits for more lines.
    fn end_node_log(&mut self) {
        let at = self.position();
        self.hear_node(at, at, at, |rules, log, sink| rules.end(log, sink));
    }

    /// The news that nothing in the node's log is understood. Once, until a
    /// line is understood.
    fn unread(&mut self) -> Option<News> {
        let rules = self.config.profile.node.as_ref()?;
        let unread = rules.unread(&self.node_log);
        let told = std::mem::replace(&mut self.told_unread, unread.is_some());
        let wanted = || rules.example().to_owned();
        unread
            .filter(|_| !told)
            .map(|unread| News::Unread(unread, wanted()))
    }

    /// Records an event that is no entry, such as the end of a stream or a gap.
    pub fn event(&mut self, event: &Event, stream: Stream) {
        if stream == Stream::Node {
            self.end_node_log();
        }
        let before = self.position();
        if *event == Event::Gap && stream == Stream::Slog {
            self.writer.leave_out(Lane::Main);
        }
        let marks = self.life.on(event, stream, before, self.position());
        self.publish(&marks);
        if *event == Event::StreamEnd && stream == Stream::Slog {
            self.end_wait();
        }
    }

    /// Records that entries never arrived, because `haltbox run` dropped them.
    pub fn left_out(&mut self, stream: Stream, left_out: LeftOut) {
        if stream == Stream::Node {
            self.end_node_log();
        }
        self.flush_loss();
        let counters = Some(self.gap());
        self.publish_loss(Loss {
            lane: Lane::Main,
            stream: Some(stream),
            records: left_out.lines,
            bytes: left_out.bytes,
            why: "the recorder was not running or too slow: haltbox run dropped them".to_owned(),
            dropped: true,
            counters,
        });
    }

    /// Takes a counter of the main lane for missing entries. The lane then
    /// shows the gap even if a power cut loses the mark.
    fn gap(&mut self) -> Counters {
        let from = self.position().main;
        self.writer.leave_out(Lane::Main);
        let until = self.position().main;
        Counters { from, until }
    }

    /// Records an event from another witness than the streams, such as a peer.
    /// Trouble becomes news, as if the node's log had reported it.
    pub fn testimony(&mut self, event: Event) {
        self.event(&event, Stream::Node);
        self.news.extend(News::of_testimony(event, &self.life));
    }

    /// Marks how far a source was read. From here on the recorder adds up what
    /// it records of the source.
    pub fn source(&mut self, source: SourceMark) {
        // This mark includes what was dropped before, so the loss mark must
        // stand before it.
        self.flush_loss();
        self.sources
            .retain(|known| known.mark.stream != source.stream);
        self.sources.push(Reached {
            mark: source.clone(),
            fresh: Tail::default(),
        });
        self.decide(Mark::Source(source));
    }

    /// Marks all sources anew once a segment was begun.
    ///
    /// The new segment may have replaced the one with the records since a
    /// source's last mark. Without these records nobody could add up how far
    /// the source was read.
    fn mark_sources(&mut self) {
        if std::mem::take(&mut self.switched) {
            self.flush_loss();
            let marks = self.sources.iter().map(|source| Mark::Source(source.now()));
            let marks: Vec<Mark> = marks.collect();
            marks
                .iter()
                .for_each(|mark| self.life.apply(mark, self.position()));
            self.publish(&marks);
        }
    }

    /// Writes a note into the marks.
    pub fn note(&mut self, text: String) {
        self.decide(Mark::Note(Note { text }));
    }

    /// Records that the attempt has a durable box, so its records may be
    /// overwritten.
    ///
    /// `knowing` is the finding when the box was begun. If the finding is
    /// settled by now and says more, the block stays pinned and needs another
    /// box.
    pub fn frozen(&mut self, of: Attempt, name: String, knowing: Finding) {
        let finding = self.life.block(of).map(Block::finding);
        if finding.is_none_or(|now| !now.is_settled() || now <= knowing) {
            self.decide(Mark::Frozen(Frozen { of, name }));
        }
        self.writer.set_allowance(None);
    }

    /// Protects the ring's history while a box is written. Until
    /// [`Recorder::release_history`], the writer may fill only a few more
    /// segments.
    pub fn hold_history(&mut self) {
        if !self.writer.has_allowance() {
            self.writer.set_allowance(Some(AFTERMATH));
        }
    }

    /// Ends the protection of [`Recorder::hold_history`].
    pub fn release_history(&mut self) {
        self.writer.set_allowance(None);
    }

    /// Closes the ring, with a mark that says so.
    pub fn close(mut self) {
        self.end_wait();
        self.flush_loss();
        self.publish(&[Mark::Close]);
        self.writer.publish_writer(0);
        let waiting = self.writer.waiting();
        let file = self.file.try_clone();
        file.iter().for_each(|file| waiting.start_writeback(file));
    }

    fn decide(&mut self, mark: Mark) {
        self.life.apply(&mark, self.position());
        self.publish(&[mark]);
    }

    /// Lends a part of the main lane to the host, which writes entries there
    /// that cause no marks. `None` if that is impossible at the moment; the
    /// host then records by calls.
    pub fn lend(&mut self, laid: &'static AtomicU64) -> Option<Span> {
        let plain = self.dropping.is_none() && self.sources.is_empty();
        plain.then(|| self.writer.lend(laid)).flatten()
    }

    /// Whether this ring can ever lend a part.
    pub fn may_lend(&self) -> bool {
        self.writer.may_lend()
    }

    /// Ends the lending. Entries that the host writes later are not taken over.
    pub fn end_lending(&mut self) {
        self.writer.end_lending();
    }

    /// Takes over the entries that the host wrote into the lent part.
    #[inline]
    pub fn take_over(&mut self) -> Taken {
        match self.writer.is_lending() {
            true => self.take_laid(),
            false => Taken::default(),
        }
    }

    fn take_laid(&mut self) -> Taken {
        let profile = Arc::clone(&self.config.profile);
        let mut taken = Taken::default();
        let Some(rules) = &profile.slog else {
            return taken;
        };
        // In the middle of a block, entries without marks change no state once
        // one of them is known. Skip parsing the rest.
        let inside = self.life.is_executing();
        let mut is_known = false;
        while let Some(laid) = self.writer.next_laid() {
            taken.entries += 1;
            taken.bytes += laid.length as u64;
            if inside && is_known {
                continue;
            }
            let before = Position {
                main: laid.counter,
                ..self.position()
            };
            let line = self.writer.bytes_of(&laid);
            let entry = rules.read(line);
            is_known = entry.known;
            let heard = self.slog.take(line, is_known);
            self.news
                .extend(heard.map(|heard| News::of_slog(heard, rules)));
            self.life.entry(entry.canonical, before);
        }
        if taken.entries > 0 && self.dropping.is_some() {
            self.end_dropping();
        }
        taken
    }

    fn append(&mut self, lane: Lane, stream: Stream, given: Given<'_>) -> bool {
        if lane == Lane::Main {
            self.writer.end_lending();
        }
        let flags = Flags::of(stream);
        let flags = if given.terminated {
            flags
        } else {
            flags.with(Flags::UNTERMINATED)
        };
        let prefix = self.writer.next_counter(Lane::Main).to_le_bytes();
        let prefix: &[u8] = if lane == Lane::Local { &prefix } else { &[] };
        let length = given.bytes.len() + prefix.len();
        // Write the loss mark before the entry. After a kill, the next session
        // adds up the bytes of dropped and kept entries in this order.
        let no_segment = self
            .dropping
            .as_ref()
            .is_some_and(|loss| loss.why == NO_SEGMENT);
        if no_segment && self.writer.would_keep(lane, length) {
            self.end_dropping();
        }
        let fits = length <= self.writer.capacity(lane);
        let appended = match given.cut {
            None if fits => self.writer.append(lane, flags, prefix, given.bytes),
            cut => {
                let cut = cut.unwrap_or_else(|| CutHeader {
                    length: given.bytes.len() as u64,
                    digest: Digest(*blake3::hash(given.bytes).as_bytes()),
                });
                let kept = given.bytes.get(..CUT_KEEPS).unwrap_or(given.bytes);
                self.append_cut(lane, flags, prefix, &cut, kept)
            }
        };
        self.switched |= matches!(appended, Appended::Kept { switched: true, .. });
        if self.dropping.is_some() && matches!(appended, Appended::Kept { .. }) {
            self.end_dropping();
        }
        self.account(lane, stream, given, appended);
        matches!(appended, Appended::Kept { .. })
    }

    #[cold]
    fn append_cut(
        &mut self,
        lane: Lane,
        flags: Flags,
        prefix: &[u8],
        cut: &CutHeader,
        kept: &[u8],
    ) -> Appended {
        self.end_dropping();
        let head = [prefix, &cut.encode()].concat();
        let from = self.writer.next_counter(lane);
        let appended = self
            .writer
            .append(lane, flags.with(Flags::CUT), &head, kept);
        self.publish_loss(Loss {
            lane,
            stream: Some(flags.stream()),
            records: 1,
            bytes: 0,
            why: format!(
                "an entry of {} bytes is larger than the {} lane: only its first {} bytes were \
                 kept",
                cut.length,
                lane.name(),
                kept.len()
            ),
            dropped: false,
            counters: Some(Counters {
                from,
                until: self.writer.next_counter(lane).max(from + 1),
            }),
        });
        appended
    }

    fn account(&mut self, lane: Lane, stream: Stream, given: Given<'_>, appended: Appended) {
        match appended {
            Appended::Kept {
                overwritten: None, ..
            } => {}
            Appended::Kept {
                overwritten: Some(counters),
                ..
            } => self.publish_loss(Loss {
                lane,
                stream: None,
                records: counters.until - counters.from,
                bytes: 0,
                why: "one block is larger than the ring: its oldest records were overwritten; use \
                      a larger --size"
                    .to_owned(),
                dropped: false,
                counters: Some(counters),
            }),
            Appended::Dropped => self.drop_one(lane, stream, given, NO_SEGMENT),
            Appended::Refused => self.drop_one(lane, stream, given, NO_WRITE),
        }
    }

    /// Counts a dropped entry. Each takes a counter, so its lane shows the gap.
    ///
    /// The first dropped entry gets a loss mark at once. The following ones
    /// share a mark: after [`DROPS_PER_MARK`] of them, when an entry is kept
    /// again, before a block begins or ends, and at the end of the session.
    #[cold]
    fn drop_one(&mut self, lane: Lane, stream: Stream, given: Given<'_>, why: &str) {
        let counter = self.writer.next_counter(lane);
        self.writer.leave_out(lane);
        let bytes = given.source_bytes();
        let until = counter + 1;
        match &mut self.dropping {
            Some(loss) if loss.lane == lane && loss.stream == Some(stream) && loss.why == why => {
                loss.records += 1;
                loss.bytes += bytes;
                if let Some(counters) = &mut loss.counters {
                    counters.until = until;
                }
                if loss.records >= DROPS_PER_MARK {
                    self.flush_loss();
                }
            }
            _ => {
                self.flush_loss();
                let first = Loss {
                    lane,
                    stream: Some(stream),
                    records: 1,
                    bytes,
                    why: why.to_owned(),
                    dropped: true,
                    counters: Some(Counters {
                        from: counter,
                        until,
                    }),
                };
                self.dropping = Some(emptied(&first));
                self.publish_loss(first);
            }
        }
    }

    /// Marks the counted drops. The next dropped entry gets a mark at once
    /// again.
    fn end_dropping(&mut self) {
        self.flush_loss();
        self.dropping = None;
    }

    fn flush_loss(&mut self) {
        if let Some(loss) = self.dropping.as_mut().filter(|loss| loss.records > 0) {
            let rest = emptied(loss);
            let counted = std::mem::replace(loss, rest);
            self.publish_loss(counted);
        }
    }

    fn publish_loss(&mut self, loss: Loss) {
        self.news.push(News::Lost(loss.clone()));
        self.decide(Mark::Loss(loss));
    }

    /// Writes marks as one spine record, behind everything that is recorded. The caller has
    /// applied them already.
    fn publish(&mut self, marks: &[Mark]) {
        self.publish_at(self.position(), marks);
    }

    /// The same, behind the entry that caused them: where that is read again, others may
    /// follow it already, which are no part of the block that it ends.
    fn publish_at(&mut self, at: Position, marks: &[Mark]) {
        if marks.is_empty() {
            return;
        }
        let is_start = |mark: &Mark| matches!(mark, Mark::NodeStart);
        if matches!(self.opening, Opening::AwaitsStart) && marks.iter().any(is_start) {
            self.opening = Opening::Done;
        }
        let appended = self.append_marks(at, marks);
        if matches!(appended, Appended::Kept { switched: true, .. }) {
            // A checkpoint makes each segment of the spine readable without the
            // segments before it. It includes how far the sources were read, so
            // the loss mark must stand before it.
            self.flush_loss();
            let checkpoint = self.checkpoint();
            self.append_marks(at, &[Mark::Checkpoint(checkpoint)]);
            self.life.forget(BLOCKS_KEPT);
        }
        if marks.iter().any(changes_protection) {
            self.protect();
        }
        let life = &self.life;
        let told = marks.iter().filter(|mark| !is_idle_pin(life, mark));
        self.news.extend(told.filter_map(News::of_mark));
    }

    fn checkpoint(&self) -> Checkpoint {
        let last = match &self.opening {
            Opening::ReadsAgain { last } => last.as_ref(),
            Opening::AwaitsStart | Opening::Done => None,
        };
        Checkpoint {
            sources: self.sources.iter().map(Reached::now).collect(),
            session: Some(last.unwrap_or(&self.session).clone()),
            opening: !matches!(self.opening, Opening::Done),
            log_waits: self.held_events.from(),
            ..self.life.checkpoint()
        }
    }

    fn append_marks(&mut self, at: Position, marks: &[Mark]) -> Appended {
        let mut group = std::mem::take(&mut self.group);
        group.clear();
        encode_stamp(
            &Stamp {
                at,
                time_ms: clock::now_ms(),
            },
            &mut group,
        );
        marks.iter().for_each(|mark| encode_mark(mark, &mut group));
        let appended = self
            .writer
            .append(Lane::Spine, Flags::default(), &[], &group);
        self.group = group;
        appended
    }

    fn protect(&mut self) {
        let protected = self
            .life
            .blocks()
            .iter()
            .filter(|block| block.is_protected());
        self.writer.protect(protected.map(protection_of).collect());
    }
}

/// How far the recorder has opened its ring. A checkpoint in the middle of it does not tell
/// that the start of the process is recorded.
enum Opening {
    /// It reads again what the last session wrote without marks.
    ReadsAgain {
        /// The last session, if its mark is there.
        last: Option<Session>,
    },
    /// The session has begun. The writer records the start of its process next.
    AwaitsStart,
    /// Whatever the writer records itself at an opening is recorded.
    Done,
}

/// The session of this process with a profile.
pub fn session_of(profile: &Profile) -> Session {
    Session {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        boot: machine::boot(),
        profile: profile.name.clone(),
        rules: rules_of(profile),
    }
}

/// How far a source was read, counted from what was recorded of it.
struct Reached {
    mark: SourceMark,
    /// The last bytes read since the mark, kept if the mark itself does not
    /// have the bytes before it. The next mark takes them.
    fresh: Tail,
}

impl Reached {
    fn advance(&mut self, given: &Given<'_>) {
        self.mark.advance(given.source_bytes());
        if self.mark.before.is_some() || self.mark.inode == 0 {
            return;
        }
        match given.cut {
            Some(_) => self.fresh.clear(),
            None => {
                self.fresh.push(given.bytes);
                self.fresh.push(line_end(given.terminated));
            }
        }
    }

    fn now(&self) -> SourceMark {
        SourceMark {
            before: self.mark.before.or_else(|| self.fresh.before()),
            ..self.mark.clone()
        }
    }
}

fn line_end(terminated: bool) -> &'static [u8] {
    if terminated { b"\n" } else { b"" }
}

fn protection_of(block: &Block) -> Protected {
    Protected {
        from: block.from.main,
        until: block.until.map_or(u64::MAX, |until| until.main),
        pinned: block.is_pinned(),
    }
}

fn changes_protection(mark: &Mark) -> bool {
    !matches!(
        mark,
        Mark::Crank(_) | Mark::Executed(_) | Mark::Note(_) | Mark::Source(_)
    )
}

/// A loss of zero records that begins where this one ends.
fn emptied(loss: &Loss) -> Loss {
    let behind = |counters: Counters| Counters {
        from: counters.until,
        ..counters
    };
    Loss {
        records: 0,
        bytes: 0,
        counters: loss.counters.map(behind),
        ..loss.clone()
    }
}

/// The positions before and behind a line that is read again.
fn around(line: &Line<'_>, marked: Position) -> (Position, Position) {
    let at = |counter| match line.lane {
        Lane::Local => Position {
            local: counter,
            ..marked
        },
        Lane::Main | Lane::Spine => Position {
            main: counter,
            ..marked
        },
    };
    (at(line.counter), at(line.last + 1))
}

/// Whether a mark only ends the entries of a block, which stays released: an operator must not
/// be told that it is pinned.
fn is_idle_pin(life: &Lifecycle, mark: &Mark) -> bool {
    let Mark::Pin(pin) = mark else { return false };
    let block = life.block(pin.of);
    pin.over && block.is_some_and(|block| block.finding() == Finding::Nothing)
}

/// What is missing behind a position and before the ring's oldest record.
fn missing_before(view: &RingView, at: Position) -> Option<Hole> {
    let main = view.lane(Lane::Main);
    let oldest = main.first_counter().filter(|oldest| *oldest > at.main)?;
    Some(Hole {
        lane: Lane::Main,
        from: at.main,
        to: oldest - 1,
        why: main.gap_before_first()?.into(),
    })
}

#[cfg(test)]
mod tests;
