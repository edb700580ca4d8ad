//! A process that writes a real slog at a busy node's pace, by itself and under
//! `haltbox run`, in turn: what it takes, and how long single writes wait.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::paced::at;
use crate::programs::released;
use crate::report::time;
use crate::rounds::{Rounds, usual};
use crate::targets::Figure;
use crate::{real_slog, scratch};

/// Bytes a second: more than ten times what the busiest recording has.
const PACE: f64 = 20e6;
/// Bytes of one run: an excerpt is repeated.
const AT_LEAST: usize = 40 << 20;
/// Set in the process that plays the node: the slog it writes.
const PLAY: &str = "HALTBOX_BENCH_PLAY";

/// What one run gave, in the order of [`NAMES`].
pub type Run = [f64; 7];

/// What is measured of a run.
pub const NAMES: [&str; 7] = [
    "the node's time",
    "its CPU",
    "a write, p50",
    "a write, p99.9",
    "a write, longest",
    "the command's time",
    "CPU beside the node",
];

/// The node's time.
pub fn figures() -> Vec<Figure> {
    let runs = runs();
    let mut rounds = Rounds::new();
    runs.iter().for_each(|of| rounds.push(of.map(|run| run[0])));
    let (under, alone) = (rounds.candidate(), rounds.base());
    let detail = format!("{}, {}", time(under), time(alone));
    let control = Some(rounds.control());
    vec![Figure::new("haltbox run", rounds.cost(), control, detail)]
}

/// Writes the slog as a node does and ends the process, if this one was started
/// for that. The first that `main` does.
pub fn play_if_asked() {
    if let Some(slog) = std::env::var_os(PLAY) {
        play(Path::new(&slog));
        std::process::exit(0);
    }
}

/// Writes the slog line by line to SLOGFILE, sleeping where it is ahead of its
/// pace; prints seconds, seconds of CPU, and how long the writes took.
fn play(slog: &Path) {
    let text = fs::read(slog).expect("a slog");
    let out = std::env::var_os("SLOGFILE").expect("SLOGFILE");
    let mut options = File::options();
    let opened = options.create(true).append(true).open(out);
    let mut out = opened.expect("a file");
    let mut times = Vec::new();
    let mut written = 0;
    let begun = Instant::now();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let due = Duration::from_secs_f64(written as f64 / PACE);
        let ahead = due.saturating_sub(begun.elapsed());
        if ahead > Duration::from_millis(1) {
            std::thread::sleep(ahead);
        }
        let writing = Instant::now();
        out.write_all(line).expect("written");
        times.push(writing.elapsed().as_secs_f64());
        written += line.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let [p50, p999, longest] = [0.5, 0.999, 1.0].map(|share| at(&times, share));
    let own = cpu(UsageWho::RUSAGE_SELF);
    println!("{seconds} {own} {p50} {p999} {longest}");
}

fn cpu(of: UsageWho) -> f64 {
    let usage = getrusage(of).expect("usage");
    let time = usage.user_time() + usage.system_time();
    time.num_microseconds() as f64 / 1e6
}

/// In each round alone, under `haltbox run`, and alone again.
pub fn runs() -> Vec<[Run; 3]> {
    let folder = scratch();
    let slog = folder.path().join("input.slog");
    let text = real_slog();
    let times = AT_LEAST.div_ceil(text.len());
    fs::write(&slog, text.repeat(times)).expect("a slog");
    let own = std::env::current_exe().expect("this program");
    let plain = folder.path().join("plain.slog");
    let alone = || one_run(&mut Command::new(&own), &slog, &plain);
    let rounds = (0..usual()).map(|_| [alone(), under_run(&own, &slog, folder.path()), alone()]);
    rounds.collect()
}

fn under_run(own: &Path, slog: &Path, folder: &Path) -> Run {
    let dir = folder.join("node");
    let mut under = Command::new(released().join("haltbox"));
    under.args(["run", "--dir"]).arg(&dir).arg("--").arg(own);
    one_run(&mut under, slog, &dir.join("slog.jsonl"))
}

/// One run: the node's own five figures, the time until the command was over,
/// and the CPU of everything but the node.
fn one_run(command: &mut Command, slog: &Path, out: &Path) -> Run {
    let _ = fs::remove_file(out);
    let (begun, used) = (Instant::now(), cpu(UsageWho::RUSAGE_CHILDREN));
    let mut child = command
        .env(PLAY, slog)
        .env("SLOGFILE", out)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut told = String::new();
    let pipe = child.stdout.take().expect("a pipe");
    BufReader::new(pipe).read_line(&mut told).expect("figures");
    assert!(child.wait().expect("it ends").success());
    let whole = begun.elapsed().as_secs_f64();
    let used = cpu(UsageWho::RUSAGE_CHILDREN) - used;
    let figure = |figure: &str| figure.parse().expect("a figure");
    let figures: Vec<f64> = told.split_whitespace().map(figure).collect();
    let [seconds, own, p50, p999, longest] = figures[..] else {
        panic!("five figures expected, found {told:?}")
    };
    [seconds, own, p50, p999, longest, whole, used - own]
}
