//! Bytes of the Haltbox ring and black box.
//!
//! Read this crate to learn where a byte stands in a file and how it is proved. The crate
//! does not know what an entry means: `haltbox-model` does, and builds on this crate. The
//! recorder and the reader build on both.
//!
//! ```text
//! ring       superblocks | spine lane: marks | local lane | main lane: entries
//!                              |                               |
//! black box  identity | entries, as zstd frames | node log, marks | manifest | seek table
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`ring`] | the ring: superblocks, segments, records; recovery; all lanes in one order |
//! | [`mark`] | marks: the recorder's own records in the ring, about blocks, sources and losses |
//! | [`blackbox`] | the black box: its frames, its index, and the writer of both |
//! | [`attached`] | files of an attached recorder, beside the ring that its host writes |
//! | [`BoxName`], [`archive_name`] | names of boxes and of archive files |
//! | [`AppHash`], [`Digest`], [`RingId`], [`BlockHash`] | hashes and ids: hex in text, bytes in files |
//! | [`Lane`], [`Stream`] | the lanes of a ring, the streams of a host |
//! | [`ReadAt`] | positioned reads, all that this crate needs of a file |
//!
//! The crate opens no file and uses no unsafe code: callers pass in what it reads or
//! writes. A wrong byte gives an error or a smaller answer, never a panic.
//! `docs/format.md` is the authority for every layout; tests hold the code to it.
//!
//! # Examples
//! Write a box, then read its first page and its index:
//! ```
//! use haltbox_format::blackbox::{
//!     BlockFacts, BoxWriter, Identity, IDENTITY_LEN, Manifest, ManifestFields, Options,
//! };
//! use std::io::Cursor;
//!
//! let mut file = Cursor::new(Vec::new());
//! let mut writer = BoxWriter::new(&mut file, &Options::default())?;
//! writer.block_begin(7, 1);
//! writer.slog(br#"{"type":"begin-block","height":7}"#, true)?;
//! writer.slog(br#"{"type":"end-block","height":7}"#, true)?;
//! writer.block_end(BlockFacts::default());
//! let identity = Identity {
//!     name: "7-incomplete".to_owned(),
//!     height: Some(7),
//!     ..Identity::default()
//! };
//! writer.finish(identity, ManifestFields::default())?;
//!
//! let bytes = file.into_inner();
//! let identity = Identity::parse(&bytes[..IDENTITY_LEN])?;
//! assert!(identity.complete);
//! let manifest = Manifest::read(&bytes)?;
//! assert_eq!((manifest.blocks[0].height, manifest.blocks[0].lines), (7, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! Print the entries of a ring in the order of execution:
//! ```no_run
//! use haltbox_format::Lane;
//! use haltbox_format::ring::{Found, RecordCursor, RingView};
//!
//! let file = std::fs::File::open("ring")?;
//! let view = RingView::read(&file)?;
//! let mut entries = RecordCursor::new(&file, &view, Lane::Main);
//! while let Some(found) = entries.next()? {
//!     match found {
//!         Found::Record(record) => println!("{}", record.payload.escape_ascii()),
//!         missing => println!("not there: {missing:?}"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
mod box_name;
pub mod mark;
mod name_error;
mod read_at;
pub mod ring;
#[doc(hidden)]
pub mod simulated;
mod stream;

pub use app_hash::{AppHash, Digest, HexError, RingId};
pub use archive_name::ArchiveName;
pub use box_name::{BlockHash, BoxName};
pub use name_error::NameError;
pub use read_at::ReadAt;
pub use stream::{Lane, Stream};
