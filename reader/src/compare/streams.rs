//! Finds what both recordings have: only that can be compared.
//!
//! What a host records is chosen when its process starts, may change while it runs, and
//! changes where parts of recordings were joined. Nothing in a recording needs to say so. So
//! the streams of each block are compared separately. If one side has no step of a stream in a
//! block, it may not have recorded the stream there. That is no difference, and where it could
//! decide, nothing is concluded.

use serde::Serialize;

use super::side::Side;
use crate::trace::{BlockTrace, Step, StreamId, Streams, Summary, Unit, What};
use crate::vocabulary::Vocabulary;
use crate::vocabulary::step_tracker::StepKind;

/// Limit of the streams that are named in words.
const NAMED: usize = 12;

/// A stream that a source records. Other recordings of its kind may lack it.
#[derive(Clone, Debug, Serialize)]
pub struct StreamFacts {
    /// A store, a type of entries, or `AppHash`.
    pub name: String,
    /// The lowest height with a step of it.
    pub first_height: u64,
    /// The highest height with a step of it.
    pub last_height: u64,
}

/// The streams that each side has in a block, sorted.
pub(super) struct Counted([Vec<StreamId>; 2]);

/// A stream that only one side has in a block, and that could decide the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneSided {
    /// The side that has it.
    pub side: Side,
    /// The stream.
    pub stream: StreamId,
}

impl Counted {
    /// The streams in two executions of a height. If roots prove that one side changed a store and
    /// the other did not, the other side has no step because there was none, and so counts as
    /// having the stream.
    pub(super) fn of(a: &BlockTrace, b: &BlockTrace) -> Counted {
        let [mut of_a, mut of_b] = [a, b].map(present);
        let unchanged_on_b = only_changed_on(a, b, &of_a, &of_b);
        let unchanged_on_a = only_changed_on(b, a, &of_b, &of_a);
        of_a.extend(unchanged_on_a);
        of_b.extend(unchanged_on_b);
        of_a.sort_unstable();
        of_b.sort_unstable();
        Counted([of_a, of_b])
    }

    pub(super) fn counts(&self, what: &What) -> bool {
        match what {
            What::Step(step) => self.have_both(step),
            _ => true,
        }
    }

    fn have_both(&self, step: &Step) -> bool {
        let has = |streams: &Vec<StreamId>| streams.binary_search(&step.stream).is_ok();
        self.0.iter().all(has)
    }

    /// A stream that only one side has, with a step that could decide, up to a unit on each side.
    /// Of several, the one with the smallest id, so that the result does not depend on which
    /// source was named first.
    pub(super) fn one_sided(
        &self,
        traces: [&BlockTrace; 2],
        until: [usize; 2],
        decides: impl Fn(StepKind) -> bool,
    ) -> Option<OneSided> {
        let sides = traces.into_iter().zip(until).enumerate();
        let found = sides.flat_map(|(side, (trace, until))| {
            let steps = trace.units.iter().take(until).filter_map(Unit::step);
            let left_out = steps.filter(|step| decides(step.kind) && !self.have_both(step));
            left_out.map(move |step| OneSided {
                side: Side::at(side),
                stream: step.stream,
            })
        });
        found.min_by_key(|found| found.stream)
    }
}

fn present(trace: &BlockTrace) -> Vec<StreamId> {
    let steps = trace
        .units
        .iter()
        .take(trace.covered())
        .filter_map(Unit::step);
    let mut streams: Vec<StreamId> = steps.map(|step| step.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    streams
}

/// Streams of one side that the other has no step of, and whose root changed on the first side
/// only.
fn only_changed_on(
    own: &BlockTrace,
    other: &BlockTrace,
    of_own: &[StreamId],
    of_other: &[StreamId],
) -> Vec<StreamId> {
    let changed = |trace: &BlockTrace, stream: &StreamId| {
        let mut roots = trace.roots.iter();
        roots.find(|root| root.stream == *stream)?.changed
    };
    let lacks = |stream: &&StreamId| of_other.binary_search(stream).is_err();
    // A read that the other side does not record may have returned another value there, and so be
    // the reason why it wrote nothing.
    let mut reads = own.units.iter().filter_map(Unit::step);
    if reads.any(|step| step.kind == StepKind::Read && lacks(&&step.stream)) {
        return Vec::new();
    }
    let lacking = of_own.iter().filter(lacks);
    lacking
        .filter(|stream| {
            changed(own, stream) == Some(true) && changed(other, stream) == Some(false)
        })
        .copied()
        .collect()
}

/// Names of the streams of one side that the other has in no block.
pub fn lacking(own: &Summary, other: &Summary) -> Vec<String> {
    let lacks = |(id, _): &(&StreamId, _)| !other.streams.contains_key(id);
    let mut names: Vec<String> = own
        .streams
        .iter()
        .filter(lacks)
        .map(|(_, stream)| stream.name.clone())
        .collect();
    names.sort_unstable();
    names
}

/// A stream that only one side has, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneSidedStream {
    /// The side that has it.
    pub side: Side,
    /// Its name, if known.
    pub name: Option<String>,
}

impl OneSided {
    /// Adds the name of the stream.
    pub fn named(self, sides: [&Streams; 2]) -> OneSidedStream {
        let stream = sides[self.side.index()].get(&self.stream);
        OneSidedStream {
            side: self.side,
            name: stream.map(|stream| stream.name.clone()),
        }
    }
}

/// The streams of a source and its AppHashes, sorted by name.
pub fn facts(vocabulary: &dyn Vocabulary, summary: &Summary) -> Vec<StreamFacts> {
    if vocabulary.step_tracker().is_none() {
        return Vec::new();
    }
    let streams = summary.streams.values();
    let streams = streams.filter_map(|stream| Some((stream.name.clone(), stream.heights?)));
    let hashes = summary
        .app_hashes
        .map(|heights| ("AppHash".to_owned(), heights));
    let mut facts: Vec<StreamFacts> = hashes
        .into_iter()
        .chain(streams)
        .map(|(name, (first_height, last_height))| StreamFacts {
            name,
            first_height,
            last_height,
        })
        .collect();
    facts.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    facts
}

/// The same in words. Adds heights where a stream does not cover all heights of the source.
pub fn facts_words(facts: &[StreamFacts], heights: Option<(u64, u64)>) -> String {
    let words = facts.iter().take(NAMED).map(|stream| {
        let name = &stream.name;
        match (stream.first_height, stream.last_height) {
            span if Some(span) == heights => name.clone(),
            (first, last) if first == last => format!("{name} (height {first})"),
            (first, last) => format!("{name} (heights {first} to {last})"),
        }
    });
    let mut words: Vec<String> = words.collect();
    if facts.len() > NAMED {
        words.push(format!("{} more", facts.len() - NAMED));
    }
    words.join(", ")
}
