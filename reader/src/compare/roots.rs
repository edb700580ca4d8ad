//! Roots of stores: which of them changed in a block, and which differ behind a parting. An
//! unchanged root proves that the block wrote nothing to the store, whatever its host records.

use std::collections::BTreeMap;

use super::parting::Parting;
use crate::trace::{BlockTrace, Root, StreamId, Streams, Unit, UnitDigest};
use crate::vocabulary::Vocabulary;

/// Limit of the stores whose roots are tracked.
const FOLLOWED: usize = 4096;

/// The last known roots of each store, with their heights.
#[derive(Debug, Default)]
pub(super) struct Roots(BTreeMap<StreamId, Vec<(u64, UnitDigest)>>);

impl Roots {
    /// Notes for each root of a block whether it differs from the root of the height before.
    pub(super) fn weigh(&mut self, height: u64, roots: &mut [Root]) {
        for root in roots {
            if self.0.len() >= FOLLOWED && !self.0.contains_key(&root.stream) {
                continue;
            }
            let known = self.0.entry(root.stream).or_default();
            // A height may be executed several times. Each execution follows the height before.
            known.retain(|(of, _)| of + 1 == height);
            root.changed = known.first().map(|(_, before)| *before != root.says);
            known.push((height, root.says));
        }
    }
}

/// Names of the stores whose roots differ at the height of a parting. `None` if the parting
/// itself is the only one.
pub(super) fn differing(
    parting: &Parting,
    streams: &Streams,
    vocabulary: &dyn Vocabulary,
) -> Option<Vec<String>> {
    let names = names(parting, streams, vocabulary);
    let at_root = is_root(parting, streams, vocabulary);
    let tells_more = names.len() > usize::from(at_root);
    tells_more.then_some(names)
}

fn names(parting: &Parting, streams: &Streams, vocabulary: &dyn Vocabulary) -> Vec<String> {
    let [a, b] = [&parting.a.0, &parting.b.0].map(roots_of);
    let differs = |(stream, root): &(&StreamId, &UnitDigest)| {
        b.get(*stream).is_some_and(|other| other != *root)
    };
    let differing = a.iter().filter(differs);
    let mut names: Vec<String> = differing
        .filter_map(|(stream, _)| vocabulary.rooted(&streams.get(stream)?.name))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

/// The last step of each stream.
fn roots_of(trace: &BlockTrace) -> BTreeMap<StreamId, UnitDigest> {
    let units = trace.units.iter().take(trace.covered());
    let steps = units.filter_map(Unit::step);
    steps.map(|step| (step.stream, step.bare)).collect()
}

fn is_root(parting: &Parting, streams: &Streams, vocabulary: &dyn Vocabulary) -> bool {
    let (trace, at) = &parting.a;
    let step = trace.units.get(*at).and_then(Unit::step);
    let stream = step.and_then(|step| streams.get(&step.stream));
    stream.is_some_and(|stream| vocabulary.rooted(&stream.name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_held_to_that_of_the_height_before() {
        let mut roots = Roots::default();
        let mut changed = |height: u64, says: u8| {
            let mut of = [Root {
                stream: 1,
                says: [says; 16],
                changed: None,
            }];
            roots.weigh(height, &mut of);
            of[0].changed
        };
        assert_eq!(changed(5, 1), None, "nothing is known before");
        assert_eq!(changed(6, 1), Some(false));
        assert_eq!(changed(7, 2), Some(true));
        assert_eq!(changed(7, 1), Some(false), "executed again");
        assert_eq!(changed(8, 1), Some(false), "behind the last execution");
        assert_eq!(changed(10, 1), None, "a height is missing");
        assert_eq!(changed(6, 1), None, "the node went back");
    }
}
