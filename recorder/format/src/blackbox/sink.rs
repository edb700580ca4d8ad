//! Writes the bytes of a box: counts them, hashes each frame, and never continues behind
//! a failed write.

use std::io::{self, ErrorKind, Seek, SeekFrom, Write};

use thiserror::Error;

use super::seek_table::SeekEntry;
use crate::Digest;

/// Reasons why a box could not be written. The file is then not a box.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BoxError {
    /// The disk, the quota or the file size limit is exhausted. A smaller box may still
    /// fit.
    #[error(
        "no room for the box after {written} bytes: {error}; free space or freeze fewer blocks"
    )]
    NoSpace {
        /// Bytes written before.
        written: u64,
        /// Error of the system.
        error: io::Error,
    },
    /// Any other failure.
    #[error("writing the box failed after {written} bytes: {error}")]
    Io {
        /// Bytes written before.
        written: u64,
        /// Error of the system.
        error: io::Error,
    },
    /// A line or mark of more than 2 GiB.
    #[error("a line of {len} bytes: a box takes lines of at most 2 GiB")]
    LineTooLong {
        /// Its bytes.
        len: usize,
    },
    /// The index would exceed what a reader accepts: finish the box and start another.
    #[error("the box's index is full after {frames} frames; start another box")]
    IndexFull {
        /// Frames written before.
        frames: usize,
    },
}

impl BoxError {
    pub(super) fn at(written: u64, error: io::Error) -> BoxError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                BoxError::NoSpace { written, error }
            }
            _ => BoxError::Io { written, error },
        }
    }
}

/// A frame that was written completely.
pub(super) struct WrittenFrame {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) blake3: Digest,
    /// The last four bytes; in a zstd frame, its content checksum.
    pub(super) tail: [u8; 4],
}

impl WrittenFrame {
    /// The frame's entry in the seek table; `decompressed` is 0 for skippable
    /// frames, whose tail is no checksum.
    pub(super) fn seek_entry(&self, decompressed: u64) -> Option<SeekEntry> {
        let slog = decompressed > 0;
        Some(SeekEntry {
            compressed: u32::try_from(self.len).ok()?,
            decompressed: u32::try_from(decompressed).ok()?,
            checksum: slog.then_some(u32::from_le_bytes(self.tail)),
        })
    }
}

pub(super) struct Sink<W> {
    out: W,
    written: u64,
    failed: bool,
    frame_start: u64,
    hasher: blake3::Hasher,
    tail: [u8; 4],
}

impl<W: Write + Seek> Sink<W> {
    pub(super) fn new(out: W) -> Sink<W> {
        Sink {
            out,
            written: 0,
            failed: false,
            frame_start: 0,
            hasher: blake3::Hasher::new(),
            tail: [0; 4],
        }
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Ends the current frame.
    pub(super) fn cut_frame(&mut self) -> WrittenFrame {
        let frame = WrittenFrame {
            offset: self.frame_start,
            len: self.written - self.frame_start,
            blake3: Digest(*self.hasher.finalize().as_bytes()),
            tail: self.tail,
        };
        self.hasher.reset();
        self.frame_start = self.written;
        frame
    }

    /// Writes a whole frame.
    pub(super) fn frame(&mut self, bytes: &[u8]) -> io::Result<WrittenFrame> {
        self.write_all(bytes)?;
        Ok(self.cut_frame())
    }

    /// Overwrites the first bytes of the file and returns to its end.
    pub(super) fn patch_start(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.guard()?;
        let patch = |out: &mut W| {
            out.seek(SeekFrom::Start(0))?;
            out.write_all(bytes)?;
            out.seek(SeekFrom::End(0))?;
            out.flush()
        };
        let patched = patch(&mut self.out);
        self.note(patched)
    }

    /// A write behind a failed one would leave a hole in the box that its index does not
    /// show.
    fn guard(&self) -> io::Result<()> {
        let again = || io::Error::other("an earlier write to this box failed");
        if self.failed { Err(again()) } else { Ok(()) }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        let lasting = |e: &io::Error| e.kind() != ErrorKind::Interrupted;
        self.failed |= result.as_ref().is_err_and(lasting);
        result
    }
}

impl<W: Write + Seek> Write for Sink<W> {
    /// Writes a part of the current frame.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.guard()?;
        let written = self.out.write(bytes);
        let taken = self.note(written)?;
        let fresh = bytes.get(..taken).unwrap_or_default();
        self.written += taken as u64;
        self.hasher.update(fresh);
        self.tail.rotate_left(taken.min(4));
        let backwards = fresh.iter().rev();
        self.tail
            .iter_mut()
            .rev()
            .zip(backwards)
            .for_each(|(to, from)| *to = *from);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
