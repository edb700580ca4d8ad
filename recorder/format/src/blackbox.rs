//! The black box (and archive) file: what each byte means.
//!
//! A box is a valid Zstandard file: slog lines are ordinary zstd frames, all
//! else stands in skippable frames, so `zstd -dc BOX` prints the slog.
//!
//! ```text
//! identity | slog frames ... | node, context, marks | cranks | manifest | seek table
//! ```
//!
//! Nothing here opens, reads or names a file: [`BoxWriter`] turns lines into a
//! box on any [`std::io::Write`] that can seek, because both the recorder and
//! the reader make boxes. Every parser takes bytes from anywhere: a wrong byte
//! gives an error or a smaller answer, never a panic, and no claimed count is
//! believed before it is checked.

/// The alert beside boxes: what happened and what to do, for people. No box.
pub const ALERT_FILE: &str = "CONSENSUS_FAILURE.txt";

mod compress;
mod crank_index;
mod frame;
mod identity;
mod index;
mod lenient;
mod manifest;
mod seek_table;
mod sink;
#[cfg(test)]
mod tests;
mod writer;
mod zstd_frame;

pub use crank_index::{Crank, CrankIndex, CrankIndexWriter};
pub use frame::{FRAME_FIELDS, FRAME_MAGIC};
pub use frame::{Field, FrameError, FrameHead, FrameKind, HEAD_LEN, Tag, is_skippable};
pub use identity::{FORMAT_VERSION, IDENTITY_LEN, Identity, IdentityError};
pub use index::IndexError;
pub use manifest::{
    BlockEntry, Coverage, FrameEntry, HostFingerprint, LIST_MAX, MANIFEST_MAX, Manifest, Missing,
    Span,
};
pub use seek_table::{
    EMPTY_CHECKSUM, FOOTER_FIELDS, FOOTER_LEN, FOOTER_MAGIC, Footer, SEEK_ENTRY_FIELDS,
    SEEK_FRAMES_MAX, SEEK_MAGIC, SeekEntry, SeekTable, SeekTableError,
};
pub use sink::BoxError;
pub use writer::THREAD_STACK;
pub use writer::{
    BlockFacts, BoxJoiner, BoxSummary, BoxWriter, JoinError, ManifestFields, Options,
};
pub use zstd_frame::{BLOCK_HEAD_LEN, BLOCK_MAX, BlockHead, ZSTD_HEAD_MAX, ZSTD_MAGIC, ZstdHead};
