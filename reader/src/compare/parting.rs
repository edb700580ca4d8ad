//! The place where two traces part.

use super::side::Who;
use crate::trace::{BlockTrace, UnitDigest};

/// Where two traces part: the execution and the index of the unit, on each side.
#[derive(Clone, Debug)]
pub struct Parting {
    /// The execution on side A, and the index of the unit.
    pub a: (BlockTrace, usize),
    /// The same on side B.
    pub b: (BlockTrace, usize),
    /// Inputs of the next few blocks, by side: height and digest of the body.
    pub later: [Vec<(u64, UnitDigest)>; 2],
    /// A side lacks the height before this one, so the two nodes may have diverged there.
    pub behind_gap: bool,
    /// The sides whose recording begins inside this block, so that something before may differ.
    pub begins_inside: Option<Who>,
}

impl Parting {
    /// Names of the inputs that differ. Empty unless the traces part in one of the first two
    /// units, which hold the inputs.
    pub fn other_inputs(&self) -> Vec<String> {
        let ((a, at_a), (b, at_b)) = (&self.a, &self.b);
        match at_a == at_b && *at_a <= 1 {
            true => a.given.others(&b.given),
            false => Vec::new(),
        }
    }
}
