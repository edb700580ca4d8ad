//! Reads the records of a lane in order.

use std::io;

use super::geometry::Geometry;
use super::lane_view::{Gap, LaneView, Run};
use super::record::{Flags, HEADER_SIZE, LaneKey, MAX_EPOCH, Part};
use super::view::RingView;
use crate::read_at::{ReadAt, read_readable};
use crate::stream::Lane;

/// A record, joined from its fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Counter of its first fragment.
    pub counter: u64,
    /// Counter of its last fragment.
    pub last: u64,
    /// Number of the opening of the ring that wrote it.
    pub epoch: u32,
    /// Flags of the record.
    pub flags: Flags,
    /// Its bytes, lane prefix included.
    pub payload: &'a [u8],
}

/// What [`RecordCursor::next`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole record.
    Record(Record<'a>),
    /// Counters `from..=to` are missing.
    Gap {
        /// First missing counter.
        from: u64,
        /// Last missing counter.
        to: u64,
        /// Why they are missing.
        why: Gap,
    },
    /// The fragments `from..=to` are there, the rest of their record is not.
    Torn {
        /// First fragment that is there.
        from: u64,
        /// Last fragment that is there.
        to: u64,
    },
    /// A live writer reused the segment before these records were read.
    Overrun {
        /// First record lost to the reader.
        from: u64,
        /// Last record lost to the reader.
        to: u64,
    },
}

/// Reads one lane of a ring, from its oldest record to the newest one in its view. Needs
/// memory for one segment and one record.
pub struct RecordCursor<'a> {
    source: &'a dyn ReadAt,
    geometry: Geometry,
    key: LaneKey,
    view: &'a LaneView,
    /// Index of the run being read, and the offset in its segment.
    run: usize,
    offset: usize,
    loaded: Option<u32>,
    segment: Vec<u8>,
    /// Counter of the next record, if none is missing.
    expected: Option<u64>,
    /// What the cursor saw before the current record. It decides what a fragment without
    /// a beginning means.
    before: Before,
    /// Record whose last fragment has not come yet.
    partial: Option<Partial>,
    joined: Vec<u8>,
    /// Epoch of the fragment that was read last.
    epoch: u32,
    /// The current item, and whether `next` has returned it already.
    held: Option<Step>,
    delivered: bool,
}

/// What the cursor saw before a fragment that has no beginning.
#[derive(Clone, Copy)]
enum Before {
    /// Nothing. The fragment is the oldest of the lane; the segment with its beginning
    /// was reused.
    Nothing,
    /// An evicted or overrun range, which holds the beginning.
    Evicted,
    /// Records. The beginning is missing.
    Records,
}

#[derive(Clone, Copy)]
struct Partial {
    first: u64,
    last: u64,
    flags: Flags,
}

/// An item of the cursor, without the bytes.
enum Step {
    Record {
        counter: u64,
        last: u64,
        flags: Flags,
        at: Place,
    },
    Found(Found<'static>),
    End,
}

/// Where a record's bytes are.
enum Place {
    Segment { from: usize, to: usize },
    Joined,
}

impl<'a> RecordCursor<'a> {
    /// A cursor at the lane's oldest record.
    pub fn new(source: &'a dyn ReadAt, ring: &'a RingView, lane: Lane) -> RecordCursor<'a> {
        let view = ring.lane(lane);
        RecordCursor {
            source,
            geometry: ring.geometry,
            key: LaneKey::new(ring.salt, lane),
            view,
            run: 0,
            offset: view.runs.first().map_or(0, |run| run.from),
            loaded: None,
            segment: vec![0; ring.geometry.segment_size as usize],
            expected: None,
            before: Before::Nothing,
            partial: None,
            joined: Vec::new(),
            epoch: 0,
            held: None,
            delivered: false,
        }
    }

    /// The lane being read.
    pub fn lane(&self) -> Lane {
        self.view.lane
    }

    /// Moves to the first record whose counter is at least `counter`.
    pub fn skip_to(&mut self, counter: u64) {
        let run = self.view.runs.partition_point(|run| run.last < counter);
        self.run = run;
        self.offset = self.view.runs.get(run).map_or(0, |run| run.from);
        // A run that begins late has a gap before it if records precede it. What is missing
        // before the oldest run is no gap.
        self.expected = self.view.runs.get(run).map(|start| match run {
            0 => counter.max(start.first),
            _ => counter,
        });
        self.partial = None;
        self.before = Before::Nothing;
        self.held = None;
    }

    /// The next record or gap; `None` behind the newest record.
    ///
    /// # Errors
    /// Errors of reading the file. Calling again repeats the read.
    #[expect(
        clippy::should_implement_trait,
        reason = "the record borrows the cursor's buffer"
    )]
    pub fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        self.fill()?;
        self.delivered = true;
        Ok(self.found())
    }

    /// What [`RecordCursor::next`] will return.
    ///
    /// # Errors
    /// Errors of reading the file. Calling again repeats the read.
    pub fn peek(&mut self) -> io::Result<Option<Found<'_>>> {
        self.fill()?;
        Ok(self.found())
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.delivered {
            self.held = None;
            self.delivered = false;
        }
        if self.held.is_none() {
            self.held = Some(self.step()?);
        }
        Ok(())
    }

    fn found(&self) -> Option<Found<'_>> {
        match self.held.as_ref()? {
            Step::End => None,
            Step::Found(found) => Some(*found),
            Step::Record {
                counter,
                last,
                flags,
                at,
            } => {
                let payload = match *at {
                    Place::Segment { from, to } => self.segment.get(from..to)?,
                    Place::Joined => &self.joined[..],
                };
                let (counter, last, flags) = (*counter, *last, *flags);
                Some(Found::Record(Record {
                    counter,
                    last,
                    epoch: self.epoch,
                    flags,
                    payload,
                }))
            }
        }
    }

    fn step(&mut self) -> io::Result<Step> {
        loop {
            let Some(run) = self.view.runs.get(self.run).copied() else {
                return Ok(self.torn().map_or(Step::End, Step::Found));
            };
            if self.offset >= run.to || self.expected.is_some_and(|next| next > run.last) {
                self.next_run();
                continue;
            }
            if let Some(found) = self.gap_before(&run) {
                return Ok(Step::Found(found));
            }
            self.load(&run)?;
            let Some(fragment) = self.key.fragment_at(&self.segment, self.offset, MAX_EPOCH) else {
                return Ok(self.overrun(&run));
            };
            let (seq, from) = (fragment.seq.counter(), self.offset + HEADER_SIZE);
            if seq > run.last || seq < run.first {
                return Ok(self.overrun(&run));
            }
            if self.expected.is_some_and(|expected| seq < expected) {
                self.offset = fragment.end;
                continue;
            }
            let to = from + fragment.payload.len();
            let (part, flags, end) = (fragment.part, fragment.flags, fragment.end);
            let epoch = fragment.seq.epoch();
            if let Some(torn) = self.tears(part) {
                return Ok(Step::Found(torn));
            }
            self.offset = end;
            self.expected = Some(seq + 1);
            self.epoch = epoch;
            if let Some(step) = self.take(part, flags, seq, from, to) {
                return Ok(step);
            }
        }
    }

    fn next_run(&mut self) {
        self.run += 1;
        self.offset = self.view.runs.get(self.run).map_or(0, |run| run.from);
    }

    /// Counters missing between the last record and this run.
    fn gap_before(&mut self, run: &Run) -> Option<Found<'static>> {
        let expected = self.expected?;
        if self.offset != run.from || run.first <= expected {
            return None;
        }
        let before = self
            .run
            .checked_sub(1)
            .and_then(|index| self.view.runs.get(index))?;
        let why = self.view.gap(before, run).unwrap_or(Gap::Missing);
        let partial = self.partial.take();
        match partial {
            Some(Partial { first, last, .. }) if why == Gap::Missing => {
                return Some(Found::Torn {
                    from: first,
                    to: last,
                });
            }
            _ => self.expected = Some(run.first),
        }
        // The rest of a record, or its beginning, was evicted with its segment.
        if why == Gap::Evicted {
            self.before = Before::Evicted;
        }
        let from = partial.map_or(expected, |partial| partial.first);
        Some(Found::Gap {
            from,
            to: run.first - 1,
            why,
        })
    }

    fn load(&mut self, run: &Run) -> io::Result<()> {
        if self.loaded != Some(run.segment) {
            let offset = self.geometry.offset(run.segment);
            let got = read_readable(self.source, offset, &mut self.segment)?;
            self.segment[got..].fill(0);
            self.loaded = Some(run.segment);
        }
        Ok(())
    }

    /// The record that the view saw here was overwritten, and with it the rest of its
    /// run.
    fn overrun(&mut self, run: &Run) -> Step {
        let from = self.expected.unwrap_or(run.first).max(run.first);
        self.partial = None;
        self.before = Before::Evicted;
        self.loaded = None;
        self.expected = Some(run.last + 1);
        self.offset = run.to;
        Step::Found(Found::Overrun { from, to: run.last })
    }

    /// Reports the partial record, which cannot become complete any more.
    fn torn(&mut self) -> Option<Found<'static>> {
        let Partial { first, last, .. } = self.partial.take()?;
        Some(Found::Torn {
            from: first,
            to: last,
        })
    }

    /// A fragment that starts a record ends a partial one before it.
    fn tears(&mut self, part: Part) -> Option<Found<'static>> {
        match part {
            Part::Full | Part::First => self.torn(),
            Part::Mid | Part::Last => None,
        }
    }

    /// Reports a fragment whose record has no beginning.
    fn remains(&self, counter: u64) -> Option<Step> {
        let (from, to, why) = (counter, counter, Gap::Evicted);
        match self.before {
            Before::Nothing => None,
            Before::Evicted => Some(Step::Found(Found::Gap { from, to, why })),
            Before::Records => Some(Step::Found(Found::Torn { from, to })),
        }
    }

    fn take(
        &mut self,
        part: Part,
        flags: Flags,
        counter: u64,
        from: usize,
        to: usize,
    ) -> Option<Step> {
        if matches!(part, Part::Full | Part::First) {
            self.before = Before::Records;
        }
        match (part, self.partial.as_mut()) {
            (Part::Full, _) => {
                let at = Place::Segment { from, to };
                return Some(Step::Record {
                    counter,
                    last: counter,
                    flags,
                    at,
                });
            }
            (Part::First, _) => {
                self.joined.clear();
                self.partial = Some(Partial {
                    first: counter,
                    last: counter,
                    flags,
                });
            }
            (Part::Mid | Part::Last, None) => return self.remains(counter),
            (Part::Mid | Part::Last, Some(partial)) => partial.last = counter,
        }
        self.joined.extend_from_slice(&self.segment[from..to]);
        if part != Part::Last {
            return None;
        }
        let Partial { first, flags, .. } = self.partial.take()?;
        Some(Step::Record {
            counter: first,
            last: counter,
            flags,
            at: Place::Joined,
        })
    }
}
