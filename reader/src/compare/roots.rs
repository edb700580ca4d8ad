//! Which roots of a state changed with a block: one that did not proves that its block wrote
//! nothing there, whatever its host records.

use std::collections::BTreeMap;

use crate::tape::{Root, StreamId, UnitDigest};

/// Parts of a state whose roots are followed.
const FOLLOWED: usize = 4096;

/// The last roots that were told, each with its height.
#[derive(Debug, Default)]
pub(super) struct Roots(BTreeMap<StreamId, Vec<(u64, UnitDigest)>>);

impl Roots {
    /// Says of each root of a block whether it is the one of the height before.
    pub(super) fn weigh(&mut self, height: u64, roots: &mut [Root]) {
        for root in roots {
            if self.0.len() >= FOLLOWED && !self.0.contains_key(&root.stream) {
                continue;
            }
            let told = self.0.entry(root.stream).or_default();
            // A height that is executed again follows the one before it all the same.
            told.retain(|(of, _)| of + 1 == height);
            root.changed = told.first().map(|(_, before)| *before != root.says);
            told.push((height, root.says));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_held_to_that_of_the_height_before() {
        let mut roots = Roots::default();
        let mut changed = |height: u64, says: u8| {
            let mut of = [Root {
                stream: 1,
                says: [says; 16],
                changed: None,
            }];
            roots.weigh(height, &mut of);
            of[0].changed
        };
        assert_eq!(changed(5, 1), None, "nothing is known before");
        assert_eq!(changed(6, 1), Some(false));
        assert_eq!(changed(7, 2), Some(true));
        assert_eq!(changed(7, 1), Some(false), "executed again");
        assert_eq!(changed(8, 1), Some(false), "behind the last execution");
        assert_eq!(changed(10, 1), None, "a height is missing");
        assert_eq!(changed(6, 1), None, "the node went back");
    }
}
