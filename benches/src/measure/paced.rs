//! Single appends at a validator's pace, on disk and on tmpfs in the same loop:
//! what the slow ones cost.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use haltbox_format::Lane;
use haltbox_format::ring::Flags;
use haltbox_recorder::ring::file::{OpenedRing, RingOptions, open};
use haltbox_recorder::ring::populate;

use crate::report::time;
use crate::rounds::{Rounds, usual};
use crate::scratch;
use crate::targets::Figure;

const RING: u64 = 64 << 20;
/// Appends to each ring in one round.
const APPENDS: usize = 50_000;
const EVERY: Duration = Duration::from_micros(10);

/// An open ring whose pages are made present ahead of the writer.
pub struct Ahead {
    opened: OpenedRing,
    _populating: populate::Populating,
}

impl Ahead {
    /// A new ring in a folder.
    pub fn open(folder: &Path, name: &str, size: u64) -> Ahead {
        let options = RingOptions {
            size,
            in_host: false,
            engine: None,
        };
        let opened = open(&folder.join(name), &options).expect("a ring");
        let segment = opened.view.geometry.segment_size as usize;
        let pages = opened.writer.pages().expect("a map");
        let populating = populate::start(pages, opened.writer.heads(), segment);
        Ahead {
            opened,
            _populating: populating.expect("a thread"),
        }
    }

    /// Seconds of one append.
    pub fn append(&mut self, payload: &[u8]) -> f64 {
        let begun = Instant::now();
        let writer = &mut self.opened.writer;
        writer.append(Lane::Main, Flags::default(), &[], black_box(payload));
        begun.elapsed().as_secs_f64()
    }
}

/// p99 and p99.9 on disk, beside tmpfs.
pub fn figures() -> Result<Vec<Figure>, String> {
    let memory = tempfile::tempdir_in("/dev/shm").map_err(|error| format!("/dev/shm: {error}"))?;
    let disk = scratch();
    // tmpfs, disk and tmpfs again, as in all rounds.
    let mut rings = [
        Ahead::open(memory.path(), "ring", RING),
        Ahead::open(disk.path(), "ring", RING),
        Ahead::open(memory.path(), "again", RING),
    ];
    let mut found = [(0.99, Rounds::new()), (0.999, Rounds::new())];
    for _ in 0..usual() {
        let times = one_round(&mut rings);
        for (share, rounds) in &mut found {
            rounds.push(times.each_ref().map(|times| at(times, *share)));
        }
    }
    let names = ["paced append, p99", "paced append, p99.9"];
    let figures = names.into_iter().zip(&found).map(|(name, (_, rounds))| {
        let detail = format!("{}, {}", time(rounds.candidate()), time(rounds.base()));
        Figure::new(name, rounds.cost(), Some(rounds.control()), detail)
    });
    Ok(figures.collect())
}

/// Sorted seconds of the appends to each ring.
fn one_round(rings: &mut [Ahead; 3]) -> [Vec<f64>; 3] {
    let payload = vec![b'x'; 300];
    let mut times = [(); 3].map(|()| Vec::with_capacity(APPENDS));
    let mut next = Instant::now();
    for number in 0..APPENDS {
        next += EVERY;
        while Instant::now() < next {
            std::hint::spin_loop();
        }
        // The first after the pause is the slowest: each is the first in turn.
        for turn in number..number + rings.len() {
            let which = turn % rings.len();
            times[which].push(rings[which].append(&payload));
        }
    }
    times.iter_mut().for_each(|of| of.sort_by(f64::total_cmp));
    times
}

/// What this share of the sorted times is below.
pub fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}
