//! Which execution of its height one is, and whether it diverged.

use std::collections::BTreeMap;

use haltbox_format::lifecycle::State;

use crate::known_block::KnownBlock;
use crate::source::Blocks;

/// Numbers the executions of a source, in their order.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    /// What the source tells, by first line.
    told: Vec<KnownBlock>,
    /// Lowest and highest height so far.
    seen: Option<(u64, u64)>,
    /// The last attempt at heights that have more than one, and at the newest.
    last: BTreeMap<u64, u32>,
}

impl Attempts {
    /// Of a source that tells this.
    pub fn of(blocks: Blocks) -> Attempts {
        let mut told = match blocks {
            Blocks::Told(blocks) => blocks,
            Blocks::Untold => Vec::new(),
        };
        told.sort_by_key(|block| block.from.main);
        Attempts {
            told,
            ..Attempts::default()
        }
    }

    /// The next execution: its attempt, and whether the source says that it
    /// diverged. `at`: counter of the line that began it.
    pub fn next(&mut self, height: u64, at: u64) -> (u32, bool) {
        let counted = self.count(height);
        let begun = self.told.partition_point(|block| block.from.main <= at);
        let known = self.told[..begun]
            .iter()
            .rfind(|block| block.of.height == height);
        match known {
            Some(block) => (block.of.attempt, block.state == Some(State::Diverged)),
            None => (counted, false),
        }
    }

    fn count(&mut self, height: u64) -> u32 {
        let again = self
            .seen
            .is_some_and(|(low, high)| (low..=high).contains(&height));
        let before = self.last.get(&height).copied();
        let attempt = before.unwrap_or(u32::from(again)).saturating_add(1);
        // Heights that were executed once need no memory: they were seen.
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
    use super::*;

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
