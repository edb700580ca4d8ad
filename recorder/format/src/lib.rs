//! Bytes of the Haltbox ring and black box.
//!
//! This crate is what the recorder and the reader both stand on. It opens no
//! file, uses no unsafe code and starts no thread: it turns bytes into meaning
//! and meaning into bytes. `docs/format.md` is the authority for every layout
//! here.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[cfg(not(target_endian = "little"))]
compile_error!(
    "Haltbox's ring is little-endian and mapped as it stands: big-endian targets are not supported"
);

mod app_hash;
pub mod archive_name;
pub mod attached;
pub mod blackbox;
pub mod block_files;
mod box_name;
mod canonical;
mod entry_type;
mod event;
mod fault;
mod hash;
pub mod history;
mod inputs;
pub mod json;
pub mod lifecycle;
mod log_line;
pub mod mark;
mod node_log;
pub mod outside;
pub mod profile;
mod quote;
mod read_at;
#[cfg(test)]
mod recordings;
mod redact;
pub mod ring;
mod slog;
mod stream;
mod wrapped;

pub use app_hash::{AppHash, Digest, RingId};
pub use archive_name::ArchiveName;
pub use box_name::{BlockHash, BoxName};
pub use canonical::CanonicalRules;
pub use event::{Break, Event, FailedOver, Mismatch, Refusal, Weight};
pub use hash::BlockHasher;
pub use inputs::{InputRules, Inputs};
pub use node_log::{NodeLog, NodeRules, Unread};
pub use outside::{Outside, ShowPath};
pub use profile::{Profile, ProfileError};
pub use quote::quote;
pub use read_at::ReadAt;
pub use redact::{KEY_MIN, RedactKey, RedactRules, Redactor};
pub use slog::{SlogEntry, SlogRules};
pub use stream::{Lane, Stream};
