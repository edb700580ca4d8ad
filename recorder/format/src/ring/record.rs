use crate::app_hash::Digest;
use crate::stream::{Lane, Stream};

/// Records begin at multiples of this.
pub const ALIGN: usize = 16;
/// Size of a record header.
pub const HEADER_SIZE: usize = 16;
/// Largest payload of one fragment; longer records are split.
pub const FRAGMENT: usize = 64 << 10;
/// If fewer bytes than this are left in a segment, they stay empty. A larger rest takes
/// the first fragment of a split record.
pub const MIN_FIRST: usize = 256;
/// Size of the main counter in front of a local-lane record.
pub const LOCAL_PREFIX: usize = 8;
/// Size of the header in front of a record that was stored cut.
pub const CUT_HEADER_SIZE: usize = 40;
/// Highest epoch a sequence number can hold.
pub const MAX_EPOCH: u32 = (1 << 24) - 1;

const COUNTER_BITS: u32 = 40;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;
const LENGTH_MASK: u32 = (1 << 20) - 1;

/// A sequence number: the epoch in the high 24 bits, the counter in the low 40.
///
/// The counter continues across opens. The epoch separates two records with one counter:
/// the one that a power cut lost, and the one written in its place later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    /// From its parts; bits that do not fit are dropped.
    #[inline]
    pub fn new(epoch: u32, counter: u64) -> Seq {
        Seq(u64::from(epoch) << COUNTER_BITS | counter & COUNTER_MASK)
    }

    /// Number of the opening that wrote the record.
    pub fn epoch(self) -> u32 {
        (self.0 >> COUNTER_BITS) as u32
    }

    /// Place of the record in its lane.
    pub fn counter(self) -> u64 {
        self.0 & COUNTER_MASK
    }
}

/// Which part of a record a fragment is. The values are control codes that no text
/// contains, so text can never look like a record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// The whole record.
    Full = 1,
    /// Its beginning.
    First = 2,
    /// Neither beginning nor end.
    Mid = 3,
    /// Its end. A record exists only once this fragment is written.
    Last = 4,
}

impl Part {
    fn from_code(code: u8) -> Option<Part> {
        match code {
            1 => Some(Part::Full),
            2 => Some(Part::First),
            3 => Some(Part::Mid),
            4 => Some(Part::Last),
            _ => None,
        }
    }
}

/// Flags of a record; four bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// The entry belongs to the node's log; without the flag, to the slog.
    pub const NODE: Flags = Flags(1);
    /// The source ended before the entry's line end came.
    pub const UNTERMINATED: Flags = Flags(2);
    /// The entry is stored cut: a [`CutHeader`] stands before the kept bytes.
    pub const CUT: Flags = Flags(4);

    /// Flags of an entry of `stream`.
    pub fn of(stream: Stream) -> Flags {
        match stream {
            Stream::Slog => Flags::default(),
            Stream::Node => Flags::NODE,
        }
    }

    /// Adds the flags of `other`.
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The stream the entry belongs to.
    pub fn stream(self) -> Stream {
        if self.has(Flags::NODE) {
            Stream::Node
        } else {
            Stream::Slog
        }
    }
}

/// `length` rounded up to the next record boundary.
pub const fn padded(length: usize) -> usize {
    length.next_multiple_of(ALIGN)
}

/// Key of one lane. It masks the sequence numbers, so a record of another lane or another
/// ring gets a number that is as good as random. Its checksum holds all the same: that is
/// seeded with the masked number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneKey(u64);

impl LaneKey {
    /// The key of `lane` in a ring with this salt.
    pub fn new(salt: u64, lane: Lane) -> LaneKey {
        LaneKey(salt.wrapping_add(u64::from(lane.number()).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// The key as a number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The first word of a record header: the sequence number, masked by the key.
    #[inline]
    pub fn mask(self, seq: Seq) -> u64 {
        seq.0 ^ self.0
    }

    #[inline]
    fn seed(self, seq: Seq, meta: u32) -> u32 {
        let mixed =
            (self.mask(seq) ^ u64::from(meta).rotate_left(32)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        (mixed ^ mixed >> 32) as u32
    }

    /// The second word of a record header: CRC-32, kind, flags and length. The
    /// payload is `prefix` and `payload` in one piece, at most [`FRAGMENT`] bytes.
    #[inline]
    pub fn commit_word(self, seq: Seq, header: Header, prefix: &[u8], payload: &[u8]) -> u64 {
        let meta = header.meta(prefix.len() + payload.len());
        u64::from(self.crc(seq, meta, prefix, payload)) << 32 | u64::from(meta)
    }

    #[inline]
    fn crc(self, seq: Seq, meta: u32, prefix: &[u8], payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.seed(seq, meta));
        if !prefix.is_empty() {
            hasher.update(prefix);
        }
        hasher.update(payload);
        hasher.finalize()
    }

    /// Payload length of the record that `header` starts, if it is a whole slog record
    /// with this sequence number. This does not check the checksum: callers use it on a
    /// record whose writer just reported it.
    pub fn whole_slog_record(self, header: &[u8], seq: Seq) -> Option<usize> {
        let (own, word) = header.split_first_chunk::<8>()?;
        let meta = u32::from_le_bytes(*word.first_chunk()?);
        let length = (meta & LENGTH_MASK) as usize;
        let kind = Header {
            part: Part::Full,
            flags: Flags::of(Stream::Slog),
        };
        let right = u64::from_le_bytes(*own) == self.mask(seq) && meta == kind.meta(length);
        (right && length <= FRAGMENT).then_some(length)
    }

    /// The fragment at `offset` of a segment copy. `None` unless its kind and length are
    /// possible, its epoch is within `1..=max_epoch`, and its checksum is right.
    pub fn fragment_at<'a>(
        self,
        segment: &'a [u8],
        offset: usize,
        max_epoch: u32,
    ) -> Option<Fragment<'a>> {
        let header: &[u8; HEADER_SIZE] = segment.get(offset..)?.first_chunk()?;
        let part = Part::from_code(header[11])?;
        let [a, b, c, d, e, f, g, h, m0, m1, m2, m3, c0, c1, c2, c3] = *header;
        let meta = u32::from_le_bytes([m0, m1, m2, m3]);
        let length = (meta & LENGTH_MASK) as usize;
        let start = offset + HEADER_SIZE;
        let payload = segment.get(start..start.checked_add(length)?)?;
        let seq = Seq(u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ self.0);
        let possible = length <= FRAGMENT && (1..=max_epoch).contains(&seq.epoch());
        if !possible || self.crc(seq, meta, &[], payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return None;
        }
        let flags = Flags((meta >> 20 & 0xF) as u8);
        Some(Fragment {
            seq,
            part,
            flags,
            payload,
            end: start + padded(length),
        })
    }
}

/// The part of a record header besides sequence number and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which part of the record follows.
    pub part: Part,
    /// Flags of the record.
    pub flags: Flags,
}

impl Header {
    #[inline]
    fn meta(self, length: usize) -> u32 {
        (self.part as u32) << 24 | u32::from(self.flags.0) << 20 | length as u32 & LENGTH_MASK
    }
}

/// A fragment whose checksum was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Its sequence number.
    pub seq: Seq,
    /// Which part of a record it is.
    pub part: Part,
    /// Flags of the record.
    pub flags: Flags,
    /// Payload bytes.
    pub payload: &'a [u8],
    /// Offset of the next record in the segment.
    pub end: usize,
}

/// Header before the kept bytes of an entry that was stored cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutHeader {
    /// Length of the whole entry in bytes.
    pub length: u64,
    /// BLAKE3 of the whole entry.
    pub digest: Digest,
}

impl CutHeader {
    /// The bytes as they stand in the record.
    pub fn encode(&self) -> [u8; CUT_HEADER_SIZE] {
        let mut out = [0; CUT_HEADER_SIZE];
        out[..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..].copy_from_slice(&self.digest.0);
        out
    }

    /// Splits a cut record into its header and what was kept.
    pub fn split(payload: &[u8]) -> Option<(CutHeader, &[u8])> {
        let (length, rest) = payload.split_first_chunk::<8>()?;
        let (digest, kept) = rest.split_first_chunk::<32>()?;
        Some((
            CutHeader {
                length: u64::from_le_bytes(*length),
                digest: Digest(*digest),
            },
            kept,
        ))
    }
}

#[cfg(test)]
mod tests;
