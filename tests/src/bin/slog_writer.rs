//! Stands in for a node that writes its slog, at 20 MB/s, until it is told to
//! stop: `slog-writer FOLDER`. FOLDER/stop ends it; FOLDER/wrote then says how
//! many lines were written and how many milliseconds the longest write took.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Lines written at once.
const LINES: u64 = 20;
/// Bytes of one.
const LINE: usize = 1000;
/// The time they stand for.
const EVERY: Duration = Duration::from_millis(1);

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    let slog = std::env::var_os("SLOGFILE").expect("SLOGFILE");
    let mut slog = File::options().append(true).open(slog).expect("the slog");
    let (mut next, mut longest) = (0, Duration::ZERO);
    let begun = Instant::now();
    while !folder.join("stop").exists() {
        let batch: String = (next..next + LINES).map(line).collect();
        let before = Instant::now();
        slog.write_all(batch.as_bytes()).expect("a write");
        longest = longest.max(before.elapsed());
        next += LINES;
        let due = EVERY * u32::try_from(next / LINES).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        if next % (50 * LINES) == 0 {
            fs::write(folder.join("at"), next.to_string()).expect("a file");
        }
    }
    let wrote = format!("{next} {}", longest.as_millis());
    fs::write(folder.join("wrote"), wrote).expect("a file");
}

fn line(number: u64) -> String {
    let head = format!("{{\"type\":\"console\",\"n\":{number},\"x\":\"");
    format!("{head}{}\"}}\n", "y".repeat(LINE - head.len() - 3))
}
