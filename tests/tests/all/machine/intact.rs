//! Records of a ring that prove themselves, found by docs/format.md alone.

use haltbox_format::Lane;

/// A fragment whose checksum holds.
pub struct Intact {
    pub lane: Lane,
    pub segment: u32,
    pub offset: usize,
    pub counter: u64,
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Number of a lane by docs/format.md.
fn number(lane: Lane) -> u64 {
    match lane {
        Lane::Main => 0,
        Lane::Spine => 1,
        Lane::Local => 2,
    }
}

/// All of a ring with a sound first superblock.
pub fn intact(ring: &[u8]) -> Vec<Intact> {
    let size = word32(ring, 12) as usize;
    let salt = word64(ring, 40);
    let counts = [(Lane::Spine, 56), (Lane::Local, 60), (Lane::Main, 64)];
    let lanes = counts
        .map(|(lane, at)| vec![lane; word32(ring, at) as usize])
        .concat();
    let mut found = Vec::new();
    for (segment, lane) in lanes.into_iter().enumerate() {
        let key = salt.wrapping_add(number(lane).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let bytes = &ring[65536 + segment * size..65536 + (segment + 1) * size];
        let mut offset = 64;
        while offset + 16 <= size {
            let length = proven(&bytes[offset..]);
            let sequence = word64(bytes, offset) ^ key;
            // A record of another lane has a number that is as good as random.
            if length.is_some() && sequence >> 40 > 0 && sequence >> 40 < 1000 {
                let (segment, counter) = (segment as u32, sequence & ((1 << 40) - 1));
                found.push(Intact {
                    lane,
                    segment,
                    offset,
                    counter,
                });
            }
            offset += 16 + length.unwrap_or(0).next_multiple_of(16);
        }
    }
    found
}

/// Length of the payload of the record that begins these bytes, if its checksum holds.
fn proven(bytes: &[u8]) -> Option<usize> {
    let (masked, word, crc) = (word64(bytes, 0), word32(bytes, 8), word32(bytes, 12));
    let length = (word & 0xF_FFFF) as usize;
    if !(1..=4).contains(&(word >> 24)) || length > 65_536 {
        return None;
    }
    let payload = bytes.get(16..16 + length)?;
    let x = (masked ^ u64::from(word).rotate_left(32)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let mut hasher = crc32fast::Hasher::new_with_initial((x ^ x >> 32) as u32);
    hasher.update(payload);
    (hasher.finalize() == crc).then_some(length)
}
