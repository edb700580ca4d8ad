//! Finds entries that a log shipper sent twice.

use std::collections::{HashSet, VecDeque};

use haltbox_model::Event;

use crate::process_clock::{clock, has_clock, key};

/// Bytes of a line's beginning and end that are remembered. The beginning holds its type and
/// numbers, the end its clock.
const BEGIN: usize = 160;
const END: usize = 64;

/// Remembers the last line that has a clock.
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
    /// Whether a line repeats the last one that has a clock. Only such a line can: no two entries have
    /// the same numbers and the same clock. Lines without a clock, such as those of a library, may
    /// stand between the two.
    pub fn is_repeat(&mut self, line: &[u8]) -> bool {
        let begin = &line[..line.len().min(BEGIN)];
        let end = &line[line.len().saturating_sub(END)..];
        let same =
            self.length == line.len() && self.begin.starts_with(begin) && self.end.starts_with(end);
        if same || !has_clock(line) {
            return same && self.length > 0;
        }
        self.length = line.len();
        self.begin[..begin.len()].copy_from_slice(begin);
        self.end[..end.len()].copy_from_slice(end);
        false
    }
}

/// Limit of the lines of a block that are remembered, and of the blocks. A repeated execution
/// and a process start count as blocks.
const LINES: usize = 1 << 20;
const BLOCKS: usize = 5;

/// Remembers the lines of the open block and of a few before it. A log shipper that lost its
/// position sends these lines again, and two rotated files may both hold them.
#[derive(Clone, Debug, Default)]
pub struct ResentLines {
    open: Lines,
    before: VecDeque<Lines>,
}

impl ResentLines {
    /// Whether this line was already seen with the same clock. `line` may be the JSON value of a
    /// line that another writer rewrote. A line in a block of another height is another entry,
    /// unless it comes from outside the kernel, or is older than what stands before it.
    pub fn is_resent(&mut self, line: &[u8], from_outside: bool) -> bool {
        let Some(clock) = clock(line) else {
            return false;
        };
        let mark = Mark {
            clock,
            key: key(line),
        };
        let height = self.open.height;
        let older = self
            .open
            .in_order
            .last()
            .is_some_and(|newest| clock < newest.clock);
        let near = |lines: &Lines| {
            from_outside
                || older
                || lines.height.is_none()
                || height.is_none()
                || lines.height == height
        };
        let mut before = self.before.iter().filter(|lines| near(lines));
        if self.open.has(mark) || before.any(|lines| lines.has(mark)) {
            return true;
        }
        self.open.add(mark);
        false
    }

    /// Notes a begin among the events of a line: whether it is one.
    pub fn note_begin(&mut self, is_resent: bool, events: impl Iterator<Item = Event>) -> bool {
        let begins = events.into_iter().find_map(|event| match event {
            Event::Begin {
                height,
                early: false,
            } => Some(Some(height)),
            Event::ProcessStart => Some(None),
            _ => None,
        });
        if let Some(height) = begins {
            self.begins(is_resent, height);
        }
        begins.is_some()
    }

    /// Begins a block or a process. If the begin itself is repeated, all lines behind it are
    /// expected again, so the earlier ones are forgotten.
    fn begins(&mut self, is_resent: bool, height: Option<u64>) {
        let next = Lines {
            height,
            ..Lines::default()
        };
        let lines = std::mem::replace(&mut self.open, next);
        if is_resent {
            return self.before.clear();
        }
        self.before.push_front(lines);
        self.before.truncate(BLOCKS);
    }

    /// Forgets the height of the open lines: it is unknown which block they belong to.
    pub fn lose_height(&mut self) {
        self.open.height = None;
    }
}

/// Identifies a line: no two have the same numbers and the same clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Mark {
    clock: u64,
    key: u64,
}

/// The lines of one block. Clocks mostly rise from line to line, so most lines are later than
/// all before and need no lookup.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_known_until_a_block_begins_anew() {
        let entry =
            |number: u64| format!("{{\"type\":\"x\",\"n\":{number},\"monotime\":{number}.5}}");
        let mut resent_lines = ResentLines::default();
        let mut is_resent = |number: u64| resent_lines.is_resent(entry(number).as_bytes(), false);
        assert_eq!(
            [1, 2, 1, 2, 3].map(&mut is_resent),
            [false, false, true, true, false]
        );
        resent_lines.begins(false, None);
        let mut is_resent = |number: u64| resent_lines.is_resent(entry(number).as_bytes(), false);
        assert_eq!(
            [3, 4].map(&mut is_resent),
            [true, false],
            "the block before is known"
        );
        resent_lines.begins(true, None);
        let mut is_resent = |number: u64| resent_lines.is_resent(entry(number).as_bytes(), false);
        assert_eq!([3, 4].map(&mut is_resent), [false; 2], "executed again");
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
        let again = entry(1, 5);
        assert!(repeats.is_repeat(again.as_bytes()), "behind these lines");
    }
}
