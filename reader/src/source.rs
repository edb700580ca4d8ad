//! Sources: every kind of recording behind one way of reading.

use haltbox_model::ShowPath;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use haltbox_format::attached::{self, Told};
use haltbox_format::blackbox::{ALERT_FILE, FrameEntry, Missing};
use haltbox_format::mark::{Mark, Position};
use haltbox_format::ring::{Entry, HoleKind, RingError, RingView, Timeline};
use haltbox_format::{Digest, Lane, RingId, Stream};
use haltbox_model::Profile;
use haltbox_model::history::History;

use crate::agoric_ring::{AgoricRing, Found, Why};
use crate::blackbox::{BlackBox, BoxItem, BoxStream};
use crate::block_files::{self, BlockFiles};
use crate::block_index::KnownBlock;
use crate::carrier::{Origin, carried};
use crate::fingerprint::Fingerprint;
use crate::folder::Folder;
use crate::slog_file::{LinePart, SlogFile, SlogItem};
use crate::source_kind::{self, Compression, SourceKind};
use crate::spool::{reads_once, spool};

/// One entry of a source.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its stream.
    pub stream: Stream,
    /// Its lane, where the source has lanes; otherwise the main one.
    pub lane: Lane,
    /// Its place in the lane: the ring's counter, else lines counted from 0.
    pub counter: u64,
    /// Its bytes without the line feed.
    pub bytes: &'a [u8],
    /// A line feed follows.
    pub newline: bool,
    /// `bytes` is the whole entry, not a part of one.
    pub whole: bool,
    /// A part, and the next line is more of the same entry.
    pub goes_on: bool,
    /// It stands outside what the source covers: block records around it were
    /// evicted.
    pub context: bool,
    /// Who answers for its bytes.
    pub origin: Origin,
    /// The line as it stands in the source, if that is one that holds an entry and its
    /// context; `bytes` is what it tells of the entry then.
    pub wrapped: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Its bytes as they stand in the source.
    pub fn as_it_stands(&self) -> &'a [u8] {
        self.wrapped.unwrap_or(self.bytes)
    }
}

/// Something that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// What, where and why, in words.
    pub text: String,
    /// It was there and is damaged or lost; otherwise it went by age, was never
    /// written, or a live writer was faster.
    pub damage: bool,
    /// It never was recorded: dropped, or lost before it came to the recorder.
    pub lost: bool,
    /// Block records may be missing.
    pub of_blocks: bool,
    /// The lane and the first and last counter of it, where the source has
    /// lanes.
    pub records: Option<(Lane, u64, u64)>,
}

impl Hole {
    /// Block records that never were recorded.
    fn lost(text: String) -> Hole {
        Hole {
            text,
            damage: false,
            lost: true,
            of_blocks: true,
            records: None,
        }
    }

    /// What an index says is missing.
    pub(crate) fn told(missing: &Missing) -> Hole {
        let lane = missing.lane.unwrap_or(Lane::Main);
        let (from, to, why) = (missing.from, missing.to, &missing.why);
        let text = match missing.lane {
            Some(lane) => format!("records {from} to {to} of the {} lane: {why}", lane.name()),
            None => why.clone(),
        };
        // A copy of a copy says where it was missing there, then why.
        let word = why.rsplit(": ").next().unwrap_or(why);
        let gone = [HoleKind::Evicted, HoleKind::Torn, HoleKind::Overrun];
        let known = |kind: &HoleKind| word == kind.name();
        let damage = word == HoleKind::Missing.name();
        Hole {
            text,
            damage,
            lost: !damage && !gone.iter().any(known),
            of_blocks: lane == Lane::Main,
            records: None,
        }
    }

    /// Its text without the place, where that is told by records.
    pub fn reason(&self) -> &str {
        let reason = self
            .text
            .rsplit(": ")
            .next()
            .filter(|_| self.records.is_some());
        reason.unwrap_or(&self.text)
    }

    /// Something is missing that no age explains: exit code 1.
    pub fn needs_attention(&self) -> bool {
        self.damage || self.lost
    }
}

/// What a source gives.
#[derive(Debug)]
pub enum Item<'a> {
    /// An entry.
    Line(Line<'a>),
    /// Something that is not there.
    Hole(Hole),
}

/// Why there is no source.
#[derive(Debug)]
pub enum SourceError {
    /// The system said no.
    Io(PathBuf, io::Error),
    /// It is no source, and why.
    Foreign(PathBuf, String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "cannot read {}: {error}", path.shown()),
            Self::Foreign(path, why) => write!(f, "{} {why}", path.shown()),
        }
    }
}

impl std::error::Error for SourceError {}

/// What is known of a source's blocks before its lines are read.
pub enum Blocks {
    /// By marks or an index, in the order of their lines.
    Told(Vec<KnownBlock>),
    /// Nothing: the lines tell.
    Untold,
}

/// An open source.
pub enum Source {
    /// A Haltbox ring, live or dead.
    Ring(Box<RingSource>),
    /// A black box or archive file.
    BlackBox(Box<BlackBox>),
    /// A recorder's folder: its archive, and behind that its ring.
    Folder(Box<Folder>),
    /// Agoric's `flight-recorder.bin`.
    Agoric(PathBuf),
    /// A folder of slog files, one for each block.
    BlockFiles(BlockFiles),
    /// A slog file.
    Slog(PathBuf),
    /// A slog from standard input.
    Stdin,
    /// Digests without bodies.
    Fingerprint(Box<Fingerprint>),
}

/// A ring and what was found in it.
pub struct RingSource {
    /// The file.
    pub file: File,
    /// Its records.
    pub view: RingView,
    /// Its marks.
    pub history: History,
    /// Files of the node's log that an attached recorder keeps beside it.
    beside: Vec<PathBuf>,
}

/// Opens a source for one reading of its lines, which standard input gives as
/// they come.
///
/// # Errors
/// As [`open`].
pub fn open_once(path: &Path, say: &dyn Fn(&str)) -> Result<Source, SourceError> {
    if path != Path::new("-") {
        return open_saying(path, say);
    }
    let mut input = io::stdin().lock();
    let first = input.fill_buf().map_err(|error| io_error(path, error))?;
    let is_slog = begins_a_slog(first);
    drop(input);
    match is_slog {
        true => Ok(Source::Stdin),
        // A box or a ring, or what damage left of one.
        false => open_saying(path, say),
    }
}

/// What is read as it comes is a slog, or a compressed one, beyond doubt.
fn begins_a_slog(first: &[u8]) -> bool {
    let compressed = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd]];
    let text = first
        .iter()
        .take(64)
        .all(|byte| *byte >= b' ' || byte.is_ascii_whitespace());
    text || compressed.iter().any(|magic| first.starts_with(magic))
}

/// Opens a source; `-` is standard input. What can be read once only is copied
/// first.
///
/// # Errors
/// [`SourceError`].
pub fn open(path: &Path) -> Result<Source, SourceError> {
    open_saying(path, &|_| {})
}

/// As [`open()`], and `say` hears what whoever waits should know.
///
/// # Errors
/// [`SourceError`].
pub fn open_saying(path: &Path, say: &dyn Fn(&str)) -> Result<Source, SourceError> {
    let once = path == Path::new("-") || reads_once(path).map_err(|e| io_error(path, e))?;
    if !once {
        return open_file(path);
    }
    let copy = spool(path, say).map_err(|error| io_error(path, error))?;
    // What is wrong with it is told of the path that was named.
    open_file(&copy).map_err(|error| match error {
        SourceError::Io(_, error) => io_error(path, error),
        SourceError::Foreign(_, why) => SourceError::Foreign(path.to_owned(), why),
    })
}

fn io_error(path: &Path, error: io::Error) -> SourceError {
    SourceError::Io(path.to_owned(), error)
}

fn open_file(path: &Path) -> Result<Source, SourceError> {
    let io_error = |error| SourceError::Io(path.to_owned(), error);
    let foreign = |why: String| Err(SourceError::Foreign(path.to_owned(), why));
    match SourceKind::of(path).map_err(io_error)? {
        SourceKind::Ring => open_ring(path),
        SourceKind::BlackBox => open_box(path),
        SourceKind::Fingerprint => open_fingerprint(path),
        SourceKind::AgoricRing => Ok(Source::Agoric(path.to_owned())),
        // A box whose first page is damaged begins like any Zstandard file.
        SourceKind::Slog if is_zstd(path).map_err(io_error)? => {
            Ok(open_box(path).unwrap_or_else(|_| Source::Slog(path.to_owned())))
        }
        SourceKind::Slog => Ok(Source::Slog(path.to_owned())),
        SourceKind::Empty => foreign("is empty: nothing was recorded in it".to_owned()),
        SourceKind::Folder => open_folder(path),
        SourceKind::Foreign(found) => open_ring(path)
            .or_else(|_| open_box(path))
            .or_else(|_| foreign(found.to_string())),
    }
}

fn is_zstd(path: &Path) -> io::Result<bool> {
    Ok(Compression::of(path)? == Compression::Zstd)
}

fn open_fingerprint(path: &Path) -> Result<Source, SourceError> {
    let file = File::open(path).map_err(|error| SourceError::Io(path.to_owned(), error))?;
    let found = Fingerprint::open(file);
    let found = found.map_err(|error| SourceError::Foreign(path.to_owned(), error.to_string()))?;
    Ok(Source::Fingerprint(Box::new(found)))
}

fn open_ring(path: &Path) -> Result<Source, SourceError> {
    let io_error = |error| SourceError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(io_error)?;
    let view = RingView::read(&file).map_err(|error| match error {
        RingError::Io(error) => io_error(error),
        other => SourceError::Foreign(path.to_owned(), other.to_string()),
    })?;
    let mut history = History::read(&file, &view).map_err(io_error)?;
    let id = view.superblock.map(|superblock| RingId(superblock.uuid));
    let told = told_beside(path).filter(|told| told.is_of(id));
    if let Some(told) = &told {
        history.life.apply_told(told, id, history.last.at);
    }
    Ok(Source::Ring(Box::new(RingSource {
        file,
        view,
        history,
        beside: told.map_or(Vec::new(), |_| lines_beside(path)),
    })))
}

/// Files of the lines that an attached recorder keeps, the oldest first.
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

/// What an attached recorder was told of the ring's blocks.
fn told_beside(ring: &Path) -> Option<Told> {
    let at = ring.parent()?.join(attached::FOLDER).join(attached::TOLD);
    let is_file = std::fs::metadata(&at).is_ok_and(|found| found.is_file());
    Told::decode(&is_file.then(|| std::fs::read(at).ok())??)
}

fn open_folder(path: &Path) -> Result<Source, SourceError> {
    let ring = path.join("ring");
    let ring = match ring.is_file().then(|| open_ring(&ring)).transpose()? {
        Some(Source::Ring(ring)) => Some(*ring),
        _ => None,
    };
    if ring.is_none() {
        let files = BlockFiles::in_folder(path);
        let files = files.map_err(|error| SourceError::Io(path.to_owned(), error))?;
        if let Some(files) = files {
            return Ok(Source::BlockFiles(files));
        }
    }
    Ok(Source::Folder(Box::new(Folder::open(path, ring)?)))
}

fn open_box(path: &Path) -> Result<Source, SourceError> {
    let file = File::open(path).map_err(|error| SourceError::Io(path.to_owned(), error))?;
    let found = BlackBox::open(file);
    let found = found.map_err(|error| SourceError::Foreign(path.to_owned(), error.to_string()))?;
    Ok(Source::BlackBox(Box::new(found)))
}

/// What a path means: itself, or, for a folder, the ring and the boxes in it.
///
/// # Errors
/// [`SourceError`] if the folder cannot be read or holds nothing.
pub fn members(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    // Files of single blocks are one recording.
    let io_error = |error| SourceError::Io(path.to_owned(), error);
    if !path.join("ring").is_file() && BlockFiles::in_folder(path).map_err(io_error)?.is_some() {
        found.push(path.to_owned());
    }
    let of_recorder = ["ring", "boxes", "archive"];
    let of_recorder = of_recorder.iter().any(|name| path.join(name).exists());
    for folder in [path.to_owned(), path.join("boxes"), path.join("archive")] {
        if folder.is_dir() {
            found.extend(files_in(&folder, of_recorder)?);
        }
    }
    if found.is_empty() {
        let why = "contains no ring, box or slog".to_owned();
        return Err(SourceError::Foreign(path.to_owned(), why));
    }
    Ok(found)
}

/// A file that a recorder keeps beside its ring: settings, or the node's log. A slog that
/// cannot be read is none, whatever it is called.
fn is_of_recorder(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let known = name.is_some_and(|name| name.ends_with(".json") || name.starts_with("node.log"));
    known && source_kind::is_without_entries(path).unwrap_or(false)
}

/// The sources in a folder; in a recorder's lie files of its own besides.
fn files_in(folder: &Path, of_recorder: bool) -> Result<Vec<PathBuf>, SourceError> {
    let io_error = |error| SourceError::Io(folder.to_owned(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.') || name == ALERT_FILE;
        let kind = entry.file_type().map_err(io_error)?;
        let known = || SourceKind::of(entry.path()).is_ok_and(|kind| is_source(&kind));
        let of_a_block = block_files::is_one(&entry.path());
        let own = || of_recorder && is_of_recorder(&entry.path());
        if !hidden && !of_a_block && kind.is_file() && known() && !own() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn is_source(kind: &SourceKind) -> bool {
    !matches!(
        kind,
        SourceKind::Empty | SourceKind::Folder | SourceKind::Foreign(_)
    )
}

impl Source {
    /// The kind, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Ring(_) => "ring",
            Source::BlackBox(_) => "box",
            Source::Folder(_) => "folder",
            Source::Agoric(_) => "agoric-ring",
            Source::BlockFiles(_) => "block-slog",
            Source::Slog(_) | Source::Stdin => "slog",
            Source::Fingerprint(_) => "fingerprint",
        }
    }

    /// It holds digests and no entries.
    pub fn is_fingerprint(&self) -> bool {
        matches!(self, Source::Fingerprint(_))
    }

    /// The profile it was recorded with, where it says so.
    pub fn profile(&self) -> Option<&str> {
        match self {
            Source::Ring(ring) => ring.profile(),
            Source::Folder(folder) => folder.profile(),
            Source::BlackBox(bx) => bx.identity().map(|identity| identity.profile.as_str()),
            Source::Agoric(_) => Some("agoric"),
            Source::BlockFiles(_) | Source::Slog(_) | Source::Stdin | Source::Fingerprint(_) => {
                None
            }
        }
    }

    /// The digest of the rules by which its blocks are named, where it says so.
    pub fn named_by(&self) -> Option<Digest> {
        match self {
            Source::BlackBox(bx) => bx.identity()?.profile_digest,
            _ => None,
        }
    }

    /// Leaves out what need not be read for these heights, where whole files
    /// can be.
    pub fn narrow(&mut self, heights: &RangeInclusive<u64>) {
        if let Source::Folder(folder) = self {
            folder.narrow(heights);
        }
    }

    /// What is known of its blocks before its lines are read.
    pub fn blocks(&self) -> Blocks {
        match self {
            Source::Ring(ring) => Blocks::Told(ring.blocks()),
            Source::Folder(folder) => Blocks::Told(folder.blocks()),
            Source::BlackBox(bx) => {
                let blocks = index_of(bx, 0);
                match blocks.is_empty() {
                    true => Blocks::Untold,
                    false => Blocks::Told(blocks),
                }
            }
            Source::Agoric(_)
            | Source::BlockFiles(_)
            | Source::Slog(_)
            | Source::Stdin
            | Source::Fingerprint(_) => Blocks::Untold,
        }
    }

    /// The height of the block that a box is named by.
    pub fn about(&self) -> Option<u64> {
        match self {
            Source::BlackBox(file) => file.identity().and_then(|of| of.height),
            _ => None,
        }
    }

    /// Hands every item to `sink`, oldest first, until it says false; of a line that holds
    /// an entry and its context, what it tells of the entry. Memory: one segment, frame or
    /// line at a time.
    ///
    /// # Errors
    /// What reading gives, or `sink`.
    pub fn read(
        &self,
        profile: &Profile,
        sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let Some(rules) = &profile.slog else {
            return self.read_lines(sink);
        };
        self.read_lines(&mut |item| match item {
            Item::Line(line) if line.whole && line.stream == Stream::Slog => {
                let told = rules.unwrap(line.bytes);
                sink(Item::Line(Line {
                    wrapped: told.as_ref().map(|_| line.bytes),
                    bytes: told.as_deref().unwrap_or(line.bytes),
                    ..line
                }))
            }
            other => sink(other),
        })
    }

    /// As [`Source::read`], every line as it stands.
    ///
    /// # Errors
    /// What reading gives, or `sink`.
    pub fn read_lines(&self, sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>) -> io::Result<()> {
        match self {
            Source::Ring(ring) => read_ring(ring, None, sink),
            Source::Folder(folder) => folder.read(sink),
            Source::BlackBox(bx) => read_box(bx, sink),
            Source::Agoric(path) => read_agoric(path, sink),
            Source::BlockFiles(files) => files.read(sink),
            Source::Slog(path) => read_slog(SlogFile::open(path)?, sink),
            Source::Stdin => read_slog(SlogFile::new(io::stdin().lock())?, sink),
            Source::Fingerprint(_) => Err(io::Error::other(
                "a fingerprint contains digests but no entries; use haltbox diff or haltbox \
                 compare to read it",
            )),
        }
    }
}

/// The blocks of a box's index, its lines counted from `first`.
fn index_of(bx: &BlackBox, first: u64) -> Vec<KnownBlock> {
    let manifest = bx.manifest().into_iter();
    let blocks = manifest.flat_map(|m| m.blocks.iter().map(|entry| (entry, &m.identity)));
    blocks
        .map(|(entry, of)| KnownBlock::of_entry(entry, first, of))
        .collect()
}

/// Editors of another system put it before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

type Sink<'a> = &'a mut dyn FnMut(Item<'_>) -> io::Result<bool>;

/// From a position on, if one is given.
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

/// The node's log that is kept beside a ring. Where in the ring its lines stand is
/// not known: they come last, as in a box.
fn read_beside(ring: &RingSource, sink: Sink<'_>) -> io::Result<()> {
    let mut counter = ring.view.lane(Lane::Local).next_counter();
    for path in &ring.beside {
        // One that makes room for a newer meanwhile is not there any more.
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

/// What was lost before it came to the recorder leaves no gap in a lane: the
/// marks alone tell where.
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

/// What the index of a box says is missing, before the line where it is.
struct MissingLines<'a> {
    missing: Vec<(u64, &'a Missing)>,
    next: usize,
}

impl<'a> MissingLines<'a> {
    fn of(bx: &'a BlackBox) -> MissingLines<'a> {
        let lists = bx.manifest().map(|m| m.holes.iter().chain(&m.losses));
        let placed = lists.into_iter().flatten();
        let placed = placed.filter_map(|missing| Some((missing.line?, missing)));
        let mut missing: Vec<_> = placed.collect();
        missing.sort_by_key(|(line, _)| *line);
        MissingLines { missing, next: 0 }
    }

    /// Gives what is missing before a line; false if that was enough.
    fn before(&mut self, line: u64, sink: Sink<'_>) -> io::Result<bool> {
        while let Some((at, missing)) = self.missing.get(self.next) {
            if *at > line {
                break;
            }
            self.next += 1;
            if !sink(Item::Hole(Hole::told(missing)))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The context first, as it is the oldest; then the slog, then the node's log.
pub(crate) fn read_box(bx: &BlackBox, sink: Sink<'_>) -> io::Result<()> {
    for which in [BoxStream::Context, BoxStream::Slog, BoxStream::Node] {
        let stream = if which == BoxStream::Node {
            Stream::Node
        } else {
            Stream::Slog
        };
        let mut lines = bx.lines(which);
        let of_slog = which == BoxStream::Slog;
        let mut missing = of_slog.then(|| MissingLines::of(bx));
        let mut counter = 0;
        let mut in_pieces = false;
        while let Some(item) = lines.next()? {
            if let Some(missing) = &mut missing
                && !missing.before(counter, sink)?
            {
                return Ok(());
            }
            let line = |bytes, newline, whole, goes_on| Line {
                stream,
                lane: if which == BoxStream::Slog {
                    Lane::Main
                } else {
                    Lane::Local
                },
                counter,
                bytes,
                newline,
                whole,
                goes_on,
                context: which == BoxStream::Context,
                origin: Origin::Recorded,
                wrapped: None,
            };
            let (item, ended) = match item {
                BoxItem::Line { bytes, newline } => {
                    (Item::Line(line(bytes, newline, !in_pieces, false)), true)
                }
                BoxItem::Piece { bytes } => (Item::Line(line(bytes, false, false, true)), false),
                BoxItem::Hole { offset, len, why } => {
                    counter = line_behind(bx, which, offset + len).unwrap_or(counter);
                    let text = format!("bytes {offset} to {} of the box: {why}", offset + len);
                    let of_blocks = which == BoxStream::Slog;
                    (
                        Item::Hole(Hole {
                            text,
                            damage: true,
                            lost: false,
                            of_blocks,
                            records: None,
                        }),
                        true,
                    )
                }
            };
            let is_line = matches!(item, Item::Line(_));
            if !sink(item)? {
                return Ok(());
            }
            in_pieces = !ended;
            counter += u64::from(ended && is_line);
        }
        if let Some(missing) = &mut missing
            && !missing.before(u64::MAX, sink)?
        {
            return Ok(());
        }
    }
    Ok(())
}

/// Number of the first line behind a hole: blocks are spans of lines, and what
/// follows the hole must not be taken for the block it lies in.
fn line_behind(bx: &BlackBox, which: BoxStream, at: u64) -> Option<u64> {
    let frames = &bx.manifest()?.frames;
    let of_stream = |frame: &&FrameEntry| frame.kind == Some(which.kind());
    let mut behind = frames.iter().filter(of_stream).filter(|f| f.offset >= at);
    behind.next().map(|frame| frame.first_line)
}

fn read_agoric(path: &Path, sink: Sink<'_>) -> io::Result<()> {
    let mut ring = AgoricRing::open(path).map_err(|error| io::Error::other(error.to_string()))?;
    let mut counter = 0;
    while let Some(found) = ring.next()? {
        let item = match found {
            Found::Record(bytes) => {
                counter += 1;
                Item::Line(plain_line(bytes, counter - 1, true, true))
            }
            Found::Skipped(skip) => Item::Hole(Hole {
                text: format!(
                    "bytes {} to {} of the ring: {}",
                    skip.offset,
                    skip.offset + skip.len,
                    skip.why
                ),
                damage: !matches!(skip.why, Why::Blank | Why::Overwritten),
                lost: false,
                of_blocks: !matches!(skip.why, Why::Blank | Why::Overwritten),
                records: None,
            }),
        };
        if !sink(item)? {
            break;
        }
    }
    Ok(())
}

pub(crate) fn read_slog<R: io::Read>(mut file: SlogFile<R>, sink: Sink<'_>) -> io::Result<()> {
    let mut counter = 0;
    while let Some(item) = file.next()? {
        let item = match item {
            SlogItem::Line(line) => {
                let whole = line.part == LinePart::Whole;
                let bytes = match counter {
                    0 => line
                        .bytes
                        .strip_prefix(BYTE_ORDER_MARK)
                        .unwrap_or(line.bytes),
                    _ => line.bytes,
                };
                let plain = bytes.starts_with(b"{\"type\"") || !whole;
                let found = if plain { None } else { carried(bytes) };
                let item = Line {
                    goes_on: matches!(line.part, LinePart::First | LinePart::Middle),
                    origin: Origin::Text,
                    ..plain_line(bytes, counter, line.terminated, whole)
                };
                counter += u64::from(line.terminated);
                if let Some(found) = found {
                    let item = Item::Line(Line {
                        bytes: &found.bytes,
                        whole: found.whole,
                        origin: Origin::Carried(found.by),
                        ..item
                    });
                    if !sink(item)? {
                        break;
                    }
                    continue;
                }
                Item::Line(item)
            }
            SlogItem::Damage(damage) => Item::Hole(Hole {
                text: format!("after compressed byte {}: {}", damage.offset, damage.what),
                damage: true,
                lost: false,
                of_blocks: true,
                records: None,
            }),
        };
        if !sink(item)? {
            break;
        }
    }
    Ok(())
}

fn plain_line(bytes: &[u8], counter: u64, newline: bool, whole: bool) -> Line<'_> {
    let (stream, lane, context) = (Stream::Slog, Lane::Main, false);
    Line {
        stream,
        lane,
        counter,
        bytes,
        newline,
        whole,
        goes_on: false,
        context,
        origin: Origin::Recorded,
        wrapped: None,
    }
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

    /// Bytes of its block records, their frame included.
    pub(crate) fn size(&self) -> u64 {
        let runs = &self.view.lane(Lane::Main).runs;
        runs.iter().map(|run| (run.to - run.from) as u64).sum()
    }

    /// Its blocks, in the order of their records.
    pub(crate) fn blocks(&self) -> Vec<KnownBlock> {
        let blocks = self.history.life.blocks().iter();
        let mut blocks: Vec<KnownBlock> = blocks.map(KnownBlock::from).collect();
        blocks.sort_by_key(|block| (block.from.main, block.from.local));
        blocks
    }
}

impl Source {
    /// About how many bytes of lines it gives, where that is known before it
    /// is read.
    pub fn size(&self) -> Option<u64> {
        match self {
            Source::Ring(ring) => Some(ring.size()),
            Source::Folder(folder) => Some(folder.size()),
            Source::BlackBox(bx) => {
                let slog = |frame: &&FrameEntry| frame.kind == Some(BoxStream::Slog.kind());
                let frames = bx.manifest()?.frames.iter().filter(slog);
                Some(frames.map(|frame| frame.decompressed).sum())
            }
            Source::Slog(path) if Compression::of(path).ok()? != Compression::Plain => None,
            Source::Slog(path) | Source::Agoric(path) => Some(path.metadata().ok()?.len()),
            Source::BlockFiles(_) | Source::Stdin | Source::Fingerprint(_) => None,
        }
    }
}

impl Line<'_> {
    /// Where it stands among positions of its source.
    pub fn is_behind(&self, at: Position) -> bool {
        at.is_behind(self.lane, self.counter)
    }
}
