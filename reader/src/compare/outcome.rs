//! Blocks whose steps tell how their outcome came about, and are not the outcome.
//!
//! A node that has just started reads more than one that runs; caches read less. Where
//! both sides came to the same AppHash and results, such a block is equal, and where its
//! course is another one that is a note. Elsewhere the reads between two other steps are
//! taken together: nothing was written in between, so the order in which they were asked
//! does not matter, and one that only a side asked changed nothing if both go on alike.

use std::collections::BTreeMap;

use super::streams::{Common, Counted};
use crate::tape::{BlockTape, Step, UnitDigest, What};
use crate::vocabulary::trace::Weight;

/// Where two executions of a height part.
pub(super) enum Met {
    /// Nowhere in what both have.
    Equal,
    /// At these units.
    Parts(usize, usize),
    /// Nowhere before these units, of which one is not there to its end.
    Doubt(usize, usize),
    /// They have nothing in common to begin from.
    Nowhere,
}

/// How two executions of a height compare.
pub(super) struct Outcome {
    pub(super) met: Met,
    /// Where the courses part first, if that decides nothing.
    pub(super) aside: Option<(usize, usize)>,
    /// The first place where the same reads came in another order.
    pub(super) moved: Option<(usize, usize)>,
}

impl Outcome {
    pub(super) fn of(met: Met) -> Outcome {
        Outcome {
            met,
            aside: None,
            moved: None,
        }
    }
}

/// Compares two executions from their beginning on. `None`: every step of theirs is a
/// part of the outcome.
pub(super) fn meet(a: &BlockTape, b: &BlockTape, common: &Common) -> Option<Outcome> {
    let has_steps = |tape: &BlockTape| {
        let mut units = tape.units.iter();
        units.any(|unit| matches!(unit.what, What::Step(_)))
    };
    let from_start = a.begun && b.begun && !a.narrow && !b.narrow;
    if !from_start || !has_steps(a) && !has_steps(b) {
        return None;
    }
    let counted = common.at(a, b);
    let [of_a, of_b] = [a, b].map(|tape| Walk::new(tape, &counted));
    let same = a.is_whole() && b.is_whole() && a.app_hash.is_some() && a.app_hash == b.app_hash;
    Some(match same {
        true => by_outcome(&of_a, &of_b),
        false => by_steps(of_a, of_b),
    })
}

/// The state is the same: only results can differ.
fn by_outcome(a: &Walk<'_>, b: &Walk<'_>) -> Outcome {
    let results = |walk: &Walk<'_>| -> Vec<usize> {
        let all = walk.counted.iter().copied();
        all.filter(|at| !walk.is_course(*at)).collect()
    };
    let (of_a, of_b) = (results(a), results(b));
    let mut pairs = of_a.iter().zip(&of_b);
    let equal = pairs
        .by_ref()
        .take_while(|(x, y)| a.says(**x) == b.says(**y))
        .count();
    if equal == of_a.len() && equal == of_b.len() {
        return Outcome {
            aside: a.first_other(b),
            ..Outcome::of(Met::Equal)
        };
    }
    let at = |of: &[usize], walk: &Walk<'_>| of.get(equal).copied().unwrap_or(walk.end());
    Outcome::of(Met::Parts(at(&of_a, a), at(&of_b, b)))
}

/// Between two other steps what was asked is compared without its order.
fn by_steps(mut a: Walk<'_>, mut b: Walk<'_>) -> Outcome {
    let mut outcome = Outcome::of(Met::Equal);
    loop {
        let (of_a, of_b) = (a.reads(), b.reads());
        let reads = Reads::of([&a, &b], of_a, of_b);
        if let Some((at_a, at_b)) = reads.other_answer() {
            outcome.met = Met::Parts(at_a, at_b);
            return outcome;
        }
        let (next_a, next_b) = (a.next(), b.next());
        let differ = reads
            .first_other()
            .map(|at| reads.place(at, next_a, next_b));
        match (next_a, next_b) {
            // More may follow of a block that was cut off.
            (None, _) if !a.tape.is_whole() => return outcome,
            (_, None) if !b.tape.is_whole() => return outcome,
            (x, y) if x.map(|at| a.says(at)) == y.map(|at| b.says(at)) => {
                outcome.aside = outcome.aside.or(differ);
                outcome.moved = outcome.moved.or(differ.filter(|_| reads.are_the_same()));
                if x.is_none() {
                    return outcome;
                }
            }
            (x, y) => {
                let behind = || reads.place(usize::MAX, x, y);
                let (at_a, at_b) = differ.unwrap_or_else(behind);
                outcome.met = Met::Parts(at_a, at_b);
                return outcome;
            }
        }
        a.at += 1;
        b.at += 1;
    }
}

/// The reads of both sides between two other steps.
struct Reads<'w, 't> {
    a: &'w Walk<'t>,
    of_a: Vec<usize>,
    b: &'w Walk<'t>,
    of_b: Vec<usize>,
}

impl<'w, 't> Reads<'w, 't> {
    fn of([a, b]: [&'w Walk<'t>; 2], of_a: Vec<usize>, of_b: Vec<usize>) -> Self {
        Reads { a, of_a, b, of_b }
    }

    /// The same question with another answer.
    fn other_answer(&self) -> Option<(usize, usize)> {
        let mut asked: BTreeMap<UnitDigest, Vec<usize>> = BTreeMap::new();
        for at in self.of_b.iter().rev() {
            if let Some(asks) = self.b.asks(*at) {
                asked.entry(asks).or_default().push(*at);
            }
        }
        self.of_a.iter().find_map(|at| {
            let other = asked.get_mut(&self.a.asks(*at)?)?.pop()?;
            (self.a.says(*at) != self.b.says(other)).then_some((*at, other))
        })
    }

    /// The place of the first read that is not the same.
    fn first_other(&self) -> Option<usize> {
        let pairs = self.of_a.iter().zip(&self.of_b);
        let equal = pairs
            .take_while(|(x, y)| self.a.says(**x) == self.b.says(**y))
            .count();
        (equal < self.of_a.len() || equal < self.of_b.len()).then_some(equal)
    }

    /// Only their order differs.
    fn are_the_same(&self) -> bool {
        let sorted = |walk: &Walk<'_>, reads: &[usize]| {
            let mut says: Vec<_> = reads.iter().map(|at| walk.says(*at)).collect();
            says.sort_unstable();
            says
        };
        sorted(self.a, &self.of_a) == sorted(self.b, &self.of_b)
    }

    /// The units at a place among the reads, or behind them.
    fn place(&self, at: usize, next_a: Option<usize>, next_b: Option<usize>) -> (usize, usize) {
        let unit = |reads: &[usize], next: Option<usize>, walk: &Walk<'_>| {
            reads.get(at).copied().or(next).unwrap_or(walk.end())
        };
        (
            unit(&self.of_a, next_a, self.a),
            unit(&self.of_b, next_b, self.b),
        )
    }
}

/// The units of an execution that count, one after the other.
struct Walk<'t> {
    tape: &'t BlockTape,
    counted: Vec<usize>,
    at: usize,
}

impl<'t> Walk<'t> {
    fn new(tape: &'t BlockTape, counted: &Counted<'_>) -> Walk<'t> {
        let units = tape.units.iter().take(tape.covered()).enumerate();
        let counts = units.filter(|(_, unit)| counted.counts(&unit.what));
        Walk {
            tape,
            counted: counts.map(|(at, _)| at).collect(),
            at: 0,
        }
    }

    fn step(&self, at: usize) -> Option<&'t Step> {
        match &self.tape.units.get(at)?.what {
            What::Step(step) => Some(step),
            _ => None,
        }
    }

    /// What a unit says, wherever it stands.
    fn says(&self, at: usize) -> Option<UnitDigest> {
        let step = self.step(at).map(|step| step.bare);
        step.or_else(|| Some(self.tape.units.get(at)?.digest))
    }

    fn asks(&self, at: usize) -> Option<UnitDigest> {
        self.step(at)?.asks
    }

    fn is_course(&self, at: usize) -> bool {
        self.step(at)
            .is_some_and(|step| step.weight != Weight::Outcome)
    }

    fn is_read(&self, at: usize) -> bool {
        self.step(at)
            .is_some_and(|step| step.weight == Weight::Read)
    }

    /// The reads up to the next other step.
    fn reads(&mut self) -> Vec<usize> {
        let rest = self.counted.iter().skip(self.at).copied();
        let reads: Vec<usize> = rest.take_while(|at| self.is_read(*at)).collect();
        self.at += reads.len();
        reads
    }

    /// The next step.
    fn next(&self) -> Option<usize> {
        self.counted.get(self.at).copied()
    }

    /// Behind everything that is known.
    fn end(&self) -> usize {
        self.tape.covered()
    }

    /// Where both stop saying the same.
    fn first_other(&self, other: &Walk<'_>) -> Option<(usize, usize)> {
        let pairs = self.counted.iter().zip(&other.counted);
        let equal = pairs
            .take_while(|(x, y)| self.says(**x) == other.says(**y))
            .count();
        if equal == self.counted.len() && equal == other.counted.len() {
            return None;
        }
        let at = |walk: &Walk<'_>| walk.counted.get(equal).copied().unwrap_or(walk.end());
        Some((at(self), at(other)))
    }
}
