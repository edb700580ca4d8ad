//! Tracks what is durable. A node that restarts continues from its last commit, and not from
//! the last end of a block.

use haltbox_format::Digest;

use crate::trace::Durability;

/// The state that a node would continue from, as far as its recording was read.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// The last committed height.
    height: Option<u64>,
    /// The activityhash at that commit.
    chain: Option<Digest>,
    /// An execution that ended without a recorded commit.
    ended: Option<u64>,
}

impl Durable {
    /// The activityhash from which an execution continues after the one before was discarded.
    pub fn chain(&self) -> Option<Digest> {
        self.chain
    }

    /// An execution ended.
    pub fn end(&mut self, height: u64) {
        self.ended = Some(height);
    }

    /// The ended execution is committed. `None` if none had ended.
    pub fn commit(&mut self, chain: Option<Digest>) -> Option<Durability> {
        let height = self.ended.take()?;
        self.height = Some(height);
        self.chain = chain;
        Some(Durability::Committed)
    }

    /// A block begins. If it follows the ended one, that one was committed, even without a commit
    /// entry.
    pub fn begin(&mut self, height: u64, chain: Option<Digest>) -> Option<Durability> {
        match self.ended {
            Some(ended) if height == ended.saturating_add(1) => self.commit(chain),
            // It was saved and runs again empty, or it is executed again. [`Durable::execute`]
            // decides.
            Some(ended) if height == ended => None,
            Some(_) => self.lose(),
            None => {
                // A block below the last commit means that the node was restored, even if the block
                // ran nothing.
                let next = |last: u64| height == last || Some(height) == last.checked_add(1);
                match self.height.is_none_or(next) {
                    true => None,
                    false => self.lose(),
                }
            }
        }
    }

    /// The kernel runs in a block of this height.
    pub fn execute(&mut self, height: u64) -> Option<Durability> {
        if self.ended == Some(height) {
            self.ended = None;
            return Some(Durability::Discarded);
        }
        match self.height {
            Some(last) if height <= last => self.lose(),
            _ => None,
        }
    }

    /// Heights are missing, or the node was restored to an older state.
    fn lose(&mut self) -> Option<Durability> {
        *self = Durable::default();
        Some(Durability::Unknown)
    }
}
