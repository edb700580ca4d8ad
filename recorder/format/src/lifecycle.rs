//! The life of a block.
//!
//! ```text
//! open --commit--> committed --commit(H+1) or confirm(H)--> confirmed (released)
//!   |                  |
//!   |                  +-- a mismatch was seen, unproven --> pinned
//!   |                  +-- proven ------------------------> diverged (frozen)
//!   +-- the stream or the process ended in mid-block -----> pinned
//! ```
//!
//! ABCI proves height H good only when H+1 is decided, because AppHash(H)
//! stands in header H+1. Therefore a block is released by the *next* height.
//!
//! [`Lifecycle::on`] decides: it turns an event into marks. [`Lifecycle::apply`]
//! is the only thing that changes a block, so that folding the marks of the
//! spine gives back the very same blocks, after a kill as in a reader.
//!
//! The slog is the authority: where it tells of a block, it alone decides
//! where the block's entries begin and end. The node's log may run ahead of it
//! or behind it.

use serde::{Deserialize, Serialize};

use crate::app_hash::{AppHash, Digest};
use crate::event::{Event, Mismatch};
use crate::mark::{
    Attempt, Begin, Boundary, Checkpoint, Crank, Diverged, LocalHash, Loss, Mark, Note, Pin,
    Position, Release, ReleasedBy, SourceMark, Told,
};
use crate::stream::{Lane, Stream};

/// The header field that holds the result of the height before.
const APP_HASH: &str = "AppHash";

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being executed, or executed and not yet committed.
    Open,
    /// Durable at the host, not yet agreed by the network.
    Committed,
    /// The network agreed: released.
    Confirmed,
    /// Replaced by later attempts at the same height: released.
    Superseded,
    /// Something is unproven: kept until a box of it is durable, or a later
    /// attempt is agreed.
    Pinned,
    /// This node's hash and the network's are proved to differ.
    Diverged,
}

impl State {
    /// The word used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Committed => "committed",
            State::Confirmed => "confirmed",
            State::Superseded => "superseded",
            State::Pinned => "pinned",
            State::Diverged => "diverged",
        }
    }
}

/// Which of the two streams told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldBy {
    #[serde(default)]
    slog: bool,
    #[serde(default)]
    node: bool,
}

impl ToldBy {
    fn add(&mut self, stream: Stream) {
        match stream {
            Stream::Slog => self.slog = true,
            Stream::Node => self.node = true,
        }
    }

    /// Whether `stream` told it.
    pub fn has(self, stream: Stream) -> bool {
        match stream {
            Stream::Slog => self.slog,
            Stream::Node => self.node,
        }
    }

    /// Whether any stream told it.
    pub fn any(self) -> bool {
        self.slog || self.node
    }
}

/// One attempt at a height, and all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Where it stands.
    pub state: State,
    /// Its first entry.
    pub from: Position,
    /// Behind the last entry of its execution. `None` also for an execution
    /// that the host threw away.
    pub end: Option<Position>,
    /// Where what follows no longer belongs to it: set as soon as it is
    /// committed, so that a halted chain's log does not grow it without bound.
    pub until: Option<Position>,
    /// Neither its first entries nor any between them and the newest can be
    /// missing.
    pub whole: bool,
    /// It did work of its own.
    pub executed: bool,
    /// Opened by work that precedes its own begin entry, which is still to come.
    #[serde(default)]
    pub early: bool,
    /// Who told of its begin.
    pub begun: ToldBy,
    /// Who told of its end.
    pub ended: ToldBy,
    /// Who told of its commit.
    pub committed: ToldBy,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network: Option<AppHash>,
    /// Why it is pinned, or which field diverged.
    pub why: Option<String>,
    /// Box that holds it.
    pub frozen: Option<String>,
    /// Cranks finished in it.
    pub cranks: u64,
    /// First crank's number.
    pub first_crank: Option<u64>,
    /// Last crank's number.
    pub last_crank: Option<u64>,
    /// The last crank's activityhash.
    pub activityhash: Option<Digest>,
}

impl Block {
    fn new(of: Attempt, from: Position) -> Block {
        Block {
            of,
            state: State::Open,
            from,
            end: None,
            until: None,
            whole: false,
            executed: false,
            early: false,
            begun: ToldBy::default(),
            ended: ToldBy::default(),
            committed: ToldBy::default(),
            app_hash: None,
            network: None,
            why: None,
            frozen: None,
            cranks: 0,
            first_crank: None,
            last_crank: None,
            activityhash: None,
        }
    }

    /// Its records must not be overwritten.
    pub fn is_protected(&self) -> bool {
        match self.state {
            State::Open | State::Committed => true,
            State::Pinned | State::Diverged => self.frozen.is_none(),
            State::Confirmed | State::Superseded => false,
        }
    }

    /// Protected because something is wrong: not even to make room.
    pub fn is_pinned(&self) -> bool {
        self.is_protected() && matches!(self.state, State::Pinned | State::Diverged)
    }

    /// Its execution is recorded from its first entry to its last, as far as
    /// the marks tell. Whether the bodies are still there is another question.
    pub fn is_complete(&self) -> bool {
        self.whole && self.end.is_some() && self.ended.slog
    }

    /// Released, and no entry to come can belong to it: not one the slog, which
    /// is at `slog_at`, has still to begin.
    fn is_settled(&self, slog_at: Option<u64>) -> bool {
        let awaits_slog = !self.begun.slog && slog_at.is_some_and(|at| at < self.of.height);
        !self.is_protected() && self.until.is_some() && !awaits_slog
    }

    /// It ran to its end and did work of its own.
    fn is_executed(&self) -> bool {
        self.executed && self.end.is_some()
    }
}

/// The blocks of one recording and what is needed to follow the next entry.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    blocks: Vec<Block>,
    sources: Vec<SourceMark>,
    /// Where the search for the next block's first entry begins; `None` while a
    /// block is being executed, or may be.
    boundary: Option<Boundary>,
    /// First canonical entry behind the boundary: work before the next begin entry
    /// belongs to the block it prepares.
    prelude: Option<Position>,
    trust: Trust,
}

/// What the streams have told since the recorder opened, to weigh what the
/// node's log tells next. Not in the marks: a recorder that was away must
/// believe the first height it hears.
#[derive(Clone, Copy, Debug, Default)]
struct Trust {
    /// The greatest height told.
    reach: Option<u64>,
    /// The slog told of a block.
    slog: bool,
    /// A doubt was noted since `reach` last grew: one note is enough.
    noted: bool,
}

impl Trust {
    /// Whether an event is to be taken at its word. Hosts print foreign text
    /// into the node's log; a forged line there must not release the pinned
    /// blocks of every height below the one it names.
    fn admits(&self, event: &Event, by: Stream) -> bool {
        let (Some(height), Some(reach)) = (event.height(), self.reach) else {
            return true;
        };
        let releases = matches!(event, Event::Commit { .. } | Event::Confirm { .. });
        by == Stream::Slog || height <= reach.saturating_add(1) || !(releases || self.slog)
    }

    fn learn(&mut self, event: &Event, by: Stream) {
        let height = event.height();
        self.slog |= by == Stream::Slog && height.is_some();
        if height > self.reach {
            self.reach = height;
            self.noted = false;
        }
    }
}

impl Lifecycle {
    /// All blocks, in the order in which they began.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How far each source had been read, by the last marks of it.
    pub fn sources(&self) -> &[SourceMark] {
        &self.sources
    }

    /// The block with this identity.
    pub fn block(&self, of: Attempt) -> Option<&Block> {
        self.blocks.iter().rev().find(|block| block.of == of)
    }

    /// The newest attempt at a height.
    pub fn latest(&self, height: u64) -> Option<&Block> {
        self.blocks
            .iter()
            .rev()
            .filter(|b| b.of.height == height)
            .max_by_key(|b| b.of.attempt)
    }

    /// The attempt a failure at `height` speaks of: the last one that was
    /// executed to its end, else the last one that ended, else the last.
    ///
    /// An empty re-run of a saved block, an execution that was thrown away and
    /// one that is still going on never hide the one that made the state.
    pub fn subject(&self, height: u64) -> Option<&Block> {
        let rank = |b: &&Block| (b.is_executed(), b.end.is_some(), b.of.attempt);
        self.blocks
            .iter()
            .filter(|b| b.of.height == height)
            .max_by_key(rank)
    }

    /// The block an operator means who names none: the diverged or pinned one,
    /// else the last committed, else the newest.
    pub fn default_subject(&self) -> Option<&Block> {
        let newest = |wanted: fn(&Block) -> bool| self.blocks.iter().rev().find(|b| wanted(b));
        newest(|b| b.state == State::Diverged && b.frozen.is_none())
            .or_else(|| newest(Block::is_pinned))
            .or_else(|| newest(|b| b.committed.any()))
            .or_else(|| self.blocks.last())
    }

    /// A checkpoint of everything that is not settled.
    pub fn checkpoint(&self) -> Checkpoint {
        let slog_at = self.slog_height();
        let unsettled = self.blocks.iter().filter(|b| !b.is_settled(slog_at));
        Checkpoint {
            blocks: unsettled.cloned().collect(),
            sources: self.sources.clone(),
            boundary: self.boundary,
        }
    }

    /// Forgets the oldest settled blocks beyond `keep`.
    pub fn forget(&mut self, keep: usize) {
        let slog_at = self.slog_height();
        let mut surplus = self.blocks.len().saturating_sub(keep);
        self.blocks.retain(|block| {
            let goes = surplus > 0 && block.is_settled(slog_at);
            surplus -= usize::from(goes);
            !goes
        });
    }

    fn slog_height(&self) -> Option<u64> {
        self.current(Stream::Slog).map(|b| b.of.height)
    }

    /// Where a recorder that was away has to begin again to tell [`Self::entry`]
    /// of what it had recorded. `None` if a block is being executed, or may be.
    pub fn search_from(&self) -> Option<Position> {
        self.boundary.map(|boundary| boundary.at)
    }

    /// Tells of one slog entry before its events: where it stands, and whether
    /// it is canonical.
    pub fn entry(&mut self, canonical: bool, at: Position) {
        if canonical && self.prelude.is_none() && self.open(Stream::Slog).is_none() {
            self.prelude = Some(at);
        }
    }

    /// Decides what an event means. `before` is the place of the entry that
    /// told it, `after` the place behind it. The marks are already applied and
    /// have to be published as one record.
    pub fn on(
        &mut self,
        event: &Event,
        by: Stream,
        before: Position,
        after: Position,
    ) -> Vec<Mark> {
        let admitted = self.trust.admits(event, by);
        let mut decide = Decision {
            life: self,
            by,
            before,
            after,
            marks: Vec::new(),
        };
        if admitted {
            decide.life.trust.learn(event, by);
            decide.on(event);
        } else {
            decide.doubt(
                "a height far above all others, which is not believed",
                event.height(),
            );
        }
        decide.marks
    }

    /// Folds one mark that stands at `at`.
    pub fn apply(&mut self, mark: &Mark, at: Position) {
        match mark {
            Mark::Begin(begin) => self.apply_begin(begin),
            Mark::Executed(of) => self.change(*of, |b| b.executed = true),
            Mark::End(told) => self.apply_end(told, at),
            Mark::Commit(told) => self.apply_commit(told, at),
            Mark::LocalHash(hash) => self.change(hash.of, |b| b.app_hash = Some(hash.app_hash)),
            Mark::Release(release) => self.change(release.of, |b| b.release(release)),
            Mark::Pin(pin) => self.apply_pin(pin, at),
            Mark::Diverged(diverged) => self.apply_diverged(diverged, at),
            Mark::Frozen(frozen) => {
                self.change(frozen.of, |b| b.frozen = Some(frozen.name.clone()));
            }
            Mark::Crank(crank) => self.apply_crank(crank),
            Mark::Loss(loss) => self.apply_loss(loss, at),
            Mark::NodeStart => self.apply_node_start(at),
            Mark::Checkpoint(checkpoint) => self.apply_checkpoint(checkpoint),
            Mark::Source(source) => self.apply_source(source),
            Mark::Session(_) | Mark::Close | Mark::Note(_) => {}
        }
    }

    fn change(&mut self, of: Attempt, change: impl FnOnce(&mut Block)) {
        if let Some(block) = self.blocks.iter_mut().rev().find(|block| block.of == of) {
            change(block);
        }
    }

    /// The block `stream` is executing: begun and not ended by it.
    fn open(&self, stream: Stream) -> Option<&Block> {
        self.current(stream)
            .filter(|b| !b.ended.has(stream) && b.until.is_none())
    }

    /// The block `stream` told of last.
    fn current(&self, stream: Stream) -> Option<&Block> {
        self.blocks
            .iter()
            .rev()
            .find(|block| block.begun.has(stream))
    }

    /// The attempt an entry of `stream` at `height` speaks of. The slog goes on
    /// with its own attempt where the node's log is already in the next.
    fn meant(&self, height: u64, stream: Stream) -> Option<&Block> {
        let own = |b: &&Block| b.of.height == height && b.begun.slog;
        let slog = self.blocks.iter().filter(own).max_by_key(|b| b.of.attempt);
        match stream {
            Stream::Slog => slog.or_else(|| self.latest(height)),
            Stream::Node => self.latest(height),
        }
    }

    /// The height a mismatch speaks of whose line names none: the one whose
    /// result it quotes, else the one that was executed last.
    fn accused_height(&self, seen: &Mismatch) -> Option<u64> {
        let newest = |wanted: &dyn Fn(&&Block) -> bool| self.blocks.iter().rev().find(wanted);
        newest(&|b| seen.field == APP_HASH && b.app_hash == Some(seen.local))
            .or_else(|| newest(&|b| b.ended.any() || b.committed.any()))
            .or(self.blocks.last())
            .map(|b| b.of.height)
    }

    fn apply_begin(&mut self, begin: &Begin) {
        let passed = |b: &Block| begin.by == Stream::Slog && b.of.height < begin.of.height;
        for block in self
            .blocks
            .iter_mut()
            .filter(|b| b.of != begin.of && b.until.is_none())
        {
            if block.follows(begin.by) || passed(block) {
                block.until = Some(begin.from);
            }
        }
        if !begin.joins {
            self.blocks.retain(|b| b.of != begin.of);
            self.blocks.push(Block::new(begin.of, begin.from));
        }
        self.change(begin.of, |block| block.begin(begin));
        if begin.by == Stream::Slog {
            self.move_last(begin.of);
            self.prelude = None;
            self.boundary = None;
        }
    }

    /// Keeps blocks in the order of the slog, also where the node's log ran ahead.
    fn move_last(&mut self, of: Attempt) {
        let Some(index) = self.blocks.iter().rposition(|b| b.of == of) else {
            return;
        };
        let after = self.blocks[index..]
            .iter()
            .rposition(|b| b.begun.slog)
            .unwrap_or(0);
        self.blocks[index..=index + after].rotate_left(1);
    }

    fn apply_end(&mut self, told: &Told, at: Position) {
        self.change(told.of, |block| {
            block.ended.add(told.by);
            if block.follows(told.by) {
                block.end = Some(at);
            }
        });
        if told.by == Stream::Slog {
            self.set_boundary(at, true);
        }
    }

    fn apply_commit(&mut self, told: &Told, at: Position) {
        self.change(told.of, |block| block.commit(told.by, at));
        let end_is_missing = self.boundary.is_none();
        if told.by == Stream::Slog && end_is_missing {
            self.set_boundary(at, false);
        }
    }

    fn apply_pin(&mut self, pin: &Pin, at: Position) {
        self.change(pin.of, |block| block.pin(pin, at));
        if pin.over && self.block(pin.of).is_some_and(|b| b.begun.slog) {
            self.set_boundary(at, true);
        }
    }

    /// Marks of a block that was released long ago may be evicted: that it
    /// diverged is told all the same.
    fn apply_diverged(&mut self, diverged: &Diverged, at: Position) {
        if self.block(diverged.of).is_none() {
            self.blocks.push(Block::new(diverged.of, at));
        }
        self.change(diverged.of, |block| block.diverge(diverged, at));
    }

    /// What follows `at` belongs to the next block.
    fn set_boundary(&mut self, at: Position, whole: bool) {
        self.boundary = Some(Boundary { at, whole });
        self.prelude = None;
    }

    fn apply_crank(&mut self, crank: &Crank) {
        let Some(of) = self.open(Stream::Slog).map(|b| b.of) else {
            return;
        };
        self.change(of, |block| {
            block.cranks += 1;
            block.first_crank.get_or_insert(crank.number);
            block.last_crank = Some(crank.number);
            block.activityhash = Some(crank.activityhash);
        });
    }

    fn apply_loss(&mut self, loss: &Loss, at: Position) {
        if loss.lane != Lane::Main || loss.stream == Some(Stream::Node) {
            return;
        }
        if let Some(of) = self.open(Stream::Slog).map(|b| b.of) {
            self.change(of, |block| block.whole = false);
        }
        if loss.dropped {
            let whole = false;
            self.boundary = self.boundary.map(|_| Boundary { at, whole });
            self.prelude = None;
        }
    }

    fn apply_node_start(&mut self, at: Position) {
        for block in self.blocks.iter_mut().filter(|b| b.until.is_none()) {
            block.until = Some(at);
        }
        self.set_boundary(at, true);
    }

    /// Blocks whose own marks were evicted are put before the one they preceded.
    fn apply_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let mut place = self.blocks.len();
        for told in checkpoint.blocks.iter().rev() {
            match self.blocks.iter().rposition(|known| known.of == told.of) {
                Some(index) => {
                    self.blocks[index] = told.clone();
                    place = index;
                }
                None => self.blocks.insert(place, told.clone()),
            }
        }
        self.sources.clone_from(&checkpoint.sources);
        self.boundary = checkpoint.boundary;
    }

    fn apply_source(&mut self, source: &SourceMark) {
        self.sources.retain(|known| known.stream != source.stream);
        self.sources.push(source.clone());
    }
}

impl Block {
    /// Whether `stream` decides where the block's entries begin and end: the
    /// slog does wherever it told of the block.
    fn follows(&self, stream: Stream) -> bool {
        match stream {
            Stream::Slog => self.begun.slog,
            Stream::Node => !self.begun.slog,
        }
    }

    fn begin(&mut self, begin: &Begin) {
        self.begun.add(begin.by);
        if self.follows(begin.by) {
            self.from = begin.from;
            self.whole = begin.whole;
            self.early = begin.early;
            self.end = None;
            self.until = None;
        }
    }

    fn commit(&mut self, by: Stream, at: Position) {
        self.committed.add(by);
        if self.follows(by) {
            self.until.get_or_insert(at);
        }
        if self.state == State::Open {
            self.state = State::Committed;
        }
    }

    fn release(&mut self, release: &Release) {
        self.network = release.network.or(self.network);
        if self.state != State::Diverged {
            self.state = match release.by {
                ReleasedBy::LaterAttempt => State::Superseded,
                ReleasedBy::NextCommit | ReleasedBy::Network => State::Confirmed,
            };
        }
    }

    fn pin(&mut self, pin: &Pin, at: Position) {
        self.network = pin.network.or(self.network);
        if self.state != State::Diverged {
            self.state = State::Pinned;
            self.why = Some(pin.why.clone());
        }
        if pin.over {
            self.end = None;
            self.until.get_or_insert(at);
        }
    }

    fn diverge(&mut self, diverged: &Diverged, at: Position) {
        self.state = State::Diverged;
        self.why = Some(diverged.field.clone());
        if diverged.field == APP_HASH {
            self.app_hash = Some(diverged.local);
            self.network = Some(diverged.network);
        }
        if !self.begun.slog {
            self.until.get_or_insert(at);
        }
    }
}

/// One event's decisions: every mark is applied as it is made.
struct Decision<'a> {
    life: &'a mut Lifecycle,
    by: Stream,
    before: Position,
    after: Position,
    marks: Vec<Mark>,
}

impl Decision<'_> {
    fn on(&mut self, event: &Event) {
        match event {
            Event::ProcessStart => self.process_start(),
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
            Event::Gap => self.gap(),
            Event::StreamEnd => self.pin_unfinished(self.by, "the stream ended in mid-block"),
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
        }));
    }

    /// Notes once that the node's log told something that cannot be used.
    fn doubt(&mut self, what: &str, height: Option<u64>) {
        if std::mem::replace(&mut self.life.trust.noted, true) {
            return;
        }
        let height = height.map_or("an unknown height".to_owned(), |h| format!("height {h}"));
        let text = format!("the {} stream told of {height}: {what}", self.by.name());
        self.emit(Mark::Note(Note { text }));
    }

    fn all(&self, wanted: impl Fn(&Block) -> bool) -> Vec<Attempt> {
        let wanted = self.life.blocks.iter().filter(|b| wanted(b));
        wanted.map(|b| b.of).collect()
    }

    fn process_start(&mut self) {
        self.pin_unfinished(Stream::Slog, "the node restarted before it was committed");
        self.emit(Mark::NodeStart);
    }

    /// Pins what `stream` began and the host never made durable.
    fn pin_unfinished(&mut self, stream: Stream, why: &str) {
        for of in self.all(|b| b.state == State::Open && b.begun.has(stream)) {
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

    /// Where a block that begins here has its first entry, and whether nothing
    /// before it can be missing. A host that begins again in mid-block repeats
    /// its begin entry, so a stream without a hole is all it takes.
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

    /// The stream goes on to `height`: an attempt it did not end is kept, unless
    /// the other stream saw its end.
    fn leave_open(&mut self, height: u64) {
        let unended = |b: &&Block| b.state == State::Open && !b.ended.any();
        let Some(of) = self.life.open(self.by).filter(unended).map(|b| b.of) else {
            return;
        };
        let why = if of.height == height {
            "another attempt at this height began before it ended"
        } else {
            "execution was left before its end"
        };
        self.pin(of, why);
    }

    /// Executing the next height means that the one before was committed,
    /// also where its commit entry is missing.
    fn imply_commit(&mut self, height: u64) {
        let by = self.by;
        let left = |b: &Block| {
            b.state == State::Open && b.begun.has(by) && b.ended.has(by) && b.of.height < height
        };
        for of in self.all(left) {
            self.emit(Mark::Commit(Told { of, by }));
        }
    }

    /// Of many attempts the first, the last that was executed to its end, and
    /// the newest are kept: a crash loop must not fill the ring with the others.
    fn supersede(&mut self, newest: Attempt) {
        let subject = self.life.subject(newest.height);
        let subject = subject.filter(|b| b.is_executed()).map(|b| b.of);
        let between = |b: &Block| {
            b.of.height == newest.height
                && b.of.attempt > 1
                && b.of.attempt < newest.attempt
                && Some(b.of) != subject
                && matches!(b.state, State::Open | State::Committed | State::Pinned)
        };
        for of in self.all(between) {
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
            Some((_, true)) => return,
            Some((of, false)) => Some(of),
            None => self.attach(height),
        };
        if let Some(of) = of {
            self.emit(Mark::End(Told { of, by }));
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
            self.emit(Mark::Commit(Told { of, by }));
        }
        if let Some(below) = height.checked_sub(1) {
            self.release_up_to(below, ReleasedBy::NextCommit, None);
        }
    }

    fn local_hash(&mut self, height: u64, app_hash: AppHash) {
        let of = self.known_or_attached(height);
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

    /// A block whose begin this stream never told: the recorder was attached in
    /// it. `None` if what is recorded lies above it: nothing of it can be here.
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

    /// Where records begin that no block has claimed.
    fn unclaimed(&self) -> Position {
        let behind = |b: &Block| b.until.or(b.end).unwrap_or(self.after);
        self.life.blocks.last().map_or(Position::default(), behind)
    }

    fn confirm(&mut self, height: u64, network: Option<AppHash>) {
        let unlike =
            |b: &&Block| network.is_some() && b.app_hash.is_some() && b.app_hash != network;
        match self.life.subject(height).filter(unlike).map(|b| b.of) {
            Some(of) => self.suspect(of, "the network's AppHash is another one", network),
            None => self.release_up_to(height, ReleasedBy::Network, network),
        }
    }

    /// Agreement on a height is agreement on every height below it.
    fn release_up_to(&mut self, height: u64, by: ReleasedBy, network: Option<AppHash>) {
        let proved = |b: &Block| {
            b.of.height <= height
                && matches!(b.state, State::Open | State::Committed | State::Pinned)
        };
        for of in self.all(proved) {
            let network = network.filter(|_| of.height == height);
            self.emit(Mark::Release(Release { of, by, network }));
        }
    }

    fn abort(&mut self, height: u64) {
        let meant = self.life.meant(height, self.by);
        let open = meant.filter(|b| b.state == State::Open);
        if let Some((of, over)) = open.map(|b| (b.of, b.follows(self.by))) {
            self.emit(Mark::Pin(Pin {
                of,
                why: "the host threw this execution away".to_owned(),
                network: None,
                over,
            }));
        }
    }

    fn mismatch(&mut self, seen: &Mismatch) {
        let height = seen.height.or_else(|| self.life.accused_height(seen));
        let subject = height.and_then(|h| self.life.subject(h)).map(|b| b.of);
        match subject {
            Some(of) if seen.hard => self.diverge(of, seen),
            None if seen.hard => {
                let of = self.attach_anyway(height.unwrap_or(0));
                self.diverge(of, seen);
            }
            Some(of) => {
                let network = Some(seen.network).filter(|_| seen.field == APP_HASH);
                let why = format!("a {} mismatch was seen, unproven", seen.field);
                self.suspect(of, &why, network);
            }
            None => self.doubt(
                "a mismatch was seen there, and nothing is recorded of it",
                height,
            ),
        }
    }

    /// A failure is told once: a node that keeps running keeps saying it.
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

    /// Keeps a block that may have diverged. One the network agreed with is not
    /// called back: the line is a divergent proposer's, or an old one.
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
            }));
        }
    }

    fn gap(&mut self) {
        self.emit(Mark::Loss(Loss {
            lane: Lane::Main,
            stream: Some(self.by),
            records: 0,
            bytes: 0,
            why: "the recorder was not reading; how much was missed is unknown".to_owned(),
            dropped: true,
        }));
    }
}

#[cfg(test)]
mod tests;
