//! Writes a box from its lines.
//!
//! This module collects lines into frames; [`frames`] compresses and writes them, in the
//! same thread or in its own.

mod frames;
mod join;
mod join_error;
mod options;
mod own_thread;
mod summary;

pub use join::BoxJoiner;
pub use join_error::JoinError;
pub use options::{ManifestFields, Options};
pub use own_thread::THREAD_STACK;
pub use summary::BoxSummary;

use std::io::{Seek, Write};

use super::crank_index::{Crank, CrankIndexWriter};
use super::frame::{FrameKind, Tag};
use super::identity::Identity;
use super::manifest::{BlockEntry, LIST_MAX};
use super::sink::BoxError;
use crate::mark::State;
use crate::{AppHash, Digest};
use frames::{Content, Frame, Frames};
use own_thread::OwnThread;

/// Longest line or mark, in bytes. The seek table has 32-bit sizes, so a frame must stay
/// below 4 GiB.
const LINE_MAX: usize = 1 << 31;

/// What is known about a block when its last line is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockFacts {
    /// State of the block.
    pub state: Option<State>,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network_app_hash: Option<AppHash>,
    /// HASH, if the execution is complete.
    pub hash: Option<String>,
}

/// Lines that wait for their frame.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    lines: u64,
    /// Lines in frames before this one.
    lines_before: u64,
}

impl Pending {
    fn push(&mut self, line: &[u8], newline: bool, lines: u64) {
        self.bytes.extend_from_slice(line);
        if newline {
            self.bytes.push(b'\n');
        }
        self.lines += lines;
    }

    /// Counts the pending lines as written; returns the number of the first one and their
    /// count.
    fn settle(&mut self) -> (u64, u64) {
        let range = (self.lines_before, self.lines);
        self.lines_before += self.lines;
        self.lines = 0;
        range
    }
}

/// A side stream: node log, context, marks or evidence.
struct Side {
    tag: Tag,
    pending: Pending,
}

#[derive(Default)]
struct Index {
    blocks: Vec<BlockEntry>,
    open: Option<BlockEntry>,
    cranks: CrankIndexWriter,
    crank_count: u64,
}

/// Writes a box: lines in order, with the blocks and cranks that they belong to, then
/// [`BoxWriter::finish`]. Memory: one frame of each stream and [`Options::held_bytes`],
/// whatever the length of the slog or of a line. With a thread of its own, two frames or
/// lines more.
///
/// After an error the file is not a box: remove it. The writer syncs nothing.
pub struct BoxWriter<W: Write + Seek> {
    output: Output<W>,
    options: Options,
    slog: Pending,
    sides: [Side; 4],
    /// Frames passed to the output.
    frames: usize,
    /// Uncompressed slog bytes so far.
    offset: u64,
    /// Offset of the last slog line.
    last_line: u64,
    /// Whether the next slog line begins a frame.
    cut_before_next: bool,
    index: Index,
}

/// Where frames are compressed and written.
enum Output<W: Write + Seek> {
    Here(Box<Frames<W>>),
    Thread(OwnThread<W>),
}

impl<W: Write + Seek + Send + 'static> BoxWriter<W> {
    /// Like [`BoxWriter::new`], but compresses and writes in a thread, which ends with
    /// the writer. Meanwhile the caller reads and hashes. If no thread can be started,
    /// the caller's thread does all the work.
    pub fn with_thread(out: W, options: &Options) -> Result<BoxWriter<W>, BoxError> {
        let frames = Box::new(Frames::new(out, options)?);
        let output = match OwnThread::start(frames) {
            Ok(thread) => Output::Thread(thread),
            Err(frames) => Output::Here(frames),
        };
        Ok(BoxWriter::of(output, options))
    }
}

impl<W: Write + Seek> BoxWriter<W> {
    /// Starts a box at the start of an empty file.
    pub fn new(out: W, options: &Options) -> Result<BoxWriter<W>, BoxError> {
        let frames = Box::new(Frames::new(out, options)?);
        Ok(BoxWriter::of(Output::Here(frames), options))
    }

    fn of(output: Output<W>, options: &Options) -> BoxWriter<W> {
        let side = |tag| Side {
            tag,
            pending: Pending::default(),
        };
        BoxWriter {
            output,
            options: options.clone(),
            slog: Pending::default(),
            sides: [Tag::Node, Tag::Context, Tag::Marks, Tag::Evidence].map(side),
            frames: 0,
            offset: 0,
            last_line: 0,
            cut_before_next: false,
            index: Index::default(),
        }
    }

    /// Adds a slog line, without its line feed. `newline` is false for a line whose end
    /// is missing: the line then ends its frame, so that a reader sees where it ends.
    pub fn slog(&mut self, line: &[u8], newline: bool) -> Result<(), BoxError> {
        check_length(line)?;
        if line.is_empty() && !newline {
            return Ok(());
        }
        let fits = self.slog.bytes.len() + line.len() < self.options.frame_bytes;
        let begins_block = std::mem::take(&mut self.cut_before_next);
        if !fits || begins_block {
            self.flush_slog()?;
        }
        self.last_line = self.offset;
        self.offset += line.len() as u64 + u64::from(newline);
        if line.len() < self.options.frame_bytes {
            self.slog.push(line, newline, line_count(line));
        } else {
            self.write_long(line, newline)?;
        }
        if newline { Ok(()) } else { self.flush_slog() }
    }

    /// The next slog line begins a block. This ends a block that is still open.
    pub fn block_begin(&mut self, height: u64, attempt: u32) {
        self.block_end(BlockFacts::default());
        self.cut_before_next = self.options.frame_per_block;
        self.index.open = Some(BlockEntry {
            height,
            attempt,
            first_line: self.lines(),
            offset: self.offset,
            ..BlockEntry::default()
        });
    }

    /// Ends the open block with the last slog line.
    pub fn block_end(&mut self, facts: BlockFacts) {
        let lines = self.lines();
        let Some(mut block) = self.index.open.take() else {
            return;
        };
        block.lines = lines - block.first_line;
        block.bytes = self.offset - block.offset;
        block.state = facts.state;
        block.app_hash = facts.app_hash;
        block.network_app_hash = facts.network_app_hash;
        block.name = facts
            .hash
            .as_ref()
            .map(|hash| format!("{}-{hash}", block.height));
        block.hash = facts.hash;
        self.index.blocks.push(block);
    }

    /// Updates the state of finished blocks: whether the network agreed with a block
    /// shows only later.
    pub fn restate(&mut self, state_of: impl Fn(u64, u32) -> Option<State>) {
        for block in &mut self.index.blocks {
            block.state = state_of(block.height, block.attempt).or(block.state);
        }
    }

    /// Ends a crank with the last slog line.
    pub fn crank(&mut self, number: u64, activityhash: Option<Digest>) {
        self.index.cranks.push(Crank {
            number,
            offset: self.last_line,
        });
        self.index.crank_count += 1;
        if let Some(block) = &mut self.index.open {
            block.cranks += 1;
            block.first_crank.get_or_insert(number);
            block.last_crank = Some(number);
            block.activityhash = activityhash.or(block.activityhash);
        }
    }

    /// Adds a line of the node's log. See [`BoxWriter::slog`].
    pub fn node(&mut self, line: &[u8], newline: bool) -> Result<(), BoxError> {
        self.side(0, line, newline)
    }

    /// Adds a node-local line. See [`BoxWriter::slog`].
    pub fn context(&mut self, line: &[u8], newline: bool) -> Result<(), BoxError> {
        self.side(1, line, newline)
    }

    /// Adds a spine record. Its length is stored with it, so the bytes may be anything.
    pub fn marks(&mut self, mark: &[u8]) -> Result<(), BoxError> {
        check_length(mark)?;
        let len = mark.len() as u32;
        if let Some(side) = self.sides.get_mut(2) {
            side.pending.bytes.extend(len.to_le_bytes());
            side.pending.push(mark, false, 1);
        }
        self.flush_side_if_full(2)
    }

    /// Adds a node's answer: one line without a line feed.
    pub fn evidence(&mut self, line: &[u8]) -> Result<(), BoxError> {
        self.side(3, line, true)
    }

    /// Whether the index is half full. Then it is time to finish this box (an archive
    /// file, say) and start another.
    pub fn index_half_full(&self) -> bool {
        self.frames.max(self.index.blocks.len()) >= LIST_MAX / 2
    }

    /// Bytes in the file so far.
    pub fn written(&self) -> u64 {
        match &self.output {
            Output::Here(frames) => frames.written(),
            Output::Thread(thread) => thread.written(),
        }
    }

    /// Writes the rest, then the identity with `complete` set. The caller syncs the file.
    pub fn finish(
        mut self,
        identity: Identity,
        fields: ManifestFields,
    ) -> Result<BoxSummary, BoxError> {
        self.block_end(BlockFacts::default());
        self.flush_slog()?;
        (0..self.sides.len()).try_for_each(|which| self.flush_side(which))?;
        let (slog_bytes, lines) = (self.offset, self.lines());
        let blocks = self.index.blocks.len();
        let manifest = fields.manifest(identity, std::mem::take(&mut self.index.blocks));
        let frames = match self.output {
            Output::Here(frames) => frames,
            Output::Thread(thread) => thread.join()?,
        };
        let cranks = self.index.crank_count;
        let written = frames.finish(self.index.cranks.bytes(), cranks, manifest)?;
        Ok(BoxSummary {
            bytes: written.bytes,
            slog_bytes,
            lines,
            blocks,
            cranks,
            frames: written.frames,
        })
    }

    fn lines(&self) -> u64 {
        self.slog.lines_before + self.slog.lines
    }

    fn flush_slog(&mut self) -> Result<(), BoxError> {
        if self.slog.lines == 0 {
            return Ok(());
        }
        let room = self.slog.bytes.capacity();
        let bytes = std::mem::replace(&mut self.slog.bytes, Vec::with_capacity(room));
        self.write_slog(Content::Gathered(bytes))
    }

    /// A line longer than a frame becomes a frame, and is compressed where it lies.
    fn write_long(&mut self, line: &[u8], newline: bool) -> Result<(), BoxError> {
        self.slog.lines = line_count(line);
        self.write_slog(Content::Long { line, newline })
    }

    fn write_slog(&mut self, content: Content<'_>) -> Result<(), BoxError> {
        let (first_line, lines) = self.slog.settle();
        self.put(Frame {
            kind: FrameKind::Slog,
            content,
            first_line,
            lines,
        })
    }

    fn side(&mut self, which: usize, line: &[u8], newline: bool) -> Result<(), BoxError> {
        check_length(line)?;
        if let Some(side) = self.sides.get_mut(which) {
            side.pending.push(line, newline, line_count(line));
        }
        if newline {
            self.flush_side_if_full(which)
        } else {
            self.flush_side(which)
        }
    }

    fn flush_side_if_full(&mut self, which: usize) -> Result<(), BoxError> {
        let pending = self
            .sides
            .get(which)
            .map_or(0, |side| side.pending.bytes.len());
        if pending < self.options.side_frame_bytes {
            Ok(())
        } else {
            self.flush_side(which)
        }
    }

    fn flush_side(&mut self, which: usize) -> Result<(), BoxError> {
        let Some(side) = self.sides.get_mut(which) else {
            return Ok(());
        };
        if side.pending.bytes.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut side.pending.bytes);
        let (first_line, lines) = side.pending.settle();
        let kind = FrameKind::Tagged(side.tag);
        self.put(Frame {
            kind,
            content: Content::Gathered(bytes),
            first_line,
            lines,
        })
    }

    fn put(&mut self, frame: Frame<'_>) -> Result<(), BoxError> {
        self.frames += 1;
        match &mut self.output {
            Output::Here(frames) => frames.put(&frame),
            Output::Thread(thread) => thread.put(frame.gathered()),
        }
    }
}

fn check_length(line: &[u8]) -> Result<(), BoxError> {
    let len = line.len();
    if len <= LINE_MAX {
        Ok(())
    } else {
        Err(BoxError::LineTooLong { len })
    }
}

/// A record that contains line feeds counts as several lines, as readers see them.
fn line_count(line: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', line).count() as u64 + 1
}

#[cfg(test)]
mod tests;
