//! Makes a box from frames of other boxes, without compressing them again.

use std::io::{Seek, Write};
use std::ops::Range;

use super::frames::{Frames, SourceFrame};
use super::join_error::JoinError;
use super::options::{ManifestFields, Options};
use super::summary::BoxSummary;
use crate::blackbox::crank_index::{Crank, CrankIndex, CrankIndexWriter};
use crate::blackbox::frame::{FrameHead, FrameKind, HEAD_LEN, Tag};
use crate::blackbox::identity::Identity;
use crate::blackbox::index::bytes;
use crate::blackbox::manifest::{BlockEntry, FrameEntry, LIST_MAX, Manifest};
use crate::blackbox::sink::BoxError;
use crate::read_at::ReadAt;

/// Largest crank index that is copied, in bytes.
const CRANKS_MAX: u64 = 64 << 20;

/// Joins boxes, or copies one block out of a box.
///
/// After an error the file is not a box: remove it. The joiner syncs nothing.
pub struct BoxJoiner<W: Write + Seek> {
    frames: Frames<W>,
    /// Uncompressed slog bytes so far.
    offset: u64,
    slog_lines: u64,
    /// Lines so far of each side stream, in the order of [`SIDES`].
    side_lines: [u64; 4],
    blocks: Vec<BlockEntry>,
    cranks: CrankIndexWriter,
    crank_count: u64,
}

const SIDES: [Tag; 4] = [Tag::Node, Tag::Context, Tag::Marks, Tag::Evidence];

impl<W: Write + Seek> BoxJoiner<W> {
    /// Starts a box at the start of an empty file.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn new(out: W, draft: Identity) -> Result<BoxJoiner<W>, BoxError> {
        let options = Options {
            draft,
            ..Options::default()
        };
        Ok(BoxJoiner {
            frames: Frames::new(out, &options)?,
            offset: 0,
            slog_lines: 0,
            side_lines: [0; 4],
            blocks: Vec::new(),
            cranks: CrankIndexWriter::default(),
            crank_count: 0,
        })
    }

    /// Whether a box with this manifest still fits into the index that a reader accepts.
    pub fn has_room_for(&self, manifest: &Manifest) -> bool {
        self.frames.count() + manifest.frames.len() < LIST_MAX / 2
            && self.blocks.len() + manifest.blocks.len() < LIST_MAX / 2
    }

    /// Adds a whole box.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn add(&mut self, source: &dyn ReadAt, manifest: &Manifest) -> Result<(), JoinError> {
        let everything = 0..u64::MAX;
        let first_line = self.slog_lines;
        let blocks = manifest.blocks.iter().map(|block| BlockEntry {
            first_line: block.first_line + first_line,
            offset: block.offset + self.offset,
            ..block.clone()
        });
        self.blocks.extend(blocks);
        self.take(source, manifest, &everything, &SIDES)
    }

    /// Adds one block, and all frames of the given side streams. The block must begin
    /// with a frame.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn add_block(
        &mut self,
        source: &dyn ReadAt,
        manifest: &Manifest,
        block: &BlockEntry,
        sides: &[Tag],
    ) -> Result<(), JoinError> {
        let range = block.offset..block.offset.saturating_add(block.bytes);
        let starts = contents(manifest).any(|(_, content)| content.start == range.start);
        if !starts && block.bytes > 0 {
            return Err(JoinError::NotAligned);
        }
        self.blocks.push(BlockEntry {
            first_line: self.slog_lines,
            offset: self.offset,
            ..block.clone()
        });
        self.take(source, manifest, &range, sides)
    }

    /// Writes the rest, then the identity with `complete` set. The caller syncs the file.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn finish(
        self,
        identity: Identity,
        fields: ManifestFields,
    ) -> Result<BoxSummary, BoxError> {
        let (lines, slog_bytes) = (self.slog_lines, self.offset);
        let (blocks, cranks) = (self.blocks.len(), self.crank_count);
        let manifest = fields.manifest(identity, self.blocks);
        let written = self.frames.finish(self.cranks.bytes(), cranks, manifest)?;
        Ok(BoxSummary {
            bytes: written.bytes,
            slog_bytes,
            lines,
            blocks,
            cranks,
            frames: written.frames,
        })
    }

    /// Copies the slog frames of a range of slog bytes, and the frames of the side
    /// streams.
    fn take(
        &mut self,
        source: &dyn ReadAt,
        manifest: &Manifest,
        range: &Range<u64>,
        sides: &[Tag],
    ) -> Result<(), JoinError> {
        self.take_cranks(source, manifest, range)?;
        let first_lines = self.side_lines;
        for (frame, content) in contents(manifest) {
            let wanted = content.start < range.end && content.end > range.start;
            match frame.kind {
                Some(FrameKind::Slog) if wanted => {
                    self.copy(source, frame, FrameKind::Slog, self.slog_lines)?;
                    self.slog_lines += frame.lines;
                    self.offset += frame.decompressed;
                }
                Some(FrameKind::Tagged(tag)) if sides.contains(&tag) => {
                    let side = SIDES.iter().position(|side| *side == tag);
                    let before = side.and_then(|side| first_lines.get(side));
                    let first_line = before.map_or(0, |before| before + frame.first_line);
                    self.copy(source, frame, FrameKind::Tagged(tag), first_line)?;
                    if let Some(lines) = side.and_then(|side| self.side_lines.get_mut(side)) {
                        *lines += frame.lines;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn copy(
        &mut self,
        source: &dyn ReadAt,
        frame: &FrameEntry,
        kind: FrameKind,
        first_line: u64,
    ) -> Result<(), JoinError> {
        let frame = SourceFrame {
            source,
            entry: frame,
        };
        self.frames.take_over(&frame, kind, first_line)
    }

    /// Copies the cranks whose last line lies in the range, with their new offsets.
    fn take_cranks(
        &mut self,
        source: &dyn ReadAt,
        manifest: &Manifest,
        range: &Range<u64>,
    ) -> Result<(), JoinError> {
        let index = FrameKind::Tagged(Tag::Cranks);
        let mut frames = manifest.frames.iter();
        let Some(frame) = frames.find(|frame| frame.kind == Some(index)) else {
            return Ok(());
        };
        let body = body_of(source, frame)?;
        for crank in CrankIndex::new(&body).filter(|crank| range.contains(&crank.offset)) {
            self.cranks.push(Crank {
                number: crank.number,
                offset: crank.offset - range.start + self.offset,
            });
            self.crank_count += 1;
        }
        Ok(())
    }
}

/// Each frame with its range of slog bytes, which is empty for other frames.
fn contents(manifest: &Manifest) -> impl Iterator<Item = (&FrameEntry, Range<u64>)> {
    let mut end = 0u64;
    manifest.frames.iter().map(move |frame| {
        let start = end;
        if frame.kind == Some(FrameKind::Slog) {
            end = end.saturating_add(frame.decompressed);
        }
        (frame, start..end)
    })
}

fn body_of(source: &dyn ReadAt, frame: &FrameEntry) -> Result<Vec<u8>, JoinError> {
    let damaged = || JoinError::Damaged {
        offset: frame.offset,
    };
    let fits = frame.compressed <= CRANKS_MAX + HEAD_LEN as u64;
    let len = usize::try_from(frame.compressed).ok().filter(|_| fits);
    let bytes = bytes(source, frame.offset, len.ok_or_else(damaged)?).map_err(JoinError::Read)?;
    let head = FrameHead::parse(&bytes).map_err(|_| damaged())?;
    let body = head.proven_body(&bytes).map_err(|_| damaged())?;
    Ok(body.to_vec())
}
