//! A ring of 256 MiB to the finished box, beside zstd -1 of the same lines into
//! a file and fsync.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_recorder::freeze::{Plan, freeze};
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_recorder::source_entry::Given;

use crate::report::time;
use crate::rounds::{beside, seconds, usual};
use crate::targets::Figure;
use crate::{real_slog, scratch};

const RING: u64 = 256 << 20;

/// The time.
pub fn figures() -> Vec<Figure> {
    let folder = scratch();
    let (recorder, profile) = full_recorder(&folder.path().join("ring"));
    let of = recorder.life().default_subject().expect("a block").of;
    let ring = recorder.file().expect("the ring's file");
    let mut round = 0;
    let mut frozen = || {
        round += 1;
        let plan = Plan {
            of,
            reason: "a measurement".to_owned(),
            boxes: folder.path().join(round.to_string()),
            profile: Arc::clone(&profile),
            node_program: None,
            ask: None,
        };
        freeze(&ring, &plan).expect("a box")
    };
    let first = frozen();
    let bytes = zstd::stream::decode_all(File::open(&first.path).expect("the box")).expect("zstd");
    let plain = folder.path().join("plain.zst");
    let rounds = beside(
        usual(),
        &mut seconds(|| compress(&bytes, &plain)),
        &mut seconds(|| _ = frozen()),
    );
    let detail = format!("{}, {}", time(rounds.candidate()), time(rounds.base()));
    let control = Some(rounds.control());
    let name = "freeze of 256 MiB";
    vec![Figure::new(name, rounds.cost(), control, detail)]
}

/// Its ring is full: the main lane is three quarters of it, and gets two laps.
fn full_recorder(path: &Path) -> (Recorder, Arc<Profile>) {
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
    let mut recorder = Recorder::open(path, config).expect("a recorder").recorder;
    let slog = real_slog();
    let lines = || {
        slog.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
    };
    for _ in 0..2 * RING as usize / slog.len() {
        lines().for_each(|line| _ = recorder.record(Stream::Slog, Given::line(line)));
    }
    (recorder, profile)
}

fn compress(bytes: &[u8], plain: &Path) {
    let file = File::create(plain).expect("a file");
    let mut encoder = zstd::stream::write::Encoder::new(file, 1).expect("zstd");
    for block in bytes.chunks(1 << 20) {
        encoder.write_all(block).expect("written");
    }
    let file = encoder.finish().expect("finished");
    file.sync_all().expect("synced");
}
