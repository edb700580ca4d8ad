//! Slog senders of a Node process side by side, in real processes: how many
//! entries a second, how long the kernel's thread waits for a call, how much
//! memory, and what a SIGKILL loses.
//!
//! `cargo bench -p haltbox-benches --bench node` (Node and npm; twenty minutes).
//! `HALTBOX_ROUNDS` and `HALTBOX_KILLS` make it shorter.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use haltbox_benches::measure::node::{ALONE, BARE, Bench, OURS, state};
use haltbox_benches::rounds::median;
use haltbox_benches::{scratch, setting};
use haltbox_tests::{Random, haltbox};
use serde_json::Value;

/// Name and what it is.
type Sender = (&'static str, &'static str);

const NONE: Sender = (ALONE, "`JSON.stringify` alone");
const SENDERS: [Sender; 5] = [
    ("write", "`fs.writeSync` of each line"),
    ("slogfile", "`slog-file.js` (SLOGFILE)"),
    ("peer", "`flight-recorder.js`"),
    (OURS, "`@haltbox/slog-sender`"),
    (BARE, "the same, HALTBOX_BACKGROUND=0"),
];

/// What the rounds of one sender at one pace gave.
struct Fed(Vec<Value>);

fn main() {
    let folder = scratch();
    let senders = Senders(Bench::prepared(folder.path()));
    senders.print_speed(setting("HALTBOX_ROUNDS", 5));
    senders.print_kills(setting("HALTBOX_KILLS", 20));
}

/// All senders, side by side.
struct Senders(Bench);

impl Senders {
    /// All senders in turn, round by round.
    fn rounds(&self, rounds: usize, pace: &str) -> Vec<Fed> {
        let mut fed = Vec::new();
        fed.resize_with(SENDERS.len() + 1, || Fed(Vec::new()));
        for _ in 0..rounds {
            for ((sender, _), fed) in senders().zip(&mut fed) {
                fed.0.push(self.0.feed(sender, pace));
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
        let mut command = self.0.program("acknowledge.mjs", sender, home);
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
    std::iter::once(NONE).chain(SENDERS)
}

/// Whole entries that are in what a sender wrote, as its reader finds them.
fn found(sender: &str, home: &Path) -> u64 {
    let state = state(home);
    let lines = match sender {
        OURS | BARE => cat(&state.join("haltbox")),
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
