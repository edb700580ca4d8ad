//! Finds the first difference of two recordings: the step, and the class of the fault.

use haltbox_model::{Profile, SlogRules, json};

use super::cause::{Cause, Fault, Surplus};
use super::evidence::{self, Digested, Entry, Evidence, Loose};
use super::list_difference::{ListDifference, list_difference};
use super::order::moved as operations_moved;
use super::pair::Coverage;
use super::parting::Parting;
use super::side::Side;
use super::verdict::Verdict;
use crate::trace::{BlockTrace, Unit, UnitDigest, What};
use crate::values;
use crate::vocabulary::{Numbers, RequestTarget, Role, Vocabulary, entry};

/// The first difference: its cause, and the step on both sides.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What differs, and so which class it is.
    pub cause: Cause,
    /// Per side, why the recording proves nothing here. If either is set, the cause counts for
    /// nothing: a damaged recording must not accuse a node.
    pub faults: [Option<Fault>; 2],
    /// The step on each side; `None` where the side has no step there.
    pub steps: [Option<Entry>; 2],
    /// Entries of the unit before the step, on each side.
    pub leading: [Vec<Entry>; 2],
    /// Entries behind the step, on each side.
    pub trailing: [Vec<Entry>; 2],
    /// The side whose step gives the location its numbers.
    pub numbered_by: Side,
    /// The numbers of that step.
    pub numbers: Numbers,
    /// The type of that step.
    pub kind: String,
    /// The role of that step.
    pub role: Role,
}

impl Difference {
    /// The class of the fault. `Insufficient` if a recording is damaged here.
    pub fn verdict(&self) -> Verdict {
        match self.is_broken() {
            true => Verdict::Insufficient,
            false => self.cause.verdict(),
        }
    }

    /// Whether a recording is damaged at the step.
    pub fn is_broken(&self) -> bool {
        self.faults.iter().any(Option::is_some)
    }

    /// The side that alone has the step.
    pub fn inserted_on(&self) -> Option<Side> {
        self.cause.inserted_on().filter(|_| !self.is_broken())
    }

    /// The two steps, if they correspond to each other, so that their members can be compared.
    pub fn counterparts(&self) -> Option<[&Entry; 2]> {
        let both = counterparts(&self.steps)?;
        self.cause.has_counterparts().then_some(both)
    }
}

/// Both steps, if they are of one type.
fn counterparts(steps: &[Option<Entry>; 2]) -> Option<[&Entry; 2]> {
    let [Some(a), Some(b)] = steps else {
        return None;
    };
    (entry::type_of(&a.line) == entry::type_of(&b.line)).then_some([a, b])
}

/// Everything that decides the class of a parting.
pub struct ClassifyInput<'a> {
    /// The profile of both recordings.
    pub profile: &'a Profile,
    /// What entries mean.
    pub vocabulary: &'static dyn Vocabulary,
    /// Compare entries by their JSON values instead of their bytes.
    pub by_value: bool,
    /// The place where the traces part.
    pub parting: &'a Parting,
    /// The entries there, by side.
    pub evidence: [&'a Evidence; 2],
    /// What each side covers.
    pub sides: [&'a Coverage; 2],
}

impl ClassifyInput<'_> {
    /// Finds the first difference.
    pub fn judge(&self) -> Difference {
        let (index, cause) = self.first_difference();
        let steps = self.steps_at(index);
        let numbered_by = numbered_by(self.vocabulary, &steps, &cause);
        let step = steps[numbered_by.index()].as_ref();
        let (mut numbers, kind, role) = match step {
            Some(entry) => (
                self.vocabulary.numbers(&entry.line),
                entry::type_of(&entry.line).into_owned(),
                self.role(entry),
            ),
            None => (Numbers::default(), String::new(), Role::Other),
        };
        numbers.crank = numbers.crank.or(self.crank_of(numbered_by));
        Difference {
            faults: self.faults(index, &cause),
            leading: self.evidence.map(|evidence| leading(evidence, index)),
            trailing: self.evidence.map(|evidence| trailing(evidence, index)),
            cause,
            steps,
            numbered_by,
            numbers,
            kind,
            role,
        }
    }

    /// The entries at this index of the two units.
    fn steps_at(&self, index: usize) -> [Option<Entry>; 2] {
        self.evidence
            .map(|evidence| evidence.unit.get(index).cloned())
    }

    /// The crank that holds the step, for entries that do not name it.
    fn crank_of(&self, side: Side) -> Option<u64> {
        self.units()[side.index()]?.crank()
    }

    /// Whether the first difference is one of bytes and not of values: another JSON writer, or an
    /// older kernel that writes no hashes. Such a difference accuses nobody.
    pub fn is_equal_by_value(&self) -> bool {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let other = a.iter().zip(b).find(|(x, y)| !self.same(x, y));
        other.is_some_and(|(x, y)| self.same_by_value(x, y) || self.is_same_step(x, y))
    }

    /// The own numbers of a host's steps are not compared: a side that records less of them
    /// counts otherwise.
    fn is_same_step(&self, a: &Entry, b: &Entry) -> bool {
        let [one, other] = [a, b].map(|entry| {
            let value = values::normal(&self.canonical(&entry.line)).into_owned();
            self.vocabulary.without_own_numbers(&value)
        });
        self.vocabulary.step_tracker().is_some() && one == other
    }

    /// Whether some entry that both sides have of this crank differs. Used where one side does not
    /// have the crank to its end.
    pub fn differs_in_part(&self) -> bool {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let mut pairs = a.iter().zip(b);
        pairs.any(|(x, y)| !self.same(x, y) && !self.same_by_value(x, y))
    }

    /// The index of the first entry that differs, if its bytes, or those of the entry before it,
    /// were not kept.
    pub fn lacks_entry(&self) -> Option<usize> {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let equal = a.iter().zip(b).take_while(|(x, y)| self.same(x, y)).count();
        let lacks = |unit: &[Entry]| {
            let near = unit.iter().take(equal + 1).skip(equal.saturating_sub(1));
            near.into_iter().any(|entry| entry.digested.is_some())
        };
        (lacks(a) || lacks(b)).then_some(equal)
    }

    fn units(&self) -> [Option<Unit>; 2] {
        let ((a, at_a), (b, at_b)) = (&self.parting.a, &self.parting.b);
        [a.units.get(*at_a).copied(), b.units.get(*at_b).copied()]
    }

    fn blocks(&self) -> [(&BlockTrace, usize); 2] {
        [
            (&self.parting.a.0, self.parting.a.1),
            (&self.parting.b.0, self.parting.b.1),
        ]
    }

    /// The index in the units, and what differs there.
    fn first_difference(&self) -> (usize, Cause) {
        let both_cranks = self
            .units()
            .iter()
            .all(|unit| unit.is_some_and(|u| u.crank().is_some()));
        if both_cranks {
            self.in_cranks()
        } else {
            (0, self.between_cranks())
        }
    }

    // ---- inside a crank ----

    fn in_cranks(&self) -> (usize, Cause) {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let equal = a.iter().zip(b).take_while(|(x, y)| self.same(x, y)).count();
        let steps = [a, b].map(|side| side.get(equal));
        let cause = match steps.map(|step| step.map(|entry| self.role(entry))) {
            [Some(Role::SyscallResult), Some(Role::SyscallResult)] => {
                answer(self.vocabulary.asked(&a[equal].line))
            }
            [Some(Role::CrankFinish), Some(Role::CrankFinish)] if self.other_crankhash(steps) => {
                Cause::CrankHash
            }
            [Some(Role::CrankStart), Some(Role::CrankStart)] => self.routing(steps),
            [Some(Role::Snapshot), Some(Role::Snapshot)] if self.is_snapshot(steps) => {
                Cause::Snapshot
            }
            _ => self.in_delivery(equal, steps),
        };
        (equal, cause)
    }

    /// Whether both crank ends have a crankhash, and these differ. A missing crankhash is not a
    /// difference: older kernels write none.
    fn other_crankhash(&self, steps: [Option<&Entry>; 2]) -> bool {
        let hashes = steps.map(|step| {
            let step = step.zip(self.rules());
            step.and_then(|(entry, rules)| rules.crank_hashes(&entry.line)[0])
        });
        let [one, other] = hashes;
        one.zip(other).is_some_and(|(one, other)| one != other)
    }

    /// The message that the crank delivers differs.
    fn routing(&self, steps: [Option<&Entry>; 2]) -> Cause {
        if self.is_same_without(steps, "crankNum") {
            return Cause::CrankNumber;
        }
        match self.list_difference() {
            ListDifference::Moved => Cause::CranksReordered,
            ListDifference::Only(side, count) => Cause::Extra {
                side,
                count,
                of: Surplus::Cranks,
            },
            ListDifference::Other => Cause::OtherMessage,
        }
    }

    /// Whether two steps are equal apart from one member.
    fn is_same_without(&self, steps: [Option<&Entry>; 2], member: &str) -> bool {
        let [one, other] = steps.map(|step| {
            let mut text = step.map_or(Vec::new(), |entry| self.canonical(&entry.line));
            entry::drop_value(&mut text, 0, member);
            text
        });
        one == other
    }

    /// Whether the same vat was saved at the same position, with another snapshot ID.
    fn is_snapshot(&self, steps: [Option<&Entry>; 2]) -> bool {
        let id = self.vocabulary.snapshot_id();
        id.is_some_and(|id| self.is_same_without(steps, id))
    }

    /// Other steps inside a delivery.
    fn in_delivery(&self, at: usize, steps: [Option<&Entry>; 2]) -> Cause {
        let loose = |form: Loose| {
            self.evidence
                .map(|evidence| self.loose_steps(&evidence.unit, at, form))
        };
        let [a, b] = loose(Loose::WithoutNumbers);
        // Numbers inside references may shift too, so they are ignored first. Steps that differ
        // only in such references need them to be told apart.
        let [with_refs_a, with_refs_b] = loose(Loose::WithoutOwnNumbers);
        if moved(&a, &b) || moved(&with_refs_a, &with_refs_b) {
            return Cause::StepsReordered;
        }
        if let Some((side, count)) = self.inserted_steps(&a, &b) {
            return Cause::Extra {
                side,
                count,
                of: Surplus::Entries,
            };
        }
        let mut there = steps.into_iter().flatten();
        match there.all(|entry| self.role(entry) == Role::DeliverResult) {
            true => Cause::DeliveryResult,
            false => Cause::OtherStep,
        }
    }

    /// The side that has more steps here and how many, if the steps behind them are equal.
    fn inserted_steps(&self, a: &[Vec<u8>], b: &[Vec<u8>]) -> Option<(Side, usize)> {
        if let Some(side) = inserted_steps(a, b) {
            return Some((side, a.len().abs_diff(b.len())));
        }
        let equal = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        match list_difference(&a[equal..], &b[equal..]) {
            ListDifference::Only(side, count) if equal == 0 => Some((side, count)),
            _ => None,
        }
    }

    /// The entries of a crank from an index on, in a form without numbers. Leaves out the crank's
    /// end and the results of its deliveries, because they follow from the steps.
    fn loose_steps(&self, lines: &[Entry], from: usize, form: Loose) -> Vec<Vec<u8>> {
        let rest = lines.iter().skip(from);
        let steps = rest
            .filter(|entry| !matches!(self.role(entry), Role::CrankFinish | Role::DeliverResult));
        // Where some are known by their digests, all are compared by them.
        let is_complete = self.evidence.iter().all(|evidence| evidence.is_complete());
        let of = |entry: &Entry| match &entry.digested {
            Some(digested) => digested.loose(form).to_vec(),
            None => {
                let text = form.of(self.vocabulary, &self.canonical(&entry.line));
                match is_complete {
                    true => text,
                    false => evidence::short(&text).to_vec(),
                }
            }
        };
        steps.map(of).collect()
    }

    /// How the blocks differ from here on, by the digests of their units without numbers.
    fn list_difference(&self) -> ListDifference {
        let [a, b] = [0, 1].map(|side| {
            let (_, at) = self.blocks()[side];
            self.evidence[side].loose.get(at..).unwrap_or_default()
        });
        list_difference(a, b)
    }

    // ---- outside cranks ----

    fn between_cranks(&self) -> Cause {
        let steps = self.steps_at(0);
        let [a, b] = self.units().map(body);
        let roles = steps.each_ref().map(|step| {
            let role = step.as_ref().map(|entry| self.role(entry));
            role.unwrap_or(Role::Other)
        });
        let inputs = self.parting.other_inputs();
        if a.is_some() && a == b {
            Cause::InputNumber
        } else if !inputs.is_empty() {
            Cause::OtherInputs(inputs)
        } else if roles == [Role::Begin; 2] {
            Cause::BlockParameters
        } else if self.is_same_read() {
            Cause::ReadAnswer
        } else if roles == [Role::Result; 2] {
            Cause::TransactionResult
        } else if self.is_left_otherwise() {
            self.left(&steps)
        } else if let Some(store) = self.other_root() {
            let written_on = self.writer_of_root();
            Cause::Root { store, written_on }
        } else {
            self.other_units(&steps, roles)
        }
    }

    /// Whether the same read gave another value.
    fn is_same_read(&self) -> bool {
        let [Some(a), Some(b)] = self.evidence.map(|evidence| evidence.unit.first()) else {
            return false;
        };
        let read = [a, b].iter().all(|entry| self.role(entry) == Role::Read);
        read && self
            .vocabulary
            .is_same_read(&self.canonical(&a.line), &self.canonical(&b.line))
    }

    /// The store, if both steps are roots of it.
    fn other_root(&self) -> Option<String> {
        let [a, b] = self.evidence.map(|evidence| {
            let entry = evidence.unit.first()?;
            self.vocabulary.root_of(&entry.line)
        });
        a.filter(|a| Some(a) == b.as_ref())
    }

    /// Whether a step is a value that the block leaves under a key. These entries list what the
    /// block changed in the end.
    fn is_left_otherwise(&self) -> bool {
        let mut entries = self.evidence.iter().filter_map(|side| side.unit.first());
        entries.any(|entry| self.vocabulary.leaves(&entry.line))
    }

    fn left(&self, steps: &[Option<Entry>; 2]) -> Cause {
        let [of_a, of_b] = steps.each_ref().map(|step| {
            let written = self.vocabulary.written(&step.as_ref()?.line);
            written.map(|(store, key, _)| (store, key.to_vec()))
        });
        if of_a.is_some() && of_a == of_b {
            return Cause::LeftValue;
        }
        let [(a, at_a), (b, at_b)] = self.blocks();
        let on_both = (a.is_asked_at(at_a, b), b.is_asked_at(at_b, a));
        Cause::LeftKey(match (&of_a, &of_b) {
            (Some(_), None) => Side::A,
            (Some(_), Some(_)) if on_both == (false, true) => Side::A,
            // Each side changes a key that the other one does not. The smaller key is named, so
            // that the result does not depend on which source was named first.
            (Some(a), Some(b)) if on_both == (false, false) && a < b => Side::A,
            _ => Side::B,
        })
    }

    /// The side that alone has writes to the store whose root the step records.
    fn writer_of_root(&self) -> Option<Side> {
        match self.blocks().map(|(block, at)| block.writes_to_root(at)) {
            [true, false] => Some(Side::A),
            [false, true] => Some(Side::B),
            _ => None,
        }
    }

    fn other_units(&self, steps: &[Option<Entry>; 2], roles: [Role; 2]) -> Cause {
        let outside = roles.map(Role::is_from_outside);
        let list_difference = self.list_difference();
        if list_difference != ListDifference::Moved
            && let Some(moved) = operations_moved(self.blocks())
        {
            return Cause::OperationsReordered(moved);
        }
        match (list_difference, outside) {
            (ListDifference::Only(side, count), _) => self.more_on(side, count, steps),
            (ListDifference::Moved, [false, false]) => Cause::EntriesReordered,
            (ListDifference::Moved, _) if roles == [Role::Input; 2] => Cause::InputsReordered,
            (ListDifference::Moved, _) => Cause::TriggersReordered,
            // What follows from an input differs too. That a step has no counterpart does not mean
            // that it belongs to the input.
            (ListDifference::Other, [true, false]) => self.more_on(Side::A, 1, steps),
            (ListDifference::Other, [false, true]) => self.more_on(Side::B, 1, steps),
            (ListDifference::Other, [true, true]) => self.other_trigger(steps),
            (ListDifference::Other, [false, false]) => Cause::OtherCourse,
        }
    }

    /// A step from outside the kernel differs.
    fn other_trigger(&self, steps: &[Option<Entry>; 2]) -> Cause {
        let [body_a, body_b] = self.units().map(body);
        let carried = [(Side::A, body_a), (Side::B, body_b)]
            .map(|(side, body)| Some((side, self.carried_to(side, body?)?)));
        if let [Some((side, to)), None] | [None, Some((side, to))] = carried {
            return Cause::Deferred { side, to };
        }
        if let Some(words) = self.vocabulary.other_trigger() {
            return Cause::OtherTrigger(words);
        }
        if body_a.is_some() || body_b.is_some() {
            return Cause::OtherInput;
        }
        let is_same = |[a, b]: [&Entry; 2], name: &str| {
            let find = |entry: &Entry| json::find(&entry.line, name.as_bytes()).map(<[u8]>::to_vec);
            find(a) == find(b)
        };
        // The poll is the same, so the kernel itself found something else.
        let is_same_poll = |steps| is_same(steps, "blockTime") && is_same(steps, "blockHeight");
        match counterparts(steps).is_some_and(is_same_poll) {
            true => Cause::PollResult,
            false => Cause::OtherPoll,
        }
    }

    /// One side has more here.
    fn more_on(&self, side: Side, count: usize, steps: &[Option<Entry>; 2]) -> Cause {
        let unit = self.units()[side.index()];
        let step = steps[side.index()].as_ref();
        let step = step.or(steps[side.other().index()].as_ref());
        let is_crank = unit.is_some_and(|unit| unit.crank().is_some());
        let is_from_outside = step.is_some_and(|entry| self.role(entry).is_from_outside());
        let surplus = match (is_from_outside, body(unit)) {
            (true, Some(body)) => match self.carried_to(side, body) {
                Some(to) => return Cause::Deferred { side, to },
                None => Surplus::Input,
            },
            (true, None) => Surplus::Trigger,
            (false, _) if is_crank => Surplus::Cranks,
            (false, _) => Surplus::Entries,
        };
        Cause::Extra {
            side,
            count,
            of: surplus,
        }
    }

    /// The height at which the other side ran an input that this side ran here. Both must hold:
    /// this side has more of its body here, and the other side has more later.
    fn carried_to(&self, side: Side, body: UnitDigest) -> Option<u64> {
        let lists = self
            .blocks()
            .map(|(block, at)| bodies(&block.units[at.min(block.units.len())..]));
        let (own, other) = (side.index(), side.other().index());
        let later = |side: usize| {
            self.parting.later[side]
                .iter()
                .filter(|(_, found)| *found == body)
        };
        let surplus = count(&lists[own], body) > count(&lists[other], body);
        let more = later(other).count() > later(own).count();
        later(other)
            .next()
            .filter(|_| surplus && more)
            .map(|(height, _)| *height)
    }

    // ---- damage ----

    /// Per side, why the recording proves nothing at the step. For a hash that differs alone,
    /// damage is the finding and no reason to dismiss it.
    fn faults(&self, index: usize, cause: &Cause) -> [Option<Fault>; 2] {
        match cause.verdict() {
            Verdict::HashOnly => [None, None],
            _ => [0, 1].map(|side| self.fault(side, index)),
        }
    }

    fn fault(&self, side: usize, index: usize) -> Option<Fault> {
        let (block, at) = self.blocks()[side];
        let evidence = self.evidence[side];
        if let Some(entry) = evidence.unit.get(index)
            && entry.is_truncated()
        {
            let line = entry.number;
            return Some(Fault::Truncated { line });
        }
        let unit = block.units.get(at);
        let is_crank = unit.is_some_and(|unit| unit.crank().is_some());
        let unfinished = unit.is_some_and(Unit::is_unfinished) && !block.ended;
        let lines = evidence.unit.iter().map(|entry| entry.line.as_slice());
        if is_crank
            && evidence.is_complete()
            && !unfinished
            && let Some((at, why)) = self.vocabulary.structure_fault(&lines.collect::<Vec<_>>())
            && at + 1 >= index
        {
            return Some(Fault::Structure(why));
        }
        number_jump(block, at).or_else(|| self.chain_fault(side))
    }

    /// Whether the chain of activityhashes breaks on this side alone, at the next crank from the
    /// parting on.
    fn chain_fault(&self, side: usize) -> Option<Fault> {
        let breaks = [0, 1].map(|side| {
            let (block, at) = self.blocks()[side];
            let next = block
                .units
                .iter()
                .skip(at)
                .position(|unit| unit.crank().is_some());
            match next {
                Some(next) => block
                    .breaks
                    .iter()
                    .find(|found| found.unit == at + next)
                    .copied(),
                None => self.first_break_after(side, block.height),
            }
        });
        let (own, other) = (breaks[side], breaks[1 - side]);
        let own = own.filter(|_| other.is_none())?;
        Some(Fault::Chain { crank: own.crank })
    }

    fn first_break_after(&self, side: usize, height: u64) -> Option<crate::trace::ChainBreak> {
        let next = self.sides[side]
            .breaks
            .iter()
            .find(|(at, _)| *at > height)?;
        (next.0 == height + 1).then_some(next.1)
    }

    // ---- entries ----

    fn role(&self, entry: &Entry) -> Role {
        let digested = entry.digested.as_ref();
        digested.map_or_else(
            || self.vocabulary.role_of(&entry.line),
            |digested| digested.role,
        )
    }

    /// The digests of two entries, if the bytes of one were not kept.
    fn digests(&self, a: &Entry, b: &Entry) -> Option<[Digested; 2]> {
        let rules = self.rules()?;
        let is_needed = a.digested.is_some() || b.digested.is_some();
        let of = |entry: &Entry| match &entry.digested {
            Some(digested) => (**digested).clone(),
            None => Digested::of(&entry.line, rules, self.vocabulary, self.by_value),
        };
        is_needed.then(|| [of(a), of(b)])
    }

    fn rules(&self) -> Option<&SlogRules> {
        self.profile.slog.as_ref()
    }

    fn canonical(&self, line: &[u8]) -> Vec<u8> {
        evidence::canonical(line, self.rules(), self.by_value)
    }

    fn same(&self, a: &Entry, b: &Entry) -> bool {
        if let Some([one, other]) = self.digests(a, b) {
            return one.canonical == other.canonical;
        }
        match self.by_value {
            true => self.same_by_value(a, b),
            false => a.line == b.line || self.canonical(&a.line) == self.canonical(&b.line),
        }
    }

    /// Whether two entries are equal in all values that both sides write. A hash that one side
    /// does not write is not a difference.
    fn same_by_value(&self, a: &Entry, b: &Entry) -> bool {
        if let Some([one, other]) = self.digests(a, b) {
            return one.by_value == other.by_value;
        }
        let [one, other] =
            [a, b].map(|entry| values::normal(&self.canonical(&entry.line)).into_owned());
        if one == other {
            return true;
        }
        let [here, there] = [a, b].map(|entry| {
            let rules = self
                .rules()
                .filter(|rules| rules.read(&entry.line).ends_crank());
            rules.map(|rules| rules.crank_hashes(&entry.line)[0])
        });
        let (Some(here), Some(there)) = (here, there) else {
            return false;
        };
        let known_and_other = here.zip(there).is_some_and(|(here, there)| here != there);
        !known_and_other && entry::without_hashes(&one) == entry::without_hashes(&other)
    }
}

/// Entries before this index of the unit.
fn leading(evidence: &Evidence, index: usize) -> Vec<Entry> {
    let of_unit = evidence.unit.iter().take(index);
    let of_unit = of_unit.filter(|entry| entry.digested.is_none());
    evidence.before.iter().chain(of_unit).cloned().collect()
}

/// Entries behind this index.
fn trailing(evidence: &Evidence, index: usize) -> Vec<Entry> {
    let of_unit = evidence.unit.iter().skip(index + 1);
    let of_unit = of_unit.chain(&evidence.after);
    let known = of_unit.take_while(|entry| entry.digested.is_none());
    known.cloned().collect()
}

/// The side whose step gives the location its numbers: the side that the cause is about, else
/// the side that has a step. If both have one, the smaller step decides, so that the result
/// does not depend on which source was named first.
fn numbered_by(vocabulary: &dyn Vocabulary, steps: &[Option<Entry>; 2], cause: &Cause) -> Side {
    if let Some(side) = cause.side()
        && steps[side.index()].is_some()
    {
        return side;
    }
    let key = |entry: &Entry| {
        let numbers = vocabulary.numbers(&entry.line);
        let place = (
            numbers.crank,
            numbers.delivery,
            numbers.syscall,
            numbers.tx,
            numbers.op,
            numbers.log,
        );
        (
            place,
            entry::type_of(&entry.line).into_owned(),
            entry.line.clone(),
        )
    };
    match steps {
        [Some(a), Some(b)] if key(b) < key(a) => Side::B,
        [None, Some(_)] => Side::B,
        _ => Side::A,
    }
}

fn answer(asked: RequestTarget) -> Cause {
    match asked {
        RequestTarget::Read => Cause::ReadAnswer,
        RequestTarget::Device => Cause::DeviceAnswer,
        RequestTarget::Other => Cause::KernelAnswer,
    }
}

/// Whether both lists have the same entries in another order.
fn moved(a: &[Vec<u8>], b: &[Vec<u8>]) -> bool {
    let (mut one, mut other): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
    one.sort_unstable();
    other.sort_unstable();
    a != b && one == other
}

/// The side that has more steps, if the rest is equal without them.
fn inserted_steps(a: &[Vec<u8>], b: &[Vec<u8>]) -> Option<Side> {
    let (long, short, side) = match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Greater => (a, b, Side::A),
        std::cmp::Ordering::Less => (b, a, Side::B),
        std::cmp::Ordering::Equal => return None,
    };
    (long[long.len() - short.len()..] == *short).then_some(side)
}

fn body(unit: Option<Unit>) -> Option<UnitDigest> {
    match unit?.what {
        What::Input(body) => Some(body),
        _ => None,
    }
}

fn bodies(units: &[Unit]) -> Vec<UnitDigest> {
    units.iter().filter_map(|unit| body(Some(*unit))).collect()
}

fn count(list: &[UnitDigest], body: UnitDigest) -> usize {
    list.iter().filter(|found| **found == body).count()
}

/// Whether the crank's number does not follow from the crank before it in its run. Then the
/// recording lost cranks.
fn number_jump(block: &BlockTrace, at: usize) -> Option<Fault> {
    let crank = block.units.get(at)?.crank()?;
    let before = block.units.get(at.checked_sub(1)?)?.crank()?;
    (crank != before + 1).then_some(Fault::CrankNumber { crank, before })
}
