//! The life of a block.
//!
//! ```text
//! open --commit--> committed --commit(H+1) or confirm(H)--> confirmed (released)
//!   |                  |
//!   |                  +-- a mismatch was seen, unproven --> pinned
//!   |                  +-- proven ------------------------> diverged (frozen)
//!   |                  +-- the node says it does not stand -> pinned, broken: frozen, never released
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

mod block;
mod decision;
mod fold;
mod record;
mod told_marks;

pub use block::{Block, Finding};

use haltbox_format::Stream;
use haltbox_format::mark::{
    Attempt, BlockRecord, Boundary, Checkpoint, DroppedRecords, Mark, Position, SourceMark, State,
};

use crate::event::{Break, Event, Mismatch};
use decision::Decision;

/// The header field that holds the result of the height before.
const APP_HASH: &str = "AppHash";

/// Settled blocks of either kind that a checkpoint tells of, at most.
const RECALLED: usize = 32;

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
    dropped: DroppedRecords,
    /// Where the last loss was told of that does not say where it happened.
    last_loss: Option<Position>,
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
    /// The height that the node's log told of last, believed or not.
    log_at: Option<u64>,
    /// A doubt was noted since `reach` last grew: one note is enough.
    noted: bool,
}

impl Lifecycle {
    /// The slog tells of blocks, now or before the recorder was opened.
    fn is_told_by_slog(&self) -> bool {
        self.trust.slog
            || self
                .blocks
                .iter()
                .any(|block| block.begun.has(Stream::Slog))
    }
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
    /// The ring's own marks tell how far the slog is: what another witness tells
    /// beside a ring is weighed as if this had heard the slog itself. `log_at`: the
    /// height that the node's log told of last.
    pub fn trust_slog_of_marks(&mut self, log_at: Option<u64>) {
        self.trust.log_at = log_at;
        let told = self.blocks.iter().filter(|b| b.begun.has(Stream::Slog));
        let reach = told.map(|block| block.of.height).max();
        self.trust.slog |= reach.is_some();
        self.trust.reach = self.trust.reach.max(reach);
    }

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

    /// The block an operator means who names none: the diverged one, the one that does
    /// not stand, or the pinned one, else the last committed, else the newest.
    pub fn default_subject(&self) -> Option<&Block> {
        let newest = |wanted: fn(&Block) -> bool| self.blocks.iter().rev().find(|b| wanted(b));
        newest(|b| b.state == State::Diverged && b.frozen.is_none())
            .or_else(|| newest(|b| b.broken && b.is_pinned()))
            .or_else(|| newest(Block::is_pinned))
            .or_else(|| newest(|b| b.committed.any()))
            .or_else(|| self.blocks.last())
    }

    /// A checkpoint of everything that is not settled, and of settled blocks that are
    /// asked for still when a loop of restarts has filled the spine with other marks:
    /// the first that was found of each height, and the newest.
    pub fn checkpoint(&self) -> Checkpoint {
        let slog_at = self.slog_height();
        let recalled = self.recalled();
        let told = self.blocks.iter();
        let told = told.filter(|b| !b.is_settled(slog_at) || recalled.contains(&b.of));
        Checkpoint {
            blocks: told.cloned().map(BlockRecord::from).collect(),
            sources: self.sources.clone(),
            boundary: self.boundary,
            dropped: self.dropped.to_vec(),
            session: None,
        }
    }

    /// Records of the ring that were not kept.
    pub fn dropped(&self) -> &DroppedRecords {
        &self.dropped
    }

    /// Takes away the wholeness of every block that lacks a record. `holds`:
    /// whether all main records between two counters are there. `newest`: where
    /// the recording stands.
    pub fn judge(&mut self, newest: u64, holds: impl Fn(u64, u64) -> bool) {
        for block in self.blocks.iter_mut().filter(|block| block.whole) {
            let until = block.end.or(block.until).map_or(newest, |at| at.main);
            block.whole = holds(block.from.main, until);
        }
    }

    /// Settled blocks that every checkpoint tells of.
    fn recalled(&self) -> Vec<Attempt> {
        let slog_at = self.slog_height();
        let settled = self.blocks.iter().filter(|b| b.is_settled(slog_at));
        let newest = settled.rev().take(RECALLED).map(|b| b.of);
        self.first_found().into_iter().chain(newest).collect()
    }

    /// Of each height the first settled block with which something is wrong.
    fn first_found(&self) -> Vec<Attempt> {
        let slog_at = self.slog_height();
        let settled = self.blocks.iter().filter(|b| b.is_settled(slog_at));
        let mut found: Vec<Attempt> = Vec::new();
        for of in settled.filter(|b| b.is_found()).map(|b| b.of) {
            if found.iter().all(|known| known.height != of.height) {
                found.push(of);
            }
        }
        let surplus = found.len().saturating_sub(RECALLED);
        found.split_off(surplus)
    }

    /// Forgets the oldest settled blocks beyond `keep`; what was found first goes last.
    pub fn forget(&mut self, keep: usize) {
        let slog_at = self.slog_height();
        let mut surplus = self.blocks.len().saturating_sub(keep);
        for but in [self.first_found(), Vec::new()] {
            self.blocks.retain(|block| {
                let goes = surplus > 0 && block.is_settled(slog_at) && !but.contains(&block.of);
                surplus -= usize::from(goes);
                !goes
            });
        }
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

    /// The slog is within a block: begun, and not ended.
    pub fn is_executing(&self) -> bool {
        self.open(Stream::Slog).is_some()
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
        if by == Stream::Node {
            self.trust.log_at = event.height().or(self.trust.log_at);
        }
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
                "ignored, because the height is far above all others",
                event.height(),
            );
        }
        decide.marks
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
        let own = |b: &&Block| b.of.height == height && b.begun.has(Stream::Slog);
        let slog = self.blocks.iter().filter(own).max_by_key(|b| b.of.attempt);
        match stream {
            Stream::Slog => slog.or_else(|| self.latest(height)),
            Stream::Node => self.latest(height),
        }
    }

    /// The attempt that trouble without a height is about: the one that is being
    /// executed, else the newest.
    pub fn newest_accused(&self) -> Option<Attempt> {
        let open = self.blocks.iter().rev().find(|b| b.state == State::Open);
        open.or(self.blocks.last()).map(|b| b.of)
    }

    /// The attempt that trouble is about.
    pub fn accused(&self, event: &Event) -> Option<Accused> {
        let height = match event {
            Event::Mismatch(seen) => self.accused_height(seen),
            Event::Refused(refusal) => refusal.height,
            Event::Break(told) => return self.broken(told),
            Event::Failure { .. } | Event::Alarm { .. } => {
                return self.newest_accused().map(Accused::Of);
            }
            _ => return None,
        };
        match height {
            // Of a height that is told and not recorded nobody else is to blame.
            Some(height) => self.subject(height).map(|block| Accused::Of(block.of)),
            None => self.newest_accused().map(Accused::Newest),
        }
    }

    /// The block that does not stand: the attempt that has its hash, else the one of
    /// its height; of a height that is not told, the newest.
    fn broken(&self, told: &Break) -> Option<Accused> {
        let Some(height) = told.height else {
            return self.newest_accused().map(Accused::Newest);
        };
        let own = |b: &&Block| b.of.height == height && b.app_hash == told.local;
        let own = self.blocks.iter().rev().find(own);
        // A block with another hash is another one, which may be sound.
        let unlike = |b: &&Block| told.local.is_some() && b.app_hash.is_some();
        let of = own.or_else(|| self.subject(height).filter(|b| !unlike(b)));
        // What lies above all that is recorded has no place here.
        let newest = self.blocks.iter().map(|b| b.of.height).max();
        let is_far = newest.is_some_and(|newest| height > newest.saturating_add(1));
        match of {
            Some(block) => Some(Accused::Of(block.of)),
            None if is_far => self.newest_accused().map(Accused::Newest),
            None => None,
        }
    }

    /// The height a mismatch speaks of. What its line tells counts first, then
    /// whose hash is known to be the one it has, then what an earlier line told.
    fn accused_height(&self, seen: &Mismatch) -> Option<u64> {
        if let Some(height) = seen.height {
            return Some(height);
        }
        let newest = |wanted: &dyn Fn(&&Block) -> bool| self.blocks.iter().rev().find(wanted);
        let height = |block: &Block| block.of.height;
        newest(&|b| seen.field == APP_HASH && b.app_hash == Some(seen.local))
            .map(height)
            .or_else(|| seen.carried.filter(|height| self.may_be_of(seen, *height)))
            .or_else(|| {
                newest(&|b| b.ended.any() || b.committed.any())
                    .or(self.blocks.last())
                    .map(height)
                    .filter(|height| self.may_be_of(seen, *height) && !self.lags(*height))
            })
    }

    /// The node's log is further than the block behind this height: what it says of a
    /// height that it does not tell is of one that is not recorded yet.
    fn lags(&self, height: u64) -> bool {
        let log_at = self.trust.log_at;
        log_at.is_some_and(|log_at| log_at > height.saturating_add(1))
    }

    /// The AppHash that is known of the height is not another than the one told.
    fn may_be_of(&self, seen: &Mismatch, height: u64) -> bool {
        let known = self.subject(height).and_then(|block| block.app_hash);
        seen.field != APP_HASH || known.is_none_or(|known| known == seen.local)
    }
}

/// Whom trouble is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accused {
    /// This attempt.
    Of(Attempt),
    /// Nothing tells which height: the newest that is recorded is kept.
    Newest(Attempt),
}

impl Accused {
    /// The attempt that is kept.
    pub fn of(self) -> Attempt {
        match self {
            Accused::Of(of) | Accused::Newest(of) => of,
        }
    }
}

#[cfg(test)]
mod tests;
