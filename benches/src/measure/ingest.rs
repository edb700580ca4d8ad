//! A pipe into the recorder, beside a reader that discards what comes from the
//! same kind of pipe.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use haltbox_daemon::sources::lines::LineSplitter;
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;

use crate::rounds::{Rounds, beside, seconds, usual};
use crate::scratch;
use crate::targets::Figure;

const LINES: usize = 200_000;
/// What a pipe is read in.
const CHUNK: usize = 128 << 10;

/// All sizes of the producer's writes.
pub fn figures() -> Vec<Figure> {
    let folder = scratch();
    let mut recorder = recorder(&folder.path().join("ring"), 256 << 20);
    let line = line().len();
    let writes = [
        ("one line", 1),
        ("16 lines", 16 * line),
        ("64 KiB", 64 << 10),
    ];
    let figures = writes.map(|(name, batch)| {
        let rounds = beside_discard(batch, &mut recorder);
        let speed = |seconds: f64| (LINES * line) as f64 / seconds / 1e9;
        let (own, discard) = (speed(rounds.candidate()), speed(rounds.base()));
        let detail = format!("{own:.2} GB/s, {discard:.2} GB/s");
        let name = format!("pipe, {name} a write");
        Figure::new(&name, rounds.speed(), Some(rounds.control()), detail)
    });
    figures.into()
}

/// A recorder with a ring of this size.
pub fn recorder(path: &Path, size: u64) -> Recorder {
    let config = Config {
        ring: RingOptions {
            size,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("builtin")),
        node_lane: Lane::Local,
        own_start: false,
        populate: true,
    };
    Recorder::open(path, config).expect("a recorder").recorder
}

/// A line as the kernel writes many.
pub fn line() -> Vec<u8> {
    let text = format!(
        "{{\"type\":\"syscall\",\"crankNum\":5105,\"vatID\":\"v6\",\"deliveryNum\":792,\
         \"syscallNum\":1,\"replay\":false,\"syscall\":[\"vatstoreGet\",\"{}\"]}}\n",
        "k".repeat(200)
    );
    text.into_bytes()
}

fn beside_discard(batch: usize, recorder: &mut Recorder) -> Rounds {
    let mut other = vec![0; CHUNK];
    let mut chunk = vec![0; CHUNK];
    beside(
        usual(),
        &mut seconds(|| {
            let (mut pipe, thread) = producer(batch);
            while pipe.read(&mut other).expect("read") > 0 {}
            thread.join().expect("the producer ends");
        }),
        &mut seconds(|| {
            let (mut pipe, thread) = producer(batch);
            record(&mut pipe, &mut chunk, recorder);
            thread.join().expect("the producer ends");
        }),
    )
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

fn record(pipe: &mut std::fs::File, chunk: &mut [u8], recorder: &mut Recorder) {
    let mut splitter = LineSplitter::default();
    loop {
        let count = pipe.read(chunk).expect("read");
        if count == 0 {
            break;
        }
        splitter.feed(&chunk[..count], &mut |given| {
            let _ = recorder.record(Stream::Slog, given);
        });
    }
}
