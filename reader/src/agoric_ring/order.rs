//! Decides in which order to read the arena.
//!
//! The recorder writes only at its own position. So a walk around the arena from the end of
//! the newest record meets every surviving byte in the order of writing: the rest of the
//! record that was overwritten last, older laps, the newest lap. That includes the history
//! behind the start pointer, which the recorder no longer counts whenever the ring is exactly
//! full.
//! One position decides. It is taken from
//! 1. the header's end pointer, if records confirm it. It is moved over newer records that
//!    follow it, because a kill leaves one that is written but not yet in the header;
//! 2. else the place where the `time` of the entries falls back most;
//! 3. else the only place where the records do not follow each other without a gap;
//! 4. else nothing: arena order.
//!
//! There is one exception. When the ring is exactly full and a record does not fit before the
//! arena's end, the recorder writes it past the end instead of splitting it, and continues as
//! if it had split it. The bytes `0..over` that it skipped are then older than all others.
//! Until the next record is written, the newest record ends at `over`.

use std::cmp::Ordering;
use std::io;

use super::header::{Fault, UntrustedHeader};
use super::scan::{Placed, framed_at, line, record_at, time_of};
use super::survey::{Survey, survey};
use super::window::{HEADER_LEN, ReadAt, Span, Window};
use super::{Order, Skip, Why};

/// A part of the file, to be reported as it is or scanned for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Scan(Span),
    Skip(Skip),
}

/// The whole file, oldest records first.
pub(super) struct Plan {
    pub pieces: Vec<Piece>,
    pub order: Order,
    pub faults: Vec<Fault>,
    /// Where the newest record ends. The bytes directly behind it were being overwritten.
    pub newest_end: u64,
    pub any_record: bool,
}

/// How the arena is laid out in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A ring of that many bytes.
    Ring { arena: u64 },
    /// The record at `at` was written past the arena's end. It is the `newest` if an older one is
    /// whole across `over`, where the next one would have been written.
    Overrun {
        arena: u64,
        at: u64,
        over: u64,
        newest: bool,
    },
    /// The record at `at` is intact both split and unsplit, with different bytes.
    Ambiguous { arena: u64, at: u64 },
    /// The file ends before the arena does.
    Truncated { arena: u64, present: u64 },
}

/// Plans the reading. Reads the file once, or only the records if the header is right.
pub(super) fn plan<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    present: u64,
) -> io::Result<Plan> {
    let mut faults = header.faults(present);
    if faults.iter().all(|f| matches!(f, Fault::Magic { .. })) {
        if let Some(newest) = newest_of_chain(window, header)? {
            return trusted(window, header, newest, faults);
        }
        if header.start != header.end {
            let (start, end) = (header.start, header.end);
            faults.push(Fault::BrokenChain { start, end });
        }
    }
    surveyed(window, header, present, faults)
}

fn trusted<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    newest: Placed,
    mut faults: Vec<Fault>,
) -> io::Result<Plan> {
    let time = time_of(window, newest)?;
    let (arena, end) = (header.arena, header.end);
    let shape = Shape::Ring { arena };
    let end = advance(window, header, shape, end, time)?;
    faults.extend(behind(header, end));
    Ok(Plan {
        pieces: pieces(shape, end, arena),
        order: Order::Header,
        faults,
        newest_end: end,
        any_record: true,
    })
}

/// Follows the records from the start pointer. Returns the last one if they lead to the end
/// pointer.
fn newest_of_chain<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
) -> io::Result<Option<Placed>> {
    let around = Span::around(header.start, header.arena);
    let target = match header.end.checked_sub(header.start) {
        Some(_) => header.end,
        None => header.end + header.arena,
    };
    window.enter(around);
    let (mut at, mut newest) = (header.start, None);
    while at < target {
        let Ok(record) = framed_at(window, at)? else {
            return Ok(None);
        };
        at = record.end();
        newest = Some(record);
    }
    Ok(newest.filter(|_| at == target))
}

/// Moves the writer's position from `mark` over intact records that are newer than the one
/// before it, whose time is `time`.
fn advance<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    shape: Shape,
    mark: u64,
    mut time: Option<f64>,
) -> io::Result<u64> {
    let reach = shape.span_from(mark);
    window.enter(reach);
    let mut end = mark;
    while end < reach.end {
        let Ok(record) = record_at(window, end)? else {
            break;
        };
        let its_time = time_of(window, record)?;
        let newer = match (time, its_time) {
            (Some(before), Some(this)) => this >= before,
            _ => end == mark && is_alone(window, header, shape, record)?,
        };
        if !newer {
            break;
        }
        (end, time) = (record.end(), its_time);
    }
    Ok(shape.fold(end))
}

/// Decides without times. A record at the end pointer is a new one if it overlaps the oldest
/// one, or if no other follows it. An old one is followed by its successors.
fn is_alone<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    shape: Shape,
    record: Placed,
) -> io::Result<bool> {
    let start = match header.start >= header.end {
        true => header.start,
        false => header.start.saturating_add(shape.arena()),
    };
    let over_the_oldest = record.at < start && start < record.end();
    let next = match shape {
        Shape::Overrun { .. } => shape.fold(record.end()),
        _ => record.end(),
    };
    Ok(over_the_oldest || record_at(window, next)?.is_err())
}

fn behind(header: &UntrustedHeader, found: u64) -> Option<Fault> {
    let header = header.end;
    (found != header).then_some(Fault::Behind { header, found })
}

fn surveyed<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    present: u64,
    mut faults: Vec<Fault>,
) -> io::Result<Plan> {
    let (shape, survey) = shape(window, header, present)?;
    let (mut newest_end, order) = shape.newest_end(&survey, header.end);
    if order == Order::Header && survey.mark_is_an_end {
        newest_end = advance(window, header, shape, newest_end, survey.time_at_mark)?;
        faults.extend(behind(header, newest_end));
    }
    Ok(Plan {
        pieces: pieces(shape, newest_end, present),
        order,
        faults,
        newest_end,
        any_record: survey.records > 0,
    })
}

impl Shape {
    fn arena(&self) -> u64 {
        match *self {
            Shape::Ring { arena }
            | Shape::Overrun { arena, .. }
            | Shape::Ambiguous { arena, .. }
            | Shape::Truncated { arena, .. } => arena,
        }
    }

    /// From an address to the furthest end of a record that begins there.
    fn span_from(&self, start: u64) -> Span {
        match *self {
            Shape::Overrun { arena, over, .. } => Span::linear(start, arena + over),
            Shape::Truncated { present, .. } => Span::linear(start, present.max(start)),
            Shape::Ring { arena } | Shape::Ambiguous { arena, .. } => Span::around(start, arena),
        }
    }

    /// Where the newest record ends, and the evidence for it.
    fn newest_end(&self, survey: &Survey, mark: u64) -> (u64, Order) {
        let (lowest, highest) = match *self {
            Shape::Overrun { at, over, .. } => (over, at),
            _ => (0, self.arena().saturating_sub(1)),
        };
        let possible = (lowest..=highest).contains(&mark);
        let seam = survey.seam();
        let agreed = seam.is_none_or(|(seam, _)| seam.holds(mark, self.arena()));
        let borne_out = survey.mark_is_an_end || (agreed && !survey.mark_is_covered);
        if possible && borne_out && !self.ends_with_an_overrun(survey, mark) {
            return (mark, Order::Header);
        }
        if let Shape::Overrun { over, newest, .. } = *self
            && (newest || survey.fall.is_none())
        {
            return (over, Order::Overrun);
        }
        let unknown = (
            survey.crossing.map_or(0, |record| record.end()),
            Order::Unknown,
        );
        let (end, order) = seam.map_or(unknown, |(seam, order)| (seam.from, order));
        (self.fold(end).clamp(lowest, highest.max(lowest)), order)
    }

    /// Whether the records prove that nothing was written after the one past the arena's end, and
    /// the header's end pointer contradicts them.
    fn ends_with_an_overrun(&self, survey: &Survey, mark: u64) -> bool {
        let Shape::Overrun { over, .. } = *self else {
            return false;
        };
        let in_order = survey.last_time.is_some() && survey.fall.is_none();
        mark != over && in_order && !survey.mark_is_an_end
    }

    fn fold(&self, end: u64) -> u64 {
        end.checked_rem(self.arena()).unwrap_or_default()
    }
}

/// Finds the length of the arena, and how the record across its end was written.
fn shape<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    present: u64,
) -> io::Result<(Shape, Survey)> {
    let (arena, mark) = (header.arena, header.end);
    let whole = Shape::Ring { arena: present };
    if arena < present && arena > present / 2 {
        return longer(window, header, present);
    }
    let survey = survey(window, Span::around(0, present), present, mark)?;
    if arena <= present || survey.crossing.is_some() {
        return Ok((whole, survey));
    }
    Ok((Shape::Truncated { arena, present }, survey))
}

/// The file holds more than the arena: a record past its end, or a wrong arena size. No record
/// begins behind the arena, and none at the end of the file continues at the arena's
/// beginning.
fn longer<S: ReadAt>(
    window: &mut Window<S>,
    header: &UntrustedHeader,
    present: u64,
) -> io::Result<(Shape, Survey)> {
    let (arena, mark) = (header.arena, header.end);
    let whole = survey(window, Span::around(0, present), present, mark)?;
    if whole.crossing.is_some() || whole.last_at >= arena {
        return Ok((Shape::Ring { arena: present }, whole));
    }
    let unsplit = survey(window, Span::linear(0, present), arena, mark)?;
    let split = survey(window, Span::around(0, arena), arena, mark)?;
    let Some(crossing) = unsplit.crossing else {
        return Ok((Shape::Ring { arena }, split));
    };
    let (at, over) = (crossing.at, crossing.end() - arena);
    let newest = survey(window, Span::linear(0, present), arena, over)?.mark_is_covered;
    let overrun = Shape::Overrun {
        arena,
        at,
        over,
        newest,
    };
    let Some(other) = split.crossing else {
        return Ok((overrun, unsplit));
    };
    if header.start == at && mark == over {
        return Ok((overrun, unsplit));
    }
    Ok(match compare_readings(window, crossing, other, arena)? {
        Reading::Unsplit => (overrun, unsplit),
        Reading::Split => (Shape::Ring { arena }, split),
        Reading::Either => (Shape::Ambiguous { arena, at }, split),
    })
}

/// Which reading of the record across the arena's end is the newer one.
enum Reading {
    Unsplit,
    Split,
    Either,
}

/// Both readings are intact. They share the bytes before the arena's end, so those belong to
/// the newer one.
fn compare_readings<S: ReadAt>(
    window: &mut Window<S>,
    unsplit: Placed,
    split: Placed,
    arena: u64,
) -> io::Result<Reading> {
    window.enter(Span::linear(unsplit.at, unsplit.end()));
    let unsplit_line = line(window, unsplit)?.to_vec();
    let unsplit_time = time_of(window, unsplit)?;
    window.enter(Span::around(split.at, arena));
    if line(window, split)? == unsplit_line {
        return Ok(Reading::Split);
    }
    let order = unsplit_time.partial_cmp(&time_of(window, split)?);
    Ok(match order {
        Some(Ordering::Greater) => Reading::Unsplit,
        Some(Ordering::Less) => Reading::Split,
        _ => Reading::Either,
    })
}

/// The ranges of the file in the order of writing.
fn pieces(shape: Shape, newest_end: u64, present: u64) -> Vec<Piece> {
    let mut pieces = match shape {
        Shape::Ring { arena } => vec![Piece::Scan(Span::around(newest_end, arena))],
        Shape::Overrun { arena, over, .. } => overrun(newest_end, over, arena + over),
        Shape::Ambiguous { arena, at } => ambiguous(newest_end, at, arena),
        Shape::Truncated { arena, .. } => truncated(newest_end, present, arena),
    };
    let read = match shape {
        Shape::Overrun { arena, over, .. } => arena + over,
        _ => shape.arena(),
    };
    pieces.push(skip(read, present.saturating_sub(read), Why::PastTheArena));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn overrun(newest_end: u64, over: u64, end: u64) -> Vec<Piece> {
    if newest_end == over {
        return vec![scan(0, end)];
    }
    vec![scan(0, over), scan(newest_end, end), scan(over, newest_end)]
}

fn ambiguous(newest_end: u64, at: u64, arena: u64) -> Vec<Piece> {
    let newest_end = newest_end.min(at);
    vec![
        scan(newest_end, at),
        skip(at, arena - at, Why::Ambiguous),
        scan(0, newest_end),
    ]
}

fn truncated(newest_end: u64, present: u64, arena: u64) -> Vec<Piece> {
    let split = newest_end.min(present);
    let (before, after) = (newest_end.max(present), arena);
    vec![
        scan(split, present),
        skip(before, after.saturating_sub(before), Why::Missing),
        scan(0, split),
        skip(present, before - present, Why::Missing),
    ]
}

fn scan(start: u64, end: u64) -> Piece {
    Piece::Scan(Span::linear(start, end))
}

fn skip(at: u64, len: u64, why: Why) -> Piece {
    let offset = HEADER_LEN.saturating_add(at);
    Piece::Skip(Skip { offset, len, why })
}

impl Piece {
    fn is_empty(&self) -> bool {
        match self {
            Piece::Scan(span) => span.start >= span.end,
            Piece::Skip(skip) => skip.len == 0,
        }
    }
}
