//! What of an execution is durable: a node that starts again goes on from its last
//! commit, not from the last end of a block.

use haltbox_format::Digest;

use crate::trace::Durability;

/// Where a node would go on from, as far as its recording was read.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// The last height that was committed.
    height: Option<u64>,
    /// The activityhash then.
    chain: Option<Digest>,
    /// An execution that came to its end and was not seen to be committed.
    ended: Option<u64>,
}

impl Durable {
    /// The activityhash that an execution goes on from whose forerunner was thrown
    /// away.
    pub fn chain(&self) -> Option<Digest> {
        self.chain
    }

    /// An execution came to its end.
    pub fn end(&mut self, height: u64) {
        self.ended = Some(height);
    }

    /// What was executed is committed.
    pub fn commit(&mut self, chain: Option<Digest>) -> Option<Durability> {
        let height = self.ended.take()?;
        self.height = Some(height);
        self.chain = chain;
        Some(Durability::Committed)
    }

    /// A block begins. One that follows the last says that that one was committed,
    /// even if the entry is not there.
    pub fn begin(&mut self, height: u64, chain: Option<Digest>) -> Option<Durability> {
        match self.ended {
            Some(ended) if height == ended.saturating_add(1) => self.commit(chain),
            // Either it was saved and runs again empty, or it is executed again.
            Some(ended) if height == ended => None,
            Some(_) => self.lose(),
            None => {
                // Below the last commit the node was put back, even if that block ran
                // nothing.
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

    /// Heights are missing, or the node was put back to an older state.
    fn lose(&mut self) -> Option<Durability> {
        *self = Durable::default();
        Some(Durability::Unknown)
    }
}
