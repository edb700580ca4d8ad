//! What comparing two recordings found, as data: what is concluded, what weakens that, and
//! what should be known besides. [`crate::report`] puts it into words.

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

/// What comparing two recordings found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What the recordings show.
    pub conclusion: Conclusion,
    /// What weakens it, the innermost first.
    pub caveats: Vec<Caveat>,
    /// The two recordings.
    pub recordings: [RecordingFacts; 2],
    /// Heights that both have.
    pub heights: Vec<HeightRow>,
    /// What followed from the first difference.
    pub consequence: Consequence,
    /// How the environments differ.
    pub environment: Vec<EnvironmentRow>,
    /// What should be known besides, in the order in which it is shown.
    pub remarks: Vec<Remark>,
    /// What the entries mean.
    pub vocabulary: &'static dyn Vocabulary,
}

impl Finding {
    /// The class of the fault.
    pub fn verdict(&self) -> Verdict {
        match self.is_open() {
            true => Verdict::Insufficient,
            false => self.conclusion.verdict(),
        }
    }

    /// How a command that shows this ends: 0 equal, 1 different, 2 undecided.
    pub fn exit(&self) -> u8 {
        match &self.conclusion {
            // That they differ is known, whatever the class.
            Conclusion::Digests(found) if !self.is_open() && found.is_certain() => 1,
            _ => self.verdict().exit(),
        }
    }

    /// A caveat leaves nothing of the conclusion.
    fn is_open(&self) -> bool {
        self.caveats.iter().any(Caveat::leaves_open)
    }

    /// Where the recordings diverge, or what could not be compared is.
    pub fn location(&self) -> Option<Location> {
        self.conclusion.location()
    }

    /// What is each node's own and not the same.
    pub fn own_inputs(&self) -> impl Iterator<Item = &LocalDifference> {
        self.remarks.iter().filter_map(|remark| match remark {
            Remark::OwnInput(own) => Some(own),
            _ => None,
        })
    }
}

/// What two recordings show.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// They cannot be compared.
    Incomparable(Incomparable),
    /// A replayed delivery of this side does not match its original.
    Replay(Side, Mismatch),
    /// They diverge at a step.
    Step(Box<Divergence>),
    /// Digests differ; there are no entries that show what.
    Digests(DigestDivergence),
    /// Every step is equal, and activityhashes are not.
    Activity(ActivityDivergence),
    /// The blocks are equal, and what the two recorders say of them is not.
    Recorders {
        /// What they say.
        dissent: Box<Dissent>,
        /// Nothing can change either of the two any more.
        is_final: bool,
    },
    /// All that both sides recorded is equal, and that decides nothing.
    Undecided(Undecided),
    /// Every entry is equal, and the outcome of a block is not, or is not known to be.
    Outcome {
        /// What is known of it.
        outcome: Outcome,
        /// The first height at which the AppHashes are seen to differ.
        other_app_hash: Option<u64>,
    },
    /// Everything that both cover is equal.
    Identical(ComparedExtent),
}

impl Conclusion {
    /// The class of the fault.
    pub fn verdict(&self) -> Verdict {
        match self {
            Conclusion::Incomparable(_) | Conclusion::Undecided(_) => Verdict::Insufficient,
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
            Conclusion::Undecided(undecided) => undecided.height().map(at),
            Conclusion::Outcome { other_app_hash, .. } => other_app_hash.map(at),
        }
    }
}

/// Why two recordings cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// They were recorded with different profiles.
    Profiles([String; 2]),
    /// Their profile says nothing of entries.
    NoSlog(String),
    /// They are of different chains.
    Chains([String; 2]),
    /// Some hold no execution of a block.
    NoBlocks {
        /// Which.
        who: Who,
        /// Lines that hold an entry behind something unknown.
        prefixed: u64,
        /// Cranks without their block.
        cranks: u64,
        /// Only some heights were asked for.
        in_range: bool,
    },
    /// Beside a fingerprint, this one has other bytes than its host wrote.
    Rewritten(Side),
    /// Beside a fingerprint, the sender of this one drops entries.
    Dropped(Side),
    /// Only one of the two has crankhashes in its digests.
    Crankhashes(Who),
    /// At this height each has another block.
    Replaced(u64),
    /// No height is complete on both sides.
    NoWholeHeight,
}

/// Two recordings diverge at a step.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The height.
    pub height: u64,
    /// Which execution of it each side has.
    pub attempts: [u32; 2],
    /// What differs.
    pub difference: Difference,
    /// The step is the result of a transaction, and the AppHash behind it is the same.
    pub is_result_only: bool,
    /// Cranks before it in the block.
    pub cranks_before: u64,
    /// The run in the block.
    pub run: Option<u32>,
    /// The input whose run it is.
    pub input: Option<String>,
    /// The part of the block that it stands in, of the side with its numbers first.
    pub parts: [StepPart; 2],
    /// What differs between the two entries.
    pub changes: Vec<Change>,
    /// What the key of each step is, in words.
    pub keys: [Option<String>; 2],
    /// The value that each step read or wrote, where it was kept.
    pub values: [Option<String>; 2],
    /// The last writes of the key that was read, or is written.
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

    /// The part of its block that the step stands in. The other side may have recorded more
    /// of that than the one that has the step.
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
    /// Which execution of it: the later of the two sides'.
    pub attempt: u32,
    /// What is known of the difference.
    pub difference: DigestDifference,
}

/// What digests that differ tell.
#[derive(Clone, Debug)]
pub enum DigestDifference {
    /// Nothing: these hold entries that no version writes which is known here.
    UnknownVersion(Who),
    /// The block was given other inputs, by name.
    Inputs(Vec<String>),
    /// A unit differs, and which entry of it nobody can say.
    Unit {
        /// The crank, if it is one.
        crank: Option<u64>,
        /// Cranks before it in the block.
        before: u64,
        /// Which sources are fingerprints.
        fingerprints: Who,
        /// The AppHashes behind it are equal, if both are known.
        same_app_hash: Option<bool>,
        /// Entries of such a host may differ and decide nothing.
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

    /// It is certain that the two executions differ.
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

/// Every step is equal, and from a crank on the activityhashes are not.
#[derive(Clone, Debug)]
pub struct ActivityDivergence {
    /// Where.
    pub at: ActivityParting,
    /// What that means.
    pub means: ActivityMeaning,
}

/// What another activityhash behind equal steps means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityMeaning {
    /// The difference may be in entries that a sender dropped.
    Dropped,
    /// Work between two runs, which no entry shows.
    HiddenWork,
    /// The chain of hashes does not follow from the steps.
    BrokenChain,
}

impl ActivityDivergence {
    fn verdict(&self) -> Verdict {
        match self.means {
            ActivityMeaning::Dropped => Verdict::Insufficient,
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

/// What is known of the outcome of blocks, where every entry that both sides have is equal.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The height that is in dispute is not covered.
    Disputed {
        /// By whom.
        who: Who,
        /// The height.
        height: u64,
    },
    /// The AppHashes differ.
    AppHash {
        /// The height.
        height: u64,
        /// Some reads differ too, which decided nothing.
        reads_differ: bool,
        /// What one side alone records there and may be why.
        only: Option<OneSidedStream>,
    },
    /// The AppHashes differ after a height that is not completely covered.
    AppHashInPart {
        /// By whom.
        who: Who,
        /// The height.
        height: u64,
    },
    /// The LastResultsHash of this height differs, and nothing else.
    Results(u64),
    /// One side alone records what may decide the outcome of this height.
    OneSided(u64, OneSidedStream),
    /// Digests are equal, and no AppHash says that the state is too.
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

/// Why it is not known that two recordings are equal, though all that both have is.
#[derive(Clone, Debug)]
pub enum Undecided {
    /// Slog senders drop entries.
    Dropped {
        /// Whose.
        who: Who,
        /// Heights of which a part was compared.
        heights: usize,
        /// Cranks that were compared.
        cranks: u64,
    },
    /// The entries of a height do not stand as their kernel wrote them.
    Inconsistent {
        /// Whose.
        who: Who,
        /// The height.
        height: u64,
        /// Why.
        why: String,
    },
    /// A height within is not completely covered.
    NotCovered {
        /// By whom.
        who: Who,
        /// The height.
        height: u64,
    },
    /// At this height each has another block.
    Replaced(u64),
}

impl Undecided {
    /// The height that is shown as the place.
    fn height(&self) -> Option<u64> {
        match self {
            Undecided::Dropped { .. } | Undecided::NotCovered { .. } | Undecided::Replaced(_) => {
                None
            }
            Undecided::Inconsistent { height, .. } => Some(*height),
        }
    }
}

/// How much was compared, and is equal.
#[derive(Clone, Copy, Debug)]
pub struct ComparedExtent {
    /// Heights that both have whole.
    pub whole: u64,
    /// What these hold.
    pub amount: ComparedAmount,
    /// Things that both recorders judge alike, and things that are not decided on both
    /// sides.
    pub judged: Option<(u64, u64)>,
}

/// What weakens a conclusion.
#[derive(Clone, Debug)]
pub enum Caveat {
    /// An entry at the place is cut off: the lines, by side.
    Truncated([Option<u64>; 2]),
    /// The difference stands in every entry of a type.
    Version(Version),
    /// It comes directly after missing heights.
    AfterGap,
    /// Entries are not in the order in which they were written.
    Disorder {
        /// Whose.
        who: Who,
        /// Why that is known, where it is the same on both sides.
        why: Option<String>,
    },
}

impl Caveat {
    /// Nothing of the conclusion is left.
    pub fn leaves_open(&self) -> bool {
        match self {
            Caveat::Version(version) => version.unknown,
            Caveat::Truncated(_) | Caveat::AfterGap | Caveat::Disorder { .. } => true,
        }
    }
}

/// What a recording is and covers.
#[derive(Clone, Debug)]
pub struct RecordingFacts {
    /// Its path.
    pub path: PathBuf,
    /// Its kind.
    pub kind: &'static str,
    /// Lowest and highest height.
    pub heights: Option<(u64, u64)>,
    /// Heights.
    pub blocks: u64,
    /// Cranks.
    pub cranks: u64,
    /// Slog lines.
    pub lines: u64,
    /// Heights without a whole execution.
    pub incomplete: Vec<u64>,
    /// Heights missing between others.
    pub missing: Vec<u64>,
    /// Heights with more than one execution.
    pub again: Vec<u64>,
    /// Its lines are not the host's own bytes.
    pub rewritten: bool,
    /// What carried its lines.
    pub carrier: Option<Carrier>,
    /// What it records that others of its kind may not.
    pub streams: Vec<StreamFacts>,
    /// Damage and holes.
    pub damage: Vec<String>,
    /// Heights before which a kernel started.
    pub kernel_starts: Vec<u64>,
    /// Breaks of the activityhash chain, and their heights.
    pub chain_breaks: Vec<(u64, ChainBreak)>,
    /// Replays that were checked.
    pub replays: Option<Replays>,
}

impl RecordingFacts {
    /// A break of the activityhash chain that kernel work between runs does not explain.
    pub fn break_in_run(&self) -> Option<&ChainBreak> {
        let breaks = self.chain_breaks.iter().map(|(_, found)| found);
        breaks.into_iter().find(|found| found.in_run)
    }
}

/// What followed from the first difference.
#[derive(Clone, Debug, Default)]
pub struct Consequence {
    /// Cranks later at which the crankhash first differs.
    pub crankhash_after: Option<u64>,
    /// Those that differ of the block with the first difference, by their place in it.
    pub in_block: Vec<u64>,
    /// Cranks that differ.
    pub cranks_differing: u64,
    /// Cranks compared.
    pub cranks_compared: u64,
    /// Blocks that differ.
    pub blocks_differing: u64,
}
