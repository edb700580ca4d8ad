//! The reader as a library: it opens every kind of recording, says what it holds, and compares
//! two of them. It writes nothing, and it has no command line: `haltbox`, the program people
//! type, is the crate `haltbox-cli`.
//!
//! ```text
//! file, folder --> Source --> Item --> Attributor --> SourceSummary   what a recording holds
//!                     |
//!                     +--> trace --> compare --> Finding --> report       where two recordings diverge
//! ```
//!
//! What a box holds:
//!
//! ```no_run
//! use haltbox_model::Profile;
//! use haltbox_reader::{SourceSummary, open};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let source = open("12-3f9a.box".as_ref())?;
//! for block in &SourceSummary::of(&source, &Profile::builtin("agoric")?)?.blocks {
//!     println!("height {} attempt {}", block.height, block.attempt);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where two nodes diverge:
//!
//! ```no_run
//! use haltbox_model::Profile;
//! use haltbox_reader::compare::{diff::diff, recording::Recording};
//! use haltbox_reader::{open, report::text};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let profile = Profile::builtin("agoric")?;
//! let a = Recording::new("a.box".into(), open("a.box".as_ref())?, profile.clone());
//! let b = Recording::new("b.box".into(), open("b.box".as_ref())?, profile);
//! let finding = diff(&a, &b)?;
//! println!("{}", finding.verdict().name());
//! print!("{}", text::text(&finding, text::Colour(false)));
//! # Ok(())
//! # }
//! ```
//!
//! Reading:
//!
//! | module | what it does |
//! |---|---|
//! | [`source`], [`source_kind`] | opens any kind of recording, and reads its lines and what is missing between them |
//! | [`agoric_ring`], [`blackbox`], [`slog_file`], [`folder`] | the kinds of recordings: Agoric's flight recorder, boxes, slogs, a recorder's folder |
//! | [`fingerprint`] | the digests of a recording without its data |
//! | [`carrier`] | extracts an entry from what a log shipper wrapped around it |
//! | [`Attributor`], [`selection`] | finds the block and crank of a line; selects lines by them |
//! | [`block_index`], [`execution`], [`source_summary`] | what the blocks of a recording hold |
//! | [`verify`](mod@verify), [`signature`] | searches for damage; who signed a box |
//!
//! Comparing:
//!
//! | module | what it does |
//! |---|---|
//! | [`vocabulary`], [`values`] | what an entry means to a comparison; entries by their values |
//! | [`trace`] | a recording as blocks of steps, each with a digest |
//! | [`compare`] | finds the first step at which two recordings diverge, and the class of the fault |
//! | [`report`] | puts the result into words: text, JSON, a page; and incidents |
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod agoric_ring;
mod attribution;
pub mod blackbox;
mod block_files;
pub mod block_index;
pub mod block_inputs;
mod box_lines;
pub mod carrier;
pub mod compare;
pub mod count;
pub mod execution;
pub mod fingerprint;
pub mod folder;
mod held_lines;
mod item;
mod process_clock;
pub mod repeats;
pub mod report;
mod ring_source;
pub mod selection;
pub mod signature;
pub mod slog_file;
mod slog_lines;
pub mod source;
mod source_error;
pub mod source_kind;
pub mod source_summary;
mod spool;
pub mod trace;
pub mod values;
pub mod verify;
pub mod vocabulary;

pub use attribution::{Attribution, Attributor};
pub use block_index::IndexedBlock;
pub use selection::{SelectedLine, Selection, Selector, Wanted};
pub use slog_file::{Damage, LinePart, MAX_PART, SlogFile, SlogItem, SlogLine};
pub use source::{Blocks, Hole, Item, Line, NoSource, Source, SourceError, members, open};
pub use source_kind::{Compression, SNIFF_LEN, SourceKind, UnsupportedFormat};
pub use source_summary::{Row, SourceSummary};
pub use verify::{Finding, ReadsFound, verify, verify_reads};
