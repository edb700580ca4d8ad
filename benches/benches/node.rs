//! Slog senders of a Node process side by side, in real processes: how many
//! entries a second, how long the kernel's thread waits for a call, how much
//! memory, and what a SIGKILL loses.
//!
//! `cargo bench -p haltbox-benches --bench node` (Node and npm; twenty minutes).
//! `HALTBOX_ROUNDS` and `HALTBOX_KILLS` make it shorter.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use haltbox_benches::{median, real_slog, scratch, setting};
use haltbox_tests::slog_sender::NodeHost;
use haltbox_tests::{Random, haltbox, root};
use serde_json::Value;

/// Name and what it is.
type Sender = (&'static str, &'static str);

const ALONE: Sender = ("stringify", "`JSON.stringify` alone");
const SENDERS: [Sender; 5] = [
    ("write", "`fs.writeSync` of each line"),
    ("slogfile", "`slog-file.js` (SLOGFILE)"),
    ("peer", "`flight-recorder.js`"),
    ("haltbox", "`@haltbox/slog-sender`"),
    (BARE, "the same, HALTBOX_BACKGROUND=0"),
];
/// No thread makes the ring's pages present.
const BARE: &str = "haltbox-bare";

struct Bench {
    host: &'static NodeHost,
    slog: PathBuf,
}

/// What the rounds of one sender at one pace gave.
struct Fed(Vec<Value>);

fn main() {
    let host = NodeHost::installed();
    let programs = host.folder().join("bench");
    fs::create_dir_all(&programs).expect("a folder");
    for name in ["senders.mjs", "feed.mjs", "acknowledge.mjs"] {
        let source = root().join("benches/node").join(name);
        fs::copy(source, programs.join(name)).expect("a copy");
    }
    let folder = scratch();
    let slog = folder.path().join("slog");
    fs::write(&slog, real_slog()).expect("a slog");
    let bench = Bench { host, slog };
    bench.print_speed(setting("HALTBOX_ROUNDS", 5));
    bench.print_kills(setting("HALTBOX_KILLS", 20));
}

impl Bench {
    fn program(&self, name: &str, sender: &str, home: &Path) -> Command {
        let mut command = self.host.program(&format!("bench/{name}"), home);
        let state = state(home);
        fs::create_dir_all(&state).expect("a folder");
        command
            .arg(sender)
            .args([&self.slog, &state])
            .env("HALTBOX_MODULE", self.host.module())
            .env("HALTBOX_DIR", state.join("haltbox"))
            .env("HALTBOX_SIZE", "256MiB")
            .env("HALTBOX_BACKGROUND", u8::from(sender != BARE).to_string())
            .env("SLOGFILE", state.join("slogfile.jsonl"))
            .stdout(Stdio::piped());
        command
    }

    fn feed(&self, sender: &str, pace: &str) -> Value {
        let home = scratch();
        let mut command = self.program("feed.mjs", sender, home.path());
        let done = command.arg(pace).output().expect("node runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{sender}, {pace}: {said}");
        serde_json::from_slice(&done.stdout).expect("JSON")
    }

    /// All senders in turn, round by round.
    fn rounds(&self, rounds: usize, pace: &str) -> Vec<Fed> {
        let mut fed = Vec::new();
        fed.resize_with(SENDERS.len() + 1, || Fed(Vec::new()));
        for _ in 0..rounds {
            for ((sender, _), fed) in senders().zip(&mut fed) {
                fed.0.push(self.feed(sender, pace));
            }
        }
        fed
    }

    fn print_speed(&self, rounds: usize) {
        let [burst, slices, cranks] =
            ["burst", "slices", "cranks"].map(|pace| self.rounds(rounds, pace));
        let records = burst[0].median("records");
        println!("{records} entries, medians of {rounds} interleaved rounds.\n");
        println!(
            "| entry to JSON to sender | entries/s | times JSON alone, clock | thread time | slices |"
        );
        println!("|---|---|---|---|---|");
        for (((_, what), fed), slices) in senders().zip(&burst).zip(&slices) {
            let rate = records / fed.median("seconds");
            let clock = fed.times(&burst[0], "seconds");
            let thread = fed.times(&burst[0], "thread");
            let call = slices.median("ratio");
            println!("| {what} | {rate:.0} | {clock:.2} | {thread:.2} | {call:.2} |");
        }
        println!(
            "\n| one call, JSON given | p50 | p99 | longest | thread time of an entry | peak memory over JSON alone |"
        );
        println!("|---|---|---|---|---|---|");
        for (((_, what), fed), burst_fed) in senders().zip(&cranks).zip(&burst).skip(1) {
            let micros = |name| fed.median(name) / 1e3;
            let (p50, p99, longest) = (micros("p50"), micros("p99"), micros("max"));
            let thread = (fed.median("thread") - cranks[0].median("thread")) / records * 1e6;
            let peak = (burst_fed.median("peakKib") - burst[0].median("peakKib")) / 1024.0;
            println!(
                "| {what} | {p50:.1} us | {p99:.1} us | {longest:.0} us | {thread:.1} us | {peak:.0} MiB |"
            );
        }
    }

    fn print_kills(&self, kills: usize) {
        println!(
            "\n| {kills} times kill -9 | entries acknowledged | lost | most at one kill | kills that lost some |"
        );
        println!("|---|---|---|---|---|");
        let mut random = Random::seeded(9);
        for (sender, what) in SENDERS {
            let mut acknowledged = 0;
            let mut lost = Vec::new();
            for _ in 0..kills {
                let home = scratch();
                let time = Duration::from_millis(50 + random.below(1500));
                let given = self.acknowledged(sender, home.path(), time);
                acknowledged += given;
                lost.push(given.saturating_sub(found(sender, home.path())));
            }
            let most = lost.iter().max().expect("kills");
            let losing = lost.iter().filter(|lost| **lost > 0).count();
            let lost: u64 = lost.iter().sum();
            println!("| {what} | {acknowledged} | {lost} | {most} | {losing} |");
        }
    }

    /// Lets it run for this time and kills it. Gives the last number it said.
    fn acknowledged(&self, sender: &str, home: &Path, time: Duration) -> u64 {
        let mut command = self.program("acknowledge.mjs", sender, home);
        let mut node = command.spawn().expect("node runs");
        let mut said = BufReader::new(node.stdout.take().expect("a pipe"));
        let mut first = String::new();
        said.read_line(&mut first).expect("a pipe");
        let last = std::thread::scope(|scope| {
            let heard = scope.spawn(|| {
                let lines = said.lines().map(|line| line.expect("a pipe"));
                // The kill may cut the last number: none is longer for it.
                lines.filter_map(|line| line.parse().ok()).max()
            });
            std::thread::sleep(time);
            node.kill().expect("it runs");
            heard.join().expect("numbers")
        });
        node.wait().expect("it ends");
        last.or(first.trim().parse().ok())
            .expect("an acknowledgement")
    }
}

impl Fed {
    fn numbers(&self, name: &str) -> impl Iterator<Item = f64> {
        self.0
            .iter()
            .map(move |fed| fed[name].as_f64().unwrap_or(f64::NAN))
    }

    fn median(&self, name: &str) -> f64 {
        median(self.numbers(name).collect())
    }

    /// The median of the rounds' ratios.
    fn times(&self, other: &Fed, name: &str) -> f64 {
        let pairs = self.numbers(name).zip(other.numbers(name));
        median(pairs.map(|(own, other)| own / other).collect())
    }
}

fn senders() -> impl Iterator<Item = Sender> {
    std::iter::once(ALONE).chain(SENDERS)
}

fn state(home: &Path) -> PathBuf {
    home.join("data/agoric")
}

/// Whole entries that are in what a sender wrote, as its reader finds them.
fn found(sender: &str, home: &Path) -> u64 {
    let state = state(home);
    let lines = match sender {
        "haltbox" | BARE => cat(&state.join("haltbox")),
        "peer" => cat(&state.join("flight-recorder.bin")),
        "slogfile" => fs::read(state.join("slogfile.jsonl")).unwrap_or_default(),
        _ => fs::read(state.join("plain.jsonl")).expect("the file"),
    };
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn cat(source: &Path) -> Vec<u8> {
    let done = haltbox().arg("cat").arg(source).output();
    done.expect("haltbox runs").stdout
}
