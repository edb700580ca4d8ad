//! A host that links the recorder: writes its ring in its own process.
//!
//! `host FOLDER`: standard input holds slog lines, and what a host calls:
//! `!local HEIGHT HEX`, `!confirm HEIGHT HEX`, `!diverged HEIGHT LOCAL NETWORK`.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use haltbox_format::{AppHash, Event, Lane, Mismatch, Profile, Stream, Weight};
use haltbox_recorder::intake::given::Given;
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;

fn main() {
    let folder = std::env::args().nth(1).expect("usage: host FOLDER");
    std::fs::create_dir_all(&folder).expect("the folder");
    let config = Config {
        ring: RingOptions {
            size: 8 << 20,
            in_host: true,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("the profile")),
        node_lane: Lane::Local,
        populate: false,
    };
    let opened = Recorder::open(&Path::new(&folder).join("ring"), config);
    let mut recorder = opened.expect("the ring opens").recorder;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match line.strip_prefix('!') {
            Some(call) => recorder.event(&event(call), Stream::Node),
            None => recorder.record(Stream::Slog, Given::line(line.as_bytes())),
        }
    }
}

fn event(call: &str) -> Event {
    let words: Vec<&str> = call.split(' ').collect();
    let height = words[1].parse().expect("a height");
    let hash = |at: usize| -> AppHash { words[at].parse().expect("a hash") };
    match words[0] {
        "local" => Event::LocalHash {
            height,
            app_hash: hash(2),
        },
        "confirm" => Event::Confirm {
            height,
            app_hash: Some(hash(2)),
        },
        "diverged" => Event::Mismatch(Mismatch {
            height: Some(height),
            field: "AppHash".to_owned(),
            local: hash(2),
            network: hash(3),
            weight: Weight::Proved,
        }),
        other => panic!("no call {other}"),
    }
}
