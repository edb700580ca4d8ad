//! The C ABI of the recorder: what `haltbox.h` declares.
//!
//! ```text
//! C, Go  ->  calls  ->  border  ->  handle  ->  haltbox_recorder::host
//!            thin,      pointers,   fork,
//!            unsafe     panics      close
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`calls`] | the functions of the header, and its documentation |
//! | [`border`] | pointers become references, panics become a status; with `calls` and `shield`, all unsafe code |
//! | [`shield`] | a host's thread is not cancelled inside a call |
//! | [`handle`] | one open recorder, and what is left of a closed one |
//! | [`options`], [`span`], [`stats`] | the structs whose size tells their version |
//! | [`status`] | what a call answers |
#![allow(non_camel_case_types)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[cfg(not(panic = "unwind"))]
compile_error!("a panic must not end the host: build libhaltbox with panic = \"unwind\"");

mod border;
mod calls;
mod handle;
mod options;
mod shield;
mod span;
mod stats;
mod status;
