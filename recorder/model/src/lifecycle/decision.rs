//! Decides what an event means for the blocks, as marks.

use haltbox_format::mark::{
    Attempt, Begin, Counters, Crank, Diverged, LocalHash, Loss, Mark, Note, Pin, Position, Release,
    ReleasedBy, Reported, State,
};
use haltbox_format::{AppHash, Lane, Stream};

use super::block::{Block, Finding};
use super::{APP_HASH, Accused, Lifecycle};
use crate::event::{Break, Event, Mismatch, Refusal, Weight};

/// Most blocks that are kept because the node said that they do not stand, while no box
/// holds them. Beyond that the next agreed block releases them. Without this limit a
/// storm of such lines would fill the ring.
const BROKEN: usize = 16;

/// The decisions about one event. Every mark is applied as soon as it is made.
pub(super) struct Decision<'a> {
    pub(super) life: &'a mut Lifecycle,
    pub(super) by: Stream,
    pub(super) before: Position,
    pub(super) after: Position,
    pub(super) marks: Vec<Mark>,
}

impl Decision<'_> {
    pub(super) fn on(&mut self, event: &Event) {
        match event {
            // The two streams are not in step. If the slog reports starts, the node's log
            // would report one in the middle of a later block.
            Event::ProcessStart if self.by == Stream::Slog || !self.life.is_told_by_slog() => {
                self.process_start();
            }
            Event::ProcessStart => {}
            Event::Begin { height, early } => self.begin(*height, *early),
            Event::Executed => self.executed(),
            Event::Crank {
                number,
                crankhash,
                activityhash,
            } => self.emit(Mark::Crank(Crank {
                number: *number,
                crankhash: *crankhash,
                activityhash: *activityhash,
            })),
            Event::End { height } => self.end(*height),
            Event::Commit { height, app_hash } => self.commit(*height, *app_hash),
            Event::LocalHash { height, app_hash } => self.local_hash(*height, *app_hash),
            Event::Confirm { height, app_hash } => self.confirm(*height, *app_hash),
            Event::Abort { height } => self.abort(*height),
            Event::Mismatch(mismatch) => self.mismatch(mismatch),
            Event::Failure { text, .. } => {
                self.accuse_newest(&format!("the node's consensus failed: {text}"));
            }
            Event::Refused(refusal) => self.refused(refusal),
            Event::Break(told) => self.broke(told),
            Event::Alarm { why, .. } => self.accuse_newest(why),
            Event::Farewell { .. } => {}
            Event::Gap => self.gap(),
            Event::StreamEnd => {
                self.pin_unfinished(self.by, "the stream ended in the middle of the block")
            }
        }
    }

    fn emit(&mut self, mark: Mark) {
        self.life.apply(&mark, self.after);
        self.marks.push(mark);
    }

    fn pin(&mut self, of: Attempt, why: &str) {
        self.emit(Mark::Pin(Pin {
            of,
            why: why.to_owned(),
            network: None,
            over: false,
            broken: false,
        }));
    }

    /// Notes once that the node's log said something that cannot be used.
    pub(super) fn doubt(&mut self, what: &str, height: Option<u64>) {
        if std::mem::replace(&mut self.life.trust.noted, true) {
            return;
        }
        let height = height.map_or("unknown height".to_owned(), |h| format!("height {h}"));
        let text = format!("{} stream, {height}: {what}", self.by.name());
        self.emit(Mark::Note(Note { text }));
    }

    /// The open blocks that are wanted.
    fn open(&mut self, wanted: impl Fn(&Block) -> bool) -> Vec<Attempt> {
        let running = self.life.blocks.running().iter();
        let wanted = running.filter(|b| b.state == State::Open && wanted(b));
        wanted.map(|b| b.of).collect()
    }

    fn process_start(&mut self) {
        self.pin_unfinished(
            Stream::Slog,
            "the node restarted before the block was committed",
        );
        self.emit(Mark::NodeStart);
    }

    /// Pins every block that `stream` began and the host did not make durable.
    fn pin_unfinished(&mut self, stream: Stream, why: &str) {
        for of in self.open(|b| b.begun.has(stream)) {
            self.pin(of, why);
        }
    }

    fn begin(&mut self, height: u64, early: bool) {
        let open = self.life.open(self.by);
        let prepared = open.filter(|b| b.of.height == height && (early || b.early));
        match prepared.map(|b| (b.of, b.from, b.whole)) {
            Some(_) if early => {}
            Some((of, from, whole)) => self.emit_begin(of, from, whole, false),
            None => self.begin_another(height, early),
        }
    }

    fn begin_another(&mut self, height: u64, early: bool) {
        let (from, whole) = self.first_entry();
        self.leave_open(height);
        let latest = self.life.latest(height);
        let told_by_other = latest.filter(|b| !b.begun.has(self.by)).map(|b| b.of);
        let attempt = latest.map_or(1, |b| b.of.attempt.saturating_add(1));
        let of = told_by_other.unwrap_or(Attempt { height, attempt });
        self.supersede(of);
        self.emit_begin(of, from, whole, early);
        self.imply_commit(height);
    }

    fn emit_begin(&mut self, of: Attempt, from: Position, whole: bool, early: bool) {
        self.emit(Mark::Begin(Begin {
            of,
            from,
            whole,
            by: self.by,
            joins: self.life.block(of).is_some(),
            early,
        }));
    }

    /// Position of the first entry of a block that begins here, and whether nothing
    /// before it can be missing. A host that begins again in mid-block repeats its begin
    /// entry, so a stream without a gap is enough.
    fn first_entry(&self) -> (Position, bool) {
        match self.by {
            Stream::Slog => (
                self.life.prelude.unwrap_or(self.before),
                self.life.boundary.is_some_and(|b| b.whole)
                    || self.life.open(self.by).is_some_and(|b| b.whole),
            ),
            Stream::Node => (self.before, false),
        }
    }

    /// The stream moved to `height`. Pins an attempt that it did not end, unless the
    /// other stream saw the end.
    fn leave_open(&mut self, height: u64) {
        let unended = |b: &&Block| b.state == State::Open && !b.ended.any();
        let Some(of) = self.life.open(self.by).filter(unended).map(|b| b.of) else {
            return;
        };
        let why = if of.height == height {
            "another attempt at this height began before this one ended"
        } else {
            "the node went on to another height before this block ended"
        };
        self.pin(of, why);
    }

    /// Executing the next height means that the one before was committed, even if its
    /// commit entry is missing.
    fn imply_commit(&mut self, height: u64) {
        let by = self.by;
        let left = |b: &Block| b.begun.has(by) && b.ended.has(by) && b.of.height < height;
        for of in self.open(left) {
            self.emit(Mark::Commit(Reported { of, by }));
        }
    }

    /// Releases attempts in between. The first attempt, the last one that was executed to
    /// its end, and the newest are kept. A crash loop must not fill the ring with the
    /// others.
    fn supersede(&mut self, newest: Attempt) {
        let subject = self.life.subject(newest.height);
        let subject = subject.filter(|b| b.is_executed()).map(|b| b.of);
        let between = |b: &&Block| {
            b.of.attempt > 1
                && b.of.attempt < newest.attempt
                && Some(b.of) != subject
                && b.is_releasable()
        };
        let at_height = self.life.blocks.at(newest.height);
        let between: Vec<Attempt> = at_height.filter(between).map(|b| b.of).collect();
        for of in between.into_iter().rev() {
            self.emit(Mark::Release(Release {
                of,
                by: ReleasedBy::LaterAttempt,
                network: None,
            }));
        }
    }

    fn executed(&mut self) {
        let open = self.life.open(Stream::Slog);
        if let Some(of) = open.filter(|b| !b.executed).map(|b| b.of) {
            self.emit(Mark::Executed(of));
        }
    }

    fn end(&mut self, height: u64) {
        let by = self.by;
        let meant = self.life.meant(height, by).filter(|b| b.begun.has(by));
        let of = match meant.map(|b| (b.of, b.ended.has(by))) {
            Some((of, true)) => return self.over_already(of),
            Some((of, false)) => Some(of),
            None => self.attach(height),
        };
        if let Some(of) = of {
            self.emit(Mark::End(Reported { of, by }));
        }
    }

    /// The slog ends or discards an attempt that is over. The entry then belongs to the next
    /// block, unless it is about a later attempt that is missing: then the next block begins
    /// behind it.
    fn over_already(&mut self, of: Attempt) {
        let block = self.life.block(of).filter(|_| self.by == Stream::Slog);
        if block.is_some_and(|block| self.life.may_lack_later_attempt(block)) {
            self.doubt_boundary();
        }
    }

    /// Nobody can tell whether the next block begins before the entry or behind it, so it has
    /// no whole beginning.
    fn doubt_boundary(&mut self) {
        if let Some(boundary) = self.life.boundary.filter(|boundary| boundary.whole) {
            let at = boundary.at.max(self.before);
            let why = "entries that may be missing tell whether an attempt was over before";
            self.loss(at, at, why, false);
        }
    }

    fn commit(&mut self, height: u64, app_hash: Option<AppHash>) {
        let by = self.by;
        if let Some(app_hash) = app_hash {
            self.local_hash(height, app_hash);
        }
        let of = self.known_or_attached(height);
        let untold = |of: &Attempt| self.life.block(*of).is_some_and(|b| !b.committed.has(by));
        if let Some(of) = of.filter(untold) {
            self.emit(Mark::Commit(Reported { of, by }));
        }
        if let Some(below) = height.checked_sub(1) {
            self.release_up_to(below, ReleasedBy::NextCommit, None);
        }
    }

    fn local_hash(&mut self, height: u64, app_hash: AppHash) {
        let of = self.known_or_attached(height);
        let other = |of: &Attempt| {
            let block = self.life.block(*of);
            let unlike = |b: &Block| b.app_hash.is_some_and(|known| known != app_hash);
            block.is_some_and(|b| unlike(b) || b.broken && b.app_hash.is_none())
        };
        // Without a slog, no entry reports the begin of a height that is executed again
        // while a node catches up.
        let again = of.filter(other).filter(|_| !self.life.is_told_by_slog());
        let of = match again {
            Some(_) => {
                self.begin_another(height, false);
                self.life.latest(height).map(|b| b.of)
            }
            None => of,
        };
        let news = |of: &Attempt| {
            self.life
                .block(*of)
                .is_some_and(|b| b.app_hash != Some(app_hash))
        };
        if let Some(of) = of.filter(news) {
            self.emit(Mark::LocalHash(LocalHash { of, app_hash }));
        }
    }

    fn known_or_attached(&mut self, height: u64) -> Option<Attempt> {
        match self.life.meant(height, self.by).map(|b| b.of) {
            Some(of) => Some(of),
            None => self.attach(height),
        }
    }

    /// Opens a block whose begin this stream never reported, because the recorder was
    /// attached in the middle of it. `None` if the recording is above that height: it has
    /// nothing of the block.
    fn attach(&mut self, height: u64) -> Option<Attempt> {
        let lies_above = match self.by {
            Stream::Slog => self
                .life
                .open(Stream::Slog)
                .is_some_and(|b| b.of.height > height),
            Stream::Node => self.life.blocks.iter().any(|b| b.of.height > height),
        };
        if lies_above {
            return None;
        }
        self.leave_open(height);
        Some(self.attach_anyway(height))
    }

    fn attach_anyway(&mut self, height: u64) -> Attempt {
        let latest = self.life.latest(height);
        let of = latest.map_or(Attempt { height, attempt: 1 }, |b| b.of);
        let from = self.life.prelude.unwrap_or_else(|| self.unclaimed());
        self.emit_begin(of, from, false, false);
        of
    }

    /// Opens a new attempt for a block that is not recorded. The attempts at its height
    /// are other blocks.
    fn attach_unlike(&mut self, height: u64) -> Attempt {
        let latest = self.life.latest(height);
        let attempt = latest.map_or(1, |b| b.of.attempt + 1);
        let of = Attempt { height, attempt };
        let from = self.unclaimed();
        self.emit_begin(of, from, false, false);
        of
    }

    /// Position of the first records that belong to no block.
    fn unclaimed(&self) -> Position {
        let behind = |b: &Block| b.until.or(b.end).unwrap_or(self.after);
        self.life.blocks.last().map_or(Position::default(), behind)
    }

    fn confirm(&mut self, height: u64, network: Option<AppHash>) {
        let unlike =
            |b: &&Block| network.is_some() && b.app_hash.is_some() && b.app_hash != network;
        match self.life.subject(height).filter(unlike).map(|b| b.of) {
            Some(of) => self.suspect(of, "the network has another AppHash", network),
            None => self.release_up_to(height, ReleasedBy::Network, network),
        }
    }

    /// Agreement on a height is agreement on every height below it.
    fn release_up_to(&mut self, height: u64, by: ReleasedBy, network: Option<AppHash>) {
        let undecided = self.life.blocks.undecided().iter();
        let proved = undecided.filter(|b| b.of.height <= height && b.is_releasable());
        for of in proved.map(|b| b.of).collect::<Vec<_>>() {
            let network = network.filter(|_| of.height == height);
            self.emit(Mark::Release(Release { of, by, network }));
        }
    }

    fn abort(&mut self, height: u64) {
        let Some(meant) = self.life.meant(height, self.by) else {
            return;
        };
        let (of, is_open) = (meant.of, meant.state == State::Open);
        // Also an attempt that was decided meanwhile: later entries do not belong to it. What
        // the network says comes at any time and must not decide where the next block begins.
        let over = meant.follows(self.by) && meant.until.is_none();
        if !over && self.life.may_lack_running_attempt() {
            self.over_already(of);
        }
        if !over && !is_open {
            return;
        }
        let may_be_over = self.life.may_be_over_in_gap(of);
        self.emit(Mark::Pin(Pin {
            of,
            why: "the host discarded this execution".to_owned(),
            network: None,
            over,
            broken: false,
        }));
        if over && self.by == Stream::Slog && may_be_over {
            self.doubt_boundary();
        }
    }

    fn mismatch(&mut self, seen: &Mismatch) {
        let height = seen.height.or(seen.carried);
        match self.life.accused(&Event::Mismatch(seen.clone())) {
            Some(Accused::Of(of)) if seen.weight == Weight::Proved => self.diverge(of, seen),
            Some(Accused::Of(of)) => self.suspect_of(of, seen),
            _ if self.is_attachable(height, seen.weight) => {
                let of = self.attach_anyway(height.unwrap_or_default());
                match seen.weight {
                    Weight::Proved => self.diverge(of, seen),
                    _ => self.suspect_of(of, seen),
                }
            }
            Some(Accused::Newest(of)) if seen.weight != Weight::Quoted => {
                let why = format!("{} mismatch at an unknown height", seen.field);
                self.suspect(of, &why, None);
            }
            _ => self.doubt("a mismatch was seen, but no such block is recorded", height),
        }
    }

    /// Whether the node itself reports a height without any records. At its log level, or
    /// behind a gap, nothing else reports the block.
    fn is_attachable(&self, height: Option<u64>, weight: Weight) -> bool {
        let newest = self.life.blocks.iter().map(|b| b.of.height).max();
        match weight {
            Weight::Quoted => false,
            Weight::Proved => height.is_some(),
            Weight::Seen | Weight::Blamed | Weight::LastWords => {
                height.is_some_and(|height| newest.is_none_or(|newest| height > newest))
            }
        }
    }

    /// Pins the suspected block. Text that others may have chosen does not set a hash.
    fn suspect_of(&mut self, of: Attempt, seen: &Mismatch) {
        let own = seen.weight != Weight::Quoted && seen.field == APP_HASH;
        // The first words of a panic count only once the process ends.
        let spoken = matches!(seen.weight, Weight::Seen | Weight::Blamed);
        let unknown = self.life.block(of).is_some_and(|b| {
            b.app_hash.is_none()
                && matches!(b.state, State::Open | State::Committed | State::Pinned)
        });
        if own && spoken && unknown {
            self.emit(Mark::LocalHash(LocalHash {
                of,
                app_hash: seen.local,
            }));
        }
        let why = format!("{} mismatch seen, not proven", seen.field);
        self.suspect(of, &why, Some(seen.network).filter(|_| own));
    }

    fn refused(&mut self, refusal: &Refusal) {
        let why = format!("the node refused a block of other nodes: {}", refusal.text);
        match self.life.accused(&Event::Refused(refusal.clone())) {
            Some(Accused::Of(of)) => self.suspect(of, &why, None),
            _ if self.is_attachable(refusal.height, Weight::Seen) => {
                let of = self.attach_anyway(refusal.height.unwrap_or_default());
                self.suspect(of, &why, None);
            }
            Some(Accused::Newest(of)) => self.suspect(of, &why, None),
            None => self.doubt(
                "the node refused a block, but no block is recorded",
                refusal.height,
            ),
        }
    }

    /// Keeps the block that the host was working on when it got into trouble.
    fn accuse_newest(&mut self, why: &str) {
        match self.life.newest_accused() {
            Some(of) => self.suspect(of, why, None),
            None => self.doubt(
                "the node reported a failure, but no block is recorded",
                None,
            ),
        }
    }

    /// Keeps the block that does not stand, whatever the node did next. A block that is
    /// not recorded gets its place here, because the entries around it are the evidence.
    fn broke(&mut self, told: &Break) {
        let known = self.life.accused(&Event::Break(told.clone()));
        let of = match (known, told.height) {
            (Some(accused), _) => accused.of(),
            (None, Some(height)) => self.attach_unlike(height),
            (None, None) => {
                return self.doubt(
                    "the node reported a failure, but no block is recorded",
                    None,
                );
            }
        };
        let at = told.height == Some(of.height);
        let unknown = self.life.block(of).is_some_and(|b| b.app_hash.is_none());
        if let Some(app_hash) = told.local.filter(|_| unknown && at) {
            self.emit(Mark::LocalHash(LocalHash { of, app_hash }));
        }
        let unboxed = |b: &&Block| b.broken && b.frozen.is_none();
        let kept = self.life.blocks.iter().filter(unboxed).count();
        let becomes = match kept < BROKEN {
            true => Finding::Broken,
            false => Finding::Doubt,
        };
        if self.life.block(of).is_some_and(|b| b.finding() < becomes) {
            let why = told.why_of(of.height);
            self.emit(Mark::Pin(Pin {
                of,
                why,
                network: None,
                over: false,
                broken: becomes == Finding::Broken,
            }));
        }
    }

    /// Marks a divergence once: a node that keeps running repeats the message.
    fn diverge(&mut self, of: Attempt, seen: &Mismatch) {
        if self
            .life
            .block(of)
            .is_some_and(|b| b.state != State::Diverged)
        {
            self.emit(Mark::Diverged(Diverged {
                of,
                field: seen.field.clone(),
                local: seen.local,
                network: seen.network,
            }));
        }
    }

    /// Pins a block that may have diverged. A block that the network agreed with stays
    /// released: the line comes from a divergent proposer, or is an old one.
    fn suspect(&mut self, of: Attempt, why: &str, network: Option<AppHash>) {
        let news = |b: &Block| match b.state {
            State::Open | State::Committed => true,
            State::Pinned => b.network.is_none() && network.is_some(),
            State::Confirmed | State::Superseded | State::Diverged => false,
        };
        if self.life.block(of).is_some_and(news) {
            self.emit(Mark::Pin(Pin {
                of,
                why: why.to_owned(),
                network,
                over: false,
                broken: false,
            }));
        }
    }

    fn gap(&mut self) {
        let why = "the recorder was not reading; how much was missed is unknown";
        self.loss(self.before, self.after, why, true);
    }

    /// An unknown number of records is missing in this range of the main lane.
    fn loss(&mut self, from: Position, until: Position, why: &str, dropped: bool) {
        self.emit(Mark::Loss(Loss {
            lane: Lane::Main,
            stream: Some(self.by),
            records: 0,
            bytes: 0,
            why: why.to_owned(),
            dropped,
            counters: Some(Counters {
                from: from.main,
                until: until.main,
            }),
        }));
    }
}
