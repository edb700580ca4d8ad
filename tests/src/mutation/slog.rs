//! A slog taken apart: entries, cranks, blocks.

use haltbox_model::json;

use super::Expected;

/// Lines without their line feeds, and where cranks and blocks lie in them.
#[derive(Clone)]
pub struct Slog {
    /// The lines.
    pub lines: Vec<Vec<u8>>,
}

/// A crank's lines, from its start through its end.
#[derive(Clone, Copy, Debug)]
pub struct Crank {
    /// Index of its first line.
    pub from: usize,
    /// Index of its last line.
    pub to: usize,
    /// Its number.
    pub number: u64,
    /// Height it ran at.
    pub height: u64,
    /// The crank before it is of the same run.
    pub inside_run: bool,
    /// The crank behind it is of the same run.
    pub goes_on: bool,
}

impl Slog {
    /// Of a slog's bytes.
    pub fn new(bytes: &[u8]) -> Slog {
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        Slog {
            lines: lines.map(<[u8]>::to_vec).collect(),
        }
    }

    /// The bytes again.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for line in &self.lines {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        out
    }

    /// Indices of the entries of a type.
    pub fn of_type(&self, kind: &str) -> Vec<usize> {
        (0..self.lines.len())
            .filter(|at| kind_of(&self.lines[*at]) == kind)
            .collect()
    }

    /// Height of the block that a line stands in.
    pub fn height_at(&self, at: usize) -> u64 {
        let begins = |line: &&Vec<u8>| kind_of(line) == "cosmic-swingset-begin-block";
        let begin = self.lines[..=at].iter().rev().find(begins);
        begin
            .and_then(|line| number(line, "blockHeight"))
            .unwrap_or(0)
    }

    /// Line ranges of whole blocks, begin-block through end-block-finish.
    pub fn blocks(&self) -> Vec<(usize, usize)> {
        let begins = self.of_type("cosmic-swingset-begin-block");
        let ends = self.of_type("cosmic-swingset-end-block-finish");
        let pairs = begins
            .into_iter()
            .filter_map(|from| Some((from, *ends.iter().find(|to| **to > from)?)));
        pairs.collect()
    }

    /// The cranks of whole blocks.
    pub fn cranks(&self) -> Vec<Crank> {
        let mut found: Vec<Crank> = Vec::new();
        for (from, to) in self.blocks() {
            let height = self.height_at(from);
            let mut start = None;
            let mut inside_run = false;
            for at in from..=to {
                match kind_of(&self.lines[at]) {
                    "crank-start" => start = Some(at),
                    "crank-finish" => {
                        let Some(from) = start.take() else { continue };
                        if let Some(before) = found.last_mut().filter(|_| inside_run) {
                            before.goes_on = true;
                        }
                        let number = number(&self.lines[at], "crankNum").unwrap_or(0);
                        found.push(Crank {
                            from,
                            to: at,
                            number,
                            height,
                            inside_run,
                            goes_on: false,
                        });
                        inside_run = true;
                    }
                    "cosmic-swingset-run-start" | "cosmic-swingset-run-finish" => {
                        inside_run = false
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// What must be said of a step that stands at this line.
    pub fn expect(&self, verdict: &'static str, at: usize) -> Expected {
        let line = &self.lines[at];
        Expected {
            height: Some(self.height_at(at)),
            crank: number(line, "crankNum"),
            delivery: number(line, "deliveryNum"),
            syscall: number(line, "syscallNum"),
            kind: Some(kind_of(line).to_owned()),
            ..Expected::new(verdict)
        }
    }

    /// The slog with another line at `at`.
    pub fn with_line(&self, at: usize, line: Vec<u8>) -> Slog {
        let mut slog = self.clone();
        slog.lines[at] = line;
        slog
    }

    /// The slog with `lines` in place of those from `from` up to `to`.
    pub fn spliced(&self, from: usize, to: usize, lines: &[Vec<u8>]) -> Slog {
        let mut slog = self.clone();
        slog.lines.splice(from..to, lines.iter().cloned());
        slog
    }
}

/// An entry's type.
pub fn kind_of(line: &[u8]) -> &str {
    let value = json::find(line, b"type").unwrap_or_default();
    std::str::from_utf8(value)
        .unwrap_or_default()
        .trim_matches('"')
}

/// A member's value as it stands in the line.
pub fn raw<'a>(line: &'a [u8], member: &str) -> Option<&'a [u8]> {
    json::find(line, member.as_bytes())
}

/// A member that is a number.
pub fn number(line: &[u8], member: &str) -> Option<u64> {
    json::read_u64(raw(line, member)?)
}

/// The line with another value of a member.
pub fn with_member(line: &[u8], member: &str, value: &[u8]) -> Vec<u8> {
    let old = raw(line, member).unwrap_or_else(|| panic!("no {member}"));
    replaced(line, old, value)
}

/// The line with other bytes in place of `part`, which is a part of it.
pub fn replaced(line: &[u8], part: &[u8], with: &[u8]) -> Vec<u8> {
    let at = part.as_ptr() as usize - line.as_ptr() as usize;
    [&line[..at], with, &line[at + part.len()..]].concat()
}

/// The `index`th element of a member that is an array.
pub fn element<'a>(line: &'a [u8], member: &str, index: usize) -> Option<&'a [u8]> {
    json::elements(raw(line, member)?).nth(index)?.ok()
}
