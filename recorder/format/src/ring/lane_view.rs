//! The records of one lane, and the gaps between them.

use super::record::{FRAGMENT, HEADER_SIZE, padded};
use super::segment::SEGMENT_HEADER_SIZE;
use crate::stream::Lane;

/// Consecutive records in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Counter of the first record.
    pub first: u64,
    /// Counter of the last record.
    pub last: u64,
    /// Segment that holds them.
    pub segment: u32,
    /// Offset in the segment of the first record.
    pub from: usize,
    /// Offset in the segment behind the last record.
    pub to: usize,
    /// The filling of the segment that they belong to. `None` for remains of an earlier
    /// filling, and where the header is damaged.
    pub generation: Option<u64>,
}

/// State of a segment by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Never filled, or being reused now.
    Free,
    /// Filled for the `generation`-th time in this lane, from counter `first`.
    Filled {
        /// Number of the filling.
        generation: u64,
        /// Counter of its first record.
        first: u64,
    },
    /// The header is damaged.
    Damaged,
}

/// One segment of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index in the file.
    pub index: u32,
    /// What its header says.
    pub state: SlotState,
}

impl Slot {
    pub(super) fn generation(&self) -> Option<u64> {
        match self.state {
            SlotState::Filled { generation, .. } => Some(generation),
            SlotState::Free | SlotState::Damaged => None,
        }
    }
}

/// Reasons why counters are missing between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The writer reused the segments between the runs; released data was evicted.
    Evicted,
    /// No segment between the runs was reused: the records existed and are lost.
    Missing,
}

/// The records of one lane.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Which lane.
    pub lane: Lane,
    /// Its segments, by index.
    pub slots: Vec<Slot>,
    /// Its records, oldest first. Runs do not overlap.
    pub runs: Vec<Run>,
    /// Remains of earlier fillings that no run continues: true history, but the records
    /// behind them were evicted.
    pub strays: Vec<Run>,
    /// Bytes between records that are not a record.
    pub junk_bytes: u64,
    /// Highest epoch seen in a record.
    pub epoch: u32,
    /// A writer changed the lane during the scan. Records that are not here may have been
    /// overwritten meanwhile.
    pub moved: bool,
}

impl LaneView {
    pub(super) fn empty(lane: Lane) -> LaneView {
        LaneView {
            lane,
            slots: Vec::new(),
            runs: Vec::new(),
            strays: Vec::new(),
            junk_bytes: 0,
            epoch: 0,
            moved: false,
        }
    }

    /// Counter of the next record. A segment header proves the counters before its first
    /// record, even if those records are lost.
    pub fn next_counter(&self) -> u64 {
        let begun = self.slots.iter().filter_map(|slot| match slot.state {
            SlotState::Filled { first, .. } => Some(first),
            SlotState::Free | SlotState::Damaged => None,
        });
        let recorded = self.runs.iter().chain(&self.strays);
        recorded
            .map(|run| run.last + 1)
            .chain(begun)
            .max()
            .unwrap_or(0)
    }

    /// Counter behind the newest record in the view.
    pub fn next_recorded(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.last + 1)
    }

    /// Counter of the oldest record.
    pub fn first_counter(&self) -> Option<u64> {
        self.runs.first().map(|run| run.first)
    }

    /// The newest segment, and the offset behind its last record: the place where a
    /// writer continues.
    pub fn head(&self) -> Option<(u32, usize)> {
        let newest = self.slots.iter().filter(|s| s.generation().is_some());
        let slot = newest.max_by_key(|slot| slot.generation())?;
        let in_head = self
            .runs
            .iter()
            .filter(|run| run.segment == slot.index && run.generation.is_some());
        let end = in_head
            .map(|run| run.to)
            .max()
            .unwrap_or(SEGMENT_HEADER_SIZE);
        Some((slot.index, end))
    }

    /// Whether the view has every record from `from` to before `until`.
    pub fn holds(&self, from: u64, until: u64) -> bool {
        let mut next = from;
        let first = self.runs.partition_point(|run| run.last < from);
        for run in self.runs.iter().skip(first) {
            if next >= until || run.first > next {
                break;
            }
            next = run.last + 1;
        }
        next >= until
    }

    /// Why counters are missing between two neighbouring runs; `None` if none are.
    pub fn gap(&self, before: &Run, after: &Run) -> Option<Gap> {
        let missing = before.last + 1 < after.first;
        missing.then(|| self.why_missing(before.generation, after))
    }

    /// Why counters are missing before the oldest record; `None` if none are. An opener asks
    /// this, while nobody writes.
    pub fn gap_before_first(&self) -> Option<Gap> {
        let first = self.runs.first().filter(|run| run.first > 0)?;
        Some(match self.begins_late(first) {
            true => Gap::Missing,
            false => self.why_missing(Some(0), first),
        })
    }

    /// Why counters are missing behind the filling `from` and before a run.
    fn why_missing(&self, from: Option<u64>, after: &Run) -> Gap {
        let to = self.filling_of(after);
        let is_lost = |slot: &Slot| match slot.state {
            SlotState::Damaged => true,
            SlotState::Free => false,
            // Its records are lost, but no younger filling replaced them.
            SlotState::Filled { generation, .. } => {
                from.is_some_and(|from| from < generation) && to.is_some_and(|to| generation < to)
            }
        };
        let damaged = self.slots.iter().any(is_lost);
        let leftover = after.generation.is_none();
        let is_cut = leftover && after.from > SEGMENT_HEADER_SIZE;
        let reused = match (from, to) {
            (Some(from), Some(to)) if is_cut => to > from && self.is_overwritten_up_to(after),
            (Some(from), Some(to)) => to > from + 1,
            (None, Some(_)) => !leftover,
            (_, None) => false,
        };
        match reused && !damaged {
            true => Gap::Evicted,
            false => Gap::Missing,
        }
    }

    /// Whether the filling of a run begins with counters that are not there.
    fn begins_late(&self, run: &Run) -> bool {
        self.slots.iter().any(|slot| match slot.state {
            SlotState::Filled { generation, first } => {
                slot.index == run.segment && run.generation == Some(generation) && first < run.first
            }
            SlotState::Free | SlotState::Damaged => false,
        })
    }

    /// The filling that a run belongs to. A remainder that leads on to the first run of
    /// filling N belongs to filling N - 1.
    fn filling_of(&self, run: &Run) -> Option<u64> {
        if run.generation.is_some() || !self.is_sound(run.segment) {
            return run.generation;
        }
        let behind = self.runs.partition_point(|other| other.first <= run.first);
        let next = self.runs.get(behind)?;
        let leads_on = run.last + 1 == next.first;
        next.generation.filter(|_| leads_on)?.checked_sub(1)
    }

    /// Whether a younger filling of the run's segment overwrote the records before the
    /// run, and ends where the run begins. Between the two lie at most the rest of a
    /// record that was overwritten in part, and a record that is being written: the first
    /// one, if the younger filling has none.
    fn is_overwritten_up_to(&self, run: &Run) -> bool {
        let of_segment = self
            .runs
            .iter()
            .filter(|other| other.segment == run.segment);
        let younger = of_segment.filter(|other| other.generation.is_some());
        let end = younger.map(|other| other.to).max();
        let end = end.unwrap_or(SEGMENT_HEADER_SIZE);
        let most = 2 * (HEADER_SIZE + padded(FRAGMENT));
        run.from.saturating_sub(end) < most
    }

    fn is_sound(&self, segment: u32) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|slot| slot.index == segment && slot.state != SlotState::Damaged)
    }

    /// Every range of missing counters between two runs: first, last, reason.
    pub fn gaps(&self) -> Vec<(u64, u64, Gap)> {
        let pairs = self.runs.windows(2);
        pairs
            .filter_map(|pair| {
                let why = self.gap(&pair[0], &pair[1])?;
                Some((pair[0].last + 1, pair[1].first - 1, why))
            })
            .collect()
    }
}
