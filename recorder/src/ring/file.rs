//! Opens the ring's file.
//!
//! Only one writer can open it. All its blocks are allocated before the file is
//! mapped. A file that cannot be used is renamed and never overwritten, because
//! it may be evidence.

use haltbox_model::ShowPath;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haltbox_format::Lane;
use haltbox_format::ring::{
    Geometry, MAX_EPOCH, MAX_RING, MIN_RING, PAGE, RingError, RingView, SUPERBLOCK_OFFSETS,
    Superblock,
};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, fallocate};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use thiserror::Error;

use crate::clock;
use crate::machine;
use crate::memory;
use crate::ring::engine::{Engine, Ground};
use crate::ring::surface::Surface;
use crate::ring::{Birth, RingWriter};

/// Most counters that a lane may have used when a session begins, of 2^40. At a
/// hundred thousand records a second the rest lasts two months.
const COUNTERS: u64 = 1 << 39;

/// How to open a ring.
#[derive(Clone, Copy, Debug)]
pub struct RingOptions {
    /// Size of the file in bytes, [`MIN_RING`] to [`MAX_RING`].
    pub size: u64,
    /// Whether a host writes the ring. Then the file system must not end the
    /// process, and no call may wait for it.
    pub in_host: bool,
    /// How records get into the file. `None` lets the file system decide.
    pub engine: Option<Engine>,
}

/// An open ring, and what opening found.
pub struct OpenedRing {
    /// The writer, which continues where the last one stopped.
    pub writer: RingWriter,
    /// The content of the ring before this session.
    pub view: RingView,
    /// The file and its lock, held until all clones are dropped.
    pub file: RingLock,
    /// Notices for the operator.
    pub notices: Vec<String>,
    /// Rings that were renamed now.
    pub aside: Vec<PathBuf>,
}

/// The ring's file and its lock. The lock lasts as long as any clone of this.
#[derive(Clone)]
pub struct RingLock {
    file: Option<Arc<Flock<File>>>,
    birth: Birth,
}

impl RingLock {
    fn new(file: Flock<File>) -> RingLock {
        RingLock {
            file: Some(Arc::new(file)),
            birth: Birth::here(),
        }
    }

    /// A second handle of the file. It does not hold the lock.
    ///
    /// # Errors
    /// The file has no handle any more, or the system has none to give.
    pub fn try_clone(&self) -> io::Result<File> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.try_clone()
    }
}

impl Drop for RingLock {
    /// Keeps the lock in a forked child. The child shares it with the process
    /// that writes the ring, and unlocking would let a second writer in.
    fn drop(&mut self) {
        if self.birth.is_elsewhere() {
            std::mem::forget(self.file.take());
        }
    }
}

/// Part of the name of a ring that was renamed because of its size.
pub const OTHER_SIZE: &str = "other-size";

/// Whether a writer holds the ring's lock. False where the file system has no
/// locks.
pub fn is_held(file: File) -> bool {
    let locked = Flock::lock(file, FlockArg::LockSharedNonblock);
    matches!(locked, Err((_, Errno::EWOULDBLOCK)))
}

/// Why a ring cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes it.
    #[error(
        "{} is being written by another recorder; stop that one, or give this one another --dir",
        .0.shown()
    )]
    Locked(PathBuf),
    /// The disk has too little room.
    #[error(
        "no room for {}: it needs {needed} bytes, {available} are free, {} are missing; free disk \
         space, or use a smaller --size",
        path.shown(),
        needed.saturating_sub(*available)
    )]
    NoSpace {
        /// The ring.
        path: PathBuf,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// A host must not map a file of this file system.
    #[error(
        "{} is on {name}, where preallocated blocks do not protect a mapped file; put the ring on \
         ext4 or tmpfs, choose the engine `queue`, which maps no file, or run haltbox record \
         beside the host",
        path.shown()
    )]
    FileSystem {
        /// The ring.
        path: PathBuf,
        /// The file system's name or number.
        name: String,
    },
    /// Not a size a ring can have.
    #[error(
        "a ring of {0} bytes cannot be made: --size must be {MIN_RING} (4MiB) to {MAX_RING} (1TiB)"
    )]
    Size(u64),
    /// The system said no.
    #[error("cannot {doing} {}: {error}", path.shown())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// Opens the ring at `path`, or creates it. Renames a file there that cannot be
/// used, and names it in the notices.
///
/// # Errors
/// The ring is locked by another writer, its size is not allowed, the disk has
/// no room, a host must not use its file system, or a system call fails.
pub fn open(path: &Path, options: &RingOptions) -> Result<OpenedRing, OpenError> {
    let size = options.size / PAGE * PAGE;
    Geometry::for_size(size).ok_or(OpenError::Size(options.size))?;
    let mut notices = Vec::new();
    let mut aside = Vec::new();
    loop {
        let Some(file) = lock_existing(path)? else {
            create(path, size, options)?;
            continue;
        };
        match examine(&file, size) {
            Ok(view) => {
                let engine = choose_engine(&file, path, options, &mut notices)?;
                return resume(path, file, view, engine, notices, aside);
            }
            Err(Unfit::Io(error)) => {
                return Err(OpenError::Io {
                    doing: "read",
                    path: path.to_owned(),
                    error,
                });
            }
            Err(Unfit::Because { word, why, reader }) => {
                let to = move_aside(path, word)?;
                notices.push(format!(
                    "{} {why}; it was moved to {}, and a new ring was created{}",
                    path.shown(),
                    to.shown(),
                    reader.advice(&to)
                ));
                aside.push(to);
            }
        }
    }
}

/// Why the writer cannot continue a ring.
enum Unfit {
    Io(io::Error),
    Because {
        word: &'static str,
        why: String,
        reader: Reader,
    },
}

/// What can read a ring that the writer cannot continue.
enum Reader {
    /// This version.
    Ours,
    /// The version that wrote it.
    Newer,
    /// None: the file holds nothing of a ring.
    Nobody,
}

impl Reader {
    /// What to do with the ring that was moved to `path`.
    fn advice(self, path: &Path) -> String {
        match self {
            Reader::Ours => format!("; read the old one with: haltbox info {}", path.shown()),
            Reader::Newer => {
                "; read the old one with haltbox info of the version that wrote it".to_owned()
            }
            Reader::Nobody => String::new(),
        }
    }
}

impl Unfit {
    fn because(word: &'static str, why: impl Into<String>) -> Unfit {
        Unfit::read_by(Reader::Ours, word, why)
    }

    fn read_by(reader: Reader, word: &'static str, why: impl Into<String>) -> Unfit {
        Unfit::Because {
            word,
            why: why.into(),
            reader,
        }
    }
}

/// Takes the lock. Tries again for a moment, because a program that asks
/// [`is_held`] has the lock briefly.
fn lock(mut file: File) -> Result<Flock<File>, Errno> {
    for _ in 0..5 {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((same, Errno::EWOULDBLOCK)) => file = same,
            other => return other.map_err(|(_, errno)| errno),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(Errno::EWOULDBLOCK)
}

/// Opens and locks the file at `path`. `None` if there is none.
fn lock_existing(path: &Path) -> Result<Option<Flock<File>>, OpenError> {
    let io_error = |doing, error| OpenError::Io {
        doing,
        path: path.to_owned(),
        error,
    };
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", error)),
    };
    let opened = file
        .metadata()
        .map_err(|error| io_error("examine", error))?;
    if !opened.is_file() {
        let error = io::Error::other("it is not a regular file");
        return Err(io_error("use", error));
    }
    let locked = lock(file).map_err(|errno| match errno {
        Errno::EWOULDBLOCK => OpenError::Locked(path.to_owned()),
        other => io_error("lock", other.into()),
    })?;
    // Another recorder may have renamed the file between opening and locking.
    match std::fs::metadata(path) {
        Ok(now) if now.ino() == opened.ino() && now.dev() == opened.dev() => Ok(Some(locked)),
        _ => lock_existing(path),
    }
}

/// Reads an existing file and checks whether the writer can continue it.
fn examine(file: &File, size: u64) -> Result<RingView, Unfit> {
    let length = file.metadata().map_err(Unfit::Io)?.len();
    if length == 0 {
        return Err(Unfit::read_by(Reader::Nobody, "empty", "is empty"));
    }
    let view = RingView::read(file).map_err(|error| match error {
        RingError::Io(error) => Unfit::Io(error),
        RingError::Zeroed => Unfit::read_by(Reader::Nobody, "zeroed", error.to_string()),
        RingError::Version(_) => Unfit::read_by(Reader::Newer, "version", error.to_string()),
        RingError::Foreign(_) => Unfit::read_by(Reader::Nobody, "foreign", error.to_string()),
    })?;
    let Some(superblock) = view.superblock else {
        return Err(Unfit::because("damaged", "has no intact superblock"));
    };
    let missing = superblock.file_size.saturating_sub(length);
    let missing = missing.max(view.missing_bytes());
    if missing > 0 {
        let size = superblock.file_size;
        let why = format!("is truncated: {missing} of its {size} bytes are missing");
        return Err(Unfit::because("truncated", why));
    }
    if machine::is_others(&superblock) {
        return Err(Unfit::because(
            "other-machine",
            "was made on another machine",
        ));
    }
    let newest = Lane::ALL
        .iter()
        .map(|lane| view.lane(*lane).next_counter())
        .max();
    let counters = newest.unwrap_or(0) >= COUNTERS;
    if counters || view.epoch() >= MAX_EPOCH || superblock.revision == u64::MAX {
        return Err(Unfit::because("worn", "has used up its sequence numbers"));
    }
    if superblock.file_size != size {
        let why = format!("has {} bytes, --size asks for {size}", superblock.file_size);
        return Err(Unfit::because(OTHER_SIZE, why));
    }
    Ok(view)
}

/// Renames `path` to a free name beside it that says why, and returns that
/// name.
fn move_aside(path: &Path, word: &str) -> Result<PathBuf, OpenError> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let stamp = clock::compact_now();
    for serial in 1..1000 {
        let tail = if serial == 1 {
            String::new()
        } else {
            format!(".{serial}")
        };
        let to = path.with_file_name(format!("{name}.aside-{word}-{stamp}{tail}"));
        match rename_to_new(path, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(OpenError::Io {
                    doing: "move aside",
                    path: path.to_owned(),
                    error,
                });
            }
        }
    }
    let error = io::Error::from(io::ErrorKind::AlreadyExists);
    Err(OpenError::Io {
        doing: "move aside",
        path: path.to_owned(),
        error,
    })
}

fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    // nix has this call for glibc only.
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from)
}

/// Creates a ring under a temporary name and renames it to `path`. Does nothing
/// if another recorder created `path` first.
fn create(path: &Path, size: u64, options: &RingOptions) -> Result<(), OpenError> {
    let io_error = |doing, error| OpenError::Io {
        doing,
        path: path.to_owned(),
        error,
    };
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // The process id is not enough: two containers on one volume can both be
    // process 1.
    let random = u32::from_le_bytes(machine::random().map_err(|error| io_error("name", error))?);
    let pid = std::process::id();
    let temporary = path.with_file_name(format!(".{name}.new-{pid}-{random:08x}"));
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(|error| io_error("create", error))
        .and_then(|file| {
            // Examine the file while it is empty: only then can copy-on-write
            // be turned off. Drop the notices, because opening the ring makes
            // them again.
            choose_engine(&file, path, options, &mut Vec::new())?;
            allocate(&file, path, size)?;
            write_superblocks(&file, size).map_err(|error| io_error("write", error))
        })
        .and_then(|()| match rename_to_new(&temporary, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io_error("create", error))
            }
            _ => Ok(()),
        });
    let _ = std::fs::remove_file(&temporary);
    made?;
    crate::owner_only::sync_folder(path).map_err(|error| io_error("sync the folder of", error))
}

/// Allocates every block of the file. On a full disk a page without a block
/// would end the process by SIGBUS.
fn allocate(file: &File, path: &Path, size: u64) -> Result<(), OpenError> {
    let io_error = |error| OpenError::Io {
        doing: "allocate",
        path: path.to_owned(),
        error,
    };
    let no_space = || OpenError::NoSpace {
        path: path.to_owned(),
        needed: size,
        available: available(file),
    };
    let held = file
        .metadata()
        .map_err(io_error)?
        .blocks()
        .saturating_mul(512);
    if available(file).saturating_add(held) < size {
        return Err(no_space());
    }
    let length = i64::try_from(size).map_err(|_| OpenError::Size(size))?;
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        Err(Errno::ENOSPC) => Err(no_space()),
        // The file system has no fallocate. Writing zeroes allocates the
        // blocks.
        Err(Errno::EOPNOTSUPP) => write_zeroes(file, size).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => no_space(),
            _ => io_error(error),
        }),
        Err(errno) => Err(io_error(errno.into())),
    }
}

fn available(file: &File) -> u64 {
    let found = nix::sys::statvfs::fstatvfs(file);
    found.map_or(u64::MAX, |stat| {
        stat.blocks_available().saturating_mul(stat.fragment_size())
    })
}

fn write_zeroes(file: &File, size: u64) -> io::Result<()> {
    let zeroes = vec![0; 1 << 20];
    // Begin behind the existing bytes, which may be evidence.
    let mut at = file.metadata()?.len();
    while at < size {
        let count = (size - at).min(zeroes.len() as u64);
        file.write_all_at(zeroes.get(..count as usize).unwrap_or(&zeroes), at)?;
        at += count;
    }
    Ok(())
}

fn write_superblocks(file: &File, size: u64) -> io::Result<()> {
    let geometry = Geometry::for_size(size).ok_or(io::ErrorKind::InvalidInput)?;
    let superblock = Superblock {
        geometry,
        revision: 1,
        uuid: machine::random()?,
        salt: u64::from_le_bytes(machine::random()?),
        file_size: size,
        epoch: 0,
        machine: machine::machine(),
        boot: machine::boot_bytes(),
        created_ms: clock::now_ms(),
    };
    for offset in SUPERBLOCK_OFFSETS {
        file.write_all_at(&superblock.encode(), offset)?;
    }
    file.sync_all()
}

/// Name of a file system that is a bad place for a ring. `None` if it is a good
/// one.
pub fn file_system_name(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    if fstatfs(&file).ok()?.filesystem_type() == TMPFS_MAGIC {
        return Some("tmpfs".to_owned());
    }
    match Ground::of(&file).ok()? {
        Ground::Firm | Ground::Shared(_) => None,
        Ground::Moving(name) => Some(name.to_owned()),
        Ground::Unknown(name) => Some(name),
    }
}

/// Picks the engine for a file, and adds a notice if the operator should know
/// of it.
fn choose_engine(
    file: &File,
    path: &Path,
    options: &RingOptions,
    notices: &mut Vec<String>,
) -> Result<Engine, OpenError> {
    let ground = Ground::of(file).map_err(|error| OpenError::Io {
        doing: "examine",
        path: path.to_owned(),
        error,
    })?;
    let name = ground.unsafe_name().unwrap_or_default();
    let chosen = ground.engine(options.engine, options.in_host);
    let engine = chosen.ok_or_else(|| OpenError::FileSystem {
        path: path.to_owned(),
        name: name.to_owned(),
    })?;
    if options.engine.is_none() && engine == Engine::Queue {
        notices.push(format!(
            "{} is on {name}, where a full disk can kill a process that maps a file: a thread \
             writes the ring instead, and a kill can lose the last milliseconds; on ext4 and \
             tmpfs nothing is lost",
            path.shown()
        ));
    }
    Ok(engine)
}

/// Continues a ring in a new epoch. Syncs nothing: an fsync would write back
/// the whole ring, and recovery does not depend on it.
fn resume(
    path: &Path,
    file: Flock<File>,
    view: RingView,
    engine: Engine,
    mut notices: Vec<String>,
    aside: Vec<PathBuf>,
) -> Result<OpenedRing, OpenError> {
    let io_error = |doing, error| OpenError::Io {
        doing,
        path: path.to_owned(),
        error,
    };
    // Allocate again: a copy of a ring may have holes and yet the full length.
    let length = view
        .superblock
        .map_or(view.length, |superblock| superblock.file_size);
    allocate(&file, path, length)?;
    let file = RingLock::new(file);
    let handle = file.try_clone().map_err(|error| io_error("open", error))?;
    let surface = Surface::open(engine, &handle, length, file.clone())
        .map_err(|error| io_error("map", error))?;
    // Check only now, because the map has taken its part of the address space.
    memory::ask(memory::to_open(length)).map_err(|error| io_error("allocate memory for", error))?;
    let epoch = view.epoch().saturating_add(1);
    let mut writer = RingWriter::resume(surface, &view, epoch);
    if let Some(superblock) = view.superblock {
        let next = Superblock {
            revision: superblock.revision + 1,
            epoch,
            machine: machine::machine(),
            boot: machine::boot_bytes(),
            ..superblock
        };
        // Overwrite the older copy, so that a torn write leaves the newer one
        // whole.
        let offset = SUPERBLOCK_OFFSETS[usize::from(next.revision % 2 == 1)];
        writer.write_superblock(offset, &next.encode());
    }
    if !view.bad_superblocks.is_empty() {
        notices.push(format!(
            "{}: one superblock was damaged and has been rewritten",
            path.shown()
        ));
    }
    writer.publish_writer(std::process::id());
    Ok(OpenedRing {
        writer,
        view,
        file,
        notices,
        aside,
    })
}
