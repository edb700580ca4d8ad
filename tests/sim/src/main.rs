//! `haltbox-sim --seed N --steps M --rounds K`

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use haltbox_sim::op::Op;
use haltbox_sim::round::{Failure, play_ops, play_round, seed_of, shorten};

/// Plays rounds of a simulated recorder against a model.
#[derive(Parser)]
struct Arguments {
    /// What everything follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Operations of a round.
    #[arg(long, default_value_t = 1000)]
    steps: u64,
    /// Rounds.
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// The round to begin with.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// End after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Play the operations in this file, one a line, instead of generated ones.
    #[arg(long)]
    list: Option<std::path::PathBuf>,
    /// How often a failing round is tried with fewer operations.
    #[arg(long, default_value_t = 400)]
    tries: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    haltbox_sim::system::keep_memory();
    if let Some(list) = &arguments.list {
        return play_list(arguments.seed, list);
    }
    let begun = Instant::now();
    let (mut steps, mut rounds) = (0, 0);
    for round in arguments.first..arguments.first.saturating_add(arguments.rounds) {
        let seed = seed_of(arguments.seed, round);
        match play_round(seed, arguments.steps) {
            Ok(done) => steps += done,
            Err(failure) => {
                let (steps, seconds) = (steps + failure.at as u64 + 1, begun.elapsed());
                println!(
                    "found in round {round} after {steps} steps and {:.1} s",
                    seconds.as_secs_f64()
                );
                tell(&failure);
                tell_shorter(&shorten(&failure, arguments.tries));
                return ExitCode::FAILURE;
            }
        }
        rounds += 1;
        let is_over = |seconds| begun.elapsed().as_secs() >= seconds;
        if arguments.seconds.is_some_and(is_over) {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "seed {}: {rounds} rounds, {steps} steps in {seconds:.1} s, {:.0} steps a second",
        arguments.seed,
        steps as f64 / seconds
    );
    ExitCode::SUCCESS
}

fn play_list(seed: u64, list: &std::path::Path) -> ExitCode {
    let text = std::fs::read_to_string(list).expect("the list can be read");
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let ops: Result<Vec<Op>, String> = lines.map(str::parse).collect();
    match play_ops(seed, &ops.expect("operations")) {
        Ok(steps) => println!("{steps} operations, nothing is wrong"),
        Err(failure) => {
            println!("operation {}: {}", failure.at, failure.what);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Shortening takes a while, so the failure comes first.
fn tell(failure: &Failure) {
    let (seed, steps) = (failure.seed, failure.ops.len());
    let (at, what) = (failure.at, &failure.what);
    println!("seed {seed} fails at operation {at} of {steps}: {what}");
    println!("again: haltbox-sim --seed {seed} --rounds 1 --steps {steps}");
}

fn tell_shorter(short: &Failure) {
    println!("with {} operations: {}", short.ops.len(), short.what);
    short.ops.iter().for_each(|op| println!("  {op}"));
}
