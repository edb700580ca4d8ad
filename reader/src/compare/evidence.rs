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
pub const KEPT: usize = 64 << 20;
/// Number of units before the parting whose entries are kept.
const BEFORE: usize = 2;

/// An entry as the source has it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its bytes.
    pub line: Vec<u8>,
    /// Its number among the slog's lines, from 1.
    pub number: u64,
}

impl Entry {
    /// Whether the JSON of the entry ends too early. A process that is killed while it writes
    /// leaves half a line, and the next process continues in it.
    pub fn is_truncated(&self) -> bool {
        json::members(&self.line).any(|member| member.is_err())
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
    /// Some entries were not kept, because of the limit. Shorter entries behind them may have
    /// been kept, so `unit` may have a gap.
    pub cut: bool,
    /// Vats that were loaded before the step, each with the line number of its last load.
    pub vat_loads: Vec<(String, u64)>,
}

/// Reads a source and collects the entries around unit `at` of a block.
///
/// # Errors
/// An error from reading the source.
pub fn gather(recording: &Recording, block: &BlockTrace, at: usize) -> io::Result<Evidence> {
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
        evidence: Evidence::default(),
        bytes: 0,
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
    evidence: Evidence,
    bytes: usize,
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
        let list = match unit {
            _ if unit == self.at => &mut self.evidence.unit,
            _ if unit == self.at + 1 => &mut self.evidence.after,
            _ if unit < self.at && unit + BEFORE >= self.at => &mut self.evidence.before,
            _ => return,
        };
        if self.bytes + line.len() > KEPT {
            self.evidence.cut = true;
            return;
        }
        self.bytes += line.len();
        list.push(Entry {
            line: line.to_vec(),
            number,
        });
    }

    fn close_unit(&mut self) {
        if self.unit.take().is_some() {
            let digest = std::mem::take(&mut self.hasher).finalize();
            let mut short = [0; 16];
            short.copy_from_slice(&digest.as_bytes()[..16]);
            self.evidence.loose.push(short);
        }
    }
}
