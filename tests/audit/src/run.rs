//! Many pairs, by several threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::case::Case;
use crate::check::{Checker, Wrong};
use crate::random::Random;
use crate::tally::Tally;

/// Pairs that a thread takes at once.
const SHARE: u64 = 64;

/// Whether B did something otherwise, and how many of them.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Of all that is drawn.
    pub seed: u64,
    /// How many.
    pub pairs: u64,
    /// It did.
    pub guilty: bool,
}

/// Where files go: memory, where there is such a place.
pub fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}

/// The seed that HALTBOX_SEED asks for, else this one.
pub fn seed_or(default: u64) -> u64 {
    let asked = std::env::var("HALTBOX_SEED").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seed of one pair.
pub fn seed_of(order: Order, number: u64) -> u64 {
    Random::at(order.seed, &[u64::from(order.guilty), number]).draw()
}

/// Asks pairs.
///
/// # Errors
/// Where no files can be written.
pub fn run(order: Order, threads: u64) -> Result<Tally, Box<dyn std::error::Error>> {
    let next = AtomicU64::new(0);
    let folders: Result<Vec<_>, _> = (0..threads.max(1))
        .map(|_| tempfile::tempdir_in(folder()))
        .collect();
    let mut tally = Tally::default();
    let counted = std::thread::scope(|scope| {
        let threads = folders?
            .into_iter()
            .map(|folder| {
                let next = &next;
                scope.spawn(move || worked(order, next, folder.path()).map_err(|e| e.to_string()))
            })
            .collect::<Vec<_>>();
        let ended = threads.into_iter().map(|thread| thread.join());
        Ok::<Vec<_>, std::io::Error>(ended.collect())
    })?;
    for counted in counted {
        tally.add(counted.map_err(|_| "a thread panicked")??);
    }
    Ok(tally)
}

fn worked(
    order: Order,
    next: &AtomicU64,
    folder: &Path,
) -> Result<Tally, Box<dyn std::error::Error>> {
    let mut checker = Checker::new(folder)?;
    let mut tally = Tally::default();
    loop {
        let from = next.fetch_add(SHARE, Ordering::Relaxed);
        if from >= order.pairs {
            return Ok(tally);
        }
        for number in from..(from + SHARE).min(order.pairs) {
            let case = Case::drawn(seed_of(order, number), order.guilty);
            let verdict = checker.check(&case);
            tally.take(&case, order.guilty, &verdict);
        }
    }
}

/// The smallest case of which the same is wrong.
pub fn minimised(case: Case, wrong: Wrong, checker: &mut Checker) -> Case {
    let mut smallest = case;
    loop {
        let smaller = smallest.smaller().into_iter().find(|case| {
            let found = checker.check(case).wrong;
            found.iter().any(|(found, _)| *found == wrong)
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}
