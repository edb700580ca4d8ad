//! The 32 bytes before the arena. The recorder rewrites them after each record, so a kill
//! leaves them one record behind. Nothing in them is believed until the records confirm it.

use std::fmt;

const MAGIC: [u8; 8] = *b"AG-SLOG!";

/// The header as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UntrustedHeader {
    pub magic: [u8; 8],
    /// Bytes of the arena.
    pub arena: u64,
    /// Arena offset of the oldest record that the recorder still counts.
    pub start: u64,
    /// Arena offset of the next record. It equals `start` both when the ring is empty and when it
    /// is exactly full. The recorder cannot tell the two apart, a scan can.
    pub end: u64,
}

impl UntrustedHeader {
    pub fn parse(raw: &[u8; 32]) -> UntrustedHeader {
        let (words, _) = raw.as_chunks::<8>();
        let word = |i: usize| words.get(i).copied().unwrap_or_default();
        UntrustedHeader {
            magic: word(0),
            arena: big_endian(word(1)),
            start: big_endian(word(2)),
            end: big_endian(word(3)),
        }
    }

    pub fn has_magic(&self) -> bool {
        self.magic == MAGIC
    }

    /// The faults of the header alone, in a file with `present` bytes behind it.
    pub fn faults(&self, present: u64) -> Vec<Fault> {
        let (header, arena) = (self.arena, self.arena.min(present));
        let checks = [
            (!self.has_magic(), Fault::Magic { found: self.magic }),
            (header != present, Fault::ArenaSize { header, present }),
            (self.start >= arena, Fault::Start { found: self.start }),
            (self.end >= arena, Fault::End { found: self.end }),
        ];
        let found = checks.into_iter().filter(|(wrong, _)| *wrong);
        found.map(|(_, fault)| fault).collect()
    }
}

/// The recorder writes its integers with JavaScript's `DataView`, which is big-endian on
/// every machine.
#[allow(
    clippy::big_endian_bytes,
    reason = "the foreign format at hand is big-endian"
)]
pub(super) fn big_endian(bytes: [u8; 8]) -> u64 {
    u64::from_be_bytes(bytes)
}

/// A fault in the header, or between header and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not begin with `AG-SLOG!`.
    Magic {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// The header's arena size differs from what the file holds.
    ArenaSize {
        /// The header's value.
        header: u64,
        /// Bytes of the file after the header.
        present: u64,
    },
    /// The start pointer is outside the arena.
    Start {
        /// The header's value.
        found: u64,
    },
    /// The end pointer is outside the arena.
    End {
        /// The header's value.
        found: u64,
    },
    /// No chain of records connects the start pointer with the end pointer.
    BrokenChain {
        /// The start pointer.
        start: u64,
        /// The end pointer.
        end: u64,
    },
    /// Intact records that are newer than the header follow the end pointer.
    Behind {
        /// The header's end pointer.
        header: u64,
        /// Where the newest record ends.
        found: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Magic { found } => write!(
                f,
                "the file begins with \"{}\", expected \"AG-SLOG!\"",
                found.escape_ascii()
            ),
            Fault::ArenaSize { header, present } => write!(
                f,
                "the header says the arena has {header} bytes, the file has {present}"
            ),
            Fault::Start { found } => write!(f, "the start pointer {found} is outside the arena"),
            Fault::End { found } => write!(f, "the end pointer {found} is outside the arena"),
            Fault::BrokenChain { start, end } => write!(
                f,
                "no chain of records leads from the start pointer {start} to the end pointer {end}"
            ),
            Fault::Behind { header, found } => write!(
                f,
                "the header's end pointer {header} is out of date: the newest record ends at \
                 {found}"
            ),
        }
    }
}
