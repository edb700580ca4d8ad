//! The HASH of a block's execution, from its canonical lines.
//!
//! `docs/format.md` has the rule.

use haltbox_format::BlockHash;

use crate::canonical::{CanonicalRules, Counts};

/// First line of the hashed text, so that a later rule cannot give the same HASH.
const HASH_VERSION: &[u8] = b"haltbox-hash-1\n";

/// Computes the HASH of a block from the lines of its execution.
///
/// The caller passes the lines of the last attempt that executed the block and reached
/// its end, from the first canonical entry after the end of the block before.
#[derive(Clone, Debug)]
pub struct BlockHasher {
    rules: CanonicalRules,
    hasher: blake3::Hasher,
    /// Canonical lines that are not hashed yet. BLAKE3 is several times faster over long
    /// input than line by line.
    lines: Vec<u8>,
    /// Whether a canonical entry came in a line with its context. Nobody can see what the
    /// sender took out of such an entry, or left out.
    wrapped: bool,
}

/// Bytes that are collected before they are hashed.
const BATCH: usize = 64 * 1024;

impl BlockHasher {
    /// Starts the HASH of the block at `height`.
    pub fn new(rules: &CanonicalRules, height: u64) -> BlockHasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(HASH_VERSION);
        hasher.update(format!("{}\n{height}\n", rules.name_digest()).as_bytes());
        BlockHasher {
            rules: rules.clone(),
            hasher,
            lines: Vec::new(),
            wrapped: false,
        }
    }

    /// Adds one line, without its newline. Returns whether the line is canonical; a
    /// canonical line need not count for the HASH. If the line holds an entry and its
    /// context, the entry counts as canonical and the block gets no HASH, because the
    /// entry is not in the host's own bytes.
    pub fn line(&mut self, line: &[u8]) -> bool {
        let rules = self.rules.wrapped();
        let told = rules.and_then(|rules| rules.of(line).map(|wrapped| rules.told(&wrapped)));
        let counts = match &told {
            Some(told) => self.rules.cut_named(told, &mut self.lines),
            None => self.rules.cut_named(line, &mut self.lines),
        };
        let canonical = counts != Counts::Not;
        self.wrapped |= canonical && told.is_some();
        if counts == Counts::Named {
            self.lines.push(b'\n');
        }
        if self.lines.len() >= BATCH {
            self.hasher.update(&self.lines);
            self.lines.clear();
        }
        canonical
    }

    /// Whether a canonical line held an entry and its context.
    pub fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    /// The HASH of the lines; `None` if a canonical entry was not in the host's own
    /// bytes.
    pub fn finish(mut self) -> Option<BlockHash> {
        if self.wrapped {
            return None;
        }
        self.hasher.update(&self.lines);
        let mut hash = [0; 16];
        self.hasher.finalize_xof().fill(&mut hash);
        Some(BlockHash(hash))
    }
}

#[cfg(test)]
mod tests;
