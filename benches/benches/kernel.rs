//! A real SwingSet kernel with each of the slog senders and without a slog, in
//! turn: what recording costs the node, and that all compute the same.
//!
//! `cargo bench -p haltbox-benches --bench kernel` (Node, npm and a C++ compiler; ten
//! minutes). `HALTBOX_ROUNDS` makes it shorter.

use std::path::PathBuf;

use haltbox_benches::rounds::median;
use haltbox_benches::{scratch, setting};
use haltbox_tests::kernel::{Asked, Kernel, Run};

const BLOCKS: u32 = 20;
const ACTIONS: u32 = 10;

fn main() {
    let kernel = Kernel::prepared();
    let senders = [
        ("no slog", None),
        (
            "a slog that nobody keeps",
            Some(kernel.program("nobody.js")),
        ),
        (
            "`slog-file.js` (SLOGFILE)",
            Some(kernel.sender("slog-file.js")),
        ),
        (
            "`flight-recorder.js`",
            Some(kernel.sender("flight-recorder.js")),
        ),
        ("`@haltbox/slog-sender`", Some(kernel.haltbox())),
    ];
    let mut runs: [Vec<Run>; 5] = Default::default();
    for _ in 0..setting("HALTBOX_ROUNDS", 5) {
        for ((_, sender), runs) in senders.iter().zip(&mut runs) {
            runs.push(run(kernel, sender.as_ref()));
        }
    }
    print(&senders.map(|(name, _)| name), &runs);
}

fn run(kernel: &Kernel, sender: Option<&PathBuf>) -> Run {
    let home = scratch();
    kernel.run(&Asked {
        home: home.path(),
        blocks: BLOCKS,
        actions: ACTIONS,
        sender: sender.map(PathBuf::as_path),
    })
}

fn print(names: &[&str], runs: &[Vec<Run>]) {
    let computed = &runs[0][0].computed;
    println!(
        "{BLOCKS} blocks, {} cranks, medians of {} interleaved rounds.",
        computed.cranks,
        runs[0].len()
    );
    println!("activityhash {}", computed.activityhash);
    println!("crankhashes, all in one digest: {}\n", computed.crankhashes);
    println!(
        "| slog | entries | run | times no slog | CPU | times no slog | peak memory | same hashes |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, own) in names.iter().zip(runs) {
        let seconds = |run: &Run| run.seconds;
        let cpu = |run: &Run| run.cpu_seconds;
        let same = own.iter().filter(|run| run.computed == *computed).count();
        println!(
            "| {name} | {} | {:.1} s | {:.2} | {:.1} s | {:.2} | {:.0} MiB | {same} of {} |",
            own[0].entries,
            of(own, seconds),
            times(own, &runs[0], seconds),
            of(own, cpu),
            times(own, &runs[0], cpu),
            of(own, |run| run.peak_mib as f64),
            own.len(),
        );
    }
}

fn of(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(figure).collect())
}

/// The median of the rounds' ratios.
fn times(runs: &[Run], others: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let pairs = runs.iter().zip(others);
    median(
        pairs
            .map(|(own, other)| figure(own) / figure(other))
            .collect(),
    )
}
