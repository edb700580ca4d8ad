//! What two recordings both have: only that can be compared.
//!
//! What a host records is chosen when its process starts. What a process recorded no step
//! of, it may not have recorded: where that could decide, nothing is concluded.

use crate::tape::{BlockTape, Step, StreamId, Streams, Summary, What};
use crate::vocabulary::trace::Weight;

/// The streams of both sides.
#[derive(Clone, Debug, Default)]
pub enum Common {
    /// All that stands there is compared.
    #[default]
    All,
    /// Of two executions of one source, what both have.
    Present,
    /// By what each process of both sides recorded.
    Told([Vec<Streams>; 2]),
}

impl Common {
    /// By what both told.
    pub fn of(sides: [&Summary; 2]) -> Common {
        Common::Told(sides.map(|side| side.processes.clone()))
    }

    /// Every process of both sides has the same streams.
    pub fn is_all(sides: [&Summary; 2]) -> bool {
        let mut all = sides
            .iter()
            .flat_map(|side| &side.processes)
            .map(|streams| streams.keys().collect::<Vec<_>>());
        let first = all.next();
        first.is_none_or(|first| all.all(|other| other == first))
    }

    /// Which steps of two executions of a height count.
    pub(super) fn at(&self, a: &BlockTape, b: &BlockTape) -> Counted {
        Counted(match self {
            Common::All => None,
            Common::Present => Some([a, b].map(present)),
            Common::Told([of_a, of_b]) => {
                let streams = |all: &[Streams], tape: &BlockTape| {
                    let own = all.get(tape.process);
                    own.map_or_else(Vec::new, |own| own.keys().copied().collect())
                };
                Some([streams(of_a, a), streams(of_b, b)])
            }
        })
    }
}

fn present(tape: &BlockTape) -> Vec<StreamId> {
    let steps = tape.units.iter().filter_map(|unit| match &unit.what {
        What::Step(step) => Some(step.stream),
        _ => None,
    });
    let mut streams: Vec<StreamId> = steps.collect();
    streams.sort_unstable();
    streams.dedup();
    streams
}

/// The streams that each side has, in their order; `None`: all.
pub(super) struct Counted(Option<[Vec<StreamId>; 2]>);

impl Counted {
    pub(super) fn counts(&self, what: &What) -> bool {
        match what {
            What::Step(step) => self.have_both(step),
            _ => true,
        }
    }

    fn have_both(&self, step: &Step) -> bool {
        let has = |streams: &Vec<StreamId>| streams.binary_search(&step.stream).is_ok();
        self.0.as_ref().is_none_or(|sides| sides.iter().all(has))
    }

    /// What only one side has could decide what came of the block.
    pub(super) fn leaves_out(&self, tape: &BlockTape, decides: impl Fn(Weight) -> bool) -> bool {
        tape.units.iter().any(|unit| match &unit.what {
            What::Step(step) => decides(step.weight) && !self.have_both(step),
            _ => false,
        })
    }
}

/// Streams of one side that the other does not have in any process, by name.
pub fn lacking(own: &Summary, other: &Summary) -> Vec<String> {
    let has = |id: &StreamId| {
        let mut processes = other.processes.iter();
        processes.any(|streams| streams.contains_key(id))
    };
    let streams = own.processes.iter().flatten();
    let mut names: Vec<String> = streams
        .filter(|(id, _)| !has(id))
        .map(|(_, name)| name.clone())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
