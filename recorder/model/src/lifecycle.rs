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
//! ABCI proves height H good only when H+1 is decided, because AppHash(H) stands in
//! header H+1. So the *next* height releases a block.
//!
//! [`Lifecycle::on`] decides: it turns an event into marks. Only [`Lifecycle::apply`]
//! changes a block. So folding the marks of the spine gives the very same blocks, in a
//! recorder after a kill and in a reader.
//!
//! The slog is the authority. If it has a block, it alone decides where the block's
//! entries begin and end. The node's log may be ahead of it or behind it.

mod block;
mod blocks;
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
use blocks::Blocks;
use decision::Decision;

/// The header field with the result of the height before.
const APP_HASH: &str = "AppHash";

/// Most settled blocks of each kind in a checkpoint.
const RECALLED: usize = 32;

/// The blocks of one recording, and the state that the next entry needs.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    blocks: Blocks,
    sources: Vec<SourceMark>,
    /// Position from which entries belong to the next block. `None` while a block is
    /// being executed, or may be.
    boundary: Option<Boundary>,
    /// First canonical entry behind the boundary. Work before the next begin entry
    /// belongs to the block that it prepares.
    prelude: Option<Position>,
    dropped: DroppedRecords,
    /// Position of the last Loss mark without counters.
    last_loss: Option<Position>,
    /// Main counter behind the last gap.
    behind_gap: u64,
    /// Main counter behind the last start of the node's process.
    behind_start: u64,
    trust: Trust,
}

/// What the streams have said since the recorder opened. It decides how far the next line
/// of the node's log is believed. The marks do not have it: a recorder that was away must
/// believe the first height that it reads.
#[derive(Clone, Copy, Debug, Default)]
struct Trust {
    /// Highest height so far.
    reach: Option<u64>,
    /// Whether the slog has reported a block.
    slog: bool,
    /// Last height in the node's log, believed or not.
    log_at: Option<u64>,
    /// Whether a doubt was noted since `reach` last grew. One note is enough.
    noted: bool,
}

impl Lifecycle {
    /// Whether the slog reports blocks, now or before the recorder opened.
    fn is_told_by_slog(&self) -> bool {
        self.trust.slog
            || self
                .blocks
                .iter()
                .any(|block| block.begun.has(Stream::Slog))
    }
}

impl Trust {
    /// Whether an event is believed. Hosts print foreign text into the node's log. A
    /// forged line there must not release the pinned blocks of every height below the one
    /// that it names.
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
    /// Takes the progress of the slog from the ring's own marks. An attached recorder
    /// calls this, so that it weighs the node's log as if it had read the slog itself.
    /// `log_at`: last height in the node's log.
    pub fn trust_slog_of_marks(&mut self, log_at: Option<u64>) {
        self.trust.log_at = log_at;
        let reach = self.reach_of_slog();
        self.trust.slog |= reach.is_some();
        self.trust.reach = self.trust.reach.max(reach);
    }

    /// The highest height that the slog has begun. `None` if no slog reports blocks.
    pub fn reach_of_slog(&self) -> Option<u64> {
        let told = self.blocks.iter().filter(|b| b.begun.has(Stream::Slog));
        told.map(|block| block.of.height).max()
    }

    /// All blocks, in the order in which they began.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How far each source had been read, by its last mark.
    pub fn sources(&self) -> &[SourceMark] {
        &self.sources
    }

    /// The block of this attempt.
    pub fn block(&self, of: Attempt) -> Option<&Block> {
        self.blocks.at(of.height).find(|block| block.of == of)
    }

    /// The newest attempt at a height.
    pub fn latest(&self, height: u64) -> Option<&Block> {
        self.blocks.at(height).max_by_key(|b| b.of.attempt)
    }

    /// The attempt that a failure at `height` is about: the last one that was executed to
    /// its end, else the last one that ended, else the last.
    ///
    /// Three kinds of attempts never hide the one that made the state: an empty re-run of
    /// a saved block, an execution that was discarded, and one that is still running.
    pub fn subject(&self, height: u64) -> Option<&Block> {
        let rank = |b: &&Block| (b.is_executed(), b.end.is_some(), b.of.attempt);
        self.blocks.at(height).max_by_key(rank)
    }

    /// The block to freeze if the operator names none: the diverged one, the one that
    /// does not stand, or the pinned one, else the last committed, else the newest.
    pub fn default_subject(&self) -> Option<&Block> {
        let newest = |wanted: fn(&Block) -> bool| self.blocks.iter().rev().find(|b| wanted(b));
        newest(|b| b.state == State::Diverged && b.frozen.is_none())
            .or_else(|| newest(|b| b.broken && b.is_pinned()))
            .or_else(|| newest(Block::is_pinned))
            .or_else(|| newest(|b| b.committed.any()))
            .or_else(|| self.blocks.last())
    }

    /// A checkpoint of every block that is not settled. It also has some settled blocks,
    /// which readers ask for even after a loop of restarts has filled the spine with
    /// other marks: the first with a finding at each height, and the newest.
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
            opening: false,
            log_waits: None,
        }
    }

    /// Records that the recorder dropped.
    pub fn dropped(&self) -> &DroppedRecords {
        &self.dropped
    }

    /// Clears `whole` for every block that lacks a record. `holds`: whether all main
    /// records between two counters exist. `newest`: end of the recording.
    pub fn judge(&mut self, newest: u64, holds: impl Fn(u64, u64) -> bool) {
        for block in self.blocks.each().filter(|block| block.whole) {
            let until = block.end.or(block.until).map_or(newest, |at| at.main);
            block.whole = holds(block.from.main, until);
        }
    }

    /// Settled blocks that every checkpoint has.
    fn recalled(&self) -> Vec<Attempt> {
        let slog_at = self.slog_height();
        let settled = self.blocks.iter().filter(|b| b.is_settled(slog_at));
        let newest = settled.rev().take(RECALLED).map(|b| b.of);
        self.first_found().into_iter().chain(newest).collect()
    }

    /// The first settled block with a finding at each height.
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

    /// Removes the oldest settled blocks beyond `keep`. The first finding at each height
    /// is removed last.
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

    /// Position from which a recorder that was away must pass its entries to
    /// [`Self::entry`] again. `None` if a block is being executed, or may be.
    pub fn search_from(&self) -> Option<Position> {
        self.boundary.map(|boundary| boundary.at)
    }

    /// Reports a slog entry before its events: its position, and whether it is canonical.
    pub fn entry(&mut self, canonical: bool, at: Position) {
        if canonical && self.prelude.is_none() && self.open(Stream::Slog).is_none() {
            self.prelude = Some(at);
        }
    }

    /// Position of the first entry that prepares a block which has not begun.
    pub fn prelude(&self) -> Option<Position> {
        self.prelude
    }

    /// Whether the slog is inside a block, begun and not ended.
    pub fn is_executing(&self) -> bool {
        self.open(Stream::Slog).is_some()
    }

    /// Decides what an event means. `before` is the position of the event's entry,
    /// `after` the position behind it. The returned marks are already applied. The caller
    /// must publish them as one record, so that a kill cannot leave half of them.
    pub fn on(
        &mut self,
        event: &Event,
        by: Stream,
        before: Position,
        after: Position,
    ) -> Vec<Mark> {
        if by == Stream::Node {
            self.trust.log_at = event.reached().or(self.trust.log_at);
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

    /// The block that `stream` is executing: `stream` began it and did not end it.
    fn open(&self, stream: Stream) -> Option<&Block> {
        self.current(stream)
            .filter(|b| !b.ended.has(stream) && b.until.is_none())
    }

    /// The last block that `stream` began.
    fn current(&self, stream: Stream) -> Option<&Block> {
        self.blocks
            .iter()
            .rev()
            .find(|block| block.begun.has(stream))
    }

    /// The attempt that an entry of `stream` at `height` is about. The slog continues its
    /// own attempt even if the node's log is already in the next.
    fn meant(&self, height: u64, stream: Stream) -> Option<&Block> {
        let own = |b: &&Block| b.begun.has(Stream::Slog);
        let slog = self.blocks.at(height).filter(own);
        let slog = slog.max_by_key(|b| b.of.attempt);
        match stream {
            Stream::Slog => slog.or_else(|| self.latest(height)),
            Stream::Node => self.latest(height),
        }
    }

    /// Whether entries are missing behind a block, so that a later attempt at its height may
    /// be among them.
    fn may_lack_later_attempt(&self, block: &Block) -> bool {
        let end = block.end.or(block.until);
        end.is_none_or(|end| end.main < self.behind_gap)
    }

    /// Whether entries are missing behind the beginning of an attempt, so that its commit may
    /// be among them.
    fn may_be_over_in_gap(&self, of: Attempt) -> bool {
        let from = self.block(of).map(|block| block.from.main);
        from.is_some_and(|from| from < self.behind_gap)
    }

    /// Whether entries are missing since the node's process started. An attempt of an
    /// earlier process does not run.
    fn may_lack_running_attempt(&self) -> bool {
        self.behind_start < self.behind_gap
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
            // If the height is known and not recorded, no other block is accused.
            Some(height) => self.subject(height).map(|block| Accused::Of(block.of)),
            None => self.newest_accused().map(Accused::Newest),
        }
    }

    /// The block that does not stand: the attempt with its hash, else one at its height.
    /// Without a height, the newest.
    fn broken(&self, told: &Break) -> Option<Accused> {
        let Some(height) = told.height else {
            return self.newest_accused().map(Accused::Newest);
        };
        let own = |b: &&Block| b.app_hash == told.local;
        let own = self.blocks.at(height).find(own);
        // A block with another hash is another block, and may be sound.
        let unlike = |b: &&Block| told.local.is_some() && b.app_hash.is_some();
        let of = own.or_else(|| self.subject(height).filter(|b| !unlike(b)));
        // A height above all that is recorded has no place here.
        let newest = self.blocks.iter().map(|b| b.of.height).max();
        let is_far = newest.is_some_and(|newest| height > newest.saturating_add(1));
        match of {
            Some(block) => Some(Accused::Of(block.of)),
            None if is_far => self.newest_accused().map(Accused::Newest),
            None => None,
        }
    }

    /// The height that a mismatch is about. The line's own height counts first, then the
    /// block whose known hash is the line's, then the height of an earlier line.
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

    /// Whether the node's log is ahead of the block behind this height. Then a line
    /// without a height is about a block that is not recorded yet.
    fn lags(&self, height: u64) -> bool {
        let log_at = self.trust.log_at;
        log_at.is_some_and(|log_at| log_at > height.saturating_add(1))
    }

    /// Whether the known AppHash of the height is unknown, or equal to the one in the
    /// line.
    fn may_be_of(&self, seen: &Mismatch, height: u64) -> bool {
        let known = self.subject(height).and_then(|block| block.app_hash);
        seen.field != APP_HASH || known.is_none_or(|known| known == seen.local)
    }
}

/// The attempt that trouble is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accused {
    /// This attempt.
    Of(Attempt),
    /// The height is unknown: the newest recorded attempt is kept.
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
