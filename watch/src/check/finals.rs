//! Cache of final blocks.
//!
//! Only blocks at or below the finalized head are kept. Any other block can be replaced,
//! and a cached copy would let a message pass whose log is gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::Known;
use crate::message::ChainId;

/// Most checksums that are kept, of 32 bytes each: 16 MiB.
const CHECKSUMS: usize = 512 << 10;
/// Most blocks that are kept; some have no checksums.
const BLOCKS: usize = 16 << 10;

type Key = (ChainId, u64);

/// The newest final blocks, within limits.
#[derive(Default)]
pub(super) struct Finals(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    blocks: BTreeMap<Key, Arc<Known>>,
    order: VecDeque<Key>,
    checksums: usize,
}

impl Finals {
    pub(super) fn get(&self, chain: ChainId, height: u64) -> Option<Arc<Known>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.blocks.get(&(chain, height)).cloned()
    }

    pub(super) fn put(&self, chain: ChainId, height: u64, known: Arc<Known>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put((chain, height), known);
    }
}

impl Kept {
    fn put(&mut self, key: Key, known: Arc<Known>) {
        self.checksums += known.checksums.len();
        match self.blocks.insert(key, known) {
            Some(before) => self.checksums -= before.checksums.len(),
            None => self.order.push_back(key),
        }
        while self.checksums > CHECKSUMS || self.blocks.len() > BLOCKS {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            let gone = self.blocks.remove(&oldest);
            self.checksums -= gone.map_or(0, |known| known.checksums.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    fn known(checksums: usize) -> Arc<Known> {
        Arc::new(Known {
            timestamp: 0,
            checksums: vec![B256::ZERO; checksums],
            is_final: true,
        })
    }

    #[test]
    fn what_was_kept_first_goes_first() {
        let finals = Finals::default();
        let chain = ChainId::from(901);
        let half = CHECKSUMS / 2;
        for height in 1..=3 {
            finals.put(chain, height, known(half));
        }
        assert!(finals.get(chain, 1).is_none());
        assert!(finals.get(chain, 2).is_some());
        finals.put(chain, 3, known(half));
        assert!(
            finals.get(chain, 2).is_some(),
            "the same block again is one"
        );
        for height in 10..=10 + BLOCKS as u64 {
            finals.put(chain, height, known(0));
        }
        assert!(finals.get(chain, 10).is_none());
        assert!(finals.get(chain, 11).is_some());
    }
}
