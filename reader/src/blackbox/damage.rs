//! What can be wrong with a range of a box.

use std::fmt;
use std::io::ErrorKind;

/// Why bytes of a box yield no lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// No frame begins here.
    NoFrame,
    /// The file ends before the frame does.
    CutOff,
    /// The operating system could not read the bytes.
    Unreadable(ErrorKind),
    /// The bytes do not match the BLAKE3 in the manifest or in the frame.
    Digest,
    /// zstd rejects the bytes, or its checksum does not match.
    Zstd,
    /// The content has another size than the index or header says.
    Size {
        /// Size in bytes, by the manifest or by the frame's own header.
        expected: u64,
        /// Size found, in bytes. If it is one more, there may be still more.
        found: u64,
    },
    /// A mark claims more bytes than its frame holds.
    Mark,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::NoFrame => write!(f, "no frame starts here"),
            Damage::CutOff => write!(f, "the file is truncated here"),
            Damage::Unreadable(kind) => write!(f, "the bytes cannot be read: {kind}"),
            Damage::Digest => write!(f, "the bytes do not match their BLAKE3 digest"),
            Damage::Zstd => write!(
                f,
                "zstd cannot decompress the frame, or its checksum does not match"
            ),
            Damage::Size { expected, found } => {
                write!(f, "expected {expected} bytes of content, found {found}")
            }
            Damage::Mark => write!(f, "a mark is longer than the rest of its frame"),
        }
    }
}
