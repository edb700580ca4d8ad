//! Whether two executions did the same steps in another order behind the place where they
//! part. The outcome may depend on the order: iteration over a map, or a running sum.

use super::streams::Counted;
use crate::trace::{BlockTrace, Step, Unit, UnitDigest};
use crate::vocabulary::step_tracker::StepKind;

/// What is in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The reads up to the next write.
    Reads,
    /// The keys that are written, whatever their values.
    Keys,
}

/// Whether the operations from these units on are the same in another order.
pub(super) fn moved([(a, at_a), (b, at_b)]: [(&BlockTrace, usize); 2]) -> Option<Moved> {
    let counted = Counted::of(a, b);
    let [of_a, of_b] = [(a, at_a), (b, at_b)].map(|(trace, at)| operations(trace, at, &counted));
    let reads = [&of_a, &of_b].map(|steps| {
        let reads = steps.iter().take_while(|step| step.kind == StepKind::Read);
        reads.map(|step| step.bare).collect::<Vec<_>>()
    });
    if is_moved(&reads) {
        return Some(Moved::Reads);
    }
    let keys = [&of_a, &of_b].map(|steps| {
        let writes = steps.iter().filter(|step| step.kind == StepKind::Write);
        writes.filter_map(|step| step.asks).collect::<Vec<_>>()
    });
    // The first key is the same and its value differs: that is not a difference of order.
    let begin_alike = keys[0].first() == keys[1].first();
    (!begin_alike && is_moved(&keys)).then_some(Moved::Keys)
}

/// The operations up to the end of the transaction or phase, without those that only one side
/// records.
fn operations<'t>(trace: &'t BlockTrace, at: usize, counted: &Counted) -> Vec<&'t Step> {
    let units = trace.units.iter().take(trace.covered()).skip(at);
    let operations = units.take_while(|unit| unit.is_operation());
    let both = operations.filter(|unit| counted.counts(&unit.what));
    both.filter_map(Unit::step).collect()
}

fn is_moved([a, b]: &[Vec<UnitDigest>; 2]) -> bool {
    let sorted = |list: &[UnitDigest]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    };
    a != b && sorted(a) == sorted(b)
}
