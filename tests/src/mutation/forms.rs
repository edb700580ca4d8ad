//! What a slog is kept in: a file, a ring of Agoric's recorder, a ring of ours.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_recorder::source_entry::Given;

/// Agoric's `flight-recorder.bin`, whose numbers are big-endian, with an arena of this size: of lines that do not fit
/// the oldest go.
#[expect(clippy::big_endian_bytes, reason = "Agoric's format")]
pub fn agoric_ring(path: &Path, lines: &[Vec<u8>], arena: usize) {
    let (mut bytes, mut start, mut end) = (vec![0; arena], 0, 0);
    let mut lengths = std::collections::VecDeque::new();
    let mut used = 0;
    for line in lines {
        let record = [
            &(line.len() as u64 + 1).to_be_bytes(),
            b"\n".as_slice(),
            line,
        ]
        .concat();
        if record.len() >= arena {
            continue;
        }
        while used + record.len() >= arena {
            let oldest: usize = lengths.pop_front().expect("a record");
            start = (start + oldest) % arena;
            used -= oldest;
        }
        for byte in &record {
            bytes[end] = *byte;
            end = (end + 1) % arena;
        }
        used += record.len();
        lengths.push_back(record.len());
    }
    let head = [arena, start, end].map(|number| (number as u64).to_be_bytes());
    let file = [b"AG-SLOG!".as_slice(), &head.concat(), &bytes].concat();
    fs::write(path, file).expect("a ring");
}

/// A ring of ours, closed in order.
pub fn ring(path: &Path, lines: &[Vec<u8>], size: u64) {
    let config = Config {
        ring: RingOptions {
            size,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("a profile")),
        node_lane: Lane::Local,
        own_start: false,
        populate: false,
    };
    let mut recorder = Recorder::open(path, config).expect("a ring").recorder;
    for line in lines {
        recorder.record(Stream::Slog, Given::line(line));
    }
    recorder.close();
}
