//! The black box (and archive) file: what each byte means.
//!
//! A box is a valid Zstandard file. Slog lines are ordinary zstd frames and all else
//! stands in skippable frames, so `zstd -dc BOX` prints the slog.
//!
//! ```text
//! identity | slog frames ... | node, context, marks | cranks | manifest | seek table
//! ```
//!
//! This module opens and names no file. [`BoxWriter`] writes lines as a box to any
//! [`std::io::Write`] that can seek, because the recorder and the reader both make boxes.
//! Every parser accepts untrusted bytes: a wrong byte gives an error or a smaller answer,
//! never a panic. A parser checks every count before it uses it.

/// Name of the alert file beside the boxes, which tells people what happened and what to
/// do. It is not a box.
pub const ALERT_FILE: &str = "CONSENSUS_FAILURE.txt";

/// End of the name of a box's signature, which lies beside the box.
pub const SIGNATURE_SUFFIX: &str = ".sig";
/// Namespace of the signature: one that was made for another purpose counts for no box.
pub const SIGNATURE_NAMESPACE: &str = "haltbox-box";
/// Most bytes of a signature that are read.
pub const SIGNATURE_MAX: u64 = 64 << 10;
/// First line of a signature.
pub const SIGNATURE_HEAD: &[u8] = b"-----BEGIN SSH SIGNATURE-----\n";

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
