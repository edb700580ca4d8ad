//! What should be known beside a verdict.

use super::evidence::Entry;
use super::inputs::{InputsAgreement, LocalDifference};
use super::outcome::HarmlessDifference;
use super::side::{Side, Who};

/// One thing that should be known beside the conclusion.
#[derive(Clone, Debug)]
pub enum Remark {
    /// Of the recording of one side.
    Recording(Side, OfRecording),
    /// A block that may not be the one that was decided is not compared.
    Undecided(u64, Who),
    /// The two differ in bytes and not in values.
    SameValues,
    /// Both judge a thing alike, for different reasons.
    OtherReasons {
        /// The thing, in words.
        item: String,
        /// What both say.
        verdict: String,
        /// The reasons, by side.
        reasons: [String; 2],
    },
    /// Numbers of the entries are too large for the slog's writer.
    LossyNumbers,
    /// The builds of xsnap have to be compared first.
    XsnapBuilds,
    /// A run policy ended one side's run earlier.
    RunPolicy,
    /// The settings of the recorders have to be compared first.
    RecorderSettings,
    /// This height is the first that both cover.
    FirstHeight(u64),
    /// Senders drop entries: the divergence may have been earlier.
    DroppedBefore,
    /// Steps differ where nothing came of it.
    HarmlessSteps(HarmlessSteps),
    /// Events of the block that differs are not the same either.
    Events {
        /// The height.
        height: u64,
        /// The events.
        steps: [Option<Entry>; 2],
    },
    /// What is each node's own and not the same.
    OwnInput(LocalDifference),
    /// What digests say of the inputs.
    Inputs(InputsAgreement),
    /// The roots of these stores differ after a height.
    Roots(u64, Vec<String>),
}

/// Steps that differ where nothing came of it.
#[derive(Clone, Debug)]
pub struct HarmlessSteps {
    /// The first such height.
    pub height: u64,
    /// At how many heights.
    pub heights: u64,
    /// The AppHashes are known to be equal.
    pub same_state: bool,
    /// How they differ.
    pub how: HarmlessDifference,
    /// The steps.
    pub steps: [Option<Entry>; 2],
}

/// What should be known of one recording.
#[derive(Clone, Debug)]
pub enum OfRecording {
    /// The chain replaced a block at this height; the last one is compared.
    BlockReplaced(u64),
    /// A height was executed more than once, and this execution is compared.
    Attempt {
        /// The height.
        height: u64,
        /// The execution.
        attempt: u32,
        /// Why this one.
        choice: ExecutionChoice,
    },
    /// No height has the execution that was asked for.
    NoSuchAttempt(u32),
    /// Executions of a height differ from one another.
    AttemptsDiffer {
        /// The height.
        height: u64,
        /// The one that is not compared.
        other: u32,
        /// The one that is.
        compared: u32,
    },
    /// The node went back to lower heights.
    WentBack {
        /// How often.
        times: usize,
        /// What is compared because of that.
        compared: AfterRollback,
    },
    /// It begins in the middle of this height.
    BeginsInside(u64),
    /// Something behind the node changed the lines; in words.
    Changed(String),
    /// None of its lines is an entry that the profile knows.
    UnknownEntries {
        /// Its lines.
        lines: u64,
        /// The profile.
        profile: String,
    },
    /// Cranks without hashes.
    NoHashes {
        /// How many.
        cranks: u64,
        /// They have crankhashes all the same.
        activity_only: bool,
    },
    /// A fingerprint of version 1.
    OldFingerprint,
    /// A fingerprint holds no verdicts of the recorder.
    NoVerdicts,
    /// Replays match their originals.
    ReplaysMatch {
        /// Replays whose original is known.
        checked: u64,
        /// Replays whose original is not.
        unknown: u64,
    },
    /// What its snapshot says, in the words of its vocabulary.
    Snapshot(String),
    /// When a vat was last loaded.
    VatLoaded {
        /// The vat.
        vat: String,
        /// The slog line.
        line: u64,
    },
    /// A height before the place is missing.
    NotCovered(u64),
    /// The chain of activityhashes breaks inside a run, at this crank.
    ChainBreak(u64),
    /// It alone has entries of these streams.
    OnlyHere(Vec<String>),
}

/// Why one of several executions is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionChoice {
    /// It was asked for.
    RequestTarget,
    /// It diverged.
    Diverged,
    /// It is the last complete one.
    LastWhole,
    /// None is complete.
    NoneWhole,
}

/// What is compared of a node that went back to lower heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRollback {
    /// The executions before: those behind it are equal.
    Earlier,
    /// Only those that were not rolled back.
    StandingOnly,
    /// Those that were not rolled back, first.
    StandingFirst,
}
