//! The seek table of the zstd seekable format. Any tool that knows the format can seek in
//! a box. Skippable frames are entries with a decompressed size of zero.

use thiserror::Error;

use super::frame::Field;

/// The skippable-frame magic of a seek table.
pub const SEEK_MAGIC: u32 = 0x184D_2A5E;
/// The last four bytes of a file that ends in a seek table.
pub const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
/// Bytes of the footer.
pub const FOOTER_LEN: usize = 9;
/// Most frames that are read from a table. A box with so many frames of 1 MiB would hold
/// 64 GiB of slog.
pub const SEEK_FRAMES_MAX: u32 = 1 << 16;
/// Low half of the XXH64 of empty content, for skippable frames.
pub const EMPTY_CHECKSUM: u32 = 0x51D8_E999;

const COMPRESSED: Field = Field::new("compressed", 0, 4);
const DECOMPRESSED: Field = Field::new("decompressed", 4, 4);
const CHECKSUM: Field = Field::new("checksum", 8, 4);
/// The layout of one entry.
pub const SEEK_ENTRY_FIELDS: [Field; 3] = [COMPRESSED, DECOMPRESSED, CHECKSUM];

const FRAMES: Field = Field::new("frames", 0, 4);
const DESCRIPTOR: Field = Field::new("descriptor", 4, 1);
const MAGIC: Field = Field::new("footer magic", 5, 4);
/// The layout of the footer.
pub const FOOTER_FIELDS: [Field; 3] = [FRAMES, DESCRIPTOR, MAGIC];

const FRAME_HEAD_LEN: usize = 8;
const CHECKSUM_FLAG: u8 = 0x80;
const RESERVED: u8 = 0x7C;

/// One frame of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeekEntry {
    /// Bytes in the file.
    pub compressed: u32,
    /// Bytes it decompresses to; 0 for a skippable frame.
    pub decompressed: u32,
    /// Low half of the content's XXH64, if the table has checksums.
    pub checksum: Option<u32>,
}

/// The end of a file that ends in a seek table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    frames: u32,
    checksums: bool,
}

impl Footer {
    /// Parses a footer. Checks that a table of its size fits into `file_len` bytes,
    /// before anyone allocates memory for it.
    pub fn parse(bytes: &[u8], file_len: u64) -> Result<Footer, SeekTableError> {
        let none = SeekTableError::None;
        let magic = MAGIC.u32_of(bytes).ok_or(none)?;
        (magic == FOOTER_MAGIC).then_some(()).ok_or(none)?;
        let frames = FRAMES.u32_of(bytes).ok_or(none)?;
        let descriptor = DESCRIPTOR.of(bytes).and_then(|d| d.first()).ok_or(none)?;
        if descriptor & RESERVED != 0 {
            return Err(SeekTableError::Descriptor { found: *descriptor });
        }
        let footer = Footer {
            frames,
            checksums: descriptor & CHECKSUM_FLAG != 0,
        };
        if frames > SEEK_FRAMES_MAX || footer.table_len() > file_len {
            return Err(SeekTableError::Frames {
                claimed: frames,
                file_len,
            });
        }
        Ok(footer)
    }

    /// Bytes of the whole seek-table frame, at the end of the file.
    pub fn table_len(&self) -> u64 {
        let entries = u64::from(self.frames) * self.entry_len() as u64;
        entries + (FRAME_HEAD_LEN + FOOTER_LEN) as u64
    }

    fn entry_len(&self) -> usize {
        if self.checksums { 12 } else { 8 }
    }
}

/// All frames of a file except the seek table's own, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeekTable {
    /// The frames.
    pub entries: Vec<SeekEntry>,
}

impl SeekTable {
    /// Parses a table from the last [`Footer::table_len`] bytes of a file. The compressed
    /// sizes must add up to the bytes before the table.
    pub fn parse(footer: Footer, table: &[u8], file_len: u64) -> Result<SeekTable, SeekTableError> {
        check_frame_head(footer, table)?;
        let entries = table.get(FRAME_HEAD_LEN..).unwrap_or_default();
        let entries: Vec<SeekEntry> = entries
            .chunks_exact(footer.entry_len())
            .take(footer.frames as usize)
            .filter_map(|raw| parse_entry(raw, footer.checksums))
            .collect();
        let found: u64 = entries.iter().map(|e| u64::from(e.compressed)).sum();
        let expected = file_len.saturating_sub(footer.table_len());
        if found != expected {
            return Err(SeekTableError::Sum { found, expected });
        }
        Ok(SeekTable { entries })
    }

    /// Encodes the whole frame. Entries without a checksum get that of empty content.
    /// `None` for more than [`SEEK_FRAMES_MAX`] entries.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let frames = u32::try_from(self.entries.len()).ok()?;
        (frames <= SEEK_FRAMES_MAX).then_some(())?;
        let footer = Footer {
            frames,
            checksums: true,
        };
        let mut bytes = Vec::with_capacity(footer.table_len() as usize);
        bytes.extend(SEEK_MAGIC.to_le_bytes());
        bytes.extend((footer.table_len() as u32 - FRAME_HEAD_LEN as u32).to_le_bytes());
        for entry in &self.entries {
            bytes.extend(entry.compressed.to_le_bytes());
            bytes.extend(entry.decompressed.to_le_bytes());
            bytes.extend(entry.checksum.unwrap_or(EMPTY_CHECKSUM).to_le_bytes());
        }
        bytes.extend(frames.to_le_bytes());
        bytes.push(CHECKSUM_FLAG);
        bytes.extend(FOOTER_MAGIC.to_le_bytes());
        Some(bytes)
    }
}

fn check_frame_head(footer: Footer, table: &[u8]) -> Result<(), SeekTableError> {
    let magic = Field::new("magic", 0, 4).u32_of(table);
    let length = Field::new("length", 4, 4).u32_of(table);
    let counted = footer.table_len() - FRAME_HEAD_LEN as u64;
    let sound = table.len() as u64 == footer.table_len()
        && magic == Some(SEEK_MAGIC)
        && length.map(u64::from) == Some(counted);
    sound.then_some(()).ok_or(SeekTableError::Head)
}

fn parse_entry(raw: &[u8], checksums: bool) -> Option<SeekEntry> {
    Some(SeekEntry {
        compressed: COMPRESSED.u32_of(raw)?,
        decompressed: DECOMPRESSED.u32_of(raw)?,
        checksum: if checksums {
            Some(CHECKSUM.u32_of(raw)?)
        } else {
            None
        },
    })
}

/// Reasons why a file's seek table cannot be used. A reader then finds the frames by
/// walking the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SeekTableError {
    /// The file does not end with a seek table.
    #[error("the file does not end in a seek table")]
    None,
    /// Reserved bits are set.
    #[error("the seek table's descriptor {found:#04x} has reserved bits set")]
    Descriptor {
        /// The descriptor found.
        found: u8,
    },
    /// More frames than the file, or this reader, can hold.
    #[error(
        "the seek table claims {claimed} frames: more than fit into a file of {file_len} bytes, \
         or more than the limit of {SEEK_FRAMES_MAX}"
    )]
    Frames {
        /// Frames the footer claims.
        claimed: u32,
        /// Size of the file.
        file_len: u64,
    },
    /// Footer and frame head disagree.
    #[error("the seek table's head and footer disagree")]
    Head,
    /// The sizes of the frames do not add up to the size of the file.
    #[error("the seek table's frames add up to {found} bytes, but {expected} bytes precede it")]
    Sum {
        /// Bytes the entries add up to.
        found: u64,
        /// Bytes before the table.
        expected: u64,
    },
}
