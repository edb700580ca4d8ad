//! What is held of one chain.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::B256;

use crate::chain::Header;
use crate::message::{ChainId, Digested, Place};
use crate::validity::Told;

use super::Id;

/// Answers of older heights that are kept: messages that follow one another often name
/// the same block.
const OLD: usize = 512;

/// A block.
pub(super) struct Held {
    pub(super) hash: B256,
    pub(super) timestamp: u64,
    /// All its logs: a message may name any. Those of older blocks are asked for again.
    pub(super) logs: Option<Box<[Digested]>>,
    /// Those that it executes.
    pub(super) messages: Vec<Id>,
}

/// Newest blocks whose logs are held: most messages name one of these.
const NEW: usize = 128;

/// A chain.
pub(super) struct Chain {
    pub(super) id: Arc<ChainId>,
    /// From the newest finalized block, or the oldest that holds an open message, to the tip.
    pub(super) blocks: BTreeMap<u64, Held>,
    /// Height and timestamp of the newest block.
    pub(super) tip: Option<(u64, u64)>,
    pub(super) finalized: Option<u64>,
    /// Older blocks that were asked for.
    old: BTreeMap<u64, Held>,
    /// Their heights, the oldest question first.
    asked: VecDeque<u64>,
}

impl Chain {
    pub(super) fn new(id: ChainId) -> Chain {
        Chain {
            id: Arc::new(id),
            blocks: BTreeMap::new(),
            tip: None,
            finalized: None,
            old: BTreeMap::new(),
            asked: VecDeque::new(),
        }
    }

    /// The next block.
    pub(super) fn push(&mut self, number: u64, held: Held) {
        self.tip = Some((number, held.timestamp));
        self.blocks.insert(number, held);
        if let Some((_, older)) = self.blocks.iter_mut().rev().nth(NEW) {
            older.logs = None;
        }
    }

    /// What the chain tells of a place. `None`: it has to be asked for.
    pub(super) fn told(&self, place: Place) -> Option<Told> {
        let Some((tip, head)) = self.tip else {
            return Some(Told::Nothing);
        };
        let held = self.blocks.get(&place.block);
        if let Some(told) = held.and_then(|held| held.told(place)) {
            return Some(told);
        }
        if place.block > tip {
            return Some(Told::Ahead { head });
        }
        let old = self.old.get(&place.block);
        // What was told of a block that was replaced since tells nothing.
        let same = old.filter(|old| held.is_none_or(|held| held.hash == old.hash));
        same.and_then(|old| old.told(place))
    }

    /// The hash of the block that [`told`](Chain::told) tells of.
    pub(super) fn hash(&self, number: u64) -> Option<B256> {
        let held = self.blocks.get(&number).or_else(|| self.old.get(&number));
        held.map(|held| held.hash)
    }

    /// Whether the blocks up to there are the ones that are known. A node tells its heads
    /// before the blocks that took the place of known ones while it was away: what these
    /// settle rests on blocks that are gone.
    pub(super) fn stands(&self, block: &Header) -> bool {
        match self.blocks.get(&block.number) {
            Some(held) => held.hash == block.hash,
            None => self.tip.is_none_or(|(tip, _)| block.number <= tip),
        }
    }

    pub(super) fn remember(&mut self, number: u64, held: Held) {
        if self.old.insert(number, held).is_none() {
            self.asked.push_back(number);
        }
        while self.asked.len() > OLD {
            if let Some(number) = self.asked.pop_front() {
                self.old.remove(&number);
            }
        }
    }

    /// Takes off what stands above a height.
    pub(super) fn rewind(&mut self, to: u64) -> BTreeMap<u64, Held> {
        let gone = self.blocks.split_off(&to.saturating_add(1));
        let stays = self.blocks.last_key_value();
        self.tip = stays.map(|(number, held)| (*number, held.timestamp));
        gone
    }
}

impl Held {
    /// `None`: its logs are not held.
    fn told(&self, place: Place) -> Option<Told> {
        let logs = self.logs.as_ref()?;
        Some(Told::Block {
            timestamp: self.timestamp,
            logs: u32::try_from(logs.len()).unwrap_or(u32::MAX),
            log: logs.get(place.log as usize).copied(),
        })
    }
}
