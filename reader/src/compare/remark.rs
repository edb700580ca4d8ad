//! What the user should know besides a verdict.

use super::evidence::Entry;
use super::inputs::{InputsAgreement, LocalDifference};
use super::outcome::HarmlessDifference;
use super::side::{Side, Who};

/// One thing that the user should know besides the conclusion.
#[derive(Clone, Debug)]
pub enum Remark {
    /// About the recording of one side.
    Recording(Side, OfRecording),
    /// A block was not compared, because the network may not have decided it.
    Undecided(u64, Who),
    /// The recordings differ in bytes and not in values.
    SameValues,
    /// Both recorders judge a thing alike, for different reasons.
    OtherReasons {
        /// The thing, in words.
        item: String,
        /// The verdict of both.
        verdict: String,
        /// The reasons, by side.
        reasons: [String; 2],
    },
    /// Numbers in the entries are too large for the slog's JSON writer.
    LossyNumbers,
    /// The user should first compare the builds of xsnap.
    XsnapBuilds,
    /// A run policy ended one side's run earlier.
    RunPolicy,
    /// The user should first compare the settings of the recorders.
    RecorderSettings,
    /// No whole height was compared before this one.
    FirstHeight(u64),
    /// A sender drops entries, so the divergence may be earlier.
    DroppedBefore,
    /// Steps differ without an effect on the outcome.
    HarmlessSteps(HarmlessSteps),
    /// The events of the block that differs differ too.
    Events {
        /// The height.
        height: u64,
        /// The first event that differs, by side.
        steps: [Option<Entry>; 2],
    },
    /// An input of a node's own differs.
    OwnInput(LocalDifference),
    /// What digests say of the inputs.
    Inputs(InputsAgreement),
    /// The roots of these stores differ at this height.
    Roots(u64, Vec<String>),
}

/// Steps that differ without an effect on the outcome.
#[derive(Clone, Debug)]
pub struct HarmlessSteps {
    /// The first such height.
    pub height: u64,
    /// Number of such heights.
    pub heights: u64,
    /// The AppHashes are known to be equal.
    pub same_state: bool,
    /// How they differ.
    pub how: HarmlessDifference,
    /// The steps, by side.
    pub steps: [Option<Entry>; 2],
}

/// What the user should know about one recording.
#[derive(Clone, Debug)]
pub enum OfRecording {
    /// The chain replaced a block at this height. The last block is compared.
    BlockReplaced(u64),
    /// A height was executed more than once, and this attempt is compared.
    Attempt {
        /// The height.
        height: u64,
        /// The attempt.
        attempt: u32,
        /// Why this one.
        choice: ExecutionChoice,
    },
    /// No height has the attempt that the user asked for.
    NoSuchAttempt(u32),
    /// Executions of a height differ from each other.
    AttemptsDiffer {
        /// The height.
        height: u64,
        /// The attempt that is not compared.
        other: u32,
        /// The attempt that is compared.
        compared: u32,
    },
    /// The node went back to lower heights.
    WentBack {
        /// How often it went back.
        times: usize,
        /// What is compared because of that.
        compared: AfterRollback,
    },
    /// It begins in the middle of this height.
    BeginsInside(u64),
    /// Something behind the node changed the lines: what, in words.
    Changed(String),
    /// The profile knows none of its lines.
    UnknownEntries {
        /// Number of its lines.
        lines: u64,
        /// Name of the profile.
        profile: String,
    },
    /// Some cranks lack a hash.
    NoHashes {
        /// Number of these cranks.
        cranks: u64,
        /// Only the activityhashes are missing.
        activity_only: bool,
    },
    /// A fingerprint of version 1.
    OldFingerprint,
    /// A fingerprint holds no verdicts of the recorder.
    NoVerdicts,
    /// Replays match their originals.
    ReplaysMatch {
        /// Number of replays with a known original.
        checked: u64,
        /// Number of replays without one.
        unknown: u64,
    },
    /// Its snapshot, in the words of its vocabulary.
    Snapshot(String),
    /// When the vat of the step was last loaded.
    VatLoaded {
        /// Id of the vat.
        vat: String,
        /// The slog line.
        line: u64,
    },
    /// This height before the place is missing.
    NotCovered(u64),
    /// The chain of activityhashes breaks inside a run, at this crank.
    ChainBreak(u64),
    /// Only this recording has entries of these streams.
    OnlyHere(Vec<String>),
}

/// Why one of several executions is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionChoice {
    /// The user asked for it.
    Requested,
    /// It diverged.
    Diverged,
    /// It is the last complete one.
    LastWhole,
    /// None is complete.
    NoneWhole,
}

/// What is compared if a node went back to lower heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRollback {
    /// Earlier executions, because the later ones are equal.
    Earlier,
    /// Earlier executions, because they have the height that differs whole. The later ones differ
    /// too, behind it.
    EarlierWhole,
    /// Only executions that were not rolled back.
    StandingOnly,
    /// Executions that were not rolled back, first.
    StandingFirst,
}
