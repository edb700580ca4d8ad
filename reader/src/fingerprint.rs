//! Fingerprints: the digests of a source without its bodies. 64 bytes a block
//! and 8 a unit (docs/format.md), so that validators can publish what they
//! executed without publishing the data.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use haltbox_format::{BlockHash, Digest};

use crate::tape::{BlockTape, Finds, Summary, Unit, UnitDigest, What};

/// The first bytes of a fingerprint.
pub const MAGIC: &[u8; 8] = b"HBXFPRT\x01";
/// Bytes of the head.
pub const HEAD: usize = 96;
/// Bytes of one block.
pub const BLOCK: usize = 64;
/// Bytes of one unit.
pub const UNIT: usize = 8;
/// The most blocks of one fingerprint.
pub const MOST_BLOCKS: u32 = 1 << 22;
/// The most units of one block.
pub const MOST_UNITS: u32 = 1 << 22;
/// Bits of a unit that tell its kind.
const KIND: u64 = 3;

const BEGUN: u16 = 1;
const ENDED: u16 = 2;
const EXECUTED: u16 = 4;
const HOLES: u16 = 8;

/// One block of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPrint {
    /// Height.
    pub height: u64,
    /// Index of its first unit.
    pub first_unit: u64,
    /// Units.
    pub units: u32,
    /// Which execution of the height.
    pub attempt: u16,
    flags: u16,
    /// Number of its first crank.
    pub first_crank: Option<u64>,
    /// Digest of its units' digests.
    pub digest: UnitDigest,
    /// HASH of the execution, if it is whole.
    pub hash: Option<BlockHash>,
}

/// An open fingerprint.
#[derive(Debug)]
pub struct Fingerprint {
    file: File,
    /// Digest of the canonical rules it was made by.
    pub profile: Digest,
    /// Its blocks, heights rising.
    pub blocks: Vec<BlockPrint>,
    units: u64,
    units_digest: UnitDigest,
}

/// A fingerprint being made.
pub struct Writer {
    blocks: Vec<u8>,
    units: Vec<u8>,
    profile: Digest,
}

/// What tells a block: equal for equal units, whatever source they are from.
pub fn block_digest(units: &[Unit]) -> UnitDigest {
    let words: Vec<u8> = units
        .iter()
        .flat_map(|unit| narrow(unit).to_le_bytes())
        .collect();
    short(&words)
}

/// A unit as it stands in a fingerprint.
pub fn narrow(unit: &Unit) -> u64 {
    let kind = match unit.what {
        What::Entry => 0,
        What::Crank { .. } => 1,
        What::Input(_) => 2,
        What::RunStart => 3,
    };
    let [a, b, c, d, e, f, g, h, ..] = unit.digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) & !KIND | kind
}

impl BlockPrint {
    /// Beginning and end are there, and all between.
    pub fn is_whole(&self) -> bool {
        self.flags & (BEGUN | ENDED | HOLES) == BEGUN | ENDED
    }
}

impl Writer {
    /// Of a source that was read by these canonical rules.
    pub fn new(profile: Digest) -> Writer {
        Writer {
            blocks: Vec::new(),
            units: Vec::new(),
            profile,
        }
    }

    /// Adds an execution and its HASH.
    pub fn block(&mut self, block: &BlockTape, hash: Option<BlockHash>) {
        let first_unit = (self.units.len() / UNIT) as u64;
        let first_crank = block.units.iter().find_map(Unit::crank);
        let flag = |set: bool, flag: u16| if set { flag } else { 0 };
        let flags = flag(block.begun, BEGUN)
            | flag(block.ended, ENDED)
            | flag(block.executed, EXECUTED)
            | flag(!block.holes.is_empty(), HOLES);
        self.blocks.extend(block.height.to_le_bytes());
        self.blocks.extend(first_unit.to_le_bytes());
        self.blocks.extend((block.units.len() as u32).to_le_bytes());
        self.blocks
            .extend((block.attempt.min(u32::from(u16::MAX)) as u16).to_le_bytes());
        self.blocks.extend(flags.to_le_bytes());
        self.blocks
            .extend(first_crank.unwrap_or(u64::MAX).to_le_bytes());
        self.blocks.extend(block_digest(&block.units));
        self.blocks.extend(hash.map_or([0; 16], |hash| hash.0));
        self.units.extend(
            block
                .units
                .iter()
                .flat_map(|unit| narrow(unit).to_le_bytes()),
        );
    }

    /// Writes the whole file.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(self, mut out: impl Write) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend(MAGIC);
        head.extend(((self.blocks.len() / BLOCK) as u64).to_le_bytes());
        head.extend(((self.units.len() / UNIT) as u64).to_le_bytes());
        head.extend(self.profile.0);
        head.extend(short(&self.units));
        head.extend(short(&[head.as_slice(), &self.blocks].concat()));
        head.resize(HEAD, 0);
        out.write_all(&head)?;
        out.write_all(&self.blocks)?;
        out.write_all(&self.units)?;
        out.flush()
    }
}

impl Fingerprint {
    /// Opens a fingerprint: head and blocks are read and proved, units are not
    /// touched.
    ///
    /// # Errors
    /// What reading gives; what is wrong with the file, in words.
    pub fn open(file: File) -> io::Result<Fingerprint> {
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)
            .map_err(|_| wrong("ends inside its head"))?;
        if !head.starts_with(MAGIC) {
            return Err(wrong("is no fingerprint of this version"));
        }
        let (count, units) = (word(&head, 8), word(&head, 16));
        if count > u64::from(MOST_BLOCKS) {
            return Err(wrong(&format!(
                "tells of {count} blocks; at most {MOST_BLOCKS} are read"
            )));
        }
        let length = file.metadata()?.len();
        let needed = HEAD as u64 + count * BLOCK as u64;
        if length < needed {
            return Err(wrong(&format!(
                "has {length} bytes, its head and blocks need {needed}"
            )));
        }
        let mut table = vec![0; count as usize * BLOCK];
        file.read_exact_at(&mut table, HEAD as u64)?;
        if short(&[&head[..72], table.as_slice()].concat()) != head[72..88] {
            return Err(wrong("does not match its digest: it is damaged"));
        }
        let mut profile = Digest([0; 32]);
        profile.0.copy_from_slice(&head[24..56]);
        let mut units_digest = [0; 16];
        units_digest.copy_from_slice(&head[56..72]);
        let blocks = table.chunks_exact(BLOCK).map(parse_block).collect();
        Ok(Fingerprint {
            file,
            profile,
            blocks,
            units,
            units_digest,
        })
    }

    /// Whether the units are those the head tells of.
    ///
    /// # Errors
    /// What reading gives.
    pub fn is_intact(&self) -> io::Result<bool> {
        let mut hasher = blake3::Hasher::new();
        let mut at = HEAD as u64 + self.blocks.len() as u64 * BLOCK as u64;
        let mut left = self.units.saturating_mul(UNIT as u64);
        let mut buffer = vec![0; 1 << 20];
        while left > 0 {
            let take = left.min(buffer.len() as u64) as usize;
            if self.file.read_exact_at(&mut buffer[..take], at).is_err() {
                return Ok(false);
            }
            hasher.update(&buffer[..take]);
            at += take as u64;
            left -= take as u64;
        }
        Ok(hasher.finalize().as_bytes()[..16] == self.units_digest)
    }

    /// Hands its blocks on as a tape.
    ///
    /// # Errors
    /// What reading gives.
    pub fn read(&self, finds: &mut dyn Finds) -> io::Result<Summary> {
        let mut summary = Summary::default();
        for (ordinal, block) in self.blocks.iter().enumerate() {
            let tape = self.tape(block, ordinal as u64)?;
            summary.cranks += tape.cranks() as u64;
            if !finds.block(tape) {
                break;
            }
        }
        Ok(summary)
    }

    fn tape(&self, block: &BlockPrint, ordinal: u64) -> io::Result<BlockTape> {
        let end = block.first_unit.saturating_add(u64::from(block.units));
        if end > self.units || block.units > MOST_UNITS {
            return Err(wrong("tells of more units than it holds or than are read"));
        }
        let at = HEAD + self.blocks.len() * BLOCK;
        let at = at as u64 + block.first_unit.saturating_mul(UNIT as u64);
        let length = self.file.metadata()?.len();
        if at + u64::from(block.units) * UNIT as u64 > length {
            return Err(wrong("is cut short"));
        }
        let mut bytes = vec![0; block.units as usize * UNIT];
        self.file.read_exact_at(&mut bytes, at)?;
        let mut crank = block.first_crank.unwrap_or(0);
        let units = bytes
            .chunks_exact(UNIT)
            .map(|bytes| unit(word(bytes, 0), &mut crank))
            .collect();
        Ok(BlockTape {
            height: block.height,
            attempt: u32::from(block.attempt),
            ordinal,
            begun: block.flags & BEGUN != 0,
            ended: block.flags & ENDED != 0,
            executed: block.flags & EXECUTED != 0,
            holes: if block.flags & HOLES != 0 {
                vec![0]
            } else {
                Vec::new()
            },
            units,
            breaks: Vec::new(),
            narrow: true,
        })
    }
}

fn unit(value: u64, crank: &mut u64) -> Unit {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&(value & !KIND).to_le_bytes());
    let what = match value & KIND {
        1 => {
            let number = *crank;
            *crank = number.wrapping_add(1);
            What::Crank {
                number,
                hashes: None,
            }
        }
        2 => What::Input(digest),
        3 => What::RunStart,
        _ => What::Entry,
    };
    Unit { digest, what }
}

fn parse_block(bytes: &[u8]) -> BlockPrint {
    let mut digest = [0; 16];
    digest.copy_from_slice(&bytes[32..48]);
    let mut hash = [0; 16];
    hash.copy_from_slice(&bytes[48..64]);
    BlockPrint {
        height: word(bytes, 0),
        first_unit: word(bytes, 8),
        units: (word(bytes, 16) & u64::from(u32::MAX)) as u32,
        attempt: (word(bytes, 16) >> 32 & 0xffff) as u16,
        flags: (word(bytes, 16) >> 48) as u16,
        first_crank: Some(word(bytes, 24)).filter(|crank| *crank != u64::MAX),
        digest,
        hash: (hash != [0; 16]).then_some(BlockHash(hash)),
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    part.map_or(0, |part| u64::from_le_bytes(*part))
}

fn short(bytes: &[u8]) -> UnitDigest {
    let mut out = [0; 16];
    out.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    out
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests;
