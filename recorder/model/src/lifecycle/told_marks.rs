//! Applies the marks of an attached recorder on top of the ring's own marks.

use haltbox_format::RingId;
use haltbox_format::attached::{AttachedState, about};
use haltbox_format::mark::{Attempt, Mark, Position, State};

use super::Lifecycle;

impl Lifecycle {
    /// Applies the marks of an attached recorder. Three things they never change: a doubt
    /// does not pin a block that the ring released since, and a block that the ring knows
    /// keeps its position and this node's AppHash. The records of a block, and so its
    /// HASH, come from the ring alone.
    ///
    /// A block that does not stand is pinned all the same: the host that released it had
    /// not read the node's log.
    pub fn apply_attached(&mut self, told: &AttachedState, ring: Option<RingId>, at: Position) {
        if !told.is_of(ring) {
            return;
        }
        let oldest = self.blocks.iter().map(|block| block.of.height).min();
        // The ring's own marks of the block were evicted by age, and a box holds it.
        // Nobody knows where its entries stand, so it gets no place here.
        let is_gone = |of: Attempt| {
            oldest.is_some_and(|oldest| of.height < oldest) && told.holds_a_box_of(of)
        };
        for mark in told.marks() {
            let known = about(mark).and_then(|of| self.block(of));
            let stands = match mark {
                _ if known.is_none() && about(mark).is_some_and(is_gone) => false,
                Mark::Begin(_) => known.is_none(),
                Mark::LocalHash(_) => known.is_some_and(|block| block.app_hash.is_none()),
                Mark::Pin(pin) => known.is_some_and(|block| {
                    pin.broken || !matches!(block.state, State::Confirmed | State::Superseded)
                }),
                _ => true,
            };
            if stands {
                self.apply(mark, at);
            }
        }
    }
}

#[cfg(test)]
mod tests;
