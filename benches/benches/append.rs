//! The cost of one append, beside memcpy + crc32fast and beside BufWriter +
//! flush per record; then by each engine.

use std::path::Path;
use std::time::{Duration, Instant};

use haltbox_benches::{measure, report, rounds, scratch};
use haltbox_format::Lane;
use haltbox_format::ring::Flags;
use haltbox_recorder::ring::engine::Engine;
use haltbox_recorder::ring::file::{RingOptions, open};
use haltbox_recorder::ring::{Appended, RingWriter};

fn main() {
    report::print_all(&measure::append::figures());
    print_engines(scratch().path());
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
            let bursts = (0..15).map(|_| burst(ring, &payload));
            rounds::median(bursts.collect())
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
