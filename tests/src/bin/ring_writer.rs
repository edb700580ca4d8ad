//! Appends numbered records to a ring until it is killed, and acknowledges each
//! in a file whose pages survive the kill.
//!
//! `ring-writer RING ACK-FILE [--acknowledge-first]`: the last form is a writer
//! that is wrong on purpose, to prove that the kill test can fail.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use haltbox_format::Lane;
use haltbox_format::ring::Flags;
use haltbox_recorder::ring::file::{RingOptions, open};
use haltbox_tests::record_bytes;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, ring, acknowledged, rest @ ..] = arguments.as_slice() else {
        panic!("usage: ring-writer RING ACK-FILE [--acknowledge-first]");
    };
    let first = rest
        .iter()
        .any(|argument| argument == "--acknowledge-first");
    let options = RingOptions {
        size: 4 << 20,
        in_host: false,
        engine: None,
    };
    let mut writer = open(Path::new(ring), &options)
        .expect("the ring opens")
        .writer;
    let file = File::options()
        .write(true)
        .open(acknowledged)
        .expect("the ack file");
    let mut payload = Vec::new();
    loop {
        let counter = writer.next_counter(Lane::Main);
        record_bytes(counter, &mut payload);
        let acknowledge = || {
            file.write_all_at(&(counter + 1).to_le_bytes(), 0)
                .expect("an ack")
        };
        if first {
            acknowledge();
        }
        writer.append(Lane::Main, Flags::default(), &[], &payload);
        if !first {
            acknowledge();
        }
    }
}
