//! The clock of the process that wrote an entry. `monotime` counts from the start of the process
//! and never goes back; `time` is the wall clock. Their difference is the moment at which the
//! process began.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use haltbox_model::json;

/// How far the beginnings of one process may differ, in nanoseconds: the wall clock is coarse, and
/// is corrected while the process runs. Two processes of one node do not begin so close together.
const SAME_PROCESS: u64 = 20_000_000;

/// Finds parts of a text that stand behind later parts of the same process: rotated files that were
/// put together in another order, or a part that was sent again.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessClock {
    /// The last entry that was asked about.
    asked: Option<Moment>,
    /// The starts of the last processes.
    started: VecDeque<Moment>,
    /// The end of the last line, which holds its times.
    end: Vec<u8>,
    /// The last entries that were asked about, with a hash of their texts.
    last: VecDeque<(Moment, u64)>,
    /// Entries of one process have the same clock. Then it does not order them.
    is_fixed: bool,
    /// Height of the last block that began, and when it began.
    block: Option<(u64, Moment)>,
}

/// Number of entries that are remembered.
const ENTRIES: usize = 64;

/// Number of processes that are remembered.
const PROCESSES: usize = 64;

/// Bytes of a line's end that hold `time` and `monotime`, as hosts write them.
const END: usize = 96;

/// When an entry was written, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// The wall clock when the process began.
    began: u64,
    /// The process's clock.
    clock: u64,
}

impl Moment {
    fn of(clock: u64, time: &[u8]) -> Option<Moment> {
        let began = read(time)?.checked_sub(clock)?;
        Some(Moment { began, clock })
    }

    fn of_line(line: &[u8]) -> Option<Moment> {
        Moment::of(clock(line)?, json::find(line, b"time")?)
    }

    /// By the end of a line.
    fn of_end(end: &[u8]) -> Option<Moment> {
        let at = memchr::memmem::rfind(end, b"\"time\":")?;
        let (_, time) = end.split_at_checked(at + b"\"time\":".len())?;
        let length = time
            .iter()
            .position(|byte| !(byte.is_ascii_digit() || *byte == b'.'))?;
        Moment::of(closing_clock(end)?, time.get(..length)?)
    }

    /// Whether both are of the same process.
    fn is_of(self, other: Moment) -> bool {
        self.began.abs_diff(other.began) < SAME_PROCESS
    }

    fn is_before(self, other: Moment) -> bool {
        self.is_of(other) && self.clock < other.clock
    }
}

impl ProcessClock {
    /// Whether an entry is older than the line before, or than the last one that was asked about, and
    /// of the same process; or whether it starts a process that started before.
    pub(crate) fn goes_back(&mut self, line: &[u8], starts: bool) -> bool {
        let Some(now) = Moment::of_line(line) else {
            return false;
        };
        let before = [Moment::of_end(&self.end), self.asked.replace(now)];
        let mut before = before.into_iter().flatten();
        let goes_back =
            before.any(|before| now.is_before(before)) || starts && self.started_before(now);
        self.note_fixed(now, key(line));
        goes_back && !self.is_fixed
    }

    /// A block begins.
    pub(crate) fn block_begins(&mut self, height: u64, line: &[u8]) {
        self.block = Moment::of_line(line).map(|moment| (height, moment));
    }

    /// Whether an entry bears the height of the last block that began, and is older than the
    /// beginning. No moved text explains that: the entry's clock is not true.
    pub(crate) fn is_older_than_its_block(&self, height: u64, line: &[u8]) -> bool {
        let block = self.block.filter(|(own, _)| *own == height);
        let older = |(_, began)| Moment::of_line(line).is_some_and(|now| now.is_before(began));
        block.is_some_and(older)
    }

    fn note_fixed(&mut self, now: Moment, key: u64) {
        let is_same = |(other, text): &(Moment, u64)| {
            other.is_of(now) && other.clock == now.clock && *text != key
        };
        self.is_fixed |= self.last.iter().any(is_same);
        self.last.truncate(ENTRIES - 1);
        self.last.push_front((now, key));
    }

    /// Whether this start, or a later one of the same process, was there before: several entries may
    /// tell of one start. Notes it.
    fn started_before(&mut self, now: Moment) -> bool {
        let known = self
            .started
            .iter()
            .any(|start| start.is_of(now) && now.clock <= start.clock);
        self.started.truncate(PROCESSES - 1);
        self.started.push_front(now);
        known
    }

    /// Passes a line.
    pub(crate) fn passes(&mut self, line: &[u8]) {
        self.end.clear();
        let end = line.get(line.len().saturating_sub(END)..);
        self.end.extend_from_slice(end.unwrap_or_default());
    }
}

/// Bytes of a line's beginning that distinguish it from others with the same clock.
const OPENING: usize = 96;

/// Hash of a line's length and beginning.
pub(crate) fn key(line: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write_usize(line.len());
    hasher.write(line.get(..OPENING).unwrap_or(line));
    hasher.finish()
}

/// A line's clock, in nanoseconds.
pub(crate) fn clock(line: &[u8]) -> Option<u64> {
    closing_clock(line).or_else(|| read(json::find(line, b"monotime")?))
}

/// Whether a line has a clock. Most lines have it at their end, and those without it need no parsing.
pub(crate) fn has_clock(line: &[u8]) -> bool {
    let is_named = || memchr::memmem::find(line, b"monotime").is_some();
    closing_clock(line).is_some() || is_named() && clock(line).is_some()
}

fn read(seconds: &[u8]) -> Option<u64> {
    nanoseconds(seconds).or_else(|| {
        let seconds: f64 = str::from_utf8(seconds).ok()?.parse().ok()?;
        (seconds >= 0.0).then_some((seconds * 1e9) as u64)
    })
}

/// Converts seconds with a decimal point. Digits beyond nanoseconds are dropped.
fn nanoseconds(seconds: &[u8]) -> Option<u64> {
    let whole = seconds.iter().position(|byte| *byte == b'.');
    let (whole, part) = seconds.split_at_checked(whole.unwrap_or(seconds.len()))?;
    let part = part.get(1..).unwrap_or_default();
    let places = part.len().min(9);
    let part = decimal(part.get(..places)?)? * NANOS.get(places)?;
    Some(decimal(whole)?.wrapping_mul(NANOS[0]).wrapping_add(part))
}

/// Nanoseconds of one unit of the last digit, by the number of decimal places.
const NANOS: [u64; 10] = [
    1_000_000_000,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1_000,
    100,
    10,
    1,
];

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        (digit < 10).then_some(number.wrapping_mul(10).wrapping_add(digit))
    })
}

/// The clock, if it is the last member of a line or the one before, as hosts write it.
fn closing_clock(line: &[u8]) -> Option<u64> {
    let mut text = line.strip_suffix(b"}")?;
    for _ in 0..2 {
        let plain = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let colon = text.iter().rposition(|byte| !plain(byte))?;
        let (before, number) = text.split_at_checked(colon + 1)?;
        let name = before.strip_suffix(b"\":")?;
        if name.ends_with(b"\"monotime") {
            return read(number);
        }
        text = text.get(..name.iter().rposition(|byte| *byte == b',')?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_entry_of_the_same_process_goes_back() {
        let entry = |began: f64, clock: f64| {
            let time = began + clock;
            format!("{{\"type\":\"x\",\"time\":{time},\"monotime\":{clock}}}")
        };
        let mut process_clock = ProcessClock::default();
        let mut goes_back =
            |began, clock, starts| process_clock.goes_back(entry(began, clock).as_bytes(), starts);
        assert!(!goes_back(1000.0, 5.5, true));
        assert!(!goes_back(1000.001, 6.25, false), "later");
        assert!(goes_back(1000.0, 6.125, false), "earlier");
        assert!(!goes_back(1020.0, 0.125, true), "of the next process");
        assert!(!goes_back(1020.002, 0.25, false));
        assert!(!goes_back(1000.0, 7.5, false), "of the process before");
        assert!(!goes_back(1020.0, 0.5, false), "of this one again");
        assert!(!goes_back(1020.0, 0.625, true), "one start, told twice");
        assert!(goes_back(1000.0, 5.5, true), "it started before");
        assert!(!process_clock.goes_back(b"{\"type\":\"x\",\"monotime\":0.5}", false));
        process_clock.passes(entry(1000.0, 9.25).as_bytes());
        assert!(process_clock.goes_back(entry(1000.0, 9.0).as_bytes(), false));
        assert!(!process_clock.goes_back(b"{\"type\":\"x\"}", false));
        process_clock.block_begins(7, entry(1000.0, 9.5).as_bytes());
        for (height, clock, older) in [(7, 9.25, true), (6, 9.25, false), (7, 9.75, false)] {
            let line = entry(1000.0, clock);
            let is_older = process_clock.is_older_than_its_block(height, line.as_bytes());
            assert_eq!(is_older, older, "{height} {line}");
        }
        // Whoever wrote these has no clock.
        let block = |height: u64, clock: u64| {
            format!("{{\"type\":\"x\",\"height\":{height},\"time\":100.5,\"monotime\":{clock}.5}}")
        };
        let mut process_clock = ProcessClock::default();
        for (height, clock) in [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2)] {
            let line = block(height, clock);
            assert!(!process_clock.goes_back(line.as_bytes(), false), "{line}");
            process_clock.passes(line.as_bytes());
        }
    }
}
