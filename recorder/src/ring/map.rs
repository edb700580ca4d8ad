//! The mapped file. Every unsafe block of the recorder is in this module.
//!
//! Nothing else in this process reads or writes the mapped bytes through
//! memory, and readers in any process use `pread`. The part that `lend` gives
//! to a host is the exception: the host writes it, and the recorder reads it
//! before it writes there itself.
//!
//! One risk remains: if the file is truncated or its disk fails, the kernel
//! answers an access with SIGBUS. The file is preallocated and locked, so that
//! Haltbox itself never causes that.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use haltbox_format::simulated::stored;
use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::libc;

/// Tells the process that created a value from its forked children.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    process: &'static AtomicU32,
    number: u32,
}

impl Birth {
    /// This process.
    pub fn here() -> Birth {
        static PROCESS: OnceLock<&'static AtomicU32> = OnceLock::new();
        let process = *PROCESS.get_or_init(watch_forks);
        Birth {
            process,
            number: number_here(process),
        }
    }

    /// Whether this process is a forked child of the one that made this.
    #[inline]
    pub fn is_elsewhere(self) -> bool {
        self.process.load(Ordering::Relaxed) != self.number
    }
}

/// Number of this process. A child finds 0 and takes a number that no ancestor
/// has.
fn number_here(process: &AtomicU32) -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let known = process.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match process.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(other) => other,
    }
}

/// A file mapped for reading and writing. Its one owner writes.
pub struct Map {
    pages: Arc<Mapping>,
    birth: Birth,
}

/// Handle of the same pages, to ask the kernel to make them present.
#[derive(Clone)]
pub struct Pages(Arc<Mapping>);

/// The mapping, and the process that made it.
struct Mapping {
    raw: ManuallyDrop<MmapRaw>,
    birth: Birth,
}

impl Mapping {
    /// Whether this process is a forked child. The pages are not mapped there,
    /// and their addresses may belong to something else.
    fn is_forked(&self) -> bool {
        self.birth.is_elsewhere()
    }
}

impl Drop for Mapping {
    /// Unmaps the file, but not in a forked child: there other memory may have
    /// these addresses.
    fn drop(&mut self) {
        if !self.is_forked() {
            // SAFETY: this is the only place that drops `raw`, and `self` is
            // not used again.
            unsafe { ManuallyDrop::drop(&mut self.raw) }
        }
    }
}

/// Longest record, in bytes, whose cache lines are requested...
const SHORT: usize = 512;
/// ...this many bytes ahead of the head. Those of a longer one are requested
/// when it comes...
const AHEAD: usize = 1024;
/// ...up to this many bytes: more than an eighth of a small cache would push out
/// the payload, which is read once more.
const REQUESTED: usize = 4096;

/// Asks the kernel to begin writing a file's changed pages to the disk. Waits
/// only while the disk's queue is full. An asynchronous msync would begin
/// nothing on Linux.
pub fn start_writeback(file: &File) {
    // SAFETY: a system call on a descriptor that `file` holds open; it touches no
    // memory of this process. What it answers changes nothing.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Number of this process, if the kernel has no pages that are wiped on fork.
static NUMBER: AtomicU32 = AtomicU32::new(0);

extern "C" fn forget_number() {
    NUMBER.store(0, Ordering::Relaxed);
}

/// Where the number of this process is kept.
///
/// The kernel wipes that page in every child, also in one that `clone` made
/// without the C library. Before Linux 4.14 it is a static word, and the C
/// library clears it in `fork`.
fn watch_forks() -> &'static AtomicU32 {
    if let Some(page) = wiped_in_children() {
        return page;
    }
    // SAFETY: `forget_number` is a static function that only stores to an atomic, which is
    // allowed in the child of a fork; a failure leaves the pages protected by MADV_DONTFORK.
    unsafe { libc::pthread_atfork(None, None, Some(forget_number)) };
    &NUMBER
}

fn wiped_in_children() -> Option<&'static AtomicU32> {
    const LENGTH: usize = 4096;
    let (protection, kind) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new private mapping, of which nothing else knows, is made, and given back if it
    // is of no use. Else it stays for the life of the process: it is aligned for an AtomicU32,
    // is zero, and is accessed by nothing but this reference.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), LENGTH, protection, kind, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, LENGTH, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, LENGTH);
            return None;
        }
        Some(AtomicU32::from_ptr(page.cast()))
    }
}

impl Map {
    /// Maps all of `file`. Its length must not shrink while it is mapped.
    pub fn new(file: &File) -> io::Result<Map> {
        let birth = Birth::here();
        let pages = MmapOptions::new().map_raw(file)?;
        // A forked child must not write records. Without the pages it cannot.
        pages.advise(Advice::DontFork)?;
        let mapping = Mapping {
            raw: ManuallyDrop::new(pages),
            birth,
        };
        Ok(Map {
            pages: Arc::new(mapping),
            birth,
        })
    }

    /// Whether this process is a forked child. The pages are not mapped there,
    /// and an access would end the process.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.birth.is_elsewhere()
    }

    /// Handle to make pages present from another thread.
    pub fn pages(&self) -> Pages {
        Pages(Arc::clone(&self.pages))
    }

    /// Address of a part that a host writes itself. Makes its pages present, so
    /// that the host does not stop in a page fault.
    ///
    /// `None` if that fails, or if the part is not inside the map.
    pub fn lend(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        if !self.covers(offset, length) {
            return None;
        }
        self.pages().populate(offset, length).ok()?;
        // A pointer is only made here, not used.
        NonNull::new(self.pages.raw.as_mut_ptr().wrapping_add(offset))
    }

    /// Bytes that a host wrote into its lent part and does not touch any more.
    pub fn laid(&self, offset: usize, length: usize) -> Option<&[u8]> {
        if !self.covers(offset, length) {
            return None;
        }
        // SAFETY: `covers` checked that the bytes lie inside the live mapping, which
        // `self` keeps. Nothing changes them while the slice lives: the recorder
        // writes only through `&mut self`. The host that wrote them counted them by
        // a release store after its last access, and the caller loaded that count.
        Some(unsafe { std::slice::from_raw_parts(self.pages.raw.as_mut_ptr().add(offset), length) })
    }

    fn covers(&self, offset: usize, length: usize) -> bool {
        let end = offset.checked_add(length);
        !self.is_forked() && end.is_some_and(|end| end <= self.pages.raw.len())
    }

    /// Copies `bytes` to `offset`. Returns false and writes nothing if they do
    /// not fit into the map, or in a forked child.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        if !self.covers(offset, bytes.len()) {
            return false;
        }
        // SAFETY: `covers` checked that the destination lies inside the live
        // mapping; `&mut self` makes this the only writer in the process, as the
        // recorder ends a lending before it writes into the lent part; the
        // source is a Rust slice outside the mapping, as a slice of the
        // mapping lives only while `self` is borrowed, so the two cannot overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.pages.raw.as_mut_ptr().add(offset),
                bytes.len(),
            );
        }
        stored();
        true
    }

    /// Writes a record at `offset`, a multiple of 16.
    ///
    /// `prefix` and `payload` go behind a header of 16 bytes. Then comes
    /// `sequence`, and last `commit` in one aligned release store. Returns
    /// false and writes nothing if the record does not fit, or in a forked
    /// child.
    #[inline(always)]
    pub fn put_record(
        &mut self,
        offset: usize,
        [sequence, commit]: [u64; 2],
        prefix: &[u8],
        payload: &[u8],
    ) -> bool {
        let length = 16 + prefix.len() + payload.len();
        if !offset.is_multiple_of(16) || !self.covers(offset, length) {
            return false;
        }
        // A short record ends before the CPU notices that memory is written in
        // order, so its stores would wait for their lines. That was a fifth of its
        // cost, measured.
        if length <= SHORT {
            self.prefetch(offset + AHEAD, 128);
        }
        // SAFETY: `covers` checked that `length` bytes from `offset` lie inside
        // the live mapping, and every write below stays within them; `&mut self`
        // makes this the only writer, as the recorder ends a lending before it
        // writes into the lent part; both slices lie outside the mapping, as a
        // slice of it lives only while `self` is borrowed; the header's words
        // are aligned because mappings begin at a page boundary and `offset` is
        // a multiple of 16.
        unsafe {
            let record = self.pages.raw.as_mut_ptr().add(offset);
            let body = record.add(16);
            if !prefix.is_empty() {
                std::ptr::copy_nonoverlapping(prefix.as_ptr(), body, prefix.len());
            }
            std::ptr::copy_nonoverlapping(payload.as_ptr(), body.add(prefix.len()), payload.len());
            stored();
            record.cast::<u64>().write(sequence.to_le());
            stored();
            AtomicU64::from_ptr(record.add(8).cast()).store(commit.to_le(), Ordering::Release);
        }
        stored();
        true
    }

    /// Requests the cache lines of a record that is about to be put at `offset`.
    ///
    /// They come while the checksum is computed. Without that its stores wait for
    /// them, a quarter of its cost at 1 KiB, measured. A short record is over too
    /// early for that, and [`Map::put_record`] requests lines ahead of it.
    #[inline(always)]
    pub fn request(&self, offset: usize, length: usize) {
        if length > SHORT {
            self.prefetch(offset, length.min(REQUESTED));
        }
    }

    /// Requests the cache lines of `length` bytes at `offset` from the CPU.
    #[inline(always)]
    fn prefetch(&self, offset: usize, length: usize) {
        #[cfg(target_arch = "x86_64")]
        for line in (0..length).step_by(64) {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let at = self
                .pages
                .raw
                .as_mut_ptr()
                .wrapping_add(offset)
                .wrapping_add(line);
            // SAFETY: a prefetch is a hint: it neither faults nor changes memory,
            // whatever the address, and SSE is part of x86_64.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast::<i8>()) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (offset, length);
    }

    /// Stores one word at `offset`, a multiple of 8.
    ///
    /// A reader that sees the word sees all stores before it, and never sees
    /// half of it. Returns false and stores nothing if it does not fit, or in a
    /// forked child.
    pub fn publish(&mut self, offset: usize, word: u64) -> bool {
        if !offset.is_multiple_of(8) || !self.covers(offset, 8) {
            return false;
        }
        // SAFETY: `covers` checked that the eight bytes lie inside the live
        // mapping; mappings begin at a page boundary, so a multiple of 8 is
        // aligned for an AtomicU64; the recorder writes the word only through
        // methods with `&mut self`, and a host only in a part that is lent to it,
        // which this word is not.
        let target = unsafe { AtomicU64::from_ptr(self.pages.raw.as_mut_ptr().add(offset).cast()) };
        target.store(word.to_le(), Ordering::Release);
        stored();
        true
    }
}

nix::ioctl_read!(get_file_flags, b'f', 1, libc::c_long);
nix::ioctl_write_ptr!(set_file_flags, b'f', 2, libc::c_long);
nix::ioctl_read!(get_xfs_geometry, b'X', 100, XfsGeometry);

const NO_COPY_ON_WRITE: libc::c_long = 0x0080_0000;

fn file_flags(file: &File) -> io::Result<libc::c_long> {
    let mut flags: libc::c_long = 0;
    // SAFETY: the descriptor is open for the life of `file`, and the kernel
    // writes one C long (in truth an int, which is not longer) to a valid place.
    unsafe { get_file_flags(file.as_raw_fd(), &mut flags) }?;
    Ok(flags)
}

/// Tells btrfs not to copy the file's blocks on each write. Works only for an
/// empty file.
pub fn set_no_copy_on_write(file: &File) -> io::Result<()> {
    let flags = file_flags(file)? | NO_COPY_ON_WRITE;
    // SAFETY: the descriptor is open for the life of `file`; the kernel only reads
    // the pointed-to value.
    unsafe { set_file_flags(file.as_raw_fd(), &flags) }?;
    Ok(())
}

/// Whether btrfs has that setting for this file.
pub fn is_no_copy_on_write(file: &File) -> bool {
    file_flags(file).is_ok_and(|flags| flags & NO_COPY_ON_WRITE != 0)
}

/// `xfs_fsop_geom_v1`. Only `flags` is used.
#[repr(C, align(8))]
pub struct XfsGeometry {
    _before: [u8; 92],
    flags: u32,
    _after: [u8; 16],
}

/// Whether files of this XFS can share blocks (`mkfs.xfs -m reflink=1`, the
/// default today).
pub fn xfs_shares_blocks(file: &File) -> io::Result<bool> {
    const REFLINK: u32 = 1 << 20;
    let mut geometry = XfsGeometry {
        _before: [0; 92],
        flags: 0,
        _after: [0; 16],
    };
    // SAFETY: the descriptor is open for the life of `file`, and the kernel writes the
    // 112 bytes of the struct, as long as the request's number says.
    unsafe { get_xfs_geometry(file.as_raw_fd(), &mut geometry) }?;
    Ok(geometry.flags & REFLINK != 0)
}

impl Pages {
    /// Makes the pages of a range present and writable, so that the writer does
    /// not stop in a page fault. Changes no byte. Needs Linux 5.14.
    ///
    /// # Errors
    /// The kernel cannot make the pages present, or is older than 5.14.
    pub fn populate(&self, offset: usize, length: usize) -> io::Result<()> {
        let length = length.min(self.0.raw.len().saturating_sub(offset));
        if length == 0 || self.0.is_forked() {
            return Ok(());
        }
        self.0
            .raw
            .advise_range(Advice::PopulateWrite, offset, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn mapped(length: u64) -> (File, Map) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        let map = Map::new(&file).unwrap();
        (file, map)
    }

    #[test]
    fn what_is_written_is_read_by_pread() {
        let (file, mut map) = mapped(8192);
        assert!(map.write(100, b"haltbox") && map.publish(4096, 0x0102_0304_0506_0708));
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, 100).unwrap();
        assert_eq!(&bytes, b"haltbox");
        let mut word = [0; 8];
        file.read_exact_at(&mut word, 4096).unwrap();
        assert_eq!(u64::from_le_bytes(word), 0x0102_0304_0506_0708);
    }

    #[test]
    fn nothing_outside_the_map_is_touched() {
        let (_file, mut map) = mapped(4096);
        assert!(!map.write(4090, b"haltbox"));
        assert!(!map.write(usize::MAX, b"h"));
        assert!(!map.publish(4096, 1) && !map.publish(4, 1));
        assert!(!map.put_record(4080, [1, 1], b"", b"h") && !map.put_record(8, [1, 1], b"", b""));
        map.request(4080, 4096);
        map.request(usize::MAX, usize::MAX);
    }

    /// What a host's forked child does with the recorder that it inherited. None
    /// of it may reach the file, fault, or unmap other memory at these addresses.
    fn as_a_child(mut map: Map) -> bool {
        let address = map.pages.raw.as_mut_ptr().cast();
        let length = map.pages.raw.len();
        let refused = map.is_forked()
            && !map.write(0, b"child")
            && !map.publish(0, 1)
            && !map.put_record(0, [1, 1], b"", b"child")
            && map.pages().populate(0, 4096).is_ok();
        let (protection, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
        );
        // SAFETY: MAP_FIXED_NOREPLACE maps the range only if nothing is there,
        // and the byte written and read lies inside what was then mapped.
        unsafe {
            let others = libc::mmap(address, length, protection, kind, -1, 0);
            if others != address {
                return false;
            }
            others.cast::<u8>().write_volatile(7);
            drop(map);
            refused && others.cast::<u8>().read_volatile() == 7
        }
    }

    #[test]
    fn the_child_of_a_fork_writes_nothing_and_unmaps_nothing() {
        let (file, mut map) = mapped(8192);
        assert!(map.write(0, b"owner"));
        // SAFETY: the child only makes system calls and calls `as_a_child`,
        // which neither allocates nor locks; it ends in `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(!as_a_child(map));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for one int.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0, "the child wrote, faulted or unmapped");
        let mut bytes = [0; 5];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"owner");
        assert!(!map.is_forked() && map.write(0, b"still"));
    }

    /// A forked child that drops its copies must not let a second writer in, and
    /// must not wait for threads that it does not have.
    #[test]
    fn the_child_of_a_fork_leaves_the_lock() {
        use crate::ring::file::{OpenError, RingOptions, open};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let options = RingOptions {
            size: 4 << 20,
            in_host: false,
            engine: None,
        };
        let ring = open(&path, &options).unwrap();
        let heads = ring.writer.heads();
        let pages = ring.writer.pages().unwrap();
        let populating = crate::ring::populate::start(pages, heads, 256 << 10).unwrap();
        // SAFETY: the child only drops what the parent made before it, under an
        // alarm that ends it should a drop wait, and ends in `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: sets a timer of this process; see above.
            unsafe { libc::alarm(10) };
            drop((ring, populating));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for one int.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0, "the child waited or panicked");
        let second = open(&path, &options).err();
        assert!(matches!(second, Some(OpenError::Locked(_))), "{second:?}");
        drop((ring, populating));
        assert!(open(&path, &options).is_ok());
    }
}
