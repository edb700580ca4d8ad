use super::geometry::Geometry;
use super::superblock::{put, take, u32_at, u64_at};
use crate::stream::Lane;

/// Marks a segment header. A reader finds a ring without superblocks by it.
pub const SEGMENT_MAGIC: [u8; 8] = *b"HBXSEG\x01\x00";
/// Size of a segment header; the first record follows it.
pub const SEGMENT_HEADER_SIZE: usize = 64;

const CRC_AT: usize = 60;

/// The header of a segment. Headers give the order in which segments were filled. They
/// repeat what a reader needs if both superblocks are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Number of this filling in its lane, from 1. The writer stores it last, so a header
    /// with a generation is complete.
    pub generation: u64,
    /// The ring's salt.
    pub salt: u64,
    /// Sequence number of the first record.
    pub first: u64,
    /// How the file is divided.
    pub geometry: Geometry,
    /// Index of the segment in the file. A copy at another index does not count.
    pub index: u32,
    /// The lane's number.
    pub lane: u8,
}

impl SegmentHeader {
    /// The bytes as they stand in the file, generation included.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_SIZE] {
        let mut out = [0; SEGMENT_HEADER_SIZE];
        put(&mut out, 0, &self.generation.to_le_bytes());
        put(&mut out, 8, &SEGMENT_MAGIC);
        put(&mut out, 16, &self.salt.to_le_bytes());
        put(&mut out, 24, &self.first.to_le_bytes());
        put(&mut out, 32, &self.geometry.segment_size.to_le_bytes());
        put(&mut out, 36, &self.index.to_le_bytes());
        put(&mut out, 40, &self.geometry.spine.to_le_bytes());
        put(&mut out, 44, &self.geometry.local.to_le_bytes());
        put(&mut out, 48, &self.geometry.main.to_le_bytes());
        out[52] = self.lane;
        let crc = crc32fast::hash(&out[..CRC_AT]);
        put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Parses and checks untrusted bytes. There is no other way from bytes to a header.
    pub fn decode(bytes: &[u8]) -> Option<SegmentHeader> {
        let raw: &[u8; SEGMENT_HEADER_SIZE] = bytes.first_chunk()?;
        let sound = SegmentHeader::has_magic(raw)
            && u64_at(raw, 0) != 0
            && u32_at(raw, CRC_AT) == crc32fast::hash(&raw[..CRC_AT]);
        let header = SegmentHeader {
            generation: u64_at(raw, 0),
            salt: u64_at(raw, 16),
            first: u64_at(raw, 24),
            geometry: Geometry {
                segment_size: u32_at(raw, 32),
                spine: u32_at(raw, 40),
                local: u32_at(raw, 44),
                main: u32_at(raw, 48),
            },
            index: u32_at(raw, 36),
            lane: take::<1>(raw, 52)[0],
        };
        (sound && header.geometry.is_sound()).then_some(header)
    }

    /// Whether a header was ever written to these bytes.
    pub(super) fn has_magic(raw: &[u8; SEGMENT_HEADER_SIZE]) -> bool {
        raw[8..16] == SEGMENT_MAGIC
    }

    /// Whether this header belongs to segment `index` of a ring with this salt and
    /// geometry. It fails for bytes of another file, or of another place in this one.
    pub fn belongs(&self, salt: u64, geometry: &Geometry, lane: Lane, index: u32) -> bool {
        self.salt == salt
            && self.geometry == *geometry
            && self.lane == lane.number()
            && self.index == index
    }
}
