//! Which records of a lane were dropped.

use super::{Counters, Dropped, Mark};
use crate::stream::Lane;

/// Most ranges that are kept. Beyond that the oldest two of the lane are joined.
const RANGES: usize = 256;

/// Ranges of dropped records, oldest first. A range may also cover records that were
/// kept: it explains a gap, and never claims that a record exists. So joining two ranges
/// is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedRecords(Vec<Dropped>);

impl DroppedRecords {
    /// Updates the ranges by a mark: a loss adds a range, a checkpoint replaces all.
    pub fn take(&mut self, mark: &Mark) {
        match mark {
            Mark::Loss(loss) if loss.dropped => {
                if let Some(counters) = loss.counters {
                    self.add(loss.lane, counters);
                }
            }
            Mark::Checkpoint(checkpoint) => self.0.clone_from(&checkpoint.dropped),
            _ => {}
        }
    }

    fn add(&mut self, lane: Lane, counters: Counters) {
        if counters.from >= counters.until {
            return;
        }
        let newest = self.0.iter_mut().rev().find(|known| known.lane == lane);
        match newest {
            Some(known) if known.counters.until >= counters.from => {
                known.counters.until = known.counters.until.max(counters.until);
            }
            _ => self.0.push(Dropped { lane, counters }),
        }
        self.bound(lane);
    }

    fn bound(&mut self, lane: Lane) {
        if self.0.len() <= RANGES {
            return;
        }
        let mut of_lane = self.0.iter().enumerate().filter(|(_, d)| d.lane == lane);
        let (Some((first, _)), Some((second, joined))) = (of_lane.next(), of_lane.next()) else {
            return;
        };
        let until = joined.counters.until;
        self.0[first].counters.until = until;
        self.0.remove(second);
    }

    /// Whether a range overlaps the counters `from..until`.
    pub fn touches(&self, lane: Lane, from: u64, until: u64) -> bool {
        let touches =
            |d: &Dropped| d.lane == lane && d.counters.from < until && from < d.counters.until;
        self.0.iter().any(touches)
    }

    /// Whether the ranges cover the counters `from..until`.
    pub fn covers(&self, lane: Lane, from: u64, until: u64) -> bool {
        let of_lane = self.0.iter().filter(|d| d.lane == lane);
        let reached = of_lane.fold(from, |reached, d| match d.counters.from <= reached {
            true => reached.max(d.counters.until),
            false => reached,
        });
        reached >= until
    }

    /// The ranges as a checkpoint stores them.
    pub fn to_vec(&self) -> Vec<Dropped> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_the_oldest_give_way() {
        let mut dropped = DroppedRecords::default();
        let range = |from, until| Counters { from, until };
        dropped.add(Lane::Main, range(5, 6));
        dropped.add(Lane::Main, range(6, 9));
        dropped.add(Lane::Local, range(9, 9));
        assert_eq!(dropped.0.len(), 1);
        assert!(dropped.touches(Lane::Main, 8, 20));
        assert!(!dropped.touches(Lane::Main, 9, 20));
        assert!(!dropped.touches(Lane::Local, 0, 20));
        assert!(dropped.covers(Lane::Main, 6, 9));
        assert!(!dropped.covers(Lane::Main, 6, 10));
        assert!(!dropped.covers(Lane::Main, 4, 9));
        for n in 0..2 * RANGES as u64 {
            dropped.add(Lane::Main, range(100 + 10 * n, 101 + 10 * n));
        }
        assert_eq!(dropped.0.len(), RANGES);
        assert!(dropped.touches(Lane::Main, 5, 6));
        assert!(dropped.touches(Lane::Main, 100, 101));
    }
}
