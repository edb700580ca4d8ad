//! What two recordings both have: only that can be compared.
//!
//! What a host records is chosen when its process starts. A process that recorded any
//! step of a store records all of them.

use crate::tape::{BlockTape, Step, StreamId, Streams, Summary, What};
use crate::vocabulary::trace::Weight;

/// The streams of both sides, process by process.
#[derive(Clone, Debug, Default)]
pub struct Common {
    sides: Option<[Vec<(u64, Streams)>; 2]>,
}

impl Common {
    /// By what both told. The first reading knows nothing yet, and compares everything.
    pub fn of(sides: [&Summary; 2]) -> Common {
        Common {
            sides: Some(sides.map(|side| side.processes.clone())),
        }
    }

    /// Every process of both sides has the same streams.
    pub fn is_all(sides: [&Summary; 2]) -> bool {
        let mut all = sides
            .iter()
            .flat_map(|side| &side.processes)
            .map(|(_, streams)| streams.keys().collect::<Vec<_>>());
        let first = all.next();
        first.is_none_or(|first| all.all(|other| other == first))
    }

    /// Which steps of two executions of a height count.
    pub(super) fn at<'t>(&'t self, a: &'t BlockTape, b: &'t BlockTape) -> Counted<'t> {
        let traced = [a, b].map(|tape| tape.units.iter().any(|unit| is_traced(&unit.what)));
        Counted {
            streams: self.sides.as_ref().map(|sides| {
                let [of_a, of_b] = sides;
                [of_process(of_a, a.height), of_process(of_b, b.height)]
            }),
            traces: traced[0] == traced[1],
        }
    }
}

/// The streams of the process that executed a height: of several that began at or below it
/// the last one.
fn of_process(processes: &[(u64, Streams)], height: u64) -> Option<&Streams> {
    let mut last = processes.iter().rev();
    last.find(|(from, _)| *from <= height)
        .map(|(_, streams)| streams)
}

/// It is there only where operations are traced.
fn is_traced(what: &What) -> bool {
    match what {
        What::Step(step) => step.weight != Weight::Outcome,
        _ => false,
    }
}

/// Which steps of two executions count.
pub(super) struct Counted<'t> {
    streams: Option<[Option<&'t Streams>; 2]>,
    /// Both trace operations, or neither does.
    traces: bool,
}

impl Counted<'_> {
    pub(super) fn counts(&self, what: &What) -> bool {
        match what {
            What::Step(step) => (self.traces || !is_traced(what)) && self.have_both(step),
            _ => true,
        }
    }

    fn have_both(&self, step: &Step) -> bool {
        let has = |streams: &Option<&Streams>| {
            streams.is_some_and(|streams| streams.contains_key(&step.stream))
        };
        self.streams
            .as_ref()
            .is_none_or(|sides| sides.iter().all(has))
    }
}

/// Which side records more than the other, in words.
pub fn recorded_by_one(sides: [&Summary; 2]) -> Option<&'static str> {
    let [a, b] = sides;
    match [lacking(a, b), lacking(b, a)].map(|names| names.is_empty()) {
        [true, true] => None,
        [false, true] => Some("A"),
        [true, false] => Some("B"),
        [false, false] => Some("one of the two"),
    }
}

/// Streams of one side that the other does not have in any process, by name.
pub fn lacking(own: &Summary, other: &Summary) -> Vec<String> {
    let has = |id: &StreamId| {
        let mut processes = other.processes.iter();
        processes.any(|(_, streams)| streams.contains_key(id))
    };
    let streams = own.processes.iter().flat_map(|(_, streams)| streams);
    let mut names: Vec<String> = streams
        .filter(|(id, _)| !has(id))
        .map(|(_, name)| name.clone())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
