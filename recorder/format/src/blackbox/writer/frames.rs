//! Compresses frames, writes them, and lists them for the index.

use std::io::{self, Seek, Write};

use super::join_error::JoinError;
use super::options::Options;
use crate::blackbox::compress::Compressor;
use crate::blackbox::frame::{FrameHead, FrameKind, Tag};
use crate::blackbox::identity::Identity;
use crate::blackbox::manifest::{FrameEntry, LIST_MAX, Manifest};
use crate::blackbox::seek_table::SeekTable;
use crate::blackbox::sink::{BoxError, Sink, WrittenFrame};
use crate::read_at::ReadAt;

/// Size of the copy buffer for frames of another box, in bytes.
const COPY_LEN: usize = 64 << 10;

/// Content of a frame.
pub(super) enum Content<'a> {
    /// Lines or marks, with their line feeds.
    Gathered(Vec<u8>),
    /// One line that is longer than a frame, borrowed from the caller.
    Long {
        /// The line, without its line feed.
        line: &'a [u8],
        /// Whether a line feed follows.
        newline: bool,
    },
}

impl Content<'_> {
    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Content::Gathered(bytes) => [bytes, b""],
            Content::Long { line, newline } => [line, if *newline { b"\n" } else { b"" }],
        }
    }
}

/// A frame to write.
pub(super) struct Frame<'a> {
    pub(super) kind: FrameKind,
    pub(super) content: Content<'a>,
    /// Number of its first line in its stream.
    pub(super) first_line: u64,
    pub(super) lines: u64,
}

impl Frame<'_> {
    /// The same frame with a copy of its content, for another thread.
    pub(super) fn gathered(self) -> Frame<'static> {
        let content = match self.content {
            Content::Gathered(bytes) => bytes,
            long @ Content::Long { .. } => long.parts().concat(),
        };
        Frame {
            kind: self.kind,
            content: Content::Gathered(content),
            first_line: self.first_line,
            lines: self.lines,
        }
    }

    fn entry(&self, written: &WrittenFrame) -> FrameEntry {
        let content = size_of(&self.content);
        frame_entry(self.kind, written, content, self.first_line, self.lines)
    }
}

/// A side frame, held back until the end of the slog.
struct Held {
    tag: Tag,
    frame: Vec<u8>,
    content: u64,
    first_line: u64,
    lines: u64,
}

/// A frame of another box.
pub(super) struct SourceFrame<'a> {
    pub(super) source: &'a dyn ReadAt,
    pub(super) entry: &'a FrameEntry,
}

/// Size of the finished box.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) frames: usize,
}

/// Writes the frames of a box in the order of the calls. It holds side frames back and
/// writes them behind slog frames, as long as they fit into `held_max`.
pub(super) struct Frames<W: Write + Seek> {
    sink: Sink<W>,
    compressor: Compressor,
    held: Vec<Held>,
    held_bytes: usize,
    held_max: usize,
    seek: SeekTable,
    entries: Vec<FrameEntry>,
}

impl<W: Write + Seek> Frames<W> {
    /// Starts a box: writes its identity with `complete` unset.
    pub(super) fn new(out: W, options: &Options) -> Result<Frames<W>, BoxError> {
        let mut sink = Sink::new(out);
        let draft = Identity {
            complete: false,
            ..options.draft.clone()
        };
        let compressor =
            Compressor::new(options.level, options.frame_bytes).map_err(|e| BoxError::at(0, e))?;
        let identity = sink.frame(&draft.to_bytes());
        let identity = identity.map_err(|e| BoxError::at(sink.written(), e))?;
        let mut frames = Frames {
            sink,
            compressor,
            held: Vec::new(),
            held_bytes: 0,
            held_max: options.held_bytes,
            seek: SeekTable::default(),
            entries: Vec::new(),
        };
        frames.list(&identity, 0)?;
        Ok(frames)
    }

    /// Bytes in the file so far.
    pub(super) fn written(&self) -> u64 {
        self.sink.written()
    }

    /// Writes a slog frame, or holds back a side frame.
    pub(super) fn put(&mut self, frame: &Frame<'_>) -> Result<(), BoxError> {
        match frame.kind {
            FrameKind::Tagged(tag) => self.side(tag, frame),
            FrameKind::Slog => self.slog(frame),
        }
    }

    fn slog(&mut self, frame: &Frame<'_>) -> Result<(), BoxError> {
        let parts = frame.content.parts();
        let compressed = self.compressor.frame(&parts, &mut self.sink);
        compressed.map_err(|e| self.error(e))?;
        let written = self.sink.cut_frame();
        self.list(&written, size_of(&frame.content))?;
        self.entries.push(frame.entry(&written));
        Ok(())
    }

    /// Compresses a frame of a side stream and holds it back.
    fn side(&mut self, tag: Tag, frame: &Frame<'_>) -> Result<(), BoxError> {
        let mut body = Vec::new();
        let parts = frame.content.parts();
        let compressed = self.compressor.frame(&parts, &mut body);
        compressed.map_err(|e| self.error(e))?;
        let bytes = tagged_frame(tag, &body).ok_or(self.full())?;
        self.held_bytes += bytes.len();
        self.held.push(Held {
            tag,
            frame: bytes,
            content: size_of(&frame.content),
            first_line: frame.first_line,
            lines: frame.lines,
        });
        if self.held_bytes < self.held_max {
            Ok(())
        } else {
            self.write_held()
        }
    }

    /// Number of frames so far, without the seek table's own.
    pub(super) fn count(&self) -> usize {
        self.seek.entries.len()
    }

    /// Copies a frame of another box, and checks its digest again.
    pub(super) fn take_over(
        &mut self,
        from: &SourceFrame<'_>,
        kind: FrameKind,
        first_line: u64,
    ) -> Result<(), JoinError> {
        let damaged = JoinError::Damaged {
            offset: from.entry.offset,
        };
        let mut chunk = [0; COPY_LEN];
        let mut copied = 0;
        while copied < from.entry.compressed {
            let want = (from.entry.compressed - copied).min(COPY_LEN as u64) as usize;
            let part = chunk.get_mut(..want).unwrap_or_default();
            let got = from.source.read_full(from.entry.offset + copied, part);
            if got.map_err(JoinError::Read)? < want {
                return Err(damaged);
            }
            self.sink.write_all(part).map_err(|e| self.error(e))?;
            copied += want as u64;
        }
        let written = self.sink.cut_frame();
        if from.entry.blake3 != Some(written.blake3) {
            return Err(damaged);
        }
        let content = from.entry.decompressed;
        let listed = if kind == FrameKind::Slog { content } else { 0 };
        self.list(&written, listed)?;
        let entry = frame_entry(kind, &written, content, first_line, from.entry.lines);
        self.entries.push(entry);
        Ok(())
    }

    fn write_held(&mut self) -> Result<(), BoxError> {
        self.held_bytes = 0;
        let mut held = std::mem::take(&mut self.held);
        // The sort is stable: it groups the streams, and each stream keeps its order.
        held.sort_by_key(|side| side.tag);
        for side in held {
            let frame = self.skippable(&side.frame)?;
            let kind = FrameKind::Tagged(side.tag);
            let entry = frame_entry(kind, &frame, side.content, side.first_line, side.lines);
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Writes crank index, manifest and seek table, then the identity with `complete`
    /// set.
    pub(super) fn finish(
        mut self,
        cranks: &[u8],
        crank_count: u64,
        mut manifest: Manifest,
    ) -> Result<Written, BoxError> {
        self.write_held()?;
        self.write_cranks(cranks, crank_count)?;
        manifest.frames = std::mem::take(&mut self.entries);
        let bytes = manifest.to_bytes().ok_or(self.full())?;
        self.skippable(&bytes)?;
        let frames = self.seek.entries.len();
        let table = self.seek.to_bytes().ok_or(self.full())?;
        self.sink.frame(&table).map_err(|e| self.error(e))?;
        self.sink
            .patch_start(&manifest.identity.to_bytes())
            .map_err(|e| self.error(e))?;
        let bytes = self.sink.written();
        Ok(Written { bytes, frames })
    }

    fn write_cranks(&mut self, body: &[u8], count: u64) -> Result<(), BoxError> {
        let bytes = tagged_frame(Tag::Cranks, body).ok_or(self.full())?;
        let frame = self.skippable(&bytes)?;
        let kind = FrameKind::Tagged(Tag::Cranks);
        let entry = frame_entry(kind, &frame, body.len() as u64, 0, count);
        self.entries.push(entry);
        Ok(())
    }

    fn skippable(&mut self, bytes: &[u8]) -> Result<WrittenFrame, BoxError> {
        let frame = self.sink.frame(bytes).map_err(|e| self.error(e))?;
        self.list(&frame, 0)?;
        Ok(frame)
    }

    fn list(&mut self, frame: &WrittenFrame, decompressed: u64) -> Result<(), BoxError> {
        let entry = frame.seek_entry(decompressed).ok_or(self.full())?;
        self.seek.entries.push(entry);
        if self.seek.entries.len() > LIST_MAX {
            Err(self.full())
        } else {
            Ok(())
        }
    }

    fn error(&self, source: io::Error) -> BoxError {
        BoxError::at(self.sink.written(), source)
    }

    fn full(&self) -> BoxError {
        BoxError::IndexFull {
            frames: self.seek.entries.len(),
        }
    }
}

fn size_of(content: &Content<'_>) -> u64 {
    content.parts().iter().map(|part| part.len() as u64).sum()
}

fn tagged_frame(tag: Tag, body: &[u8]) -> Option<Vec<u8>> {
    let head = FrameHead::new(tag, body)?;
    Some([head.to_bytes().as_slice(), body].concat())
}

fn frame_entry(
    kind: FrameKind,
    frame: &WrittenFrame,
    content: u64,
    first_line: u64,
    lines: u64,
) -> FrameEntry {
    FrameEntry {
        kind: Some(kind),
        offset: frame.offset,
        compressed: frame.len,
        decompressed: content,
        first_line,
        lines,
        blake3: Some(frame.blake3),
    }
}
