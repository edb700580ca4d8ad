//! The recorder: what runs beside a node, or inside it.
//!
//! ```text
//! node -> intake -> recorder -> ring            serve: the loop around it
//!                      |         |  \
//!                  triggers   freeze  archive   after_freeze: alert, command, budget
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`recorder`] | entries go in, records and marks go into the ring |
//! | [`ring`], [`ring_file`], `map` (all unsafe code), [`populate`], [`old_rings`], [`machine`] | the ring's file, and who may write it |
//! | [`intake`], [`lines`], [`journal`], [`passed`] | where entries come from |
//! | [`triggers`], [`rpc`] | when trouble becomes a freeze; what other nodes say of it |
//! | [`freeze`], `ring_copy`, [`blackbox`], [`reserve`], [`subject`] | black boxes |
//! | [`archive`] | what the ring lets go |
//! | [`serve`], [`attach`], [`run`], [`pump`] | the programs: beside a node, beside a host, around a node |
//! | [`control`], [`status`], [`prometheus`], [`metrics`], [`doctor`], [`message`], [`after_freeze`] | what the operator asks, sees and is told |
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
