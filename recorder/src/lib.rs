//! The recorder.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
pub mod after_freeze;
pub mod archive;
pub mod attach;
pub mod blackbox;
pub mod clock;
pub mod control;
pub mod doctor;
pub mod freeze;
pub mod intake;
pub mod journal;
pub mod lines;
pub mod machine;
mod map;
pub mod message;
pub mod metrics;
pub mod old_rings;
pub mod passed;
pub mod populate;
pub mod prometheus;
pub mod pump;
pub mod recorder;
pub mod reserve;
pub mod ring;
mod ring_copy;
pub mod ring_file;
pub mod rpc;
pub mod run;
pub mod serve;
mod service;
pub mod signals;
pub mod status;
pub mod subject;
pub mod triggers;
