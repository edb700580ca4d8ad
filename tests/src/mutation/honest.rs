//! What makes recordings of honest nodes differ in bytes. None of it is anything
//! that a node did otherwise, so whatever a command accuses of it is a fault of the
//! command.

use std::collections::BTreeSet;

use crate::Random;

use super::cases::{as_replay, compute, later, with_more, without_member};
use super::slog::{Slog, kind_of, number, raw, replaced, with_member};
use super::writers;

/// One recording of an execution.
#[derive(Clone)]
pub struct Recording {
    /// What was done to it, in order.
    pub made: Vec<&'static str>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Heights that stand in it whole and in order.
    pub whole: BTreeSet<u64>,
}

impl Recording {
    /// Another version's kernel wrote it.
    pub fn is_of_another_version(&self) -> bool {
        self.has(ANOTHER_MEMBER) || self.has(ANOTHER_TYPE)
    }

    /// This was done to it.
    pub fn has(&self, kind: &str) -> bool {
        self.made.contains(&kind)
    }
}

/// Hashes are missing.
pub const NO_HASHES: &str = "no hashes";
/// A member that the other side does not know.
pub const ANOTHER_MEMBER: &str = "another version's member";
/// An entry type that the other side does not know.
pub const ANOTHER_TYPE: &str = "another version's type";

/// A recording of an execution, made by up to three of the kinds.
pub fn recording(of: &Slog, random: &mut Random) -> Recording {
    let mut draft = Draft::of(of);
    for stage in STAGES {
        if random.below(5) < 2 {
            let kind = random.below(stage.len() as u64) as usize;
            draft.make(stage[kind], random);
        }
    }
    draft.finish(random)
}

/// A recording by one kind alone, and the names of all kinds.
pub fn of_kind(of: &Slog, kind: &'static str, random: &mut Random) -> Recording {
    let mut draft = Draft::of(of);
    let change = STAGES.iter().flat_map(|stage| stage.iter());
    let change = change.into_iter().find(|change| change.0 == kind);
    draft.make(*change.expect("a kind"), random);
    draft.finish(random)
}

/// The kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    STAGES
        .iter()
        .flat_map(|stage| stage.iter().map(|change| change.0))
}

/// A node that died at a line of a block and executed it again. `how` chooses what
/// it wrote when it started.
pub fn crashed(of: &Slog, block: usize, at: usize, how: u64) -> Recording {
    let mut draft = Draft::of(of);
    draft.made.push("crash at a line");
    draft.crash(block, at, how);
    draft.finish(&mut Random(how))
}

/// What stands of a block: its first line, and the first behind its last.
pub fn blocks(of: &Slog) -> Vec<(usize, usize)> {
    let begins = of.of_type("cosmic-swingset-begin-block");
    let ends = begins.iter().skip(1).copied().chain([of.lines.len()]);
    begins.iter().copied().zip(ends).collect()
}

type Change = (&'static str, fn(&mut Draft, &mut Random));

/// What the kernel wrote, what the node went through, what the clock and the machine
/// added, what is left, what carried it.
const STAGES: [&[Change]; 5] = [
    &[
        (NO_HASHES, |draft, random| draft.without_hashes(random)),
        (ANOTHER_MEMBER, |draft, random| draft.another_member(random)),
        (ANOTHER_TYPE, |draft, _| draft.another_type()),
    ],
    &[
        ("crash", |draft, random| draft.crash_anywhere(random)),
        ("crash", |draft, random| draft.crash_anywhere(random)),
        ("crashes", |draft, random| {
            (0..3).for_each(|_| draft.crash_anywhere(random));
        }),
        ("restart", |draft, random| draft.restart(random)),
        ("rollback", |draft, random| draft.roll_back(random)),
    ],
    &[
        ("clock", |draft, random| draft.clock(random)),
        ("machine", |draft, random| draft.machine(random)),
        ("local entries", |draft, random| draft.local(random)),
    ],
    &[
        ("cut at its end", |draft, random| draft.cut_end(random)),
        ("cut at its beginning", |draft, random| {
            draft.cut_begin(random)
        }),
        ("cut in a line", |draft, random| draft.cut_line(random)),
        ("pieces that overlap", |draft, random| {
            draft.pieces(random, true, false)
        }),
        ("pieces in any order", |draft, random| {
            draft.pieces(random, false, true)
        }),
        ("pieces in any order that overlap", |draft, random| {
            draft.pieces(random, true, true)
        }),
    ],
    &[
        ("rewritten", |draft, random| draft.rewrite(random)),
        ("lines twice", |draft, random| draft.twice(random)),
        ("a chunk twice", |draft, random| draft.chunk_twice(random)),
        ("behind prefixes", |draft, random| draft.prefix(random)),
        ("byte order mark", |draft, _| draft.mark = true),
    ],
];

const PREFIXES: [&str; 6] = [
    "Nov 28 10:00:00 host agd[77]: ",
    "<14>1 2026-11-28T10:00:00Z host agd 7 - - ",
    "2026-11-28T10:00:00.123456789Z ",
    "2026-11-28T10:00:00.1Z stdout F ",
    "agd-1  | ",
    "weird> ",
];

struct Draft {
    made: Vec<&'static str>,
    lines: Slog,
    whole: BTreeSet<u64>,
    /// Bytes that are missing of the last line.
    torn: bool,
    mark: bool,
}

impl Draft {
    fn of(slog: &Slog) -> Draft {
        let blocks = slog.blocks();
        let whole = blocks.iter().map(|block| slog.height_at(block.0)).collect();
        Draft {
            made: Vec::new(),
            whole,
            lines: slog.clone(),
            torn: false,
            mark: false,
        }
    }

    fn make(&mut self, (kind, change): Change, random: &mut Random) {
        self.made.push(kind);
        change(self, random);
    }

    fn finish(self, random: &mut Random) -> Recording {
        let mut bytes = self.lines.bytes();
        if self.torn
            && let Some(last) = self.lines.lines.last()
        {
            let missing = 2 + random.below(last.len() as u64 - 1) as usize;
            bytes.truncate(bytes.len() - missing);
        }
        if self.mark {
            bytes.splice(0..0, *b"\xef\xbb\xbf");
        }
        Recording {
            made: self.made,
            bytes,
            whole: self.whole,
        }
    }

    fn each(&mut self, mut change: impl FnMut(&str, &[u8]) -> Option<Vec<u8>>) {
        for line in &mut self.lines.lines {
            let kind = kind_of(line).to_owned();
            if let Some(changed) = change(&kind, line) {
                *line = changed;
            }
        }
    }

    fn line(&self, random: &mut Random) -> usize {
        random.below(self.lines.lines.len() as u64) as usize
    }

    /// A line of these is not there: no height around it is whole.
    fn break_at(&mut self, at: usize) {
        let height = self.lines.height_at(at.min(self.lines.lines.len() - 1));
        self.whole.remove(&height);
    }

    // ---- what the kernel wrote ----

    fn without_hashes(&mut self, random: &mut Random) {
        // An older version, or one up to an upgrade between two blocks.
        let blocks = blocks(&self.lines);
        let until = match random.below(2) {
            0 => self.lines.lines.len(),
            _ => blocks[random.below(blocks.len() as u64) as usize].1,
        };
        for line in &mut self.lines.lines[..until] {
            if kind_of(line) == "crank-finish" {
                for member in ["crankhash", "activityhash"] {
                    *line = without_member(line, member);
                }
            }
        }
    }

    fn another_member(&mut self, random: &mut Random) {
        let kinds = [
            "deliver",
            "syscall",
            "crank-start",
            "cosmic-swingset-begin-block",
            "crank-finish",
        ];
        let of = kinds[random.below(kinds.len() as u64) as usize];
        self.each(|kind, line| (kind == of).then(|| with_more(line, br#""novel":true"#)));
    }

    fn another_type(&mut self) {
        let mut time = 0;
        let lines = std::mem::take(&mut self.lines.lines).into_iter().flat_map(|line| {
            time += 1;
            let note = (kind_of(&line) == "crank-start").then(|| {
                let number = number(&line, "crankNum").unwrap_or(0);
                format!(r#"{{"type":"crank-novel","crankNum":{number},"time":1.5,"monotime":{time}.25}}"#)
            });
            std::iter::once(line).chain(note.map(String::into_bytes))
        });
        self.lines.lines = lines.collect();
    }

    // ---- what the node went through ----

    fn crash_anywhere(&mut self, random: &mut Random) {
        let blocks = blocks(&self.lines);
        let block = random.below(blocks.len() as u64) as usize;
        let (from, to) = blocks[block];
        let at = from + 1 + random.below((to - from) as u64 - 1) as usize;
        self.crash(block, at, random.draw());
    }

    /// Dies before line `at` of a block, and executes the block again.
    fn crash(&mut self, block: usize, at: usize, how: u64) {
        let blocks = blocks(&self.lines);
        let (from, to) = blocks[block];
        let lines = &self.lines.lines;
        let has = |kind: &str| lines[from..at].iter().any(|line| kind_of(line) == kind);
        if has("cosmic-swingset-commit-block-finish") {
            // What is committed is not executed again.
            let started = self.start(how, at);
            self.lines = self.lines.spliced(at, at, &started);
            return;
        }
        let saved = has("cosmic-swingset-commit-block-start") && how & 1 == 1;
        let mut insert = self.start(how, from);
        // A process that dies leaves half a line at times.
        if how & 14 == 2 {
            let half = &lines[at][..lines[at].len() / 2];
            insert[0] = [half, &insert[0]].concat();
        }
        let again = lines[from..to].iter();
        let outside = |line: &&Vec<u8>| {
            kind_of(line).starts_with("cosmic-swingset-")
                && !kind_of(line).contains("-run-")
                && !kind_of(line).contains("-inbound")
                && !kind_of(line).contains("poll")
        };
        let again: Vec<Vec<u8>> = match saved {
            true => again.filter(outside).map(|line| later(line)).collect(),
            false => again.map(|line| later(line)).collect(),
        };
        insert.extend(again);
        self.lines = self.lines.spliced(at, to, &insert);
    }

    /// What a process writes when it starts: its own entries, and replays of what was
    /// committed before line `before`.
    fn start(&self, how: u64, before: usize) -> Vec<Vec<u8>> {
        let mut lines =
            vec![br#"{"type":"kernel-init-start","time":1.5,"monotime":0.001}"#.to_vec()];
        if how & 16 != 0 {
            lines.push(
                br#"{"type":"create-vat","vatID":"v1","time":1.6,"monotime":0.002}"#.to_vec(),
            );
        }
        if how & 96 == 96 {
            let deliveries = (0..before).filter(|at| {
                let line = &self.lines.lines[*at];
                kind_of(line) == "deliver" && raw(line, "replay") == Some(b"false")
            });
            let deliveries: Vec<usize> = deliveries.collect();
            if let Some(at) = deliveries.get((how >> 8) as usize % deliveries.len().max(1)) {
                let end =
                    (*at..before).find(|at| kind_of(&self.lines.lines[*at]) == "deliver-result");
                if let Some(end) = end {
                    lines.extend(self.replayed(*at, end));
                }
            }
        }
        lines.push(
            br#"{"type":"kernel-init-finish","time":1.7,"monotime":0.003,"seconds":0.1}"#.to_vec(),
        );
        lines
    }

    fn replayed(&self, from: usize, to: usize) -> Vec<Vec<u8>> {
        let steps = self.lines.lines[from..=to].iter().filter(|line| {
            let kind = kind_of(line);
            let step = matches!(
                kind,
                "deliver" | "deliver-result" | "syscall" | "syscall-result"
            );
            step && raw(line, "replay") == Some(b"false")
        });
        steps.map(|line| later(&as_replay(line))).collect()
    }

    /// A process that ends and starts again between two blocks.
    fn restart(&mut self, random: &mut Random) {
        let blocks = blocks(&self.lines);
        let (from, _) = blocks[random.below(blocks.len() as u64) as usize];
        let lines = self.start(random.draw(), from);
        self.lines = self.lines.spliced(from, from, &lines);
    }

    /// Some blocks are undone and executed again.
    fn roll_back(&mut self, random: &mut Random) {
        let blocks = blocks(&self.lines);
        let last = random.below(blocks.len() as u64) as usize;
        let first = random.below(last as u64 + 1) as usize;
        let (from, to) = (blocks[first].0, blocks[last].1);
        let mut again = match random.below(3) {
            0 => Vec::new(),
            _ => self.start(random.draw(), from),
        };
        again.extend(self.lines.lines[from..to].iter().map(|line| later(line)));
        self.lines = self.lines.spliced(to, to, &again);
    }

    // ---- what the clock and the machine add ----

    fn clock(&mut self, random: &mut Random) {
        let digit = 1 + random.below(8);
        self.each(|_, line| {
            let time = raw(line, "monotime")?.to_vec();
            let time = [digit.to_string().as_bytes(), &time].concat();
            let line = with_member(line, "monotime", &time);
            match raw(&line, "seconds") {
                Some(_) => Some(with_member(&line, "seconds", b"0.75")),
                None => Some(line),
            }
        });
    }

    fn machine(&mut self, random: &mut Random) {
        let share = 1 + random.below(4);
        self.each(|kind, line| {
            if random.below(share) > 0 {
                return None;
            }
            match kind {
                "deliver-result" => {
                    compute(line)?;
                    let meter = super::slog::element(line, "dr", 2)?;
                    Some(replaced(line, raw(meter, "currentHeapCount")?, b"1"))
                }
                "cosmic-swingset-begin-block" => {
                    raw(line, "blockLagSeconds")?;
                    Some(with_member(line, "blockLagSeconds", b"0.125"))
                }
                "heap-snapshot-save" => {
                    raw(line, "compressedSize")?;
                    Some(with_member(line, "compressedSize", b"77"))
                }
                "cosmic-swingset-after-commit-stats" => {
                    raw(line, "memoryUsage")?;
                    Some(with_member(line, "memoryUsage", b"{}"))
                }
                _ => None,
            }
        });
    }

    fn local(&mut self, random: &mut Random) {
        for _ in 0..1 + random.below(6) {
            let at = self.line(random);
            let text = match random.below(3) {
                0 => {
                    r#"{"type":"console","source":"kernel","level":"warn","args":["x"],"time":1.5,"monotime":4.5}"#
                }
                1 => {
                    r#"{"type":"heap-snapshot-load","vatID":"v6","snapPos":4,"hash":"00","time":1.5,"monotime":4.5}"#
                }
                _ => {
                    r#"{"type":"cosmic-swingset-snapshot-start","blockHeight":2,"request":"r","args":{},"time":1.5,"monotime":4.5}"#
                }
            };
            self.lines = self.lines.spliced(at, at, &[text.as_bytes().to_vec()]);
        }
    }

    // ---- what is left ----

    fn cut_end(&mut self, random: &mut Random) {
        let at = 1 + self.line(random);
        let blocks = blocks(&self.lines);
        for (from, to) in blocks {
            if to > at {
                self.break_at(from);
            }
        }
        self.lines.lines.truncate(at);
    }

    fn cut_line(&mut self, random: &mut Random) {
        self.cut_end(random);
        self.torn = true;
    }

    fn cut_begin(&mut self, random: &mut Random) {
        let at = self.line(random);
        (0..at).for_each(|line| self.break_at(line));
        self.break_at(at);
        self.lines.lines.drain(..at);
    }

    /// Rotated files that were put together again.
    fn pieces(&mut self, random: &mut Random, overlap: bool, moved: bool) {
        let count = 2 + random.below(3);
        let mut cuts: Vec<usize> = (1..count).map(|_| self.line(random)).collect();
        cuts.extend([0, self.lines.lines.len()]);
        cuts.sort_unstable();
        let mut pieces: Vec<Vec<Vec<u8>>> = Vec::new();
        for pair in cuts.windows(2) {
            let more = if overlap {
                random.below(40) as usize
            } else {
                0
            };
            let from = pair[0].saturating_sub(more);
            pieces.push(self.lines.lines[from..pair[1]].to_vec());
        }
        if moved {
            for at in (1..pieces.len()).rev() {
                pieces.swap(at, random.below(at as u64 + 1) as usize);
            }
        }
        self.whole.clear();
        self.lines.lines = pieces.concat();
        self.keep_a_line();
    }

    fn keep_a_line(&mut self) {
        if self.lines.lines.is_empty() {
            self.lines.lines.push(br#"{"type":"console"}"#.to_vec());
        }
    }

    // ---- what carried it ----

    /// By another JSON writer, all of it or from a line on.
    fn rewrite(&mut self, random: &mut Random) {
        let (_, write) = writers::ALL[random.below(writers::ALL.len() as u64) as usize];
        let from = match random.below(3) {
            0 => self.line(random),
            _ => 0,
        };
        for line in &mut self.lines.lines[from..] {
            // Half a line is no JSON.
            if serde_json::from_slice::<serde_json::Value>(line).is_ok() {
                *line = write(line);
            }
        }
    }

    fn twice(&mut self, random: &mut Random) {
        let share = 1 + random.below(30);
        let lines = std::mem::take(&mut self.lines.lines).into_iter();
        let lines = lines.flat_map(|line| {
            let again = (random.below(share) == 0).then(|| line.clone());
            std::iter::once(line).chain(again)
        });
        self.lines.lines = lines.collect();
    }

    /// A shipper that lost its place sends some lines again.
    fn chunk_twice(&mut self, random: &mut Random) {
        let from = self.line(random);
        let to = (from + 2 + random.below(60) as usize).min(self.lines.lines.len());
        let again = self.lines.lines[from..to].to_vec();
        for at in from..to {
            self.break_at(at);
        }
        self.lines = self.lines.spliced(to, to, &again);
    }

    fn prefix(&mut self, random: &mut Random) {
        let prefix = PREFIXES[random.below(PREFIXES.len() as u64) as usize];
        if prefix == "weird> " {
            self.whole.clear();
        }
        for line in &mut self.lines.lines {
            line.splice(0..0, prefix.bytes());
        }
    }
}
