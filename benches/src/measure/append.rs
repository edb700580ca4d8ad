//! The cost of one append, beside memcpy + crc32fast into the same pages and beside BufWriter + flush per record.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;

use haltbox_format::Lane;
use haltbox_format::ring::Flags;
use haltbox_recorder::ring::RingWriter;
use haltbox_recorder::ring::file::{RingOptions, open};

use crate::report::time;
use crate::rounds::{Rounds, beside, many, own_seconds};
use crate::scratch;
use crate::targets::Figure;

const RING: u64 = 256 << 20;
/// Entries' bytes, and how the targets call them.
pub const SIZES: [(usize, &str); 5] = [
    (100, "100 B"),
    (300, "300 B"),
    (1024, "1 KiB"),
    (4096, "4 KiB"),
    (65_536, "64 KiB"),
];
/// Up to this size an entry has a target beside BufWriter.
const BUFFERED: usize = 1024;

/// All sizes, beside both.
pub fn figures() -> Vec<Figure> {
    let folder = scratch();
    let path = folder.path().join("ring");
    let mut ring = warm_ring(&path, RING);
    let mut flat = Flat::over(&path);
    let beside_copy = SIZES.map(|(bytes, name)| {
        let rounds = beside_copy(bytes, &mut ring, &mut flat);
        let of = |rounds: f64| time(rounds / count(bytes) as f64);
        let detail = format!("{}, {}", of(rounds.candidate()), of(rounds.base()));
        let name = format!("append, {name}");
        Figure::new(&name, rounds.cost(), Some(rounds.control()), detail)
    });
    let small = SIZES.into_iter().filter(|(bytes, _)| *bytes <= BUFFERED);
    let buffered = small.map(|(bytes, name)| {
        let lines = File::create(folder.path().join("lines")).expect("a file");
        let rounds = beside_buffered(bytes, &mut ring, lines);
        let detail = format!("{}, {}", time(rounds.candidate()), time(rounds.base()));
        let name = format!("append, {name}, buffered");
        Figure::new(&name, rounds.speed(), Some(rounds.control()), detail)
    });
    beside_copy.into_iter().chain(buffered).collect()
}

/// Appends of one round.
fn count(bytes: usize) -> usize {
    (64 << 20) / bytes.max(256)
}

/// Every page is touched once before anything is timed.
pub fn warm_ring(path: &Path, size: u64) -> RingWriter {
    let options = RingOptions {
        size,
        in_host: false,
        engine: None,
    };
    let mut ring = open(path, &options).expect("a ring").writer;
    append(&mut ring, &vec![b'w'; 64 << 10], (size >> 16) as usize);
    ring
}

/// Appends the payload so many times.
pub fn append(ring: &mut RingWriter, payload: &[u8], times: usize) {
    for _ in 0..times {
        ring.append(Lane::Main, Flags::default(), &[], black_box(payload));
    }
}

/// The ring's own file, mapped once more and filled in order: what an append
/// cannot cost less than.
///
/// It has to be the same file. The same copies into two files of one size differ
/// by up to a third, by where in memory the kernel put their pages.
pub struct Flat {
    map: memmap2::MmapMut,
    at: usize,
}

impl Flat {
    /// Writes over the whole ring. Its writer goes on: it reads nothing of it.
    pub fn over(ring: &Path) -> Flat {
        let file = File::options().read(true).write(true).open(ring);
        let mut map = map(&file.expect("the ring's file"));
        map.fill(1);
        Flat { map, at: 0 }
    }

    /// Copies the payload and its checksum so many times.
    pub fn copy(&mut self, payload: &[u8], times: usize) {
        let step = payload.len().next_multiple_of(16) + 16;
        for _ in 0..times {
            let payload = black_box(payload);
            if self.at + step > self.map.len() {
                self.at = 0;
            }
            let place = &mut self.map[self.at..self.at + step];
            place[16..16 + payload.len()].copy_from_slice(payload);
            place[..4].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
            self.at += step;
        }
    }
}

#[expect(unsafe_code, reason = "a benchmark maps a file of its own")]
fn map(file: &File) -> memmap2::MmapMut {
    // SAFETY: the file was just made in a fresh folder, and nothing reads it.
    unsafe { memmap2::MmapMut::map_mut(file) }.expect("a mapping")
}

/// Rounds of appends beside copies.
pub fn beside_copy(bytes: usize, ring: &mut RingWriter, flat: &mut Flat) -> Rounds {
    let payload = vec![b'x'; bytes];
    let count = count(bytes);
    beside(
        many(),
        &mut own_seconds(|| flat.copy(&payload, count)),
        &mut own_seconds(|| append(ring, &payload, count)),
    )
}

/// Seconds of one append beside one flushed record.
fn beside_buffered(bytes: usize, ring: &mut RingWriter, lines: File) -> Rounds {
    let payload = vec![b'x'; bytes];
    let (appends, flushes) = (count(bytes), count(bytes) / 16);
    let mut file = BufWriter::new(lines);
    let mut flush = own_seconds(|| {
        for _ in 0..flushes {
            file.write_all(black_box(&payload)).expect("written");
            file.flush().expect("flushed");
        }
    });
    let mut append = own_seconds(|| append(ring, &payload, appends));
    beside(
        crate::rounds::usual(),
        &mut || flush() / flushes as f64,
        &mut || append() / appends as f64,
    )
}
