//! The classes of faults.

use serde::{Serialize, Serializer};

/// The class of the fault between two sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The disputed heights are covered on both sides and equal.
    Identical,
    /// Another inbound action, or the same ones in another order.
    Inputs,
    /// A device answered differently.
    HostAnswer,
    /// A read returned another value although everything before is equal.
    State,
    /// The inputs and reads are the same, the steps differ.
    Execution,
    /// The same steps in another order.
    Order,
    /// A heap snapshot has another ID although every delivery before is equal.
    Snapshot,
    /// A replayed delivery does not match its original.
    Replay,
    /// The steps are equal and a crankhash differs, or an activityhash does not follow.
    HashOnly,
    /// The crankhashes are equal and the activityhash differs across a legal gap.
    HiddenCrank,
    /// Only LastResultsHash differs.
    ResultsOnly,
    /// Every canonical entry is equal and the AppHash differs.
    Outside,
    /// Every canonical entry is equal and the verdicts of the recorders differ.
    Verdicts,
    /// The place is not covered, or nothing can be concluded.
    Insufficient,
}

impl Verdict {
    /// Its name, as docs/architecture.md lists it.
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

    /// Exit code: 0 identical, 2 insufficient, 1 everything else.
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
