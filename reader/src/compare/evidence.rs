//! The second reading of a source: collects the entries around a parting, which the first
//! reading did not keep.

use std::io;

use haltbox_model::{SlogRules, json};

use super::cutter::{self, Depth};
use super::recording::Recording;
use super::step_part::{StepPart, StepParts};
use crate::trace::{BlockTrace, TraceSink, UnitDigest};
use crate::values;
use crate::vocabulary::{Role, Vocabulary, entry};

/// Limit of the entries that are kept of one side, in bytes.
pub const KEPT: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };
/// Number of units before the parting whose entries are kept.
const BEFORE: usize = 2;
/// Part of the kept bytes that the units before the parting may take.
const OF_BEFORE: usize = KEPT / 4;
/// Limit of the entries of the parting unit of which only digests are kept.
const DIGESTED: usize = if cfg!(test) { 512 } else { 1 << 20 };
/// Number of entries of the unit that are kept before the first one that is asked for.
const LEADING: usize = 2;

/// An entry as the source has it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its bytes.
    pub line: Vec<u8>,
    /// Its number among the slog's lines, from 1.
    pub number: u64,
    /// There was no room for its bytes, and `line` is empty: what is known of them.
    pub digested: Option<Box<Digested>>,
}

/// What is kept of an entry without room for its bytes. It shows whether the entry differs from
/// another one, and not how.
#[derive(Clone, Debug)]
pub struct Digested {
    /// Its role.
    pub role: Role,
    truncated: bool,
    /// Digest of its canonical bytes as they are compared.
    pub canonical: UnitDigest,
    /// Digest of its canonical values.
    pub by_value: UnitDigest,
    without_numbers: UnitDigest,
    without_own_numbers: UnitDigest,
}

/// A form of an entry in which it is recognised at another place.
#[derive(Clone, Copy, Debug)]
pub enum Loose {
    /// Without all numbers that shift.
    WithoutNumbers,
    /// Without its own numbers, with those in references.
    WithoutOwnNumbers,
}

impl Loose {
    /// The form of canonical bytes.
    pub fn of(self, vocabulary: &(dyn Vocabulary + 'static), canonical: &[u8]) -> Vec<u8> {
        match self {
            Loose::WithoutNumbers => vocabulary.without_numbers(canonical),
            Loose::WithoutOwnNumbers => vocabulary.without_own_numbers(canonical),
        }
    }
}

impl Digested {
    /// The digests of an entry.
    pub fn of(
        line: &[u8],
        rules: &SlogRules,
        vocabulary: &(dyn Vocabulary + 'static),
        is_by_value: bool,
    ) -> Digested {
        let text = canonical(line, Some(rules), is_by_value);
        let loose = |form: Loose| short(&form.of(vocabulary, &text));
        Digested {
            role: vocabulary.role_of(line),
            truncated: json::members(line).any(|member| member.is_err()),
            canonical: short(&text),
            by_value: short(&values::normal(&text)),
            without_numbers: loose(Loose::WithoutNumbers),
            without_own_numbers: loose(Loose::WithoutOwnNumbers),
        }
    }

    /// Digest of a form.
    pub fn loose(&self, form: Loose) -> UnitDigest {
        match form {
            Loose::WithoutNumbers => self.without_numbers,
            Loose::WithoutOwnNumbers => self.without_own_numbers,
        }
    }
}

/// The bytes of an entry that are compared.
pub(super) fn canonical(line: &[u8], rules: Option<&SlogRules>, is_by_value: bool) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(rules) = rules {
        rules.canonical().cut(line, &mut text);
    }
    if is_by_value {
        text = values::normal(&text).into_owned();
    }
    entry::drop_value(&mut text, 0, "activityhash");
    text
}

/// The digest of some bytes.
pub(super) fn short(bytes: &[u8]) -> UnitDigest {
    short_of(&blake3::hash(bytes))
}

fn short_of(hash: &blake3::Hash) -> UnitDigest {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

impl Entry {
    /// Whether the JSON of the entry ends too early. A process that is killed while it writes
    /// leaves half a line, and the next process continues in it.
    pub fn is_truncated(&self) -> bool {
        match &self.digested {
            Some(digested) => digested.truncated,
            None => json::members(&self.line).any(|member| member.is_err()),
        }
    }
}

/// The entries of one side around the parting.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Entries of the units before it.
    pub before: Vec<Entry>,
    /// Entries of the parting unit.
    pub unit: Vec<Entry>,
    /// Entries of the unit behind it.
    pub after: Vec<Entry>,
    /// Digests of the block's units without numbers, which find a step again at another place.
    pub loose: Vec<UnitDigest>,
    /// Ordinal of the run that holds the unit, from 0.
    pub run: Option<u32>,
    /// Number of the input that the run executes.
    pub input: Option<String>,
    /// The part of the block that holds the unit.
    pub part: StepPart,
    /// `unit` ends before the unit does, because of the limits.
    pub cut: bool,
    /// Vats that were loaded before the step, each with the line number of its last load.
    pub vat_loads: Vec<(String, u64)>,
}

impl Evidence {
    /// Whether the unit is known with the bytes of all its entries.
    pub fn is_complete(&self) -> bool {
        !self.cut && !self.unit.iter().any(|entry| entry.digested.is_some())
    }
}

/// Reads a source and collects the entries around unit `at` of a block. If there is no room for
/// all entries of the unit, those from index `from` on are kept first.
///
/// # Errors
/// An error from reading the source.
pub fn gather(
    recording: &Recording,
    block: &BlockTrace,
    at: usize,
    from: usize,
) -> io::Result<Evidence> {
    let Some(rules) = &recording.profile.slog else {
        return Ok(Evidence::default());
    };
    let mut gather = Gather {
        rules,
        vocabulary: recording.vocabulary,
        by_value: recording.is_by_value(),
        runs: 0,
        ordinal: block.ordinal,
        at,
        from,
        evidence: Evidence::default(),
        bytes: 0,
        digested: 0,
        unit: None,
        hasher: blake3::Hasher::new(),
        parts: StepParts::default(),
    };
    cutter::read(recording, Depth::Places, &mut gather)?;
    gather.close_unit();
    Ok(gather.evidence)
}

struct Gather<'a> {
    rules: &'a SlogRules,
    vocabulary: &'static dyn Vocabulary,
    by_value: bool,
    runs: u32,
    ordinal: u64,
    at: usize,
    from: usize,
    evidence: Evidence,
    bytes: usize,
    digested: usize,
    unit: Option<usize>,
    hasher: blake3::Hasher,
    parts: StepParts,
}

impl TraceSink for Gather<'_> {
    fn block(&mut self, block: BlockTrace) -> bool {
        block.ordinal < self.ordinal
    }

    fn any_line(&mut self, line: &[u8], number: u64) {
        if self.unit.is_some_and(|unit| unit >= self.at) {
            return;
        }
        if let Some(vat) = self.vocabulary.loaded(line) {
            let loads = &mut self.evidence.vat_loads;
            loads.retain(|(of, _)| *of != vat);
            loads.push((vat, number));
        }
    }

    fn line(&mut self, ordinal: u64, unit: usize, line: &[u8], number: u64) {
        if ordinal != self.ordinal {
            return;
        }
        if self.unit != Some(unit) {
            self.close_unit();
            self.unit = Some(unit);
        }
        let mut text = Vec::new();
        self.rules.canonical().cut(line, &mut text);
        if self.by_value {
            text = values::normal(&text).into_owned();
        }
        if self.vocabulary.role_of(line) == Role::CrankFinish {
            // A kernel that writes no hashes ran the same crank.
            text = entry::without_hashes(&text);
        }
        self.hasher.update(&self.vocabulary.without_numbers(&text));
        if unit <= self.at {
            self.note_place(line, unit < self.at);
        }
        self.keep(unit, line, number);
    }
}

impl Gather<'_> {
    fn note_place(&mut self, line: &[u8], before: bool) {
        self.parts.take(self.vocabulary, line);
        if !before && self.evidence.unit.is_empty() {
            self.evidence.part = self.parts.of(self.vocabulary, line);
        }
        match self.vocabulary.role_of(line) {
            Role::RunStart => {
                self.evidence.run = Some(self.runs);
                self.runs += 1;
            }
            Role::RunFinish if before => (self.evidence.run, self.evidence.input) = (None, None),
            Role::Input => self.evidence.input = self.vocabulary.input_name(line),
            _ => {}
        }
    }

    fn keep(&mut self, unit: usize, line: &[u8], number: u64) {
        let entry = || Entry {
            line: line.to_vec(),
            number,
            digested: None,
        };
        if unit == self.at {
            self.keep_of_unit(line, number);
        } else if unit == self.at + 1 && self.bytes + line.len() <= KEPT {
            self.bytes += line.len();
            self.evidence.after.push(entry());
        } else if unit < self.at && unit + BEFORE >= self.at {
            self.bytes += line.len();
            self.evidence.before.push(entry());
            self.drop_first();
        }
    }

    /// Drops the first entries before the unit if all of them take too much.
    fn drop_first(&mut self) {
        let before = &mut self.evidence.before;
        while self.bytes > OF_BEFORE && before.len() > 1 {
            let first = before.drain(..before.len() / 2);
            self.bytes -= first.map(|entry| entry.line.len()).sum::<usize>();
        }
    }

    /// Keeps an entry of the unit, or its digests if there is no room.
    fn keep_of_unit(&mut self, line: &[u8], number: u64) {
        let index = self.evidence.unit.len();
        let is_asked = index <= self.from && index + LEADING >= self.from;
        let has_room = index >= self.from && self.bytes + line.len() <= KEPT;
        // The end of a crank is compared with its hashes and without them.
        let is_end = self.vocabulary.role_of(line) == Role::CrankFinish;
        let mut entry = Entry {
            number,
            ..Entry::default()
        };
        if is_asked || has_room || is_end {
            self.bytes += line.len();
            entry.line = line.to_vec();
        } else if self.digested < DIGESTED {
            self.digested += 1;
            let digested = Digested::of(line, self.rules, self.vocabulary, self.by_value);
            entry.digested = Some(Box::new(digested));
        } else {
            self.evidence.cut = true;
        }
        if !self.evidence.cut {
            self.evidence.unit.push(entry);
        }
    }

    fn close_unit(&mut self) {
        if self.unit.take().is_some() {
            let digest = std::mem::take(&mut self.hasher).finalize();
            self.evidence.loose.push(short_of(&digest));
        }
    }
}
