//! `haltbox-audit`: asks many pairs, and prints what came of them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use haltbox_audit::case::Case;
use haltbox_audit::check::{Checker, Wrong};
use haltbox_audit::run::{Order, minimised, run, seed_or};
use haltbox_audit::tally::Tally;

/// Ask pairs of recordings whose truth is known
#[derive(Parser)]
struct Arguments {
    /// Pairs of nodes that executed the same.
    #[arg(long, default_value_t = 10_000)]
    honest: u64,
    /// Pairs of nodes of which one did something otherwise.
    #[arg(long, default_value_t = 10_000)]
    guilty: u64,
    /// Of all that is drawn. Default: HALTBOX_SEED, else 1.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads. Default: as many as there are processors.
    #[arg(long)]
    threads: Option<u64>,
    /// One pair alone, by its own seed; with --guilty 0 an honest one.
    #[arg(long)]
    pair: Option<u64>,
    /// Keeps the two recordings of a pair here.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Failures that are made small and printed.
    #[arg(long, default_value_t = 10)]
    shown: usize,
    /// Prints what differences were called, by what they are.
    #[arg(long)]
    detail: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match asked(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("haltbox-audit: {error}");
            ExitCode::from(2)
        }
    }
}

fn asked(arguments: &Arguments) -> Result<u64, Box<dyn std::error::Error>> {
    if let Some(seed) = arguments.pair {
        return one(arguments, seed);
    }
    let own = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let threads = arguments.threads.unwrap_or(own);
    let seed = arguments.seed.unwrap_or_else(|| seed_or(1));
    println!("seed {seed} (--seed or HALTBOX_SEED changes it)");
    let mut wrong = 0;
    for (pairs, guilty) in [(arguments.honest, false), (arguments.guilty, true)] {
        let order = Order {
            seed,
            pairs,
            guilty,
        };
        let tally = run(order, threads)?;
        let what = if guilty {
            "one known difference"
        } else {
            "honest"
        };
        tally.print(what, arguments.detail);
        shown(&tally, arguments)?;
        wrong += tally.wrong();
    }
    Ok(wrong)
}

/// The first failures of each kind, as small as they get.
fn shown(tally: &Tally, arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(haltbox_audit::run::folder())?;
    let mut checker = Checker::new(folder.path())?;
    let mut told: std::collections::BTreeMap<Wrong, usize> = Default::default();
    for failure in &tally.failures {
        let count = told.entry(failure.wrong).or_default();
        *count += 1;
        if *count > arguments.shown {
            continue;
        }
        println!(
            "WRONG {:?} seed {} guilty {}: {}",
            failure.wrong, failure.seed, failure.guilty, failure.words
        );
        let case = Case::drawn(failure.seed, failure.guilty);
        println!("  {:?}", minimised(case, failure.wrong, &mut checker));
    }
    Ok(())
}

fn one(arguments: &Arguments, seed: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(haltbox_audit::run::folder())?;
    let mut checker = Checker::new(folder.path())?;
    let mut case = Case::drawn(seed, arguments.guilty > 0);
    let verdict = checker.check(&case);
    println!("{case:#?}\n{verdict:#?}");
    if let Some((wrong, _)) = verdict.wrong.first().filter(|_| arguments.keep.is_none()) {
        case = minimised(case, *wrong, &mut checker);
        println!("{case:#?}\n{:#?}", checker.check(&case));
    }
    if let Some(keep) = &arguments.keep {
        std::fs::create_dir_all(keep)?;
        for name in ["a", "b", "c"] {
            std::fs::copy(folder.path().join(name), keep.join(name)).ok();
        }
    }
    Ok(verdict.wrong.len() as u64)
}
