//! Names of black boxes, and the HASH in them.
//!
//! A box has the name of what was executed, not of its bytes: two nodes that executed the
//! same give their boxes the same name. `docs/format.md` has the rule.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::app_hash::decode_hex;
use crate::name_error::{NameError, start_of};

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
    type Err = NameError;

    /// Accepts lower-case digits only: two spellings of one name would be two files.
    fn from_str(text: &str) -> Result<BlockHash, NameError> {
        let mut raw = [0; 16];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        match decode_hex(text.as_bytes(), &mut raw) {
            Some(16) if lower => Ok(BlockHash(raw)),
            _ => Err(NameError::Hash(start_of(text))),
        }
    }
}

/// The file name of a black box: `HEIGHT-HASH`, or `HEIGHT-incomplete` if the recording
/// has a gap. A later box with the same name ends in `.2`, `.3` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoxName {
    /// The height that was executed.
    pub height: u64,
    /// `None` if the block's execution was not recorded whole.
    pub hash: Option<BlockHash>,
    /// 1 for the first box with that name.
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
    type Err = NameError;

    fn from_str(text: &str) -> Result<BoxName, NameError> {
        let name = read_name(text).filter(|name| name.to_string() == text);
        name.ok_or_else(|| NameError::Box(start_of(text)))
    }
}

/// Also accepts spellings that no box has, such as `+7` and `.1`; the caller compares the
/// result with the text.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_and_read_alike() {
        let hash = "00112233445566778899aabbccddeeff";
        for text in [
            format!("7-{hash}"),
            format!("18446744073709551615-{hash}.2"),
            "7-incomplete".to_owned(),
            "7-incomplete.4294967295".to_owned(),
        ] {
            let name: BoxName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        let name: BoxName = format!("7-{hash}.3").parse().unwrap();
        assert_eq!((name.height, name.serial.get()), (7, 3));
        assert_eq!(name.hash.unwrap().0[1], 0x11);
    }

    #[test]
    fn other_spellings_of_a_name_are_refused() {
        let hash = "00112233445566778899aabbccddeeff";
        for text in [
            "",
            "7",
            "7-",
            "7-partial",
            &format!("07-{hash}"),
            &format!("+7-{hash}"),
            &format!("7-{hash}.1"),
            &format!("7-{hash}.0"),
            &format!("7-{hash}.02"),
            &format!("7-{hash}."),
            &format!("7-{hash}.zst"),
            &format!("7-{hash}0"),
            &format!("7-{}", &hash[1..]),
            &format!("7-{}", hash.to_uppercase()),
            &format!("18446744073709551616-{hash}"),
        ] {
            let error = text.parse::<BoxName>().unwrap_err();
            let error = error.to_string();
            assert!(error.contains("expected HEIGHT-HASH"), "{text}: {error}");
        }
    }
}
