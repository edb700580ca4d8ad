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
//! | [`checks`] | checks that others did, by stage: onto the tape and into the metrics |
//! | [`finder`] | one chain, block by block, and back where it was replaced |
//! | [`bridge`] | ETH that messages move |
//! | [`book`] | what is known of messages that are not settled, and what changes it |
//! | [`incident`] | an invalid message until it is replaced for good |
//! | [`tape`] | what was seen, in a ring for each chain |
//! | `watched_chain` | what is known of one chain: its tape, its heads, its incidents |
//! | [`watcher`] | the loop that joins them; [`alert`], [`metrics`], [`pages`] tell of it |
//!
//! Only [`rpc`] opens a connection, and only the servers of [`check`] and [`pages`] take
//! one. The rules and the book are handed what chains tell.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod access_list;
pub mod alert;
mod arguments;
pub mod book;
pub mod bridge;
pub mod chain;
pub mod check;
pub mod checks;
pub mod dependency_set;
pub mod finder;
mod http;
pub mod incident;
pub mod level;
pub mod message;
pub mod metrics;
pub mod opinion;
pub mod pages;
pub mod rpc;
pub mod tape;
pub mod validity;
mod watched_chain;
pub mod watcher;
