//! The streams of a box, item by item.

use std::io;
use std::ops::Range;

use haltbox_format::blackbox::{FrameKind, IDENTITY_LEN, Tag};

use super::damage::Damage;
use super::extent::{Extent, ExtentKind};
use super::inflate::Inflate;
use super::{BlackBox, overlap, verify_frame};

/// Limit of a line in memory, in bytes. A longer line comes in pieces; a longer mark is
/// damage.
pub const PIECE_LEN: usize = 64 << 20;

const CHUNK: usize = 256 * 1024;

/// The whole stream, whatever the index says of its parts.
pub(super) const WHOLE: Range<u64> = 0..u64::MAX;

/// A stream of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxStream {
    /// What the host executed.
    Slog,
    /// The node's log around the failure.
    Node,
    /// The node's own entries, which other nodes do not have.
    Context,
    /// Marks of the spine. Each comes as a line without a line feed.
    Marks,
    /// What other nodes answered about the block.
    Evidence,
}

impl BoxStream {
    pub(crate) fn kind(self) -> FrameKind {
        match self {
            BoxStream::Slog => FrameKind::Slog,
            BoxStream::Node => FrameKind::Tagged(Tag::Node),
            BoxStream::Context => FrameKind::Tagged(Tag::Context),
            BoxStream::Marks => FrameKind::Tagged(Tag::Marks),
            BoxStream::Evidence => FrameKind::Tagged(Tag::Evidence),
        }
    }
}

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

/// The items of a stream. It takes at most [`PIECE_LEN`] and 9 MiB of memory, whatever the
/// file claims or yields.
pub struct Lines<'a> {
    bx: &'a BlackBox,
    stream: BoxStream,
    /// The wanted range of the uncompressed slog.
    wanted: Range<u64>,
    next_extent: usize,
    inflate: Option<Inflate>,
    frame: Option<Frame>,
    chunk: Vec<u8>,
    unread: Range<usize>,
    line: Vec<u8>,
    /// `line` was returned, and is cleared before it is used again.
    spent: bool,
}

/// The frame being read.
struct Frame {
    at: u64,
    len: u64,
    /// Bytes of content to skip, and then to return.
    skip: u64,
    take: u64,
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

impl<'a> Lines<'a> {
    pub(super) fn new(bx: &'a BlackBox, stream: BoxStream, wanted: Range<u64>) -> Lines<'a> {
        Lines {
            bx,
            stream,
            wanted,
            next_extent: 0,
            inflate: None,
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
            if !self.unread.is_empty() {
                if let Some(step) = self.take_unread() {
                    return Ok(step);
                }
            } else if self.frame.is_some() {
                if let Some(step) = self.next_chunk() {
                    return Ok(step);
                }
            } else if let Some(step) = self.next_frame()? {
                return Ok(step);
            }
        }
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
            return Some(self.hole(Damage::Mark));
        }
        self.spent = self.line.len() == whole;
        self.spent.then_some(Step::Mark)
    }

    /// Decompresses the next chunk of the current frame, or ends it.
    fn next_chunk(&mut self) -> Option<Step> {
        let (frame, inflate) = (self.frame.as_mut()?, self.inflate.as_mut()?);
        if frame.take == 0 {
            return self.end_frame();
        }
        self.chunk.resize(CHUNK, 0);
        match inflate.pull(&self.bx.source, &mut self.chunk) {
            Ok(0) => self.end_frame(),
            Ok(fresh) => {
                self.unread = frame.wanted_part(fresh);
                None
            }
            Err(why) => Some(self.hole(why)),
        }
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
        let (offset, len) = frame.map_or((0, 0), |frame| (frame.at, frame.len));
        Step::Hole { offset, len, why }
    }

    /// Begins the stream's next frame, once it is proved.
    fn next_frame(&mut self) -> io::Result<Option<Step>> {
        let bx = self.bx;
        let Some(extent) = bx.extents.get(self.next_extent) else {
            return Ok(Some(Step::End));
        };
        self.next_extent += 1;
        if !self.concerns(extent) {
            return Ok(None);
        }
        let inflate = match &mut self.inflate {
            Some(inflate) => inflate,
            none => none.insert(Inflate::new()?),
        };
        let (range, expected) = verify_frame::zstd_part(extent);
        let proved = verify_frame::prove(&bx.source, extent, inflate)
            .and_then(|()| inflate.begin(&bx.source, range, expected));
        if let Err(why) = proved {
            let (offset, len) = (extent.at, extent.len);
            return Ok(Some(Step::Hole { offset, len, why }));
        }
        self.frame = Some(Frame::of(extent, &self.wanted));
        Ok(None)
    }

    fn concerns(&self, extent: &Extent) -> bool {
        let wanted = match (&extent.claim, self.stream) {
            _ if self.wanted == WHOLE => true,
            // A frame without a known range in the slog can only be part of the whole slog.
            (claim, BoxStream::Slog) => claim
                .as_ref()
                .is_some_and(|claim| overlap(&claim.content, &self.wanted)),
            _ => true,
        };
        wanted && self.may_hold(extent)
    }

    fn may_hold(&self, extent: &Extent) -> bool {
        let unknown = matches!(extent.kind, ExtentKind::Damaged(_)) && extent.claim.is_none();
        if unknown {
            // A manifest would have said what was here. The first page holds no lines, unless the
            // file ends in it.
            let page = extent.end() <= IDENTITY_LEN as u64;
            let cut = extent.end() == self.bx.file_len();
            return self.bx.manifest.is_none() && (cut || !page);
        }
        extent.frame_kind() == Some(self.stream.kind())
    }
}

impl Frame {
    fn of(extent: &Extent, wanted: &Range<u64>) -> Frame {
        let content = match &extent.claim {
            Some(claim) if *wanted != WHOLE => claim.content.clone(),
            _ => WHOLE,
        };
        let start = content.start.max(wanted.start);
        Frame {
            at: extent.at,
            len: extent.len,
            skip: start - content.start,
            take: content.end.min(wanted.end).saturating_sub(start),
        }
    }

    /// The wanted part of a chunk.
    fn wanted_part(&mut self, fresh: usize) -> Range<usize> {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(fresh);
        let take = usize::try_from(self.take)
            .unwrap_or(usize::MAX)
            .min(fresh - skip);
        self.skip -= skip as u64;
        self.take -= take as u64;
        skip..skip + take
    }
}

/// Length of the length prefix of a mark, in bytes.
const MARK_HEAD: usize = 4;

/// The length of a mark with its prefix, once the prefix is complete.
fn mark_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(bytes.get(..MARK_HEAD)?.try_into().ok()?);
    usize::try_from(len).ok()?.checked_add(MARK_HEAD)
}
