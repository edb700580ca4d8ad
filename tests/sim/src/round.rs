//! Rounds: a list of operations in a world of its own, and the shortest list that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::op::{Op, generate};
use crate::random::Random;
use crate::system::outside;
use crate::world::World;

/// What a round found.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    /// The operation it was found at.
    pub at: usize,
    /// The operations.
    pub ops: Vec<Op>,
}

/// One simulation at a time.
static ONE: Mutex<()> = Mutex::new(());

/// The seed of a round.
pub fn seed_of(seed: u64, round: u64) -> u64 {
    match round {
        0 => seed,
        _ => Random(seed.wrapping_add(round << 32)).draw(),
    }
}

/// Plays one round.
pub fn play_round(seed: u64, steps: u64) -> Result<u64, Box<Failure>> {
    let ops = generate(&mut Random(seed), steps);
    play_ops(seed, &ops)
}

/// Plays these operations; gives how many.
pub fn play_ops(seed: u64, ops: &[Op]) -> Result<u64, Box<Failure>> {
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let at = std::cell::Cell::new(0);
    let played = catch_unwind(AssertUnwindSafe(|| play_all(seed, ops, &at)));
    let what = match played {
        Ok(Ok(())) => return Ok(ops.len() as u64),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("a panic: {}", text.unwrap_or_default())
        }
    };
    let (at, ops) = (at.get(), ops.to_vec());
    Err(Box::new(Failure {
        seed,
        what,
        at,
        ops,
    }))
}

fn play_all(seed: u64, ops: &[Op], at: &std::cell::Cell<usize>) -> Result<(), String> {
    let mut world = World::begin(seed)?;
    for (index, op) in ops.iter().enumerate() {
        at.set(index);
        if std::env::var_os("HALTBOX_TRACE").is_some() {
            outside(|| eprintln!("{index}: {op}"));
        }
        world.run(op)?;
    }
    at.set(ops.len());
    world.end()
}

/// The same thing is wrong, of something else perhaps.
fn is_alike(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        let plain = text.split(|c: char| !c.is_ascii_alphabetic());
        let words = plain.filter(|word| word.len() > 2).take(5);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    words(one) == words(other)
}

/// Leaves out operations as long as it still fails, for so many tries.
pub fn shorten(failure: &Failure, tries: u32) -> Failure {
    let mut shortest = failure.clone();
    shortest.ops.truncate(failure.at + 1);
    let mut part = shortest.ops.len().div_ceil(2);
    let mut left = tries;
    while part > 0 && left > 0 {
        let mut from = 0;
        while from < shortest.ops.len() && left > 0 {
            left -= 1;
            let end = (from + part).min(shortest.ops.len());
            let mut ops = shortest.ops.clone();
            ops.drain(from..end);
            match play_ops(failure.seed, &ops) {
                Err(found) if is_alike(&found.what, &failure.what) => {
                    shortest = *found;
                    shortest.ops.truncate(shortest.at + 1);
                }
                _ => from = end,
            }
        }
        part = if part == 1 { 0 } else { part.div_ceil(2) };
    }
    shortest
}
