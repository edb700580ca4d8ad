//! The entries that a host's calls write: one line of JSON each, as the `host`
//! profile reads them. They are built without allocating memory.

use std::fmt::{self, Write};

use haltbox_format::{AppHash, Digest};
use haltbox_model::{Event, Profile};

/// More bytes than the longest entry has: a crank with two digests.
const LONGEST: usize = 512;

/// One entry.
pub(super) struct Line {
    text: [u8; LONGEST],
    length: usize,
}

impl Line {
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// The entry that begins a host's process.
    pub(super) fn start() -> Line {
        let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
        Line::of(format_args!(
            r#"{{"type":"host-start","pid":{pid},"haltbox":"{version}"}}"#
        ))
    }

    pub(super) fn begin_block(height: u64, time_ns: i64, input: Option<Digest>) -> Line {
        let time = Seconds(time_ns);
        let input = Hex("input", input);
        Line::of(format_args!(
            r#"{{"type":"begin-block","height":{height},"time":"{time}"{input}}}"#
        ))
    }

    pub(super) fn crank(number: u64, crankhash: Digest, activityhash: Digest) -> Line {
        Line::of(format_args!(
            r#"{{"type":"crank","crank":{number},"crankhash":"{crankhash}","activityhash":"{activityhash}"}}"#
        ))
    }

    pub(super) fn end_block(height: u64, app_hash: Option<AppHash>) -> Line {
        Line::of_block("end-block", height, app_hash)
    }

    pub(super) fn commit_block(height: u64, app_hash: Option<AppHash>) -> Line {
        Line::of_block("commit-block", height, app_hash)
    }

    pub(super) fn abort_block(height: u64) -> Line {
        Line::of_block("abort-block", height, None)
    }

    fn of_block(name: &str, height: u64, app_hash: Option<AppHash>) -> Line {
        let app_hash = Hex("appHash", app_hash);
        Line::of(format_args!(
            r#"{{"type":"{name}","height":{height}{app_hash}}}"#
        ))
    }

    fn of(text: fmt::Arguments<'_>) -> Line {
        let mut line = Line {
            text: [0; LONGEST],
            length: 0,
        };
        // Cannot fail: no entry is longer than the buffer.
        let _ = line.write_fmt(text);
        line
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.text.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// A JSON member that is left out if it has no value.
struct Hex<T>(&'static str, Option<T>);

impl<T: fmt::Display> fmt::Display for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            Some(value) => write!(f, r#","{}":"{value}""#, self.0),
            None => Ok(()),
        }
    }
}

/// Nanoseconds, printed as seconds in a string: JavaScript would round a JSON
/// number of this length.
struct Seconds(i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let value = self.0.unsigned_abs();
        let (seconds, rest) = (value / 1_000_000_000, value % 1_000_000_000);
        write!(f, "{sign}{seconds}.{rest:09}")
    }
}

/// Whether a profile reads these entries as marks of blocks.
pub(super) fn mark_blocks(profile: &Profile) -> bool {
    let line = Line::begin_block(1, 0, None);
    let rules = profile.slog.as_ref();
    let begins = |event| matches!(event, Event::Begin { height: 1, .. });
    rules.is_some_and(|rules| rules.read(line.bytes()).events().any(begins))
}

/// Whether a host may write entries of transactions, operations and branches
/// into the ring itself: the profile takes no marks from them.
pub(super) fn may_be_laid(profile: &Profile) -> bool {
    let rules = profile.slog.as_ref();
    rules.is_some_and(|rules| {
        ["op-", "tx-", "branch"]
            .iter()
            .all(|start| rules.only_keeps(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &Line) -> String {
        String::from_utf8(line.bytes().to_vec()).expect("it is text")
    }

    #[test]
    fn the_longest_entries_fit() {
        let digest = Digest([0xab; 32]);
        let hash = AppHash::new(&[0xcd; AppHash::MAX]);
        let lines = [
            Line::crank(u64::MAX, digest, digest),
            Line::begin_block(u64::MAX, i64::MIN, Some(digest)),
            Line::commit_block(u64::MAX, hash),
            Line::start(),
        ];
        for line in lines {
            assert!(text(&line).ends_with('}'), "{}", text(&line));
        }
    }

    #[test]
    fn they_read_as_the_docs_say() {
        assert_eq!(
            text(&Line::begin_block(7, 1_732_196_000_000_000_001, None)),
            r#"{"type":"begin-block","height":7,"time":"1732196000.000000001"}"#
        );
        let hash = AppHash::from_hex(b"0A0B");
        assert_eq!(
            text(&Line::end_block(7, hash)),
            r#"{"type":"end-block","height":7,"appHash":"0A0B"}"#
        );
        assert_eq!(
            text(&Line::abort_block(7)),
            r#"{"type":"abort-block","height":7}"#
        );
    }

    #[test]
    fn only_the_host_profile_takes_them_for_marks() {
        let marks = |name| mark_blocks(&Profile::builtin(name).expect("a profile"));
        assert!(marks("host"));
        assert!(!marks("agoric"));
        assert!(!marks("cosmos"));
    }

    #[test]
    fn what_can_mark_something_is_not_laid() {
        let laid = |name| may_be_laid(&Profile::builtin(name).expect("a profile"));
        assert!(laid("host"));
        // Agoric's entries can be replays. The profile cosmos has no slog.
        assert!(!laid("agoric"));
        assert!(!laid("cosmos"));
        let laid = |local: &str, abort: &str| {
            let text = format!(
                r#"{{"profile":1,"name":"own","slog":{{"type":"type","local":["{local}"],
                "events":{{"abort":[{{"type":"{abort}","height":"height"}}]}},
                "canonical":{{"types":["step-*"]}}}}}}"#
            );
            may_be_laid(&Profile::parse(text.as_bytes(), "own").expect("a profile"))
        };
        assert!(laid("local-*", "abort-block"));
        assert!(!laid("op-mine", "abort-block"));
        assert!(!laid("o*", "abort-block"));
        assert!(!laid("branch-written", "abort-block"));
        assert!(!laid("local-*", "tx-abort"));
    }
}
