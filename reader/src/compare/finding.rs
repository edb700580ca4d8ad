//! What the comparison of two recordings found, as data: the conclusion, what weakens it, and
//! what else the user should know. [`crate::report`] puts it into words.

use std::path::PathBuf;

use super::changes::Change;
use super::classify::Difference;
use super::environment::EnvironmentRow;
use super::inputs::LocalDifference;
use super::judgements::Dissent;
use super::last_write::LastWrite;
use super::location::Location;
use super::pair::{ActivityParting, HeightRow};
use super::remark::Remark;
use super::replay::{Mismatch, Replays};
use super::side::{Side, Who};
use super::step_part::StepPart;
use super::streams::{OneSidedStream, StreamFacts};
use super::verdict::Verdict;
use super::version::Version;
use crate::carrier::Carrier;
use crate::trace::ChainBreak;
use crate::vocabulary::{ComparedAmount, Vocabulary};

/// What the comparison of two recordings found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What the recordings prove.
    pub conclusion: Conclusion,
    /// What weakens the conclusion. The caveat closest to the step comes first.
    pub caveats: Vec<Caveat>,
    /// The two recordings.
    pub recordings: [RecordingFacts; 2],
    /// Heights that both have.
    pub heights: Vec<HeightRow>,
    /// What followed from the first difference.
    pub consequence: Consequence,
    /// Environment rows that differ.
    pub environment: Vec<EnvironmentRow>,
    /// What else the user should know, in the order in which it is shown.
    pub remarks: Vec<Remark>,
    /// The vocabulary of the entries.
    pub vocabulary: &'static dyn Vocabulary,
}

impl Finding {
    /// The class of the fault. `Insufficient` if a caveat leaves nothing of the conclusion.
    pub fn verdict(&self) -> Verdict {
        match self.is_open() {
            true => Verdict::Insufficient,
            false => self.conclusion.verdict(),
        }
    }

    /// Exit code of a command that shows this: 0 equal, 1 different, 2 undecided.
    pub fn exit(&self) -> u8 {
        match &self.conclusion {
            // It is certain that they differ, whatever the class.
            Conclusion::Digests(found) if !self.is_open() && found.is_certain() => 1,
            Conclusion::Activity(found) if !self.is_open() && found.is_certain() => 1,
            _ => self.verdict().exit(),
        }
    }

    /// Whether a caveat leaves nothing of the conclusion.
    fn is_open(&self) -> bool {
        self.caveats.iter().any(Caveat::leaves_open)
    }

    /// Where the recordings diverge, or the place that could not be compared.
    pub fn location(&self) -> Option<Location> {
        self.conclusion.location()
    }

    /// Inputs of a node's own that differ. They accuse nobody.
    pub fn own_inputs(&self) -> impl Iterator<Item = &LocalDifference> {
        self.remarks.iter().filter_map(|remark| match remark {
            Remark::OwnInput(own) => Some(own),
            _ => None,
        })
    }
}

/// What two recordings prove.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// They cannot be compared.
    Incomparable(Incomparable),
    /// A replayed delivery of this side does not match its original.
    Replay(Side, Mismatch),
    /// They diverge at a step.
    Step(Box<Divergence>),
    /// Digests differ, and no entries show what.
    Digests(DigestDivergence),
    /// Every step is equal, and activityhashes differ.
    Activity(ActivityDivergence),
    /// The blocks are equal, and the two recorders judge them differently.
    Recorders {
        /// The two verdicts.
        dissent: Box<Dissent>,
        /// Neither verdict can change any more.
        is_final: bool,
    },
    /// All steps that both sides recorded are equal, but something that could differ was not seen.
    Undecided {
        /// What was not seen.
        why: Undecided,
        /// The first height whose AppHashes differ.
        other_app_hash: Option<u64>,
    },
    /// Every entry is equal, and the outcome of a block differs, or is not known to be equal.
    Outcome {
        /// What is known of it.
        outcome: Outcome,
        /// The first height whose AppHashes differ.
        other_app_hash: Option<u64>,
    },
    /// Everything that both cover is equal.
    Identical(ComparedExtent),
}

impl Conclusion {
    /// The class of the fault.
    pub fn verdict(&self) -> Verdict {
        match self {
            Conclusion::Incomparable(_) | Conclusion::Undecided { .. } => Verdict::Insufficient,
            Conclusion::Replay(..) => Verdict::Replay,
            Conclusion::Step(divergence) => divergence.verdict(),
            Conclusion::Digests(found) => found.verdict(),
            Conclusion::Activity(found) => found.verdict(),
            Conclusion::Recorders { is_final, .. } => match is_final {
                true => Verdict::Verdicts,
                false => Verdict::Insufficient,
            },
            Conclusion::Outcome { outcome, .. } => outcome.verdict(),
            Conclusion::Identical(_) => Verdict::Identical,
        }
    }

    fn location(&self) -> Option<Location> {
        let at = |height: u64| Location {
            height,
            ..Location::default()
        };
        match self {
            Conclusion::Incomparable(_) | Conclusion::Identical(_) => None,
            Conclusion::Replay(_, mismatch) => Some(mismatch.location()),
            Conclusion::Step(divergence) => Some(divergence.location()),
            Conclusion::Digests(found) => found.location(),
            Conclusion::Activity(found) => Some(found.location()),
            Conclusion::Recorders { dissent, .. } => Some(dissent.location()),
            Conclusion::Undecided { why, .. } => why.height().map(at),
            Conclusion::Outcome { other_app_hash, .. } => other_app_hash.map(at),
        }
    }
}

/// Why two recordings cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// They were recorded with different profiles.
    Profiles([String; 2]),
    /// Their values were replaced with different keys, or on one side alone: equal values look
    /// different. The keys of each side.
    Redacted([Vec<String>; 2]),
    /// Their profile reads no entries.
    NoSlog(String),
    /// They belong to different chains.
    Chains([String; 2]),
    /// At least one has no execution of a block.
    NoBlocks {
        /// Which of the two.
        who: Who,
        /// Number of lines that hold an entry behind an unknown prefix.
        prefixed: u64,
        /// Number of cranks outside a block.
        cranks: u64,
        /// The user asked for some heights only.
        in_range: bool,
    },
    /// The other side is a fingerprint, and this side has other bytes than its host wrote.
    Rewritten(Side),
    /// The other side is a fingerprint, and the sender of this side drops entries.
    Dropped(Side),
    /// Only one side has crankhashes in its digests.
    Crankhashes(Who),
    /// At this height the sides have different blocks.
    Replaced(u64),
    /// No height is complete on both sides.
    NoWholeHeight,
}

/// Two recordings diverge at a step.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The height.
    pub height: u64,
    /// The attempt of each side.
    pub attempts: [u32; 2],
    /// What differs.
    pub difference: Difference,
    /// The step is the result of a transaction, and the AppHash of the block is the same.
    pub is_result_only: bool,
    /// Number of cranks before the step in the block.
    pub cranks_before: u64,
    /// Ordinal of the run in the block, from 0.
    pub run: Option<u32>,
    /// Number of the input that the run executes.
    pub input: Option<String>,
    /// The part of the block that holds the step. First the part of the side that gives the
    /// numbers.
    pub parts: [StepPart; 2],
    /// What differs between the two entries.
    pub changes: Vec<Change>,
    /// The key of each step, in words.
    pub keys: [Option<String>; 2],
    /// The value that each step read or wrote, where the host recorded one.
    pub values: [Option<String>; 2],
    /// The last writes of the key.
    pub last_write: Option<LastWrite>,
}

impl Divergence {
    /// The class of the fault.
    pub fn verdict(&self) -> Verdict {
        match self.is_result_only {
            true => Verdict::ResultsOnly,
            false => self.difference.verdict(),
        }
    }

    fn location(&self) -> Location {
        let Difference { numbers, kind, .. } = &self.difference;
        let mut location = Location {
            height: self.height,
            attempt: self.attempts[0].max(self.attempts[1]),
            input: self.input.clone(),
            run: self.run,
            crank: numbers.crank,
            crank_in_block: numbers.crank.map(|_| self.cranks_before),
            vat: numbers.vat.clone(),
            delivery: numbers.delivery,
            syscall: numbers.syscall,
            tx: numbers.tx,
            op: numbers.op,
            log: numbers.log,
            kind: kind.clone(),
            ..Location::default()
        };
        self.locate_part(&mut location);
        location
    }

    /// Sets the part of the block. The side without the step may have recorded more about that
    /// part.
    fn locate_part(&self, location: &mut Location) {
        let mut parts = self.parts.iter();
        if location.op.is_some() && location.tx.is_none() {
            let part = parts.find(|part| part.phase.is_some());
            let part = part.unwrap_or(&self.parts[0]);
            (location.phase, location.behind_tx) = (part.phase.clone(), part.behind_tx);
        }
        let mut transactions = self
            .parts
            .iter()
            .filter_map(|part| part.transaction.as_ref());
        if let Some(transaction) = transactions.next().filter(|_| location.tx.is_some()) {
            location.tx_hash.clone_from(&transaction.hash);
            location.messages.clone_from(&transaction.messages);
        }
    }
}

/// Digests differ at a height.
#[derive(Clone, Debug)]
pub struct DigestDivergence {
    /// The height.
    pub height: u64,
    /// The attempt: the higher number of the two sides'.
    pub attempt: u32,
    /// What is known of the difference.
    pub difference: DigestDifference,
}

/// What differing digests show.
#[derive(Clone, Debug)]
pub enum DigestDifference {
    /// Nothing: these sources hold entries that no known version of the kernel writes.
    UnknownVersion(Who),
    /// The block was given other inputs: their names.
    Inputs(Vec<String>),
    /// A unit differs. Digests do not show which entry of it.
    Unit {
        /// The crank, if the unit is the same crank on both sides.
        crank: Option<u64>,
        /// Number of cranks before it in the block.
        before: u64,
        /// Which sources are fingerprints.
        fingerprints: Who,
        /// Whether the AppHashes of the block are equal, if both are known.
        same_app_hash: Option<bool>,
        /// On such a host, entries may differ and decide nothing.
        may_be_harmless: bool,
    },
}

impl DigestDivergence {
    fn verdict(&self) -> Verdict {
        match self.difference {
            DigestDifference::Inputs(_) => Verdict::Inputs,
            _ => Verdict::Insufficient,
        }
    }

    /// Whether it is certain that the two executions differ.
    fn is_certain(&self) -> bool {
        match &self.difference {
            DigestDifference::UnknownVersion(_) => false,
            DigestDifference::Inputs(_) => true,
            DigestDifference::Unit {
                same_app_hash,
                may_be_harmless,
                ..
            } => *same_app_hash == Some(false) || !may_be_harmless,
        }
    }

    fn location(&self) -> Option<Location> {
        let location = Location {
            height: self.height,
            attempt: self.attempt,
            ..Location::default()
        };
        match self.difference {
            DigestDifference::UnknownVersion(_) => None,
            DigestDifference::Inputs(_) => Some(location),
            DigestDifference::Unit { crank, before, .. } => Some(Location {
                crank,
                crank_in_block: crank.map(|_| before),
                ..location
            }),
        }
    }
}

/// Every step is equal, and from one crank on the activityhashes differ.
#[derive(Clone, Debug)]
pub struct ActivityDivergence {
    /// Where.
    pub at: ActivityParting,
    /// What it means.
    pub means: ActivityMeaning,
}

/// What a differing activityhash behind equal steps means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityMeaning {
    /// A sender dropped entries, which may differ.
    Dropped,
    /// Nothing proves that the activityhashes were equal before: the height there is not whole. They
    /// differ, and the cause lies before this place.
    Before,
    /// The kernel did work between two runs that no entry shows.
    HiddenWork,
    /// On a side the activityhash does not follow from the steps.
    BrokenChain,
}

impl ActivityDivergence {
    /// Whether it is certain that the two executions differ: an activityhash stands on all before.
    fn is_certain(&self) -> bool {
        self.means != ActivityMeaning::Dropped
    }

    fn verdict(&self) -> Verdict {
        match self.means {
            ActivityMeaning::Dropped | ActivityMeaning::Before => Verdict::Insufficient,
            ActivityMeaning::HiddenWork => Verdict::HiddenCrank,
            ActivityMeaning::BrokenChain => Verdict::HashOnly,
        }
    }

    fn location(&self) -> Location {
        Location {
            height: self.at.height,
            attempt: self.at.attempt,
            crank: Some(self.at.crank),
            crank_in_block: Some(self.at.before),
            kind: "crank-finish".to_owned(),
            ..Location::default()
        }
    }
}

/// What is known of the outcome of blocks if every entry that both sides have is equal.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A disputed height is not covered.
    Disputed {
        /// The side that does not cover it.
        who: Who,
        /// The height.
        height: u64,
    },
    /// The AppHashes differ.
    AppHash {
        /// The height.
        height: u64,
        /// Some reads differ too, without an effect.
        reads_differ: bool,
        /// A stream that only one side records there, and that may be the cause.
        only: Option<OneSidedStream>,
    },
    /// The AppHashes differ after a height that a side covers only in part.
    AppHashInPart {
        /// The side that has only a part.
        who: Who,
        /// The height.
        height: u64,
    },
    /// Only the LastResultsHash of this height differs.
    Results(u64),
    /// Only one side records a stream that may decide the outcome of this height.
    OneSided(u64, OneSidedStream),
    /// The digests are equal, and no AppHash proves that the state is equal.
    Unhashed {
        /// The height.
        height: u64,
        /// Which sources are fingerprints.
        fingerprints: Who,
    },
}

impl Outcome {
    fn verdict(&self) -> Verdict {
        match self {
            Outcome::AppHash { only: None, .. } => Verdict::Outside,
            Outcome::Results(_) => Verdict::ResultsOnly,
            _ => Verdict::Insufficient,
        }
    }
}

/// Why it is unknown whether two recordings are equal, although every step that both have is.
#[derive(Clone, Debug)]
pub enum Undecided {
    /// A slog sender drops entries.
    Dropped {
        /// The side.
        who: Who,
        /// Number of heights of which a part was compared.
        heights: usize,
        /// Number of cranks that were compared.
        cranks: u64,
    },
    /// The entries of a height are not in the order in which their kernel wrote them.
    Inconsistent {
        /// The side.
        who: Who,
        /// The height.
        height: u64,
        /// What is wrong with the order, in words.
        why: String,
    },
    /// A height in the middle is not completely covered.
    NotCovered {
        /// The side that does not cover it.
        who: Who,
        /// The height.
        height: u64,
    },
    /// At this height the sides have different blocks.
    Replaced(u64),
    /// The nodes went back to lower heights so often that this number of pairs of earlier
    /// executions was not compared.
    RunsLeftOut(u64),
}

impl Undecided {
    /// The height that is shown as the location.
    fn height(&self) -> Option<u64> {
        match self {
            Undecided::Dropped { .. }
            | Undecided::NotCovered { .. }
            | Undecided::Replaced(_)
            | Undecided::RunsLeftOut(_) => None,
            Undecided::Inconsistent { height, .. } => Some(*height),
        }
    }
}

/// How much was compared and is equal.
#[derive(Clone, Copy, Debug)]
pub struct ComparedExtent {
    /// Number of heights that both have whole.
    pub whole: u64,
    /// What these heights hold.
    pub amount: ComparedAmount,
    /// Number of things that both recorders judge alike, and number of things that are not decided
    /// on both sides.
    pub judged: Option<(u64, u64)>,
}

/// What weakens a conclusion.
#[derive(Clone, Debug)]
pub enum Caveat {
    /// An entry at the place is cut off: its line, by side.
    Truncated([Option<u64>; 2]),
    /// Every entry of a type differs, which shows another version.
    Version(Version),
    /// The crank of the place has more entries than can be compared.
    TooLarge,
    /// The place comes directly after missing heights.
    AfterGap,
    /// The recording begins inside the block of the place, so an earlier difference in that block
    /// may be the cause.
    BeginsInside {
        /// The side.
        who: Who,
        /// The height.
        height: u64,
    },
    /// The entries are not in the order in which they were written.
    Disorder {
        /// The side.
        who: Who,
        /// What is wrong with the order; `None` if that differs between the sides.
        why: Option<String>,
    },
}

impl Caveat {
    /// Whether nothing of the conclusion is left.
    pub fn leaves_open(&self) -> bool {
        match self {
            Caveat::Version(version) => version.unknown,
            Caveat::Truncated(_)
            | Caveat::TooLarge
            | Caveat::AfterGap
            | Caveat::BeginsInside { .. }
            | Caveat::Disorder { .. } => true,
        }
    }
}

/// What a recording is and what it covers.
#[derive(Clone, Debug)]
pub struct RecordingFacts {
    /// Its path.
    pub path: PathBuf,
    /// Its kind, as a word.
    pub kind: &'static str,
    /// Lowest and highest height.
    pub heights: Option<(u64, u64)>,
    /// Number of heights.
    pub blocks: u64,
    /// Number of cranks.
    pub cranks: u64,
    /// Number of slog lines.
    pub lines: u64,
    /// Heights without a whole execution.
    pub incomplete: Vec<u64>,
    /// Heights missing between two that are there.
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    pub again: Vec<u64>,
    /// Its lines are not the bytes that the host wrote.
    pub rewritten: bool,
    /// What carried the lines.
    pub carrier: Option<Carrier>,
    /// Streams that it records. Other recordings of its kind may lack them.
    pub streams: Vec<StreamFacts>,
    /// Damage and holes, in words.
    pub damage: Vec<String>,
    /// Heights before which a kernel started.
    pub kernel_starts: Vec<u64>,
    /// Breaks of the activityhash chain, with their heights.
    pub chain_breaks: Vec<(u64, ChainBreak)>,
    /// The result of checking its replays.
    pub replays: Option<Replays>,
}

impl RecordingFacts {
    /// A break of the activityhash chain inside a run. Work between runs does not explain it.
    pub fn break_in_run(&self) -> Option<&ChainBreak> {
        let breaks = self.chain_breaks.iter().map(|(_, found)| found);
        breaks.into_iter().find(|found| found.in_run)
    }
}

/// What followed from the first difference.
#[derive(Clone, Debug, Default)]
pub struct Consequence {
    /// Number of cranks from the first difference to the first one whose crankhash differs.
    pub crankhash_after: Option<u64>,
    /// Cranks that differ in the block of the first difference, by their position in it.
    pub in_block: Vec<u64>,
    /// Number of cranks that differ.
    pub cranks_differing: u64,
    /// Number of cranks compared.
    pub cranks_compared: u64,
    /// Number of blocks that differ.
    pub blocks_differing: u64,
}
