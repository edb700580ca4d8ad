//! The recorder's program beside a node.
//!
//! ```text
//! node -> sources -> intake -> serve -> haltbox_recorder: recorder, ring, supervisor, freeze
//!                                |
//!              rpc, operator
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`sources`] | reads bytes: followed files, FIFOs, standard input, the journal |
//! | [`intake`] | makes entries of a stream of them, and says how far it is read |
//! | [`rpc`], [`collect`] | asks nodes by CometBFT's RPC: what they say of a height, and what they still hold of a block |
//! | [`serve`] | records beside a node: the loop around all of it |
//! | [`attach`] | freezes and archives beside a host that writes its ring itself |
//! | [`run`] | starts a node and keeps its slog and its log for a recorder beside it |
//! | [`console`] | prints on standard output and standard error |
//! | [`operator`] | answers the operator: status, doctor, guard, metrics, the control socket |
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
pub mod attach;
pub mod collect;
pub mod console;
pub mod intake;
pub mod operator;
pub mod rpc;
pub mod run;
pub mod serve;
mod service;
mod signals;
pub mod sources;
