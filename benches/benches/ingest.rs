//! A pipe into the recorder, beside a reader that discards what comes from the
//! same kind of pipe.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use haltbox_benches::medians;
use haltbox_daemon::sources::lines::LineSplitter;
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;

const LINES: usize = 200_000;

fn line() -> Vec<u8> {
    let text = format!(
        "{{\"type\":\"syscall\",\"crankNum\":5105,\"vatID\":\"v6\",\"deliveryNum\":792,\
         \"syscallNum\":1,\"replay\":false,\"syscall\":[\"vatstoreGet\",\"{}\"]}}\n",
        "k".repeat(200)
    );
    text.into_bytes()
}

/// Writes all lines, `batch` bytes or more at a time, from another thread.
fn producer(batch: usize) -> (std::fs::File, std::thread::JoinHandle<()>) {
    let (reader, writer): (OwnedFd, OwnedFd) = nix::unistd::pipe().expect("a pipe");
    let one = line();
    let lines = (batch / one.len()).max(1);
    let block = one.repeat(lines);
    let thread = std::thread::spawn(move || {
        let mut pipe = std::fs::File::from(writer);
        for _ in 0..LINES / lines {
            pipe.write_all(&block).expect("written");
        }
    });
    (reader.into(), thread)
}

fn main() {
    let folder = haltbox_benches::scratch();
    let config = Config {
        ring: RingOptions {
            size: 256 << 20,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("builtin")),
        node_lane: Lane::Local,
        own_start: false,
        populate: true,
    };
    let mut recorder = Recorder::open(&folder.path().join("ring"), config)
        .expect("a recorder")
        .recorder;
    let mut chunk = vec![0; 128 << 10];
    println!(
        "{:>16} {:>12} {:>12} {:>7}",
        "producer writes", "discard", "record", "speed"
    );
    for (name, batch) in [
        ("one line", 1),
        ("16 lines", 16 * line().len()),
        ("64 KiB", 64 << 10),
    ] {
        let mut other = vec![0; 128 << 10];
        let times = medians(&mut [
            &mut || {
                let (mut pipe, thread) = producer(batch);
                while pipe.read(&mut other).expect("read") > 0 {}
                thread.join().expect("the producer ends");
            },
            &mut || {
                let (mut pipe, thread) = producer(batch);
                let mut splitter = LineSplitter::default();
                loop {
                    let count = pipe.read(&mut chunk).expect("read");
                    if count == 0 {
                        break;
                    }
                    splitter.feed(&chunk[..count], &mut |given| {
                        let _ = recorder.record(Stream::Slog, given);
                    });
                }
                thread.join().expect("the producer ends");
            },
        ]);
        let speed = |seconds: f64| (LINES * line().len()) as f64 / seconds / 1e9;
        println!(
            "{name:>16} {:>7.2} GB/s {:>7.2} GB/s {:>6.2}x",
            speed(times[0]),
            speed(times[1]),
            times[0] / times[1]
        );
    }
}
