//! Copies entries of a ring into a box, in one walk.
//!
//! The copy reads the ring through its file, as any reader does, and recording
//! goes on meanwhile.

use std::fs::File;
use std::io;

use haltbox_format::blackbox::{
    BlockFacts, BoxError, BoxWriter, Coverage, HostFingerprint, ManifestFields, Missing, Span,
};
use haltbox_format::mark::{Attempt, Loss, Mark, Position, Stamp};
use haltbox_format::ring::{Entry, Hole, HoleKind, Line, RingView, Timeline};
use haltbox_format::{BlockHash, Lane, RingId, Stream};
use haltbox_model::history::History;
use haltbox_model::lifecycle::Block;
use haltbox_model::{BlockHasher, Inputs, Profile};

/// How much of the ring is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All entries in the ring.
    Everything,
    /// The entries of one attempt at a height, and the node's log.
    Block(Attempt),
    /// The entries at or behind the first position, and before the second.
    Span(Position, Position),
}

impl Scope {
    /// Whether a record at this counter is within the span. The other scopes
    /// have no bounds.
    fn reaches(self, lane: Lane, counter: u64) -> bool {
        match self {
            Scope::Everything | Scope::Block(_) => true,
            Scope::Span(from, until) => {
                !from.is_behind(lane, counter) && until.is_behind(lane, counter)
            }
        }
    }

    /// Whether a hole overlaps the span. The other scopes have no bounds.
    fn meets(self, hole: &Hole) -> bool {
        match self {
            Scope::Everything | Scope::Block(_) => true,
            Scope::Span(from, until) => {
                !from.is_behind(hole.lane, hole.to) && until.is_behind(hole.lane, hole.from)
            }
        }
    }
}

/// A ring and what was read of it.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) file: &'a File,
    /// Its segments and records.
    pub(crate) view: &'a RingView,
    /// The blocks and marks, folded from its spine.
    pub(crate) history: &'a History,
    /// The profile that says how to read its entries.
    pub(crate) profile: &'a Profile,
}

/// Why a copy ended early.
pub(crate) enum CopyError {
    /// The box cannot be written.
    Box(BoxError),
    /// The ring cannot be read.
    Ring(io::Error),
}

impl From<BoxError> for CopyError {
    fn from(error: BoxError) -> Self {
        CopyError::Box(error)
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        CopyError::Ring(error)
    }
}

/// A box with all its lines. It still lacks its identity.
pub(crate) struct Copied {
    pub(crate) writer: BoxWriter<File>,
    /// Fields of its manifest.
    pub(crate) fields: ManifestFields,
    /// HASH of the attempt that the box is about, if its execution is whole.
    pub(crate) hash: Option<BlockHash>,
    /// Lines up to the end of that attempt, without those of other attempts at
    /// the height.
    pub(crate) evidence: u64,
    /// Inputs of that attempt.
    pub(crate) inputs: Inputs,
}

/// Copies a part of a ring. `about` is the attempt that the box is about; an
/// archive's part has none.
pub(crate) fn copy(
    ring: Reading<'_>,
    scope: Scope,
    about: Option<Attempt>,
    host: HostFingerprint,
    writer: BoxWriter<File>,
) -> Result<Copied, CopyError> {
    RingCopy::new(ring, scope, about, host, writer).run(ring)
}

struct RingCopy<'a> {
    writer: BoxWriter<File>,
    profile: &'a Profile,
    scope: Scope,
    about: Option<Attempt>,
    /// Blocks in the order of their entries. Those before index `next` have
    /// begun.
    blocks: Vec<Block>,
    next: usize,
    open: Option<Open>,
    /// Counter of the oldest main record in the ring.
    oldest: u64,
    fields: ManifestFields,
    hash: Option<BlockHash>,
    /// Slog lines written.
    slog_lines: u64,
    /// Lines of the main lane: all written ones, those before the first attempt
    /// at the height in question, and those of the attempt in question.
    lines: u64,
    before: Option<u64>,
    own: u64,
    inputs: Inputs,
    /// Numbers of the main records that were written.
    main: Option<Span>,
    /// Counter behind the last of them, and behind all its fragments.
    copied: u64,
}

/// The block whose entries are being copied.
struct Open {
    block: Block,
    hasher: Option<BlockHasher>,
}

impl<'a> RingCopy<'a> {
    fn new(
        ring: Reading<'a>,
        scope: Scope,
        about: Option<Attempt>,
        host: HostFingerprint,
        writer: BoxWriter<File>,
    ) -> RingCopy<'a> {
        let mut blocks = ring.history.life.blocks().to_vec();
        blocks.retain(|block| block.begun.has(Stream::Slog) || ring.profile.slog.is_none());
        let oldest = ring.view.lane(Lane::Main).first_counter().unwrap_or(0);
        if let Scope::Span(..) = scope {
            let reached = |block: &Block| scope.reaches(Lane::Main, block.from.main);
            blocks.retain(|block| reached(block) && !is_evicted(block, oldest));
        }
        blocks.sort_by_key(|block| (block.from.main, block.from.local));
        let fields = ManifestFields {
            host,
            ..ManifestFields::default()
        };
        RingCopy {
            writer,
            profile: ring.profile,
            scope,
            about,
            blocks,
            next: 0,
            open: None,
            oldest,
            fields,
            hash: None,
            slog_lines: 0,
            lines: 0,
            before: None,
            own: 0,
            inputs: Inputs::default(),
            main: None,
            copied: 0,
        }
    }

    fn run(mut self, ring: Reading<'_>) -> Result<Copied, CopyError> {
        let mut timeline = match self.scope {
            Scope::Span(from, _) => {
                self.evicted_before(from);
                Timeline::after(ring.file, ring.view, ring.history.marked(), from)
            }
            Scope::Everything | Scope::Block(_) => {
                Timeline::new(ring.file, ring.view, ring.history.marked())
            }
        };
        while let Some(entry) = timeline.next()? {
            match entry {
                Entry::Line(line) if self.is_over(&line) => break,
                Entry::Line(line) if !self.scope.reaches(line.lane, line.counter) => {}
                Entry::Line(line) => self.line(&line)?,
                Entry::Marks(stamp, marks, bytes) => self.marks(stamp, &marks, bytes)?,
                Entry::Hole(hole) => self.hole(hole),
            }
        }
        self.end_block();
        self.fields.coverage = self.coverage(ring.view);
        Ok(Copied {
            writer: self.writer,
            fields: self.fields,
            hash: self.hash,
            // Leave out lines of other attempts at the height: each restart
            // adds some, and they prove nothing more.
            evidence: self.before.unwrap_or(self.lines) + self.own,
            inputs: self.inputs,
        })
    }

    /// Whether the walk has passed the span. It reads local records before the
    /// main record that follows them, so none of the span comes later.
    fn is_over(&self, line: &Line<'_>) -> bool {
        let Scope::Span(_, until) = self.scope else {
            return false;
        };
        line.lane == Lane::Main && !until.is_behind(Lane::Main, line.counter)
    }

    /// Reports the records of the span that the ring overwrote before this
    /// copy.
    fn evicted_before(&mut self, from: Position) {
        if self.oldest > from.main {
            self.hole(Hole {
                lane: Lane::Main,
                from: from.main,
                to: self.oldest - 1,
                why: HoleKind::Evicted,
            });
        }
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), CopyError> {
        if line.stream == Stream::Node {
            self.cross_boundaries(line);
            if line.lane == Lane::Main {
                self.count(line);
            }
            return Ok(self.writer.node(line.bytes, line.terminated)?);
        }
        if line.context {
            return match self.scope {
                Scope::Block(_) => Ok(()),
                _ => Ok(self.writer.context(line.bytes, line.terminated)?),
            };
        }
        self.cross_boundaries(line);
        if !self.is_wanted() {
            return Ok(());
        }
        if line.lane == Lane::Main {
            self.cover(line);
        }
        self.slog_lines += 1;
        Ok(self.writer.slog(line.bytes, line.terminated)?)
    }

    fn is_wanted(&self) -> bool {
        match self.scope {
            Scope::Everything | Scope::Span(..) => true,
            Scope::Block(of) => self.open.as_ref().is_some_and(|open| open.block.of == of),
        }
    }

    /// Ends and begins blocks if the line is in another block than the one
    /// before.
    fn cross_boundaries(&mut self, line: &Line<'_>) {
        let is_behind = |at: haltbox_format::mark::Position| at.is_behind(line.lane, line.counter);
        let over = self
            .open
            .as_ref()
            .and_then(|open| open.block.until)
            .is_some_and(|until| line.lane == Lane::Main && !is_behind(until));
        if over {
            self.end_block();
        }
        while let Some(block) = self.blocks.get(self.next) {
            if line.lane != Lane::Main || is_behind(block.from) {
                break;
            }
            let block = block.clone();
            self.next += 1;
            self.end_block();
            self.begin_block(block);
        }
    }

    fn begin_block(&mut self, block: Block) {
        let rules = self.profile.slog.as_ref();
        let rules = rules.filter(|_| block.is_complete());
        let hasher = rules.map(|slog| BlockHasher::new(slog.canonical(), block.of.height));
        if self.about.is_some_and(|of| of.height == block.of.height) {
            self.before.get_or_insert(self.lines);
        }
        self.writer.block_begin(block.of.height, block.of.attempt);
        self.open = Some(Open { block, hasher });
    }

    fn end_block(&mut self) {
        let Some(Open { block, hasher }) = self.open.take() else {
            return;
        };
        // A span may end in the middle of a block, and another block may begin there.
        let is_copied = block.end.is_some_and(|end| end.main <= self.copied);
        let hash = hasher.filter(|_| is_copied).and_then(BlockHasher::finish);
        if Some(block.of) == self.about {
            self.hash = hash;
        }
        self.writer.block_end(BlockFacts {
            state: Some(block.state),
            app_hash: block.app_hash,
            network_app_hash: block.network,
            hash: hash.map(|hash| hash.to_string()),
        });
    }

    /// Counts a slog line of the main lane as covered, and hashes it if it
    /// belongs to the execution of the open block.
    fn cover(&mut self, line: &Line<'_>) {
        let span = self.main.get_or_insert(Span {
            from: line.counter,
            to: line.counter,
        });
        span.to = line.counter;
        self.copied = line.last + 1;
        let executing = self.count(line);
        let Some(open) = &mut self.open else { return };
        if line.cut.is_some() {
            open.hasher = None;
        } else if let Some(hasher) = open.hasher.as_mut().filter(|_| executing) {
            hasher.line(line.bytes);
        }
    }

    /// Counts a line of the main lane. Returns whether it belongs to the
    /// execution of the open block.
    fn count(&mut self, line: &Line<'_>) -> bool {
        self.lines += 1;
        let Some(Open { block, .. }) = &self.open else {
            return false;
        };
        let executing = block
            .end
            .is_none_or(|end| end.is_behind(Lane::Main, line.counter));
        let is_own = executing && Some(block.of) == self.about;
        self.own += u64::from(is_own);
        if is_own && line.cut.is_none() {
            self.profile.inputs.read(line.bytes, &mut self.inputs);
        }
        executing
    }

    /// Copies a group of marks, unless it has only cranks whose lines are in the
    /// box: those lines say the same.
    fn marks(&mut self, stamp: Stamp, marks: &[Mark], bytes: &[u8]) -> Result<(), CopyError> {
        if let Scope::Span(from, until) = self.scope
            && !(from.main < stamp.at.main && stamp.at.main <= until.main)
        {
            return Ok(());
        }
        let in_box = stamp.at.main > self.oldest && !matches!(self.scope, Scope::Block(_));
        for mark in marks {
            match mark {
                Mark::Crank(crank) if in_box => {
                    self.writer.crank(crank.number, Some(crank.activityhash));
                }
                Mark::Loss(loss) => self.loss(loss, stamp.at),
                _ => {}
            }
        }
        let only_cranks = marks.iter().all(|mark| matches!(mark, Mark::Crank(_)));
        if !(only_cranks && in_box) {
            self.writer.marks(bytes)?;
        }
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, at: Position) {
        if loss.breaks_blocks() && !loss.shows_as_gap() {
            self.break_open();
        }
        let missing = Missing::of_loss(loss, at, Some(self.slog_lines));
        self.fields.losses.push(missing);
    }

    /// Takes the HASH from the open block, because records behind the newest
    /// copied line are missing. A block whose last line is copied keeps it.
    fn break_open(&mut self) {
        let copied = self.copied;
        if let Some(open) = &mut self.open
            && open.block.end.is_none_or(|end| copied < end.main)
        {
            open.hasher = None;
        }
    }

    /// Notes missing records. A block that misses some of its execution gets no
    /// HASH.
    fn hole(&mut self, hole: Hole) {
        if !self.scope.meets(&hole) {
            return;
        }
        if hole.lane == Lane::Main {
            self.break_open();
            let from = self.blocks.iter_mut().skip(self.next);
            from.filter(|b| (hole.from..=hole.to).contains(&b.from.main))
                .for_each(|block| block.whole = false);
        }
        self.fields.holes.push(Missing {
            lane: Some(hole.lane),
            from: hole.from,
            to: hole.to,
            bytes: None,
            line: Some(self.slog_lines).filter(|_| hole.lane == Lane::Main),
            why: hole.why.name().to_owned(),
        });
    }

    /// What the box covers. A span covers all its counters, also those without
    /// records, because the next part begins behind them.
    fn coverage(&self, view: &RingView) -> Coverage {
        let uuid = view.superblock.map(|superblock| superblock.uuid);
        let heights = || {
            let begun = self.blocks.iter().take(self.next);
            let there = begun.filter(|block| !is_evicted(block, self.oldest));
            there.map(|block| block.of.height)
        };
        let runs = &view.lane(Lane::Local).runs;
        let local = runs.first().zip(runs.last());
        let local = local.map(|(first, last)| (first.first, last.last + 1));
        let main = self.main.map(|main| (main.from, main.to + 1));
        let (main, local) = match self.scope {
            Scope::Span(from, until) => (
                Some((from.main, until.main)),
                Some((from.local, until.local)),
            ),
            Scope::Everything | Scope::Block(_) => (main, local),
        };
        Coverage {
            ring: uuid.map(RingId),
            main: main.and_then(span),
            local: local.and_then(span),
            first_height: heights().min(),
            last_height: heights().max(),
        }
    }
}

/// Whether the ring has none of the block's lines any more.
fn is_evicted(block: &Block, oldest: u64) -> bool {
    block.until.is_some_and(|until| until.main <= oldest)
}

/// `None` if the range is empty.
fn span((from, until): (u64, u64)) -> Option<Span> {
    let to = until.checked_sub(1)?;
    (from <= to).then_some(Span { from, to })
}
