//! The reader: opens every kind of source, read-only, and hands on what it
//! holds in the order in which it was recorded.
//!
//! A source gives [`Item`]s; a [`Placer`] says to which block a line belongs;
//! a [`Survey`] adds up what the blocks hold. The commands stand on these.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod agoric_ring;
pub mod blackbox;
mod block_files;
pub mod carrier;
pub mod commands;
pub mod compare;
mod execution;
pub mod fingerprint;
mod folder;
mod kind;
mod known_block;
mod placing;
mod report;
mod selecting;
mod slog_file;
mod source;
mod spool;
mod survey;
pub mod tape;
pub mod values;
mod verify;
pub mod vocabulary;

pub use kind::{Compression, Foreign, SNIFF_LEN, SourceKind};
pub use known_block::KnownBlock;
pub use placing::{Place, Placer};
pub use selecting::{Picked, Selection, Selector, Wanted};
pub use slog_file::{Damage, LinePart, MAX_PART, SlogFile, SlogItem, SlogLine};
pub use source::{Blocks, Hole, Item, Line, Source, SourceError, members, open};
pub use survey::{Row, Survey};
pub use verify::{Finding, ReadsFound, verify, verify_reads};
