//! The content of a stream's frames, chunk by chunk. A frame is proved before its first byte is
//! returned.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use haltbox_format::blackbox::IDENTITY_LEN;

use super::box_stream::BoxStream;
use super::damage::Damage;
use super::extent::{Extent, ExtentKind};
use super::inflate::Inflate;
use super::{Contents, overlap, verify_frame};

/// Length of a chunk in bytes.
pub(super) const CHUNK: usize = 256 * 1024;

/// The whole stream, whatever the index says of its parts.
pub(super) const WHOLE: Range<u64> = 0..u64::MAX;

/// What comes next of a stream.
#[derive(Debug)]
pub(super) enum Part {
    /// A frame that is proved. `at` and `len`: its place in the file.
    Begin { at: u64, len: u64 },
    /// The wanted part of the chunk.
    Chunk(Range<usize>),
    /// The end of the frame's content.
    End,
    /// Bytes of the file that yield nothing more.
    Hole { at: u64, len: u64, why: Damage },
    /// No frame is left.
    Over,
}

/// Where the parts of a stream come from.
pub(super) trait Parts {
    /// Returns the next part. The bytes of a chunk are in `chunk`; otherwise it has no meaning.
    fn next(&mut self, chunk: &mut Vec<u8>) -> io::Result<Part>;

    /// Gives up the current frame.
    fn skip_frame(&mut self);
}

/// The frames of a stream, in their order.
pub(super) struct Frames {
    of: Arc<Contents>,
    stream: BoxStream,
    /// The wanted range of the uncompressed slog.
    wanted: Range<u64>,
    next_extent: usize,
    inflate: Option<Inflate>,
    frame: Option<Frame>,
}

/// The frame being read.
struct Frame {
    at: u64,
    len: u64,
    /// Bytes of content to skip, and then to return.
    skip: u64,
    take: u64,
}

impl Parts for Frames {
    fn next(&mut self, chunk: &mut Vec<u8>) -> io::Result<Part> {
        match self.frame {
            Some(_) => Ok(self.next_chunk(chunk)),
            None => self.next_frame(),
        }
    }

    fn skip_frame(&mut self) {
        self.frame = None;
    }
}

impl Frames {
    pub(super) fn new(of: Arc<Contents>, stream: BoxStream, wanted: Range<u64>) -> Frames {
        Frames {
            of,
            stream,
            wanted,
            next_extent: 0,
            inflate: None,
            frame: None,
        }
    }

    /// The number of frames, and of damaged places that may be frames.
    pub(super) fn count(&self) -> usize {
        let concerned = self
            .of
            .extents
            .iter()
            .filter(|extent| self.concerns(extent));
        concerned.count()
    }

    /// Decompresses the next chunk of the current frame, or ends it.
    fn next_chunk(&mut self, chunk: &mut Vec<u8>) -> Part {
        let (Some(frame), Some(inflate)) = (&mut self.frame, &mut self.inflate) else {
            return Part::End;
        };
        let (at, len) = (frame.at, frame.len);
        chunk.resize(CHUNK, 0);
        let fresh = match frame.take {
            0 => Ok(0),
            _ => inflate.pull(&self.of.source, chunk),
        };
        let part = match fresh {
            Ok(0) => Part::End,
            Ok(fresh) => return Part::Chunk(frame.wanted_part(fresh)),
            Err(why) => Part::Hole { at, len, why },
        };
        self.frame = None;
        part
    }

    /// Begins the stream's next frame, once it is proved.
    fn next_frame(&mut self) -> io::Result<Part> {
        let of = Arc::clone(&self.of);
        let rest = of.extents.get(self.next_extent..).unwrap_or_default();
        let Some(skipped) = rest.iter().position(|extent| self.concerns(extent)) else {
            self.next_extent = of.extents.len();
            return Ok(Part::Over);
        };
        self.next_extent += skipped + 1;
        let Some(extent) = rest.get(skipped) else {
            return Ok(Part::Over);
        };
        let (at, len) = (extent.at, extent.len);
        if let Err(why) = self.begin(extent)? {
            return Ok(Part::Hole { at, len, why });
        }
        self.frame = Some(Frame::of(extent, &self.wanted));
        Ok(Part::Begin { at, len })
    }

    /// Proves a frame and begins to decompress it. The outer error is that there is no memory
    /// for a decompressor.
    fn begin(&mut self, extent: &Extent) -> io::Result<Result<(), Damage>> {
        let inflate = match &mut self.inflate {
            Some(inflate) => inflate,
            none => none.insert(Inflate::new()?),
        };
        let source = &self.of.source;
        let (range, expected) = verify_frame::zstd_part(extent);
        let proved = verify_frame::prove(source, extent, inflate);
        Ok(proved.and_then(|()| inflate.begin(source, range, expected)))
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
            let cut = extent.end() == self.of.source.len();
            return self.of.manifest.is_none() && (cut || !page);
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
