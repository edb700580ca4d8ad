//! What the entries of a recording mean.
//!
//! Read this crate to learn which entry begins a block, when a block is released, what
//! gives a HASH, and what counts as trouble. It builds on `haltbox-format`, which knows
//! where a byte stands in a file. The recorder and the reader build on both.
//!
//! ```text
//! slog entry --SlogRules--> events --\
//!      |                              Lifecycle --> marks, in the ring --History--> blocks
//!      |     node log line --NodeLog--> events --/
//!      +--CanonicalRules--> canonical line --BlockHasher--> HASH
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`profile`] | profiles: what entries mean, chain by chain, as data |
//! | [`SlogRules`], [`CanonicalRules`] | one slog entry: its lane, its events, its canonical form |
//! | [`BlockHasher`] | HASH: the canonical lines of a block's execution |
//! | [`NodeLog`], [`NodeRules`] | lines of the node's log, in every grammar that nodes print |
//! | [`Event`] | what an entry says about the life of a block |
//! | [`lifecycle`] | the life of a block: events become marks, marks change blocks |
//! | [`history`] | the state of all blocks, folded from the marks of a ring |
//! | [`Redactor`] | replaces the values of an entry that must not leave the machine |
//! | [`Inputs`] | the inputs of a block, in short form |
//! | [`block_files`] | Agoric's file for each block: names, and which files follow each other |
//! | [`quote`], [`outside`] | the short form of a box for messages; safe display of untrusted text |
//! | [`json`] | positions of members and values in raw JSON |
//! | [`size`] | reads and writes sizes such as `100MiB` |
//!
//! Profiles know the chains; the code knows none. The crate opens no file, uses no unsafe
//! code and starts no thread.
//!
//! # Examples
//! Read the events of a slog line, and compute the HASH of a block:
//! ```
//! use haltbox_model::{BlockHasher, Event, Profile};
//!
//! let profile = Profile::builtin("host")?;
//! let rules = profile.slog.expect("the profile has a slog");
//! let execution = [
//!     br#"{"type":"begin-block","height":7,"time":"7.000000000"}"#.as_slice(),
//!     br#"{"type":"end-block","height":7,"appHash":"00"}"#,
//! ];
//! let begin = rules.read(execution[0]);
//! assert!(begin.canonical);
//! assert_eq!(
//!     begin.events().next(),
//!     Some(Event::Begin { height: 7, early: false })
//! );
//!
//! let mut hasher = BlockHasher::new(rules.canonical(), 7);
//! for line in execution {
//!     hasher.line(line);
//! }
//! let hash = hasher.finish().expect("the lines are the host's own");
//! println!("7-{hash}");
//! # assert_eq!(hash.to_string(), "b855d81ed28d1c9a0e1d0f6662090e2b");
//! # Ok::<(), haltbox_model::ProfileError>(())
//! ```
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
pub mod size;
mod slog;
mod wrapped;

pub use canonical::CanonicalRules;
pub use event::{Break, Event, FailedOver, Mismatch, Refusal, Weight};
pub use hash::BlockHasher;
pub use inputs::{InputRules, Inputs, ToldInput};
pub use node_log::{NodeLog, NodeRules, Unread};
pub use outside::{Outside, ShowPath};
pub use profile::{Profile, ProfileError};
pub use quote::{differs, quote};
pub use redact::{KEY_MIN, RedactKey, RedactRules, Redactor};
pub use slog::{SlogEntry, SlogRules};
