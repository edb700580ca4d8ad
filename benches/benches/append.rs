//! The cost of one append, beside memcpy + crc32fast into the same kind of
//! mapping and beside BufWriter + flush per record.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use haltbox_benches::{medians, scratch};
use haltbox_format::Lane;
use haltbox_format::ring::Flags;
use haltbox_recorder::ring::engine::Engine;
use haltbox_recorder::ring::file::{RingOptions, open};
use haltbox_recorder::ring::{Appended, RingWriter};

const RING: u64 = 256 << 20;

fn main() {
    let folder = scratch();
    let mut ring = warm_ring(&folder.path().join("ring"));
    let mut map = warm_map(&folder.path().join("flat"));
    println!(
        "{:>7} {:>10} {:>12} {:>7} {:>16} {:>7}",
        "bytes", "append", "memcpy+crc", "ratio", "BufWriter+flush", "ratio"
    );
    for bytes in [100_usize, 300, 1024, 4096, 65_536] {
        let lines = File::create(folder.path().join("lines")).expect("a file");
        print_row(bytes, &mut ring, &mut map, lines);
    }
    print_engines(folder.path());
}

/// Every page is touched once before anything is timed.
fn warm_ring(path: &Path) -> RingWriter {
    let options = RingOptions {
        size: RING,
        in_host: false,
        engine: None,
    };
    let mut ring = open(path, &options).expect("a ring").writer;
    let warm = vec![b'w'; 64 << 10];
    for _ in 0..RING / (64 << 10) {
        ring.append(Lane::Main, Flags::default(), &[], &warm);
    }
    ring
}

/// What an append costs by the other engines, beside the map.
fn print_engines(folder: &Path) {
    println!(
        "{:>7} {:>10} {:>10} {:>10}",
        "bytes", "map", "queue", "write"
    );
    let open = |engine| {
        let path = folder.join(format!("{engine:?}"));
        let options = RingOptions {
            size: 64 << 20,
            in_host: false,
            engine: Some(engine),
        };
        open(&path, &options).expect("a ring").writer
    };
    let mut rings = [Engine::Map, Engine::Queue, Engine::Write].map(open);
    // Every page is touched once, by bursts that a queue takes.
    for ring in &mut rings {
        (0..10).for_each(|_| _ = burst(ring, &[b'w'; 1024]));
    }
    for bytes in [100, 300, 1024] {
        let payload = vec![b'x'; bytes];
        let cost = |ring: &mut RingWriter| {
            let mut rounds: Vec<f64> = (0..15).map(|_| burst(ring, &payload)).collect();
            rounds.sort_by(f64::total_cmp);
            rounds[rounds.len() / 2]
        };
        let [map, queue, write] = rings.each_mut().map(cost);
        println!("{bytes:>7} {map:>7.1} ns {queue:>7.1} ns {write:>7.1} ns");
    }
}

/// Nanoseconds of an append, of as many as a queue holds; then it is given time to empty.
fn burst(ring: &mut RingWriter, payload: &[u8]) -> f64 {
    const COUNT: u32 = 8_000;
    let begun = Instant::now();
    for _ in 0..COUNT {
        let appended = ring.append(Lane::Main, Flags::default(), &[], payload);
        assert!(matches!(appended, Appended::Kept { .. }), "{appended:?}");
    }
    let took = begun.elapsed().as_nanos() as f64 / f64::from(COUNT);
    std::thread::sleep(Duration::from_millis(40));
    took
}

fn warm_map(path: &Path) -> memmap2::MmapMut {
    let mut options = File::options();
    let flat = options.read(true).write(true).create_new(true).open(path);
    let flat = flat.expect("a file");
    flat.set_len(RING).expect("its length");
    let mut map = memmap2::MmapMut::map_mut_safely(&flat);
    map.fill(1);
    map
}

fn print_row(bytes: usize, ring: &mut RingWriter, map: &mut [u8], lines: File) {
    let payload = vec![b'x'; bytes];
    let count = (64 << 20) / bytes.max(256);
    let mut at = 0;
    let mut file = BufWriter::new(lines);
    let times = medians(&mut [
        &mut || {
            for _ in 0..count {
                let payload = std::hint::black_box(&payload);
                ring.append(Lane::Main, Flags::default(), &[], payload);
            }
        },
        &mut || {
            for _ in 0..count {
                let payload = std::hint::black_box(&payload);
                let step = bytes.next_multiple_of(16) + 16;
                if at + step > map.len() {
                    at = 0;
                }
                map[at + 16..at + 16 + bytes].copy_from_slice(payload);
                let crc = crc32fast::hash(payload);
                map[at..at + 4].copy_from_slice(&crc.to_le_bytes());
                at += step;
            }
        },
        &mut || {
            for _ in 0..count / 16 {
                let payload = std::hint::black_box(&payload);
                file.write_all(payload).expect("written");
                file.flush().expect("flushed");
            }
        },
    ]);
    let ns = |seconds: f64, count: usize| seconds * 1e9 / count as f64;
    let (append, copy) = (ns(times[0], count), ns(times[1], count));
    let flush = ns(times[2], count / 16);
    println!(
        "{bytes:>7} {append:>7.1} ns {copy:>9.1} ns {:>7.2} {flush:>13.1} ns {:>7.1}",
        append / copy,
        flush / append
    );
}

trait MapSafely {
    fn map_mut_safely(file: &File) -> memmap2::MmapMut;
}

impl MapSafely for memmap2::MmapMut {
    #[expect(unsafe_code, reason = "a benchmark maps a file of its own")]
    fn map_mut_safely(file: &File) -> memmap2::MmapMut {
        // SAFETY: the file was just made in a fresh folder; nobody else opens it.
        unsafe { memmap2::MmapMut::map_mut(file) }.expect("a mapping")
    }
}
