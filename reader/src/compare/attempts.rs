//! Numbers the executions of a height, and tells which diverged.

use std::collections::BTreeMap;

use haltbox_format::mark::State;

use crate::block_index::IndexedBlock;
use crate::source::{Blocks, Source};

/// Numbers the executions of a source in their order.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    /// The blocks that the source's index lists, by first line.
    indexed: Vec<IndexedBlock>,
    /// The height of the box, if the source is one.
    about: Option<u64>,
    /// Lowest and highest height so far.
    seen: Option<(u64, u64)>,
    /// The last attempt at heights with several, and at the newest height.
    last: BTreeMap<u64, u32>,
}

impl Attempts {
    /// Reads the index of a source.
    pub fn of(source: &Source) -> Attempts {
        let mut indexed = match source.blocks() {
            Blocks::Told(blocks) => blocks,
            Blocks::Untold => Vec::new(),
        };
        indexed.sort_by_key(|block| block.from.main);
        Attempts {
            indexed,
            about: source.about(),
            ..Attempts::default()
        }
    }

    /// Numbers the next execution. Returns its attempt, and whether the source says that it
    /// diverged. `at` is the counter of the line that began it.
    pub fn next(&mut self, height: u64, at: u64) -> (u32, bool) {
        let counted = self.count(height);
        let begun = self.indexed.partition_point(|block| block.from.main <= at);
        let known = self.indexed[..begun]
            .iter()
            .rfind(|block| block.attempt.height == height);
        match known {
            Some(block) => (block.attempt.attempt, self.is_diverged(block)),
            None => (counted, false),
        }
    }

    /// Whether the execution counts as diverged. A node that recovered must not look as if nothing
    /// had happened. But the box of a later height is about that height, and all that it holds
    /// builds on the attempt that replaced this one.
    fn is_diverged(&self, block: &IndexedBlock) -> bool {
        let replaces = |other: &IndexedBlock| {
            let stands = matches!(other.state, Some(State::Committed | State::Confirmed));
            stands
                && other.attempt.height == block.attempt.height
                && other.attempt.attempt > block.attempt.attempt
        };
        let is_behind = self.about.is_some_and(|about| about > block.attempt.height);
        block.state == Some(State::Diverged) && !(is_behind && self.indexed.iter().any(replaces))
    }

    fn count(&mut self, height: u64) -> u32 {
        let again = self
            .seen
            .is_some_and(|(low, high)| (low..=high).contains(&height));
        let before = self.last.get(&height).copied();
        let attempt = before.unwrap_or(u32::from(again)).saturating_add(1);
        // Heights that were executed once are within `seen` and need no entry.
        let newest = self.seen.map_or(height, |(_, high)| high.max(height));
        self.last
            .retain(|of, attempt| *of >= newest || *attempt > 1);
        self.last.insert(height, attempt);
        self.seen = Some(self.seen.map_or((height, height), |(low, high)| {
            (low.min(height), high.max(height))
        }));
        attempt
    }
}

#[cfg(test)]
mod tests {
    use haltbox_format::mark::Attempt;

    use super::*;

    /// Height 12 diverged and was executed again, and then 13.
    fn recovered(about: Option<u64>) -> Attempts {
        let block = |height, attempt, state| IndexedBlock {
            state: Some(state),
            ..IndexedBlock::unknown(Attempt { height, attempt })
        };
        Attempts {
            indexed: vec![
                block(12, 1, State::Diverged),
                block(12, 2, State::Confirmed),
                block(13, 1, State::Diverged),
            ],
            about,
            ..Attempts::default()
        }
    }

    #[test]
    fn a_box_is_not_about_what_its_node_recovered_from_before() {
        let diverged = |about| {
            let attempts = recovered(about);
            let indexed = attempts.indexed.iter();
            indexed
                .map(|block| attempts.is_diverged(block))
                .collect::<Vec<_>>()
        };
        assert_eq!(diverged(None), [true, false, true]);
        assert_eq!(diverged(Some(12)), [true, false, true]);
        assert_eq!(diverged(Some(13)), [false, false, true]);
    }

    #[test]
    fn executions_are_counted_wherever_they_stand() {
        let mut attempts = Attempts::default();
        let heights = [12, 13, 13, 14, 13, 14, 15, 12, 11, 15];
        let counted: Vec<u32> = heights
            .iter()
            .map(|height| attempts.next(*height, 0).0)
            .collect();
        assert_eq!(counted, [1, 1, 2, 1, 3, 2, 1, 2, 1, 2]);
    }
}
