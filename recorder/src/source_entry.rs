//! What a source gives: an entry, or a count of lines that were left out.

use haltbox_format::ring::CutHeader;

/// Bytes kept of an entry that does not fit into its lane.
pub const CUT_KEEPS: usize = 64 << 10;
/// First byte of a line that the wrapper puts among the node's lines. No slog
/// entry begins with it. A forged line can only make more count as missing.
pub const OWN_LINE: u8 = 0x1e;

/// An entry from a source.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its bytes without the newline. Only the first ones if the entry was cut.
    pub bytes: &'a [u8],
    /// Whether the newline came.
    pub terminated: bool,
    /// Length and digest of the whole entry, if `bytes` is only its beginning.
    pub cut: Option<CutHeader>,
}

impl<'a> Given<'a> {
    /// A whole entry, whose newline came.
    pub fn line(bytes: &'a [u8]) -> Given<'a> {
        Given {
            bytes,
            terminated: true,
            cut: None,
        }
    }

    /// Bytes that the source gave for it, with the newline.
    pub fn source_bytes(&self) -> u64 {
        let length = self.cut.map_or(self.bytes.len() as u64, |cut| cut.length);
        length + u64::from(self.terminated)
    }
}

/// A count of lines that were left out of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Number of lines.
    pub lines: u64,
    /// Their bytes, with newlines.
    pub bytes: u64,
}

impl LeftOut {
    /// The line that carries this count.
    pub fn line(self) -> String {
        let own = char::from(OWN_LINE);
        format!("{own}left out {} {}\n", self.lines, self.bytes)
    }

    /// Reads such a line. `None` if it is another line.
    ///
    /// A full disk can cut the line before it. The rest of that line then
    /// stands in front, and is missing too.
    pub fn read(line: &[u8]) -> Option<LeftOut> {
        let own = memchr::memrchr(OWN_LINE, line)?;
        let text = std::str::from_utf8(line.get(own + 1..)?).ok()?;
        let (lines, bytes) = text.strip_prefix("left out ")?.split_once(' ')?;
        Some(LeftOut {
            lines: lines.parse().ok()?,
            bytes: bytes.parse().ok()?,
        })
    }

    /// Counts bytes that are left out.
    pub fn count(&mut self, bytes: &[u8]) {
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.bytes += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_slog_entry_reads_as_a_line_of_ours() {
        let ours = LeftOut { lines: 3, bytes: 4 };
        assert_eq!(LeftOut::read(ours.line().trim_end().as_bytes()), Some(ours));
        let torn = format!("INF committed state app_hash=AB\u{1e}left{}", ours.line());
        assert_eq!(LeftOut::read(torn.trim_end().as_bytes()), Some(ours));
        for other in [
            "{\"type\":\"left out 3 4\"}",
            "left out 3 4",
            "",
            "\u{1e}",
            "\u{1e}left out 3",
        ] {
            assert_eq!(LeftOut::read(other.as_bytes()), None, "{other:?}");
        }
    }
}
