//! The recorder.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
pub mod clock;
pub mod machine;
mod map;
pub mod populate;
pub mod ring;
pub mod ring_file;
