//! The classes of faults, and which one the first difference is of.

use haltbox_format::{Profile, SlogRules};
use serde::{Serialize, Serializer};

use super::evidence::{Entry, Evidence};
use super::pair::{Parting, Side};
use super::role::{self, Numbers, Role};
use super::swingset::{self, Asked};
use super::transactions;
use crate::tape::{BlockTape, Unit, UnitDigest, What};

/// What two sources say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The disputed heights are covered on both sides and equal.
    Identical,
    /// Another inbound action, or the same ones in another order.
    Inputs,
    /// A device answered differently.
    HostAnswer,
    /// A read gave another value though everything before is equal.
    State,
    /// Same inputs and reads, other steps.
    Execution,
    /// The same steps in another order.
    Order,
    /// A replayed delivery does not match its original.
    Replay,
    /// Equal steps, other crankhash, or a chain that does not follow.
    HashOnly,
    /// Equal crankhashes, other activityhash across a legal gap.
    HiddenCrank,
    /// Only LastResultsHash differs.
    ResultsOnly,
    /// Every canonical entry equal, AppHash differs.
    Outside,
    /// The place is not covered.
    Insufficient,
}

impl Verdict {
    /// The class, in design.md's words.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Identical => "identical",
            Verdict::Inputs => "inputs differ",
            Verdict::HostAnswer => "host answer differs",
            Verdict::State => "state differs",
            Verdict::Execution => "execution differs",
            Verdict::Order => "order differs",
            Verdict::Replay => "replay differs",
            Verdict::HashOnly => "hash only",
            Verdict::HiddenCrank => "hidden crank",
            Verdict::ResultsOnly => "results only",
            Verdict::Outside => "outside the recording",
            Verdict::Insufficient => "evidence insufficient",
        }
    }

    /// Exit code.
    pub fn exit(self) -> u8 {
        match self {
            Verdict::Identical => 0,
            Verdict::Insufficient => 2,
            _ => 1,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Side A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// The first source named.
    A,
    /// The second.
    B,
}

impl Which {
    /// As people are told.
    pub fn name(self) -> &'static str {
        match self {
            Which::A => "A",
            Which::B => "B",
        }
    }
}

/// The class of the first difference, and the step.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its class.
    pub verdict: Verdict,
    /// One sentence on it.
    pub summary: String,
    /// Index of the step among the entries of its unit.
    pub index: usize,
    /// The step on each side.
    pub steps: [Option<Entry>; 2],
    /// Entries of the unit before the step, on each side.
    pub leading: [Vec<Entry>; 2],
    /// Entries behind it.
    pub trailing: [Vec<Entry>; 2],
    /// The step stands on this side only.
    pub inserted_on: Option<Which>,
    /// The step, in the words of the entry that both or one side has.
    pub numbers: Numbers,
    /// Type of that entry.
    pub kind: String,
    /// Its role.
    pub role: Role,
    /// What should be known besides.
    pub notes: Vec<String>,
}

/// Everything that the class of a parting is told by.
pub struct Case<'a> {
    /// How entries are read.
    pub profile: &'a Profile,
    /// Where the tapes part.
    pub parting: &'a Parting,
    /// The entries there.
    pub evidence: [&'a Evidence; 2],
    /// What each side told in all.
    pub sides: [&'a Side; 2],
}

impl Case<'_> {
    /// The class of the parting.
    pub fn judge(&self) -> Finding {
        let mut finding = self.first_difference();
        if let Some((side, why)) = self.damage(&finding) {
            finding.verdict = Verdict::Insufficient;
            finding.summary = format!("the recording of {} is broken here: {why}", side.name());
            finding.inserted_on = None;
        }
        finding
    }

    fn units(&self) -> [Option<Unit>; 2] {
        let ((a, at_a), (b, at_b)) = (&self.parting.a, &self.parting.b);
        [a.units.get(*at_a).copied(), b.units.get(*at_b).copied()]
    }

    fn blocks(&self) -> [(&BlockTape, usize); 2] {
        [
            (&self.parting.a.0, self.parting.a.1),
            (&self.parting.b.0, self.parting.b.1),
        ]
    }

    fn first_difference(&self) -> Finding {
        let both_cranks = self
            .units()
            .iter()
            .all(|unit| unit.is_some_and(|u| u.crank().is_some()));
        if both_cranks {
            self.in_cranks()
        } else {
            self.between_cranks()
        }
    }

    // ---- inside a crank ----

    fn in_cranks(&self) -> Finding {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let equal = a.iter().zip(b).take_while(|(x, y)| self.same(x, y)).count();
        let mut finding = self.finding_at(equal);
        let roles = [a, b].map(|side| side.get(equal).map(|entry| role::of(&entry.line)));
        (finding.verdict, finding.summary) = match roles {
            [Some(Role::SyscallResult), Some(Role::SyscallResult)] => result_class(&a[equal].line),
            [Some(Role::CrankFinish), Some(Role::CrankFinish)] => (
                Verdict::HashOnly,
                "every step of the crank is equal, its crankhash is not: a write that no entry shows".into(),
            ),
            [Some(Role::CrankStart), Some(Role::CrankStart)] => self.routing(&a[equal], &b[equal]),
            _ => self.steps(equal, &mut finding.inserted_on),
        };
        if let Some(side) = finding.inserted_on {
            finding.keep_step_of(side);
        }
        finding
    }

    /// The crank's own message differs.
    fn routing(&self, a: &Entry, b: &Entry) -> (Verdict, String) {
        let [one, other] = [a, b].map(|entry| {
            let mut text = self.canonical(&entry.line);
            role::drop_value(&mut text, 0, "crankNum");
            text
        });
        if one == other {
            let text = "the kernel counts this crank differently though everything before is equal";
            return (Verdict::HiddenCrank, text.into());
        }
        if self.unit_moved() {
            return (
                Verdict::Order,
                "the same cranks ran in another order".into(),
            );
        }
        (
            Verdict::Execution,
            "the kernel went on with another message".into(),
        )
    }

    /// Other steps inside a delivery.
    fn steps(&self, at: usize, inserted: &mut Option<Which>) -> (Verdict, String) {
        let of = |form: fn(&[u8]) -> Vec<u8>| {
            self.evidence
                .map(|evidence| self.loose_steps(&evidence.unit, at, form))
        };
        let [a, b] = of(role::without_numbers);
        // Steps that differ in references alone are told apart by these.
        let [told_a, told_b] = of(role::without_own_numbers);
        if moved(&a, &b) || moved(&told_a, &told_b) {
            return (Verdict::Order, "the same steps ran in another order".into());
        }
        *inserted = inserted_steps(&a, &b);
        match inserted {
            Some(side) => (
                Verdict::Execution,
                format!("{} has steps here that the other side has not", side.name()),
            ),
            None if self.evidence[0]
                .unit
                .get(at)
                .is_some_and(|e| role::of(&e.line) == Role::DeliverResult) =>
            {
                (
                    Verdict::Execution,
                    "the same delivery ended differently".into(),
                )
            }
            None => (
                Verdict::Execution,
                "same inputs and reads before, another step here".into(),
            ),
        }
    }

    /// What is left of a crank from an entry on, in a form without numbers, its
    /// end and the results of its deliveries left out: they follow from the
    /// steps.
    fn loose_steps(
        &self,
        lines: &[Entry],
        from: usize,
        form: fn(&[u8]) -> Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let rest = lines.iter().skip(from);
        let steps = rest.filter(|entry| {
            !matches!(
                role::of(&entry.line),
                Role::CrankFinish | Role::DeliverResult
            )
        });
        steps
            .map(|entry| form(&self.canonical(&entry.line)))
            .collect()
    }

    /// The unit of each side stands further on in the other side's block, and
    /// as often as in its own: nothing is missing, only moved.
    fn unit_moved(&self) -> bool {
        let [(_, at_a), (_, at_b)] = self.blocks();
        let [a, b] = self.evidence.map(|evidence| evidence.loose.as_slice());
        let moved = |own: &[UnitDigest], at: usize, other: &[UnitDigest], from: usize| {
            own.get(at).is_some_and(|unit| {
                let later = other.get(from + 1..).unwrap_or_default();
                later.contains(unit) && count(own, *unit) == count(other, *unit)
            })
        };
        moved(a, at_a, b, at_b) && moved(b, at_b, a, at_a)
    }

    // ---- outside cranks ----

    fn between_cranks(&self) -> Finding {
        let mut finding = self.finding_at(0);
        let [a, b] = self.units();
        let is_input = |unit: Option<Unit>| unit.is_some_and(|u| matches!(u.what, What::Input(_)));
        let begins_with = |wanted: Role| {
            let firsts = self.evidence.map(|evidence| evidence.unit.first());
            firsts
                .iter()
                .flatten()
                .filter(|entry| role::of(&entry.line) == wanted)
                .count()
                == 2
        };
        if is_input(a) || is_input(b) {
            self.inputs(&mut finding);
        } else if begins_with(Role::Begin) {
            finding.verdict = Verdict::Inputs;
            finding.summary = "the block itself came with other parameters".into();
        } else if self.is_same_read() {
            (finding.verdict, finding.summary) = read_class();
        } else if begins_with(Role::Result) {
            finding.summary = "the same transaction ended differently".into();
        } else {
            self.other_units(&mut finding);
        }
        finding
    }

    /// The same read gave something else.
    fn is_same_read(&self) -> bool {
        let [Some(a), Some(b)] = self.evidence.map(|evidence| evidence.unit.first()) else {
            return false;
        };
        let read = [a, b]
            .iter()
            .all(|entry| role::of(&entry.line) == Role::Read);
        read && transactions::is_same_read(&self.canonical(&a.line), &self.canonical(&b.line))
    }

    fn other_units(&self, finding: &mut Finding) {
        finding.verdict = Verdict::Execution;
        let cranks = self
            .units()
            .map(|unit| unit.is_some_and(|unit| unit.crank().is_some()));
        finding.inserted_on = match cranks {
            [true, false] => Some(Which::A),
            [false, true] => Some(Which::B),
            _ => None,
        };
        finding.summary = match finding.inserted_on {
            Some(side) => format!(
                "{} ran a crank here that the other side did not",
                side.name()
            ),
            None if self.unit_moved() => {
                finding.verdict = Verdict::Order;
                "the same entries stand in another order".into()
            }
            None => "same inputs, another course of the block".into(),
        };
        if let Some(side) = finding.inserted_on {
            finding.keep_step_of(side);
        }
    }

    fn inputs(&self, finding: &mut Finding) {
        let [body_a, body_b] = self.units().map(body);
        let [here_a, here_b] = self
            .blocks()
            .map(|(block, at)| bodies(&block.units[at.min(block.units.len())..]));
        finding.verdict = Verdict::Inputs;
        if body_a.is_some() && body_a == body_b {
            finding.summary = "the same input came with another number".into();
            return;
        }
        let mut sorted = [here_a.clone(), here_b.clone()];
        sorted.iter_mut().for_each(|list| list.sort_unstable());
        if body_a.is_some() && body_b.is_some() && sorted[0] == sorted[1] {
            finding.summary = "the same inputs came in another order".into();
            return;
        }
        // More of one body on a side than on the other: is it missing there,
        // or only later?
        let lists = [&here_a, &here_b];
        for (side, (own, other)) in [(body_a, 0, 1), (body_b, 1, 0)].map(|(b, o, x)| (b, (o, x))) {
            let Some(body) = side else { continue };
            let surplus = count(lists[own], body) > count(lists[other], body);
            let later = self.parting.later[other]
                .iter()
                .filter(|(_, found)| *found == body)
                .count();
            let own_later = self.parting.later[own]
                .iter()
                .filter(|(_, found)| *found == body)
                .count();
            if surplus && later > own_later {
                let height = self.parting.later[other]
                    .iter()
                    .find(|(_, found)| *found == body);
                return self.carried_over(finding, own, height.map(|(height, _)| *height));
            }
        }
        finding.inserted_on = match (body_a, body_b) {
            (Some(a), Some(b)) => {
                let (extra_a, extra_b) = (!here_b.contains(&a), !here_a.contains(&b));
                match (extra_a, extra_b) {
                    (true, false) => Some(Which::A),
                    (false, true) => Some(Which::B),
                    _ => None,
                }
            }
            (Some(_), None) => Some(Which::A),
            (None, Some(_)) => Some(Which::B),
            (None, None) => None,
        };
        finding.summary = match finding.inserted_on {
            Some(side) => format!(
                "{} took an input here that the other side did not",
                side.name()
            ),
            None => "another input came in here".into(),
        };
        if let Some(side) = finding.inserted_on {
            finding.keep_step_of(side);
        }
    }

    fn carried_over(&self, finding: &mut Finding, own: usize, height: Option<u64>) {
        let (side, other) = if own == 0 {
            (Which::A, Which::B)
        } else {
            (Which::B, Which::A)
        };
        finding.verdict = Verdict::Execution;
        let to = height.map_or(String::new(), |height| format!(" to height {height}"));
        finding.summary = format!(
            "{} carried an input over{to} that {} ran here",
            other.name(),
            side.name()
        );
        finding.notes.push(
            "carried over for want of compute: the run policy stopped one side earlier, no input is missing"
                .into(),
        );
        finding.keep_step_of(side);
    }

    // ---- damage ----

    /// A recording whose own structure breaks at the step proves nothing there.
    fn damage(&self, finding: &Finding) -> Option<(Which, String)> {
        if finding.verdict == Verdict::HashOnly {
            return None;
        }
        let faults = [0, 1].map(|side| self.fault(side, finding.index));
        match faults {
            [Some(why), None] => Some((Which::A, why)),
            [None, Some(why)] => Some((Which::B, why)),
            [Some(why), Some(_)] => Some((Which::A, format!("{why}, and so is that of B"))),
            [None, None] => None,
        }
    }

    fn fault(&self, side: usize, step: usize) -> Option<String> {
        let (block, at) = self.blocks()[side];
        let lines: Vec<&[u8]> = self.evidence[side]
            .unit
            .iter()
            .map(|entry| entry.line.as_slice())
            .collect();
        let is_crank = block
            .units
            .get(at)
            .is_some_and(|unit| unit.crank().is_some());
        let unfinished = block
            .units
            .get(at)
            .is_some_and(|unit| unit.crankhash().is_none())
            && !block.ended;
        if is_crank
            && !lines.iter().any(|line| transactions::is_crank(line))
            && !self.evidence[side].cut
            && !unfinished
            && let Some((index, what)) = swingset::structure_fault(&lines)
            && index + 1 >= step
        {
            return Some(what);
        }
        number_jump(block, at).or_else(|| self.chain_fault(side))
    }

    /// The chain breaks on this side alone at the next crank from the parting on.
    fn chain_fault(&self, side: usize) -> Option<String> {
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
        Some(format!(
            "the activityhash of crank {} does not follow from the crank before: something between is \
             missing, added or changed",
            own.crank
        ))
    }

    fn first_break_after(&self, side: usize, height: u64) -> Option<crate::tape::ChainBreak> {
        let next = self.sides[side]
            .breaks
            .iter()
            .find(|(of, _)| *of > height)?;
        (next.0 == height + 1).then_some(next.1)
    }

    // ---- entries ----

    fn rules(&self) -> Option<&SlogRules> {
        self.profile.slog.as_ref()
    }

    fn canonical(&self, line: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(rules) = self.rules() {
            rules.canonical().cut(line, &mut text);
        }
        role::drop_value(&mut text, 0, "activityhash");
        text
    }

    fn same(&self, a: &Entry, b: &Entry) -> bool {
        a.line == b.line || self.canonical(&a.line) == self.canonical(&b.line)
    }

    fn finding_at(&self, index: usize) -> Finding {
        let [leading_a, leading_b] = self.evidence.map(|evidence| {
            evidence
                .before
                .iter()
                .chain(evidence.unit.iter().take(index))
                .cloned()
                .collect()
        });
        let [step_a, step_b] = self
            .evidence
            .map(|evidence| evidence.unit.get(index).cloned());
        let [trailing_a, trailing_b] = self.evidence.map(|evidence| {
            evidence
                .unit
                .iter()
                .skip(index + 1)
                .chain(&evidence.after)
                .cloned()
                .collect()
        });
        let told = step_a.as_ref().or(step_b.as_ref());
        Finding {
            verdict: Verdict::Execution,
            summary: String::new(),
            index,
            numbers: told
                .map(|entry| role::numbers(&entry.line))
                .unwrap_or_default(),
            kind: told
                .map(|entry| role::type_of(&entry.line).into_owned())
                .unwrap_or_default(),
            role: told.map_or(Role::Other, |entry| role::of(&entry.line)),
            steps: [step_a, step_b],
            leading: [leading_a, leading_b],
            trailing: [trailing_a, trailing_b],
            inserted_on: None,
            notes: Vec::new(),
        }
    }
}

impl Finding {
    /// The step is the one of this side.
    fn keep_step_of(&mut self, side: Which) {
        let index = usize::from(side == Which::B);
        if let Some(entry) = &self.steps[index] {
            self.numbers = role::numbers(&entry.line);
            self.kind = role::type_of(&entry.line).into_owned();
        }
    }
}

fn read_class() -> (Verdict, String) {
    let text = "a read gave another value though everything before is equal";
    (Verdict::State, text.into())
}

fn result_class(line: &[u8]) -> (Verdict, String) {
    match swingset::asked(line) {
        Asked::Read => read_class(),
        Asked::Device => (Verdict::HostAnswer, "a device answered differently".into()),
        Asked::Other => (
            Verdict::Execution,
            "the kernel answered the same syscall differently".into(),
        ),
    }
}

/// The same entries on both sides, not in the same order.
fn moved(a: &[Vec<u8>], b: &[Vec<u8>]) -> bool {
    let (mut one, mut other): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
    one.sort_unstable();
    other.sort_unstable();
    a != b && one == other
}

/// The side that has more steps, if leaving those out makes the rest equal.
fn inserted_steps(a: &[Vec<u8>], b: &[Vec<u8>]) -> Option<Which> {
    let (long, short, side) = match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Greater => (a, b, Which::A),
        std::cmp::Ordering::Less => (b, a, Which::B),
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

/// The crank's number does not follow from the crank before it in its run.
fn number_jump(block: &BlockTape, at: usize) -> Option<String> {
    let number = block.units.get(at)?.crank()?;
    let before = block.units.get(at.checked_sub(1)?)?.crank()?;
    (number != before + 1).then(|| format!("crank {number} stands behind crank {before}"))
}
