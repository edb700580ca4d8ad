//! The slow appends: at a validator's pace and at full speed, alone and with a
//! neighbour that writes to the same disk and syncs all the time.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::paced::{Ahead, at};
use crate::report::time;
use crate::scratch;

const RING: u64 = 64 << 20;
const APPENDS: usize = 400_000;
const PACE: Duration = Duration::from_micros(10);
const SHARES: [f64; 5] = [0.5, 0.99, 0.999, 0.9999, 1.0];

/// A line for each way, with the times that so many of a hundred appends are
/// below.
pub fn lines() -> Vec<String> {
    let folder = scratch();
    let head = ["", "p50", "p99", "p99.9", "p99.99", "longest"].map(str::to_owned);
    let ways = [
        ("10 us apart", PACE, false),
        ("10 us apart, beside fsync", PACE, true),
        ("at full speed", Duration::ZERO, false),
        ("at full speed, beside fsync", Duration::ZERO, true),
    ];
    let rows = ways.map(|(name, pace, beside)| {
        let times = match beside {
            true => beside_fsync(folder.path(), || times(folder.path(), pace)),
            false => times(folder.path(), pace),
        };
        let shares = SHARES.map(|share| time(at(&times, share)));
        [vec![name.to_owned()], shares.to_vec()].concat()
    });
    let rows = std::iter::once(head.to_vec()).chain(rows);
    let line = |row: Vec<String>| {
        let (name, cells) = row.split_first().expect("a name");
        let cells = cells.iter().map(|cell| format!(" {cell:>10}"));
        format!("{name:<30}{}", cells.collect::<String>())
    };
    rows.map(line).collect()
}

/// Sorted seconds of single appends of 300 B to a new ring.
fn times(folder: &Path, pace: Duration) -> Vec<f64> {
    let mut ring = Ahead::open(folder, "ring", RING);
    let payload = vec![b'x'; 300];
    let mut times = Vec::with_capacity(APPENDS);
    let mut next = Instant::now();
    for _ in 0..APPENDS {
        next += pace;
        while Instant::now() < next {
            std::hint::spin_loop();
        }
        times.push(ring.append(&payload));
    }
    drop(ring);
    std::fs::remove_file(folder.join("ring")).expect("its ring");
    times.sort_by(f64::total_cmp);
    times
}

/// Runs something while a thread writes 1 MiB and syncs, again and again.
fn beside_fsync<T>(folder: &Path, what: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| sync_always(&folder.join("neighbour"), &over));
        let done = what();
        over.store(true, Ordering::Relaxed);
        done
    })
}

fn sync_always(path: &Path, over: &AtomicBool) {
    let mut file = File::create(path).expect("a file");
    let block = vec![b'n'; 1 << 20];
    while !over.load(Ordering::Relaxed) {
        file.rewind().expect("a file");
        file.write_all(&block).expect("written");
        file.sync_all().expect("synced");
    }
}
