//! What an entry costs against what could make it dearer: its own size, that of
//! the ring, that of its block, the blocks that are kept, and readers. The suite
//! draws each of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use haltbox_format::Stream;
use haltbox_recorder::recorder::Recorder;
use haltbox_recorder::source_entry::Given;

use super::append::{Flat, append, warm_ring};
use super::ingest;
use crate::report::time;
use crate::rounds::{Spread, own_seconds, usual};
use crate::{scratch, setting};

/// Seconds of one entry at each place of an axis.
pub struct Series {
    /// What it is of.
    pub name: &'static str,
    /// Places and seconds.
    pub points: Vec<(f64, Spread)>,
}

/// One picture.
pub struct Curve {
    /// Its file, without the ending.
    pub file: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What its axis counts.
    pub axis: &'static str,
    /// The first is the recorder's.
    pub series: Vec<Series>,
}

/// A middle half wider than this makes a curve noisy.
const NOISE: f64 = 1.25;
/// Of appends that are not about sizes.
const BYTES: usize = 300;
const MIB: u64 = 1 << 20;

/// All of them.
pub fn all() -> Vec<Curve> {
    vec![
        record_size(),
        ring_size(),
        block_size(),
        blocks_kept(),
        readers(),
    ]
}

impl Curve {
    /// A line that says its shape: flat, linear, or what it is instead.
    pub fn line(&self) -> String {
        let points = &self.series[0].points;
        let (first, last) = (points[0], points[points.len() - 1]);
        let wide = points.iter().any(|(_, cost)| cost.high > cost.low * NOISE);
        let (x, cost) = (last.0 / first.0.max(1.0), last.1.median / first.1.median);
        let all = || points.iter().map(|(_, cost)| cost.median);
        let apart = all().fold(0.0, f64::max) / all().fold(f64::MAX, f64::min);
        let shape = match self.slope() {
            _ if wide => "noisy".to_owned(),
            _ if apart <= NOISE => "flat".to_owned(),
            slope if (0.8..1.2).contains(&slope) => "linear".to_owned(),
            slope if slope.abs() < 0.1 => "flat at its end".to_owned(),
            slope => format!("of the power {slope:.2} at its end"),
        };
        let [from, to] = [first, last].map(|(_, cost)| time(cost.median));
        format!(
            "{}: {shape} ({from} to {to}: {cost:.2}x over {x:.0}x)",
            self.title
        )
    }

    /// The power with which the cost grows at the end of the axis.
    fn slope(&self) -> f64 {
        let points = &self.series[0].points;
        let [a, b] = [points.len() - 2, points.len() - 1].map(|at| points[at]);
        (b.1.median / a.1.median).ln() / (b.0 / a.0).ln()
    }
}

/// Seconds of one append, in a warm ring.
fn append_cost(ring: &mut haltbox_recorder::ring::RingWriter, bytes: usize) -> Spread {
    let payload = vec![b'x'; bytes];
    let times = (32 << 20) / bytes.max(256);
    let mut round = own_seconds(|| append(ring, &payload, times));
    Spread::of((0..usual()).map(|_| round() / times as f64))
}

fn record_size() -> Curve {
    let folder = scratch();
    let path = folder.path().join("ring");
    let mut ring = warm_ring(&path, 256 * MIB);
    let mut flat = Flat::over(&path);
    let copy_cost = |flat: &mut Flat, bytes: usize| {
        let payload = vec![b'x'; bytes];
        let times = (32 << 20) / bytes.max(256);
        let mut round = own_seconds(|| flat.copy(&payload, times));
        Spread::of((0..usual()).map(|_| round() / times as f64))
    };
    let sizes = || (4..=16).map(|power| 1 << power);
    let appends = sizes().map(|bytes| (bytes as f64, append_cost(&mut ring, bytes)));
    let appends = appends.collect();
    let copies = sizes().map(|bytes| (bytes as f64, copy_cost(&mut flat, bytes)));
    let series = |name, points| Series { name, points };
    Curve {
        file: "record-size",
        title: "an append, against the record's size",
        axis: "bytes of the record",
        series: vec![
            series("append", appends),
            series("memcpy + crc32fast", copies.collect()),
        ],
    }
}

/// One picture with the recorder alone in it.
fn of_one(
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    points: impl Iterator<Item = (f64, Spread)>,
) -> Curve {
    let points = points.collect();
    let name = "haltbox";
    let series = vec![Series { name, points }];
    Curve {
        file,
        title,
        axis,
        series,
    }
}

/// From the smallest there is to 1 GiB; to 16 GiB with `HALTBOX_LARGE=1`, where the disk has room.
fn ring_size() -> Curve {
    let large = setting("HALTBOX_LARGE", 0) > 0;
    let sizes = [4, 16, 64, 256, 1024, 4096, 16_384];
    let sizes = sizes.into_iter().filter(|mib| large || *mib <= 1024);
    let points = sizes.map(|mib| {
        let folder = scratch();
        let mut ring = warm_ring(&folder.path().join("ring"), mib * MIB);
        (mib as f64, append_cost(&mut ring, BYTES))
    });
    let title = "an append of 300 B, against the ring's size";
    of_one("ring-size", title, "MiB of the ring", points)
}

/// Records so many blocks of so many lines each, from this height on.
fn record_blocks(recorder: &mut Recorder, from: u64, blocks: u64, lines: usize) {
    let line = ingest::line();
    let line = &line[..line.len() - 1];
    let mut record = |line: &[u8]| _ = recorder.record(Stream::Slog, Given::line(line));
    for height in from..from + blocks {
        let mark = |of: &str| {
            format!(
                "{{\"type\":\"cosmic-swingset-{of}\",\"blockHeight\":{height},\"blockTime\":{height}}}"
            )
        };
        record(mark("begin-block").as_bytes());
        record(mark("end-block-start").as_bytes());
        (0..lines).for_each(|_| record(line));
        record(mark("end-block-finish").as_bytes());
        record(mark("commit-block-start").as_bytes());
        record(mark("commit-block-finish").as_bytes());
    }
}

fn block_size() -> Curve {
    let folder = scratch();
    let mut recorder = ingest::recorder(&folder.path().join("ring"), 256 * MIB);
    let mut height = 1;
    let sizes = [10_usize, 100, 1000, 10_000, 100_000];
    let points = sizes.into_iter().map(|lines| {
        let blocks = 100_000 / lines as u64;
        let rounds = (0..usual()).map(|_| {
            let from = height;
            height += blocks;
            let seconds = own_seconds(|| record_blocks(&mut recorder, from, blocks, lines))();
            seconds / (blocks * (lines as u64 + 5)) as f64
        });
        (lines as f64, Spread::of(rounds))
    });
    let title = "a line recorded, against the lines of its block";
    of_one("block-size", title, "lines of a block", points)
}

fn blocks_kept() -> Curve {
    const LINES: usize = 10;
    const MEASURED: u64 = 100;
    let points = [100_u64, 1000, 10_000].into_iter().map(|kept| {
        let folder = scratch();
        let rounds = (0..usual()).map(|round| {
            let path = folder.path().join(round.to_string());
            let mut recorder = ingest::recorder(&path, 64 * MIB);
            record_blocks(&mut recorder, 1, kept, LINES);
            let more = || record_blocks(&mut recorder, kept + 1, MEASURED, LINES);
            let seconds = own_seconds(more)();
            std::fs::remove_file(path).expect("its ring");
            seconds / (MEASURED * (LINES as u64 + 5)) as f64
        });
        (kept as f64, Spread::of(rounds))
    });
    let title = "a line recorded, against the blocks that the ring keeps";
    of_one("blocks-kept", title, "blocks", points)
}

/// Each reader copies the whole ring, as all readers do, again and again.
fn readers() -> Curve {
    let folder = scratch();
    let path = folder.path().join("ring");
    let mut ring = warm_ring(&path, 256 * MIB);
    let points = [1_usize, 2, 4, 8].into_iter().map(|readers| {
        let over = AtomicBool::new(false);
        let cost = std::thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| read_all(&path, &over));
            }
            let cost = append_cost(&mut ring, BYTES);
            over.store(true, Ordering::Relaxed);
            cost
        });
        (readers as f64, cost)
    });
    let title = "an append of 300 B, against readers of the ring";
    of_one("readers", title, "readers", points)
}

fn read_all(path: &Path, over: &AtomicBool) {
    let file = File::open(path).expect("the ring");
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    while !over.load(Ordering::Relaxed) {
        let count = file.read_at(&mut chunk, at).expect("read");
        at = if count == 0 { 0 } else { at + count as u64 };
    }
}
