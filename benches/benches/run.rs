//! A process that writes a real slog at a busy node's pace, by itself and under
//! `haltbox run`, in turn: what it takes, and how long single writes wait.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use haltbox_benches::{ROUNDS, real_slog, scratch};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Bytes a second: more than ten times what the busiest recording has.
const PACE: f64 = 20e6;
/// Bytes of one run: an excerpt is repeated.
const AT_LEAST: usize = 40 << 20;
/// Set in the process that plays the node: the slog it writes.
const PLAY: &str = "HALTBOX_BENCH_PLAY";

fn main() {
    match std::env::var_os(PLAY) {
        Some(slog) => play(Path::new(&slog)),
        None => compare(),
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
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (p50, p999, longest) = (at(0.5), at(0.999), at(1.0));
    let own = cpu(UsageWho::RUSAGE_SELF);
    println!("{seconds} {own} {p50} {p999} {longest}");
}

fn cpu(of: UsageWho) -> f64 {
    let usage = getrusage(of).expect("usage");
    let time = usage.user_time() + usage.system_time();
    time.num_microseconds() as f64 / 1e6
}

/// One run: the node's own five figures, the time until the command was over,
/// and the CPU of everything but the node.
fn run(command: &mut Command, slog: &Path, out: &Path) -> [f64; 7] {
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

fn compare() {
    let folder = scratch();
    let slog = folder.path().join("input.slog");
    let text = real_slog();
    let times = AT_LEAST.div_ceil(text.len());
    fs::write(&slog, text.repeat(times)).expect("a slog");
    let own = std::env::current_exe().expect("this program");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--quiet", "--workspace", "--bins"]);
    assert!(build.status().expect("cargo runs").success());
    let programs = own.ancestors().nth(2).expect("target/release/deps/PROGRAM");
    let dir = folder.path().join("node");
    let plain = folder.path().join("plain.slog");
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rounds[0].push(run(&mut Command::new(&own), &slog, &plain));
        let mut under = Command::new(programs.join("haltbox"));
        under.args(["run", "--dir"]).arg(&dir).arg("--").arg(&own);
        rounds[1].push(run(&mut under, &slog, &dir.join("slog.jsonl")));
    }
    print(&rounds);
}

fn print(rounds: &[Vec<[f64; 7]>; 2]) {
    let names = [
        "the node's time",
        "its CPU",
        "a write, p50",
        "a write, p99.9",
        "a write, longest",
        "the command's time",
        "CPU beside the node",
    ];
    let head = ["", "alone", "haltbox run", "ratio"];
    println!(
        "{:>20} {:>12} {:>12} {:>7}",
        head[0], head[1], head[2], head[3]
    );
    for (figure, name) in names.into_iter().enumerate() {
        let [alone, under] = [0, 1].map(|side| median(&rounds[side], figure));
        println!(
            "{name:>20} {:>9.4} ms {:>9.4} ms {:>7.3}",
            alone * 1e3,
            under * 1e3,
            under / alone
        );
    }
    let longest = |side: usize| rounds[side].iter().map(|of| of[4]).fold(0.0, f64::max);
    println!(
        "longest write of all rounds: {:.1} ms alone, {:.1} ms under haltbox run",
        longest(0) * 1e3,
        longest(1) * 1e3
    );
}

fn median(rounds: &[[f64; 7]], figure: usize) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(|round| round[figure]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
