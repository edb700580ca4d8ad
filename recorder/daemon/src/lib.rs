//! The recorder's program beside a node.
//!
//! ```text
//! node -> intake -> serve -> haltbox_recorder: recorder, ring, freeze, archive
//!                     |
//!          rpc, alarms, operator
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`intake`] | reads entries: followed files, pipes, standard input, the journal |
//! | [`rpc`], [`collect`] | asks nodes by CometBFT's RPC: what they say of a height, and what they still hold of a block |
//! | `alarms` | turns news of the recorder into words for the operator and into boxes |
//! | [`serve`] | records beside a node: the loop around all of it |
//! | [`attach`] | freezes and archives beside a host that writes its ring itself |
//! | [`run`] | starts a node and keeps its slog and its log for a recorder beside it |
//! | [`operator`] | answers the operator: status, doctor, guard, metrics, the control socket |
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
mod alarms;
pub mod attach;
pub mod collect;
pub mod intake;
pub mod operator;
mod retry;
pub mod rpc;
pub mod run;
pub mod serve;
mod service;
mod signals;
