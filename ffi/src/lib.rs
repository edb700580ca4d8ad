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
//! | [`handle`] | the handle of a recorder, open or closed |
//! | [`options`], [`span`], [`stats`] | the structs of the ABI, whose size gives their version |
//! | [`status`] | the results of calls |
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
