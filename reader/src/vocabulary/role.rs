//! What an entry can be to a comparison, and the numbers that place it.

/// What an entry is for a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Something that came in from outside: matched by its body.
    Input,
    /// Another trigger from outside the kernel.
    Trigger,
    /// A vat's heap is written down.
    Snapshot,
    /// The block's own parameters.
    Begin,
    /// A kernel run begins.
    RunStart,
    /// It ends.
    RunFinish,
    /// A crank begins.
    CrankStart,
    /// It ends.
    CrankFinish,
    /// A delivery to a vat.
    Deliver,
    /// What came of it.
    DeliverResult,
    /// A vat asks the kernel.
    Syscall,
    /// The kernel's answer.
    SyscallResult,
    /// A read, and what it gave.
    Read,
    /// What came of a transaction.
    Result,
    /// The block ends.
    End,
    /// Any other entry.
    Other,
}

impl Role {
    /// It comes from outside the kernel: what is not the same here is no fault of an
    /// execution.
    pub fn is_from_outside(self) -> bool {
        matches!(self, Role::Input | Role::Trigger | Role::Begin)
    }
}

/// The numbers that place an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Crank.
    pub crank: Option<u64>,
    /// Vat.
    pub vat: Option<String>,
    /// Delivery to the vat, counted over its life.
    pub delivery: Option<u64>,
    /// Syscall within the delivery.
    pub syscall: Option<u64>,
    /// Transaction in the block, from 0.
    pub tx: Option<u64>,
    /// Operation in the transaction, or in the block outside of them, from 0.
    pub op: Option<u64>,
    /// Log among all logs of the block.
    pub log: Option<u64>,
}
