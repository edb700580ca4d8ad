//! Merges all lanes of a ring into one order.
//!
//! Each lane has its own counter. A local record carries the main counter at its time,
//! and a spine record carries both counters. They restore the order in which everything
//! was recorded.

use std::fmt;
use std::io;

use super::cursor::{Found, Record, RecordCursor};
use super::lane_view::Gap;
use super::record::{CutHeader, Flags, LOCAL_PREFIX};
use super::view::RingView;
use crate::mark::{DroppedRecords, Mark, Position, Stamp, decode_marks, decode_stamp};
use crate::read_at::ReadAt;
use crate::stream::{Lane, Stream};

/// What the marks say about the other lanes. The caller reads all marks before it makes a
/// timeline, and passes this in.
#[derive(Clone, Copy, Debug)]
pub struct Marked<'a> {
    /// Position of the last stamp: the recorder had written every record before it.
    pub until: Position,
    /// Records that the recorder dropped.
    pub dropped: &'a DroppedRecords,
}

/// An entry that the host wrote.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Lane that holds it.
    pub lane: Lane,
    /// Its counter in that lane.
    pub counter: u64,
    /// Counter of its last fragment.
    pub last: u64,
    /// Counter that the main lane had reached before it.
    pub main: u64,
    /// Number of the opening of the ring that wrote it.
    pub epoch: u32,
    /// The stream it belongs to.
    pub stream: Stream,
    /// Its bytes, without a line end.
    pub bytes: &'a [u8],
    /// The entry ended with a line end. `bytes` does not contain it.
    pub terminated: bool,
    /// The entry was stored cut; `bytes` is its beginning.
    pub cut: Option<CutHeader>,
    /// Block records around the entry were evicted: it lies outside what is covered.
    pub context: bool,
}

/// What [`Timeline::next`] returns.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// An entry of the host.
    Line(Line<'a>),
    /// Marks that one entry caused, and their bytes.
    Marks(Stamp, Vec<Mark>, &'a [u8]),
    /// Missing records of a lane.
    Hole(Hole),
}

/// Missing records of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The lane.
    pub lane: Lane,
    /// First missing counter.
    pub from: u64,
    /// Last missing counter.
    pub to: u64,
    /// Why they are missing.
    pub why: HoleKind,
}

impl Hole {
    /// What is missing at or behind a counter.
    pub fn behind(self, counter: u64) -> Option<Hole> {
        let from = self.from.max(counter);
        (from <= self.to).then_some(Hole { from, ..self })
    }
}

/// Reasons why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleKind {
    /// Released data that was overwritten by age.
    Evicted,
    /// The records existed and cannot be found: damage, or a power cut.
    Missing,
    /// The recorder dropped them: the ring had nothing that it could overwrite, or they
    /// were lost before they reached the ring.
    Dropped,
    /// Part of the record is missing: the recorder ended while it wrote it.
    Torn,
    /// A live writer overwrote the records before they were read.
    Overrun,
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        let (lane, why) = (self.lane.name(), self.why.name());
        write!(f, "records {from} to {to} of the {lane} lane: {why}")
    }
}

/// What a ring lacks, lane by lane, as far as its view and marks show it. Torn records
/// show only when a cursor reads the lane.
pub fn holes(ring: &RingView, marked: Marked<'_>) -> Vec<Hole> {
    let mut holes = Vec::new();
    for lane in Lane::ALL {
        for (from, to, gap) in ring.lane(lane).gaps() {
            let why = gap.into();
            holes.push(explained(
                marked,
                Hole {
                    lane,
                    from,
                    to,
                    why,
                },
            ));
        }
    }
    let first = |lane| ring.lane(lane).next_recorded();
    let reached = Position {
        main: first(Lane::Main),
        local: first(Lane::Local),
    };
    let owed = owed(ring, marked.until, reached);
    holes.extend(owed.map(|hole| explained(marked, hole)));
    holes
}

/// Records before the last stamp that no lane has: the newest records were dropped, or a
/// power cut kept the marks and lost the records.
fn owed(ring: &RingView, marked: Position, reached: Position) -> impl Iterator<Item = Hole> {
    let lanes = [
        (Lane::Main, reached.main, marked.main),
        (Lane::Local, reached.local, marked.local),
    ];
    let owed = lanes.into_iter().filter(|(_, from, until)| from < until);
    owed.map(|(lane, from, until)| Hole {
        lane,
        from,
        to: until - 1,
        why: match ring.lane(lane).moved {
            true => HoleKind::Overrun,
            false => HoleKind::Missing,
        },
    })
}

impl From<Gap> for HoleKind {
    fn from(gap: Gap) -> HoleKind {
        match gap {
            Gap::Evicted => HoleKind::Evicted,
            Gap::Missing => HoleKind::Missing,
        }
    }
}

impl HoleKind {
    /// The word used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            HoleKind::Evicted => "evicted",
            HoleKind::Missing => "missing",
            HoleKind::Dropped => "dropped",
            HoleKind::Torn => "torn",
            HoleKind::Overrun => "overrun",
        }
    }
}

/// Reads a ring, from its oldest entry to the newest one in its view.
pub struct Timeline<'a> {
    ring: &'a RingView,
    marked: Marked<'a>,
    main: RecordCursor<'a>,
    local: RecordCursor<'a>,
    spine: RecordCursor<'a>,
    /// Position behind every main and local record that was returned.
    reached: Position,
    /// Ranges of evicted main counters, in order.
    evicted: Vec<(u64, u64)>,
}

impl<'a> Timeline<'a> {
    /// A timeline of everything in the view.
    pub fn new(source: &'a dyn ReadAt, ring: &'a RingView, marked: Marked<'a>) -> Timeline<'a> {
        let first = |lane| ring.lane(lane).first_counter();
        let oldest = first(Lane::Main).unwrap_or(0);
        let before = (oldest > 0).then(|| (0, oldest - 1));
        let gaps = ring.lane(Lane::Main).gaps().into_iter();
        let between = gaps
            .filter(|gap| gap.2 == Gap::Evicted)
            .map(|gap| (gap.0, gap.1));
        Timeline {
            ring,
            marked,
            main: RecordCursor::new(source, ring, Lane::Main),
            local: RecordCursor::new(source, ring, Lane::Local),
            spine: RecordCursor::new(source, ring, Lane::Spine),
            reached: Position {
                main: oldest,
                local: first(Lane::Local).unwrap_or(0),
            },
            evicted: before.into_iter().chain(between).collect(),
        }
    }

    /// A timeline of the lines at or behind a position, and of all marks.
    pub fn after(
        source: &'a dyn ReadAt,
        ring: &'a RingView,
        marked: Marked<'a>,
        at: Position,
    ) -> Timeline<'a> {
        let mut timeline = Timeline::new(source, ring, marked);
        timeline.main.skip_to(at.main);
        timeline.local.skip_to(at.local);
        timeline.reached = Position {
            main: timeline.reached.main.max(at.main),
            local: timeline.reached.local.max(at.local),
        };
        timeline
    }

    /// A timeline of the lines at or behind a position, without marks.
    pub fn lines_after(
        source: &'a dyn ReadAt,
        ring: &'a RingView,
        marked: Marked<'a>,
        at: Position,
    ) -> Timeline<'a> {
        let mut timeline = Timeline::after(source, ring, marked, at);
        timeline.spine.skip_to(u64::MAX);
        timeline
    }

    /// The next entry; `None` behind the newest.
    ///
    /// # Errors
    /// Errors of reading the file.
    #[expect(
        clippy::should_implement_trait,
        reason = "the entry borrows the cursors' buffers"
    )]
    pub fn next(&mut self) -> io::Result<Option<Entry<'_>>> {
        match self.turn()? {
            Some(Lane::Main) => self.next_main(),
            Some(Lane::Local) => self.next_local(),
            Some(Lane::Spine) => self.next_marks(),
            None => Ok(self.owed().map(Entry::Hole)),
        }
    }

    fn owed(&mut self) -> Option<Hole> {
        let hole = owed(self.ring, self.marked.until, self.reached).next()?;
        match hole.lane {
            Lane::Local => self.reached.local = hole.to + 1,
            Lane::Main | Lane::Spine => self.reached.main = hole.to + 1,
        }
        Some(explained(self.marked, hole))
    }

    /// The lane to read next. Marks come as soon as everything before their stamp was
    /// returned. Local records come before the main record whose counter they carry.
    fn turn(&mut self) -> io::Result<Option<Lane>> {
        let (main_done, main_at) = match self.main.peek()? {
            // The rest of a record whose beginning was evicted is passed over in silence.
            Some(Found::Record(record)) => (false, self.reached.main.max(record.counter)),
            other => (other.is_none(), self.reached.main),
        };
        let local_at = self.local.peek()?.map(|found| match found {
            Found::Record(record) => carried_main(record.payload),
            _ => 0,
        });
        let marks_at = self.spine.peek()?.map(|found| match found {
            Found::Record(record) => stamp_of(record.payload).at,
            _ => Position::default(),
        });
        let due = |at: Position| {
            (main_done || at.main <= main_at)
                && (local_at.is_none() || at.local <= self.reached.local)
        };
        Ok(match (marks_at, local_at) {
            (Some(at), _) if due(at) => Some(Lane::Spine),
            (_, Some(at)) if main_done || at <= main_at => Some(Lane::Local),
            _ if !main_done => Some(Lane::Main),
            (Some(_), _) => Some(Lane::Spine),
            _ => None,
        })
    }

    fn next_main(&mut self) -> io::Result<Option<Entry<'_>>> {
        let Some(found) = self.main.next()? else {
            return Ok(None);
        };
        let (entry, last) = match found {
            Found::Record(record) => {
                let line = Line {
                    main: record.counter,
                    ..line(Lane::Main, &record, record.payload, false)
                };
                (Entry::Line(line), record.last)
            }
            other => entry_of(explained(self.marked, hole(Lane::Main, &other))),
        };
        self.reached.main = self.reached.main.max(last + 1);
        Ok(Some(entry))
    }

    fn next_local(&mut self) -> io::Result<Option<Entry<'_>>> {
        let Some(found) = self.local.next()? else {
            return Ok(None);
        };
        let (entry, last) = match found {
            Found::Record(record) => {
                let at = carried_main(record.payload);
                let context = self
                    .evicted
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&at));
                let bytes = record.payload.get(LOCAL_PREFIX..).unwrap_or_default();
                let line = Line {
                    main: at,
                    ..line(Lane::Local, &record, bytes, context)
                };
                (Entry::Line(line), record.last)
            }
            other => entry_of(explained(self.marked, hole(Lane::Local, &other))),
        };
        self.reached.local = self.reached.local.max(last + 1);
        Ok(Some(entry))
    }

    fn next_marks(&mut self) -> io::Result<Option<Entry<'_>>> {
        Ok(self.spine.next()?.map(|found| match found {
            Found::Record(record) => {
                let (stamp, marks) = decode_marks(record.payload).unwrap_or_default();
                Entry::Marks(stamp, marks, record.payload)
            }
            other => Entry::Hole(hole(Lane::Spine, &other)),
        }))
    }
}

/// Turns a missing range into a dropped one if a mark says that records in it were
/// dropped. A dropped record is not damage.
fn explained(marked: Marked<'_>, hole: Hole) -> Hole {
    let until = hole.to.saturating_add(1);
    let dropped = || marked.dropped.touches(hole.lane, hole.from, until);
    match hole.why {
        HoleKind::Missing if dropped() => Hole {
            why: HoleKind::Dropped,
            ..hole
        },
        _ => hole,
    }
}

fn carried_main(payload: &[u8]) -> u64 {
    payload
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn line<'a>(lane: Lane, record: &Record<'a>, payload: &'a [u8], context: bool) -> Line<'a> {
    let flags = record.flags;
    let cut = flags
        .has(Flags::CUT)
        .then(|| CutHeader::split(payload))
        .flatten();
    let (cut, bytes) = match cut {
        Some((header, kept)) => (Some(header), kept),
        None => (None, payload),
    };
    let terminated = !flags.has(Flags::UNTERMINATED);
    Line {
        lane,
        counter: record.counter,
        last: record.last,
        main: 0,
        epoch: record.epoch,
        stream: flags.stream(),
        bytes,
        terminated,
        cut,
        context,
    }
}

fn stamp_of(payload: &[u8]) -> Stamp {
    decode_stamp(payload).unwrap_or_default()
}

fn entry_of(hole: Hole) -> (Entry<'static>, u64) {
    (Entry::Hole(hole), hole.to)
}

fn hole(lane: Lane, found: &Found<'_>) -> Hole {
    let (from, to, why) = match *found {
        Found::Gap { from, to, why } => (from, to, why.into()),
        Found::Torn { from, to } => (from, to, HoleKind::Torn),
        Found::Overrun { from, to } => (from, to, HoleKind::Overrun),
        Found::Record(record) => (record.counter, record.last, HoleKind::Missing),
    };
    Hole {
        lane,
        from,
        to,
        why,
    }
}
