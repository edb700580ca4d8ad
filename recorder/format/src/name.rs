//! HASH and the names of black boxes.
//!
//! A box is named for what was executed, not for the bytes of the file: who
//! executed the same gets the same name. `docs/format.md` has the rule.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::app_hash::decode_hex;
use crate::canonical::{CanonicalRules, Counts};

/// What the HASH begins with, so that no later rule can give the same.
const HASH_VERSION: &[u8] = b"haltbox-hash-1\n";

/// HASH: identifies the execution of one block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockHash(pub [u8; 16]);

/// 32 lower-case hex digits.
impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockHash({self})")
    }
}

impl FromStr for BlockHash {
    type Err = String;

    /// Takes lower-case digits only: two spellings of a name would be two files.
    fn from_str(text: &str) -> Result<BlockHash, String> {
        let mut raw = [0; 16];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        match decode_hex(text.as_bytes(), &mut raw) {
            Some(16) if lower => Ok(BlockHash(raw)),
            _ => Err(format!(
                "expected 32 lower-case hex digits, found {:?}",
                start_of(text)
            )),
        }
    }
}

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

/// The file name of a black box: `HEIGHT-HASH`, or `HEIGHT-incomplete` where
/// the recording has a gap; `.2`, `.3` and so on for a later box of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoxName {
    /// The height that was executed.
    pub height: u64,
    /// `None` if the block's execution was not recorded whole.
    pub hash: Option<BlockHash>,
    /// 1 for the first box of that name.
    pub serial: NonZeroU32,
}

impl fmt::Display for BoxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hash {
            Some(hash) => write!(f, "{}-{hash}", self.height)?,
            None => write!(f, "{}-incomplete", self.height)?,
        }
        match self.serial {
            NonZeroU32::MIN => Ok(()),
            later => write!(f, ".{later}"),
        }
    }
}

impl FromStr for BoxName {
    type Err = String;

    fn from_str(text: &str) -> Result<BoxName, String> {
        let name = read_name(text).filter(|name| name.to_string() == text);
        name.ok_or_else(|| {
            let found = start_of(text);
            format!(
                "expected HEIGHT-HASH (32 lower-case hex digits) or HEIGHT-incomplete, \
                 with .2 or more at the end for a later box, found {found:?}"
            )
        })
    }
}

/// Also takes spellings that are not the name's own, such as `+7` and `.1`.
fn read_name(text: &str) -> Option<BoxName> {
    let (height, rest) = text.split_once('-')?;
    let (hash, serial) = match rest.split_once('.') {
        Some((hash, serial)) => (hash, serial.parse().ok()?),
        None => (rest, NonZeroU32::MIN),
    };
    let hash = match hash {
        "incomplete" => None,
        hash => Some(hash.parse().ok()?),
    };
    Some(BoxName {
        height: height.parse().ok()?,
        hash,
        serial,
    })
}

fn start_of(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
