//! The first difference of two recordings: the step, and the class of the fault.

use haltbox_model::{Profile, SlogRules};

use super::evidence::{Entry, Evidence};
use super::order::{Moved, moved as operations_moved};
use super::pair::{Coverage, Parting};
use super::side::Side;
use super::standing::{Standing, standing};
use super::verdict::Verdict;
use crate::tape::{BlockTape, Unit, UnitDigest, What};
use crate::values;
use crate::vocabulary::{Asked, Numbers, Role, Vocabulary, entry};

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
    pub inserted_on: Option<Side>,
    /// The side whose step gives the place its numbers.
    pub told_by: Side,
    /// The two steps are one another's counterparts: what differs in them can be
    /// told.
    pub counterparts: bool,
    /// The step, in the words of the entry that both or one side has.
    pub numbers: Numbers,
    /// Type of that entry.
    pub kind: String,
    /// Its role.
    pub role: Role,
    /// What should be known besides.
    pub notes: Vec<String>,
    vocabulary: &'static dyn Vocabulary,
}

/// An entry without something that shifts.
type Form = fn(&(dyn Vocabulary + 'static), &[u8]) -> Vec<u8>;

/// That a block was given something else, by the names of the inputs.
pub(super) fn other_inputs_words(names: &[String]) -> String {
    format!("the block was given another input: {}", names.join(", "))
}

/// Everything that the class of a parting is told by.
pub struct Case<'a> {
    /// How entries are read.
    pub profile: &'a Profile,
    /// What they mean.
    pub vocabulary: &'static dyn Vocabulary,
    /// They are compared by their values.
    pub by_value: bool,
    /// Where the tapes part.
    pub parting: &'a Parting,
    /// The entries there.
    pub evidence: [&'a Evidence; 2],
    /// What each side told in all.
    pub sides: [&'a Coverage; 2],
}

impl Case<'_> {
    /// The class of the parting.
    pub fn judge(&self) -> Finding {
        let mut finding = self.first_difference();
        if let Some(why) = self.damage(&finding) {
            finding.verdict = Verdict::Insufficient;
            finding.summary = why;
            finding.inserted_on = None;
        }
        finding.numbers.crank = finding.numbers.crank.or(self.crank_of(finding.told_by));
        finding
    }

    /// The crank around the step, for entries that do not name it.
    fn crank_of(&self, side: Side) -> Option<u64> {
        self.units()[side.index()]?.crank()
    }

    /// What differs here differs in bytes alone: another JSON writer, or an older
    /// kernel that writes no hashes.
    pub fn is_equal_by_value(&self) -> bool {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let other = a.iter().zip(b).find(|(x, y)| !self.same(x, y));
        other.is_some_and(|(x, y)| self.same_by_value(x, y))
    }

    /// Of a crank that a side does not have to its end: some entry that both have
    /// says another thing.
    pub fn differs_in_part(&self) -> bool {
        let [a, b] = self.evidence.map(|evidence| evidence.unit.as_slice());
        let mut pairs = a.iter().zip(b);
        pairs.any(|(x, y)| !self.same(x, y) && !self.same_by_value(x, y))
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
        let steps = [a, b].map(|side| side.get(equal));
        match steps.map(|step| step.map(|entry| self.role(entry))) {
            [Some(Role::SyscallResult), Some(Role::SyscallResult)] => {
                (finding.verdict, finding.summary) =
                    result_class(self.vocabulary.asked(&a[equal].line));
            }
            [Some(Role::CrankFinish), Some(Role::CrankFinish)] if self.other_crankhash(steps) => {
                finding.verdict = Verdict::HashOnly;
                finding.summary =
                    "every step of the crank is equal, but its crankhash differs: a write that no \
                     entry shows"
                        .into();
            }
            [Some(Role::CrankStart), Some(Role::CrankStart)] => self.routing(&mut finding),
            [Some(Role::Snapshot), Some(Role::Snapshot)] if self.is_snapshot(steps) => {
                self.snapshot(&mut finding);
            }
            _ => self.steps(equal, &mut finding),
        }
        finding
    }

    /// What differs at the crank's end is what it wrote: one that is not told is not
    /// another one.
    fn other_crankhash(&self, steps: [Option<&Entry>; 2]) -> bool {
        let hashes = steps.map(|step| {
            let step = step.zip(self.rules());
            step.and_then(|(entry, rules)| rules.crank_hashes(&entry.line)[0])
        });
        let [one, other] = hashes;
        one.zip(other).is_some_and(|(one, other)| one != other)
    }

    /// The crank's own message differs.
    fn routing(&self, finding: &mut Finding) {
        let [one, other] = finding.steps.each_ref().map(|entry| {
            let mut text = entry
                .as_ref()
                .map_or(Vec::new(), |entry| self.canonical(&entry.line));
            entry::drop_value(&mut text, 0, "crankNum");
            text
        });
        if one == other {
            finding.verdict = Verdict::HiddenCrank;
            finding.summary = format!(
                "the {} gives this crank another number although everything before it is equal",
                self.vocabulary.runner()
            );
            return;
        }
        match self.standing() {
            Standing::Moved => {
                finding.verdict = Verdict::Order;
                finding.summary = "the same cranks ran in another order".into();
                finding.counterparts = false;
            }
            Standing::Only(side, count) => {
                finding.insert(side, count);
                finding.summary = more_cranks(side, count);
            }
            Standing::Other => {
                let runner = self.vocabulary.runner();
                finding.summary = format!("the {runner} continued with another message");
            }
        }
    }

    /// The same vat was written down at the same place, with another ID.
    fn is_snapshot(&self, steps: [Option<&Entry>; 2]) -> bool {
        let Some(id) = self.vocabulary.snapshot_id() else {
            return false;
        };
        let [one, other] = steps.map(|step| {
            let mut text = step.map_or(Vec::new(), |entry| self.canonical(&entry.line));
            entry::drop_value(&mut text, 0, id);
            text
        });
        one == other
    }

    fn snapshot(&self, finding: &mut Finding) {
        finding.verdict = Verdict::Snapshot;
        let lines = finding.steps.each_ref().map(|step| {
            let line = step.as_ref().map(|entry| entry.line.as_slice());
            self.vocabulary.snapshot(line.unwrap_or_default())
        });
        let vat = finding.numbers.vat.clone();
        finding.summary = format!(
            "the heap snapshot of {} has another ID although every recorded delivery before it is \
             equal",
            vat.as_deref().unwrap_or("a vat")
        );
        for (index, snapshot) in lines.iter().enumerate() {
            let side = Side::at(index).name();
            finding.notes.push(format!("{side}: {snapshot}"));
        }
        finding.notes.push(
            "either the heap differs, or another build of xsnap wrote it: compare the builds of \
             xsnap first"
                .into(),
        );
    }

    /// Other steps inside a delivery.
    fn steps(&self, at: usize, finding: &mut Finding) {
        let of = |form: Form| {
            self.evidence
                .map(|evidence| self.loose_steps(&evidence.unit, at, form))
        };
        let [a, b] = of(<dyn Vocabulary>::without_numbers);
        // Steps that differ in references alone are told apart by these.
        let [told_a, told_b] = of(<dyn Vocabulary>::without_own_numbers);
        if moved(&a, &b) || moved(&told_a, &told_b) {
            finding.verdict = Verdict::Order;
            finding.summary = "the same steps ran in another order".into();
            finding.counterparts = false;
            return;
        }
        if let Some((side, count)) = self.inserted_steps(&a, &b) {
            finding.insert(side, count);
            return;
        }
        let ended = finding
            .kinds()
            .all(|kind| self.vocabulary.role(kind.as_bytes()) == Role::DeliverResult);
        finding.summary = match ended {
            true => "the same delivery ended differently".into(),
            false => "the inputs and reads before are equal, but the step here differs".into(),
        };
    }

    /// The side that has more steps here, and how many, if those behind them stand
    /// on both.
    fn inserted_steps(&self, a: &[Vec<u8>], b: &[Vec<u8>]) -> Option<(Side, usize)> {
        if let Some(side) = inserted_steps(a, b) {
            return Some((side, a.len().abs_diff(b.len())));
        }
        let equal = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        match standing(&a[equal..], &b[equal..]) {
            Standing::Only(side, count) if equal == 0 => Some((side, count)),
            _ => None,
        }
    }

    /// What is left of a crank from an entry on, in a form without numbers, its
    /// end and the results of its deliveries left out: they follow from the
    /// steps.
    fn loose_steps(&self, lines: &[Entry], from: usize, form: Form) -> Vec<Vec<u8>> {
        let rest = lines.iter().skip(from);
        let steps = rest
            .filter(|entry| !matches!(self.role(entry), Role::CrankFinish | Role::DeliverResult));
        steps
            .map(|entry| form(self.vocabulary, &self.canonical(&entry.line)))
            .collect()
    }

    /// How the blocks stand from here on, by what their units say without numbers.
    fn standing(&self) -> Standing {
        let [a, b] = [0, 1].map(|side| {
            let (_, at) = self.blocks()[side];
            self.evidence[side].loose.get(at..).unwrap_or_default()
        });
        standing(a, b)
    }

    // ---- outside cranks ----

    fn between_cranks(&self) -> Finding {
        let mut finding = self.finding_at(0);
        let [a, b] = self.units().map(body);
        let roles = finding.steps.each_ref().map(|step| {
            let role = step.as_ref().map(|entry| self.role(entry));
            role.unwrap_or(Role::Other)
        });
        let inputs = self.parting.other_inputs();
        if a.is_some() && a == b {
            finding.verdict = Verdict::Inputs;
            finding.summary = "the same input came with another number".into();
        } else if !inputs.is_empty() {
            finding.verdict = Verdict::Inputs;
            finding.summary = other_inputs_words(&inputs);
        } else if roles == [Role::Begin; 2] {
            finding.verdict = Verdict::Inputs;
            finding.summary = "the block itself came with other parameters".into();
        } else if self.is_same_read() {
            (finding.verdict, finding.summary) = read_class();
        } else if roles == [Role::Result; 2] {
            finding.summary = "the same transaction ended differently".into();
        } else if self.is_left_otherwise() {
            self.left(&mut finding);
        } else if let Some(store) = self.other_root() {
            finding.verdict = Verdict::State;
            finding.summary = self.root_words(&store);
        } else {
            self.other_units(&mut finding, roles);
        }
        finding
    }

    /// The same read gave something else.
    fn is_same_read(&self) -> bool {
        let [Some(a), Some(b)] = self.evidence.map(|evidence| evidence.unit.first()) else {
            return false;
        };
        let read = [a, b].iter().all(|entry| self.role(entry) == Role::Read);
        read && self
            .vocabulary
            .is_same_read(&self.canonical(&a.line), &self.canonical(&b.line))
    }

    /// The store of which both tell the root.
    fn other_root(&self) -> Option<String> {
        let [a, b] = self.evidence.map(|evidence| {
            let entry = evidence.unit.first()?;
            self.vocabulary.root_of(&entry.line)
        });
        a.filter(|a| Some(a) == b.as_ref())
    }

    /// A side's block leaves under some key what the other's does not.
    fn is_left_otherwise(&self) -> bool {
        let mut entries = self.evidence.iter().filter_map(|side| side.unit.first());
        entries.any(|entry| self.vocabulary.leaves(&entry.line))
    }

    fn left(&self, finding: &mut Finding) {
        finding.verdict = Verdict::State;
        let [of_a, of_b] = finding.steps.each_ref().map(|step| {
            let written = step
                .as_ref()
                .map(|entry| self.vocabulary.written(&entry.line));
            written
                .flatten()
                .map(|(store, key, _)| (store, key.to_vec()))
        });
        let behind = "; only recorded operations show whether a read or the execution is the cause";
        if of_a.is_some() && of_a == of_b {
            finding.summary = format!("the block leaves another value under the same key{behind}");
            return;
        }
        let [(a, at_a), (b, at_b)] = self.blocks();
        let on_both = (a.is_asked_at(at_a, b), b.is_asked_at(at_b, a));
        let only = match (&of_a, &of_b) {
            (Some(_), None) => Side::A,
            (Some(_), Some(_)) if on_both == (false, true) => Side::A,
            // Both have a key that the other does not change: the same one is told
            // whichever source was named first.
            (Some(a), Some(b)) if on_both == (false, false) && a < b => Side::A,
            _ => Side::B,
        };
        finding.insert(only, 1);
        finding.summary = format!("the block changes this key only on {}{behind}", only.name());
    }

    fn root_words(&self, store: &str) -> String {
        let differs = format!(
            "the root of store {store} differs, but everything that both recorded before is equal"
        );
        let writes = self.blocks().map(|(block, at)| block.writes_to_root(at));
        let who = match writes {
            [true, false] => "A",
            [false, true] => "B",
            _ => {
                return format!(
                    "{differs}: either the database differs, or a write was not recorded"
                );
            }
        };
        format!(
            "{differs}: only {who} has entries of that store at this height; the cause may be \
             what it wrote, or the database"
        )
    }

    fn other_units(&self, finding: &mut Finding, roles: [Role; 2]) {
        let outside = roles.map(Role::is_from_outside);
        let standing = self.standing();
        if standing != Standing::Moved
            && let Some(moved) = operations_moved(self.blocks())
        {
            return finding.order(match moved {
                Moved::Reads => {
                    "the same reads come in another order, and the steps after them differ"
                }
                Moved::Keys => "the same keys are written in another order, with other values",
            });
        }
        match (standing, outside) {
            (Standing::Only(side, count), _) => self.more_on(side, count, finding),
            (Standing::Moved, [false, false]) => {
                finding.order("the same entries are in another order");
            }
            (Standing::Moved, _) => {
                finding.verdict = Verdict::Inputs;
                finding.summary = match roles {
                    [Role::Input, Role::Input] => "the same inputs came in another order".into(),
                    _ => format!(
                        "the inputs from outside the {} came in another order",
                        self.vocabulary.runner()
                    ),
                };
                finding.counterparts = false;
            }
            // What follows from an input differs too: that it has no counterpart
            // does not make it one of the input.
            (Standing::Other, [true, false]) => self.more_on(Side::A, 1, finding),
            (Standing::Other, [false, true]) => self.more_on(Side::B, 1, finding),
            (Standing::Other, [true, true]) => self.other_trigger(finding),
            (Standing::Other, [false, false]) => self.other_course(finding),
        }
    }

    fn other_course(&self, finding: &mut Finding) {
        let kinds = [Side::A, Side::B].into_iter().zip(finding.kinds());
        let mut kinds: Vec<(String, &str)> =
            kinds.map(|(side, kind)| (kind, side.name())).collect();
        // The same sentence whichever source was named first.
        kinds.sort_unstable();
        finding.summary = match kinds.as_slice() {
            [(one, x), (other, y)] if one != other => {
                format!(
                    "the inputs are equal, but the block was executed differently: {one} on {x}, \
                     {other} on {y}"
                )
            }
            _ => "the inputs are equal, but the block was executed differently".into(),
        };
    }

    /// What came from outside the kernel is not the same on the two sides.
    fn other_trigger(&self, finding: &mut Finding) {
        let [body_a, body_b] = self.units().map(body);
        let carried = [(Side::A, body_a), (Side::B, body_b)]
            .map(|(side, body)| Some((side, self.carried_to(side, body?)?)));
        if let [Some((side, to)), None] | [None, Some((side, to))] = carried {
            return self.carried_over(finding, side, to);
        }
        finding.verdict = Verdict::Inputs;
        let same_place = |name: &str| {
            let values = finding.steps.each_ref().map(|step| {
                let line = step.as_ref().map(|entry| entry.line.as_slice());
                haltbox_model::json::find(line.unwrap_or_default(), name.as_bytes())
            });
            values[0] == values[1]
        };
        if let Some(words) = self.vocabulary.other_trigger() {
            finding.summary = words.into();
            return;
        }
        finding.summary = "a different input came in here".into();
        if body_a.is_none() && body_b.is_none() {
            finding.summary = "a different trigger came in here".into();
            // The same poll: what it found is the kernel's own.
            if finding.counterparts && same_place("blockTime") && same_place("blockHeight") {
                finding.verdict = Verdict::Execution;
                finding.summary = "the same trigger came in, but its result differs".into();
            }
        }
    }

    /// A side has more here.
    fn more_on(&self, side: Side, count: usize, finding: &mut Finding) {
        finding.insert(side, count);
        let unit = self.units()[side.index()];
        if unit.is_some_and(|unit| unit.crank().is_some()) {
            finding.summary = more_cranks(side, count);
        }
        if !finding.role.is_from_outside() {
            return;
        }
        finding.verdict = Verdict::Inputs;
        if let Some(body) = body(unit) {
            if let Some(to) = self.carried_to(side, body) {
                return self.carried_over(finding, side, to);
            }
            finding.summary = format!(
                "{} took an input here that {} did not",
                side.name(),
                side.other().name()
            );
        }
    }

    /// The height to which the other side carried an input over that this side ran
    /// here: more of its body there than here, later.
    fn carried_to(&self, side: Side, body: UnitDigest) -> Option<u64> {
        let lists = self
            .blocks()
            .map(|(block, at)| bodies(&block.units[at.min(block.units.len())..]));
        let (own, other) = (side.index(), side.other().index());
        let later = |of: usize| {
            self.parting.later[of]
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

    fn carried_over(&self, finding: &mut Finding, side: Side, to: u64) {
        finding.verdict = Verdict::Execution;
        finding.summary = format!(
            "{} deferred an input to height {to} that {} ran here",
            side.other().name(),
            side.name()
        );
        finding.notes.push(
            "deferred because the run policy stopped one side earlier (compute limit); no input \
             is missing"
                .into(),
        );
        finding.inserted_on = None;
        finding.counterparts = false;
        finding.keep_step_of(side);
    }

    // ---- damage ----

    /// A recording whose own structure breaks at the step proves nothing there.
    fn damage(&self, finding: &Finding) -> Option<String> {
        if finding.verdict == Verdict::HashOnly {
            return None;
        }
        let faults = [0, 1].map(|side| self.fault(side, finding));
        let broken =
            |side: Side, why| format!("the recording of {} is broken here: {why}", side.name());
        match faults {
            [Some(why), None] => Some(broken(Side::A, why)),
            [None, Some(why)] => Some(broken(Side::B, why)),
            [Some(a), Some(b)] => {
                let mut both = [(a, "A"), (b, "B")];
                both.sort_unstable();
                let [(one, x), (other, y)] = both;
                Some(format!(
                    "the recordings of both are broken here: {x}: {one}; {y}: {other}"
                ))
            }
            [None, None] => None,
        }
    }

    fn fault(&self, side: usize, finding: &Finding) -> Option<String> {
        let step = finding.index;
        let (block, at) = self.blocks()[side];
        if let Some(entry) = &finding.steps[side]
            && haltbox_model::json::members(&entry.line).any(|member| member.is_err())
        {
            return Some(format!(
                "line {} is not a complete JSON object",
                entry.number
            ));
        }
        let lines: Vec<&[u8]> = self.evidence[side]
            .unit
            .iter()
            .map(|entry| entry.line.as_slice())
            .collect();
        let is_crank = block
            .units
            .get(at)
            .is_some_and(|unit| unit.crank().is_some());
        let unfinished = block.units.get(at).is_some_and(Unit::is_unfinished) && !block.ended;
        if is_crank
            && !self.evidence[side].cut
            && !unfinished
            && let Some((index, what)) = self.vocabulary.structure_fault(&lines)
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
            "the activityhash of crank {} does not follow from the crank before it: something \
             between them was removed, added or changed",
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

    fn role(&self, entry: &Entry) -> Role {
        self.vocabulary.role_of(&entry.line)
    }

    fn rules(&self) -> Option<&SlogRules> {
        self.profile.slog.as_ref()
    }

    fn canonical(&self, line: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(rules) = self.rules() {
            rules.canonical().cut(line, &mut text);
        }
        if self.by_value {
            text = values::normal(&text).into_owned();
        }
        entry::drop_value(&mut text, 0, "activityhash");
        text
    }

    fn same(&self, a: &Entry, b: &Entry) -> bool {
        match self.by_value {
            true => self.same_by_value(a, b),
            false => a.line == b.line || self.canonical(&a.line) == self.canonical(&b.line),
        }
    }

    /// Equal as far as both tell: a hash that a side does not write is not another.
    fn same_by_value(&self, a: &Entry, b: &Entry) -> bool {
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
        let steps = [step_a, step_b];
        let told_by = told_by(self.vocabulary, &steps);
        let told = steps[told_by.index()].as_ref();
        let kinds = steps.each_ref().map(|step| {
            let line = step.as_ref().map(|entry| entry.line.as_slice());
            entry::type_of(line.unwrap_or_default()).into_owned()
        });
        Finding {
            verdict: Verdict::Execution,
            summary: String::new(),
            index,
            numbers: told
                .map(|entry| self.vocabulary.numbers(&entry.line))
                .unwrap_or_default(),
            kind: told
                .map(|entry| entry::type_of(&entry.line).into_owned())
                .unwrap_or_default(),
            role: told.map_or(Role::Other, |entry| self.role(entry)),
            counterparts: steps.iter().all(Option::is_some) && kinds[0] == kinds[1],
            told_by,
            steps,
            leading: [leading_a, leading_b],
            trailing: [trailing_a, trailing_b],
            inserted_on: None,
            notes: Vec::new(),
            vocabulary: self.vocabulary,
        }
    }
}

/// The side whose step gives the place its numbers: the one that has it, and of two
/// the same one whichever source was named first.
fn told_by(vocabulary: &dyn Vocabulary, steps: &[Option<Entry>; 2]) -> Side {
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

impl Finding {
    /// The same stands in another order.
    fn order(&mut self, summary: &str) {
        self.verdict = Verdict::Order;
        self.summary = summary.into();
        self.counterparts = false;
    }

    /// The step is the one of this side.
    fn keep_step_of(&mut self, side: Side) {
        if let Some(entry) = &self.steps[side.index()] {
            self.numbers = self.vocabulary.numbers(&entry.line);
            self.kind = entry::type_of(&entry.line).into_owned();
            self.role = self.vocabulary.role_of(&entry.line);
            self.told_by = side;
        }
    }

    /// A side has so many more here.
    fn insert(&mut self, side: Side, count: usize) {
        self.inserted_on = Some(side);
        self.counterparts = false;
        self.keep_step_of(side);
        let (name, kind) = (side.name(), &self.kind);
        self.summary = match count {
            1 => format!("{name} has one more entry here: {kind}"),
            _ => format!("{name} has more entries here, starting with {kind}"),
        };
    }

    /// The types of the steps that are there.
    fn kinds(&self) -> impl Iterator<Item = String> + use<'_> {
        let steps = self.steps.iter().flatten();
        steps.map(|entry| entry::type_of(&entry.line).into_owned())
    }
}

fn more_cranks(side: Side, count: usize) -> String {
    let what = match count {
        1 => "a crank".to_owned(),
        _ => format!("{count} cranks or entries"),
    };
    format!(
        "{} ran {what} here that {} did not",
        side.name(),
        side.other().name()
    )
}

fn read_class() -> (Verdict, String) {
    let text = "a read returned another value although everything before it is equal";
    (Verdict::State, text.into())
}

fn result_class(asked: Asked) -> (Verdict, String) {
    match asked {
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

/// The crank's number does not follow from the crank before it in its run.
fn number_jump(block: &BlockTape, at: usize) -> Option<String> {
    let number = block.units.get(at)?.crank()?;
    let before = block.units.get(at.checked_sub(1)?)?.crank()?;
    (number != before + 1).then(|| format!("crank {number} follows crank {before}"))
}
