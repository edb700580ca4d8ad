//! A host that links the recorder: writes its ring in its own process.
//!
//! `host FOLDER [MIB [background]]`: a ring of 8 MiB or so many; with `background` it
//! freezes by a thread of its own. Standard input holds slog lines, and what a host calls:
//! `!local HEIGHT HEX`, `!confirm HEIGHT HEX`, `!diverged HEIGHT LOCAL NETWORK`.

use std::io::BufRead;
use std::path::Path;

use haltbox_format::AppHash;
use haltbox_model::Profile;
use haltbox_recorder::host::{Background, HostError, HostRecorder, Options};

fn main() {
    let folder = std::env::args().nth(1).expect("usage: host FOLDER");
    let profile = Profile::builtin("agoric").expect("the profile");
    let size = std::env::args().nth(2);
    let size: u64 = size.map_or(8, |size| size.parse().expect("a size"));
    let background = std::env::args().nth(3).is_some();
    let options = Options {
        size: size << 20,
        background: background.then(Background::default),
        ..Options::new(Path::new(&folder), profile)
    };
    let (recorder, _) = HostRecorder::open(options).expect("the ring opens");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match line.strip_prefix('!') {
            Some(words) => call(&recorder, words).expect("the recorder takes the call"),
            None => {
                recorder.record(line.as_bytes()).expect("it records");
            }
        }
    }
}

fn call(recorder: &HostRecorder, words: &str) -> Result<(), HostError> {
    let words: Vec<&str> = words.split(' ').collect();
    let height = words[1].parse().expect("a height");
    let hash = |at: usize| -> AppHash { words[at].parse().expect("a hash") };
    match words[0] {
        "local" => recorder.commit(height, Some(hash(2))).map(drop),
        "confirm" => recorder.confirm(height, hash(2)).map(drop),
        "diverged" => recorder.diverged(height, hash(2), hash(3), "AppHash"),
        other => panic!("no call {other}"),
    }
}
