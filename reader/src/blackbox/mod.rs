//! Reads black boxes and archive files; `docs/format.md` describes their bytes.
//!
//! The file is untrusted. Frames are found by the seek table if it is sound, and by walking
//! the file otherwise. A frame is proved before its first line is returned: by BLAKE3 if the
//! manifest has it, else by zstd's checksum or the frame's own digest. Everything that is not
//! proved is a hole with an offset. No file is opened or written by a name found in the box.

mod box_stream;
mod damage;
mod extent;
mod frame_scan;
mod frames;
mod inflate;
mod lines;
mod read_ahead;
mod source;
#[cfg(test)]
mod tests;
mod verify;
mod verify_frame;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use haltbox_format::blackbox::{
    BlockEntry, Crank, CrankIndex, FOOTER_LEN, FORMAT_VERSION, Footer, FrameHead, HEAD_LEN,
    IDENTITY_LEN, Identity, IdentityError, MANIFEST_MAX, Manifest, SeekTable, SeekTableError, Tag,
};
use thiserror::Error;

pub use box_stream::BoxStream;
pub use damage::Damage;
pub use lines::{BoxItem, Lines, PIECE_LEN};
pub use verify::{Finding, HeightSpan, Problem};

use extent::{Extent, ExtentKind};
use source::Source;

/// Limit of the crank index, in bytes.
const CRANKS_MAX: usize = 64 << 20;

/// An open box. It holds the manifest and one small entry per frame, both bounded whatever the
/// file claims.
#[derive(Debug)]
pub struct BlackBox {
    identity: Result<Identity, IdentityError>,
    seek: Result<SeekTable, SeekTableError>,
    contents: Arc<Contents>,
}

/// The frames of a box, and the index of them. The thread that reads ahead has them too.
#[derive(Debug)]
struct Contents {
    source: Source,
    manifest: Option<Manifest>,
    extents: Vec<Extent>,
}

/// Why a file cannot be opened as a box.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file's size or first bytes cannot be read.
    #[error("cannot be read: {e}", e = .0)]
    Io(io::Error),
    /// It has no frame of Haltbox's own.
    #[error("is not a black box: it contains no Haltbox frame")]
    NotABox,
    /// Its version is newer than this code.
    #[error(
        "has box format version {found}, this program reads {FORMAT_VERSION}; use a \
         newer haltbox",
        found = .0
    )]
    Version(u32),
}

impl BlackBox {
    /// Opens a box, however damaged, if at least one frame of Haltbox's own shows that it is one.
    pub fn open(file: File) -> Result<BlackBox, OpenError> {
        let source = Source::new(file).map_err(OpenError::Io)?;
        let page = source.bytes(0, IDENTITY_LEN).map_err(OpenError::Io)?;
        let seek = read_seek_table(&source);
        let listed = seek
            .as_ref()
            .ok()
            .and_then(|table| extent::listed(&source, table));
        let mut extents = listed.unwrap_or_else(|| frame_scan::frame_scan(&source));
        let begins = FrameHead::parse(&page).is_ok_and(|head| head.tag == Tag::Identity);
        if !begins
            && !extents
                .iter()
                .any(|e| matches!(e.kind, ExtentKind::Tagged(_)))
        {
            return Err(OpenError::NotABox);
        }
        let manifest = read_manifest(&source, &extents);
        if let Some(manifest) = &manifest {
            extents = extent::annotated(extents, manifest);
        }
        let identity = Identity::parse(&page);
        let of_page = identity.as_ref().ok().and_then(Identity::newer_version);
        let of_index = manifest.as_ref().and_then(Manifest::newer_version);
        if let Some(found) = of_page.or(of_index) {
            return Err(OpenError::Version(found));
        }
        Ok(BlackBox {
            identity,
            seek,
            contents: Arc::new(Contents {
                source,
                manifest,
                extents,
            }),
        })
    }

    /// The identity of the box, from the first page, or else from the copy in the manifest.
    pub fn identity(&self) -> Option<&Identity> {
        let copy = self
            .contents
            .manifest
            .as_ref()
            .map(|manifest| &manifest.identity);
        self.identity.as_ref().ok().or(copy)
    }

    /// The index, if it is sound. Its numbers are claims.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.contents.manifest.as_ref()
    }

    /// The size of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.contents.source.len()
    }

    /// The items of a stream, in order.
    pub fn lines(&self, stream: BoxStream) -> Lines {
        Lines::new(&self.contents, stream, frames::WHOLE)
    }

    /// The slog items of one block. Decompresses only the frames that hold it.
    pub fn block_lines(&self, block: &BlockEntry) -> Lines {
        let end = block.offset.saturating_add(block.bytes);
        Lines::new(&self.contents, BoxStream::Slog, block.offset..end)
    }

    /// The offsets of each crank's last line; `None` without a sound crank index.
    pub fn cranks(&self) -> Option<Vec<Crank>> {
        let body = self.tagged_body(Tag::Cranks)?;
        Some(CrankIndex::new(&body).collect())
    }

    fn tagged_body(&self, tag: Tag) -> Option<Vec<u8>> {
        let found = self
            .contents
            .extents
            .iter()
            .find(|e| e.kind == ExtentKind::Tagged(tag))?;
        proven_body(&self.contents.source, found, CRANKS_MAX)
    }
}

fn read_seek_table(source: &Source) -> Result<SeekTable, SeekTableError> {
    let none = |_: io::Error| SeekTableError::None;
    let len = source.len();
    let at = len
        .checked_sub(FOOTER_LEN as u64)
        .ok_or(SeekTableError::None)?;
    let footer = Footer::parse(&source.bytes(at, FOOTER_LEN).map_err(none)?, len)?;
    let at = len
        .checked_sub(footer.table_len())
        .ok_or(SeekTableError::None)?;
    let table = source
        .bytes(at, footer.table_len() as usize)
        .map_err(none)?;
    SeekTable::parse(footer, &table, len)
}

/// The last sound manifest. An earlier one can only have been added by somebody else.
fn read_manifest(source: &Source, extents: &[Extent]) -> Option<Manifest> {
    let tagged = ExtentKind::Tagged(Tag::Manifest);
    let found = extents.iter().rev().find(|e| e.kind == tagged)?;
    Manifest::parse(&proven_body(source, found, MANIFEST_MAX)?)
}

fn proven_body(source: &Source, extent: &Extent, max: usize) -> Option<Vec<u8>> {
    let len = usize::try_from(extent.len).ok()?;
    (len <= max + HEAD_LEN).then_some(())?;
    let frame = source.bytes(extent.at, len).ok()?;
    let body = FrameHead::parse(&frame).ok()?.proven_body(&frame).ok()?;
    Some(body.to_vec())
}

/// Whether two ranges have a byte in common.
fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}
