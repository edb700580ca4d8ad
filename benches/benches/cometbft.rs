//! What the linked recorder costs a validator: four of them, a thousand
//! transactions in each block, with the recorder and without, in turn.
//!
//! `cargo bench -p haltbox-benches --bench cometbft` (Go and a C compiler; ten minutes).
//! `HALTBOX_ROUNDS` makes it shorter.

use std::fs;
use std::path::Path;
use std::time::Instant;

use haltbox_benches::rounds::median;
use haltbox_benches::setting;
use haltbox_tests::valnode::{Chain, Version};
use haltbox_tests::wait_until;

const TXS: &str = "1000";
const BLOCKS: u64 = 40;

/// What one chain did.
struct Run {
    blocks_a_second: f64,
    /// Median milliseconds of FinalizeBlock, on one node.
    finalize: f64,
}

fn main() {
    let program = Version::V038.program();
    let mut runs: [Vec<Run>; 2] = Default::default();
    for _ in 0..setting("HALTBOX_ROUNDS", 5) {
        for (options, runs) in [&["-off"][..], &[]].into_iter().zip(&mut runs) {
            runs.push(run(program, options));
        }
    }
    println!("{TXS} transactions in each of {BLOCKS} blocks, four validators, medians.\n");
    println!("| | blocks/s | FinalizeBlock |");
    println!("|---|---|---|");
    for (name, runs) in ["without", "with"].into_iter().zip(&runs) {
        let rate = median(runs.iter().map(|run| run.blocks_a_second).collect());
        let finalize = median(runs.iter().map(|run| run.finalize).collect());
        println!("| {name} the recorder | {rate:.2} | {finalize:.1} ms |");
    }
    let [off, on] = &runs;
    let ratio = |of: fn(&Run) -> f64| {
        let pairs = off.iter().zip(on);
        median(pairs.map(|(off, on)| of(on) / of(off)).collect())
    };
    let (rate, finalize) = (ratio(|run| run.blocks_a_second), ratio(|run| run.finalize));
    println!("| ratio | {rate:.3} | {finalize:.3} |");
}

fn run(program: &Path, options: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let times = folder.path().join("times");
    let own = ["-txs", TXS, "-ring", "268435456"];
    let mut chain = Chain::start(program, &[&own, options].concat());
    let timed = ["-times".to_owned(), times.to_string_lossy().into_owned()];
    let node = &mut chain.nodes[0];
    node.stop();
    node.options.extend(timed);
    node.start();
    chain.wait_height(4);
    let node = &chain.nodes[0];
    let height = || node.height().unwrap_or(0);
    let (first, begun) = (height(), Instant::now());
    let goal = first + BLOCKS;
    wait_until(&format!("height {goal}"), || height() >= goal);
    let blocks_a_second = (height() - first) as f64 / begun.elapsed().as_secs_f64();
    Run {
        blocks_a_second,
        finalize: median_millis(&times, first, goal),
    }
}

fn median_millis(times: &Path, first: u64, last: u64) -> f64 {
    let text = fs::read_to_string(times).expect("times");
    let times = text.lines().filter_map(|line| {
        let (height, nanoseconds) = line.split_once(' ')?;
        let height: u64 = height.parse().ok()?;
        let asked = height > first && height <= last;
        asked.then(|| nanoseconds.parse::<f64>().ok())?
    });
    median(times.map(|nanoseconds| nanoseconds / 1e6).collect())
}
