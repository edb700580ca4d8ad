//! Follows the node's log and other nodes, beside a ring that its host writes.

use std::path::Path;
use std::time::Instant;

use haltbox_format::attached::{self, AttachedState};
use haltbox_format::mark::{Attempt, Frozen, Mark, Position};
use haltbox_format::{RingId, Stream};
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{Event, NodeLog, NodeRules, Profile};

use super::AttachError;
use crate::console::say;
use crate::intake::draining::Draining;
use crate::intake::trouble;
use crate::intake::{OpenError, Place, Source, Turn};
use crate::rpc::{self, Outcome, Watch};
use crate::serve;
use haltbox_recorder::attached::Folder;
use haltbox_recorder::clock;
use haltbox_recorder::recorder::{News, session_of};
use haltbox_recorder::supervisor::{Brings, Supervisor};

/// Most turns of the log between two looks at the ring.
const TURNS: usize = 64;

/// The followed sources, and what they reported.
pub(super) struct Beside {
    folder: Folder,
    told: AttachedState,
    /// The state that was saved last, encoded.
    saved: Vec<u8>,
    /// The marks that were saved so that they outlive a power cut.
    durable: Vec<Mark>,
    draining: Draining,
    log: Option<Log>,
    watch: Option<Watch>,
    /// Events of the log that were not weighed yet.
    heard: Vec<Heard>,
    /// Greatest height in the log, and the last one.
    reach: Option<u64>,
    log_at: Option<u64>,
    keeps: bool,
}

struct Log {
    source: Source,
    memory: NodeLog,
    told_unread: bool,
    /// Whether the log was read to its end once. Later events are new.
    caught_up: bool,
    /// Whether more can be read at once.
    more: bool,
}

/// An event of the log, and whether the log was read to its end before it.
pub(super) struct Heard {
    event: Event,
    new: bool,
}

impl Beside {
    /// Locks the ring's folder for attached recorders, and opens the sources.
    ///
    /// # Errors
    /// The folder or the log cannot be opened.
    pub(super) fn open(
        ring: &Path,
        log: Option<&Place>,
        rpc: &rpc::Options,
        profile: &Profile,
    ) -> Result<Beside, AttachError> {
        let (folder, mut told) = Folder::take(ring)?;
        let log = log.map(|place| Log::open(place, &told)).transpose()?;
        if log.is_some() && profile.node.is_none() {
            say(&format!(
                "the profile {} of this ring has no rules for a node's log: lines are kept but \
                 not interpreted",
                profile.name
            ));
        }
        told.session = Some(session_of(profile));
        told.closed = false;
        told.asked = rpc.asked();
        told.source = log.as_ref().map(|log| log.source.mark());
        Ok(Beside {
            watch: Watch::or_say(rpc),
            heard: Vec::new(),
            reach: told.reach(),
            log_at: None,
            saved: Vec::new(),
            durable: told.serious().cloned().collect(),
            draining: Draining::default(),
            keeps: true,
            folder,
            log,
            told,
        })
    }

    pub(super) fn of_ring(&mut self, ring: Option<RingId>) {
        self.told.of_ring(ring);
    }

    pub(super) fn told(&self) -> &AttachedState {
        &self.told
    }

    /// Whether the log was quiet for a moment, so that everything about a
    /// failure is read.
    pub(super) fn is_drained(&self, since: Instant, ring_stands: bool) -> bool {
        self.draining
            .is_over(since, ring_stands && !self.has_more())
    }

    /// Whether the log has more than was read.
    pub(super) fn has_more(&self) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| log.more || log.source.holds_back())
    }

    /// Says how far the log is, so that its reports are weighed against the
    /// right block.
    pub(super) fn trust(&self, life: &mut Lifecycle) {
        life.trust_slog_of_marks(self.log_at);
    }

    /// Whether the log reported trouble that is to be weighed at once.
    pub(super) fn is_alarmed(&self) -> bool {
        self.heard.iter().any(|heard| heard.event.is_trouble())
    }

    /// Reads the log. Call it before looking at the ring: the ring is then
    /// never behind what was read of the log.
    pub(super) fn read(&mut self, profile: &Profile, supervisor: &mut Supervisor) {
        let Some(log) = &mut self.log else {
            return;
        };
        let mut read = Read::default();
        let progress = log.read(profile.node.as_ref(), &mut read);
        let unread = log.unread(profile.node.as_ref());
        self.told.source = Some(log.source.mark());
        if progress {
            self.draining.progress();
        }
        read.said.iter().for_each(|words| say(words));
        if let Err(error) = self.folder.keep(&read.lines) {
            let words = format!("cannot save lines of the node's log: {error}");
            read.noted.push(words);
        }
        read.noted.into_iter().for_each(|text| self.note(text));
        unread
            .into_iter()
            .for_each(|news| drop(self.bring(news, supervisor)));
        self.heard.extend(read.heard);
    }

    /// Weighs what the log and the other nodes reported. Returns the boxes that
    /// are wanted for it.
    pub(super) fn hear(
        &mut self,
        life: &mut Lifecycle,
        at: Position,
        supervisor: &mut Supervisor,
    ) -> Vec<(Attempt, String)> {
        let mut wanted = Vec::new();
        for Heard { event, new } in std::mem::take(&mut self.heard) {
            self.reach = self.reach.max(event.height());
            self.log_at = event.reached().or(self.log_at);
            if new || !event.is_trouble() || self.is_of_now(&event, life) {
                let news = self.take(event, life, at, News::of_event);
                wanted.extend(
                    news.into_iter()
                        .filter_map(|news| self.bring(news, supervisor)),
                );
            }
        }
        let outcomes = self.watch.as_mut().map(|watch| watch.outcomes(life));
        for outcome in outcomes.unwrap_or_default() {
            match outcome {
                Outcome::Say(words) => say(&words),
                Outcome::Tell(event, words) => {
                    words.iter().for_each(|words| say(words));
                    words.into_iter().for_each(|words| self.note(words));
                    let news = self.take(event, life, at, News::of_testimony);
                    wanted.extend(
                        news.into_iter()
                            .filter_map(|news| self.bring(news, supervisor)),
                    );
                }
                Outcome::Still(event) => supervisor.still(&event, life),
            }
        }
        for due in supervisor.due(life) {
            wanted.extend(self.note_or_want(supervisor.follow(due)));
        }
        wanted
    }

    /// Whether trouble is about a block of the ring. A log can be older than
    /// the ring, and its old trouble must not blame the newest block.
    fn is_of_now(&self, event: &Event, life: &Lifecycle) -> bool {
        let height = match event {
            Event::Mismatch(seen) => seen.height.or(seen.carried),
            Event::Refused(refusal) => refusal.height,
            Event::Break(told) => told.height,
            _ => None,
        };
        let newest = life.blocks().iter().map(|block| block.of.height).max();
        match height {
            Some(height) => life.subject(height).is_some(),
            None => match self.reach {
                Some(reach) => Some(reach.saturating_add(1)) >= newest,
                // The log has no heights. What it got since it was last read is
                // about now.
                None => self.log.as_ref().is_some_and(|log| log.source.goes_on()),
            },
        }
    }

    fn take(
        &mut self,
        event: Event,
        life: &mut Lifecycle,
        at: Position,
        news_of: fn(Event, &Lifecycle) -> Option<News>,
    ) -> Vec<News> {
        let marks = life.on(&event, Stream::Node, at, at);
        let of_marks: Vec<News> = marks.iter().filter_map(News::of_mark).collect();
        self.told.add(marks);
        news_of(event, life).into_iter().chain(of_marks).collect()
    }

    fn note(&mut self, text: String) {
        self.told.note(clock::now_ms(), text);
    }

    fn bring(&mut self, news: News, supervisor: &mut Supervisor) -> Option<(Attempt, String)> {
        let brings = supervisor.hear(news)?;
        self.note_or_want(brings)
    }

    fn note_or_want(&mut self, brings: Brings) -> Option<(Attempt, String)> {
        match brings {
            Brings::Box(of, _, reason) => Some((of, reason)),
            Brings::Note(text) => {
                self.note(text);
                None
            }
        }
    }

    /// Notes that a box has the attempt.
    pub(super) fn frozen(&mut self, of: Attempt, name: String) {
        self.told.add([Mark::Frozen(Frozen { of, name })]);
    }

    /// Saves beside the ring what a restart must know.
    pub(super) fn save(&mut self, at: Position) {
        // A new time alone is not worth a write.
        let told = self.told.encode(at);
        if told == self.saved {
            return;
        }
        let serious: Vec<Mark> = self.told.serious().cloned().collect();
        let durable = serious != self.durable;
        self.told.time_ms = clock::now_ms();
        match self.folder.save(&mut self.told, at, durable) {
            Ok(()) => {
                self.durable = serious;
                self.saved = self.told.encode(at);
                self.keeps = true;
            }
            Err(error) if std::mem::take(&mut self.keeps) => {
                say(&format!(
                    "cannot save what the node's log reported: {error}"
                ));
            }
            Err(_) => {}
        }
    }

    /// Saves with the mark of an orderly end.
    pub(super) fn close(mut self, at: Position) {
        self.told.closed = true;
        self.save(at);
    }
}

/// The result of reading the log once.
#[derive(Default)]
struct Read {
    heard: Vec<Heard>,
    lines: Vec<u8>,
    said: Vec<String>,
    noted: Vec<String>,
}

impl Read {
    fn tell(&mut self, text: String) {
        self.said.push(text.clone());
        self.noted.push(text);
    }
}

impl Log {
    fn open(place: &Place, told: &AttachedState) -> Result<Log, OpenError> {
        let mut source = Source::open(Stream::Node, place, told.source.as_ref(), told.time_ms)?;
        source.take_told().iter().for_each(|told| say(told));
        say(&serve::followed(&source.mark()));
        Ok(Log {
            source,
            memory: NodeLog::default(),
            told_unread: false,
            caught_up: false,
            more: false,
        })
    }

    /// Reads the log to its end, or for [`TURNS`] turns: the ring must be
    /// looked at too.
    fn read(&mut self, rules: Option<&NodeRules>, read: &mut Read) -> bool {
        let mut progress = false;
        self.more = false;
        for _ in 0..TURNS {
            match self.turn(rules, read) {
                Turn::Quiet => {
                    self.caught_up = true;
                    return progress;
                }
                Turn::Over | Turn::WriterGone => return progress,
                Turn::Message(what) | Turn::Missed(what) => read.tell(what),
                Turn::Rotated(what) => read.noted.push(what),
                Turn::Progress | Turn::Appeared | Turn::MissedMore => {}
            }
            progress = true;
        }
        self.more = true;
        progress
    }

    fn turn(&mut self, rules: Option<&NodeRules>, read: &mut Read) -> Turn {
        let (memory, new) = (&mut self.memory, self.caught_up);
        let (heard, lines, noted) = (&mut read.heard, &mut read.lines, &mut read.noted);
        let (turn, trouble) = self.source.turn(&mut |given| {
            attached::encode_line(given.bytes, given.terminated, lines);
            if let Some(cut) = given.cut {
                let length = cut.length;
                noted.push(format!(
                    "a line of {length} bytes in the node's log is too long: only its beginning \
                     is kept"
                ));
            }
            if let Some(rules) = rules.filter(|_| given.cut.is_none()) {
                let sink = &mut |event| heard.push(Heard { event, new });
                rules.read(memory, given.bytes, given.terminated, sink);
            }
        });
        let is_torn = matches!(
            turn,
            Turn::Over | Turn::WriterGone | Turn::Missed(_) | Turn::MissedMore
        );
        if let Some(rules) = rules.filter(|_| is_torn) {
            rules.end(memory, &mut |event| heard.push(Heard { event, new }));
        }
        match trouble {
            Some(trouble::News::Turned(told)) => read.tell(told),
            Some(trouble::News::Lasts(told)) => read.said.push(told),
            None => {}
        }
        turn
    }

    /// The news that nothing in the log is understood. Once, until a line is
    /// understood.
    fn unread(&mut self, rules: Option<&NodeRules>) -> Option<News> {
        let rules = rules?;
        let unread = rules.unread(&self.memory);
        let told = std::mem::replace(&mut self.told_unread, unread.is_some());
        let wanted = || rules.example().to_owned();
        unread
            .filter(|_| !told)
            .map(|unread| News::Unread(unread, wanted()))
    }
}
