//! Bytes of the Haltbox ring and black box.
//!
//! This crate is what the recorder and the reader both stand on. It opens no
//! file and uses no unsafe code: what it reads or writes is handed to it.
//! `docs/format.md` is the authority for every layout here.
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
mod read_at;
pub mod ring;
mod stream;

pub use app_hash::{AppHash, Digest, RingId};
pub use archive_name::ArchiveName;
pub use box_name::{BlockHash, BoxName};
pub use read_at::ReadAt;
pub use stream::{Lane, Stream};
