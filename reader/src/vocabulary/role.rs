//! The roles of entries in a comparison, and the numbers that locate an entry.

/// What an entry is to a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// An input from outside. Inputs are matched by their bodies.
    Input,
    /// Another trigger from outside the kernel.
    Trigger,
    /// A vat's heap was saved.
    Snapshot,
    /// The block's own parameters.
    Begin,
    /// A kernel run begins.
    RunStart,
    /// A kernel run ends.
    RunFinish,
    /// A crank begins.
    CrankStart,
    /// A crank ends.
    CrankFinish,
    /// A delivery to a vat.
    Deliver,
    /// The result of a delivery.
    DeliverResult,
    /// A syscall: a vat asks the kernel.
    Syscall,
    /// The kernel's answer to a syscall.
    SyscallResult,
    /// A read, with its result.
    Read,
    /// The result of a transaction.
    Result,
    /// The block ends.
    End,
    /// Any other entry.
    Other,
}

impl Role {
    /// Whether it comes from outside the kernel. A difference here is no fault of an execution.
    pub fn is_from_outside(self) -> bool {
        matches!(self, Role::Input | Role::Trigger | Role::Begin)
    }
}

/// The numbers that locate an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Number of the crank.
    pub crank: Option<u64>,
    /// Id of the vat.
    pub vat: Option<String>,
    /// Delivery to the vat, counted over its life.
    pub delivery: Option<u64>,
    /// Syscall within the delivery.
    pub syscall: Option<u64>,
    /// Transaction in the block, from 0.
    pub tx: Option<u64>,
    /// Operation in the transaction, or in the block outside transactions, from 0.
    pub op: Option<u64>,
    /// Log among all logs of the block.
    pub log: Option<u64>,
}
