//! How far a source was read, and how to recognise its file.

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
    /// Inode of the followed file; 0 for a pipe, and for a file that does not exist.
    pub inode: u64,
    /// Name of the file, if `path` is a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes read when the mark was made; of a compressed file, decompressed bytes.
    pub offset: u64,
    /// Fingerprint of the bytes before `offset`. `None` in rings of older recorders, and
    /// for a file of which nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// Set while the source cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Unread>,
}

/// Fingerprint of the bytes before a place in a file. It tells whether a file is still
/// the one that was read. The inode does not: a removed file's inode goes to another
/// file, and a file can be truncated and rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Number of bytes in the digest.
    pub bytes: u64,
    /// Bytes between the end of these bytes and the place.
    #[serde(default, skip_serializing_if = "is_none")]
    pub behind: u64,
    /// BLAKE3 of the bytes.
    pub digest: Digest,
}

/// A source that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Reason, in words for the operator.
    pub why: String,
    /// Begin of the trouble, milliseconds since 1970.
    pub since: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_none(behind: &u64) -> bool {
    *behind == 0
}

impl SourceMark {
    /// Moves the mark ahead by `bytes`.
    pub fn advance(&mut self, bytes: u64) {
        self.offset = self.offset.saturating_add(bytes);
        if let Some(before) = &mut self.before {
            before.behind = before.behind.saturating_add(bytes);
        }
    }
}

impl Before {
    /// Most bytes in a fingerprint.
    pub const MOST: usize = 4096;

    /// Offset of the fingerprinted bytes, for a `place` in the file; `None` if they would
    /// begin before the file does.
    pub fn begin(&self, place: u64) -> Option<u64> {
        let end = place.checked_sub(self.behind)?;
        end.checked_sub(self.bytes)
    }

    /// Whether `bytes` are the fingerprinted bytes.
    pub fn are(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.digest.0 == *blake3::hash(bytes).as_bytes()
    }
}

/// The newest bytes of a stream, at most [`Before::MOST`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(Vec<u8>);

impl Tail {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let fresh = bytes.get(bytes.len().saturating_sub(Before::MOST)..);
        let fresh = fresh.unwrap_or_default();
        let surplus = (self.0.len() + fresh.len()).saturating_sub(Before::MOST);
        self.0.drain(..surplus);
        self.0.extend_from_slice(fresh);
    }

    /// Removes all bytes.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The last bytes, at most `most`.
    pub fn last(&self, most: usize) -> &[u8] {
        let from = self.0.len().saturating_sub(most);
        self.0.get(from..).unwrap_or_default()
    }

    /// Fingerprint of these bytes, for a mark at their end; `None` without bytes.
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

    /// Miri runs the code some thousand times slower.
    const PUSHES: usize = if cfg!(miri) { 2 } else { 12 };

    #[test]
    fn a_tail_keeps_the_newest_bytes() {
        let number = |n: u32| n.wrapping_mul(0x9E37_79B9).to_le_bytes();
        let bytes: Vec<u8> = (1..20_000).flat_map(number).collect();
        for sizes in [[1, 7], [100, 4095], [4096, 4097], [9_000, 3]] {
            let (mut tail, mut at) = (Tail::default(), 0);
            for size in sizes.iter().cycle().take(PUSHES) {
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

    /// Older rings have no such member, and older recorders read rings that have it.
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
