//! A recorder's folder as one source: its archive, followed by its ring.
//!
//! Each file of the archive says which records of which ring it covers. So records that the
//! ring still holds too are read once, and records that neither holds are a hole.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::{FrameEntry, FrameKind, Manifest, Span};
use haltbox_format::mark::Position;
use haltbox_format::{ArchiveName, Lane, RingId};

use crate::blackbox::BlackBox;
use crate::block_index::IndexedBlock;
use crate::box_lines::read_box;
use crate::item::{Hole, Item, Line};
use crate::ring_source::{RingSource, read_ring};
use crate::source_error::SourceError;

/// An archive, and the ring whose older records it holds.
pub struct Folder {
    files: Vec<Archived>,
    ring: Option<RingSource>,
}

/// A file of the archive. It is opened when it is read.
struct Archived {
    path: PathBuf,
    manifest: Manifest,
    /// Index among all files of the folder.
    place: usize,
}

impl Archived {
    fn ring(&self) -> Option<RingId> {
        self.manifest.coverage.ring
    }

    fn span(&self) -> Option<Span> {
        self.manifest.coverage.main
    }

    /// Whether the other file was joined from this one, which was not removed afterwards.
    fn is_within(&self, other: &Archived) -> bool {
        let within = |a: Span, b: Span| b.from <= a.from && a.to <= b.to && a != b;
        let spans = self.span().zip(other.span());
        self.ring() == other.ring() && spans.is_some_and(|(a, b)| within(a, b))
    }

    fn holds(&self, heights: &RangeInclusive<u64>) -> bool {
        let blocks = &self.manifest.blocks;
        blocks.is_empty() || blocks.iter().any(|block| heights.contains(&block.height))
    }

    fn lines(&self, wanted: impl Fn(FrameKind) -> bool) -> u64 {
        let frames = self.manifest.frames.iter();
        let wanted = frames.filter(|frame| frame.kind.is_some_and(&wanted));
        wanted.map(|frame: &FrameEntry| frame.lines).sum()
    }

    fn slog_lines(&self) -> u64 {
        self.lines(|kind| kind == FrameKind::Slog)
    }

    fn side_lines(&self) -> u64 {
        self.lines(|kind| kind != FrameKind::Slog)
    }
}

/// The archive files of a recorder's folder or of an archive's folder, oldest first.
pub fn archive_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let beside = folder.join("archive");
    let folder = if beside.is_dir() { &beside } else { folder };
    let mut named: Vec<(ArchiveName, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_string_lossy().parse() {
            named.push((name, entry.path()));
        }
    }
    named.sort();
    Ok(named.into_iter().map(|(_, path)| path).collect())
}

impl Folder {
    /// Opens the archive in or below a folder, and the ring there, if any.
    pub(crate) fn open(path: &Path, ring: Option<RingSource>) -> Result<Folder, SourceError> {
        let cannot = |error| SourceError::Io(path.to_owned(), error);
        let mut files = Vec::new();
        for (place, path) in archive_files(path).map_err(cannot)?.into_iter().enumerate() {
            let bx = open_box(&path)?;
            files.push(Archived {
                manifest: bx.manifest().cloned().unwrap_or_default(),
                path,
                place,
            });
        }
        let joined = |file: &Archived| files.iter().any(|other| file.is_within(other));
        let stale: HashSet<usize> = files
            .iter()
            .filter(|f| joined(f))
            .map(|f| f.place)
            .collect();
        files.retain(|file| !stale.contains(&file.place));
        Ok(Folder { files, ring })
    }

    /// Leaves out the files that hold nothing of these heights.
    pub(crate) fn narrow(&mut self, heights: &RangeInclusive<u64>) {
        self.files.retain(|file| file.holds(heights));
    }

    /// The profile with which it was recorded.
    pub(crate) fn profile(&self) -> Option<&str> {
        let of_ring = self.ring.as_ref().and_then(RingSource::profile);
        let of_file = || {
            self.files
                .last()
                .map(|file| file.manifest.identity.profile.as_str())
        };
        of_ring.or_else(of_file)
    }

    /// Uncompressed bytes of its slog.
    pub(crate) fn size(&self) -> u64 {
        let frames = self.files.iter().flat_map(|file| &file.manifest.frames);
        let slog = frames.filter(|frame| frame.kind == Some(FrameKind::Slog));
        let archived: u64 = slog.map(|frame| frame.decompressed).sum();
        archived + self.ring.as_ref().map_or(0, RingSource::size)
    }

    /// Its blocks, in the order of their lines.
    pub(crate) fn blocks(&self) -> Vec<IndexedBlock> {
        let mut blocks = Vec::new();
        let mut first = 0;
        for file in &self.files {
            let entries = file.manifest.blocks.iter();
            let of = &file.manifest.identity;
            blocks.extend(entries.map(|entry| IndexedBlock::of_entry(entry, first, of)));
            first += file.slog_lines();
        }
        let Some(ring) = &self.ring else {
            return blocks;
        };
        let shift = self.shift(ring);
        let of_ring = ring.blocks().into_iter();
        let left = of_ring.filter(|block| block.from.main >= shift.from.main);
        blocks.extend(left.map(|block| IndexedBlock {
            from: shift.position(block.from),
            until: block.until.map(|until| shift.position(until)),
            ..block
        }));
        blocks
    }

    /// Reads all items, as [`crate::Source::read_lines`] does.
    pub(crate) fn read(
        &self,
        sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut before: Option<&Archived> = None;
        let (mut main, mut local) = (0, 0);
        for file in &self.files {
            if let Some(hole) = before.and_then(|before| between(before, file))
                && !sink(Item::Hole(hole))?
            {
                return Ok(());
            }
            if !read_file(file, (main, local), sink)? {
                return Ok(());
            }
            main += file.slog_lines();
            local += file.side_lines();
            before = Some(file);
        }
        match &self.ring {
            Some(ring) => self.read_ring(ring, sink),
            None => Ok(()),
        }
    }

    fn read_ring(
        &self,
        ring: &RingSource,
        sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let shift = self.shift(ring);
        read_ring(ring, Some(shift.from), &mut |item| match item {
            Item::Line(line) => sink(Item::Line(Line {
                counter: shift.counter(line.lane, line.counter),
                ..line
            })),
            Item::Hole(hole) => {
                let moved =
                    |(lane, from, to)| (lane, shift.counter(lane, from), shift.counter(lane, to));
                let records = hole.records.map(moved);
                sink(Item::Hole(Hole { records, ..hole }))
            }
        })
    }

    /// From where on the ring is not archived, and how its lines are counted.
    fn shift(&self, ring: &RingSource) -> Shift {
        let id = ring.id();
        let of_ring = || {
            self.files
                .iter()
                .filter(|file| id.is_some() && file.ring() == id)
        };
        let behind = |span: fn(&Archived) -> Option<Span>| {
            let spans = of_ring().filter_map(span);
            spans
                .map(|span| span.to.saturating_add(1))
                .max()
                .unwrap_or(0)
        };
        Shift {
            from: Position {
                main: behind(Archived::span),
                local: behind(|file| file.manifest.coverage.local),
            },
            lines: self.files.iter().map(Archived::slog_lines).sum(),
            side_lines: self.files.iter().map(Archived::side_lines).sum(),
        }
    }
}

/// Counts the ring's lines from the end of the archive's.
struct Shift {
    from: Position,
    lines: u64,
    side_lines: u64,
}

impl Shift {
    fn counter(&self, lane: Lane, counter: u64) -> u64 {
        match lane {
            Lane::Main | Lane::Spine => counter
                .saturating_sub(self.from.main)
                .saturating_add(self.lines),
            Lane::Local => counter.saturating_add(self.side_lines),
        }
    }

    fn position(&self, at: Position) -> Position {
        Position {
            main: self.counter(Lane::Main, at.main),
            local: self.counter(Lane::Local, at.local),
        }
    }
}

fn open_box(path: &Path) -> Result<BlackBox, SourceError> {
    let file = File::open(path).map_err(|error| SourceError::Io(path.to_owned(), error))?;
    let opened = BlackBox::open(file);
    opened.map_err(|error| SourceError::UnsupportedFormat(path.to_owned(), error.into()))
}

/// Reads what the manifest says is missing, then the lines. Returns false once `sink` has
/// enough.
fn read_file(
    file: &Archived,
    first: (u64, u64),
    sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>,
) -> io::Result<bool> {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    // Files of older recorders do not say before which line it is missing.
    for missing in file.manifest.holes.iter().filter(|m| m.line.is_none()) {
        let hole = Hole::of_index(missing);
        let text = format!("{name}: {}", hole.text);
        if !sink(Item::Hole(Hole { text, ..hole }))? {
            return Ok(false);
        }
    }
    let bx = open_box(&file.path).map_err(io::Error::other)?;
    let mut enough = false;
    read_box(&bx, &mut |item| {
        let more = match item {
            Item::Line(line) => {
                let first = if line.lane == Lane::Main {
                    first.0
                } else {
                    first.1
                };
                let counter = line.counter.saturating_add(first);
                sink(Item::Line(Line { counter, ..line }))?
            }
            Item::Hole(hole) => {
                let text = format!("{name}: {}", hole.text);
                sink(Item::Hole(Hole { text, ..hole }))?
            }
        };
        enough |= !more;
        Ok(more)
    })?;
    Ok(!enough)
}

/// Records of one ring that are missing between two neighbouring files.
fn between(before: &Archived, file: &Archived) -> Option<Hole> {
    let neighbours = before.ring() == file.ring() && before.place + 1 == file.place;
    let (from, to) = (before.span()?.to + 1, file.span()?.from);
    (neighbours && from < to).then(|| Hole {
        text: format!("records {from} to {} are not in the archive", to - 1),
        damage: false,
        lost: false,
        of_blocks: true,
        records: None,
    })
}
