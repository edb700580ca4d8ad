//! What the first difference is. Each cause belongs to one class of faults.

use super::order::Moved;
use super::side::Side;
use super::verdict::Verdict;

/// What differs at the first step that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The same read returned another value.
    ReadAnswer,
    /// The block leaves another value under the same key.
    LeftValue,
    /// Only the block of this side changes the key.
    LeftKey(Side),
    /// The root of a store differs although all that both recorded before is equal.
    Root {
        /// The store.
        store: String,
        /// The side that alone recorded writes to it.
        written_on: Option<Side>,
    },
    /// A device, and so the host, answered differently.
    DeviceAnswer,
    /// The kernel answered the same syscall differently.
    KernelAnswer,
    /// The same delivery ended differently.
    DeliveryResult,
    /// The result of the same transaction differs.
    TransactionResult,
    /// A step inside a delivery differs.
    OtherStep,
    /// The kernel continued with another message.
    OtherMessage,
    /// Entries of a block differ, and its inputs are equal.
    OtherCourse,
    /// The same poll found something else.
    PollResult,
    /// An input that ran on this side was carried to a later height on the other.
    Deferred {
        /// The side that ran it.
        side: Side,
        /// The height at which the other side ran it.
        to: u64,
    },
    /// One side has more entries here.
    Extra {
        /// The side with more.
        side: Side,
        /// Number of entries, or of units outside cranks, that it has more.
        count: usize,
        /// What they are.
        of: Surplus,
    },
    /// The same cranks in another order.
    CranksReordered,
    /// The same steps of a delivery in another order.
    StepsReordered,
    /// The same entries outside cranks in another order.
    EntriesReordered,
    /// The operations on stores are the same in another order, with other consequences.
    OperationsReordered(Moved),
    /// The same inputs in another order.
    InputsReordered,
    /// The same triggers from outside in another order.
    TriggersReordered,
    /// The input is the same and its number differs.
    InputNumber,
    /// The block was given other inputs: their names.
    OtherInputs(Vec<String>),
    /// The parameters of the block differ.
    BlockParameters,
    /// Another input came at the same place.
    OtherInput,
    /// Another trigger came at the same place.
    OtherPoll,
    /// Another trigger came at the same place. The text says what that means.
    OtherTrigger(&'static str),
    /// The same vat was saved with another snapshot ID.
    Snapshot,
    /// Every step of a crank is equal, and its crankhash differs.
    CrankHash,
    /// The crank is the same and its number differs.
    CrankNumber,
}

/// What one side has more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// Entries.
    Entries,
    /// Cranks, possibly with entries between them.
    Cranks,
    /// An input.
    Input,
    /// Another trigger from outside.
    Trigger,
}

impl Cause {
    /// The class of the cause.
    pub fn verdict(&self) -> Verdict {
        match self {
            Cause::ReadAnswer | Cause::LeftValue | Cause::LeftKey(_) | Cause::Root { .. } => {
                Verdict::State
            }
            Cause::DeviceAnswer => Verdict::HostAnswer,
            Cause::KernelAnswer
            | Cause::DeliveryResult
            | Cause::TransactionResult
            | Cause::OtherStep
            | Cause::OtherMessage
            | Cause::OtherCourse
            | Cause::PollResult
            | Cause::Deferred { .. } => Verdict::Execution,
            Cause::Extra { of, .. } => match of {
                Surplus::Entries | Surplus::Cranks => Verdict::Execution,
                Surplus::Input | Surplus::Trigger => Verdict::Inputs,
            },
            Cause::CranksReordered
            | Cause::StepsReordered
            | Cause::EntriesReordered
            | Cause::OperationsReordered(_) => Verdict::Order,
            Cause::InputsReordered
            | Cause::TriggersReordered
            | Cause::InputNumber
            | Cause::OtherInputs(_)
            | Cause::BlockParameters
            | Cause::OtherInput
            | Cause::OtherPoll
            | Cause::OtherTrigger(_) => Verdict::Inputs,
            Cause::Snapshot => Verdict::Snapshot,
            Cause::CrankHash => Verdict::HashOnly,
            Cause::CrankNumber => Verdict::HiddenCrank,
        }
    }

    /// The side that alone has the step.
    pub fn inserted_on(&self) -> Option<Side> {
        match self {
            Cause::Extra { side, .. } | Cause::LeftKey(side) => Some(*side),
            _ => None,
        }
    }

    /// The side whose step the cause is about, if it is about one.
    pub fn side(&self) -> Option<Side> {
        match self {
            Cause::Deferred { side, .. } => Some(*side),
            _ => self.inserted_on(),
        }
    }

    /// Whether the steps of both sides correspond, so that their members can be compared.
    pub fn has_counterparts(&self) -> bool {
        let is_moved = matches!(
            self,
            Cause::CranksReordered
                | Cause::StepsReordered
                | Cause::EntriesReordered
                | Cause::OperationsReordered(_)
                | Cause::InputsReordered
                | Cause::TriggersReordered
        );
        self.side().is_none() && !is_moved
    }
}

/// Why the recording of a side proves nothing at the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The JSON of an entry ends too early.
    Truncated {
        /// Its number among the slog's lines.
        line: u64,
    },
    /// The entries of the crank cannot follow each other. The text says why, in the words of the
    /// vocabulary.
    Structure(String),
    /// The number of the crank does not follow from the crank before it.
    CrankNumber {
        /// The crank.
        crank: u64,
        /// The one before it in its run.
        before: u64,
    },
    /// The activityhash of a crank does not follow from the one before.
    Chain {
        /// The crank.
        crank: u64,
    },
}
