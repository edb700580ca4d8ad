//! The place where two recordings part.

use crate::trace::{BlockTrace, UnitDigest};

/// Where the traces part: unit indices in the two executions.
#[derive(Clone, Debug)]
pub struct Parting {
    /// The execution on side A and the unit.
    pub a: (BlockTrace, usize),
    /// The same on side B.
    pub b: (BlockTrace, usize),
    /// Inputs of the blocks that follow, by side: (height, body).
    pub later: [Vec<(u64, UnitDigest)>; 2],
    /// A height before this one is missing on a side, so that this may not be
    /// where they parted.
    pub behind_gap: bool,
}

impl Parting {
    /// Inputs that are not the same, by name, where the traces part in what tells them.
    pub fn other_inputs(&self) -> Vec<String> {
        let ((a, at_a), (b, at_b)) = (&self.a, &self.b);
        match at_a == at_b && *at_a <= 1 {
            true => a.given.others(&b.given),
            false => Vec::new(),
        }
    }
}
