//! Finds cycles among messages of one timestamp.
//!
//! Blocks of one timestamp may execute messages of each other, and each log depends on
//! those before it in its block. Of messages that depend on each other in a cycle, none
//! can be executed first.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::ChainId;

use super::{Book, Id};

impl Book {
    /// Finds the messages of a timestamp that are in a cycle, or depend on one.
    pub(super) fn look_for_cycle(&mut self, timestamp: u64) {
        let ids = self.same_time.get(&timestamp).cloned().unwrap_or_default();
        let cycle = self.cycle(&ids);
        for id in ids {
            let changed = match cycle.contains(&id) {
                true => self.in_cycle.insert(id),
                false => self.in_cycle.remove(&id),
            };
            if changed {
                self.dirty.insert(id);
            }
        }
    }

    /// Removes messages that depend on nothing that is left, until no more can be
    /// removed. The rest is in a cycle, or depends on one.
    fn cycle(&self, ids: &BTreeSet<Id>) -> BTreeSet<Id> {
        let dependencies = self.dependencies(ids);
        let mut left = ids.clone();
        loop {
            let stands = |id: &Id| {
                let on = dependencies.get(id).into_iter().flatten();
                on.copied().any(|on| left.contains(&on))
            };
            let stays: BTreeSet<Id> = left.iter().copied().filter(stands).collect();
            if stays.len() == left.len() {
                return left;
            }
            left = stays;
        }
    }

    /// The messages that each message depends on: the one before it in its block, and the
    /// last one that is executed up to the log that it names.
    fn dependencies(&self, ids: &BTreeSet<Id>) -> BTreeMap<Id, Vec<Id>> {
        let mut places: BTreeMap<(ChainId, u32), Id> = BTreeMap::new();
        for id in ids {
            if let Some(open) = self.open.get(*id as usize).and_then(Option::as_ref) {
                places.insert((open.site().chain, open.site().log), *id);
            }
        }
        let last = |chain: ChainId, below: u32| {
            let before = places.range((chain, 0)..(chain, below)).next_back();
            before.map(|(_, id)| *id)
        };
        let dependencies = ids.iter().filter_map(|id| {
            let open = self.open.get(*id as usize)?.as_ref()?;
            let place = open.executed().ok()?.place;
            let before = last(open.site().chain, open.site().log);
            let named = last(place.chain, place.log.saturating_add(1));
            Some((*id, before.into_iter().chain(named).collect()))
        });
        dependencies.collect()
    }
}
