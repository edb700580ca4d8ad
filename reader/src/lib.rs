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
pub mod compare;
pub mod execution;
pub mod fingerprint;
pub mod folder;
pub mod kind;
pub mod known_block;
mod placing;
pub mod report;
pub mod selecting;
pub mod slog_file;
pub mod source;
mod spool;
pub mod survey;
pub mod tape;
pub mod values;
pub mod verify;
pub mod vocabulary;

pub use kind::{Compression, Foreign, SNIFF_LEN, SourceKind};
pub use known_block::KnownBlock;
pub use placing::{Place, Placer};
pub use selecting::{Picked, Selection, Selector, Wanted};
pub use slog_file::{Damage, LinePart, MAX_PART, SlogFile, SlogItem, SlogLine};
pub use source::{Blocks, Hole, Item, Line, Source, SourceError, members, open};
pub use survey::{Row, Survey};
pub use verify::{Finding, ReadsFound, verify, verify_reads};
