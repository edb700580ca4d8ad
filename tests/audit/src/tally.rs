//! What came of all pairs.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::check::{Class, Verdict, Wrong};

/// Failures that are kept.
const KEPT: usize = 200;

/// What was wrong with one pair.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// B did something otherwise.
    pub guilty: bool,
    /// What was wrong.
    pub wrong: Wrong,
    /// In words.
    pub words: String,
}

/// Counts of one kind of pairs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Pairs that were asked.
    pub pairs: u64,
    /// What came of them.
    pub classes: BTreeMap<Class, u64>,
    /// What was wrong.
    pub wrongs: BTreeMap<Wrong, u64>,
    /// What differences were called, by what they are.
    pub named: BTreeMap<(String, &'static str, Class), u64>,
    /// The first of them.
    pub failures: Vec<Failure>,
}

impl Tally {
    /// Takes what came of a pair.
    pub fn take(&mut self, case: &Case, guilty: bool, verdict: &Verdict) {
        if verdict.class == Class::None && verdict.wrong.is_empty() {
            return;
        }
        self.pairs += 1;
        *self.classes.entry(verdict.class).or_default() += 1;
        if let Some(fault) = case.fault {
            let host = if case.kernel { "kernel" } else { "ledger" };
            let kind = format!("{host} {:?}", fault.kind);
            let key = (kind, verdict.named, verdict.class);
            *self.named.entry(key).or_default() += 1;
        }
        for (wrong, words) in &verdict.wrong {
            *self.wrongs.entry(*wrong).or_default() += 1;
            if self.failures.len() < KEPT {
                self.failures.push(Failure {
                    seed: case.seed,
                    guilty,
                    wrong: *wrong,
                    words: words.clone(),
                });
            }
        }
    }

    /// Adds what another thread counted.
    pub fn add(&mut self, other: Tally) {
        self.pairs += other.pairs;
        for (class, count) in other.classes {
            *self.classes.entry(class).or_default() += count;
        }
        for (wrong, count) in other.wrongs {
            *self.wrongs.entry(wrong).or_default() += count;
        }
        for (key, count) in other.named {
            *self.named.entry(key).or_default() += count;
        }
        self.failures.extend(other.failures);
    }

    /// How often something was wrong.
    pub fn wrong(&self) -> u64 {
        self.wrongs.values().sum()
    }

    /// Prints it.
    pub fn print(&self, what: &str, detail: bool) {
        println!("{what}: {} pairs", self.pairs);
        for (class, count) in &self.classes {
            let share = 100.0 * *count as f64 / self.pairs.max(1) as f64;
            println!("{count:>9}  {share:5.1} %  {class:?}");
        }
        for (wrong, count) in &self.wrongs {
            println!("{count:>9}  WRONG    {wrong:?}");
        }
        if detail {
            for ((kind, verdict, class), count) in &self.named {
                println!("{count:>9}  {kind}: {verdict} ({class:?})");
            }
        }
    }
}
