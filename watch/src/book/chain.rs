//! The book's data about one chain.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::B256;

use crate::chain::Header;
use crate::message::{ChainId, Digested, Place};
use crate::validity::Lookup;

use super::Id;

/// Number of older blocks that are kept: consecutive messages often name the same block.
const OLD_BLOCKS: usize = 512;

/// A block.
pub(super) struct Held {
    pub(super) hash: B256,
    pub(super) timestamp: u64,
    /// All its logs, because a message may name any. `None` for older blocks, whose logs
    /// are requested again.
    pub(super) logs: Option<Box<[Digested]>>,
    /// The messages that it executes.
    pub(super) messages: Vec<Id>,
}

/// Number of newest blocks whose logs are held. Most messages name one of these.
const BLOCKS_WITH_LOGS: usize = 128;

/// A chain.
pub(super) struct Chain {
    pub(super) id: Arc<ChainId>,
    /// Blocks from the newest finalized one, or the oldest with an open message, to the
    /// tip.
    pub(super) blocks: BTreeMap<u64, Held>,
    /// Height and timestamp of the newest block.
    pub(super) tip: Option<(u64, u64)>,
    pub(super) finalized: Option<u64>,
    /// Older blocks that were requested.
    old: BTreeMap<u64, Held>,
    /// Their heights, the oldest request first.
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
        if let Some((_, older)) = self.blocks.iter_mut().rev().nth(BLOCKS_WITH_LOGS) {
            older.logs = None;
        }
    }

    /// What the chain has at a place. `None`: it must be requested.
    pub(super) fn lookup(&self, place: Place) -> Option<Lookup> {
        let Some((tip, head)) = self.tip else {
            return Some(Lookup::Nothing);
        };
        let held = self.blocks.get(&place.block);
        if let Some(told) = held.and_then(|held| held.lookup(place)) {
            return Some(told);
        }
        if place.block > tip {
            return Some(Lookup::Ahead { head });
        }
        let old = self.old.get(&place.block);
        // An answer about a block that was replaced since proves nothing.
        let same = old.filter(|old| held.is_none_or(|held| held.hash == old.hash));
        same.and_then(|old| old.lookup(place))
    }

    /// The hash of the block that [`lookup`](Chain::lookup) uses.
    pub(super) fn hash(&self, number: u64) -> Option<B256> {
        let held = self.blocks.get(&number).or_else(|| self.old.get(&number));
        held.map(|held| held.hash)
    }

    /// Whether the known blocks up to this one are still the chain's. After an absence a
    /// node reports its heads before the blocks that replaced known ones. Messages in
    /// replaced blocks must not be settled by such heads.
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
        while self.asked.len() > OLD_BLOCKS {
            if let Some(number) = self.asked.pop_front() {
                self.old.remove(&number);
            }
        }
    }

    /// Removes the blocks above a height.
    pub(super) fn rewind(&mut self, to: u64) -> BTreeMap<u64, Held> {
        let gone = self.blocks.split_off(&to.saturating_add(1));
        let stays = self.blocks.last_key_value();
        self.tip = stays.map(|(number, held)| (*number, held.timestamp));
        gone
    }
}

impl Held {
    /// The log at a place; `None` if the logs are not held.
    fn lookup(&self, place: Place) -> Option<Lookup> {
        let logs = self.logs.as_ref()?;
        Some(Lookup::Block {
            timestamp: self.timestamp,
            logs: u32::try_from(logs.len()).unwrap_or(u32::MAX),
            log: logs.get(place.log as usize).copied(),
        })
    }
}
