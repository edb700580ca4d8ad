//! AppHashes, 32-byte digests and ring ids: hex in text, bytes in memory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::name_error::start_of;

/// An AppHash: opaque bytes chosen by the application, 0 to 64 of them.
///
/// Fixed size, so that a recorder inside a host copies one without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AppHash {
    len: u8,
    bytes: [u8; AppHash::MAX],
}

impl AppHash {
    /// The longest AppHash that is kept.
    pub const MAX: usize = 64;

    /// From raw bytes; `None` if there are more than [`AppHash::MAX`].
    pub fn new(raw: &[u8]) -> Option<AppHash> {
        let mut bytes = [0; AppHash::MAX];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        let len = u8::try_from(raw.len()).ok()?;
        Some(AppHash { len, bytes })
    }

    /// From hex digits of either case; `None` for anything else.
    pub fn from_hex(hex: &[u8]) -> Option<AppHash> {
        let mut raw = [0; AppHash::MAX];
        let len = decode_hex(hex, &mut raw)?;
        AppHash::new(&raw[..len])
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The first eight hex digits, as an operator quotes them.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

/// Upper-case hex, as CometBFT prints it.
impl fmt::Display for AppHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|b| write!(f, "{b:02X}"))
    }
}

impl fmt::Debug for AppHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppHash({self})")
    }
}

impl FromStr for AppHash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        AppHash::from_hex(text.as_bytes())
            .ok_or_else(|| not_hex(text, "an AppHash of at most 64 bytes"))
    }
}

/// A digest of 32 bytes: SHA-256 (crankhash, activityhash) or BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// From exactly 64 hex digits.
    pub fn from_hex(hex: &[u8]) -> Option<Digest> {
        let mut raw = [0; 32];
        (hex.len() == 64).then_some(())?;
        decode_hex(hex, &mut raw)?;
        Some(Digest(raw))
    }
}

/// Lower-case hex, as SwingSet and b3sum print it.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Digest::from_hex(text.as_bytes()).ok_or_else(|| not_hex(text, "64 digits"))
    }
}

/// The uuid of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RingId(pub [u8; 16]);

/// Lower-case hex.
impl fmt::Display for RingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for RingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingId({self})")
    }
}

impl FromStr for RingId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut raw = [0; 16];
        let whole = decode_hex(text.as_bytes(), &mut raw) == Some(raw.len());
        let id = whole.then_some(RingId(raw));
        id.ok_or_else(|| not_hex(text, "32 digits"))
    }
}

/// A text that is not the hex of an AppHash, a digest or a ring's id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected} in hex, found {found:?}")]
pub struct HexError {
    expected: &'static str,
    /// The start of the text.
    found: String,
}

fn not_hex(text: &str, expected: &'static str) -> HexError {
    let found = start_of(text);
    HexError { expected, found }
}

pub(crate) fn decode_hex(hex: &[u8], out: &mut [u8]) -> Option<usize> {
    let len = hex.len() / 2;
    if !hex.len().is_multiple_of(2) || len > out.len() {
        return None;
    }
    // Check once at the end. Every crank has two digests, and a branch per digit would be
    // mispredicted.
    let mut wrong = 0;
    for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        wrong |= high | low;
        *byte = high << 4 | low & 0xF;
    }
    (wrong <= 0xF).then_some(len)
}

/// The value of each hex digit; more than 15 for every other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [0xF0; 256];
    let mut n = 0;
    while n < 16 {
        table[b"0123456789abcdef"[n] as usize] = n as u8;
        table[b"0123456789ABCDEF"[n] as usize] = n as u8;
        n += 1;
    }
    table
};

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(AppHash);
serde_as_text!(Digest);
serde_as_text!(RingId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_digit_or_refused() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16).map(|n| n as u8);
            let found = |hex: [u8; 2]| AppHash::from_hex(&hex).map(|hash| hash.bytes[0]);
            assert_eq!(found([byte, b'5']), expected.map(|n| n << 4 | 5), "{byte}");
            assert_eq!(found([b'a', byte]), expected.map(|n| 0xA0 | n), "{byte}");
        }
        assert_eq!(AppHash::from_hex(b"abc"), None);
        assert_eq!(AppHash::from_hex(&[b'0'; 130]), None);
        assert_eq!(Digest::from_hex(&[b'0'; 62]), None);
    }
}
