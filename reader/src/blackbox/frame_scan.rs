//! Finds the frames without an index: frame by frame from the start, and behind damage from
//! the next place that looks like a frame.

use haltbox_format::blackbox::{
    BLOCK_HEAD_LEN, BlockHead, FOOTER_LEN, FRAME_MAGIC, Footer, HEAD_LEN, SEEK_MAGIC, Tag,
    ZSTD_HEAD_MAX, ZSTD_MAGIC, ZstdHead, is_skippable,
};

use super::damage::Damage;
use super::extent::{Extent, ExtentKind, magic, skippable};
use super::inflate::Inflate;
use super::source::{Source, Window};
use super::verify_frame;

/// Limit of the work on places that turn out not to be frames, in block headers. A file full
/// of false starts must not take quadratic time.
const BUDGET: u64 = 1 << 22;
/// Bytes of a proof that cost as much as a block header.
const PROOF_STEP: u64 = 1024;
const SCAN_LEN: usize = 1 << 20;
/// Limit of the ranges that are kept. The rest of such a file is one hole.
const EXTENTS_MAX: usize = 1 << 20;

/// Divides the whole file into frames and damage.
pub(super) fn frame_scan(source: &Source) -> Vec<Extent> {
    let mut frame_scan = FrameScan {
        source,
        window: Window::new(source),
        budget: BUDGET,
    };
    let mut extents: Vec<Extent> = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let full = extents.len() >= EXTENTS_MAX;
        let frame = if full { None } else { frame_scan.frame_at(at) };
        let frame = frame.unwrap_or_else(|| {
            let end = if full {
                source.len()
            } else {
                frame_scan.resync(at + 1)
            };
            Extent::new(at, end - at, ExtentKind::Damaged(frame_scan.why(at, end)))
        });
        at = frame.end();
        extents.push(frame);
    }
    extents.extend(missing_end(source, &extents));
    extents
}

/// A file that ends with a sound frame, but without the frames that end every box, was cut off
/// there. Without this hole it would look as if the slog ended.
fn missing_end(source: &Source, extents: &[Extent]) -> Option<Extent> {
    let ends = |e: &Extent| {
        matches!(
            e.kind,
            ExtentKind::SeekTable | ExtentKind::Tagged(Tag::Manifest)
        )
    };
    let damaged = matches!(extents.last()?.kind, ExtentKind::Damaged(_));
    let cut = ExtentKind::Damaged(Damage::CutOff);
    (!damaged && !extents.iter().any(ends)).then(|| Extent::new(source.len(), 0, cut))
}

struct FrameScan<'a> {
    source: &'a Source,
    window: Window<'a>,
    budget: u64,
}

impl FrameScan<'_> {
    /// The frame that begins here, if its structure is sound, and if another frame or the end
    /// follows or its content proves it. A frame before a damaged one is kept that way, and a
    /// frame with a damaged length is not.
    fn frame_at(&mut self, at: u64) -> Option<Extent> {
        let frame = self.structure(at)?;
        (self.lands(frame.end()) || self.proved(&frame)).then_some(frame)
    }

    fn structure(&mut self, at: u64) -> Option<Extent> {
        let head = self.window.peek(at, HEAD_LEN);
        if magic(head)? == ZSTD_MAGIC {
            return self.zstd_frame(at);
        }
        let (kind, len) = skippable(head)?;
        let inside = at.checked_add(len)? <= self.source.len();
        inside.then(|| Extent::new(at, len, kind))
    }

    fn zstd_frame(&mut self, at: u64) -> Option<Extent> {
        let head = ZstdHead::parse(self.window.peek(at, ZSTD_HEAD_MAX))?;
        let mut end = at + head.len as u64;
        let mut steps = 0;
        loop {
            steps += 1;
            let Some(block) = self.block_at(end).filter(|_| steps <= self.budget) else {
                self.budget = self.budget.saturating_sub(steps);
                return None;
            };
            end += BLOCK_HEAD_LEN as u64 + block.len;
            if block.last {
                break;
            }
        }
        end += head.tail_len();
        (end <= self.source.len()).then(|| Extent::new(at, end - at, ExtentKind::Slog))
    }

    fn block_at(&mut self, at: u64) -> Option<BlockHead> {
        BlockHead::parse(self.window.peek(at, BLOCK_HEAD_LEN).try_into().ok()?)
    }

    fn lands(&mut self, at: u64) -> bool {
        let frame = |magic: u32| magic == ZSTD_MAGIC || is_skippable(magic);
        at == self.source.len() || magic(self.window.peek(at, 4)).is_some_and(frame)
    }

    fn proved(&mut self, frame: &Extent) -> bool {
        let limit = self.budget.saturating_mul(PROOF_STEP);
        if frame.len > limit {
            return false;
        }
        let (proved, bytes) = match frame.kind {
            ExtentKind::Tagged(_) => (
                verify_frame::prove_tagged(self.source, frame).is_ok(),
                frame.len,
            ),
            ExtentKind::Slog => self.decompresses(frame, limit),
            ExtentKind::SeekTable => (self.has_footer(frame), FOOTER_LEN as u64),
            _ => (false, 0),
        };
        self.budget = self.budget.saturating_sub(1 + bytes / PROOF_STEP);
        proved
    }

    /// Whether the seek table is sound although something was appended to the file.
    fn has_footer(&mut self, table: &Extent) -> bool {
        let at = table.end().saturating_sub(FOOTER_LEN as u64);
        let footer = Footer::parse(self.window.peek(at, FOOTER_LEN), table.end());
        footer.is_ok_and(|footer| footer.table_len() == table.len)
    }

    fn decompresses(&self, frame: &Extent, limit: u64) -> (bool, u64) {
        let Ok(mut inflate) = Inflate::new() else {
            return (false, 0);
        };
        match verify_frame::decompress(self.source, frame, &mut inflate, limit) {
            Ok(content) => (true, content.bytes),
            Err(Damage::Size { found, .. }) => (false, found.min(limit)),
            Err(_) => (false, frame.len),
        }
    }

    /// The next place from `from` on where a frame begins; else the end of the file.
    fn resync(&mut self, from: u64) -> u64 {
        let mut at = from;
        while at < self.source.len() && self.budget > 0 {
            let Ok(stretch) = self.source.bytes(at, SCAN_LEN) else {
                break;
            };
            if let Some(found) = self.frame_in(at, &stretch) {
                return found;
            }
            // The next range overlaps by three bytes, so a magic number across the border is found.
            at += stretch.len().saturating_sub(3).max(1) as u64;
        }
        self.source.len()
    }

    fn frame_in(&mut self, at: u64, stretch: &[u8]) -> Option<u64> {
        let first_bytes = [ZSTD_MAGIC, FRAME_MAGIC, SEEK_MAGIC].map(|m| m.to_le_bytes()[0]);
        let [a, b, c] = first_bytes;
        memchr::memchr3_iter(a, b, c, stretch)
            .filter(|i| stretch.get(*i..).and_then(magic).is_some_and(sought))
            .map(|i| at + i as u64)
            .find(|place| self.budget > 0 && self.frame_at(*place).is_some())
    }

    /// A frame that begins soundly and runs past the end of the file was cut off.
    fn why(&mut self, at: u64, end: u64) -> Damage {
        let begins = magic(self.window.peek(at, 4)).is_some_and(sought);
        let cut = begins && end == self.source.len();
        if cut { Damage::CutOff } else { Damage::NoFrame }
    }
}

fn sought(magic: u32) -> bool {
    [ZSTD_MAGIC, FRAME_MAGIC, SEEK_MAGIC].contains(&magic)
}
