//! Parses zstd frames (RFC 8878) as far as a reader needs to find their end without
//! decompressing them.

use super::frame::Field;

/// The magic number of a zstd frame.
pub const ZSTD_MAGIC: u32 = 0xFD2F_B528;
/// The longest frame header there can be.
pub const ZSTD_HEAD_MAX: usize = 18;
/// Bytes of a block header.
pub const BLOCK_HEAD_LEN: usize = 3;
/// The largest block RFC 8878 allows.
pub const BLOCK_MAX: u32 = 128 * 1024;

const MAGIC: Field = Field::new("magic", 0, 4);
const DESCRIPTOR: usize = 4;

/// A zstd frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZstdHead {
    /// Bytes before the first block.
    pub len: usize,
    /// Decompressed size that the header claims.
    pub content_len: Option<u64>,
    /// Whether four bytes of XXH64 follow the last block.
    pub checksum: bool,
}

impl ZstdHead {
    /// Parses a header from up to [`ZSTD_HEAD_MAX`] bytes. `None` if it is not a header,
    /// is cut off, or asks for a dictionary (a box uses none).
    pub fn parse(bytes: &[u8]) -> Option<ZstdHead> {
        (MAGIC.u32_of(bytes)? == ZSTD_MAGIC).then_some(())?;
        let descriptor = *bytes.get(DESCRIPTOR)?;
        let (reserved, dictionary) = (descriptor & 0b1000, descriptor & 0b11);
        (reserved == 0 && dictionary == 0).then_some(())?;
        let single_segment = descriptor & 0b10_0000 != 0;
        let size_at = DESCRIPTOR + 1 + usize::from(!single_segment);
        let size_len = match descriptor >> 6 {
            0 => usize::from(single_segment),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let raw = bytes.get(size_at..size_at + size_len)?;
        Some(ZstdHead {
            len: size_at + size_len,
            content_len: content_len(raw),
            checksum: descriptor & 0b100 != 0,
        })
    }

    /// Bytes behind the last block.
    pub fn tail_len(&self) -> u64 {
        if self.checksum { 4 } else { 0 }
    }
}

fn content_len(raw: &[u8]) -> Option<u64> {
    let mut wide = [0; 8];
    wide.get_mut(..raw.len())?.copy_from_slice(raw);
    let value = u64::from_le_bytes(wide);
    match raw.len() {
        0 => None,
        // Sizes below 256 use the one-byte form, so the two-byte form starts at 256.
        2 => Some(value + 256),
        _ => Some(value),
    }
}

/// The header of a block: it gives the distance to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// Whether it is the frame's last block.
    pub last: bool,
    /// Bytes of the block behind its header.
    pub len: u64,
}

impl BlockHead {
    /// Parses a header; `None` for a reserved type or a size above the limit.
    pub fn parse(bytes: [u8; BLOCK_HEAD_LEN]) -> Option<BlockHead> {
        let [a, b, c] = bytes;
        let raw = u32::from_le_bytes([a, b, c, 0]);
        let size = raw >> 3;
        (size <= BLOCK_MAX).then_some(())?;
        let len = match (raw >> 1) & 0b11 {
            0 | 2 => u64::from(size),
            1 => 1,
            _ => return None,
        };
        Some(BlockHead {
            last: raw & 1 == 1,
            len,
        })
    }
}
