//! What a recorder takes of a node's machine beside its ring. The bounds are far
//! above what is measured: a test of this finds a leak, not a page.

use std::io::Write;
use std::process::Stdio;

use haltbox_tests::*;

/// Of memory that is no page of the ring. It takes about 10 MiB, idle and busy.
const IDLE: u64 = 24 << 20;
const BUSY: u64 = 32 << 20;
const SLOG_BYTES: usize = 200 << 20;

/// Bytes of memory of a process, without the pages of a ring.
fn beside_ring(pid: u32) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("it runs");
    let (mut bytes, mut of_ring) = (0, false);
    for line in maps.lines() {
        match line.strip_prefix("Rss:") {
            Some(size) if !of_ring => bytes += kib(size) * 1024,
            Some(_) => {}
            // A mapping begins with its addresses, and no name of a member has a dash.
            None if line
                .split(' ')
                .next()
                .is_some_and(|word| word.contains('-')) =>
            {
                of_ring = line.ends_with("/ring");
            }
            None => {}
        }
    }
    bytes
}

fn kib(size: &str) -> u64 {
    let number = size.trim().strip_suffix(" kB").expect("a size");
    number.trim().parse().expect("a number")
}

/// A ring of 64 MiB that is full several times over must not show in it.
#[test]
fn memory_beside_the_ring_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let arguments = ["--size", "64MiB", "--slog", "-"];
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::piped());
    wait_until("a ring", || !status(&dir).is_null());
    let idle = beside_ring(recorder.id());
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    let slog = excerpt("honest-a");
    let mut busy = idle;
    for _ in 0..SLOG_BYTES.div_ceil(slog.len()) {
        pipe.write_all(&slog).expect("it reads");
        busy = busy.max(beside_ring(recorder.id()));
    }
    println!("beside the ring: idle {idle} bytes, at most {busy} bytes");
    assert!(idle < IDLE, "idle: {idle} bytes beside the ring");
    assert!(busy < BUSY, "busy: {busy} bytes beside the ring");
    recorder.stop();
}
