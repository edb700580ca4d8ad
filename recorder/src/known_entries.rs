//! Notices that the profile knows no entry of a slog. A slog of another version
//! or of another host is recorded line by line, and shows no blocks.
//!
//! The counts are not in the marks. A new session begins to count anew.

use haltbox_model::{SlogRules, Unread};

/// Fewest lines without a known entry before the operator is told, for a slog
/// that had known entries.
const UNREAD_AGAIN: u64 = 2000;
/// Factor of lines after which the operator is told again, because the mark of
/// the first time may be overwritten.
const TOLD_AGAIN: u64 = 10;
/// Lines quoted to the operator, and the bytes of each.
const SHOWN: usize = 2;
const SHOWN_BYTES: usize = 160;

/// Counts of one slog.
#[derive(Debug, Default)]
pub(crate) struct KnownEntries {
    /// Whether any entry was known.
    known: bool,
    /// Lines since the last known entry.
    since: u64,
    /// Most lines between two known entries.
    longest: u64,
    /// The first lines since the last known entry, cut short. The buffers stay
    /// allocated, because an entry of a host must not allocate memory.
    shown: [Vec<u8>; SHOWN],
    /// Number of unknown lines when the operator was told last.
    told: Option<u64>,
}

/// News for the operator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// No entry is known.
    Unread(Unread),
    /// An entry is known again.
    Again,
}

impl KnownEntries {
    /// Counts the next line. `known` says whether the profile knows its type.
    /// Returns news if there are any.
    pub(crate) fn take(&mut self, line: &[u8], known: bool) -> Option<Heard> {
        if known {
            self.known = true;
            self.longest = self.longest.max(std::mem::take(&mut self.since));
            self.shown.iter_mut().for_each(Vec::clear);
            return self.told.take().map(|_| Heard::Again);
        }
        self.since += 1;
        self.show(line);
        let enough = match (self.told, self.known) {
            (Some(told), _) => told.saturating_mul(TOLD_AGAIN),
            (None, false) => SlogRules::MANY,
            (None, true) => UNREAD_AGAIN.max(self.longest.saturating_mul(20)),
        };
        (self.since >= enough).then(|| {
            self.told = Some(self.since);
            Heard::Unread(Unread {
                lines: self.since,
                shown: self.shown(),
                was_read: self.known,
            })
        })
    }

    fn show(&mut self, line: &[u8]) {
        let free = self.shown.iter_mut().find(|shown| shown.is_empty());
        let Some(free) = free.filter(|_| !line.trim_ascii().is_empty()) else {
            return;
        };
        free.reserve(SHOWN_BYTES);
        free.extend_from_slice(line.get(..SHOWN_BYTES).unwrap_or(line));
    }

    fn shown(&self) -> Vec<String> {
        let shown = self.shown.iter().filter(|shown| !shown.is_empty());
        shown
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(seen: &mut KnownEntries, count: u64) -> Vec<Heard> {
        let line = |n| seen.take(format!("line {n}").as_bytes(), false);
        (0..count).filter_map(line).collect()
    }

    #[test]
    fn a_slog_without_a_known_entry_is_told() {
        let mut seen = KnownEntries::default();
        assert_eq!(lines(&mut seen, 99), []);
        let told = lines(&mut seen, 1);
        let unread = Unread {
            lines: 100,
            shown: vec!["line 0".to_owned(), "line 1".to_owned()],
            was_read: false,
        };
        assert_eq!(told, [Heard::Unread(unread)]);
        // The first mark may be overwritten by now, and the slog is still unread.
        assert_eq!(lines(&mut seen, 899), []);
        assert_eq!(lines(&mut seen, 1).len(), 1);
        assert_eq!(seen.take(b"{}", true), Some(Heard::Again));
        assert_eq!(seen.take(b"{}", true), None);
    }

    #[test]
    fn a_slog_that_was_understood_is_believed_for_longer() {
        let mut seen = KnownEntries::default();
        seen.take(b"{}", true);
        assert_eq!(lines(&mut seen, 1999), []);
        let told = lines(&mut seen, 1);
        assert!(matches!(&told[..], [Heard::Unread(unread)] if unread.was_read));
        // A slog whose blocks have thousands of entries that the profile does not name.
        let mut seen = KnownEntries::default();
        seen.take(b"{}", true);
        lines(&mut seen, 1500);
        seen.take(b"{}", true);
        assert_eq!(lines(&mut seen, 29_999), []);
    }
}
