//! The file as a list of ranges, each a frame or damage.

use std::ops::Range;

use haltbox_format::blackbox::{
    FRAME_MAGIC, FrameEntry, FrameError, FrameHead, FrameKind, HEAD_LEN, Manifest, SEEK_MAGIC,
    SeekTable, Tag, ZSTD_MAGIC, is_skippable,
};

use super::damage::Damage;
use super::source::{Source, Window};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtentKind {
    Slog,
    Tagged(Tag),
    SeekTable,
    /// A skippable frame of another program, or of a later version.
    Foreign,
    Damaged(Damage),
}

/// What the manifest says of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) entry: FrameEntry,
    /// For a slog frame: its range in the uncompressed slog.
    pub(super) content: Range<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) kind: ExtentKind,
    pub(super) claim: Option<Claim>,
}

impl Extent {
    pub(super) fn new(at: u64, len: u64, kind: ExtentKind) -> Extent {
        Extent {
            at,
            len,
            kind,
            claim: None,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }

    pub(super) fn range(&self) -> Range<u64> {
        self.at..self.end()
    }

    /// What the range holds, or held before it was damaged.
    pub(super) fn frame_kind(&self) -> Option<FrameKind> {
        match self.kind {
            ExtentKind::Slog => Some(FrameKind::Slog),
            ExtentKind::Tagged(tag) => Some(FrameKind::Tagged(tag)),
            ExtentKind::Damaged(_) | ExtentKind::Foreign => self.claim.as_ref()?.entry.kind,
            ExtentKind::SeekTable => None,
        }
    }
}

pub(super) fn magic(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// The kind and length of the skippable frame that begins with these bytes.
pub(super) fn skippable(head: &[u8]) -> Option<(ExtentKind, u64)> {
    let magic = magic(head).filter(|magic| is_skippable(*magic))?;
    let counted = head.get(4..8)?.try_into().ok()?;
    let len = 8 + u64::from(u32::from_le_bytes(counted));
    match (magic, FrameHead::parse(head)) {
        (FRAME_MAGIC, Ok(ours)) => Some((ExtentKind::Tagged(ours.tag), ours.frame_len())),
        // A tag of a later version is skipped as a frame. A head that is cut off is not a frame.
        (FRAME_MAGIC, Err(FrameError::Tag)) => Some((ExtentKind::Foreign, len)),
        (FRAME_MAGIC, Err(_)) => None,
        (SEEK_MAGIC, _) => Some((ExtentKind::SeekTable, len)),
        _ => Some((ExtentKind::Foreign, len)),
    }
}

/// The ranges that the seek table lists; `None` unless a frame begins at each of them.
pub(super) fn listed(source: &Source, table: &SeekTable) -> Option<Vec<Extent>> {
    let mut window = Window::new(source);
    let mut extents = Vec::with_capacity(table.entries.len() + 1);
    let mut at = 0;
    for entry in &table.entries {
        let len = u64::from(entry.compressed);
        let kind = begins(window.peek(at, HEAD_LEN), len)?;
        extents.push(Extent::new(at, len, kind));
        at += len;
    }
    extents.push(Extent::new(
        at,
        source.len().checked_sub(at)?,
        ExtentKind::SeekTable,
    ));
    Some(extents)
}

/// The kind of the frame with this head, if it can have this length.
fn begins(head: &[u8], len: u64) -> Option<ExtentKind> {
    if magic(head)? == ZSTD_MAGIC {
        return (len > 8).then_some(ExtentKind::Slog);
    }
    let (kind, found) = skippable(head)?;
    (found == len && kind != ExtentKind::SeekTable).then_some(kind)
}

/// Adds the manifest's claims to the ranges. Divides damage into the frames that were there.
pub(super) fn annotated(extents: Vec<Extent>, manifest: &Manifest) -> Vec<Extent> {
    let claims = claims(manifest);
    let mut out = Vec::with_capacity(extents.len());
    for extent in extents {
        match extent.kind {
            ExtentKind::Damaged(_) => divide(extent, &claims, &mut out),
            _ => {
                let found = claims.binary_search_by_key(&extent.at, |claim| claim.entry.offset);
                let claim = found.ok().and_then(|i| claims.get(i)).cloned();
                out.push(Extent { claim, ..extent });
            }
        }
    }
    out
}

/// The manifest's frames by offset in the file. If frames overlap, only the first counts.
fn claims(manifest: &Manifest) -> Vec<Claim> {
    let mut content = 0u64;
    let mut claims: Vec<Claim> = Vec::with_capacity(manifest.frames.len());
    for entry in &manifest.frames {
        let slog = entry.kind == Some(FrameKind::Slog);
        let start = content;
        content = content.saturating_add(if slog { entry.decompressed } else { 0 });
        claims.push(Claim {
            entry: entry.clone(),
            content: start..content,
        });
    }
    claims.sort_by_key(|claim| claim.entry.offset);
    let mut end = 0;
    claims.retain(|claim| {
        let apart = claim.entry.offset >= end && claim.entry.compressed > 0;
        if apart {
            end = claim.entry.offset.saturating_add(claim.entry.compressed);
        }
        apart
    });
    claims
}

fn divide(damaged: Extent, claims: &[Claim], out: &mut Vec<Extent>) {
    let mut at = damaged.at;
    let first = claims.partition_point(|claim| claim.entry.offset < damaged.at);
    for claim in claims.get(first..).unwrap_or_default() {
        let (start, len) = (claim.entry.offset, claim.entry.compressed);
        if start.saturating_add(len) > damaged.end() {
            break;
        }
        if start > at {
            out.push(Extent::new(at, start - at, damaged.kind));
        }
        let claim = Some(claim.clone());
        out.push(Extent {
            at: start,
            len,
            kind: damaged.kind,
            claim,
        });
        at = start + len;
    }
    if at < damaged.end() || damaged.len == 0 {
        out.push(Extent::new(at, damaged.end() - at, damaged.kind));
    }
}
