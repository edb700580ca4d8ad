//! Entries that a log shipper sent twice.

use haltbox_format::json;

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
            return tells_time(line);
        }
        self.length = line.len();
        self.begin[..begin.len()].copy_from_slice(begin);
        self.end[..end.len()].copy_from_slice(end);
        false
    }
}

fn tells_time(line: &[u8]) -> bool {
    json::find(line, b"monotime").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

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
