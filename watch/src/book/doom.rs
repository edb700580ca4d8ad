//! What stands on a bad block: it will be replaced, and all above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::{ChainId, Message};
use crate::validity::Broken;

use super::{Book, Id, Standing};

/// Bad blocks, and how far down each chain is doomed by them.
///
/// The roots are messages that are invalid by the rules. What they doom is computed from
/// them alone, so that two doomed blocks never keep each other doomed.
#[derive(Default)]
pub(super) struct Doom {
    /// Invalid messages by chain and height of the block that executes them.
    roots: BTreeSet<(ChainId, u64, Id)>,
    /// The lowest bad height of each chain.
    from: BTreeMap<ChainId, u64>,
    /// The roots changed, or a block came that stands on a bad one.
    stale: bool,
}

impl Doom {
    pub(super) fn blame(&mut self, id: Id, chain: ChainId, number: u64) {
        self.stale |= self.roots.insert((chain, number, id));
    }

    pub(super) fn forget(&mut self, id: Id, chain: ChainId, number: u64) {
        self.stale |= self.roots.remove(&(chain, number, id));
    }

    /// What was above is gone: a doomed block may be among it.
    pub(super) fn rewound(&mut self, chain: ChainId, tip: u64) {
        self.stale |= self.from.get(&chain).is_some_and(|from| *from > tip);
    }

    /// Why a message that holds will not.
    pub(super) fn of(&self, message: &Message) -> Option<Broken> {
        let chain = message.place.chain;
        let block = self.from.get(&chain).copied()?;
        (block <= message.place.block).then_some(Broken::Doomed { chain, block })
    }

    pub(super) fn recompute(&mut self) {
        self.stale |= !self.from.is_empty();
    }

    /// A message of that block stands on a bad one.
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
    /// Computes what is doomed. The messages for which that may have changed.
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
                // The reason names the lowest bad block: all above both change.
                let least = was.into_iter().chain(is).min().copied().unwrap_or(0);
                changed.extend(self.named_from(*chain, least));
            }
        }
        changed
    }

    /// From the roots on: what names a doomed block dooms the block that executes it.
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
                if open.alone == Standing::Valid && lower {
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
