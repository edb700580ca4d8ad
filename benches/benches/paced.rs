//! Single appends at a validator's pace, on disk and on tmpfs in the same loop:
//! what the slow ones cost.

use std::path::Path;
use std::time::{Duration, Instant};

use haltbox_format::Lane;
use haltbox_format::ring::Flags;
use haltbox_recorder::ring::file::{OpenedRing, RingOptions, open};
use haltbox_recorder::ring::populate;

const RING: u64 = 64 << 20;
const APPENDS: usize = 400_000;
const EVERY: Duration = Duration::from_micros(10);

fn ring(folder: &Path) -> (OpenedRing, populate::Populating) {
    let options = RingOptions {
        size: RING,
        in_host: false,
        engine: None,
    };
    let opened = open(&folder.join("ring"), &options).expect("a ring");
    let segment = opened.view.geometry.segment_size as usize;
    let pages = opened.writer.pages().expect("a map");
    let populating = populate::start(pages, opened.writer.heads(), segment).expect("a thread");
    (opened, populating)
}

fn main() {
    let disk = haltbox_benches::scratch();
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let mut rings = [ring(disk.path()), ring(memory.path())];
    let payload = vec![b'x'; 300];
    let mut times = [Vec::with_capacity(APPENDS), Vec::with_capacity(APPENDS)];
    let mut next = Instant::now();
    for _ in 0..APPENDS {
        next += EVERY;
        while Instant::now() < next {
            std::hint::spin_loop();
        }
        for ((opened, _), times) in rings.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            opened.writer.append(
                Lane::Main,
                Flags::default(),
                &[],
                std::hint::black_box(&payload),
            );
            times.push(begun.elapsed().as_nanos() as f64);
        }
    }
    times
        .iter_mut()
        .for_each(|times| times.sort_by(f64::total_cmp));
    println!("{:>8} {:>10} {:>10} {:>7}", "", "disk", "tmpfs", "ratio");
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let at = |times: &Vec<f64>| times[(times.len() as f64 * share) as usize];
        let (disk, memory) = (at(&times[0]), at(&times[1]));
        println!(
            "{name:>8} {disk:>7.0} ns {memory:>7.0} ns {:>7.2}",
            disk / memory
        );
    }
}
