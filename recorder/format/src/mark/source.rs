//! How far a source was read, and what tells the same file from another.

use serde::{Deserialize, Serialize};

use crate::app_hash::Digest;
use crate::stream::Stream;

/// See [`super::Mark::Source`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// Which stream it feeds.
    pub stream: Stream,
    /// Path as given.
    pub path: String,
    /// Inode of the followed file; 0 for pipes, and for a file that is not there.
    pub inode: u64,
    /// Its name, if `path` is a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes consumed from it when the mark was made; plain ones, if it is compressed.
    pub offset: u64,
    /// What stood in the file before that place; rings of older recorders do not
    /// tell, nor does a file of which nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Unread>,
}

/// Bytes that stood in a file before a place. An inode is given to another file
/// once its own is gone, and a file can be cut and written anew: neither has
/// these bytes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// How many.
    pub bytes: u64,
    /// Bytes between them and the place.
    #[serde(default, skip_serializing_if = "is_none")]
    pub behind: u64,
    /// BLAKE3 of them.
    pub digest: Digest,
}

/// A source that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Why, in words for the operator.
    pub why: String,
    /// Since when, milliseconds since 1970.
    pub since: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks with a reference
fn is_none(behind: &u64) -> bool {
    *behind == 0
}

impl SourceMark {
    /// So many bytes more were read of it.
    pub fn advance(&mut self, bytes: u64) {
        self.offset = self.offset.saturating_add(bytes);
        if let Some(before) = &mut self.before {
            before.behind = before.behind.saturating_add(bytes);
        }
    }
}

impl Before {
    /// Bytes that are looked at, at most.
    pub const MOST: usize = 4096;

    /// Where they begin in the file, for a place in it; `None` if it has no room
    /// for them.
    pub fn begin(&self, place: u64) -> Option<u64> {
        let end = place.checked_sub(self.behind)?;
        end.checked_sub(self.bytes)
    }

    /// Whether these are the bytes.
    pub fn are(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.digest.0 == *blake3::hash(bytes).as_bytes()
    }
}

/// The newest bytes of a stream, as many as a mark looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(Vec<u8>);

impl Tail {
    /// Takes the bytes that follow.
    pub fn push(&mut self, bytes: &[u8]) {
        let fresh = bytes.get(bytes.len().saturating_sub(Before::MOST)..);
        let fresh = fresh.unwrap_or_default();
        let surplus = (self.0.len() + fresh.len()).saturating_sub(Before::MOST);
        self.0.drain(..surplus);
        self.0.extend_from_slice(fresh);
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The last of them, at most so many.
    pub fn last(&self, most: usize) -> &[u8] {
        let from = self.0.len().saturating_sub(most);
        self.0.get(from..).unwrap_or_default()
    }

    /// For the mark of the place behind them; `None` without any.
    pub fn before(&self) -> Option<Before> {
        (!self.0.is_empty()).then(|| Before {
            bytes: self.0.len() as u64,
            behind: 0,
            digest: Digest(*blake3::hash(&self.0).as_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> SourceMark {
        SourceMark {
            stream: Stream::Slog,
            path: "slog".to_owned(),
            inode: 7,
            file: None,
            offset: 100,
            before: None,
            trouble: None,
        }
    }

    #[test]
    fn a_tail_keeps_the_newest_bytes() {
        let number = |n: u32| n.wrapping_mul(0x9E37_79B9).to_le_bytes();
        let bytes: Vec<u8> = (1..20_000).flat_map(number).collect();
        for sizes in [[1, 7], [100, 4095], [4096, 4097], [9_000, 3]] {
            let (mut tail, mut at) = (Tail::default(), 0);
            for size in sizes.iter().cycle().take(12) {
                tail.push(&bytes[at..at + size]);
                at += size;
                let from = at.saturating_sub(Before::MOST);
                assert_eq!(tail.last(usize::MAX), &bytes[from..at], "{sizes:?}");
                let before = tail.before().unwrap();
                assert!(before.are(&bytes[from..at]));
                assert!(!before.are(&bytes[from + 1..=at]));
                assert_eq!(before.begin(at as u64), Some(from as u64));
            }
        }
        assert_eq!(Tail::default().before(), None);
    }

    #[test]
    fn what_stood_before_stays_where_it_was_as_the_mark_advances() {
        let mut tail = Tail::default();
        tail.push(&[1; 60]);
        let mut mark = SourceMark {
            before: tail.before(),
            ..mark()
        };
        mark.advance(11);
        mark.advance(2);
        assert_eq!((mark.offset, mark.before.unwrap().behind), (113, 13));
        assert_eq!(mark.before.unwrap().begin(mark.offset), Some(40));
        assert_eq!(mark.before.unwrap().begin(72), None, "no room for them");
    }

    /// Rings that were written before, and those that older recorders read.
    #[test]
    fn a_mark_reads_with_and_without_what_stood_before() {
        let old = r#"{"stream":"slog","path":"slog","inode":7,"offset":100}"#;
        assert_eq!(serde_json::from_str::<SourceMark>(old).unwrap(), mark());
        assert_eq!(serde_json::to_string(&mark()).unwrap(), old);
        let digest = Digest([0xAB; 32]);
        let new = SourceMark {
            before: Some(Before {
                bytes: 9,
                behind: 0,
                digest,
            }),
            ..mark()
        };
        let json = serde_json::to_value(&new).unwrap();
        let told = serde_json::json!({"bytes": 9, "digest": "ab".repeat(32)});
        assert_eq!(json["before"], told);
        assert_eq!(serde_json::from_value::<SourceMark>(json).unwrap(), new);
    }
}
