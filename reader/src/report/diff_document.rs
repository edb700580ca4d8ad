//! The answer of `haltbox diff` as JSON; `docs/json.md` describes it.

use haltbox_format::AppHash;
use serde::Serialize;

use super::{remarks, requests, summary};
use crate::compare::changes::{self, Change};
use crate::compare::environment::EnvironmentRow;
use crate::compare::evidence::Entry;
use crate::compare::finding::{Conclusion, Divergence, Finding, RecordingFacts};
use crate::compare::judgements::Dissent;
use crate::compare::last_write::Write;
use crate::compare::location::Location;
use crate::compare::pair::{Agreement, HeightRow};
use crate::compare::replay::{Mismatch, Replays};
use crate::compare::side::Side;
use crate::compare::streams::StreamFacts;
use crate::compare::verdict::Verdict;

/// Number of entries of context that are shown on each side of the step.
const CONTEXT: usize = 4;

/// The whole result; `docs/json.md` describes it.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Version of this document.
    pub version: u32,
    /// The class of the fault.
    pub verdict: Verdict,
    /// The exit code.
    pub exit: u8,
    /// One sentence.
    pub summary: String,
    /// Where the recordings diverge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Location>,
    /// The two sources.
    pub sides: Sides<SideFacts>,
    /// What differs between the two entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The side that alone has the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inserted_on: Option<Side>,
    /// Entries around the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Sides<Context>>,
    /// The last write of the key that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_write: Option<LastWrite>,
    /// Replays that do not match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<(Side, Mismatch)>,
    /// What followed from the first difference.
    pub consequence: Consequence,
    /// Heights that both have.
    pub heights: Vec<HeightFacts>,
    /// How the environments differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<EnvironmentRow>,
    /// What else the user should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to collect next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collect: Vec<String>,
}

/// A value for each side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sides<T> {
    /// The value of the first source.
    pub a: T,
    /// The value of the second source.
    pub b: T,
}

/// What a source is and what it covers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SideFacts {
    /// Its path.
    pub path: String,
    /// Its kind.
    pub kind: String,
    /// Its entry at the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// What the key of that entry is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_words: Option<String>,
    /// The value that the entry read or wrote, where the host recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The attempt that is compared at the height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Another JSON writer rewrote its lines: they are not the host's own bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rewritten: bool,
    /// What carried its lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried_by: Option<String>,
    /// Number of that entry among the slog's lines, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_number: Option<u64>,
    /// Lowest height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_height: Option<u64>,
    /// Highest height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_height: Option<u64>,
    /// Number of heights.
    pub blocks: u64,
    /// Number of cranks.
    pub cranks: u64,
    /// Number of slog lines.
    pub lines: u64,
    /// Heights without a whole execution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<u64>,
    /// Heights missing between two that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<u64>,
    /// Streams that it records, and their heights. Other recordings of its kind may lack them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamFacts>,
    /// Damage and holes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
    /// Heights before which a kernel started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_starts: Vec<u64>,
    /// Breaks of the activityhash chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain_breaks: Vec<BreakFacts>,
    /// The result of checking its replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replays: Option<Replays>,
    /// This node's AppHash at the place, or at the disputed height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_hash: Option<AppHash>,
}

/// A break of the activityhash chain.
#[derive(Clone, Debug, Serialize)]
pub struct BreakFacts {
    /// Height.
    pub height: u64,
    /// Crank.
    pub crank: u64,
    /// The crank before belongs to the same run.
    pub in_run: bool,
}

/// Entries around the step.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Context {
    /// Before it.
    pub before: Vec<String>,
    /// Behind it.
    pub after: Vec<String>,
}

/// The last writes of a key.
#[derive(Clone, Debug, Serialize)]
pub struct LastWrite {
    /// Vat and key, or store and key.
    pub key: String,
    /// What the key is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_words: Option<String>,
    /// The write on side A; null if it is not covered.
    pub a: Option<Write>,
    /// The write on side B.
    pub b: Option<Write>,
}

/// What followed from the first difference.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Consequence {
    /// Number of cranks from the first difference to the first one whose crankhash differs; absent
    /// if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crankhash_after: Option<u64>,
    /// Cranks that differ in the block of the first difference, by their position in it, from 0;
    /// at most ten thousand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_block: Vec<u64>,
    /// Number of cranks that differ.
    pub cranks_differing: u64,
    /// Number of cranks compared.
    pub cranks_compared: u64,
    /// Number of blocks that differ.
    pub blocks_differing: u64,
}

/// One height that both have.
#[derive(Clone, Debug, Serialize)]
pub struct HeightFacts {
    /// Height.
    pub height: u64,
    /// Number of cranks.
    pub cranks: usize,
    /// Whether it is equal; absent if it could not be compared as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<bool>,
}

impl Document {
    /// The result in the form and the words that are printed.
    pub fn of(finding: &Finding) -> Document {
        let consequence = &finding.consequence;
        let mut document = Document {
            version: 1,
            verdict: finding.verdict(),
            exit: finding.exit(),
            summary: summary::words(finding),
            place: finding.location(),
            sides: Sides {
                a: SideFacts::of(&finding.recordings[0]),
                b: SideFacts::of(&finding.recordings[1]),
            },
            changes: Vec::new(),
            inserted_on: None,
            context: None,
            last_write: None,
            replays: mismatches(finding),
            consequence: Consequence {
                crankhash_after: consequence.crankhash_after,
                in_block: consequence.in_block.clone(),
                cranks_differing: consequence.cranks_differing,
                cranks_compared: consequence.cranks_compared,
                blocks_differing: consequence.blocks_differing,
            },
            heights: finding.heights.iter().map(HeightFacts::of).collect(),
            environment: finding.environment.clone(),
            notes: finding
                .remarks
                .iter()
                .map(|it| remarks::words(it, finding))
                .collect(),
            collect: requests::of(finding),
        };
        match &finding.conclusion {
            Conclusion::Replay(side, mismatch) => {
                document.sides.of_mut(*side).line_number = Some(mismatch.line_number);
            }
            Conclusion::Step(divergence) => document.step(divergence),
            Conclusion::Recorders { dissent, .. } => document.dissent(dissent),
            _ => {}
        }
        document
    }

    /// Adds the step and the entries around it.
    fn step(&mut self, divergence: &Divergence) {
        let difference = &divergence.difference;
        self.changes.clone_from(&divergence.changes);
        self.inserted_on = difference.inserted_on();
        let context = |side: Side| {
            let before = &difference.leading[side.index()];
            let after = &difference.trailing[side.index()];
            Context {
                before: texts(&before[before.len().saturating_sub(CONTEXT)..]),
                after: texts(&after[..after.len().min(CONTEXT)]),
            }
        };
        self.context = Some(Sides {
            a: context(Side::A),
            b: context(Side::B),
        });
        for side in [Side::A, Side::B] {
            let at = side.index();
            let facts = self.sides.of_mut(side);
            facts.attempt = Some(divergence.attempts[at]);
            let step = difference.steps[at].as_ref();
            facts.line = step.map(|entry| text(&entry.line));
            facts.line_number = step.map(|entry| entry.number);
            facts.key_words.clone_from(&divergence.keys[at]);
            facts.value.clone_from(&divergence.values[at]);
        }
        self.last_write = divergence.last_write.as_ref().map(|last| {
            let [a, b] = last.writes.clone();
            LastWrite {
                key: last.key.text(),
                key_words: divergence.keys[0].clone(),
                a,
                b,
            }
        });
    }

    /// Adds the verdicts of the two recorders.
    fn dissent(&mut self, dissent: &Dissent) {
        for (side, judgement) in [(Side::A, &dissent.a), (Side::B, &dissent.b)] {
            let facts = self.sides.of_mut(side);
            facts.line = Some(text(&judgement.line));
            facts.line_number = Some(judgement.line_number);
        }
        self.changes = changes::changes(&dissent.a.line, &dissent.b.line);
        self.context = Some(Sides::default());
    }
}

impl<T> Sides<T> {
    fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

impl SideFacts {
    fn of(recording_facts: &RecordingFacts) -> SideFacts {
        let breaks = recording_facts.chain_breaks.iter();
        SideFacts {
            path: recording_facts.path.display().to_string(),
            kind: recording_facts.kind.to_owned(),
            first_height: recording_facts.heights.map(|(first, _)| first),
            last_height: recording_facts.heights.map(|(_, last)| last),
            blocks: recording_facts.blocks,
            cranks: recording_facts.cranks,
            lines: recording_facts.lines,
            incomplete: recording_facts.incomplete.clone(),
            missing: recording_facts.missing.clone(),
            again: recording_facts.again.clone(),
            rewritten: recording_facts.rewritten,
            carried_by: recording_facts.carrier.map(|by| by.to_string()),
            damage: recording_facts.damage.clone(),
            kernel_starts: recording_facts.kernel_starts.clone(),
            streams: recording_facts.streams.clone(),
            chain_breaks: breaks
                .map(|(height, found)| BreakFacts {
                    height: *height,
                    crank: found.crank,
                    in_run: found.in_run,
                })
                .collect(),
            replays: recording_facts.replays.clone(),
            ..SideFacts::default()
        }
    }
}

impl HeightFacts {
    fn of(row: &HeightRow) -> HeightFacts {
        HeightFacts {
            height: row.height,
            cranks: row.cranks,
            same: match row.agreement {
                Agreement::Same => Some(true),
                Agreement::Different | Agreement::OtherAppHash => Some(false),
                Agreement::Partial | Agreement::Unknown => None,
            },
        }
    }
}

/// Replays that do not match, of both sides.
fn mismatches(finding: &Finding) -> Vec<(Side, Mismatch)> {
    let sides = [Side::A, Side::B].into_iter().zip(&finding.recordings);
    let wrong = sides.flat_map(|(side, recording_facts)| {
        let wrong = recording_facts
            .replays
            .iter()
            .flat_map(|replays| &replays.wrong);
        wrong.map(move |mismatch| (side, mismatch.clone()))
    });
    wrong.collect()
}

fn texts(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| text(&entry.line)).collect()
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}
