//! A Haltbox ring as a source: its records, and the lines that an attached recorder keeps
//! beside it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::attached::{self, AttachedState};
use haltbox_format::mark::{Mark, Position};
use haltbox_format::ring::{Entry, HoleKind, RingError, RingView, Timeline};
use haltbox_format::{Lane, RingId, Stream};
use haltbox_model::history::History;

use crate::block_index::IndexedBlock;
use crate::carrier::Origin;
use crate::item::{Hole, Item, Line, Sink};
use crate::source_error::SourceError;

/// An open ring.
pub struct RingSource {
    /// The file.
    pub file: File,
    /// Its records.
    pub view: RingView,
    /// Its marks.
    pub history: History,
    /// Files of the node's log that an attached recorder keeps beside the ring.
    beside: Vec<PathBuf>,
}

/// Opens a ring.
pub(crate) fn open_ring(path: &Path) -> Result<RingSource, SourceError> {
    let io_error = |error| SourceError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(io_error)?;
    let view = RingView::read(&file).map_err(|error| match error {
        RingError::Io(error) => io_error(error),
        other => SourceError::UnsupportedFormat(path.to_owned(), other.into()),
    })?;
    let mut history = History::read(&file, &view).map_err(io_error)?;
    let id = view.superblock.map(|superblock| RingId(superblock.uuid));
    let knowledge = knowledge_beside(path).filter(|knowledge| knowledge.is_of(id));
    if let Some(knowledge) = &knowledge {
        history.life.apply_attached(knowledge, id, history.last.at);
    }
    Ok(RingSource {
        file,
        view,
        history,
        beside: knowledge.map_or(Vec::new(), |_| lines_beside(path)),
    })
}

/// Files of the lines that an attached recorder keeps, oldest first.
fn lines_beside(ring: &Path) -> Vec<PathBuf> {
    let folder = ring.parent().map(|folder| folder.join(attached::FOLDER));
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let is_file = entry.file_type().ok()?.is_file();
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix(attached::LINES)?;
        let number: u64 = number.parse().ok().filter(|_| is_file)?;
        Some((number, entry.path()))
    });
    let mut files: Vec<(u64, PathBuf)> = numbered.collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

/// What an attached recorder knows of the ring's blocks.
fn knowledge_beside(ring: &Path) -> Option<AttachedState> {
    let at = ring.parent()?.join(attached::FOLDER).join(attached::STATE);
    let is_file = std::fs::metadata(&at).is_ok_and(|found| found.is_file());
    AttachedState::decode(&is_file.then(|| std::fs::read(at).ok())??)
}

/// Reads a ring, from a position on if one is given.
pub(crate) fn read_ring(
    ring: &RingSource,
    from: Option<Position>,
    sink: Sink<'_>,
) -> io::Result<()> {
    let mut timeline = match from {
        Some(from) => Timeline::after(&ring.file, &ring.view, ring.history.marked(), from),
        None => Timeline::new(&ring.file, &ring.view, ring.history.marked()),
    };
    while let Some(entry) = timeline.next()? {
        let more = match entry {
            Entry::Line(line) => sink(Item::Line(Line {
                stream: line.stream,
                lane: line.lane,
                counter: line.counter,
                bytes: line.bytes,
                newline: line.terminated,
                whole: line.cut.is_none(),
                goes_on: false,
                context: line.context,
                origin: Origin::Recorded,
                wrapped: None,
            }))?,
            Entry::Marks(_, marks, _) => losses(&marks, sink)?,
            Entry::Hole(hole) => sink(Item::Hole(Hole {
                text: hole.to_string(),
                damage: hole.why == HoleKind::Missing,
                lost: hole.why == HoleKind::Dropped,
                of_blocks: hole.lane == Lane::Main,
                records: Some((hole.lane, hole.from, hole.to)),
            }))?,
        };
        if !more {
            return Ok(());
        }
    }
    read_beside(ring, sink)
}

/// Reads the node's log that is kept beside a ring. It is unknown where between the ring's
/// records its lines belong, so they come last, as in a box.
fn read_beside(ring: &RingSource, sink: Sink<'_>) -> io::Result<()> {
    let mut counter = ring.view.lane(Lane::Local).next_counter();
    for path in &ring.beside {
        // The recorder may have removed the file meanwhile, to make room for a newer one.
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        for (line, newline) in attached::Lines::of(&bytes) {
            let line = Line {
                stream: Stream::Node,
                lane: Lane::Local,
                counter,
                bytes: line,
                newline,
                whole: true,
                goes_on: false,
                context: false,
                origin: Origin::Recorded,
                wrapped: None,
            };
            counter += 1;
            if !sink(Item::Line(line))? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Entries that were lost before they reached the recorder leave no gap in a lane. Only the
/// marks show where.
fn losses(marks: &[Mark], sink: Sink<'_>) -> io::Result<bool> {
    for mark in marks {
        let Mark::Loss(loss) = mark else { continue };
        if loss.breaks_blocks() && !loss.shows_as_gap() {
            let records = match loss.records {
                0 => "entries may be".to_owned(),
                records => format!("entries ({records}) are"),
            };
            let text = format!("{records} missing here: {}", loss.why);
            if !sink(Item::Hole(Hole::lost(text)))? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl RingSource {
    /// Its id, if a superblock is sound.
    pub(crate) fn id(&self) -> Option<RingId> {
        let superblock = self.view.superblock?;
        Some(RingId(superblock.uuid))
    }

    /// The profile of its last session.
    pub(crate) fn profile(&self) -> Option<&str> {
        let (_, session) = self.history.sessions.last()?;
        Some(&session.profile)
    }

    /// Bytes of its block records, with their headers.
    pub(crate) fn size(&self) -> u64 {
        let runs = &self.view.lane(Lane::Main).runs;
        runs.iter().map(|run| (run.to - run.from) as u64).sum()
    }

    /// Its blocks, in the order of their records.
    pub(crate) fn blocks(&self) -> Vec<IndexedBlock> {
        let blocks = self.history.life.blocks().iter();
        let mut blocks: Vec<IndexedBlock> = blocks.map(IndexedBlock::from).collect();
        blocks.sort_by_key(|block| (block.from.main, block.from.local));
        blocks
    }
}
