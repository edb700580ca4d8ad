//! What the sources themselves say is in dispute: where every entry is equal,
//! it is their AppHashes that tell what differs.

use std::collections::BTreeMap;

use haltbox_format::AppHash;
use haltbox_format::mark::State;

use super::pair::{Agreement, Comparison, Coverage};
use super::party::Party;
use super::streams;
use super::verdict::Verdict;
use crate::source::{Blocks, Source};
use crate::vocabulary::Vocabulary;

/// What the sources themselves say is in dispute.
pub(super) struct Dispute {
    /// Heights at which a source says that it diverged, and how.
    diverged: Vec<(u64, bool)>,
    hashes: [BTreeMap<u64, AppHash>; 2],
    vocabulary: &'static dyn Vocabulary,
}

impl Dispute {
    pub(super) fn of(a: &Party, b: &Party) -> Dispute {
        let mut dispute = Dispute {
            diverged: Vec::new(),
            hashes: Default::default(),
            vocabulary: a.vocabulary,
        };
        for (index, party) in [a, b].into_iter().enumerate() {
            dispute.read(index, party);
        }
        // What was not asked for is not in dispute.
        dispute
            .diverged
            .retain(|(height, _)| a.range.contains(height));
        for hashes in &mut dispute.hashes {
            hashes.retain(|height, _| a.range.contains(height));
        }
        // The same height is told whichever source was named first.
        dispute.diverged.sort_unstable();
        dispute
    }

    fn read(&mut self, index: usize, party: &Party) {
        if let Blocks::Told(blocks) = party.source.blocks() {
            for block in blocks {
                self.hashes[index].extend(block.app_hash.map(|hash| (block.of.height, hash)));
                if let (Some(State::Diverged), Some(why)) = (block.state, &block.why) {
                    let results = why.contains("LastResultsHash");
                    self.diverged.push((block.of.height, results));
                }
            }
        }
        if let Source::BlackBox(bx) = &party.source
            && let Some(identity) = bx.identity()
            && let Some(height) = identity.height
            && (identity.network_app_hash.is_some() || identity.reason.contains("differs"))
        {
            self.hashes[index].extend(identity.app_hash.map(|hash| (height, hash)));
            self.diverged
                .push((height, identity.reason.contains("LastResultsHash")));
        }
    }

    /// Whether both sides came to the same AppHash, if both are known.
    pub(super) fn is_same_app_hash(&self, height: u64) -> Option<bool> {
        let [a, b] = &self.hashes;
        Some(a.get(&height)? == b.get(&height)?)
    }

    /// The first height of which both tell their AppHashes, which are not the same.
    fn other_app_hash(&self, comparison: &Comparison) -> Option<u64> {
        let [a, b] = &self.hashes;
        let mut told = a.iter();
        let told = told.find(|(height, hash)| b.get(height).is_some_and(|other| other != *hash));
        let told = told.map(|(height, _)| *height);
        let seen = comparison.other_app_hash.map(|seen| seen.height);
        told.into_iter().chain(seen).min()
    }

    pub(super) fn judge(&self, comparison: &Comparison) -> Option<(Verdict, String, Vec<String>)> {
        let whole = |height: u64| {
            comparison
                .rows
                .iter()
                .any(|row| row.height == height && row.agreement == Agreement::Same)
        };
        if let Some((height, _)) = self.diverged.iter().find(|(height, _)| !whole(*height)) {
            let side = |side: &Coverage| {
                side.heights
                    .is_some_and(|(first, last)| (first..=last).contains(height))
            };
            let who = match (side(&comparison.sides[0]), side(&comparison.sides[1])) {
                (true, false) => "B does not cover",
                (false, true) => "A does not cover",
                _ => "neither fully covers",
            };
            let ask = vec![format!(
                "height {height} from that side: haltbox freeze --height {height}"
            )];
            return Some((
                Verdict::Insufficient,
                format!(
                    "everything that both cover is equal, but {who} the disputed height {height}"
                ),
                ask,
            ));
        }
        if let Some(height) = self.other_app_hash(comparison) {
            let told = comparison.other_app_hash;
            let told = told.filter(|told| told.height == height);
            if told.is_some_and(|told| !told.whole) {
                return Some(in_part(height, comparison));
            }
            let what = match told.is_some_and(|told| told.reads_differ) {
                true => "every input, write and result",
                false => "every entry",
            };
            let why = format!("{what} up to height {height} is equal, but the AppHashes differ");
            if let Some(of) = told.and_then(|told| told.one_sided) {
                let only = streams::only(of, comparison.streams());
                let why =
                    format!("{why}; at height {height} {only}: the difference may be in these");
                let ask = format!(
                    "height {height} from two nodes that record the same kinds of entries: one \
                     that agrees with A, one that agrees with B"
                );
                return Some((Verdict::Insufficient, why, vec![ask]));
            }
            let collect = self.vocabulary.outside().iter();
            let collect = collect.map(|ask| (*ask).to_owned()).collect();
            return Some((Verdict::Outside, why, collect));
        }
        let (height, _) = self.diverged.iter().find(|(_, results)| *results)?;
        Some((
            Verdict::ResultsOnly,
            format!(
                "every entry and the AppHash are equal, but the LastResultsHash of height \
                 {height} differs"
            ),
            vec![
                "the transaction results of the block from both nodes (code, gas, data)".to_owned(),
            ],
        ))
    }
}

/// The AppHashes differ after a block of which a side has a part only.
fn in_part(height: u64, comparison: &Comparison) -> (Verdict, String, Vec<String>) {
    let lacks = |side: &Coverage| side.incomplete.contains(&height);
    let who = match comparison.sides.each_ref().map(lacks) {
        [true, false] => "A does not cover",
        [false, true] => "B does not cover",
        _ => "neither covers",
    };
    (
        Verdict::Insufficient,
        format!(
            "the AppHashes already differ after height {height}, which {who} completely: the \
             difference is there or earlier"
        ),
        vec![format!(
            "height {height} and the heights before it, from both nodes"
        )],
    )
}
