//! Folds marks. Nothing else changes a block.

use haltbox_format::mark::{
    Attempt, Begin, Boundary, Checkpoint, Counters, Crank, Diverged, Loss, Mark, Pin, Position,
    Release, ReleasedBy, Reported, SourceMark, State,
};
use haltbox_format::{Lane, Stream};

use super::block::Block;
use super::{APP_HASH, Lifecycle};

impl Lifecycle {
    /// Applies one mark at position `at`.
    pub fn apply(&mut self, mark: &Mark, at: Position) {
        self.dropped.take(mark);
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
            Mark::Session(_) | Mark::Close | Mark::Note(_) | Mark::LogWait(_) => {}
        }
    }

    fn change(&mut self, of: Attempt, change: impl FnOnce(&mut Block)) {
        self.blocks.change(of, change);
    }

    fn apply_begin(&mut self, begin: &Begin) {
        let passed = |b: &Block| begin.by == Stream::Slog && b.of.height < begin.of.height;
        let running = self.blocks.running().iter_mut();
        for block in running.filter(|b| b.of != begin.of && b.until.is_none()) {
            if block.follows(begin.by) || passed(block) {
                block.until = Some(begin.from);
            }
        }
        if !begin.joins {
            if self.blocks.index(begin.of).is_some() {
                self.blocks.retain(|b| b.of != begin.of);
            }
            self.blocks.push(Block::new(begin.of, begin.from));
        }
        self.change(begin.of, |block| block.begin(begin));
        if begin.by == Stream::Slog {
            self.move_last(begin.of);
            self.prelude = None;
            self.boundary = None;
        }
    }

    /// Keeps blocks in the order of the slog, even if the node's log was ahead.
    fn move_last(&mut self, of: Attempt) {
        let Some(index) = self.blocks.index(of) else {
            return;
        };
        let after = self.blocks[index..]
            .iter()
            .rposition(|b| b.begun.has(Stream::Slog))
            .unwrap_or(0);
        self.blocks.move_back(index, after);
    }

    /// Whether no other block is open. Behind a gap the stream may be back in an earlier
    /// block: entries behind its end then go to the block that is still open, and may be
    /// the first work of the next one.
    fn is_current(&self, of: Attempt) -> bool {
        self.open(Stream::Slog).is_none_or(|open| open.of == of)
    }

    fn apply_end(&mut self, told: &Reported, at: Position) {
        let is_current = self.is_current(told.of);
        self.change(told.of, |block| {
            block.ended.add(told.by);
            if block.follows(told.by) {
                block.end = Some(at);
            }
        });
        if told.by == Stream::Slog {
            self.set_boundary(at, is_current);
        }
    }

    fn apply_commit(&mut self, told: &Reported, at: Position) {
        self.change(told.of, |block| block.commit(told.by, at));
        let end_is_missing = self.boundary.is_none();
        if told.by == Stream::Slog && end_is_missing {
            self.set_boundary(at, false);
        }
    }

    fn apply_pin(&mut self, pin: &Pin, at: Position) {
        let is_current = self.is_current(pin.of);
        self.change(pin.of, |block| block.pin(pin, at));
        if pin.over
            && self
                .block(pin.of)
                .is_some_and(|b| b.begun.has(Stream::Slog))
        {
            self.set_boundary(at, is_current);
        }
    }

    /// The marks of a block that was released long ago may be evicted. That it diverged
    /// is kept all the same.
    fn apply_diverged(&mut self, diverged: &Diverged, at: Position) {
        if self.block(diverged.of).is_none() {
            self.blocks.push(Block::new(diverged.of, at));
        }
        self.change(diverged.of, |block| block.diverge(diverged, at));
    }

    /// Entries behind `at` belong to the next block.
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

    /// A loss spoils every block of which a record may be missing.
    fn apply_loss(&mut self, loss: &Loss, at: Position) {
        if loss.lane != Lane::Main || loss.stream == Some(Stream::Node) {
            return;
        }
        let behind = loss.counters.map_or(at.main, |lost| lost.until);
        self.behind_gap = self.behind_gap.max(behind);
        match loss.counters {
            Some(counters) => self.spoil(counters),
            None => self.spoil_since_last_loss(at),
        }
        let reaches = |from: u64| loss.counters.is_none_or(|lost| lost.reach(from));
        let open = self.open(Stream::Slog).filter(|b| reaches(b.from.main));
        if let Some(of) = open.map(|b| b.of) {
            self.change(of, |block| block.whole = false);
        }
        if let Some(boundary) = self.boundary.filter(|b| reaches(b.at.main)) {
            let at = if loss.dropped { at } else { boundary.at };
            self.boundary = Some(Boundary { at, whole: false });
        }
        if loss.dropped {
            self.prelude = None;
        }
    }

    fn spoil(&mut self, lost: Counters) {
        let touched = |b: &&mut Block| {
            let behind = b.end.is_none_or(|end| end.main > lost.from);
            behind && b.from.main < lost.until
        };
        let blocks = self.blocks.each().filter(touched);
        blocks.for_each(|block| block.whole = false);
    }

    /// An older recorder does not say where it dropped records: anywhere since its last
    /// Loss mark.
    fn spoil_since_last_loss(&mut self, at: Position) {
        let (from, until) = (self.last_loss.unwrap_or(at).main, at.main + 1);
        self.spoil(Counters { from, until });
        self.last_loss = Some(at);
    }

    fn apply_node_start(&mut self, at: Position) {
        for block in self.blocks.each().filter(|b| b.until.is_none()) {
            block.until = Some(at);
        }
        self.behind_start = at.main;
        self.set_boundary(at, true);
    }

    /// Inserts blocks whose own marks were evicted before the block that they preceded.
    fn apply_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let mut place = self.blocks.len();
        for told in checkpoint.blocks.iter().rev() {
            match self.blocks.index(told.of) {
                Some(index) => {
                    self.blocks.replace(index, told.clone().into());
                    place = index;
                }
                None => self.blocks.insert(place, told.clone().into()),
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
    /// Whether `stream` decides where the block's entries begin and end. The slog does
    /// for every block that it began.
    pub(super) fn follows(&self, stream: Stream) -> bool {
        match stream {
            Stream::Slog => self.begun.has(Stream::Slog),
            Stream::Node => !self.begun.has(Stream::Slog),
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
        let decided = self.state != State::Open;
        if self.state != State::Diverged && !(pin.over && decided) {
            self.state = State::Pinned;
            self.why = Some(pin.why.clone());
            if pin.broken && !self.broken {
                // A box that was written before shows a doubt at most.
                self.frozen = None;
            }
            self.broken |= pin.broken;
        }
        if pin.over {
            if !decided {
                self.end = None;
            }
            self.until.get_or_insert(at);
        }
    }

    fn diverge(&mut self, diverged: &Diverged, at: Position) {
        if self.state != State::Diverged {
            // A box that was written before shows a doubt, not the proof.
            self.frozen = None;
        }
        self.state = State::Diverged;
        self.why = Some(diverged.field.clone());
        if diverged.field == APP_HASH {
            self.app_hash = Some(diverged.local);
            self.network = Some(diverged.network);
        }
        if !self.begun.has(Stream::Slog) {
            self.until.get_or_insert(at);
        }
    }
}
