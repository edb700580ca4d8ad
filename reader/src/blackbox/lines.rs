//! The streams of a box, item by item.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Contents;
use super::box_stream::BoxStream;
use super::damage::Damage;
use super::frames::{Frames, Part, Parts};
use super::read_ahead::ReadAhead;

/// Limit of a line in memory, in bytes. A longer line comes in pieces; a longer mark is
/// damage.
pub const PIECE_LEN: usize = 64 << 20;

/// The next item of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoxItem<'a> {
    /// A line, or the last part of one that came in pieces.
    Line {
        /// Its bytes, without the line feed.
        bytes: &'a [u8],
        /// Whether a line feed follows.
        newline: bool,
    },
    /// A part of a line that continues: [`PIECE_LEN`] bytes or a little more.
    Piece {
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Bytes of the file that yield nothing. Only the manifest may show how many lines were there.
    Hole {
        /// Offset in the file.
        offset: u64,
        /// Number of bytes; 0 at the end of a file that was cut off.
        len: u64,
        /// What is wrong with them.
        why: Damage,
    },
}

/// The items of a stream. It takes at most [`PIECE_LEN`] and 11 MiB of memory, whatever the
/// file claims or yields.
pub struct Lines {
    parts: Box<dyn Parts>,
    stream: BoxStream,
    /// Offset and length of the frame being read.
    frame: Option<(u64, u64)>,
    chunk: Vec<u8>,
    unread: Range<usize>,
    line: Vec<u8>,
    /// `line` was returned, and is cleared before it is used again.
    spent: bool,
}

/// Where the next item is.
enum Step {
    Chunk(Range<usize>),
    Whole { newline: bool },
    Piece,
    Mark,
    Hole { offset: u64, len: u64, why: Damage },
    End,
}

impl Lines {
    /// The wanted range of a stream. A long stream is decompressed ahead.
    pub(super) fn new(of: &Arc<Contents>, stream: BoxStream, wanted: Range<u64>) -> Lines {
        let frames = || Frames::new(Arc::clone(of), stream, wanted.clone());
        match ReadAhead::of_many(frames()) {
            Some(ahead) => Lines::of(stream, Box::new(ahead)),
            None => Lines::of(stream, Box::new(frames())),
        }
    }

    pub(super) fn of(stream: BoxStream, parts: Box<dyn Parts>) -> Lines {
        Lines {
            parts,
            stream,
            frame: None,
            chunk: Vec::new(),
            unread: 0..0,
            line: Vec::new(),
            spent: false,
        }
    }

    /// Returns the next item; `None` behind the last. Damage is an item. The only error is that
    /// there is no memory for a decompressor.
    #[expect(
        clippy::should_implement_trait,
        reason = "items borrow from the iterator"
    )]
    pub fn next(&mut self) -> io::Result<Option<BoxItem<'_>>> {
        let step = self.step()?;
        let line = self.line.as_slice();
        Ok(match step {
            Step::End => None,
            Step::Hole { offset, len, why } => Some(BoxItem::Hole { offset, len, why }),
            Step::Piece => Some(BoxItem::Piece { bytes: line }),
            Step::Whole { newline } => Some(BoxItem::Line {
                bytes: line,
                newline,
            }),
            Step::Mark => {
                let bytes = line.get(MARK_HEAD..).unwrap_or_default();
                Some(BoxItem::Line {
                    bytes,
                    newline: false,
                })
            }
            Step::Chunk(range) => {
                let bytes = self.chunk.get(range).unwrap_or_default();
                Some(BoxItem::Line {
                    bytes,
                    newline: true,
                })
            }
        })
    }

    fn step(&mut self) -> io::Result<Step> {
        if std::mem::take(&mut self.spent) {
            self.line.clear();
        }
        loop {
            let step = match self.unread.is_empty() {
                false => self.take_unread(),
                true => self.next_part()?,
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    fn next_part(&mut self) -> io::Result<Option<Step>> {
        match self.parts.next(&mut self.chunk)? {
            Part::Begin { at, len } => self.frame = Some((at, len)),
            Part::Chunk(wanted) => self.unread = wanted,
            Part::End => return Ok(self.end_frame()),
            Part::Hole { at, len, why } => {
                self.frame = Some((at, len));
                return Ok(Some(self.hole(why)));
            }
            Part::Over => return Ok(Some(Step::End)),
        }
        Ok(None)
    }

    fn take_unread(&mut self) -> Option<Step> {
        match self.stream {
            BoxStream::Marks => self.take_mark(),
            _ => self.take_line(),
        }
    }

    fn take_line(&mut self) -> Option<Step> {
        let unread = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', unread) else {
            self.line.extend_from_slice(unread);
            self.unread = 0..0;
            self.spent = self.line.len() >= PIECE_LEN;
            return self.spent.then_some(Step::Piece);
        };
        let start = self.unread.start;
        self.unread.start += end + 1;
        if self.line.is_empty() {
            return Some(Step::Chunk(start..start + end));
        }
        self.line
            .extend_from_slice(unread.get(..end).unwrap_or_default());
        self.spent = true;
        Some(Step::Whole { newline: true })
    }

    fn take_mark(&mut self) -> Option<Step> {
        let wanted = mark_len(&self.line).unwrap_or(MARK_HEAD);
        let unread = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let fresh = unread.get(..wanted - self.line.len()).unwrap_or(unread);
        self.line.extend_from_slice(fresh);
        self.unread.start += fresh.len();
        let whole = mark_len(&self.line)?;
        if whole > PIECE_LEN {
            self.parts.skip_frame();
            return Some(self.hole(Damage::Mark));
        }
        self.spent = self.line.len() == whole;
        self.spent.then_some(Step::Mark)
    }

    fn end_frame(&mut self) -> Option<Step> {
        if self.line.is_empty() {
            self.frame = None;
            return None;
        }
        if self.stream == BoxStream::Marks {
            return Some(self.hole(Damage::Mark));
        }
        self.frame = None;
        self.spent = true;
        Some(Step::Whole { newline: false })
    }

    /// Gives up the current frame. The beginning of a line is not returned.
    fn hole(&mut self, why: Damage) -> Step {
        self.unread = 0..0;
        self.line.clear();
        let frame = self.frame.take();
        let (offset, len) = frame.unwrap_or_default();
        Step::Hole { offset, len, why }
    }
}

/// Length of the length prefix of a mark, in bytes.
const MARK_HEAD: usize = 4;

/// The length of a mark with its prefix, once the prefix is complete.
fn mark_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(bytes.get(..MARK_HEAD)?.try_into().ok()?);
    usize::try_from(len).ok()?.checked_add(MARK_HEAD)
}
