//! Compares blocks whose steps show how the outcome came about, but are not the outcome
//! itself.
//!
//! A node that has just started reads more than one that runs, because its caches are empty.
//! If both sides have the same AppHash and results, the block is equal, and other steps are
//! only a remark. Otherwise the reads between two other steps are compared as a set: nothing
//! was written between them, so their order does not matter. A read that only one side made
//! changed nothing if both sides continue equally. Results may be recorded behind each
//! transaction or behind all of them, so they are compared separately.

use std::collections::{BTreeMap, BTreeSet};

use super::order::{Moved, moved};
use super::parting::Parting;
use super::streams::{Counted, OneSided};
use crate::trace::{BlockTrace, Step, Unit, UnitDigest, What};
use crate::vocabulary::step_tracker::StepKind;

/// Where two executions of a height part.
pub(super) enum Met {
    /// Nowhere in what both have.
    Equal,
    /// At these units.
    Parts(usize, usize),
    /// Not before these units, of which one is unfinished.
    Doubt(usize, usize),
    /// They have no common place to start from.
    Nowhere,
}

/// Limit of the groups of reads that are remembered.
const GROUPS: usize = 4096;

/// Groups of reads that were in another order in blocks with the same AppHash. If the same
/// group is in another order again, in the same phase of the block or the same transaction,
/// that explains nothing.
#[derive(Debug, Default)]
pub(super) struct Harmless(BTreeSet<UnitDigest>);

impl Harmless {
    /// Adds the moved groups of two executions that have the same state.
    pub(super) fn learn(&mut self, outcome: &Outcome) {
        let groups = outcome.moved_groups.iter();
        let room = GROUPS.saturating_sub(self.0.len());
        self.0.extend(groups.take(room));
    }

    fn has(&self, group: &UnitDigest) -> bool {
        self.0.contains(group)
    }
}

/// How two executions of a height compare.
pub(super) struct Outcome {
    pub(super) met: Met,
    /// Where the steps first differ, if that decides nothing.
    pub(super) harmless_at: Option<(usize, usize)>,
    /// The first place where the same reads are in another order and that may matter.
    pub(super) moved: Option<(usize, usize)>,
    /// All groups of reads that are in another order, by their phase and their questions.
    moved_groups: Vec<UnitDigest>,
    /// A stream that only one side records, and that may decide.
    pub(super) one_sided: Option<OneSided>,
    /// Where events differ.
    pub(super) events: Option<(usize, usize)>,
    /// Per side, the number of units that were compared. Less than all if the other side is cut
    /// off.
    until: [usize; 2],
}

impl Outcome {
    pub(super) fn of(met: Met) -> Outcome {
        Outcome {
            met,
            harmless_at: None,
            moved: None,
            moved_groups: Vec::new(),
            one_sided: None,
            events: None,
            until: [usize::MAX; 2],
        }
    }
}

/// Compares two executions from their beginning. Returns `None` if neither has such steps:
/// then every unit is part of the outcome.
pub(super) fn meet(a: &BlockTrace, b: &BlockTrace, harmless: &Harmless) -> Option<Outcome> {
    let has_steps = |trace: &BlockTrace| {
        let mut units = trace.units.iter();
        units.any(|unit| matches!(unit.what, What::Step(_)))
    };
    if a.narrow || b.narrow || !has_steps(a) && !has_steps(b) {
        return None;
    }
    // Steps before the beginning of a recording may be why later steps differ.
    if !a.begun || !b.begun {
        return Some(Outcome::of(Met::Nowhere));
    }
    let counted = Counted::of(a, b);
    let decides: fn(StepKind) -> bool = match is_same_state(a, b) {
        true => |kind| kind == StepKind::Result,
        false => |kind| !matches!(kind, StepKind::Read | StepKind::Place | StepKind::Told),
    };
    let outcome = match is_same_state(a, b) {
        true => by_results(a, b, &counted),
        false => by_all_steps(a, b, &counted, harmless),
    };
    let one_sided = counted.one_sided([a, b], outcome.until, decides);
    Some(Outcome {
        one_sided,
        events: differing_events(a, b, &counted),
        ..outcome
    })
}

/// Whether both executions are whole and have the same AppHash.
pub(super) fn is_same_state(a: &BlockTrace, b: &BlockTrace) -> bool {
    a.is_whole() && b.is_whole() && a.app_hash.is_some() && a.app_hash == b.app_hash
}

/// The state is the same, so only results can differ.
fn by_results(a: &BlockTrace, b: &BlockTrace, counted: &Counted) -> Outcome {
    let decides = |kind| matches!(kind, None | Some(StepKind::Outcome | StepKind::Result));
    let [of_a, of_b] = [a, b].map(|trace| Walk::new(trace, counted, decides));
    let Some(place) = of_a.first_other(&of_b) else {
        let [of_a, of_b] = [a, b].map(|trace| Walk::new(trace, counted, |_| true));
        let harmless_at = of_a.first_other(&of_b);
        let all_steps = harmless_at.map(|_| by_all_steps(a, b, counted, &Harmless::default()));
        return Outcome {
            harmless_at,
            moved_groups: all_steps.map_or(Vec::new(), |all_steps| all_steps.moved_groups),
            ..Outcome::of(Met::Equal)
        };
    };
    // If a read before the place got another answer, that is the cause, so it is named instead.
    let all_steps = by_all_steps(a, b, counted, &Harmless::default());
    let answer = match all_steps.met {
        Met::Parts(at_a, at_b) if is_same_question(a, at_a, b, at_b) => Some((at_a, at_b)),
        _ => None,
    };
    let (at_a, at_b) = answer.unwrap_or(place);
    Outcome::of(Met::Parts(at_a, at_b))
}

/// How steps differ without an effect on the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HarmlessDifference {
    /// A read got another answer.
    Answer,
    /// Other reads were made.
    Reads,
    /// The same reads were made in another order.
    Order,
    /// The begin or end of a transaction, or a result, is at another place.
    Place,
    /// Events differ.
    Told,
    /// Something else was written.
    Writes,
}

/// How the steps at this place differ.
pub(super) fn harmless_difference(at: &Parting) -> HarmlessDifference {
    let ((a, at_a), (b, at_b)) = (&at.a, &at.b);
    if is_same_question(a, *at_a, b, *at_b) {
        return HarmlessDifference::Answer;
    }
    if moved([(a, *at_a), (b, *at_b)]) == Some(Moved::Reads) {
        return HarmlessDifference::Order;
    }
    let kinds = [step(a, *at_a), step(b, *at_b)].map(|step| step.map(|step| step.kind));
    if kinds.contains(&Some(StepKind::Read)) {
        return HarmlessDifference::Reads;
    }
    if kinds.contains(&Some(StepKind::Told)) {
        return HarmlessDifference::Told;
    }
    match kinds.contains(&Some(StepKind::Result)) || kinds.contains(&Some(StepKind::Place)) {
        true => HarmlessDifference::Place,
        false => HarmlessDifference::Writes,
    }
}

/// Whether both units are reads of the same key.
pub(super) fn is_same_question(a: &BlockTrace, at_a: usize, b: &BlockTrace, at_b: usize) -> bool {
    let asks = |trace: &BlockTrace, at: usize| {
        let read = step(trace, at).filter(|step| step.kind == StepKind::Read);
        read.and_then(|step| step.asks)
    };
    asks(a, at_a).is_some_and(|asked| asks(b, at_b) == Some(asked))
}

fn step(trace: &BlockTrace, at: usize) -> Option<&Step> {
    trace.units.get(at)?.step()
}

/// Where events differ. Events decide nothing: another version of the software may report the
/// same execution differently.
fn differing_events(a: &BlockTrace, b: &BlockTrace, counted: &Counted) -> Option<(usize, usize)> {
    let is_event = |kind| kind == Some(StepKind::Told);
    let [of_a, of_b] = [a, b].map(|trace| Walk::new(trace, counted, is_event));
    let (at_a, at_b) = of_a.first_other(&of_b)?;
    (at_a < of_a.end() && at_b < of_b.end()).then_some((at_a, at_b))
}

/// Compares all steps except results, then the results. Leaves out events.
fn by_all_steps(a: &BlockTrace, b: &BlockTrace, counted: &Counted, harmless: &Harmless) -> Outcome {
    let walks = |of_results: bool| {
        let kept = move |kind| {
            kind != Some(StepKind::Told) && (kind == Some(StepKind::Result)) == of_results
        };
        [a, b].map(|trace| Walk::new(trace, counted, kept))
    };
    let [of_a, of_b] = walks(false);
    let all_steps = step_by_step(of_a, of_b, harmless);
    if matches!(all_steps.met, Met::Parts(..)) {
        return all_steps;
    }
    let [of_a, of_b] = walks(true);
    match of_a.first_other(&of_b) {
        Some((at_a, at_b)) if of_a.is_known(at_a) && of_b.is_known(at_b) => Outcome {
            met: Met::Parts(at_a, at_b),
            ..all_steps
        },
        _ => all_steps,
    }
}

/// Compares step by step. The reads between two other steps are compared as a set.
fn step_by_step(mut a: Walk<'_>, mut b: Walk<'_>, harmless: &Harmless) -> Outcome {
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
        let group = reads.moved_group();
        let matters = group.is_some_and(|group| !harmless.has(&group));
        outcome.moved_groups.extend(group);
        let first = differ.filter(|_| matters);
        match (next_a, next_b) {
            // One side is cut off here, so it may have more.
            (None, _) if !a.trace.is_whole() => return outcome.until(reads.reached()),
            (_, None) if !b.trace.is_whole() => return outcome.until(reads.reached()),
            (None, None) => {
                outcome.note(differ, first);
                return outcome;
            }
            (Some(x), Some(y)) if a.says(x, &b, y) => outcome.note(differ, first),
            (Some(x), Some(y)) if reads.only_one_asks_more() && !matters => {
                outcome.note(differ, first);
                outcome.met = Met::Parts(x, y);
                return outcome;
            }
            (x, y) => {
                let behind = || reads.place(usize::MAX, x, y);
                let (at_a, at_b) = differ.unwrap_or_else(behind);
                outcome.met = Met::Parts(at_a, at_b);
                return outcome;
            }
        }
        a.pass();
        b.pass();
    }
}

impl Outcome {
    fn until(self, until: [usize; 2]) -> Outcome {
        Outcome { until, ..self }
    }

    /// Notes where reads differ, and where their order differs in a way that may matter.
    fn note(&mut self, differ: Option<(usize, usize)>, moved: Option<(usize, usize)>) {
        self.harmless_at = self.harmless_at.or(differ);
        self.moved = self.moved.or(moved);
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

    /// The first read that got another answer. A question that is asked several times may have
    /// several answers, because a write that was rolled back leaves no entry. So both sides must
    /// have asked equally often, or share no answer at all.
    fn other_answer(&self) -> Option<(usize, usize)> {
        let [asked_a, asked_b] = [(self.a, &self.of_a), (self.b, &self.of_b)].map(questions);
        self.of_a.iter().find_map(|at| {
            let asks = self.a.step(*at)?.asks?;
            let (own, other) = (&asked_a[&asks], asked_b.get(&asks)?);
            let turn = own.iter().position(|one| one == at)?;
            let differs = |other: &usize| !self.a.says(*at, self.b, *other);
            if own.len() == other.len() {
                return Some((*at, other[turn])).filter(|(_, other)| differs(other));
            }
            let apart = own
                .iter()
                .all(|x| other.iter().all(|y| !self.a.says(*x, self.b, *y)));
            apart.then(|| (*at, other[0]))
        })
    }

    /// The index of the first read that differs.
    fn first_other(&self) -> Option<usize> {
        let pairs = self.of_a.iter().zip(&self.of_b);
        let equal = pairs
            .take_while(|(x, y)| self.a.says(**x, self.b, **y))
            .count();
        (equal < self.of_a.len() || equal < self.of_b.len()).then_some(equal)
    }

    fn sorted(&self) -> [Vec<UnitDigest>; 2] {
        [(self.a, &self.of_a), (self.b, &self.of_b)].map(|(walk, reads)| {
            let steps = reads.iter().filter_map(|at| walk.step(*at));
            let mut says: Vec<UnitDigest> = steps.map(|step| step.bare).collect();
            says.sort_unstable();
            says
        })
    }

    /// Per side, the number of units that were compared. If the other side is cut off, that ends
    /// where the other side ends.
    fn reached(&self) -> [usize; 2] {
        let pairs = self.of_a.len().min(self.of_b.len());
        let last = |walk: &Walk<'_>, reads: &[usize], other: &Walk<'_>| {
            let read = pairs.checked_sub(1).and_then(|last| reads.get(last));
            let before = walk.at.checked_sub(reads.len() + 1);
            let step = before.and_then(|before| walk.counted.get(before));
            let reached = read.or(step).map_or(0, |unit| unit + 1);
            if other.trace.is_whole() {
                usize::MAX
            } else {
                reached
            }
        };
        [
            last(self.a, &self.of_a, self.b),
            last(self.b, &self.of_b, self.a),
        ]
    }

    /// A digest of the phase and of the questions, independent of their order, if only the order
    /// of the reads differs. The digest finds the same group again in other blocks. A question
    /// names its transaction. Both sides are in the same phase, because everything before is
    /// equal.
    fn moved_group(&self) -> Option<UnitDigest> {
        if self.first_other().is_none() || !self.are_the_same() {
            return None;
        }
        let steps = self.of_a.iter().filter_map(|at| self.a.step(*at));
        let mut asked: Vec<UnitDigest> = steps.map(|s| s.asks.unwrap_or(s.bare)).collect();
        asked.sort_unstable();
        let mut group = blake3::Hasher::new();
        group.update(self.a.phase.as_ref().map_or(&[], |phase| phase.as_slice()));
        group.update(asked.as_flattened());
        group.finalize().as_bytes().first_chunk().copied()
    }

    /// Whether only their order differs.
    fn are_the_same(&self) -> bool {
        let [a, b] = self.sorted();
        a == b
    }

    /// Whether one side made all reads of the other, and possibly more.
    fn only_one_asks_more(&self) -> bool {
        let [a, b] = self.sorted();
        let (less, more) = if a.len() < b.len() { (a, b) } else { (b, a) };
        let mut more = more.iter();
        less.iter().all(|one| more.any(|other| other == one))
    }

    /// The units at an index of the reads, or behind them.
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

/// The reads by their question, in their order.
fn questions((walk, reads): (&Walk<'_>, &Vec<usize>)) -> BTreeMap<UnitDigest, Vec<usize>> {
    let mut asked: BTreeMap<UnitDigest, Vec<usize>> = BTreeMap::new();
    for at in reads {
        if let Some(asks) = walk.step(*at).and_then(|step| step.asks) {
            asked.entry(asks).or_default().push(*at);
        }
    }
    asked
}

/// The units of an execution that are compared, one after the other.
struct Walk<'t> {
    trace: &'t BlockTrace,
    counted: Vec<usize>,
    at: usize,
    /// The step that began the current phase.
    phase: Option<UnitDigest>,
}

impl<'t> Walk<'t> {
    /// `keeps` selects by kind. `None` is a unit that is not a step of a stream: every recording
    /// has it.
    fn new(
        trace: &'t BlockTrace,
        counted: &Counted,
        keeps: impl Fn(Option<StepKind>) -> bool,
    ) -> Walk<'t> {
        let kind = |unit: &Unit| unit.step().map(|step| step.kind);
        let units = trace.units.iter().take(trace.covered()).enumerate();
        let counts = units.filter(|(_, unit)| counted.counts(&unit.what) && keeps(kind(unit)));
        Walk {
            trace,
            counted: counts.map(|(at, _)| at).collect(),
            at: 0,
            phase: None,
        }
    }

    fn step(&self, at: usize) -> Option<&'t Step> {
        step(self.trace, at)
    }

    /// Whether a unit equals a unit of the other side, apart from its position.
    fn says(&self, at: usize, other: &Walk<'_>, at_other: usize) -> bool {
        let units = self
            .trace
            .units
            .get(at)
            .zip(other.trace.units.get(at_other));
        match (self.step(at), other.step(at_other)) {
            (Some(own), Some(other)) => own.bare == other.bare,
            (None, None) => units.is_some_and(|(own, other)| is_equal(own, other)),
            _ => false,
        }
    }

    fn is_read(&self, at: usize) -> bool {
        self.step(at)
            .is_some_and(|step| step.kind == StepKind::Read)
    }

    /// Takes the reads up to the next other step.
    fn reads(&mut self) -> Vec<usize> {
        let rest = self.counted.iter().skip(self.at).copied();
        let reads: Vec<usize> = rest.take_while(|at| self.is_read(*at)).collect();
        self.at += reads.len();
        reads
    }

    /// The next step, without taking it.
    fn next(&self) -> Option<usize> {
        self.counted.get(self.at).copied()
    }

    /// Moves behind the next step.
    fn pass(&mut self) {
        let step = self.next().and_then(|at| self.step(at));
        let phase = step.filter(|step| step.begins_phase).map(|step| step.bare);
        self.phase = phase.or(self.phase);
        self.at += 1;
    }

    /// The index behind all units that are covered.
    fn end(&self) -> usize {
        self.trace.covered()
    }

    /// Whether the unit is there, or certainly missing.
    fn is_known(&self, at: usize) -> bool {
        at < self.end() || self.trace.is_whole()
    }

    /// The first place where the two differ.
    fn first_other(&self, other: &Walk<'_>) -> Option<(usize, usize)> {
        let pairs = self.counted.iter().zip(&other.counted);
        let equal = pairs
            .take_while(|(x, y)| self.says(**x, other, **y))
            .count();
        if equal == self.counted.len() && equal == other.counted.len() {
            return None;
        }
        let at = |walk: &Walk<'_>| walk.counted.get(equal).copied().unwrap_or(walk.end());
        Some((at(self), at(other)))
    }
}

/// Whether two units are equal in all that both sides record. A crankhash that only one side
/// has is not a difference.
fn is_equal(a: &Unit, b: &Unit) -> bool {
    let hashes = a.crankhash().zip(b.crankhash());
    a.digest == b.digest && hashes.is_none_or(|(a, b)| a == b)
}
