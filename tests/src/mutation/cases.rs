//! The kinds of mutations.

use crate::Random;

use super::renumber::{link, rechain, renumber, renumber_syscalls};
use super::slog::{Crank, Slog, element, kind_of, number, raw, replaced, with_member};
use super::{Case, Expected, writers};

/// Makes `share` cases of the usual kinds, and fewer or more of others, as
/// there are places for them. Each is handed on as it is made: all together
/// would not fit the memory.
pub fn cases(base: &Slog, random: &mut Random, share: usize, give: &mut dyn FnMut(Case)) {
    let mut maker = Maker { base, random, give };
    maker.values(share);
    maker.hashes(share);
    maker.raw_entries(share);
    maker.raw_cranks(share);
    maker.inputs(share);
    maker.syscalls_renumbered(share);
    maker.cranks_renumbered(share);
    maker.soft(share);
    maker.windows(share);
    maker.two_at_once(share);
    maker.replays(share);
    maker.cut(share);
    maker.rewritten(share);
    maker.shipped(share);
    maker.triggers(share);
    maker.snapshots();
    maker.executed_again(share);
    maker.other_versions();
}

struct Maker<'a> {
    base: &'a Slog,
    random: &'a mut Random,
    give: &'a mut dyn FnMut(Case),
}

impl Maker<'_> {
    fn add(&mut self, kind: &'static str, at: usize, slog: &Slog, expected: Expected) {
        self.add_bytes(kind, at, slog.bytes(), expected);
    }

    fn add_bytes(&mut self, kind: &'static str, at: usize, bytes: Vec<u8>, expected: Expected) {
        let name = format!("{kind} at line {}", at + 1);
        (self.give)(Case {
            name,
            kind,
            bytes,
            expected,
        });
    }

    /// At most `count` of these places, by chance, in order.
    fn pick(&mut self, mut places: Vec<usize>, count: usize) -> Vec<usize> {
        while places.len() > count {
            let at = self.random.below(places.len() as u64) as usize;
            places.swap_remove(at);
        }
        places.sort_unstable();
        places
    }

    fn pick_cranks(&mut self, wanted: impl Fn(&Crank) -> bool, count: usize) -> Vec<Crank> {
        let cranks: Vec<Crank> = self.base.cranks().into_iter().filter(wanted).collect();
        let picked = self.pick((0..cranks.len()).collect(), count);
        picked.into_iter().map(|index| cranks[index]).collect()
    }

    /// Lines of a type inside the cranks of whole blocks.
    fn in_cranks(&self, kind: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<usize> {
        let cranks = self.base.cranks();
        let inside = |at: &usize| {
            cranks
                .iter()
                .any(|crank| (crank.from..=crank.to).contains(at))
        };
        let lines = self.base.of_type(kind).into_iter();
        // What is replayed inside a crank is none of its steps.
        let replayed = |at: &usize| raw(&self.base.lines[*at], "replay") == Some(b"true");
        lines
            .filter(|at| !replayed(at) && wanted(&self.base.lines[*at]))
            .filter(inside)
            .collect()
    }

    fn change(&mut self, kind: &'static str, verdict: &'static str, at: usize, line: Vec<u8>) {
        let expected = self.base.expect(verdict, at);
        self.add(kind, at, &self.base.with_line(at, line), expected);
    }

    fn values(&mut self, share: usize) {
        let named =
            |name: &'static str| move |line: &[u8]| raw(line, "syscall") == Some(name.as_bytes());
        let reads = self.in_cranks("syscall-result", named("\"vatstoreGet\""));
        for at in self.pick(reads, 2 * share) {
            let line = self.base.lines[at].clone();
            let line = replace_element(&line, "ksr", 1, br##""{\"body\":\"#1\",\"slots\":[]}""##);
            let line = replace_element(&line, "vsr", 1, br##""{\"body\":\"#1\",\"slots\":[]}""##);
            self.change("a read's value", "state differs", at, line);
        }
        let devices = self.in_cranks("syscall-result", named("\"callNow\""));
        for at in self.pick(devices, share) {
            let line = replace_element(&self.base.lines[at].clone(), "ksr", 0, br#""another""#);
            self.change("a device's answer", "host answer differs", at, line);
        }
        let writes = self.in_cranks("syscall-result", named("\"vatstoreSet\""));
        for at in self.pick(writes, share) {
            let line = replace_element(&self.base.lines[at].clone(), "ksr", 1, br#""x""#);
            self.change("the answer to a write", "execution differs", at, line);
        }
        let syscalls = self.in_cranks("syscall", named("\"vatstoreSet\""));
        for at in self.pick(syscalls, share) {
            let line = replace_element(&self.base.lines[at].clone(), "ksc", 3, br#""x""#);
            self.change("a written value", "execution differs", at, line);
        }
        for at in self.pick(self.in_cranks("deliver", |_| true), share) {
            let line = replace_element(&self.base.lines[at].clone(), "kd", 1, br#""x""#);
            self.change("a delivery", "execution differs", at, line);
        }
        for at in self.pick(
            self.in_cranks("deliver-result", |line| compute(line).is_some()),
            share,
        ) {
            let line = self.base.lines[at].clone();
            let part = compute(&line).expect("metering");
            let line = replaced(&line, part, b"123456789");
            self.change("compute", "execution differs", at, line);
        }
        for at in self.pick(self.in_cranks("crank-start", |_| true), share) {
            let line = with_member(
                &self.base.lines[at].clone(),
                "message",
                br#"{"type":"other"}"#,
            );
            self.change("a crank's message", "execution differs", at, line);
        }
        for at in self.pick(self.in_cranks("clist", |_| true), share) {
            let line = with_member(&self.base.lines[at].clone(), "vobj", br#""p-99999999""#);
            self.change("a c-list entry", "execution differs", at, line);
        }
    }

    fn hashes(&mut self, share: usize) {
        for crank in self.pick_cranks(|_| true, share) {
            let value = format!("\"{}\"", "ab".repeat(32));
            let line = with_member(&self.base.lines[crank.to], "crankhash", value.as_bytes());
            self.change("a crankhash", "hash only", crank.to, line);
        }
        for crank in self.pick_cranks(|crank| crank.inside_run && crank.goes_on, share) {
            let value = format!("\"{}\"", "cd".repeat(32));
            let line = with_member(&self.base.lines[crank.to], "activityhash", value.as_bytes());
            self.change("an activityhash", "hash only", crank.to, line);
        }
        for crank in self.pick_cranks(|crank| !crank.inside_run, share / 2) {
            let mut slog = self.base.clone();
            hide_a_crank(&mut slog, crank);
            let expected = self.base.expect("hidden crank", crank.to);
            self.add("a hidden crank", crank.to, &slog, expected);
        }
    }

    /// Lines lost, repeated or moved in the recording: not what a kernel does.
    fn raw_entries(&mut self, share: usize) {
        for kind in [
            "syscall",
            "syscall-result",
            "deliver",
            "deliver-result",
            "crank-finish",
            "crank-start",
        ] {
            for at in self.pick(self.in_cranks(kind, |_| true), share / 3 + 1) {
                let expected = Expected {
                    height: Some(self.base.height_at(at)),
                    ..Expected::new("evidence insufficient")
                };
                self.add(
                    "a lost entry",
                    at,
                    &self.base.spliced(at, at + 1, &[]),
                    expected.clone(),
                );
                // At another time: no shipper sent the same line again.
                let other = with_member(&self.base.lines[at], "monotime", b"1.5");
                let twice = [self.base.lines[at].clone(), other];
                self.add(
                    "an entry twice",
                    at,
                    &self.base.spliced(at, at + 1, &twice),
                    expected,
                );
            }
        }
        for at in self.pick(self.in_cranks("syscall", |_| true), share) {
            let swapped = [self.base.lines[at + 1].clone(), self.base.lines[at].clone()];
            let expected = Expected {
                height: Some(self.base.height_at(at)),
                ..Expected::new("evidence insufficient")
            };
            self.add(
                "a result before its syscall",
                at,
                &self.base.spliced(at, at + 2, &swapped),
                expected,
            );
        }
    }

    fn raw_cranks(&mut self, share: usize) {
        for crank in self.pick_cranks(|crank| crank.goes_on, share) {
            let expected = Expected {
                height: Some(crank.height),
                ..Expected::new("evidence insufficient")
            };
            let lost = self.base.spliced(crank.from, crank.to + 1, &[]);
            self.add("a lost crank", crank.from, &lost, expected.clone());
            let again = self.base.lines[crank.from..=crank.to].to_vec();
            let twice = self.base.spliced(crank.to + 1, crank.to + 1, &again);
            self.add("a crank twice", crank.to, &twice, expected.clone());
            let swapped = swapped_with_next(self.base, crank);
            self.add("two cranks moved", crank.from, &swapped, expected);
        }
    }

    fn inputs(&mut self, share: usize) {
        let inputs: Vec<usize> = self.base.of_type("cosmic-swingset-bridge-inbound");
        for at in self.pick(inputs.clone(), share) {
            let line = with_member(&self.base.lines[at], "body", br#"{"type":"OTHER"}"#);
            self.change("an input's body", "inputs differ", at, line);
            let line = with_member(&self.base.lines[at], "inboundNum", br#""99-9-""#);
            self.change("an input's number", "inputs differ", at, line);
            let expected = self.base.expect("inputs differ", at);
            self.add(
                "an input less",
                at,
                &self.base.spliced(at, at + 1, &[]),
                expected,
            );
            let extra = with_member(&self.base.lines[at], "body", br#"{"type":"EXTRA"}"#);
            let expected = self.base.expect("inputs differ", at);
            self.add(
                "an input more",
                at,
                &self.base.spliced(at, at, &[extra]),
                expected,
            );
        }
        for pair in inputs.windows(2) {
            let [one, other] = [pair[0], pair[1]];
            if self.base.height_at(one) != self.base.height_at(other) {
                continue;
            }
            let bodies =
                [one, other].map(|at| raw(&self.base.lines[at], "body").expect("a body").to_vec());
            let mut slog = self.base.clone();
            slog.lines[one] = with_member(&slog.lines[one], "body", &bodies[1]);
            slog.lines[other] = with_member(&slog.lines[other], "body", &bodies[0]);
            let expected = self.base.expect("inputs differ", one);
            self.add("two inputs moved", one, &slog, expected);
        }
        for at in self.base.of_type("cosmic-swingset-begin-block") {
            let line = with_member(&self.base.lines[at], "blockTime", b"1800000000");
            self.change("the block's time", "inputs differ", at, line);
        }
        self.carried_over();
    }

    /// The last input of a block, with its run, runs at the next block's start.
    fn carried_over(&mut self) {
        let blocks = self.base.blocks();
        for pair in blocks.windows(2) {
            let [(from, to), (next, _)] = [pair[0], pair[1]];
            let inputs = self.base.of_type("cosmic-swingset-bridge-inbound");
            let Some(input) = inputs.into_iter().rfind(|at| (from..to).contains(at)) else {
                continue;
            };
            let height = self.base.height_at(next).to_string();
            // The kernel writes the height of the block that runs it.
            let at_height = |line: &Vec<u8>| match raw(line, "blockHeight") {
                Some(_) => with_member(line, "blockHeight", height.as_bytes()),
                None => line.clone(),
            };
            let moved: Vec<Vec<u8>> = self.base.lines[input..to].iter().map(at_height).collect();
            let rest = self.base.lines[to..next + 2].to_vec();
            let mut slog = self.base.spliced(input, next + 2, &[rest, moved].concat());
            renumber(&mut slog, input);
            let expected = self.base.expect("execution differs", input);
            self.add("an input carried over", input, &slog, expected);
        }
    }

    fn syscalls_renumbered(&mut self, share: usize) {
        for at in self.pick(self.in_cranks("syscall", |_| true), share) {
            let pair = [
                with_member(
                    &self.base.lines[at],
                    "ksc",
                    br#"["vatstoreGet","v0","another"]"#,
                ),
                self.base.lines[at + 1].clone(),
            ];
            let mut slog = self.base.spliced(at, at, &pair);
            renumber_syscalls(&mut slog, at);
            let expected = self.base.expect("execution differs", at);
            self.add("a syscall more", at, &slog, expected);
            // Of two equal syscalls in a row nobody can tell which one is missing.
            let same = |at: usize| {
                (
                    raw(&self.base.lines[at], "ksc"),
                    kind_of(&self.base.lines[at]),
                )
            };
            if same(at) == same(at + 2) {
                continue;
            }
            let mut slog = self.base.spliced(at, at + 2, &[]);
            renumber_syscalls(&mut slog, at);
            let expected = self.base.expect("execution differs", at);
            self.add("a syscall less", at, &slog, expected);
        }
        let followed = |base: &Slog, at: usize| {
            base.lines
                .get(at + 2)
                .is_some_and(|next| kind_of(next) == "syscall")
                && raw(&base.lines[at], "ksc") != raw(&base.lines[at + 2], "ksc")
        };
        let places = self
            .in_cranks("syscall", |_| true)
            .into_iter()
            .filter(|at| followed(self.base, *at));
        for at in self.pick(places.collect(), share) {
            let lines = &self.base.lines;
            let swapped =
                [&lines[at + 2], &lines[at + 3], &lines[at], &lines[at + 1]].map(Clone::clone);
            let mut slog = self.base.spliced(at, at + 4, &swapped);
            renumber_syscalls(&mut slog, at);
            let expected = Expected {
                kind: None,
                ..self.base.expect("order differs", at)
            };
            self.add("two syscalls moved", at, &slog, expected);
        }
    }

    fn cranks_renumbered(&mut self, share: usize) {
        for crank in self.pick_cranks(|crank| crank.goes_on && crank.inside_run, share) {
            let next_differs = raw(&self.base.lines[crank.from], "message")
                != raw(&self.base.lines[crank.to + 1], "message");
            let place = Expected {
                height: Some(crank.height),
                crank: Some(crank.number),
                ..Expected::default()
            };
            let of = |verdict| Expected {
                height: place.height,
                crank: place.crank,
                ..Expected::new(verdict)
            };
            let mut less = self.base.spliced(crank.from, crank.to + 1, &[]);
            renumber(&mut less, crank.from);
            if next_differs {
                self.add("a crank less", crank.from, &less, of("execution differs"));
                let mut moved = swapped_with_next(self.base, crank);
                renumber(&mut moved, crank.from);
                self.add(
                    "two cranks moved in truth",
                    crank.from,
                    &moved,
                    of("order differs"),
                );
            }
        }
    }

    fn soft(&mut self, share: usize) {
        let every: Vec<usize> = (0..self.base.lines.len()).collect();
        for at in self.pick(every, share) {
            let line = with_member(&self.base.lines[at], "time", b"1.5");
            let line = with_member(&line, "monotime", b"2.5");
            self.add(
                "times",
                at,
                &self.base.with_line(at, line),
                Expected::new("identical"),
            );
        }
        for at in self.pick(
            self.in_cranks("deliver-result", |line| compute(line).is_some()),
            share,
        ) {
            let line = self.base.lines[at].clone();
            let meter = element(&line, "dr", 2).expect("metering");
            let heap = raw(meter, "currentHeapCount").expect("a count");
            let line = replaced(&line, heap, b"1");
            self.add(
                "heap counts",
                at,
                &self.base.with_line(at, line),
                Expected::new("identical"),
            );
        }
        for kind in [
            "console",
            "cosmic-swingset-commit-block-finish",
            "cosmic-swingset-after-commit-stats",
            "heap-snapshot-load",
        ] {
            for at in self.pick(self.base.of_type(kind), share) {
                let mut line = self.base.lines[at].clone();
                let end = line.len() - 1;
                line.splice(end..end, br#","more":true"#.iter().copied());
                self.add(
                    "entries that do not count",
                    at,
                    &self.base.with_line(at, line),
                    Expected::new("identical"),
                );
                let without = self.base.spliced(at, at + 1, &[]);
                self.add(
                    "entries that do not count",
                    at,
                    &without,
                    Expected::new("identical"),
                );
            }
        }
    }

    /// Recordings that end or begin in the middle of a block.
    fn windows(&mut self, share: usize) {
        let blocks = self.base.blocks();
        let ((first, first_end), (last, last_end)) = (blocks[0], blocks[blocks.len() - 1]);
        for at in self.pick((last + 1..last_end).collect(), share) {
            let mut slog = self.base.clone();
            slog.lines.truncate(at);
            self.add("ends in mid-block", at, &slog, Expected::new("identical"));
        }
        for at in self.pick((first + 1..first_end).collect(), share) {
            let slog = self.base.spliced(0, at, &[]);
            self.add("begins in mid-block", at, &slog, Expected::new("identical"));
        }
        for pair in blocks.windows(3) {
            let [_, (from, _), (next, _)] = [pair[0], pair[1], pair[2]];
            let slog = self.base.spliced(from, next, &[]);
            self.add(
                "a block lost",
                from,
                &slog,
                Expected::new("evidence insufficient"),
            );
        }
    }

    /// The earlier of two differences decides.
    fn two_at_once(&mut self, share: usize) {
        let reads = self.in_cranks("syscall-result", |line| {
            raw(line, "syscall") == Some(b"\"vatstoreGet\"")
        });
        let computes = self.in_cranks("deliver-result", |line| compute(line).is_some());
        for at in self.pick(reads, share) {
            let other = computes[self.random.below(computes.len() as u64) as usize];
            let mut slog = self.base.with_line(
                at,
                replace_element(&self.base.lines[at], "ksr", 1, br#""y""#),
            );
            let line = slog.lines[other].clone();
            let part = compute(&line).expect("metering");
            slog.lines[other] = replaced(&line, part, b"987654321");
            let (verdict, first) = if at < other {
                ("state differs", at)
            } else {
                ("execution differs", other)
            };
            let expected = self.base.expect(verdict, first);
            self.add("two differences", first, &slog, expected);
        }
    }

    /// A delivery replayed between two blocks, as after a restart.
    fn replays(&mut self, share: usize) {
        let blocks = self.base.blocks();
        let (from, next) = (blocks[0].0, blocks[1].0);
        let deliveries = self.in_cranks("deliver", |_| true);
        let places: Vec<usize> = deliveries
            .into_iter()
            .filter(|at| (from..next).contains(at))
            .collect();
        for at in self.pick(places, share) {
            let end = (at..)
                .find(|at| kind_of(&self.base.lines[*at]) == "deliver-result")
                .expect("a result");
            let steps = self.base.lines[at..=end].iter().filter(|line| {
                matches!(
                    kind_of(line),
                    "deliver" | "deliver-result" | "syscall" | "syscall-result"
                )
            });
            let replay: Vec<Vec<u8>> = steps.map(|line| as_replay(line)).collect();
            self.add(
                "a true replay",
                at,
                &self.base.spliced(next, next, &replay),
                Expected::new("identical"),
            );
            let step = self.random.below(replay.len() as u64) as usize;
            let mut wrong = replay.clone();
            wrong[step] = untrue(&replay[step]);
            let expected = Expected {
                height: Some(self.base.height_at(next)),
                delivery: number(&replay[step], "deliveryNum"),
                syscall: number(&replay[step], "syscallNum"),
                kind: Some(kind_of(&replay[step]).to_owned()),
                ..Expected::new("replay differs")
            };
            self.add(
                "an untrue replay",
                at,
                &self.base.spliced(next, next, &wrong),
                expected,
            );
        }
    }

    /// Recordings that end inside a line: equal as far as they go, and what differs
    /// before the cut differs.
    fn cut(&mut self, share: usize) {
        let blocks = self.base.blocks();
        let (last, last_end) = blocks[blocks.len() - 1];
        for at in self.pick((last + 1..last_end).collect(), share) {
            let mut slog = self.base.clone();
            slog.lines.truncate(at + 1);
            let mut bytes = slog.bytes();
            let line = slog.lines[at].len() + 1;
            bytes.truncate(bytes.len() - line + 1 + self.random.below(line as u64 - 2) as usize);
            self.add_bytes("cut in a line", at, bytes, Expected::new("identical"));
        }
        let reads = self.in_cranks("syscall-result", |line| {
            raw(line, "syscall") == Some(b"\"vatstoreGet\"")
        });
        let reads: Vec<usize> = reads.into_iter().filter(|at| *at > last).collect();
        for at in self.pick(reads, share) {
            let line = self.base.lines[at].clone();
            let line = replace_element(&line, "ksr", 1, br#""another""#);
            let mut slog = self.base.with_line(at, line);
            slog.lines.truncate(at + 1);
            let expected = self.base.expect("state differs", at);
            self.add("ends behind a read that differs", at, &slog, expected);
        }
    }

    /// The same entries as other JSON writers write them, and one that differs in
    /// truth.
    fn rewritten(&mut self, share: usize) {
        for (kind, write) in writers::ALL {
            let all = |slog: &Slog| Slog {
                lines: slog.lines.iter().map(|line| write(line)).collect(),
            };
            self.add(kind, 0, &all(self.base), Expected::new("identical"));
            let reads = self.in_cranks("syscall-result", |line| {
                raw(line, "syscall") == Some(b"\"vatstoreGet\"")
            });
            for at in self.pick(reads, share / 6 + 1) {
                let line = replace_element(&self.base.lines[at], "ksr", 1, br#""another""#);
                let slog = all(&self.base.with_line(at, line));
                let expected = self.base.expect("state differs", at);
                self.add(kind, at, &slog, expected);
            }
            let inputs = self.base.of_type("cosmic-swingset-bridge-inbound");
            for at in self.pick(inputs, share / 6 + 1) {
                let line = with_member(&self.base.lines[at], "body", br#"{"type":"OTHER"}"#);
                let slog = all(&self.base.with_line(at, line));
                let expected = self.base.expect("inputs differ", at);
                self.add(kind, at, &slog, expected);
            }
        }
    }

    /// What carries lines puts something before them, and sends some twice.
    fn shipped(&mut self, share: usize) {
        let identical = || Expected::new("identical");
        let prefixes = [
            "Nov 28 10:00:00 host agd[77]: ",
            "<14>1 2026-11-28T10:00:00Z host agd 7 - - ",
            "2026-11-28T10:00:00.123456789Z ",
            "2026-11-28T10:00:00.1Z stdout F ",
            "agd-1  | ",
        ];
        for prefix in prefixes {
            let lines = self.base.lines.iter();
            let lines = lines
                .map(|line| [prefix.as_bytes(), line].concat())
                .collect();
            self.add("with a prefix", 0, &Slog { lines }, identical());
        }
        let marked = [b"\xef\xbb\xbf".as_slice(), &self.base.bytes()].concat();
        self.add_bytes("behind a byte order mark", 0, marked, identical());
        let twice = self
            .base
            .lines
            .iter()
            .flat_map(|line| [line.clone(), line.clone()]);
        let all = Slog {
            lines: twice.collect(),
        };
        self.add("every line twice", 0, &all, identical());
        let mut kinds: Vec<String> = self
            .base
            .lines
            .iter()
            .map(|line| kind_of(line).to_owned())
            .collect();
        kinds.sort();
        kinds.dedup();
        for kind in kinds {
            for at in self.pick(self.base.of_type(&kind), share / 12 + 1) {
                let again = [self.base.lines[at].clone()];
                let slog = self.base.spliced(at, at, &again);
                self.add("a line sent twice", at, &slog, identical());
            }
        }
    }

    /// Triggers from outside the kernel, more of them and fewer.
    fn triggers(&mut self, share: usize) {
        let poll = self.base.of_type("cosmic-swingset-timer-poll");
        let Some(first) = poll.first().copied() else {
            return;
        };
        let inputs = self.base.of_type("cosmic-swingset-bridge-inbound");
        for at in self.pick(inputs, share) {
            let mut line = with_member(&self.base.lines[first], "monotime", b"7.25");
            let height = self.base.height_at(at).to_string();
            line = with_member(&line, "blockHeight", height.as_bytes());
            line = with_member(&line, "blockTime", b"1234567890");
            let slog = self.base.spliced(at, at, &[line]);
            let expected = Expected {
                height: Some(self.base.height_at(at)),
                kind: Some("cosmic-swingset-timer-poll".to_owned()),
                ..Expected::new("inputs differ")
            };
            self.add("a timer poll more", at, &slog, expected);
        }
        for at in self.pick(poll, share) {
            let slog = self.base.spliced(at, at + 1, &[]);
            let expected = self.base.expect("inputs differ", at);
            self.add("a timer poll less", at, &slog, expected);
        }
    }

    fn snapshots(&mut self) {
        for at in self.base.of_type("heap-snapshot-save") {
            let id = format!("\"{}\"", "0e".repeat(32));
            let line = with_member(&self.base.lines[at], "snapshotID", id.as_bytes());
            let crank = self.base.lines[..at].iter().rev();
            let crank = crank.filter(|line| kind_of(line) == "crank-start");
            let expected = Expected {
                crank: crank.filter_map(|line| number(line, "crankNum")).next(),
                ..self.base.expect("snapshot differs", at)
            };
            self.add(
                "another heap snapshot",
                at,
                &self.base.with_line(at, line),
                expected,
            );
        }
    }

    /// A node that dies executes a block again; one that is put back, many.
    fn executed_again(&mut self, share: usize) {
        let blocks = self.base.blocks();
        let start = br#"{"type":"kernel-init-start","time":1.5,"monotime":0.001}"#.to_vec();
        let (last, last_end) = blocks[blocks.len() - 1];
        for at in self.pick((last + 1..last_end).collect(), share / 3 + 1) {
            let begun = self.base.lines[last..at].iter();
            let mut again: Vec<Vec<u8>> = begun.map(|line| later(line)).collect();
            again.push(start.clone());
            let slog = self.base.spliced(last, last, &again);
            self.add("died in a block", at, &slog, Expected::new("identical"));
        }
        let whole: Vec<Vec<u8>> = self.base.lines[blocks[0].0..].to_vec();
        let second: Vec<Vec<u8>> = whole.iter().map(|line| later(line)).collect();
        let end = self.base.lines.len();
        let twice = self.base.spliced(end, end, &second);
        self.add("went back", end, &twice, Expected::new("identical"));
        let computes = self.in_cranks("deliver-result", |line| compute(line).is_some());
        for at in self.pick(computes, share / 3 + 1) {
            let other = replaced(
                &self.base.lines[at],
                compute(&self.base.lines[at]).expect("metering"),
                b"7",
            );
            let expected = self.base.expect("execution differs", at);
            let mut first = twice.clone();
            first.lines[at] = other.clone();
            self.add(
                "went back, and did otherwise before",
                at,
                &first,
                expected.clone(),
            );
            let mut last = twice.clone();
            let offset = end - blocks[0].0;
            last.lines[at + offset] = later(&other);
            self.add("went back, and did otherwise then", at, &last, expected);
        }
    }

    /// Kernels of other versions.
    fn other_versions(&mut self) {
        let changed = |kind: &str, change: &dyn Fn(&[u8]) -> Vec<u8>| Slog {
            lines: self
                .base
                .lines
                .iter()
                .map(|line| match kind_of(line) == kind {
                    true => change(line),
                    false => line.clone(),
                })
                .collect(),
        };
        let without =
            |line: &[u8]| without_member(&without_member(line, "crankhash"), "activityhash");
        let hashless = changed("crank-finish", &without);
        let deliver = changed("deliver", &|line| with_more(line, br#""novel":true"#));
        let lines = self.base.lines.iter().flat_map(|line| {
            let note = (kind_of(line) == "crank-start").then(|| {
                let number = number(line, "crankNum").unwrap_or(0);
                format!(r#"{{"type":"crank-novel","crankNum":{number},"time":1.5,"monotime":{number}.25}}"#)
            });
            std::iter::once(line.clone()).chain(note.map(String::into_bytes))
        });
        let novel = Slog {
            lines: lines.collect(),
        };
        self.add("no crankhashes", 0, &hashless, Expected::new("identical"));
        let first = |kind: &str| self.base.of_type(kind)[0];
        let (at, start) = (first("deliver"), first("crank-start"));
        let expected = Expected {
            words: Some("another version"),
            ..self.base.expect("evidence insufficient", at)
        };
        self.add("a new member in every deliver", at, &deliver, expected);
        let expected = Expected {
            words: Some("another version"),
            height: Some(self.base.height_at(start)),
            crank: number(&self.base.lines[start], "crankNum"),
            kind: Some("crank-novel".to_owned()),
            ..Expected::new("evidence insufficient")
        };
        self.add("a new type in every crank", start, &novel, expected);
    }
}

/// The entry at a later time of the same process.
pub(super) fn later(line: &[u8]) -> Vec<u8> {
    let time = raw(line, "monotime")
        .map(<[u8]>::to_vec)
        .unwrap_or_default();
    match time.is_empty() {
        true => line.to_vec(),
        false => with_member(line, "monotime", &[b"9".as_slice(), &time].concat()),
    }
}

pub(super) fn with_more(line: &[u8], member: &[u8]) -> Vec<u8> {
    let mut line = line.to_vec();
    let at = line.iter().position(|byte| *byte == b',').expect("members");
    line.splice(at..at, [b",".as_slice(), member].concat());
    line
}

pub(super) fn without_member(line: &[u8], member: &str) -> Vec<u8> {
    let Some(value) = raw(line, member) else {
        return line.to_vec();
    };
    let from = value.as_ptr() as usize - line.as_ptr() as usize - member.len() - 4;
    let mut out = line.to_vec();
    out.drain(from..from + member.len() + 4 + value.len());
    out
}

pub(super) fn compute(line: &[u8]) -> Option<&[u8]> {
    raw(element(line, "dr", 2)?, "compute")
}

/// Of an array that has no such element, the first.
fn replace_element(line: &[u8], member: &str, index: usize, with: &[u8]) -> Vec<u8> {
    let part = element(line, member, index).or_else(|| element(line, member, 0));
    let part = part.unwrap_or_else(|| panic!("no {member}[0]"));
    replaced(line, part, with)
}

/// The activityhash goes on from kernel work that no entry tells of.
fn hide_a_crank(slog: &mut Slog, first_of_run: Crank) {
    let text = |line: &[u8], member: &str| {
        String::from_utf8_lossy(raw(line, member).expect("a hash"))
            .trim_matches('"')
            .to_owned()
    };
    let line = &slog.lines[first_of_run.to];
    let hidden = link(&text(line, "activityhash"), &"0".repeat(64));
    let next = link(&hidden, &text(line, "crankhash"));
    slog.lines[first_of_run.to] =
        with_member(line, "activityhash", format!("\"{next}\"").as_bytes());
    let mut rest = Slog {
        lines: slog.lines.split_off(first_of_run.to),
    };
    rechain(&mut rest);
    slog.lines.append(&mut rest.lines);
}

fn swapped_with_next(base: &Slog, crank: Crank) -> Slog {
    let next_end = (crank.to + 1..)
        .find(|at| kind_of(&base.lines[*at]) == "crank-finish")
        .expect("a crank");
    let (one, other) = (
        &base.lines[crank.from..=crank.to],
        &base.lines[crank.to + 1..=next_end],
    );
    base.spliced(crank.from, next_end + 1, &[other, one].concat())
}

/// The entry as the kernel writes it while it replays.
pub(super) fn as_replay(line: &[u8]) -> Vec<u8> {
    let mut line = with_member(line, "replay", b"true");
    for member in ["crankNum", "kd", "ksc", "ksr"] {
        if let Some(value) = raw(&line, member) {
            let from = value.as_ptr() as usize - line.as_ptr() as usize - member.len() - 3;
            let length = member.len() + 3 + value.len() + 1;
            line.drain(from..from + length);
        }
    }
    line
}

fn untrue(line: &[u8]) -> Vec<u8> {
    match kind_of(line) {
        "deliver" => replace_element(line, "vd", 1, br#""z""#),
        "syscall" => replace_element(line, "vsc", 1, br#""z""#),
        "syscall-result" => replace_element(line, "vsr", 0, br#""z""#),
        _ => replace_element(line, "dr", 0, br#""z""#),
    }
}
