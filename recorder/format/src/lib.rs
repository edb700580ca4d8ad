//! Bytes of the Haltbox ring and black box.
//!
//! This crate is what the recorder and the reader both stand on. It does no
//! I/O, uses no unsafe code and starts no thread: it turns bytes into meaning
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
mod event;
pub mod lifecycle;
pub mod mark;
pub mod ring;
mod stream;

pub use app_hash::{AppHash, Digest};
pub use event::{Event, Mismatch};
pub use stream::{Lane, Stream};
