//! Finds the manifest of a box by its seek table, without reading the box. This serves
//! undamaged boxes; the reader crate handles damaged ones.

use std::io;

use thiserror::Error;

use super::frame::{FrameError, FrameHead, HEAD_LEN, Tag};
use super::identity::FORMAT_VERSION;
use super::manifest::{MANIFEST_MAX, Manifest};
use super::seek_table::{FOOTER_LEN, Footer, SeekTable, SeekTableError};
use crate::read_at::ReadAt;

/// Reasons why the index of a box cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file does not end with a sound seek table.
    #[error(transparent)]
    SeekTable(SeekTableError),
    /// The last frame is damaged.
    #[error("its manifest is damaged: {0}")]
    Frame(FrameError),
    /// The last frame is not a manifest, or one that is too large or not JSON.
    #[error("its last frame is not a manifest")]
    NoManifest,
    /// The box has a later version.
    #[error("has box format version {0}, this program reads {FORMAT_VERSION}")]
    Version(u32),
}

// By hand: `#[from]` would make it a source too, and its text stands in the message.
impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        IndexError::Io(error)
    }
}

impl Manifest {
    /// Reads the manifest of an undamaged box.
    ///
    /// # Errors
    /// [`IndexError`], also if the manifest does not match its digest.
    pub fn read(source: &dyn ReadAt) -> Result<Manifest, IndexError> {
        let len = source.length()?;
        let table = read_seek_table(source, len)?;
        let last = table.entries.last().ok_or(IndexError::NoManifest)?;
        let behind: u64 = table.entries.iter().map(|e| u64::from(e.compressed)).sum();
        let size = last.compressed as usize;
        if size > MANIFEST_MAX + HEAD_LEN {
            return Err(IndexError::NoManifest);
        }
        let frame = bytes(source, behind - u64::from(last.compressed), size)?;
        let head = FrameHead::parse(&frame).map_err(IndexError::Frame)?;
        let body = head.proven_body(&frame).map_err(IndexError::Frame)?;
        let manifest = (head.tag == Tag::Manifest).then(|| Manifest::parse(body));
        let manifest = manifest.flatten().ok_or(IndexError::NoManifest)?;
        match manifest.newer_version() {
            Some(version) => Err(IndexError::Version(version)),
            None => Ok(manifest),
        }
    }
}

fn read_seek_table(source: &dyn ReadAt, len: u64) -> Result<SeekTable, IndexError> {
    let none = IndexError::SeekTable(SeekTableError::None);
    let at = len.checked_sub(FOOTER_LEN as u64).ok_or(none)?;
    let footer = Footer::parse(&bytes(source, at, FOOTER_LEN)?, len);
    let footer = footer.map_err(IndexError::SeekTable)?;
    let table = bytes(
        source,
        len - footer.table_len(),
        footer.table_len() as usize,
    )?;
    SeekTable::parse(footer, &table, len).map_err(IndexError::SeekTable)
}

/// Reads up to `len` bytes at `at`; the caller bounds `len`.
pub(super) fn bytes(source: &dyn ReadAt, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let got = source.read_full(at, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}
