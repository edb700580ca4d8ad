//! The list of blocks, in the order in which they began.
//!
//! A recording may have a hundred thousand of them, and anybody may write one that has more.
//! So no event may look at all of them. Those of a height are counted, and a search for them
//! ends at the last one. Most are over: they stand at the front, and are passed over.

use std::collections::BTreeMap;
use std::ops::Deref;

use haltbox_format::mark::{Attempt, State};

use super::block::Block;

/// Blocks. Reading is that of a slice; each change keeps what is known about the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    list: Vec<Block>,
    /// How many there are of each height.
    of_height: BTreeMap<u64, usize>,
    /// As many at the front are over: executed, discarded or left, and followed by others.
    over: usize,
    /// As many at the front are not releasable.
    decided: usize,
}

fn is_over(block: &Block) -> bool {
    block.until.is_some() && block.state != State::Open
}

impl Deref for Blocks {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.list
    }
}

impl Blocks {
    /// The blocks of a height, the newest first.
    pub(super) fn at(&self, height: u64) -> impl Iterator<Item = &Block> {
        let count = self.of_height.get(&height).copied().unwrap_or(0);
        let all = self.list.iter().rev();
        all.filter(move |block| block.of.height == height)
            .take(count)
    }

    /// Every block that is open or may grow, and some others.
    pub(super) fn running(&mut self) -> &mut [Block] {
        let rest = self.list.iter().skip(self.over);
        self.over += rest.take_while(|block| is_over(block)).count();
        self.list.get_mut(self.over..).unwrap_or_default()
    }

    /// Every block that can be released, and some others.
    pub(super) fn undecided(&mut self) -> &[Block] {
        let rest = self.list.iter().skip(self.decided);
        self.decided += rest.take_while(|block| !block.is_releasable()).count();
        self.list.get(self.decided..).unwrap_or_default()
    }

    /// Changes one block.
    pub(super) fn change(&mut self, of: Attempt, change: impl FnOnce(&mut Block)) {
        let Some(index) = self.index(of) else { return };
        let Some(block) = self.list.get_mut(index) else {
            return;
        };
        change(block);
        if !is_over(block) {
            self.over = self.over.min(index);
        }
        if block.is_releasable() {
            self.decided = self.decided.min(index);
        }
    }

    /// Changes every block. None opens again, and none becomes releasable.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Block> {
        self.list.iter_mut()
    }

    /// Where a block stands.
    pub(super) fn index(&self, of: Attempt) -> Option<usize> {
        self.of_height.get(&of.height)?;
        self.list.iter().rposition(|block| block.of == of)
    }

    pub(super) fn push(&mut self, block: Block) {
        self.insert(self.list.len(), block);
    }

    pub(super) fn insert(&mut self, index: usize, block: Block) {
        *self.of_height.entry(block.of.height).or_default() += 1;
        self.list.insert(index, block);
        self.changed_from(index);
    }

    /// Puts a block in the place of another of the same height.
    pub(super) fn replace(&mut self, index: usize, block: Block) {
        if let Some(place) = self.list.get_mut(index) {
            *place = block;
        }
        self.changed_from(index);
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&Block) -> bool) {
        let of_height = &mut self.of_height;
        self.list.retain(|block| {
            let stays = stays(block);
            if !stays && let Some(count) = of_height.get_mut(&block.of.height) {
                *count -= 1;
                if *count == 0 {
                    of_height.remove(&block.of.height);
                }
            }
            stays
        });
        self.changed_from(0);
    }

    /// Moves the block at `index` behind the `count` blocks that follow it.
    pub(super) fn move_back(&mut self, index: usize, count: usize) {
        if let Some(part) = self.list.get_mut(index..=index + count)
            && count > 0
        {
            part.rotate_left(1);
            self.changed_from(index);
        }
    }

    fn changed_from(&mut self, index: usize) {
        self.over = self.over.min(index);
        self.decided = self.decided.min(index);
    }
}
