//! Sources: all kinds of recordings, read in one way.

use std::fs::File;
use std::io::{self, BufRead};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::{ALERT_FILE, FrameEntry, SIGNATURE_SUFFIX};
use haltbox_format::{Digest, Stream};
use haltbox_model::Profile;

use crate::agoric_ring::{AgoricRing, Scanned, Why};
use crate::blackbox::{BlackBox, BoxStream, OpenError};
use crate::block_files::{self, BlockFiles};
use crate::block_index::IndexedBlock;
use crate::box_lines::read_box;
use crate::fingerprint::Fingerprint;
use crate::folder::Folder;
use crate::item::{Sink, plain_line};
use crate::ring_source::{open_ring, read_ring};
use crate::slog_file::SlogFile;
use crate::slog_lines::read_slog;
use crate::source_kind::{self, Compression, SourceKind};
use crate::spool::{reads_once, spool};

pub use crate::item::{Hole, Item, Line};
pub use crate::ring_source::RingSource;
pub use crate::source_error::{NoSource, SourceError};

/// What is known of a source's blocks before its lines are read.
pub enum Blocks {
    /// The blocks by marks or an index, in the order of their lines.
    Told(Vec<IndexedBlock>),
    /// Nothing. The lines show the blocks.
    Untold,
}

/// An open source.
pub enum Source {
    /// A Haltbox ring, live or dead.
    Ring(Box<RingSource>),
    /// A black box or archive file.
    BlackBox(Box<BlackBox>),
    /// A recorder's folder: its archive, followed by its ring.
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

/// Opens a source whose lines are read once. A slog from standard input is then read as it
/// comes.
///
/// # Errors
/// As for [`open`].
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
        // A box or a ring, possibly damaged.
        false => open_saying(path, say),
    }
}

/// Whether the input certainly is a slog, plain or compressed. Only a slog can be read as it
/// comes.
fn begins_a_slog(first: &[u8]) -> bool {
    let compressed = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd]];
    let text = first
        .iter()
        .take(64)
        .all(|byte| *byte >= b' ' || byte.is_ascii_whitespace());
    text || compressed.iter().any(|magic| first.starts_with(magic))
}

/// Opens a source; `-` is standard input. A source that can be read only once is copied first.
///
/// # Errors
/// [`SourceError`].
pub fn open(path: &Path) -> Result<Source, SourceError> {
    open_saying(path, &|_| {})
}

/// As [`open()`], and tells `say` what a waiting user should know.
///
/// # Errors
/// [`SourceError`].
pub fn open_saying(path: &Path, say: &dyn Fn(&str)) -> Result<Source, SourceError> {
    let once = path == Path::new("-") || reads_once(path).map_err(|e| io_error(path, e))?;
    if !once {
        return open_file(path);
    }
    let copy = spool(path, say).map_err(|error| io_error(path, error))?;
    // The error must name the user's path, and not the copy's.
    open_file(&copy).map_err(|error| match error {
        SourceError::Io(_, error) => io_error(path, error),
        SourceError::UnsupportedFormat(_, why) => {
            SourceError::UnsupportedFormat(path.to_owned(), why)
        }
    })
}

fn io_error(path: &Path, error: io::Error) -> SourceError {
    SourceError::Io(path.to_owned(), error)
}

fn open_file(path: &Path) -> Result<Source, SourceError> {
    let io_error = |error| SourceError::Io(path.to_owned(), error);
    let unsupported = |why| Err(SourceError::UnsupportedFormat(path.to_owned(), why));
    match SourceKind::of(path).map_err(io_error)? {
        SourceKind::Ring => ring(path),
        SourceKind::BlackBox => open_box(path),
        SourceKind::Fingerprint => open_fingerprint(path),
        SourceKind::AgoricRing => Ok(Source::Agoric(path.to_owned())),
        // A box whose first page is damaged begins like any Zstandard file.
        SourceKind::Slog if is_zstd(path).map_err(io_error)? => open_zstd(path),
        SourceKind::Slog => Ok(Source::Slog(path.to_owned())),
        SourceKind::Empty => unsupported(NoSource::Empty),
        SourceKind::Folder => open_folder(path),
        SourceKind::UnsupportedFormat(found) => ring(path)
            .or_else(|_| open_box(path))
            .or_else(|_| unsupported(NoSource::Foreign(found))),
    }
}

fn is_zstd(path: &Path) -> io::Result<bool> {
    Ok(Compression::of(path)? == Compression::Zstd)
}

fn open_fingerprint(path: &Path) -> Result<Source, SourceError> {
    let file = File::open(path).map_err(|error| SourceError::Io(path.to_owned(), error))?;
    let found = Fingerprint::open(file);
    let found =
        found.map_err(|error| SourceError::UnsupportedFormat(path.to_owned(), error.into()))?;
    Ok(Source::Fingerprint(Box::new(found)))
}

fn ring(path: &Path) -> Result<Source, SourceError> {
    Ok(Source::Ring(Box::new(open_ring(path)?)))
}

fn open_folder(path: &Path) -> Result<Source, SourceError> {
    let ring = path.join("ring");
    let ring = ring.is_file().then(|| open_ring(&ring)).transpose()?;
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
    let found =
        found.map_err(|error| SourceError::UnsupportedFormat(path.to_owned(), error.into()))?;
    Ok(Source::BlackBox(Box::new(found)))
}

/// A slog, unless there are frames of a box in it. What is wrong with a box is told: its
/// slog alone would be read without what the box says of it.
fn open_zstd(path: &Path) -> Result<Source, SourceError> {
    let file = File::open(path).map_err(|error| SourceError::Io(path.to_owned(), error))?;
    match BlackBox::open(file) {
        Ok(found) => Ok(Source::BlackBox(Box::new(found))),
        Err(OpenError::NotABox) => Ok(Source::Slog(path.to_owned())),
        Err(error) => Err(SourceError::UnsupportedFormat(
            path.to_owned(),
            error.into(),
        )),
    }
}

/// The sources that a path stands for: the path itself, or the sources in the folder.
///
/// # Errors
/// [`SourceError`] if the folder cannot be read or holds no source.
pub fn members(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    // Files of single blocks are one recording together.
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
        let path = path.to_owned();
        return Err(SourceError::UnsupportedFormat(path, NoSource::NoMembers));
    }
    Ok(found)
}

/// Whether a recorder keeps this file beside its ring: settings, or the node's log. A file
/// with entries is a slog, whatever its name.
fn is_of_recorder(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let known = name.is_some_and(|name| name.ends_with(".json") || name.starts_with("node.log"));
    known && source_kind::is_without_entries(path).unwrap_or(false)
}

/// Whether a file is the signature of another: text without entries under such a name.
fn is_signature(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let named = name.is_some_and(|name| name.ends_with(SIGNATURE_SUFFIX));
    named && source_kind::is_without_entries(path).unwrap_or(false)
}

/// The sources in a folder. A recorder's folder also holds files of the recorder, which are
/// left out.
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
        let signature = || is_signature(&entry.path());
        if !hidden && !of_a_block && kind.is_file() && !signature() && known() && !own() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn is_source(kind: &SourceKind) -> bool {
    !matches!(
        kind,
        SourceKind::Empty | SourceKind::Folder | SourceKind::UnsupportedFormat(_)
    )
}

impl Source {
    /// Its kind, as a word.
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

    /// Whether it holds digests and no entries.
    pub fn is_fingerprint(&self) -> bool {
        matches!(self, Source::Fingerprint(_))
    }

    /// The profile with which it was recorded, if the source says.
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

    /// The keys with which its values were replaced, first to last. Empty if the source does
    /// not say so.
    pub fn redaction_keys(&self) -> Vec<String> {
        match self {
            Source::BlackBox(bx) => {
                let origin = bx
                    .identity()
                    .and_then(|identity| identity.origin.as_deref());
                origin.map(keys_in).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The digest of the rules that give its blocks their HASHes, if the source says.
    pub fn named_by(&self) -> Option<Digest> {
        match self {
            Source::BlackBox(bx) => bx.identity()?.profile_digest,
            _ => None,
        }
    }

    /// Leaves out whole files that hold nothing of these heights.
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

    /// Whether its lines were records of a recorder, and not a text.
    pub fn has_records(&self) -> bool {
        matches!(
            self,
            Source::Ring(_) | Source::Folder(_) | Source::BlackBox(_)
        )
    }

    /// The height in the name of a box.
    pub fn about(&self) -> Option<u64> {
        match self {
            Source::BlackBox(file) => file.identity().and_then(|of| of.height),
            _ => None,
        }
    }

    /// Passes every item to `sink`, oldest first, until it returns false. A line that wraps an
    /// entry with its context is unwrapped. Holds one segment, frame or line at a time in memory.
    ///
    /// # Errors
    /// An error from reading, or from `sink`.
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
                let unwrapped = rules.unwrap(line.bytes);
                sink(Item::Line(Line {
                    wrapped: unwrapped.as_ref().map(|_| line.bytes),
                    bytes: unwrapped.as_deref().unwrap_or(line.bytes),
                    ..line
                }))
            }
            other => sink(other),
        })
    }

    /// As [`Source::read`], without unwrapping lines.
    ///
    /// # Errors
    /// An error from reading, or from `sink`.
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

/// The blocks of a box's index, with lines counted from `first`.
fn index_of(bx: &BlackBox, first: u64) -> Vec<IndexedBlock> {
    let manifest = bx.manifest().into_iter();
    let blocks = manifest.flat_map(|m| m.blocks.iter().map(|entry| (entry, &m.identity)));
    blocks
        .map(|(entry, of)| IndexedBlock::of_entry(entry, first, of))
        .collect()
}

fn read_agoric(path: &Path, sink: Sink<'_>) -> io::Result<()> {
    let mut ring = AgoricRing::open(path).map_err(io::Error::other)?;
    let mut counter = 0;
    while let Some(found) = ring.next()? {
        let item = match found {
            Scanned::Record(bytes) => {
                counter += 1;
                Item::Line(plain_line(bytes, counter - 1, true, true))
            }
            Scanned::Skipped(skip) => Item::Hole(Hole {
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

impl Source {
    /// About how many bytes of lines it gives, if known before it is read.
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

/// The keys that an origin tells of: `redacted from NAME, key ID`, and what NAME itself is made
/// of behind it.
fn keys_in(origin: &str) -> Vec<String> {
    let steps = origin.split("redacted from ").skip(1);
    let keys = steps.filter_map(|step| {
        let (_, behind) = step.split("; ").next()?.rsplit_once(", key ")?;
        Some(behind.to_owned())
    });
    let mut keys: Vec<String> = keys.collect();
    keys.reverse();
    keys
}
