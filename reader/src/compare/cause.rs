//! What the first difference is. Each cause is of one class of faults.

use super::order::Moved;
use super::side::Side;
use super::verdict::Verdict;

/// What differs at the first step that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The same read returned another value.
    ReadAnswer,
    /// The block leaves another value under the same key.
    LeftValue,
    /// The block changes a key on this side alone.
    LeftKey(Side),
    /// The root of a store is another one, though all that both recorded before is equal.
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
    /// The same transaction ended differently.
    TransactionResult,
    /// Another step inside a delivery.
    OtherStep,
    /// The kernel went on with another message.
    OtherMessage,
    /// Other entries of a block whose inputs are equal.
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
    /// One side has more here.
    Extra {
        /// The side.
        side: Side,
        /// Entries, or units outside cranks, that it has more.
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
    /// The same operations on stores in another order, with other consequences.
    OperationsReordered(Moved),
    /// The same inputs in another order.
    InputsReordered,
    /// The same triggers from outside in another order.
    TriggersReordered,
    /// The same input came with another number.
    InputNumber,
    /// The block was given other inputs, by name.
    OtherInputs(Vec<String>),
    /// The block itself came with other parameters.
    BlockParameters,
    /// Another input came in at the same place.
    OtherInput,
    /// Another trigger came in at the same place.
    OtherPoll,
    /// Another trigger, whose meaning is always this.
    OtherTrigger(&'static str),
    /// The same vat was written down with another ID.
    Snapshot,
    /// Every step of a crank is equal, and its crankhash is not.
    CrankHash,
    /// The same crank has another number.
    CrankNumber,
}

/// What one side has more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// Entries.
    Entries,
    /// Cranks, or entries outside them that begin with a crank.
    Cranks,
    /// An input.
    Input,
    /// Another trigger from outside.
    Trigger,
}

impl Cause {
    /// The class that it is of.
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

    /// The side whose step it is about, if it is about one.
    pub fn side(&self) -> Option<Side> {
        match self {
            Cause::Deferred { side, .. } => Some(*side),
            _ => self.inserted_on(),
        }
    }

    /// The steps at the place are of the same thing on both sides, as far as the cause
    /// goes: what differs in them can be shown.
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
    /// An entry is no JSON to its end.
    Truncated {
        /// Its number among the slog's lines.
        line: u64,
    },
    /// The entries of the crank cannot follow one another so; in the words of their
    /// vocabulary.
    Structure(String),
    /// The number of a crank does not follow from the one before.
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
