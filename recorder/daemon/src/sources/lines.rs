//! Splits a source's bytes into lines.

use haltbox_format::Digest;
use haltbox_format::ring::CutHeader;

use haltbox_recorder::source_entry::{CUT_KEEPS, Given};

/// Most bytes of a line that are held in memory. A longer line is recorded cut,
/// with its full length and digest.
pub const LONGEST: usize = 64 << 20;

/// Splits bytes into lines, and holds the unfinished one.
#[derive(Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
    beyond: Option<Beyond>,
}

/// A line longer than [`LONGEST`]. Only its digest continues.
struct Beyond {
    hasher: blake3::Hasher,
    length: u64,
}

impl LineSplitter {
    /// Takes the next bytes, and passes each line that ends in them to `sink`.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Given<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.is_empty() {
                sink(Given::line(line));
            } else {
                self.extend(line);
                self.finish(true, sink);
            }
        }
        self.extend(bytes);
    }

    /// Ends the source. The unfinished line is passed on without a newline.
    pub fn end(&mut self, sink: &mut dyn FnMut(Given<'_>)) {
        if !self.is_empty() {
            self.finish(false, sink);
        }
    }

    /// Whether there is no unfinished line.
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.beyond.is_none()
    }

    /// Drops the unfinished line, which will be read again.
    pub fn forget(&mut self) {
        self.partial.clear();
        self.beyond = None;
    }

    fn extend(&mut self, bytes: &[u8]) {
        if let Some(beyond) = &mut self.beyond {
            beyond.hasher.update(bytes);
            beyond.length += bytes.len() as u64;
            return;
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > LONGEST {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&self.partial);
            self.beyond = Some(Beyond {
                hasher,
                length: self.partial.len() as u64,
            });
            self.partial.truncate(CUT_KEEPS);
        }
    }

    fn finish(&mut self, terminated: bool, sink: &mut dyn FnMut(Given<'_>)) {
        let cut = self.beyond.take().map(|beyond| CutHeader {
            length: beyond.length,
            digest: Digest(*beyond.hasher.finalize().as_bytes()),
        });
        sink(Given {
            bytes: &self.partial,
            terminated,
            cut,
        });
        self.partial.clear();
        self.partial.shrink_to(CUT_KEEPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (Vec<u8>, bool, Option<u64>);

    fn split(chunks: &[&[u8]], end: bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut splitter = LineSplitter::default();
        let mut sink = |given: Given<'_>| {
            seen.push((
                given.bytes.to_vec(),
                given.terminated,
                given.cut.map(|cut| cut.length),
            ));
        };
        chunks
            .iter()
            .for_each(|chunk| splitter.feed(chunk, &mut sink));
        if end {
            splitter.end(&mut sink);
        }
        seen
    }

    #[test]
    fn lines_come_out_whole_however_the_bytes_come_in() {
        let text = b"{\"a\":1}\n\nnot json \xff\r\nlast";
        let whole = split(&[text], true);
        let expected: Vec<Seen> = vec![
            (b"{\"a\":1}".to_vec(), true, None),
            (b"".to_vec(), true, None),
            (b"not json \xff\r".to_vec(), true, None),
            (b"last".to_vec(), false, None),
        ];
        assert_eq!(whole, expected);
        for size in 1..text.len() {
            let chunks: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(split(&chunks, true), expected, "chunks of {size}");
        }
        assert_eq!(split(&[text], false).len(), 3);
    }

    #[test]
    fn a_line_beyond_the_limit_keeps_length_and_digest() {
        let chunk = vec![b'x'; 1 << 20];
        let mut splitter = LineSplitter::default();
        let mut seen = Vec::new();
        let mut sink = |given: Given<'_>| seen.push((given.bytes.len(), given.cut));
        (0..70).for_each(|_| splitter.feed(&chunk, &mut sink));
        splitter.feed(b"\nnext\n", &mut sink);
        let digest = blake3::hash(&vec![b'x'; 70 << 20]);
        let cut = CutHeader {
            length: 70 << 20,
            digest: Digest(*digest.as_bytes()),
        };
        assert_eq!(seen, vec![(CUT_KEEPS, Some(cut)), (4, None)]);
    }
}
