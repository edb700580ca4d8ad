//! Rounds of what is measured and what it is measured beside, in turn.
//!
//! A shared machine changes its speed by the second. The ratio of two things
//! that ran right after each other is sound there, a single time is not. The
//! base runs twice in each round: what it varies against itself is the control,
//! and no ratio of the same run can be trusted further.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::setting;

/// The middle one.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The middle of some numbers, and where their middle half lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter is below.
    pub low: f64,
    /// The middle one.
    pub median: f64,
    /// A quarter is above.
    pub high: f64,
}

impl Spread {
    /// Of at least one number.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Spread {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len() - 1;
        Spread {
            low: numbers[last / 4],
            median: numbers[numbers.len() / 2],
            high: numbers[last - last / 4],
        }
    }

    /// Of one number that does not vary.
    pub fn exact(number: f64) -> Spread {
        Spread::of([number])
    }

    /// How far the middle half lies from 1, at most.
    pub fn off(&self) -> f64 {
        (1.0 - self.low).abs().max((self.high - 1.0).abs())
    }
}

/// What the rounds of one measurement gave, in seconds or any other unit.
pub struct Rounds {
    base: Vec<f64>,
    candidate: Vec<f64>,
    again: Vec<f64>,
}

/// Rounds of every measurement, unless it is long. `HALTBOX_ROUNDS` changes it.
pub fn usual() -> usize {
    setting("HALTBOX_ROUNDS", 9)
}

/// Of a measurement that takes milliseconds.
pub fn many() -> usize {
    usual() * 4 - 1
}

/// Of a measurement that takes more than ten seconds.
pub fn few() -> usize {
    usual().div_ceil(3)
}

/// Seconds that something takes.
pub fn seconds(mut what: impl FnMut()) -> impl FnMut() -> f64 {
    move || {
        let begun = Instant::now();
        what();
        begun.elapsed().as_secs_f64()
    }
}

/// Seconds of this thread's own time that something takes: what waits for
/// nothing is timed so, and other processes do not count.
pub fn own_seconds(mut what: impl FnMut()) -> impl FnMut() -> f64 {
    let now = || {
        let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
        Duration::from(now.expect("a thread's clock"))
    };
    move || {
        let begun = now();
        what();
        (now() - begun).as_secs_f64()
    }
}

/// Runs base, candidate and base again, in turn.
pub fn beside(
    rounds: usize,
    base: &mut dyn FnMut() -> f64,
    candidate: &mut dyn FnMut() -> f64,
) -> Rounds {
    let mut measured = Rounds::new();
    for _ in 0..rounds {
        measured.push([base(), candidate(), base()]);
    }
    measured
}

/// Runs one thing twice in each round: its figure is its own, not a ratio.
pub fn alone(rounds: usize, what: &mut dyn FnMut() -> f64) -> Rounds {
    let mut measured = Rounds::new();
    for _ in 0..rounds {
        let first = what();
        measured.push([first, first, what()]);
    }
    measured
}

impl Rounds {
    /// None yet.
    pub fn new() -> Rounds {
        Rounds {
            base: Vec::new(),
            candidate: Vec::new(),
            again: Vec::new(),
        }
    }

    /// One round: base, candidate, base again.
    pub fn push(&mut self, [base, candidate, again]: [f64; 3]) {
        self.base.push(base);
        self.candidate.push(candidate);
        self.again.push(again);
    }

    fn ratios(&self) -> impl Iterator<Item = f64> {
        let bases = self.base.iter().zip(&self.again);
        let pairs = self.candidate.iter().zip(bases);
        pairs.map(|(candidate, (base, again))| candidate * 2.0 / (base + again))
    }

    /// How many times the base the candidate takes.
    pub fn cost(&self) -> Spread {
        Spread::of(self.ratios())
    }

    /// How many times as fast as the base the candidate is.
    pub fn speed(&self) -> Spread {
        Spread::of(self.ratios().map(f64::recip))
    }

    /// What the base takes of itself.
    pub fn control(&self) -> Spread {
        let pairs = self.again.iter().zip(&self.base);
        Spread::of(pairs.map(|(again, base)| again / base))
    }

    /// The candidate's own values, each turned into another unit.
    pub fn own(&self, turned: impl Fn(f64) -> f64) -> Spread {
        Spread::of(self.candidate.iter().map(|value| turned(*value)))
    }

    /// The base's median.
    pub fn base(&self) -> f64 {
        median(self.base.iter().chain(&self.again).copied().collect())
    }

    /// The candidate's median.
    pub fn candidate(&self) -> f64 {
        median(self.candidate.clone())
    }
}

impl Default for Rounds {
    fn default() -> Rounds {
        Rounds::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_round_by_round_and_the_control_beside_it() {
        let mut rounds = Rounds::new();
        // The machine is half as fast in the second round.
        rounds.push([1.0, 3.0, 1.0]);
        rounds.push([2.0, 6.0, 2.0]);
        rounds.push([1.0, 3.0, 1.0]);
        assert_eq!(rounds.cost(), Spread::exact(3.0));
        assert_eq!(rounds.control(), Spread::exact(1.0));
        rounds.push([1.0, 3.0, 1.0]);
        rounds.push([1.0, 3.0, 2.0]);
        assert!(rounds.control().off() < 0.01, "one of five is no spread");
        rounds.push([1.0, 3.0, 2.0]);
        assert!(rounds.control().off() > 0.9);
    }

    #[test]
    fn a_spread_is_the_middle_half() {
        let spread = Spread::of([9.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!((spread.low, spread.median, spread.high), (2.0, 3.0, 4.0));
    }
}
