//! Tests that need the inside: a plain entry costs no allocation, and the recorder
//! handles records that a host writes itself, right or wrong.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use haltbox_format::Lane;
use haltbox_format::mark::Position;
use haltbox_format::ring::{Entry, Flags, Header, LaneKey, Part, RingView, Seq, Timeline, padded};
use haltbox_model::history::History;

use super::*;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes everything to the system's allocator; counting neither allocates nor
// runs a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Counts the allocations of this thread during `work`.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn open(folder: &std::path::Path) -> *mut haltbox {
    let dir = CString::new(folder.as_os_str().as_bytes()).unwrap();
    let mut recorder = ptr::null_mut();
    // SAFETY: a haltbox_options of zeroes is valid, and the pointers are for the call.
    let status = unsafe {
        let mut options: haltbox_options = std::mem::zeroed();
        options.struct_size = size_of::<haltbox_options>();
        options.dir = dir.as_ptr();
        options.ring_size = 4 << 20;
        haltbox_open(&options, &mut recorder, ptr::null_mut())
    };
    assert_eq!(status, HALTBOX_OK);
    recorder
}

fn record(recorder: *mut haltbox, line: &[u8]) {
    // SAFETY: the recorder was opened, and the line is there.
    let status = unsafe { haltbox_record(recorder, line.as_ptr().cast(), line.len()) };
    assert_eq!(status, HALTBOX_OK);
}

#[test]
fn an_entry_that_marks_nothing_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path());
    let long = format!(r#"{{"type":"tx-input","data":"{}"}}"#, "a".repeat(3000));
    let lines = [
        &b"{\"type\":\"tx-result\",\"tx\":1,\"code\":0,\"gasUsed\":21000}"[..],
        b"{\"type\":\"local-note\",\"text\":\"of the node alone\"}\n",
        b"no JSON at all",
        long.as_bytes(),
    ];
    let some = |times: usize| {
        (0..times).for_each(|at| record(recorder, lines[at % lines.len()]));
    };
    some(100);
    // About 8 MB, twice around the ring of 4 MiB.
    assert_eq!(allocations(|| some(10_000)), 0);
    let mut other = ptr::null_mut();
    let folder = tempfile::tempdir().unwrap();
    assert!(
        allocations(|| other = open(folder.path())) > 0,
        "nothing is counted"
    );
    // SAFETY: both were opened.
    unsafe {
        haltbox_close(&mut recorder);
        haltbox_close(&mut other);
    }
}

/// A lent part, and the number of bytes written to it.
struct Lent {
    span: haltbox_span,
    at: usize,
}

fn lend(recorder: *mut haltbox) -> Result<Lent, haltbox_status> {
    // SAFETY: a haltbox_span of zeroes is valid; the recorder was opened.
    let (span, status) = unsafe {
        let mut span: haltbox_span = std::mem::zeroed();
        span.struct_size = size_of::<haltbox_span>();
        let status = haltbox_lend(recorder, &mut span);
        (span, status)
    };
    match status {
        HALTBOX_OK => Ok(Lent { span, at: 0 }),
        status => Err(status),
    }
}

impl Lent {
    /// Writes a record as the format specifies; `false` if there is no room.
    fn lay(&mut self, key: LaneKey, line: &[u8]) -> bool {
        let size = 16 + padded(line.len());
        if self.at + size > self.span.length {
            return false;
        }
        let seq = Seq(self.span.sequence);
        let header = Header {
            part: Part::Full,
            flags: Flags::default(),
        };
        let word = key.commit_word(seq, header, &[], line);
        self.write(self.at + 16, line);
        self.write(self.at, &key.mask(seq).to_le_bytes());
        self.write(self.at + 8, &word.to_le_bytes());
        self.span.sequence += 1;
        self.at += size;
        self.tell(self.at as u64);
        true
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.span.length);
        // SAFETY: the record lies within the lent part, and nothing else accesses it
        // before `laid` is stored.
        unsafe { ptr::copy(bytes.as_ptr(), self.span.start.add(at), bytes.len()) }
    }

    fn tell(&self, laid: u64) {
        // SAFETY: the place is valid for the life of the process, and aligned.
        unsafe { AtomicU64::from_ptr(self.span.laid) }.store(laid, Ordering::Release);
    }
}

/// The key of the main lane, from the superblock.
fn key_of(folder: &Path) -> LaneKey {
    let view = RingView::read(&File::open(folder.join("ring")).unwrap()).unwrap();
    LaneKey::new(view.salt, Lane::Main)
}

/// The lines of the ring, in order.
fn lines(folder: &Path) -> Vec<String> {
    let file = File::open(folder.join("ring")).unwrap();
    let view = RingView::read(&file).unwrap();
    let history = History::read(&file, &view).unwrap();
    let mut timeline = Timeline::lines_after(&file, &view, history.marked(), Position::default());
    let mut lines = Vec::new();
    while let Some(entry) = timeline.next().unwrap() {
        match entry {
            Entry::Line(line) => lines.push(String::from_utf8_lossy(line.bytes).into_owned()),
            Entry::Hole(hole) => lines.push(format!("hole: {hole}")),
            Entry::Marks(..) => {}
        }
    }
    lines.remove(0); // host-start
    lines
}

fn records(recorder: *mut haltbox) -> u64 {
    // SAFETY: the recorder was opened; a haltbox_stats of zeroes is valid.
    unsafe {
        let mut stats: haltbox_stats = std::mem::zeroed();
        stats.struct_size = size_of::<haltbox_stats>();
        assert_eq!(haltbox_stats_read(recorder, &mut stats), HALTBOX_OK);
        stats.records
    }
}

#[test]
fn what_is_laid_stands_among_what_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path());
    let key = key_of(folder.path());
    // SAFETY: the recorder was opened; no digest.
    unsafe { haltbox_begin_block(recorder, 1, 0, ptr::null()) };
    let mut lent = lend(recorder).unwrap();
    assert_eq!(lent.span.key, key.number());
    assert!(lent.lay(key, b"{\"type\":\"op-read\",\"op\":0}"));
    // A reader of the file sees the record although no call was made since. A record of
    // another lane that comes later stands behind it.
    assert_eq!(lines(folder.path()).len(), 2);
    // SAFETY: the line is there.
    unsafe { haltbox_log(recorder, b"a line of the log".as_ptr().cast(), 17) };
    assert!(lent.lay(key, b"{\"type\":\"op-read\",\"op\":1}"));
    record(recorder, b"{\"type\":\"step-a\"}");
    let mut lent = lend(recorder).unwrap();
    assert!(lent.lay(key, b"{\"type\":\"op-read\",\"op\":2}"));
    // SAFETY: as above.
    unsafe { haltbox_end_block(recorder, 1, [7_u8; 32].as_ptr(), 32) };
    assert_eq!(records(recorder), 8);
    let expected = [
        "{\"type\":\"begin-block\",\"height\":1,\"time\":\"0.000000000\"}",
        "{\"type\":\"op-read\",\"op\":0}",
        "a line of the log",
        "{\"type\":\"op-read\",\"op\":1}",
        "{\"type\":\"step-a\"}",
        "{\"type\":\"op-read\",\"op\":2}",
    ];
    assert_eq!(lines(folder.path())[..6], expected);
    // SAFETY: it was opened.
    unsafe { haltbox_close(&mut recorder) };
    let mut recorder = open(folder.path());
    assert_eq!(lines(folder.path())[..6], expected);
    // SAFETY: it was opened.
    unsafe { haltbox_close(&mut recorder) };
}

#[test]
fn a_ring_that_goes_around_is_lent_on_without_an_allocation() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path());
    let key = key_of(folder.path());
    let mut lent = lend(recorder).unwrap();
    let mut next = 0_u64;
    let mut some = |count: u64| {
        for number in next..next + count {
            let mut line = [b' '; 200];
            let text = b"{\"type\":\"op-write\",\"n\":\"";
            line[..text.len()].copy_from_slice(text);
            line[100..108].copy_from_slice(&number.to_le_bytes());
            if !lent.lay(key, &line) {
                lent = lend(recorder).unwrap();
                if !lent.lay(key, &line) {
                    record(recorder, &line);
                    lent = lend(recorder).unwrap();
                }
            }
        }
        next += count;
    };
    some(100);
    assert_eq!(allocations(|| some(50_000)), 0);
    assert_eq!(records(recorder), 50_101);
    // SAFETY: it was opened.
    unsafe { haltbox_close(&mut recorder) };
    let found = lines(folder.path());
    assert!(found.len() > 8_000, "{} of some 15,000", found.len());
    assert!(!found.iter().any(|line| line.starts_with("hole")));
}

/// A host that breaks every rule: it stores random lengths and writes random bytes.
#[test]
fn what_is_laid_wrongly_harms_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path());
    let key = key_of(folder.path());
    let mut chance = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move || {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance
    };
    for round in 0..2_000_u64 {
        let mut lent = lend(recorder).unwrap();
        if lent.span.length > 0 {
            let good = lent.lay(key, b"{\"type\":\"op-read\"}");
            assert!(good);
            let at = lent.at + (draw() % 64) as usize;
            if at + 8 <= lent.span.length {
                lent.write(at, &draw().to_le_bytes());
            }
            lent.tell([draw() % 4096, draw(), lent.span.length as u64, 17][(round % 4) as usize]);
        }
        record(
            recorder,
            format!("{{\"type\":\"step-a\",\"n\":{round}}}").as_bytes(),
        );
    }
    // SAFETY: it was opened.
    unsafe { haltbox_close(&mut recorder) };
    let mut recorder = open(folder.path());
    let found = lines(folder.path());
    let steps = found.iter().filter(|line| line.contains("step-a"));
    let expected: Vec<_> = (0..2_000)
        .map(|n| format!("{{\"type\":\"step-a\",\"n\":{n}}}"))
        .collect();
    assert!(steps.eq(&expected));
    // SAFETY: it was opened.
    unsafe { haltbox_close(&mut recorder) };
}

#[test]
fn what_is_lent_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path());
    let key = key_of(folder.path());
    // A ring without a record has no segment that can be lent.
    assert_eq!(lend(recorder).unwrap().span.length, 0);
    record(recorder, b"{\"type\":\"step-a\"}");
    let lent = lend(recorder).unwrap();
    // SAFETY: the recorder was opened; NULL gives back.
    unsafe { assert_eq!(haltbox_lend(recorder, ptr::null_mut()), HALTBOX_OK) };
    lent.tell(64);
    record(recorder, b"{\"type\":\"step-a\"}");
    // Closed while a part is lent: a late write reaches memory that is still mapped.
    let mut late = lend(recorder).unwrap();
    let copy = recorder;
    // SAFETY: it was opened.
    unsafe { haltbox_close(&mut recorder) };
    assert!(late.lay(key, b"{\"type\":\"op-read\"}"));
    assert_eq!(lend(copy).err(), Some(crate::status::HALTBOX_CLOSED));
    let short = {
        // SAFETY: as in `lend`; a size of 8 has room for nothing.
        unsafe {
            let mut other = open(tempfile::tempdir().unwrap().path());
            let mut span: haltbox_span = std::mem::zeroed();
            span.struct_size = 8;
            let status = haltbox_lend(other, &mut span);
            haltbox_close(&mut other);
            status
        }
    };
    assert_eq!(short, crate::status::HALTBOX_BAD_ARGUMENT);
}
