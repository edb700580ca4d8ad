//! A ring of 256 MiB to the finished box, beside zstd -1 of the same lines into
//! a file and fsync.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use haltbox_benches::{medians, real_slog};
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_recorder::freeze::{Plan, freeze};
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_recorder::source_entry::Given;

const RING: u64 = 256 << 20;

fn main() {
    let folder = haltbox_benches::scratch();
    let profile = Arc::new(Profile::builtin("agoric").expect("builtin"));
    let config = Config {
        ring: RingOptions {
            size: RING,
            in_host: false,
            engine: None,
        },
        profile: Arc::clone(&profile),
        node_lane: Lane::Local,
        own_start: false,
        populate: true,
    };
    let opened = Recorder::open(&folder.path().join("ring"), config).expect("a recorder");
    let mut recorder = opened.recorder;
    let slog = real_slog();
    // The ring's main lane is three quarters of it; two laps make it full.
    for _ in 0..2 * RING as usize / slog.len() {
        for line in slog
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            recorder.record(Stream::Slog, Given::line(line));
        }
    }
    let of = recorder.life().default_subject().expect("a block").of;
    let ring = recorder.file().expect("the ring's file");
    let plan = |boxes: &str| Plan {
        of,
        reason: "a measurement".to_owned(),
        boxes: folder.path().join(boxes),
        profile: Arc::clone(&profile),
        node_program: None,
        ask: None,
    };
    let frozen = freeze(&ring, &plan("first")).expect("a box");
    let bytes = zstd::stream::decode_all(File::open(&frozen.path).expect("the box")).expect("zstd");
    let mut round = 0;
    let plain = folder.path().join("plain.zst");
    let times = medians(&mut [
        &mut || {
            round += 1;
            freeze(&ring, &plan(&format!("{round}"))).expect("a box");
        },
        &mut || {
            let file = File::create(&plain).expect("a file");
            let mut encoder = zstd::stream::write::Encoder::new(file, 1).expect("zstd");
            for block in bytes.chunks(1 << 20) {
                encoder.write_all(block).expect("written");
            }
            encoder
                .finish()
                .expect("finished")
                .sync_all()
                .expect("synced");
        },
    ]);
    let size = std::fs::metadata(&plain).expect("the file").len();
    println!(
        "freeze of {} MiB of lines: {:.0} ms, zstd -1 + fsync {:.0} ms, {:.2}x; box {:.3}x of its size",
        bytes.len() >> 20,
        times[0] * 1e3,
        times[1] * 1e3,
        times[0] / times[1],
        frozen.bytes as f64 / size as f64
    );
}
