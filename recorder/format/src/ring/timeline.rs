//! All lanes of a ring in one order.
//!
//! Lanes have counters of their own. A local record carries the main counter
//! of its time, a spine record both, so the order in which everything was
//! recorded can be had back.

use std::fmt;
use std::io;

use super::cursor::{Found, Record, RecordCursor};
use super::lane_view::Gap;
use super::record::{CutHeader, Flags, LOCAL_PREFIX};
use super::view::RingView;
use crate::mark::{DroppedRecords, Mark, Position, Stamp, decode_marks, decode_stamp};
use crate::read_at::ReadAt;
use crate::stream::{Lane, Stream};

/// What the marks of a ring tell of its other lanes: a timeline cannot know it before it
/// has read all marks.
#[derive(Clone, Copy, Debug)]
pub struct Marked<'a> {
    /// Every record up to here was made, by the last stamp.
    pub until: Position,
    /// Records that were not kept.
    pub dropped: &'a DroppedRecords,
}

/// One entry of the host.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Which lane kept it.
    pub lane: Lane,
    /// Its counter in that lane.
    pub counter: u64,
    /// Counter of its last part: a large entry has several.
    pub last: u64,
    /// The stream it belongs to.
    pub stream: Stream,
    /// Its bytes, without a line end.
    pub bytes: &'a [u8],
    /// It ended in a line end, which `bytes` does not hold.
    pub terminated: bool,
    /// It was stored cut; `bytes` is its beginning.
    pub cut: Option<CutHeader>,
    /// Block records around it were evicted: it stands outside what is covered.
    pub context: bool,
}

/// What a timeline comes upon.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// An entry of the host.
    Line(Line<'a>),
    /// Marks, all caused by one entry, and their bytes.
    Marks(Stamp, Vec<Mark>, &'a [u8]),
    /// Records of a lane that are not there.
    Hole(Hole),
}

/// Records of a lane that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The lane.
    pub lane: Lane,
    /// First missing counter.
    pub from: u64,
    /// Last missing counter.
    pub to: u64,
    /// Why.
    pub why: HoleKind,
}

/// Why records are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleKind {
    /// Released data that went by age.
    Evicted,
    /// They were there and cannot be found: damage, or a power cut.
    Missing,
    /// They never were there: nothing could be overwritten when they came, or they
    /// were lost before that.
    Dropped,
    /// A record whose other half is missing: the recorder ended while writing it.
    Torn,
    /// A live writer was faster than the reader.
    Overrun,
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        let (lane, why) = (self.lane.name(), self.why.name());
        write!(f, "records {from} to {to} of the {lane} lane: {why}")
    }
}

/// What is missing of a ring, lane by lane, as far as its view and marks tell.
/// Records that are torn show only where the lane is read.
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

/// What marks stand behind and nothing that was read came to: the newest
/// records were dropped, or a power cut kept the marks and not them.
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

/// Reads a ring from its oldest entry to the newest that its view knew.
pub struct Timeline<'a> {
    ring: &'a RingView,
    marked: Marked<'a>,
    main: RecordCursor<'a>,
    local: RecordCursor<'a>,
    spine: RecordCursor<'a>,
    /// Every main and local record handed out is below.
    reached: Position,
    /// Main counters that were evicted, in order.
    evicted: Vec<(u64, u64)>,
}

impl<'a> Timeline<'a> {
    /// A timeline over everything the view found.
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

    /// A timeline of the lines at or behind a position; marks come from the
    /// oldest on.
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

    /// A timeline of what stands at or behind a position, without marks.
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

    /// The next entry, `None` behind the newest.
    ///
    /// # Errors
    /// What reading the file gives.
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

    /// The lane whose turn it is: marks come as soon as everything before them
    /// has come, local records before the main record whose counter they carry.
    fn turn(&mut self) -> io::Result<Option<Lane>> {
        let main_done = self.main.peek()?.is_none();
        let local_at = self.local.peek()?.map(|found| match found {
            Found::Record(record) => carried_main(record.payload),
            _ => 0,
        });
        let marks_at = self.spine.peek()?.map(|found| match found {
            Found::Record(record) => stamp_of(record.payload).at,
            _ => Position::default(),
        });
        let due = |at: Position| {
            (main_done || at.main <= self.reached.main)
                && (local_at.is_none() || at.local <= self.reached.local)
        };
        Ok(match (marks_at, local_at) {
            (Some(at), _) if due(at) => Some(Lane::Spine),
            (_, Some(at)) if main_done || at <= self.reached.main => Some(Lane::Local),
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
                let line = line(Lane::Main, &record, record.payload, false);
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
                let line = line(Lane::Local, &record, bytes, context);
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

/// A hole of which a mark tells that records were dropped there is no damage.
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
