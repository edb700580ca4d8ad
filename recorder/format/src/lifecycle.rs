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

use serde::{Deserialize, Serialize};

use crate::app_hash::{AppHash, Digest};
use crate::event::{Event, Mismatch};
use crate::mark::{
    Attempt, Begin, Checkpoint, Crank, Diverged, LocalHash, Loss, Mark, Pin, Position, Release,
    ReleasedBy, SourceMark, Told,
};
use crate::stream::{Lane, Stream};

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
    /// Behind the last entry of its execution.
    pub end: Option<Position>,
    /// Where what follows no longer belongs to it.
    pub until: Option<Position>,
    /// Nothing before its first entry can be missing.
    pub whole: bool,
    /// Records of it were lost.
    pub holed: bool,
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
            holed: false,
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
        self.whole && !self.holed && self.end.is_some() && self.ended.slog
    }
}

/// The blocks of one recording and what is needed to follow the next entry.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    blocks: Vec<Block>,
    sources: Vec<SourceMark>,
    /// Nothing between the last block's end (or the process start) and here
    /// can be missing.
    continuous: bool,
    /// First canonical entry since then: work before the next begin entry
    /// belongs to the block it prepares.
    prelude: Option<Position>,
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
    pub fn subject(&self, height: u64) -> Option<&Block> {
        let rank = |b: &&Block| (b.end.is_some() && b.executed, b.end.is_some(), b.of.attempt);
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

    /// A checkpoint of everything that is not released.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            blocks: self
                .blocks
                .iter()
                .filter(|b| b.is_protected() || b.until.is_none())
                .cloned()
                .collect(),
            sources: self.sources.clone(),
            continuous: self.continuous,
        }
    }

    /// Forgets the oldest released blocks beyond `keep`.
    pub fn forget(&mut self, keep: usize) {
        let mut surplus = self.blocks.len().saturating_sub(keep);
        self.blocks.retain(|block| {
            let goes = surplus > 0 && !block.is_protected();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// Where the search for the next block's first entry has to begin again
    /// after the recorder was away, if no block is open.
    pub fn last_end(&self) -> Option<Position> {
        self.blocks
            .iter()
            .rev()
            .find(|b| b.begun.slog)
            .and_then(|b| b.end)
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
        let mut decide = Decision {
            life: self,
            after,
            marks: Vec::new(),
        };
        match event {
            Event::ProcessStart => decide.process_start(),
            Event::Begin { height, early } => decide.begin(*height, *early, by, before),
            Event::Executed => decide.executed(),
            Event::Crank {
                number,
                crankhash,
                activityhash,
            } => decide.emit(Mark::Crank(Crank {
                number: *number,
                crankhash: *crankhash,
                activityhash: *activityhash,
            })),
            Event::End { height } => decide.end(*height, by),
            Event::Commit { height, app_hash } => decide.commit(*height, *app_hash, by),
            Event::LocalHash { height, app_hash } => decide.local_hash(*height, *app_hash),
            Event::Confirm { height, app_hash } => decide.confirm(*height, *app_hash, by),
            Event::Abort { height } => decide.abort(*height),
            Event::Mismatch(mismatch) => decide.mismatch(mismatch),
            Event::Gap => decide.gap(by),
            Event::StreamEnd => decide.stream_end(by),
        }
        decide.marks
    }

    /// Folds one mark that stands at `at`.
    pub fn apply(&mut self, mark: &Mark, at: Position) {
        match mark {
            Mark::Begin(begin) => self.apply_begin(begin),
            Mark::Executed(of) => self.change(*of, |b| b.executed = true),
            Mark::End(told) => self.apply_end(told, at),
            Mark::Commit(told) => self.change(told.of, |b| b.commit(told.by)),
            Mark::LocalHash(hash) => self.change(hash.of, |b| b.app_hash = Some(hash.app_hash)),
            Mark::Release(release) => self.change(release.of, |b| b.release(release)),
            Mark::Pin(pin) => self.change(pin.of, |b| b.pin(pin)),
            Mark::Diverged(diverged) => self.change(diverged.of, |b| b.diverge(diverged)),
            Mark::Frozen(frozen) => {
                self.change(frozen.of, |b| b.frozen = Some(frozen.name.clone()));
            }
            Mark::Crank(crank) => self.apply_crank(crank),
            Mark::Loss(loss) => self.apply_loss(loss),
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

    fn apply_begin(&mut self, begin: &Begin) {
        for block in self
            .blocks
            .iter_mut()
            .filter(|b| b.of != begin.of && b.until.is_none())
        {
            if block.follows(begin.by) {
                block.until = Some(begin.from);
            }
        }
        if self.block(begin.of).is_none() {
            self.blocks.push(Block::new(begin.of, begin.from));
        }
        self.change(begin.of, |block| block.begin(begin));
        if begin.by == Stream::Slog {
            self.move_last(begin.of);
            self.prelude = None;
            self.continuous = false;
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
        self.continuous |= told.by == Stream::Slog;
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

    fn apply_loss(&mut self, loss: &Loss) {
        if loss.lane != Lane::Main || loss.stream == Some(Stream::Node) {
            return;
        }
        if loss.dropped {
            self.continuous = false;
            self.prelude = None;
        }
        if let Some(of) = self.open(Stream::Slog).map(|b| b.of) {
            self.change(of, |block| block.holed = true);
        }
    }

    fn apply_node_start(&mut self, at: Position) {
        for block in self.blocks.iter_mut().filter(|b| b.until.is_none()) {
            block.until = Some(at);
        }
        self.continuous = true;
        self.prelude = None;
    }

    fn apply_checkpoint(&mut self, checkpoint: &Checkpoint) {
        for known in &checkpoint.blocks {
            if self.block(known.of).is_none() {
                self.blocks.push(known.clone());
            }
            self.change(known.of, |block| *block = known.clone());
        }
        self.sources.clone_from(&checkpoint.sources);
        self.continuous = checkpoint.continuous;
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
        self.early = begin.early;
        if self.follows(begin.by) {
            self.from = begin.from;
            self.whole = begin.whole;
            self.until = None;
        }
    }

    fn commit(&mut self, by: Stream) {
        self.committed.add(by);
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

    fn pin(&mut self, pin: &Pin) {
        self.network = pin.network.or(self.network);
        if self.state != State::Diverged {
            self.state = State::Pinned;
            self.why = Some(pin.why.clone());
        }
    }

    fn diverge(&mut self, diverged: &Diverged) {
        self.state = State::Diverged;
        self.why = Some(diverged.field.clone());
        self.app_hash = Some(diverged.local);
        self.network = Some(diverged.network);
    }
}

/// One event's decisions: every mark is applied as it is made.
struct Decision<'a> {
    life: &'a mut Lifecycle,
    after: Position,
    marks: Vec<Mark>,
}

impl Decision<'_> {
    fn emit(&mut self, mark: Mark) {
        self.life.apply(&mark, self.after);
        self.marks.push(mark);
    }

    fn pin(&mut self, of: Attempt, why: &str, network: Option<AppHash>) {
        self.emit(Mark::Pin(Pin {
            of,
            why: why.to_owned(),
            network,
        }));
    }

    fn process_start(&mut self) {
        let cut: Vec<Attempt> = self.unfinished(Stream::Slog);
        for of in cut {
            self.pin(of, "the node restarted in mid-block", None);
        }
        self.emit(Mark::NodeStart);
    }

    /// Blocks `stream` began and the host never made durable.
    fn unfinished(&self, stream: Stream) -> Vec<Attempt> {
        let unfinished = |b: &&Block| b.state == State::Open && b.begun.has(stream);
        self.life
            .blocks
            .iter()
            .filter(unfinished)
            .map(|b| b.of)
            .collect()
    }

    fn begin(&mut self, height: u64, early: bool, by: Stream, before: Position) {
        if let Some(open) = self.life.open(by) {
            let of = open.of;
            let continues = open.of.height == height && (early || open.early);
            if continues {
                if !early {
                    self.join(of, by, before, false);
                }
                return;
            }
            self.leave(of, height, by);
        }
        self.imply_commit(height, by);
        match self
            .life
            .latest(height)
            .filter(|b| !b.begun.has(by))
            .map(|b| b.of)
        {
            Some(of) => self.join(of, by, before, early),
            None => self.begin_attempt(height, by, before, early),
        }
    }

    /// The stream went on to `height` without ending the attempt it was in.
    fn leave(&mut self, of: Attempt, height: u64, by: Stream) {
        let other = match by {
            Stream::Slog => Stream::Node,
            Stream::Node => Stream::Slog,
        };
        if self
            .life
            .block(of)
            .is_some_and(|b| b.state == State::Open && !b.ended.has(other))
        {
            let why = if of.height == height {
                "another attempt at this height began before it ended"
            } else {
                "execution was left before its end"
            };
            self.pin(of, why, None);
        }
    }

    /// Executing the next height means that the one before was committed,
    /// also where its commit entry is missing.
    fn imply_commit(&mut self, height: u64, by: Stream) {
        let left = |b: &&Block| {
            b.state == State::Open && b.begun.has(by) && b.ended.has(by) && b.of.height < height
        };
        let left: Vec<Attempt> = self.life.blocks.iter().filter(left).map(|b| b.of).collect();
        for of in left {
            self.emit(Mark::Commit(Told { of, by }));
        }
    }

    fn join(&mut self, of: Attempt, by: Stream, before: Position, early: bool) {
        let (from, whole) = match self.life.block(of) {
            Some(block) if block.begun.has(by) => (block.from, block.whole),
            _ => self.first_entry(before, by),
        };
        self.emit(Mark::Begin(Begin {
            of,
            from,
            whole,
            by,
            early,
        }));
    }

    fn begin_attempt(&mut self, height: u64, by: Stream, before: Position, early: bool) {
        let attempt = self
            .life
            .latest(height)
            .map_or(1, |b| b.of.attempt.saturating_add(1));
        let (from, whole) = self.first_entry(before, by);
        let of = Attempt { height, attempt };
        self.supersede(of);
        self.emit(Mark::Begin(Begin {
            of,
            from,
            whole,
            by,
            early,
        }));
    }

    /// Of many attempts the first and the latest are kept: a crash loop must
    /// not fill the ring with the attempts between.
    fn supersede(&mut self, newest: Attempt) {
        let between = |b: &&Block| {
            b.of.height == newest.height
                && b.of.attempt > 1
                && b.of.attempt < newest.attempt
                && b.state == State::Pinned
                && b.network.is_none()
        };
        let between: Vec<Attempt> = self
            .life
            .blocks
            .iter()
            .filter(between)
            .map(|b| b.of)
            .collect();
        for of in between {
            self.emit(Mark::Release(Release {
                of,
                by: ReleasedBy::LaterAttempt,
                network: None,
            }));
        }
    }

    fn first_entry(&self, before: Position, by: Stream) -> (Position, bool) {
        match by {
            Stream::Slog => (self.life.prelude.unwrap_or(before), self.life.continuous),
            Stream::Node => (before, false),
        }
    }

    fn executed(&mut self) {
        let of = self
            .life
            .open(Stream::Slog)
            .filter(|b| !b.executed)
            .map(|b| b.of);
        if let Some(of) = of {
            self.emit(Mark::Executed(of));
        }
    }

    fn end(&mut self, height: u64, by: Stream) {
        let begun = self.life.latest(height).filter(|b| b.begun.has(by));
        let of = match begun {
            Some(block) if block.ended.has(by) => return,
            Some(block) => block.of,
            None => self.attached(height, by),
        };
        self.emit(Mark::End(Told { of, by }));
    }

    fn commit(&mut self, height: u64, app_hash: Option<AppHash>, by: Stream) {
        let of = self.known_or_attached(height, by);
        if let Some(app_hash) = app_hash {
            self.emit(Mark::LocalHash(LocalHash { of, app_hash }));
        }
        if self.life.block(of).is_some_and(|b| !b.committed.has(by)) {
            self.emit(Mark::Commit(Told { of, by }));
        }
        if let Some(below) = height.checked_sub(1) {
            self.release_up_to(below, ReleasedBy::NextCommit, None);
        }
    }

    fn known_or_attached(&mut self, height: u64, by: Stream) -> Attempt {
        match self.life.latest(height).map(|b| b.of) {
            Some(of) => of,
            None => self.attached(height, by),
        }
    }

    /// A block whose begin was never seen: the recorder was attached in it.
    fn attached(&mut self, height: u64, by: Stream) -> Attempt {
        let of = self
            .life
            .latest(height)
            .map_or(Attempt { height, attempt: 1 }, |b| b.of);
        let from = self.life.prelude.unwrap_or_else(|| self.unclaimed());
        self.emit(Mark::Begin(Begin {
            of,
            from,
            whole: false,
            by,
            early: false,
        }));
        of
    }

    /// Where records begin that no block has claimed.
    fn unclaimed(&self) -> Position {
        self.life.blocks.last().map_or(Position::default(), |b| {
            b.until.or(b.end).unwrap_or(self.after)
        })
    }

    fn local_hash(&mut self, height: u64, app_hash: AppHash) {
        let of = self.known_or_attached(height, Stream::Node);
        if self
            .life
            .block(of)
            .is_some_and(|b| b.app_hash != Some(app_hash))
        {
            self.emit(Mark::LocalHash(LocalHash { of, app_hash }));
        }
    }

    fn confirm(&mut self, height: u64, network: Option<AppHash>, by: Stream) {
        let differs = self.life.latest(height).filter(|b| {
            by == Stream::Slog && network.is_some() && b.app_hash.is_some() && b.app_hash != network
        });
        match differs.map(|b| b.of) {
            Some(of) => self.pin(of, "the network's AppHash is another one", network),
            None => self.release_up_to(height, ReleasedBy::Network, network),
        }
    }

    /// Agreement on a height is agreement on every height below it.
    fn release_up_to(&mut self, height: u64, by: ReleasedBy, network: Option<AppHash>) {
        let proved = |b: &&Block| {
            b.of.height <= height
                && matches!(b.state, State::Open | State::Committed | State::Pinned)
        };
        let proved: Vec<Attempt> = self
            .life
            .blocks
            .iter()
            .filter(proved)
            .map(|b| b.of)
            .collect();
        for of in proved {
            let network = network.filter(|_| of.height == height);
            self.emit(Mark::Release(Release { of, by, network }));
        }
    }

    fn abort(&mut self, height: u64) {
        let open = self
            .life
            .latest(height)
            .filter(|b| b.state == State::Open)
            .map(|b| b.of);
        if let Some(of) = open {
            self.pin(of, "the host threw this execution away", None);
        }
    }

    fn mismatch(&mut self, seen: &Mismatch) {
        let of = self.accused(seen);
        let Some(block) = self.life.block(of) else {
            return;
        };
        let settled = block.state == State::Diverged;
        if seen.hard && !settled {
            let Mismatch {
                field,
                local,
                network,
                ..
            } = seen.clone();
            self.emit(Mark::Diverged(Diverged {
                of,
                field,
                local,
                network,
            }));
        } else if !seen.hard && matches!(block.state, State::Open | State::Committed) {
            let why = format!("a {} mismatch was seen, unproven", seen.field);
            self.pin(of, &why, Some(seen.network));
        }
    }

    /// The block a mismatch speaks of. A line without a height means the block
    /// whose result it quotes, else the one that was executed last.
    fn accused(&mut self, seen: &Mismatch) -> Attempt {
        let quoted = |life: &Lifecycle| {
            let result = |b: &&Block| b.app_hash == Some(seen.local) && seen.field == "AppHash";
            life.blocks.iter().rev().find(result).map(|b| b.of.height)
        };
        let executed = |life: &Lifecycle| {
            let done = |b: &&Block| b.ended.any() || b.committed.any();
            life.blocks
                .iter()
                .rev()
                .find(done)
                .or(life.blocks.last())
                .map(|b| b.of.height)
        };
        let height = seen
            .height
            .or_else(|| quoted(self.life))
            .or_else(|| executed(self.life))
            .unwrap_or(0);
        match self.life.subject(height).map(|b| b.of) {
            Some(of) => of,
            None => self.attached(height, Stream::Node),
        }
    }

    fn gap(&mut self, by: Stream) {
        self.emit(Mark::Loss(Loss {
            lane: Lane::Main,
            stream: Some(by),
            records: 0,
            bytes: 0,
            why: "the recorder was not reading; how much was missed is unknown".to_owned(),
            dropped: true,
        }));
    }

    fn stream_end(&mut self, by: Stream) {
        for of in self.unfinished(by) {
            self.pin(of, "the stream ended in mid-block", None);
        }
    }
}
