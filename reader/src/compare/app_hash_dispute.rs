//! What the sources themselves say is in dispute. If every entry is equal, their AppHashes
//! show what differs.

use std::collections::BTreeMap;

use haltbox_format::AppHash;
use haltbox_format::mark::{Attempt, State};

use super::finding::Outcome;
use super::pair::Comparison;
use super::recording::Recording;
use super::side::{Side, Who};
use crate::source::{Blocks, Source};

/// The heights that a source calls divergent, and the AppHashes that the sources record.
pub(super) struct Dispute {
    /// Heights at which a source says that the compared attempt diverged, and whether only its
    /// LastResultsHash did.
    diverged: Vec<(u64, bool)>,
    /// AppHashes by side and height. At a height with several attempts, those of the attempt that
    /// was compared.
    hashes: [BTreeMap<u64, AppHash>; 2],
}

impl Dispute {
    pub(super) fn of([a, b]: [&Recording; 2], comparison: &Comparison) -> Dispute {
        let mut dispute = Dispute {
            diverged: Vec::new(),
            hashes: Default::default(),
        };
        for (index, recording) in [a, b].into_iter().enumerate() {
            dispute.read(Side::at(index), recording, comparison);
        }
        // Heights that the user did not ask for are not in dispute.
        dispute
            .diverged
            .retain(|(height, _)| a.range.contains(height));
        for hashes in &mut dispute.hashes {
            hashes.retain(|height, _| a.range.contains(height));
        }
        // Sorted, so that the result does not depend on which source was named first.
        dispute.diverged.sort_unstable();
        dispute
    }

    fn read(&mut self, side: Side, recording: &Recording, comparison: &Comparison) {
        if let Blocks::Told(blocks) = recording.source.blocks() {
            for block in blocks {
                self.take_hash(side, block.attempt, block.app_hash, comparison);
                if let (Some(State::Diverged), Some(why)) = (block.state, &block.why) {
                    self.take_divergence(side, block.attempt, why, comparison);
                }
            }
        }
        if let Source::BlackBox(bx) = &recording.source
            && let Some(identity) = bx.identity()
            && let Some(height) = identity.height
            && (identity.network_app_hash.is_some() || identity.reason.contains("differs"))
        {
            // Without a number, the box has one execution of its height.
            let compared = comparison.compared_attempt(side, height);
            let attempt = identity.attempt.or(compared).unwrap_or(1);
            let of = Attempt { height, attempt };
            self.take_hash(side, of, identity.app_hash, comparison);
            self.take_divergence(side, of, &identity.reason, comparison);
        }
    }

    /// Takes the divergence of an attempt, unless another attempt of its height was compared. A
    /// node that recovered diverged at a height at which it is right now.
    fn take_divergence(&mut self, side: Side, of: Attempt, why: &str, comparison: &Comparison) {
        if is_compared(side, of, comparison) {
            let results = why.contains("LastResultsHash");
            self.diverged.push((of.height, results));
        }
    }

    /// Takes the AppHash of an attempt, unless another attempt of its height was compared. A node
    /// that recovered has a good AppHash beside the bad one.
    fn take_hash(
        &mut self,
        side: Side,
        of: Attempt,
        app_hash: Option<AppHash>,
        comparison: &Comparison,
    ) {
        if is_compared(side, of, comparison) {
            self.hashes[side.index()].extend(app_hash.map(|hash| (of.height, hash)));
        }
    }

    /// Whether both sides have the same AppHash, if both are known.
    pub(super) fn is_same_app_hash(&self, height: u64) -> Option<bool> {
        let [a, b] = &self.hashes;
        Some(a.get(&height)? == b.get(&height)?)
    }

    /// The first height at which both AppHashes are known and differ.
    pub(super) fn other_app_hash(&self, comparison: &Comparison) -> Option<u64> {
        let [a, b] = &self.hashes;
        let mut recorded = a.iter();
        let recorded =
            recorded.find(|(height, hash)| b.get(height).is_some_and(|other| other != *hash));
        let recorded = recorded.map(|(height, _)| *height);
        let seen = comparison.other_app_hash.map(|seen| seen.height);
        recorded.into_iter().chain(seen).min()
    }

    pub(super) fn judge(&self, comparison: &Comparison) -> Option<Outcome> {
        if let Some(outcome) = self.not_covered(comparison) {
            return Some(outcome);
        }
        if let Some(height) = self.other_app_hash(comparison) {
            return Some(other_app_hash(height, comparison));
        }
        let (height, _) = self.diverged.iter().find(|(_, results)| *results)?;
        Some(Outcome::Results(*height))
    }

    /// The first disputed height that was not found equal.
    fn not_covered(&self, comparison: &Comparison) -> Option<Outcome> {
        let same = &comparison.common.same;
        let mut diverged = self.diverged.iter();
        let (height, _) = diverged.find(|(height, _)| !same.contains(*height))?;
        let lacks = comparison.sides.each_ref().map(|side| {
            let within = |(first, last): (u64, u64)| (first..=last).contains(height);
            !side.heights.is_some_and(within)
        });
        Some(Outcome::Disputed {
            who: Who::of(lacks),
            height: *height,
        })
    }
}

/// Whether an attempt was compared, or none of its height.
fn is_compared(side: Side, of: Attempt, comparison: &Comparison) -> bool {
    let compared = comparison.compared_attempt(side, of.height);
    compared.is_none_or(|compared| compared == of.attempt)
}

/// The outcome if the AppHashes differ at a height and every entry that both have is equal.
fn other_app_hash(height: u64, comparison: &Comparison) -> Outcome {
    let dispute = comparison.other_app_hash;
    let dispute = dispute.filter(|dispute| dispute.height == height);
    if dispute.is_some_and(|dispute| !dispute.whole) {
        let lacks = comparison.sides.each_ref();
        let lacks = lacks.map(|side| side.incomplete.contains(&height));
        let who = Who::of(lacks);
        return Outcome::AppHashInPart { who, height };
    }
    let only = dispute.and_then(|dispute| dispute.one_sided);
    Outcome::AppHash {
        height,
        reads_differ: dispute.is_some_and(|dispute| dispute.reads_differ),
        only: only.map(|only| only.named(comparison.streams())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two AppHashes.
    const GOOD: u8 = 1;
    const BAD: u8 = 2;

    /// Both sides have height 13 and it is equal; of side A this attempt was compared.
    fn compared(attempt: u32) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.common.all.add(13);
        comparison.common.same.add(13);
        comparison.sides[0].attempts.insert(13, attempt);
        comparison
    }

    /// The height with another AppHash if side A has these attempts and side B has a good one.
    fn found(attempts: [u8; 2], comparison: &Comparison) -> Option<u64> {
        let mut dispute = Dispute {
            diverged: Vec::new(),
            hashes: Default::default(),
        };
        let of = |attempt| Attempt {
            height: 13,
            attempt,
        };
        for (attempt, hash) in (1..).zip(attempts) {
            dispute.take_hash(Side::A, of(attempt), AppHash::new(&[hash; 32]), comparison);
        }
        dispute.take_hash(Side::B, of(1), AppHash::new(&[GOOD; 32]), comparison);
        dispute.other_app_hash(comparison)
    }

    #[test]
    fn the_app_hash_is_that_of_the_attempt_that_was_compared() {
        // Attempt 1 diverged and attempt 2 cured it.
        assert_eq!(found([BAD, GOOD], &compared(1)), Some(13));
        assert_eq!(found([BAD, GOOD], &compared(2)), None);
        // A bad attempt accuses no good one.
        assert_eq!(found([GOOD, BAD], &compared(1)), None);
        assert_eq!(found([GOOD, BAD], &compared(2)), Some(13));
    }

    /// Attempt 1 had another LastResultsHash, and attempt 2 cured it.
    #[test]
    fn a_divergence_is_that_of_the_attempt_that_was_compared() {
        let judged = |attempt| {
            let comparison = compared(attempt);
            let mut dispute = Dispute {
                diverged: Vec::new(),
                hashes: Default::default(),
            };
            let bad = Attempt {
                height: 13,
                attempt: 1,
            };
            dispute.take_divergence(Side::A, bad, "its LastResultsHash differs", &comparison);
            dispute.judge(&comparison)
        };
        assert!(matches!(judged(1), Some(Outcome::Results(13))));
        assert!(judged(2).is_none());
    }

    #[test]
    fn a_disputed_height_is_found_equal_though_no_row_is_left_for_it() {
        let dispute = |height| Dispute {
            diverged: vec![(height, false)],
            hashes: Default::default(),
        };
        assert!(dispute(13).not_covered(&compared(1)).is_none());
        assert!(dispute(14).not_covered(&compared(1)).is_some());
    }
}
