//! The crank index: where each crank ends, in a few bytes per crank. The hashes
//! themselves stand in the lines that it points at.
//!
//! Each crank has two variable-length numbers (LEB128, seven bits per byte, lowest
//! first). The first is the difference to the crank number before, zigzag-folded because
//! a second attempt at a block starts over. The second is the distance from the last line
//! of the crank before to the last line of this one, in uncompressed slog bytes.

/// The last line of a crank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crank {
    /// The kernel's number of the crank.
    pub number: u64,
    /// Offset of its last line, in uncompressed slog bytes.
    pub offset: u64,
}

const START: Crank = Crank {
    number: 0,
    offset: 0,
};

/// Writes a crank index.
#[derive(Clone, Debug)]
pub struct CrankIndexWriter {
    bytes: Vec<u8>,
    last: Crank,
}

impl Default for CrankIndexWriter {
    fn default() -> Self {
        CrankIndexWriter {
            bytes: Vec::new(),
            last: START,
        }
    }
}

impl CrankIndexWriter {
    /// Adds a crank. Its offset must not be below the offset of the one before.
    pub fn push(&mut self, crank: Crank) {
        let step = crank.number.wrapping_sub(self.last.number).cast_signed();
        let folded = (step << 1) ^ (step >> 63);
        put_varint(&mut self.bytes, folded.cast_unsigned());
        put_varint(
            &mut self.bytes,
            crank.offset.saturating_sub(self.last.offset),
        );
        self.last = crank;
    }

    /// The index so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a crank index. Ends early at bytes that are not an index.
#[derive(Clone, Debug)]
pub struct CrankIndex<'a> {
    rest: &'a [u8],
    last: Crank,
}

impl<'a> CrankIndex<'a> {
    /// An iterator over the body of a crank-index frame.
    pub fn new(bytes: &'a [u8]) -> CrankIndex<'a> {
        CrankIndex {
            rest: bytes,
            last: START,
        }
    }

    /// Bytes that were not read. After the iteration: bytes that are not an index.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Iterator for CrankIndex<'_> {
    type Item = Crank;

    fn next(&mut self) -> Option<Crank> {
        let (folded, rest) = take_varint(self.rest)?;
        let (distance, rest) = take_varint(rest)?;
        let step = (folded >> 1) ^ (folded & 1).wrapping_neg();
        let crank = Crank {
            number: self.last.number.wrapping_add(step),
            offset: self.last.offset.checked_add(distance)?,
        };
        (self.rest, self.last) = (rest, crank);
        Some(crank)
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7F);
        let shifted = bits << (7 * i);
        // The tenth byte has room for one bit; more bits would be lost without an error.
        (shifted >> (7 * i) == bits).then_some(())?;
        value |= shifted;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(i + 1..)?));
        }
    }
    None
}
