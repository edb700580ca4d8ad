//! The system under the recorder: its clock, its random bytes, its disk.
//!
//! The C library's functions that the recorder calls are defined here, and the linker takes
//! these. While a simulation runs, time is the simulator's, a disk can be full, fail or be
//! read-only, and every store and every call that changes a folder is a place where the
//! process can die. What a power cut leaves of boxes and archive files follows from what was
//! synced. Without a simulation they do what the kernel does.
//!
//! One simulation at a time runs in a process: threads of the recorder belong to it.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::fs;
use std::os::raw::{c_char, c_int, c_long, c_uint, c_void};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use haltbox_format::simulated;
use nix::errno::Errno;
use nix::libc;

use crate::random::Random;

static ACTIVE: AtomicBool = AtomicBool::new(false);
static REAL_NS: AtomicU64 = AtomicU64::new(0);
static STEADY_NS: AtomicU64 = AtomicU64::new(0);
/// Stores and calls until the process dies; none where it is negative.
static UNTIL_DEATH: AtomicI64 = AtomicI64::new(-1);
/// What a descriptor is open on.
static KINDS: [AtomicU8; 1024] = [const { AtomicU8::new(OTHER) }; 1024];
static DISK: Mutex<Option<Disk>> = Mutex::new(None);

const OTHER: u8 = 0;
const RING: u8 = 1;
const KEPT: u8 = 2;

thread_local! {
    /// What this thread does is the simulator's own.
    static OUTSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What the disk refuses from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// So many bytes can be written into boxes and archive, then it is full.
    pub room: Option<u64>,
    /// What syncing gives.
    pub sync: Option<c_int>,
    /// What giving a file its name gives.
    pub link: Option<c_int>,
    /// What making a file gives.
    pub make: Option<c_int>,
    /// What writing into the ring by a call gives.
    pub ring: Option<c_int>,
    /// What allocating the ring's blocks gives.
    pub allocate: Option<c_int>,
}

/// What a process left that died.
pub struct Remains {
    /// The ring's file.
    pub ring: Vec<u8>,
    /// Names in the folders of boxes and archive.
    names: BTreeSet<PathBuf>,
    /// What the simulator counted by then.
    pub steps: u64,
}

struct Disk {
    ring: PathBuf,
    folders: Vec<PathBuf>,
    graveyard: PathBuf,
    refusals: Refusals,
    /// Files with bytes that were not synced, by inode.
    unsynced: BTreeSet<u64>,
    /// Names that were given or taken since their folder was synced.
    given: BTreeSet<PathBuf>,
    taken: BTreeMap<PathBuf, PathBuf>,
    /// Names that were taken, whether synced or not, since the last death.
    buried: BTreeMap<PathBuf, PathBuf>,
    serial: u64,
    remains: Option<Remains>,
    steps: u64,
    random: Random,
}

/// A simulated system; the kernel's own once it is dropped.
pub struct System(());

fn disk() -> MutexGuard<'static, Option<Disk>> {
    DISK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_simulated() -> bool {
    ACTIVE.load(Ordering::Relaxed) && !OUTSIDE.get()
}

/// Keeps what was freed for the next images: their pages need not be made again.
pub fn keep_memory() {
    // SAFETY: these calls change parameters of the C library's allocator alone.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
}

/// Does something that is no part of the simulation.
pub fn outside<R>(work: impl FnOnce() -> R) -> R {
    let before = OUTSIDE.replace(true);
    let result = work();
    OUTSIDE.set(before);
    result
}

impl System {
    /// Begins a simulation in a folder.
    pub fn begin(dir: &Path, seed: u64) -> System {
        let mut random = Random(seed ^ 0x0051_57E4);
        REAL_NS.store(
            1_764_000_000_000_000_000 + random.below(1 << 50),
            Ordering::Relaxed,
        );
        STEADY_NS.store(1 << 40, Ordering::Relaxed);
        UNTIL_DEATH.store(-1, Ordering::Relaxed);
        let graveyard = dir.join("graveyard");
        fs::create_dir_all(&graveyard).expect("a folder for removed files");
        *disk() = Some(Disk {
            ring: dir.join("ring"),
            folders: vec![dir.join("boxes"), dir.join("archive")],
            graveyard,
            refusals: Refusals::default(),
            unsynced: BTreeSet::new(),
            given: BTreeSet::new(),
            taken: BTreeMap::new(),
            buried: BTreeMap::new(),
            serial: 0,
            remains: None,
            steps: 0,
            random,
        });
        simulated::watch_stores(Some(passed));
        ACTIVE.store(true, Ordering::Relaxed);
        System(())
    }

    /// Moves both clocks ahead, and the wall clock by a jump besides.
    pub fn pass(&self, ms: u64, jump_ms: i64) {
        STEADY_NS.fetch_add(ms * 1_000_000, Ordering::Relaxed);
        let by = (ms as i64 + jump_ms) * 1_000_000;
        REAL_NS.fetch_add(by as u64, Ordering::Relaxed);
    }

    /// What the disk refuses from now on.
    pub fn refuse(&self, refusals: Refusals) {
        disk().as_mut().expect("a simulation").refusals = refusals;
    }

    /// A step of the simulation is done: what comes later was not acknowledged.
    pub fn count_step(&self) {
        disk().as_mut().expect("a simulation").steps += 1;
    }

    /// The process dies behind so many stores and calls.
    pub fn arm(&self, after: u64) {
        let mut disk = disk();
        let disk = disk.as_mut().expect("a simulation");
        (disk.remains, disk.steps) = (None, 0);
        UNTIL_DEATH.store(after as i64, Ordering::Relaxed);
    }

    /// The process is dead: what it left, by now or where it died before.
    pub fn take_remains(&self) -> Remains {
        UNTIL_DEATH.store(-1, Ordering::Relaxed);
        let mut disk = disk();
        let disk = disk.as_mut().expect("a simulation");
        disk.remains.take().unwrap_or_else(|| disk.look())
    }

    /// Undoes what became of the folders behind a death.
    pub fn bury(&self, remains: &Remains) {
        outside(|| disk().as_mut().expect("a simulation").undo(remains));
    }

    /// Takes from the folders what a power cut takes. Gives the names whose content or
    /// existence is open.
    pub fn cut_power(&self) -> BTreeSet<PathBuf> {
        outside(|| disk().as_mut().expect("a simulation").cut_power())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        ACTIVE.store(false, Ordering::Relaxed);
        simulated::watch_stores(None);
        *disk() = None;
    }
}

/// A store or a call was made: the process may die here.
fn passed() {
    if UNTIL_DEATH.load(Ordering::Relaxed) < 0 || OUTSIDE.get() {
        return;
    }
    if UNTIL_DEATH.fetch_sub(1, Ordering::Relaxed) == 0
        && let Some(disk) = disk().as_mut()
    {
        // The call's own error is for its caller.
        let error = Errno::last_raw();
        disk.remains = Some(disk.look());
        Errno::set_raw(error);
    }
}

impl Disk {
    fn look(&self) -> Remains {
        outside(|| Remains {
            ring: fs::read(&self.ring).unwrap_or_default(),
            names: self.names(),
            steps: self.steps,
        })
    }

    fn names(&self) -> BTreeSet<PathBuf> {
        let entries = self.folders.iter().filter_map(|at| fs::read_dir(at).ok());
        entries.flatten().flatten().map(|at| at.path()).collect()
    }

    fn undo(&mut self, remains: &Remains) {
        for name in self.names().difference(&remains.names) {
            let _ = fs::remove_file(name);
            self.given.remove(name);
        }
        for name in &remains.names {
            if !name.exists()
                && let Some(buried) = self.buried.get(name)
            {
                let _ = fs::hard_link(buried, name);
                self.taken.remove(name);
            }
        }
        self.buried.clear();
    }

    fn cut_power(&mut self) -> BTreeSet<PathBuf> {
        let mut open = BTreeSet::new();
        for name in std::mem::take(&mut self.given) {
            open.insert(name.clone());
            if self.random.percent(50) {
                let _ = fs::remove_file(&name);
            }
        }
        for (name, buried) in std::mem::take(&mut self.taken) {
            if !name.exists() && self.random.percent(50) {
                open.insert(name.clone());
                let _ = fs::hard_link(buried, &name);
            }
        }
        for name in self.names() {
            let metadata = fs::metadata(&name).expect("it is there");
            if self.unsynced.contains(&metadata.ino()) {
                open.insert(name.clone());
                self.tear(&name, metadata.len());
            }
        }
        self.unsynced.clear();
        self.buried.clear();
        open
    }

    /// Of a file that was not synced some pages are blank.
    fn tear(&mut self, name: &Path, length: u64) {
        let file = fs::OpenOptions::new().write(true).open(name);
        let file = file.expect("it can be written");
        for page in (0..length).step_by(4096) {
            if self.random.percent(50) {
                let size = (length - page).min(4096) as usize;
                file.write_all_at(&vec![0; size], page).expect("a page");
            }
        }
    }

    fn is_kept(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }

    fn kind(&self, path: &Path) -> u8 {
        match self.is_kept(path) {
            true => KEPT,
            false if path == self.ring => RING,
            false => OTHER,
        }
    }

    fn bury_name(&mut self, name: &Path) {
        if !self.is_kept(name) {
            return;
        }
        self.serial += 1;
        let grave = self.graveyard.join(self.serial.to_string());
        if fs::hard_link(name, &grave).is_ok() {
            if !self.given.remove(name) {
                self.taken.insert(name.to_owned(), grave.clone());
            }
            self.buried.insert(name.to_owned(), grave);
        }
    }

    fn has_synced(&mut self, fd: c_int) {
        let Some(path) = path_of(fd) else { return };
        if self.folders.contains(&path) {
            let of_folder = |name: &Path| name.parent() == Some(path.as_path());
            self.given.retain(|name| !of_folder(name));
            self.taken.retain(|name, _| !of_folder(name));
        } else if let Some(inode) = inode_of(fd) {
            self.unsynced.remove(&inode);
        }
    }
}

fn path_of(fd: c_int) -> Option<PathBuf> {
    outside(|| fs::read_link(format!("/proc/self/fd/{fd}")).ok())
}

fn inode_of(fd: c_int) -> Option<u64> {
    outside(|| Some(fs::metadata(format!("/proc/self/fd/{fd}")).ok()?.ino()))
}

fn kind_of(fd: c_int) -> u8 {
    let kind = usize::try_from(fd).ok().and_then(|fd| KINDS.get(fd));
    kind.map_or(OTHER, |kind| kind.load(Ordering::Relaxed))
}

fn set_kind(fd: c_int, kind: u8) {
    if let Some(of) = usize::try_from(fd).ok().and_then(|fd| KINDS.get(fd)) {
        of.store(kind, Ordering::Relaxed);
    }
}

fn fail(errno: c_int) -> c_int {
    nix::errno::Errno::from_raw(errno).set();
    -1
}

/// What the disk refuses, if it is simulated here.
fn refusals() -> Option<Refusals> {
    is_simulated().then(|| disk().as_ref().map(|disk| disk.refusals))?
}

fn with_disk(work: impl FnOnce(&mut Disk)) {
    outside(|| disk().as_mut().map(work));
}

// SAFETY of all that follows: the arguments are those of the C library's function of the same
// name and go to the kernel's call as they came; a pointer is read only where that function
// reads it too. Calls with a variable number of arguments take the third where it is passed in
// a register on every target this runs on.

/// See clock_gettime(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, at: *mut libc::timespec) -> c_int {
    let simulated = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Some(&REAL_NS),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => {
            Some(&STEADY_NS)
        }
        _ => None,
    };
    if let Some(clock) = simulated.filter(|_| is_simulated()) {
        let ns = clock.load(Ordering::Relaxed);
        // SAFETY: the caller gives a place for a timespec.
        unsafe {
            (*at).tv_sec = (ns / 1_000_000_000) as i64;
            (*at).tv_nsec = (ns % 1_000_000_000) as c_long;
        }
        return 0;
    }
    // SAFETY: above.
    unsafe { libc::syscall(libc::SYS_clock_gettime, c_long::from(clock), at) as c_int }
}

/// See clock_nanosleep(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_nanosleep(
    clock: c_int,
    flags: c_int,
    asked: *const libc::timespec,
    left: *mut libc::timespec,
) -> c_int {
    if is_simulated() {
        // SAFETY: the caller gives a timespec.
        let ns = unsafe { (*asked).tv_sec as u64 * 1_000_000_000 + (*asked).tv_nsec as u64 };
        STEADY_NS.fetch_add(ns, Ordering::Relaxed);
        REAL_NS.fetch_add(ns, Ordering::Relaxed);
        return 0;
    }
    let clock = c_long::from(clock);
    // SAFETY: above.
    let done = unsafe { libc::syscall(libc::SYS_clock_nanosleep, clock, flags, asked, left) };
    if done == 0 {
        0
    } else {
        nix::errno::Errno::last_raw()
    }
}

/// See open(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: above.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// See openat(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: above.
    unsafe { openat64(dir, path, flags, mode) }
}

/// See openat(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    if !is_simulated() {
        // SAFETY: above.
        return unsafe { libc::syscall(libc::SYS_openat, dir, path, flags, mode) as c_int };
    }
    // SAFETY: the caller gives a path that ends with a zero.
    let name = unsafe { CStr::from_ptr(path) }
        .to_string_lossy()
        .into_owned();
    if name == "/dev/urandom" {
        return random_file();
    }
    let kind = match dir {
        libc::AT_FDCWD => disk().as_ref().map_or(OTHER, |d| d.kind(Path::new(&name))),
        dir => kind_of(dir),
    };
    let makes = flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0;
    if kind == KEPT
        && makes
        && let Some(errno) = refusals().and_then(|refusals| refusals.make)
    {
        return fail(errno);
    }
    // SAFETY: above.
    let fd = unsafe { libc::syscall(libc::SYS_openat, dir, path, flags, mode) as c_int };
    set_kind(fd, kind);
    fd
}

/// A file with the next random bytes.
fn random_file() -> c_int {
    let mut bytes = Vec::new();
    with_disk(|disk| (0..32).for_each(|_| bytes.extend(disk.random.draw().to_le_bytes())));
    // SAFETY: the name is a constant that ends with a zero; the bytes are ours.
    unsafe {
        let fd = libc::memfd_create(c"random".as_ptr(), libc::MFD_CLOEXEC);
        libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len());
        libc::lseek(fd, 0, libc::SEEK_SET);
        set_kind(fd, OTHER);
        fd
    }
}

/// See close(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    set_kind(fd, OTHER);
    // SAFETY: above.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// See fcntl(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: above.
    let done = unsafe { libc::syscall(libc::SYS_fcntl, fd, command, argument) as c_int };
    if command == libc::F_DUPFD_CLOEXEC || command == libc::F_DUPFD {
        set_kind(done, kind_of(fd));
    }
    done
}

/// See write(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize {
    let count = match room_for(fd, count) {
        Ok(count) => count,
        Err(errno) => return fail(errno) as isize,
    };
    // SAFETY: above; no more bytes than the caller gave.
    let done = unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) as isize };
    has_written(fd);
    done
}

/// See pwrite(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    fd: c_int,
    bytes: *const c_void,
    count: usize,
    at: libc::off64_t,
) -> isize {
    let count = match room_for(fd, count) {
        Ok(count) => count,
        Err(errno) => return fail(errno) as isize,
    };
    if is_simulated() && kind_of(fd) == RING && count > 16 {
        // A kill stops a write between two pages.
        let half = (count / 2).next_multiple_of(8).min(count);
        // SAFETY: above; a part of the bytes, at the place they go to.
        unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, half, at) };
        passed();
    }
    // SAFETY: above; no more bytes than the caller gave.
    let done = unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, at) as isize };
    has_written(fd);
    done
}

/// How many of so many bytes a disk takes.
fn room_for(fd: c_int, count: usize) -> Result<usize, c_int> {
    if !is_simulated() {
        return Ok(count);
    }
    let mut disk = disk();
    let Some(disk) = disk.as_mut() else {
        return Ok(count);
    };
    match (kind_of(fd), &mut disk.refusals) {
        (
            RING,
            Refusals {
                ring: Some(errno), ..
            },
        ) => Err(*errno),
        (KEPT, Refusals { room: Some(0), .. }) if count > 0 => Err(libc::ENOSPC),
        (
            KEPT,
            Refusals {
                room: Some(room), ..
            },
        ) => {
            let count = count.min(usize::try_from(*room).unwrap_or(usize::MAX));
            *room -= count as u64;
            Ok(count)
        }
        _ => Ok(count),
    }
}

fn has_written(fd: c_int) {
    if !is_simulated() || kind_of(fd) == OTHER {
        return;
    }
    if kind_of(fd) == KEPT
        && let Some(inode) = inode_of(fd)
    {
        with_disk(|disk| {
            disk.unsynced.insert(inode);
        });
    }
    passed();
}

/// See fsync(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    if !is_simulated() {
        // SAFETY: above.
        return unsafe { libc::syscall(libc::SYS_fsync, fd) as c_int };
    }
    if kind_of(fd) == KEPT {
        if let Some(errno) = refusals().and_then(|refusals| refusals.sync) {
            return fail(errno);
        }
        with_disk(|disk| disk.has_synced(fd));
        passed();
    }
    0
}

/// See fallocate(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate(
    fd: c_int,
    mode: c_int,
    at: libc::off64_t,
    length: libc::off64_t,
) -> c_int {
    if let Some(errno) = refusals().and_then(|refusals| refusals.allocate) {
        return fail(errno);
    }
    // SAFETY: above.
    unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, at, length) as c_int }
}

/// See linkat(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    if let Some(errno) = refusals().and_then(|refusals| refusals.link) {
        return fail(errno);
    }
    let call = libc::SYS_linkat;
    // SAFETY: above.
    let done = unsafe { libc::syscall(call, from_dir, from, to_dir, to, flags) as c_int };
    if done == 0 && is_simulated() {
        // SAFETY: the caller gives a path that ends with a zero.
        let name = unsafe { CStr::from_ptr(to) }.to_string_lossy().into_owned();
        with_disk(|disk| {
            if let Some(path) = path_of(to_dir).map(|dir| dir.join(name)) {
                disk.taken.remove(&path);
                set_time(&path);
                disk.given.insert(path);
            }
        });
        passed();
    }
    done
}

/// A file's time is the simulator's.
fn set_time(path: &Path) {
    let ns = REAL_NS.load(Ordering::Relaxed);
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(ns);
    let file = fs::OpenOptions::new().write(true).open(path);
    let _ = file.and_then(|file| file.set_modified(at));
}

/// See unlinkat(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    if is_simulated() {
        // SAFETY: the caller gives a path that ends with a zero.
        let name = unsafe { CStr::from_ptr(path) }
            .to_string_lossy()
            .into_owned();
        let path = match dir {
            libc::AT_FDCWD => Some(PathBuf::from(&name)),
            dir => path_of(dir).map(|dir| dir.join(&name)),
        };
        with_disk(|disk| path.iter().for_each(|path| disk.bury_name(path)));
    }
    // SAFETY: above.
    let done = unsafe { libc::syscall(libc::SYS_unlinkat, dir, path, flags) as c_int };
    if is_simulated() {
        passed();
    }
    done
}

/// See unlink(2).
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: above.
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}
