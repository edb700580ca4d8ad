//! What the entries of a recording mean.
//!
//! It stands on the bytes of haltbox-format, and the recorder and the reader
//! both stand on it. It opens no file, uses no unsafe code and starts no thread.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod block_files;
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
mod node_log;
pub mod outside;
pub mod profile;
mod quote;
#[cfg(test)]
mod recordings;
mod redact;
mod slog;
mod wrapped;

pub use canonical::CanonicalRules;
pub use event::{Break, Event, FailedOver, Mismatch, Refusal, Weight};
pub use hash::BlockHasher;
pub use inputs::{InputRules, Inputs, ToldInput};
pub use node_log::{NodeLog, NodeRules, Unread};
pub use outside::{Outside, ShowPath};
pub use profile::{Profile, ProfileError};
pub use quote::quote;
pub use redact::{KEY_MIN, RedactKey, RedactRules, Redactor};
pub use slog::{SlogEntry, SlogRules};
