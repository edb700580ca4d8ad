//! Proves a frame before anything of it is believed.

use std::ops::Range;

use haltbox_format::Digest;
use haltbox_format::blackbox::{FrameHead, HEAD_LEN};

use super::damage::Damage;
use super::extent::{Extent, ExtentKind};
use super::inflate::Inflate;
use super::source::Source;

const CHUNK: usize = 128 * 1024;

/// The range of a frame's zstd data, and the size of its content by the manifest.
pub(super) fn zstd_part(extent: &Extent) -> (Range<u64>, Option<u64>) {
    let ahead = match extent.kind {
        ExtentKind::Tagged(_) => HEAD_LEN as u64,
        _ => 0,
    };
    let expected = extent.claim.as_ref().map(|claim| claim.entry.decompressed);
    (
        extent.at.saturating_add(ahead).min(extent.end())..extent.end(),
        expected,
    )
}

/// Proves a frame in the cheapest way: by the manifest's digest, by the frame's own, or by
/// decompressing it once to its checksum.
pub(super) fn prove(source: &Source, extent: &Extent, inflate: &mut Inflate) -> Result<(), Damage> {
    if let ExtentKind::Damaged(why) = extent.kind {
        return Err(why);
    }
    if listed_digest(extent).is_some() {
        return prove_listed(source, extent);
    }
    match extent.kind {
        ExtentKind::Tagged(_) => prove_tagged(source, extent),
        _ => decompress(source, extent, inflate, u64::MAX).map(drop),
    }
}

fn listed_digest(extent: &Extent) -> Option<Digest> {
    extent.claim.as_ref()?.entry.blake3
}

/// Proves a frame by the manifest, if that lists it.
pub(super) fn prove_listed(source: &Source, extent: &Extent) -> Result<(), Damage> {
    let Some(claim) = &extent.claim else {
        return Ok(());
    };
    let (expected, found) = (claim.entry.compressed, extent.len);
    if expected != found {
        return Err(Damage::Size { expected, found });
    }
    let Some(digest) = claim.entry.blake3 else {
        return Ok(());
    };
    hash(source, extent.range(), blake3::Hasher::new(), digest)
}

/// Proves a frame of Haltbox's own by the digest in its head.
pub(super) fn prove_tagged(source: &Source, extent: &Extent) -> Result<(), Damage> {
    let head = source.bytes(extent.at, HEAD_LEN);
    let head = head.map_err(|e| Damage::Unreadable(e.kind()))?;
    let head = FrameHead::parse(&head).map_err(|_| Damage::Digest)?;
    if head.frame_len() != extent.len {
        return Err(Damage::Size {
            expected: head.frame_len(),
            found: extent.len,
        });
    }
    let body = extent.at + HEAD_LEN as u64..extent.end();
    hash(source, body, head.hasher(), head.digest)
}

fn hash(
    source: &Source,
    mut range: Range<u64>,
    mut hasher: blake3::Hasher,
    expected: Digest,
) -> Result<(), Damage> {
    let mut chunk = vec![0; CHUNK];
    while !range.is_empty() {
        let want = (range.end - range.start).min(CHUNK as u64) as usize;
        let buffer = chunk.get_mut(..want).unwrap_or_default();
        let got = source.read_at(range.start, buffer);
        if got.map_err(|e| Damage::Unreadable(e.kind()))? < want {
            return Err(Damage::CutOff);
        }
        hasher.update(buffer);
        range.start += want as u64;
    }
    let same = hasher.finalize().as_bytes() == &expected.0;
    if same { Ok(()) } else { Err(Damage::Digest) }
}

/// The size of a frame's content.
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

/// Decompresses a frame to its end and checksum, and keeps nothing. More than `limit` bytes
/// count as unproved.
pub(super) fn decompress(
    source: &Source,
    extent: &Extent,
    inflate: &mut Inflate,
    limit: u64,
) -> Result<Content, Damage> {
    let (range, expected) = zstd_part(extent);
    inflate.begin(source, range, expected)?;
    let mut chunk = vec![0; CHUNK];
    let mut content = Content { bytes: 0, lines: 0 };
    let mut last = b'\n';
    loop {
        let fresh = inflate.pull(source, &mut chunk)?;
        let Some(fresh) = chunk.get(..fresh).filter(|fresh| !fresh.is_empty()) else {
            break;
        };
        content.bytes += fresh.len() as u64;
        content.lines += memchr::memchr_iter(b'\n', fresh).count() as u64;
        last = fresh.last().copied().unwrap_or(last);
        if content.bytes > limit {
            return Err(Damage::Size {
                expected: limit,
                found: content.bytes,
            });
        }
    }
    content.lines += u64::from(last != b'\n');
    Ok(content)
}
