//! Second opinions that an earlier session reported. They are not reported again, but
//! their end is.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::message::ChainId;
use crate::message::Site;

/// The state of endpoints on a tape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecalledOpinions {
    /// Endpoints whose failsafe is on, and since when, in milliseconds since 1970.
    pub failsafes: BTreeMap<String, u64>,
    /// Endpoints that disagree about a message.
    pub divergences: BTreeSet<Divergence>,
}

/// An endpoint that disagrees about a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Divergence {
    /// Height of the block that executes the message.
    pub block: u64,
    /// The block's hash.
    pub hash: B256,
    /// The executing log.
    pub log: u32,
    /// The transaction.
    pub transaction: B256,
    /// The endpoint's name.
    pub endpoint: String,
    /// The watcher's own verdict, in a word.
    pub own: String,
}

impl Divergence {
    /// The place where the message is executed. A tape belongs to one chain, and does not
    /// name it.
    pub fn site(&self, chain: ChainId) -> Site {
        Site {
            chain,
            number: self.block,
            block: self.hash,
            log: self.log,
            transaction: self.transaction,
        }
    }

    fn is_of_the_same(&self, other: &Divergence) -> bool {
        let of = |it: &Divergence| (it.block, it.hash, it.log);
        of(self) == of(other) && self.endpoint == other.endpoint
    }
}

impl RecalledOpinions {
    /// Handles a change of an endpoint's state.
    pub fn endpoint(&mut self, endpoint: &str, is: &str, at: u64) {
        match is {
            "failsafe" => {
                self.failsafes.entry(endpoint.to_owned()).or_insert(at);
            }
            "answers" => {
                self.failsafes.remove(endpoint);
            }
            // An endpoint that is away does not show its failsafe.
            _ => {}
        }
    }

    /// Handles the begin or end of a divergence.
    pub fn opinion(&mut self, divergence: Divergence, other: &str) {
        self.divergences
            .retain(|known| !known.is_of_the_same(&divergence));
        if divergence.own != other {
            self.divergences.insert(divergence);
        }
    }

    /// Removes divergences about blocks that are no longer open.
    pub fn retain(&mut self, is_open: impl Fn(u64, B256) -> bool) {
        self.divergences
            .retain(|known| is_open(known.block, known.hash));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divergence(log: u32) -> Divergence {
        Divergence {
            block: 7,
            hash: B256::ZERO,
            log,
            transaction: B256::ZERO,
            endpoint: "filter a".to_owned(),
            own: "valid".to_owned(),
        }
    }

    #[test]
    fn what_has_not_ended_is_recalled() {
        let mut recalled = RecalledOpinions::default();
        for (is, at) in [
            ("answers", 1),
            ("failsafe", 2),
            ("down", 3),
            ("failsafe", 4),
        ] {
            recalled.endpoint("filter a", is, at);
        }
        assert_eq!(recalled.failsafes["filter a"], 2);
        recalled.endpoint("filter a", "answers", 5);
        assert!(recalled.failsafes.is_empty());

        recalled.opinion(divergence(0), "invalid");
        recalled.opinion(divergence(1), "invalid");
        recalled.opinion(divergence(0), "valid");
        let logs = |recalled: &RecalledOpinions| {
            let known = recalled.divergences.iter();
            known.map(|known| known.log).collect::<Vec<_>>()
        };
        assert_eq!(logs(&recalled), [1]);
        recalled.retain(|block, _| block != 7);
        assert!(logs(&recalled).is_empty());
    }
}
