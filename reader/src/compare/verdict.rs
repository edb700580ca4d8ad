//! The classes of faults.

use serde::{Serialize, Serializer};

/// What two sources say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The disputed heights are covered on both sides and equal.
    Identical,
    /// Another inbound action, or the same ones in another order.
    Inputs,
    /// A device answered differently.
    HostAnswer,
    /// A read gave another value though everything before is equal.
    State,
    /// Same inputs and reads, other steps.
    Execution,
    /// The same steps in another order.
    Order,
    /// A heap snapshot has another ID though every delivery before is equal.
    Snapshot,
    /// A replayed delivery does not match its original.
    Replay,
    /// Equal steps, other crankhash, or a chain that does not follow.
    HashOnly,
    /// Equal crankhashes, other activityhash across a legal gap.
    HiddenCrank,
    /// Only LastResultsHash differs.
    ResultsOnly,
    /// Every canonical entry equal, AppHash differs.
    Outside,
    /// Every canonical entry equal, what the recorders say of the blocks is not.
    Verdicts,
    /// The place is not covered.
    Insufficient,
}

impl Verdict {
    /// The class, in the words of docs/architecture.md.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Identical => "identical",
            Verdict::Inputs => "inputs differ",
            Verdict::HostAnswer => "host answer differs",
            Verdict::State => "state differs",
            Verdict::Execution => "execution differs",
            Verdict::Order => "order differs",
            Verdict::Snapshot => "snapshot differs",
            Verdict::Replay => "replay differs",
            Verdict::HashOnly => "hash only",
            Verdict::HiddenCrank => "hidden crank",
            Verdict::ResultsOnly => "results only",
            Verdict::Outside => "outside the recording",
            Verdict::Verdicts => "verdicts differ",
            Verdict::Insufficient => "evidence insufficient",
        }
    }

    /// Exit code.
    pub fn exit(self) -> u8 {
        match self {
            Verdict::Identical => 0,
            Verdict::Insufficient => 2,
            _ => 1,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
