//! Checks whether the entries of a block are in the order in which a kernel writes them.
//!
//! Entries of cranks are numbered, so a fault there is known to be where it shows. Entries
//! outside cranks are not. If one of these cannot be where it is, the entries before it may
//! already belong to another block.

use haltbox_model::json;

use super::opening::{DeliveryNumbers, Opening};
use crate::values;
use crate::vocabulary::{Entry, EntryOrder, Fault, Role, Steps};

/// How far a block has got.
#[derive(Clone, Debug, Default)]
pub struct OfKernel {
    /// Height of the open block, once its begin entry was seen.
    height: Option<u64>,
    /// Whether any entry of the block was seen.
    seen: bool,
    /// A block ended before, or a process started. The next entry must begin a block or its
    /// preparation.
    behind: bool,
    /// The first entry was an input, such as an upgrade or a chain's bootstrap. Such work prepares
    /// a block, so it comes before the block's begin entry.
    prepares: bool,
    /// Height of the work that prepares a block.
    prepared: Option<u64>,
    run: Option<Run>,
    crank: Option<Crank>,
    delivery: DeliveryNumbers,
    /// Number of the last crank that ended.
    before: Option<u64>,
    /// Whether that crank belongs to the open run.
    in_run: bool,
    /// Height and last crank of the last block that ran cranks.
    ended: Option<(u64, u64)>,
    begun: Begun,
}

/// Limit of the ranges of heights that are remembered.
const RANGES: usize = 1_000;

/// Heights of the blocks that began since the process started.
#[derive(Clone, Debug, Default)]
struct Begun {
    /// Ranges from the lowest to the highest height, in the order in which they began.
    ranges: Vec<(u64, u64)>,
    last: Option<u64>,
}

impl Begun {
    /// Begins a block. Returns the last one if this block is lower and was not executed before. A
    /// node that was restored executes heights again that it has already executed, so that is no
    /// fault.
    fn begin(&mut self, height: u64) -> Option<u64> {
        let before = self.last.replace(height);
        let known = |(low, high): &(u64, u64)| (*low..=*high).contains(&height);
        if self.ranges.iter().any(known) {
            return None;
        }
        match self.ranges.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(height) => *high = height,
            _ => self.ranges.push((height, height)),
        }
        self.ranges.truncate(RANGES);
        before.filter(|before| height < *before)
    }
}

fn crank_of(entry: Entry<'_>) -> Option<u64> {
    let opening = Opening::of(entry).and_then(Opening::crank);
    opening.or_else(|| number(entry.line, "crankNum"))
}

fn fault_here(why: impl Into<String>) -> Option<Fault> {
    Some(Fault {
        why: why.into(),
        here: true,
    })
}

fn fault_before(why: impl Into<String>) -> Option<Fault> {
    Some(Fault {
        why: why.into(),
        here: false,
    })
}

/// A run that began, and its number.
#[derive(Clone, Copy, Debug)]
struct Run {
    number: Option<u64>,
}

#[derive(Clone, Debug)]
struct Crank {
    number: Option<u64>,
    /// The order of its steps; `None` before the first one was seen.
    steps: Option<Steps>,
    /// Vat and number of the last delivery.
    delivered: Option<(String, u64)>,
}

impl Crank {
    /// Begins a delivery. One crank can make several deliveries, and each must be a new one.
    fn delivers(&mut self, line: &[u8]) -> Option<String> {
        let numbers = super::numbers(line);
        let own = numbers.vat.zip(numbers.delivery);
        let before = std::mem::replace(&mut self.delivered, own);
        let ((vat, number), (before_vat, before)) = (self.delivered.as_ref()?, before?);
        (*vat == before_vat && *number <= before)
            .then(|| format!("delivery {number} to {vat} follows delivery {before}"))
    }
}

impl EntryOrder for OfKernel {
    fn take(&mut self, entry: Entry<'_>) -> Option<Fault> {
        let Entry { line, role, .. } = entry;
        let fault = match role {
            Role::Begin => self.block_begins(line),
            Role::RunStart => self.run_begins(line),
            Role::RunFinish => self.run_ends(line),
            Role::Input | Role::Trigger => self.outside("an input from outside the kernel is"),
            Role::CrankStart => self.crank_begins(entry),
            Role::End => self.block_ends(line),
            Role::Other | Role::Snapshot => {
                let other = self.of_another_block(entry);
                other.or_else(|| self.of_crank(entry))
            }
            _ => self.step(entry),
        };
        self.prepares |= !self.seen && role == Role::Input;
        self.seen = role != Role::End;
        if fault.is_some() {
            let height = self.height.filter(|_| role == Role::Begin);
            *self = OfKernel {
                height,
                ..OfKernel::default()
            };
        }
        fault
    }

    fn goes_back(&mut self, entry: Entry<'_>) -> Option<String> {
        match entry.role {
            Role::Begin => {
                let own = number(entry.line, "blockHeight")?;
                let before = self.begun.begin(own)?;
                Some(format!("block {own} begins after block {before}"))
            }
            // Crank numbers continue from the block before if the heights do.
            Role::CrankStart => {
                let (_, before) = self.ended.take()?;
                let own = crank_of(entry)?;
                (own <= before)
                    .then(|| format!("crank {own} follows an earlier block's crank {before}"))
            }
            _ => None,
        }
    }

    fn starts_anew(&mut self) {
        *self = OfKernel::behind();
    }

    fn forget(&mut self) {
        *self = OfKernel::default();
    }

    fn boxed(&self) -> Box<dyn EntryOrder> {
        Box::new(self.clone())
    }
}

impl OfKernel {
    /// The state behind a block's end, or where a process starts: no block is open.
    fn behind() -> OfKernel {
        OfKernel {
            behind: true,
            ..OfKernel::default()
        }
    }

    fn block_begins(&mut self, line: &[u8]) -> Option<Fault> {
        let height = number(line, "blockHeight");
        let before = std::mem::take(self);
        (self.height, self.begun) = (height, before.begun);
        // Crank numbers rise from block to block, unless the node was restored.
        let below = |(ended, _): &(u64, u64)| height.is_some_and(|own| own > *ended);
        self.ended = before.ended.filter(below);
        let own = before
            .prepared
            .is_none_or(|prepared| Some(prepared) == height);
        let prepares = before.prepares && own && before.crank.is_none() && before.run.is_none();
        (before.seen && before.height.is_none() && !prepares)
            .then(|| fault_before("a block begins after entries that do not belong to it"))?
    }

    fn outside(&self, what: &str) -> Option<Fault> {
        self.crank.as_ref()?;
        fault_here(format!("{what} inside a crank"))
    }

    fn run_begins(&mut self, line: &[u8]) -> Option<Fault> {
        if let Some(why) = self.outside("a run begins") {
            return Some(why);
        }
        if self.run.is_some() {
            return fault_before("a run begins inside a run");
        }
        let run = Run {
            number: number(line, "runNum"),
        };
        (self.run, self.in_run) = (Some(run), false);
        if self.height.is_none() {
            self.prepared = number(line, "blockHeight");
        }
        self.other_height(line)
    }

    fn run_ends(&mut self, line: &[u8]) -> Option<Fault> {
        if let Some(why) = self.outside("a run ends") {
            return Some(why);
        }
        let run = self.run.take();
        self.in_run = false;
        let Some(run) = run else {
            // The recording may begin inside the run.
            let begun = self.height.is_some() || self.behind;
            return fault_before("a run ends without a beginning").filter(|_| begun);
        };
        let (began, ends) = run.number.zip(number(line, "runNum"))?;
        if began == ends {
            return self.other_height(line);
        }
        fault_before(format!("run {ends} ends inside run {began}"))
    }

    fn block_ends(&mut self, line: &[u8]) -> Option<Fault> {
        if let Some(why) = self.outside("the block ends") {
            return Some(why);
        }
        if self.run.is_some() {
            return fault_before("the block ends inside a run");
        }
        let fault = match self.behind {
            true => fault_before("a block ends without a beginning"),
            false => self.other_height(line),
        };
        *self = OfKernel {
            ended: number(line, "blockHeight").zip(self.before).or(self.ended),
            begun: std::mem::take(&mut self.begun),
            ..OfKernel::behind()
        };
        fault
    }

    /// What was sent again may be one entry alone, and of the block before.
    fn of_another_block(&self, entry: Entry<'_>) -> Option<Fault> {
        let (name, _) = entry.written?;
        let is_of_block = name.starts_with(b"cosmic-swingset-");
        is_of_block.then(|| self.other_height(entry.line))?
    }

    fn other_height(&self, line: &[u8]) -> Option<Fault> {
        let (own, found) = (self.height?, number(line, "blockHeight")?);
        if own == found {
            return None;
        }
        fault_before(format!(
            "an entry of height {found} is in the block of height {own}"
        ))
    }

    fn crank_begins(&mut self, entry: Entry<'_>) -> Option<Fault> {
        if let Some(why) = self.outside("a crank begins") {
            return Some(why);
        }
        if self.behind && self.height.is_none() && self.run.is_none() && !self.seen {
            return fault_before("a crank begins outside a block");
        }
        let own = crank_of(entry);
        if let (Some(before), Some(own)) = (self.before, own) {
            let follows = match self.in_run {
                true => Some(own) == before.checked_add(1),
                false => own > before,
            };
            if !follows {
                return fault_here(format!("crank {own} follows crank {before}"));
            }
        }
        self.crank = Some(Crank {
            number: own,
            steps: Some(Steps::default()),
            delivered: None,
        });
        None
    }

    /// Takes a step of a delivery, or the end of its crank.
    fn step(&mut self, entry: Entry<'_>) -> Option<Fault> {
        let begun =
            self.height.is_some() || self.before.is_some() || self.run.is_some() || self.behind;
        if self.crank.is_none() && begun {
            return fault_before("an entry of a crank is outside cranks");
        }
        let role = entry.role;
        let [own, syscall] = match role {
            Role::Syscall | Role::SyscallResult => self.numbers(entry),
            _ => [crank_of(entry), None],
        };
        // The recording begins inside the crank.
        let crank = self.crank.get_or_insert(Crank {
            number: own,
            steps: None,
            delivered: None,
        });
        if let Some(why) = other_crank(crank.number, own) {
            return Some(why);
        }
        match &mut crank.steps {
            Some(steps) => {
                if let Some(why) = steps.take(role, syscall) {
                    return fault_here(why);
                }
            }
            unseen => *unseen = Some(Steps::from(role, syscall)),
        }
        if role == Role::Deliver
            && let Some(why) = crank.delivers(entry.line)
        {
            return fault_here(why);
        }
        if role == Role::CrankFinish {
            (self.before, self.in_run, self.crank) = (own, self.run.is_some(), None);
        }
        None
    }

    /// Crank and syscall of an entry of a delivery.
    fn numbers(&mut self, entry: Entry<'_>) -> [Option<u64>; 2] {
        let numbers = Opening::of(entry).and_then(|opening| self.delivery.numbers(opening));
        numbers.unwrap_or_else(|| {
            json::pick(entry.line, [b"crankNum", b"syscallNum"])
                .map(|value| value.and_then(values::read_u64))
        })
    }

    /// Takes any other entry that may name its crank.
    fn of_crank(&self, entry: Entry<'_>) -> Option<Fault> {
        let crank = self.crank.as_ref()?;
        other_crank(crank.number, crank_of(entry))
    }
}

fn other_crank(open: Option<u64>, own: Option<u64>) -> Option<Fault> {
    let (open, own) = open.zip(own)?;
    if open == own {
        return None;
    }
    fault_here(format!("an entry of crank {own} is inside crank {open}"))
}

fn number(line: &[u8], member: &str) -> Option<u64> {
    json::find(line, member.as_bytes()).and_then(values::read_u64)
}

#[cfg(test)]
mod tests {
    use super::super::SwingSet;
    use super::*;

    fn entry(word: &str) -> String {
        let (kind, number) = word.split_at(1);
        match kind {
            "B" => format!("{{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":{number}}}"),
            "R" => format!("{{\"type\":\"cosmic-swingset-run-start\",\"blockHeight\":{number}}}"),
            "r" => "{\"type\":\"cosmic-swingset-run-finish\"}".to_owned(),
            "E" => format!(
                "{{\"type\":\"cosmic-swingset-end-block-finish\",\"blockHeight\":{number}}}"
            ),
            "C" => format!("{{\"type\":\"crank-start\",\"crankNum\":{number}}}"),
            "c" => format!("{{\"type\":\"crank-finish\",\"crankNum\":{number}}}"),
            "D" => format!("{{\"type\":\"deliver\",\"crankNum\":{number}}}"),
            "V" => format!(
                "{{\"type\":\"deliver\",\"crankNum\":6,\"vatID\":\"v1\",\"deliveryNum\":{number}}}"
            ),
            "d" => format!("{{\"type\":\"deliver-result\",\"crankNum\":{number}}}"),
            "S" | "s" => {
                let (crank, number) = number.split_once(',').expect("two numbers");
                let name = if kind == "S" {
                    "syscall"
                } else {
                    "syscall-result"
                };
                format!("{{\"type\":\"{name}\",\"crankNum\":{crank},\"syscallNum\":{number}}}")
            }
            "l" => format!("{{\"type\":\"clist\",\"crankNum\":{number}}}"),
            _ => "{\"type\":\"cosmic-swingset-bridge-inbound\"}".to_owned(),
        }
    }

    /// The indices of the entries with a fault, and the faults.
    fn faults(entry_order: &str) -> Vec<(usize, String)> {
        let mut followed = OfKernel::default();
        let words = entry_order.split(' ').enumerate();
        let faults = words.filter_map(|(at, word)| {
            Some((
                at,
                followed
                    .take(Entry::new(&SwingSet, entry(word).as_bytes()))?
                    .why,
            ))
        });
        faults.collect()
    }

    #[test]
    fn what_a_kernel_writes_is_sound() {
        for entry_order in [
            "B1 I R1 C5 c5 C6 D6 l6 d6 c6 r I R1 C7 c7 r E1",
            // A recording that begins inside a crank, or inside a run.
            "d6 c6 C7 c7 r E1 B2 R2 C8 c8 r E2",
            "C7 c7 r E1",
            // Kernel work between runs uses crank numbers.
            "B1 R1 C5 c5 r R1 C9 c9 r E1",
            // Work that prepares a block.
            "I R1 C5 c5 r B1 R1 C6 c6 r E1",
            // Several blocks, and a node that was restored.
            "B1 R1 C5 c5 r E1 B2 R2 C9 c9 r E2 B2 R2 C6 c6 r E2",
            // A vat that is upgraded in one crank.
            "B1 R1 C6 V7 d6 V8 d6 c6 r E1",
            // A recording that begins inside a delivery.
            "S6,4 s6,4 S6,5 s6,5 d6 c6 C7 c7 r E1",
            "s6,4 S6,5 s6,5 d6 c6 C7 c7 r E1",
            // A node that died in a crank, and executed it again.
            "B1 R1 C5 D5 B1 R1 C5 D5 d5 c5 r E1",
        ] {
            assert_eq!(faults(entry_order), [], "{entry_order}");
        }
    }

    #[test]
    fn a_run_ends_that_began() {
        let line = |kind: &str, number: u64| {
            format!("{{\"type\":\"cosmic-swingset-run-{kind}\",\"runNum\":{number}}}")
        };
        let begins = entry("B1");
        let fault = |lines: &[String]| {
            let mut followed = OfKernel::default();
            let entries = lines
                .iter()
                .map(|line| Entry::new(&SwingSet, line.as_bytes()));
            entries.filter_map(|entry| followed.take(entry)).count()
        };
        let (start, end, block) = (line("start", 0), line("finish", 0), entry("E1"));
        assert_eq!(
            fault(&[begins.clone(), start.clone(), end.clone(), block.clone()]),
            0
        );
        assert_eq!(
            fault(std::slice::from_ref(&end)),
            0,
            "it began before the recording"
        );
        assert_eq!(
            fault(&[begins.clone(), start.clone(), line("finish", 1)]),
            1
        );
        assert_eq!(fault(&[begins, block, end]), 1, "behind a block");
    }

    #[test]
    fn heights_and_cranks_are_counted_on_from_block_to_block() {
        let goes_back = |entry_order: &str| {
            let mut followed = OfKernel::default();
            let back = entry_order.split(' ').map(|word| {
                let line = entry(word);
                let entry = Entry::new(&SwingSet, line.as_bytes());
                let back = followed.goes_back(entry);
                followed.take(entry);
                back
            });
            back.flatten().count()
        };
        for (entry_order, times) in [
            ("c9 r E1 B2 R2 C5 c5 C6 c6", 1),
            ("c9 r E1 B2 E2 B3 R3 C5 c5", 1),
            ("c9 r E1 B2 R2 C12 c12", 0),
            ("c9 r E2 B2 R2 C5 c5", 0),
            ("c9 r E2 B1 R1 C5 c5", 0),
            ("B2 R2 C7 c7 r E2 B1 R1 C5 c5", 1),
            ("B2 E2 B2 E2 B3 E3", 0),
            // A node that was restored to blocks that it had executed.
            ("B1 E1 B2 E2 B3 E3 B1 E1 B2 E2 B3 E3 B4 E4", 0),
            ("B1 E1 B2 E2 B5 E5 B6 E6 B3 E3 B4 E4", 1),
        ] {
            assert_eq!(goes_back(entry_order), times, "{entry_order}");
        }
    }

    #[test]
    fn what_was_lost_moved_or_mixed_is_told_where_it_stands() {
        for (entry_order, at, why) in [
            ("B1 R1 C5 c5 C7 c7 r E1", 4, "crank 7 follows crank 5"),
            ("B1 R1 C5 c5 r R1 C5 c5 r E1", 6, "crank 5 follows crank 5"),
            ("B1 R1 C5 D5 C6 c6", 4, "a crank begins inside a crank"),
            (
                "B1 R1 C5 D5 d6 c6",
                4,
                "an entry of crank 6 is inside crank 5",
            ),
            ("B1 R1 C5 D5 c5", 4, "a crank ends inside a delivery"),
            (
                "B1 R1 C6 V7 d6 V7",
                5,
                "delivery 7 to v1 follows delivery 7",
            ),
            (
                "B1 R1 C6 V7 S6,0 V7",
                5,
                "a delivery begins before the last one ended",
            ),
            (
                "S6,4 s6,4 S6,5 s6,4",
                3,
                "a syscall's result has no syscall",
            ),
            ("s6,4 S6,6 s6,6", 1, "found syscall 6, expected 5"),
            ("B1 R1 C5 l7 c5", 3, "an entry of crank 7 is inside crank 5"),
            ("B1 R1 d5 c5", 2, "an entry of a crank is outside cranks"),
            ("B1 R1 C5 c5 E1", 4, "the block ends inside a run"),
            (
                "B1 R1 C5 c5 r E2",
                5,
                "an entry of height 2 is in the block of height 1",
            ),
            ("B1 R1 R1", 2, "a run begins inside a run"),
            ("c7 r E5 E4", 3, "a block ends without a beginning"),
            ("B1 r", 1, "a run ends without a beginning"),
            ("c7 r E5 C8 c8", 3, "a crank begins outside a block"),
            (
                "C5 c5 B2",
                2,
                "a block begins after entries that do not belong to it",
            ),
            (
                "R1 r B2",
                2,
                "a block begins after entries that do not belong to it",
            ),
            (
                "I R1 r B2",
                3,
                "a block begins after entries that do not belong to it",
            ),
            (
                "B1 R1 C5 I c5",
                3,
                "an input from outside the kernel is inside a crank",
            ),
        ] {
            assert_eq!(
                faults(entry_order).first(),
                Some(&(at, why.to_owned())),
                "{entry_order}"
            );
        }
    }
}
