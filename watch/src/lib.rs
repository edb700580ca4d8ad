//! Cross-chain messages between OP Stack chains: what they are, and which of them are
//! valid.
//!
//! ```text
//! log of the inbox -> message -> validity <- log of the chain it names
//!                        |          ^
//!                  access_list      dependency_set
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`message`] | an executing message and the log it names: hashes, checksum |
//! | [`access_list`] | what a transaction has to declare of the messages it executes |
//! | [`dependency_set`] | chains that may send messages to one another, and for how long |
//! | [`validity`] | whether a message holds: the rules, and a reason for each that is broken |
//! | [`rpc`], [`chain`] | JSON-RPC, and what the nodes of a chain tell |
//! | [`check`] | the light check of an access list, as a command and as a server |
//!
//! Only [`rpc`] opens a connection, and only the server of [`check`] takes one: the rules
//! are handed what chains tell.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod access_list;
pub mod alert;
pub mod book;
pub mod chain;
pub mod check;
pub mod dependency_set;
pub mod finder;
pub mod incident;
pub mod message;
pub mod metrics;
pub mod pages;
pub mod rpc;
pub mod tape;
pub mod validity;
pub mod watcher;
