use thiserror::Error;

use super::geometry::Geometry;

/// First bytes of every ring.
pub const RING_MAGIC: [u8; 8] = *b"HALTBOX\x01";
/// Version of the layout. Readers refuse every other version.
pub const RING_VERSION: u32 = 1;
/// Size of a superblock, its checksum included.
pub const SUPERBLOCK_SIZE: usize = 256;

const CRC_AT: usize = 252;

/// Facts that stay the same as long as the ring exists, and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// How the file is divided.
    pub geometry: Geometry,
    /// Number of this write. Of two sound copies the one with the higher revision counts.
    pub revision: u64,
    /// The ring's identity.
    pub uuid: [u8; 16],
    /// Random number that seeds every checksum.
    pub salt: u64,
    /// Size of the file when it was allocated.
    pub file_size: u64,
    /// How often the ring was opened for writing.
    pub epoch: u32,
    /// BLAKE3 of the machine's id; zero if the machine has none.
    pub machine: [u8; 32],
    /// Boot id of the last opening; information only.
    pub boot: [u8; 16],
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
}

/// Reasons why bytes are not a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuperblockError {
    /// The first bytes are not [`RING_MAGIC`].
    #[error("starts with \"{}\", not with \"HALTBOX\"", .0.escape_ascii())]
    Magic([u8; 8]),
    /// A version this program does not know.
    #[error("has format version {0}, this program reads version {RING_VERSION}")]
    Version(u32),
    /// The checksum does not match: bytes changed.
    #[error("has checksum {found:08x}, its bytes give {computed:08x}")]
    Checksum {
        /// The checksum in the bytes.
        found: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The checksum is right, but no ring has these segment sizes or counts.
    #[error("has invalid segment sizes or counts")]
    Geometry,
    /// Fewer bytes than a superblock.
    #[error("has {0} bytes, expected {SUPERBLOCK_SIZE}")]
    Short(usize),
}

impl Superblock {
    /// The bytes as they stand in the file.
    pub fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut out = [0; SUPERBLOCK_SIZE];
        put(&mut out, 0, &RING_MAGIC);
        put(&mut out, 8, &RING_VERSION.to_le_bytes());
        put(&mut out, 12, &self.geometry.segment_size.to_le_bytes());
        put(&mut out, 16, &self.revision.to_le_bytes());
        put(&mut out, 24, &self.uuid);
        put(&mut out, 40, &self.salt.to_le_bytes());
        put(&mut out, 48, &self.file_size.to_le_bytes());
        put(&mut out, 56, &self.geometry.spine.to_le_bytes());
        put(&mut out, 60, &self.geometry.local.to_le_bytes());
        put(&mut out, 64, &self.geometry.main.to_le_bytes());
        put(&mut out, 68, &self.epoch.to_le_bytes());
        put(&mut out, 72, &self.machine);
        put(&mut out, 104, &self.boot);
        put(&mut out, 120, &self.created_ms.to_le_bytes());
        let crc = crc32fast::hash(&out[..CRC_AT]);
        put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Parses and checks untrusted bytes. There is no other way from bytes to a
    /// superblock.
    pub fn decode(bytes: &[u8]) -> Result<Superblock, SuperblockError> {
        let raw: &[u8; SUPERBLOCK_SIZE] = bytes
            .first_chunk()
            .ok_or(SuperblockError::Short(bytes.len()))?;
        if raw[..8] != RING_MAGIC {
            return Err(SuperblockError::Magic(take(raw, 0)));
        }
        let (found, computed) = (u32_at(raw, CRC_AT), crc32fast::hash(&raw[..CRC_AT]));
        if found != computed {
            return Err(SuperblockError::Checksum { found, computed });
        }
        if u32_at(raw, 8) != RING_VERSION {
            return Err(SuperblockError::Version(u32_at(raw, 8)));
        }
        let superblock = Superblock {
            geometry: Geometry {
                segment_size: u32_at(raw, 12),
                spine: u32_at(raw, 56),
                local: u32_at(raw, 60),
                main: u32_at(raw, 64),
            },
            revision: u64_at(raw, 16),
            uuid: take(raw, 24),
            salt: u64_at(raw, 40),
            file_size: u64_at(raw, 48),
            epoch: u32_at(raw, 68),
            machine: take(raw, 72),
            boot: take(raw, 104),
            created_ms: u64_at(raw, 120),
        };
        if superblock.geometry.is_sound() {
            Ok(superblock)
        } else {
            Err(SuperblockError::Geometry)
        }
    }
}

/// Copies `field` to a constant offset.
pub(super) fn put(out: &mut [u8], at: usize, field: &[u8]) {
    out[at..at + field.len()].copy_from_slice(field);
}

/// Takes `N` bytes at a constant offset that lies inside `raw`.
pub(super) fn take<const N: usize>(raw: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&raw[at..at + N]);
    field
}

pub(super) fn u32_at(raw: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(raw, at))
}

pub(super) fn u64_at(raw: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(raw, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> Superblock {
        Superblock {
            geometry: Geometry::for_size(8 << 20).unwrap(),
            revision: 3,
            uuid: [7; 16],
            salt: 0x0123_4567_89AB_CDEF,
            file_size: 8 << 20,
            epoch: 9,
            machine: [5; 32],
            boot: [6; 16],
            created_ms: 1_795_218_984_594,
        }
    }

    #[test]
    fn a_superblock_survives_its_bytes() {
        assert_eq!(Superblock::decode(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Superblock::decode(&damaged).is_err(), "bit {bit}");
        }
    }
}
