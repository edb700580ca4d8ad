//! Instructions of one append and of one recorded line, counted by valgrind:
//! the same on every machine, however busy it is.
//!
//! This program runs itself under cachegrind, twice for each count. The second
//! run does a thousand times more of it, and the difference is divided by that.

use std::process::Command;

use haltbox_daemon::sources::lines::LineSplitter;
use haltbox_format::Stream;
use haltbox_model::Profile;
use haltbox_recorder::source_entry::Given;

use super::append::{Flat, append, warm_ring};
use super::ingest;
use crate::programs::missing;
use crate::scratch;

/// Set in the process that is counted: what it does, how many bytes, and how
/// often.
const PLAY: &str = "HALTBOX_BENCH_COUNT";
const MORE: usize = 1000;
const RING: u64 = 4 << 20;

/// Lines that say what was counted.
pub fn lines() -> Result<Vec<String>, String> {
    missing(&["valgrind"])?;
    let appends = [100, 300, 1024].map(|bytes| {
        let [append, copy] = ["append", "copy"].map(|what| instructions(what, bytes));
        format!("append of {bytes} B: {append} instructions, memcpy + crc32fast {copy}")
    });
    let [record, split, gate, append] =
        ["record", "split", "gate", "append"].map(|what| instructions(what, ingest::line().len()));
    let whole = format!(
        "a line of a pipe: {record} instructions; to split it {split}, to tell its type {gate}, to append it {append}"
    );
    Ok(appends.into_iter().chain([whole]).collect())
}

fn instructions(what: &str, bytes: usize) -> u64 {
    let [few, many] = [MORE, 2 * MORE].map(|times| all_instructions(what, bytes, times));
    many.saturating_sub(few) / MORE as u64
}

fn all_instructions(what: &str, bytes: usize, times: usize) -> u64 {
    let own = std::env::current_exe().expect("this program");
    let folder = scratch();
    let mut counted = Command::new("valgrind");
    counted
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(own)
        .current_dir(folder.path())
        .env(PLAY, format!("{what} {bytes} {times}"));
    let said = counted.output().expect("valgrind runs");
    let said = String::from_utf8_lossy(&said.stderr);
    let total = said
        .split_once("refs:")
        .and_then(|(_, rest)| rest.lines().next());
    let digits = total.map(|total| total.replace([' ', ','], ""));
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("{said}"))
}

/// Does what is counted and ends the process, if this one was started for that.
pub fn play_if_asked() {
    let Ok(asked) = std::env::var(PLAY) else {
        return;
    };
    let asked: Vec<&str> = asked.split(' ').collect();
    let number = |at: usize| asked[at].parse().expect("a number");
    play(asked[0], number(1), number(2));
    std::process::exit(0);
}

fn play(what: &str, bytes: usize, times: usize) {
    let folder = scratch();
    let ring = folder.path().join("ring");
    let payload = vec![b'x'; bytes];
    match what {
        "append" => append(&mut warm_ring(&ring, RING), &payload, times),
        "copy" => {
            drop(warm_ring(&ring, RING));
            Flat::over(&ring).copy(&payload, times);
        }
        "split" => split(times, &mut |given| _ = std::hint::black_box(given)),
        "gate" => gate(times),
        "record" => {
            let mut recorder = ingest::recorder(&ring, RING);
            split(times, &mut |given| _ = recorder.record(Stream::Slog, given));
        }
        _ => panic!("nothing is called {what:?}"),
    }
}

/// Splits so many lines, 16 at a time.
fn split(times: usize, sink: &mut dyn FnMut(Given<'_>)) {
    let mut splitter = LineSplitter::default();
    let block = ingest::line().repeat(16);
    (0..times / 16).for_each(|_| splitter.feed(&block, sink));
    splitter.feed(&ingest::line().repeat(times % 16), sink);
}

fn gate(times: usize) {
    let profile = Profile::builtin("agoric").expect("builtin");
    let rules = profile.slog.as_ref().expect("the slog's rules");
    let line = ingest::line();
    let line = &line[..line.len() - 1];
    for _ in 0..times {
        std::hint::black_box(rules.read(std::hint::black_box(line)));
    }
}
