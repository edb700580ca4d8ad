//! What is held of one chain.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::B256;

use crate::message::{Digested, Place};
use crate::validity::Told;

use super::Id;

/// Answers of finalized heights that are kept: messages that follow one another often name
/// the same block.
const OLD: usize = 512;

/// A block.
pub(super) struct Held {
    pub(super) hash: B256,
    pub(super) timestamp: u64,
    /// All its logs: a message may name any.
    pub(super) logs: Box<[Digested]>,
    /// Those that it executes.
    pub(super) messages: Vec<Id>,
}

/// A chain.
#[derive(Default)]
pub(super) struct Chain {
    /// From the newest finalized block, or the oldest that holds an open message, to the tip.
    pub(super) blocks: BTreeMap<u64, Held>,
    /// Height and timestamp of the newest block.
    pub(super) tip: Option<(u64, u64)>,
    pub(super) finalized: Option<u64>,
    /// Finalized blocks that were asked for.
    old: BTreeMap<u64, Held>,
    /// Their heights, the oldest question first.
    asked: VecDeque<u64>,
}

impl Chain {
    /// What the chain tells of a place. `None`: it has to be asked for.
    pub(super) fn told(&self, place: Place) -> Option<Told> {
        let Some((tip, head)) = self.tip else {
            return Some(Told::Nothing);
        };
        if let Some(held) = self.blocks.get(&place.block) {
            return Some(held.told(place));
        }
        if place.block > tip {
            return Some(Told::Ahead { head });
        }
        self.old.get(&place.block).map(|held| held.told(place))
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
    fn told(&self, place: Place) -> Told {
        Told::Block {
            timestamp: self.timestamp,
            logs: u32::try_from(self.logs.len()).unwrap_or(u32::MAX),
            log: self.logs.get(place.log as usize).copied(),
        }
    }
}
