//! Entries that a log shipper sent twice.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use haltbox_model::json;

/// Bytes of a line's beginning and end that are remembered: its type and numbers, and
/// its clock.
const BEGIN: usize = 160;
const END: usize = 64;

/// The line before the next one.
#[derive(Clone, Debug)]
pub struct Repeats {
    length: usize,
    begin: [u8; BEGIN],
    end: [u8; END],
}

impl Default for Repeats {
    fn default() -> Repeats {
        Repeats {
            length: 0,
            begin: [0; BEGIN],
            end: [0; END],
        }
    }
}

impl Repeats {
    /// Whether a line is the one before it once more. Only a line that tells its time
    /// can be: no two entries have the same numbers and the same clock.
    pub fn is_repeat(&mut self, line: &[u8]) -> bool {
        let begin = &line[..line.len().min(BEGIN)];
        let end = &line[line.len().saturating_sub(END)..];
        let same =
            self.length == line.len() && self.begin.starts_with(begin) && self.end.starts_with(end);
        if same {
            return clock(line).is_some();
        }
        self.length = line.len();
        self.begin[..begin.len()].copy_from_slice(begin);
        self.end[..end.len()].copy_from_slice(end);
        false
    }
}

/// Lines of a block that are remembered, and blocks: one that is executed again and the
/// process that starts before it count too.
const LINES: usize = 1 << 20;
const BLOCKS: usize = 5;

/// The lines of the open block and of the few before: what a log shipper that lost its
/// place sends again, and what two rotated files have both, stands farther behind.
#[derive(Clone, Debug, Default)]
pub struct ResentLines {
    open: Lines,
    before: VecDeque<Lines>,
}

impl ResentLines {
    /// Whether this line, or this value of one that another writer may have written
    /// anew, stood there already, with the same clock. In a block of another height it
    /// is another entry, unless it came from outside the kernel.
    pub fn is_resent(&mut self, line: &[u8], from_outside: bool) -> bool {
        let Some(clock) = clock(line) else {
            return false;
        };
        let mark = Mark {
            clock,
            key: key(line),
        };
        let height = self.open.height;
        let near = |lines: &Lines| {
            from_outside || lines.height.is_none() || height.is_none() || lines.height == height
        };
        let mut before = self.before.iter().filter(|lines| near(lines));
        if self.open.has(mark) || before.any(|lines| lines.has(mark)) {
            return true;
        }
        self.open.add(mark);
        false
    }

    /// A block begins, or a process: what begins once more is all there once more.
    pub fn begins(&mut self, resent_lines: bool, height: Option<u64>) {
        let next = Lines {
            height,
            ..Lines::default()
        };
        let lines = std::mem::replace(&mut self.open, next);
        if resent_lines {
            return self.before.clear();
        }
        self.before.push_front(lines);
        self.before.truncate(BLOCKS);
    }

    /// Nobody knows which block the lines are of that stand here.
    pub fn lose_height(&mut self) {
        self.open.height = None;
    }
}

/// What tells a line from others: no two have the same numbers and the same clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Mark {
    clock: u64,
    key: u64,
}

/// Lines of one block. A clock goes on from line to line, so that most lines are behind
/// all that stood before and nothing has to be looked up.
#[derive(Clone, Debug, Default)]
struct Lines {
    height: Option<u64>,
    in_order: Vec<Mark>,
    back: HashSet<Mark>,
}

impl Lines {
    fn has(&self, mark: Mark) -> bool {
        let reached = self.in_order.last().is_some_and(|last| mark <= *last);
        reached && (self.in_order.binary_search(&mark).is_ok() || self.back.contains(&mark))
    }

    fn add(&mut self, mark: Mark) {
        if self.in_order.len() + self.back.len() >= LINES {
            return;
        }
        match self.in_order.last() {
            Some(last) if mark <= *last => {
                self.back.insert(mark);
            }
            _ => self.in_order.push(mark),
        }
    }
}

/// Bytes of a line's beginning that tell it from another one of the same clock.
const OPENING: usize = 96;

/// Of a line's length and its beginning.
fn key(line: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write_usize(line.len());
    hasher.write(line.get(..OPENING).unwrap_or(line));
    hasher.finish()
}

/// A line's clock in nanoseconds.
fn clock(line: &[u8]) -> Option<u64> {
    let seconds = closing_clock(line).or_else(|| json::find(line, b"monotime"))?;
    nanoseconds(seconds).or_else(|| {
        let seconds: f64 = str::from_utf8(seconds).ok()?.parse().ok()?;
        (seconds >= 0.0).then_some((seconds * 1e9) as u64)
    })
}

/// Of seconds that are written as digits and a point; what is finer is left out.
fn nanoseconds(seconds: &[u8]) -> Option<u64> {
    let whole = seconds.iter().position(|byte| *byte == b'.');
    let (whole, part) = seconds.split_at_checked(whole.unwrap_or(seconds.len()))?;
    let part = part.get(1..).unwrap_or_default();
    let places = part.len().min(9);
    let part = decimal(part.get(..places)?)? * NANOS.get(places)?;
    Some(decimal(whole)?.wrapping_mul(NANOS[0]).wrapping_add(part))
}

/// Nanoseconds of the last digit of a number with so many decimal places.
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
fn closing_clock(line: &[u8]) -> Option<&[u8]> {
    let mut text = line.strip_suffix(b"}")?;
    for _ in 0..2 {
        let plain = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let colon = text.iter().rposition(|byte| !plain(byte))?;
        let (before, number) = text.split_at_checked(colon + 1)?;
        let name = before.strip_suffix(b"\":")?;
        if name.ends_with(b"\"monotime") {
            return Some(number);
        }
        text = text.get(..name.iter().rposition(|byte| *byte == b',')?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_known_until_a_block_begins_anew() {
        let entry =
            |number: u64| format!("{{\"type\":\"x\",\"n\":{number},\"monotime\":{number}.5}}");
        let mut resent_lines = ResentLines::default();
        let mut told = |number: u64| resent_lines.is_resent(entry(number).as_bytes(), false);
        assert_eq!(
            [1, 2, 1, 2, 3].map(&mut told),
            [false, false, true, true, false]
        );
        resent_lines.begins(false, None);
        let mut told = |number: u64| resent_lines.is_resent(entry(number).as_bytes(), false);
        assert_eq!(
            [3, 4].map(&mut told),
            [true, false],
            "the block before is known"
        );
        resent_lines.begins(true, None);
        let mut told = |number: u64| resent_lines.is_resent(entry(number).as_bytes(), false);
        assert_eq!([3, 4].map(&mut told), [false; 2], "executed again");
        resent_lines.begins(false, Some(7));
        assert!(
            resent_lines.is_resent(entry(4).as_bytes(), false),
            "of any height"
        );
        assert!(!resent_lines.is_resent(entry(9).as_bytes(), false));
        resent_lines.begins(false, Some(8));
        assert!(
            !resent_lines.is_resent(entry(9).as_bytes(), false),
            "in another block"
        );
        resent_lines.begins(false, Some(9));
        assert!(
            resent_lines.is_resent(entry(9).as_bytes(), true),
            "from outside"
        );
        resent_lines.lose_height();
        assert!(
            resent_lines.is_resent(entry(9).as_bytes(), false),
            "of some block"
        );
        let value = b"{\"monotime\":15e-1,\"type\":\"x\"}";
        assert_eq!(
            [0; 2].map(|_| resent_lines.is_resent(value, false)),
            [false, true]
        );
        let timeless = b"{\"type\":\"x\"}";
        assert_eq!(
            [0; 2].map(|_| resent_lines.is_resent(timeless, false)),
            [false; 2]
        );
    }

    #[test]
    fn only_the_same_entry_at_the_same_time_is_a_repeat() {
        let entry = |number: u64, time: u64| {
            let text = "x".repeat(300);
            format!(
                "{{\"type\":\"syscall\",\"syscallNum\":{number},\"ksc\":\"{text}\",\"monotime\":{time}}}"
            )
        };
        let mut repeats = Repeats::default();
        let lines = [(1, 5), (1, 5), (1, 5), (2, 5), (2, 6), (1, 5)];
        let found = lines.map(|(number, time)| repeats.is_repeat(entry(number, time).as_bytes()));
        assert_eq!(found, [false, true, true, false, false, false]);
        for _ in 0..2 {
            assert!(
                !repeats.is_repeat(b"{\"type\":\"syscall\"}"),
                "no time, no repeat"
            );
            assert!(!repeats.is_repeat(b""));
        }
    }
}
