//! The answer of `haltbox diff`, as `docs/json.md` describes it.

use haltbox_format::AppHash;
use serde::Serialize;

use super::changes::Change;
use super::inputs::OtherOwn;
use super::last_write::Write;
use super::replay::{Mismatch, Replays};
use super::side::Side;
use super::streams::StreamFacts;
use super::verdict::Verdict;
use crate::vocabulary::Vocabulary;

/// The whole answer; `docs/json.md` describes it.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Version of this document.
    pub version: u32,
    /// The class.
    pub verdict: Verdict,
    /// The exit code.
    pub exit: u8,
    /// One sentence.
    pub summary: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The two sources.
    pub sides: Sides<SideFacts>,
    /// What differs between the two entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The step stands on this side only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inserted_on: Option<Side>,
    /// Entries around the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Sides<Context>>,
    /// Who wrote the key last that was read.
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
    /// What should be known besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to collect next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collect: Vec<String>,
    /// What is each node's own and not the same: told among the notes.
    #[serde(skip)]
    pub own_inputs: Vec<OtherOwn>,
    /// What the entries mean.
    #[serde(skip)]
    pub vocabulary: &'static dyn Vocabulary,
}

/// One of something for each side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sides<T> {
    /// Of the first source.
    pub a: T,
    /// Of the second.
    pub b: T,
}

/// The step, in the numbers of the side that has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Place {
    /// Height.
    pub height: u64,
    /// Which execution of it: the later of the two sides'.
    pub attempt: u32,
    /// Number of the input whose run it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The run in the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Cranks before it in the block, which unlike its number is the same on
    /// both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank_in_block: Option<u64>,
    /// Vat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat: Option<String>,
    /// Delivery to the vat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u64>,
    /// Syscall in the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<u64>,
    /// Transaction in the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<u64>,
    /// The transaction's hash, as explorers show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_hash: Option<String>,
    /// The types of its messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Outside transactions, the phase of the block, as its host names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Outside transactions and where no phase begins behind it, the transaction that ran
    /// last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_tx: Option<u64>,
    /// Operation in the transaction, or in its part of the block outside of them, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<u64>,
    /// Log among all logs of the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<u64>,
    /// Type of the entry.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// What a source is and covers.
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
    /// The value that it read or wrote, where that was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Which execution of the height stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Its lines are not the host's own bytes: another JSON writer wrote them anew.
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
    /// Heights.
    pub blocks: u64,
    /// Cranks.
    pub cranks: u64,
    /// Slog lines.
    pub lines: u64,
    /// Heights without a whole execution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<u64>,
    /// Heights missing between others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<u64>,
    /// What it records that others of its kind may not, and the heights of it.
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
    /// Replays that were checked.
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
    /// The crank before was of the same run.
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

/// Who wrote a key last.
#[derive(Clone, Debug, Serialize)]
pub struct LastWrite {
    /// Vat and key, or store and key.
    pub key: String,
    /// What the key is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_words: Option<String>,
    /// On side A; null if it is not covered.
    pub a: Option<Write>,
    /// On side B.
    pub b: Option<Write>,
}

/// What followed from the first difference.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Consequence {
    /// Cranks later at which the crankhash first differs; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crankhash_after: Option<u64>,
    /// Those that differ of the block with the first difference, by their
    /// place in it, from 0; at most ten thousand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_block: Vec<u64>,
    /// Cranks that differ.
    pub cranks_differing: u64,
    /// Cranks compared.
    pub cranks_compared: u64,
    /// Blocks that differ.
    pub blocks_differing: u64,
}

/// One height that both have.
#[derive(Clone, Debug, Serialize)]
pub struct HeightFacts {
    /// Height.
    pub height: u64,
    /// Cranks.
    pub cranks: usize,
    /// Whole on both sides.
    #[serde(skip)]
    pub whole: bool,
    /// Equal; absent where not comparable as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<bool>,
}

/// One thing in which the environments differ, or are told.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentRow {
    /// What.
    pub what: String,
    /// On side A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<String>,
    /// On side B.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<String>,
}
