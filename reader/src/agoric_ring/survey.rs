//! One scan of the whole arena, for what its records show about their order.

use std::io;

use super::Order;
use super::scan::{Placed, Step, step, time_of};
use super::window::{ReadAt, Span, Window};

/// From the end of one record to the beginning of the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seam {
    pub from: u64,
    pub to: u64,
}

impl Seam {
    /// Whether the header's end pointer is in the seam. Then only the header knows the exact
    /// position.
    pub fn holds(&self, mark: u64, arena: u64) -> bool {
        let range = self.from..=self.to;
        range.contains(&mark) || range.contains(&mark.saturating_add(arena))
    }
}

/// What a scan of the whole arena shows about the order.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub records: u64,
    first: Option<Placed>,
    first_time: Option<f64>,
    pub last_at: u64,
    pub last_end: u64,
    pub last_time: Option<f64>,
    /// The record that begins in the arena and ends past it.
    pub crossing: Option<Placed>,
    /// The greatest fall of time between neighbours, and its place.
    pub fall: Option<(f64, Seam)>,
    gaps: u64,
    /// The last gap.
    gap: Seam,
    /// A record ends exactly at the header's end pointer.
    pub mark_is_an_end: bool,
    /// A record covers the header's end pointer.
    pub mark_is_covered: bool,
    /// The time of the record that ends there.
    pub time_at_mark: Option<f64>,
}

/// Scans the records that begin before `arena`. `mark` is the header's end pointer.
pub(super) fn survey<S: ReadAt>(
    window: &mut Window<S>,
    span: Span,
    arena: u64,
    mark: u64,
) -> io::Result<Survey> {
    // A record may continue past the arena's end, by one lap at most.
    let reach = match span.wrap {
        Some(_) => arena.saturating_mul(2),
        None => span.end,
    };
    window.enter(Span { end: reach, ..span });
    let (mut survey, mut at) = (Survey::default(), 0);
    while at < arena {
        match step(window, at)? {
            Step::Record(record) => {
                survey.note(record, time_of(window, record)?, mark, arena);
                at = record.end();
            }
            Step::Gap { end, .. } => at = end,
            Step::End => break,
        }
    }
    if span.wrap.is_some() {
        survey.close_the_ring(arena);
    }
    Ok(survey)
}

impl Survey {
    fn note(&mut self, record: Placed, time: Option<f64>, mark: u64, arena: u64) {
        self.compare(record.at, time);
        self.records += 1;
        self.first.get_or_insert(record);
        self.first_time = self.first_time.or(time);
        self.last_time = time.or(self.last_time);
        (self.last_at, self.last_end) = (record.at, record.end());
        if record.end() > arena {
            self.crossing = Some(record);
        }
        if record.end() == mark || record.end() == mark.saturating_add(arena) {
            self.mark_is_an_end = true;
            self.time_at_mark = time;
        }
        let inside = |mark: u64| record.at < mark && mark < record.end();
        self.mark_is_covered |= inside(mark) || inside(mark.saturating_add(arena));
    }

    /// Compares a record at `at` with the last one: gap and time.
    fn compare(&mut self, at: u64, time: Option<f64>) {
        if self.records == 0 {
            return;
        }
        let seam = Seam {
            from: self.last_end,
            to: at,
        };
        if seam.from != seam.to {
            self.gaps += 1;
            self.gap = seam;
        }
        if let (Some(before), Some(this)) = (self.last_time, time) {
            let by = before - this;
            if by > 0.0 && self.fall.is_none_or(|(most, _)| by > most) {
                self.fall = Some((by, seam));
            }
        }
    }

    /// Compares the last record with the first one, its neighbour.
    fn close_the_ring(&mut self, arena: u64) {
        if let Some(first) = self.first {
            self.compare(first.at.saturating_add(arena), self.first_time);
        }
    }

    /// The place where the oldest record follows the newest, by the records.
    pub fn seam(&self) -> Option<(Seam, Order)> {
        let by_time = self.fall.map(|(_, seam)| (seam, Order::Time));
        by_time.or((self.gaps == 1).then_some((self.gap, Order::Gap)))
    }
}
