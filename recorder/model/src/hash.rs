//! The HASH of a block's execution, from its canonical lines.
//!
//! `docs/format.md` has the rule.

use haltbox_format::BlockHash;

use crate::canonical::{CanonicalRules, Counts};

/// What the HASH begins with, so that no later rule can give the same.
const HASH_VERSION: &[u8] = b"haltbox-hash-1\n";

/// Takes the lines of one block's execution and gives its HASH.
///
/// The lines are those of the last attempt that executed the block and came to
/// its end, from the first canonical entry after the end of the block before.
#[derive(Clone, Debug)]
pub struct BlockHasher {
    rules: CanonicalRules,
    hasher: blake3::Hasher,
    /// Canonical lines that are still to be hashed: BLAKE3 is several times
    /// faster over long input than line by line.
    lines: Vec<u8>,
    /// An entry was in a line with its context: what its sender took out of it or left
    /// out cannot be seen.
    wrapped: bool,
}

/// How much is gathered before it is hashed.
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

    /// Takes one line, without its newline; `false` if it is not canonical. Not all that
    /// is canonical has to count. Of a line that holds an entry and its context the entry
    /// counts, and costs the HASH: it is not there as its host wrote it.
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

    /// Some canonical line was one that holds an entry and its context.
    pub fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    /// The HASH of the lines taken; `None` if they are not the host's own.
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
