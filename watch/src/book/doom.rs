//! Finds messages that depend on a bad block: it will be replaced, with all above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::{ChainId, Message};
use crate::validity::Broken;

use super::{Book, Id, Standing};

/// Bad blocks, and the height from which each chain is doomed by them.
///
/// The roots are messages that are invalid by the rules. Doom is computed from the roots
/// alone, so that two doomed blocks never keep each other doomed.
#[derive(Default)]
pub(super) struct Doom {
    /// Invalid messages by chain and height of the block that executes them.
    roots: BTreeSet<(ChainId, u64, Id)>,
    /// The lowest bad height of each chain.
    from: BTreeMap<ChainId, u64>,
    /// Whether `from` must be computed again: the roots changed, or a block came that
    /// depends on a bad one.
    stale: bool,
}

impl Doom {
    pub(super) fn blame(&mut self, id: Id, chain: ChainId, number: u64) {
        self.stale |= self.roots.insert((chain, number, id));
    }

    pub(super) fn forget(&mut self, id: Id, chain: ChainId, number: u64) {
        self.stale |= self.roots.remove(&(chain, number, id));
    }

    /// The blocks above `tip` were removed. A doomed block may be among them.
    pub(super) fn rewound(&mut self, chain: ChainId, tip: u64) {
        self.stale |= self.from.get(&chain).is_some_and(|from| *from > tip);
    }

    /// The reason why a valid message will become invalid.
    pub(super) fn of(&self, message: &Message) -> Option<Broken> {
        let chain = message.place.chain;
        let block = self.from.get(&chain).copied()?;
        (block <= message.place.block).then_some(Broken::Doomed { chain, block })
    }

    pub(super) fn recompute(&mut self) {
        self.stale |= !self.from.is_empty();
    }

    /// A message of that block depends on a bad block.
    pub(super) fn spreads(&mut self, chain: ChainId, number: u64) {
        self.stale |= self.from.get(&chain).is_none_or(|from| number < *from);
    }

    fn first(&self) -> BTreeMap<ChainId, u64> {
        let mut first = BTreeMap::new();
        for (chain, number, _) in &self.roots {
            first.entry(*chain).or_insert(*number);
        }
        first
    }
}

impl Book {
    /// Computes doom again. Returns the messages for which it may have changed.
    pub(super) fn spread_doom(&mut self) -> BTreeSet<Id> {
        if !std::mem::take(&mut self.doom.stale) {
            return BTreeSet::new();
        }
        let from = self.doomed_from();
        let before = std::mem::replace(&mut self.doom.from, from);
        let mut changed = BTreeSet::new();
        for chain in before.keys().chain(self.doom.from.keys()) {
            let (was, is) = (before.get(chain), self.doom.from.get(chain));
            if was != is {
                // The reason names the lowest bad block, so all messages above both
                // heights change.
                let least = was.into_iter().chain(is).min().copied().unwrap_or(0);
                changed.extend(self.named_from(*chain, least));
            }
        }
        changed
    }

    /// Spreads doom from the roots: a message that names a doomed block dooms the block
    /// that executes it.
    fn doomed_from(&self) -> BTreeMap<ChainId, u64> {
        let mut from = self.doom.first();
        let mut next: Vec<(ChainId, u64)> = from.iter().map(|(c, n)| (*c, *n)).collect();
        while let Some((chain, number)) = next.pop() {
            for id in self.named_from(chain, number) {
                let Some(open) = self.open.get(id as usize).and_then(Option::as_ref) else {
                    continue;
                };
                let site = open.site();
                let lower = from.get(&site.chain).is_none_or(|from| site.number < *from);
                if open.by_rules == Standing::Valid && lower {
                    from.insert(site.chain, site.number);
                    next.push((site.chain, site.number));
                }
            }
        }
        from
    }

    fn named_from(&self, chain: ChainId, number: u64) -> impl Iterator<Item = Id> + '_ {
        let range = (chain, number)..=(chain, u64::MAX);
        self.by_named
            .range(range)
            .flat_map(|(_, ids)| ids.iter().copied())
    }
}
