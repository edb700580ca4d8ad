//! What only the inside can see: that a plain entry costs no allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::*;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator; counting neither
// allocates nor runs a destructor.
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

/// Allocations of this thread while it works.
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
    // Some 8 MB: the ring of 4 MiB is gone around twice.
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
