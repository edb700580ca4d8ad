//! A kernel of vats: what it executes, and the slog that it writes.
//!
//! A map of keys stands under each vat, so that what is read is what was written.

mod machine;
mod render;

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::tape::Digest;

pub use render::Clock;

/// Vats of a kernel.
pub(crate) const VATS: usize = 3;

/// What of an entry is the node's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    None,
    Lag,
    Queue,
    Meter,
    Sizes,
    Stats,
}

/// One entry, without its clock.
#[derive(Clone, Debug)]
pub struct Step {
    kind: &'static str,
    /// Up to what is the node's own, and behind it; without the closing bracket.
    head: String,
    own: Own,
    tail: String,
    /// It tells how long it took.
    timed: bool,
    /// As it is written when it is replayed.
    replay: Option<String>,
    vat: usize,
    delivery: u64,
}

/// One block.
#[derive(Clone, Debug, Default)]
pub struct Block {
    steps: Vec<Step>,
}

/// A chain, as one node executed it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// By height.
    pub blocks: BTreeMap<u64, Block>,
}

impl Step {
    fn is_canonical(&self) -> bool {
        !self.kind.starts_with("cosmic-swingset-commit") && !self.kind.contains("after-commit")
    }

    /// As all honest nodes have it.
    fn canonical(&self) -> String {
        format!("{}{}}}", self.head, self.tail)
    }
}

impl Block {
    /// Digest of what was executed.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for step in self.steps.iter().filter(|step| step.is_canonical()) {
            hasher.update(step.canonical().as_bytes());
            hasher.update(b"\n");
        }
        *hasher.finalize().as_bytes()
    }
}

impl Kernel {
    /// Executes a chain of so many blocks.
    pub fn execute(chain: u64, blocks: u64, size: u64, fault: Option<Fault>) -> Kernel {
        machine::Machine::new(chain, size, fault).run(blocks)
    }

    /// The lowest height at which two nodes did not do the same.
    pub fn parting(&self, other: &Kernel) -> Option<u64> {
        let differs = |height: &&u64| {
            let own = self.blocks[*height].digest();
            other
                .blocks
                .get(*height)
                .is_some_and(|block| block.digest() != own)
        };
        self.blocks.keys().find(differs).copied()
    }
}
