//! Cross-chain messages between OP Stack chains: reads them, judges them, watches them.
//!
//! ```text
//! log of the inbox -> message -> validity <- log of the chain it names
//!                        |          ^
//!                  access_list      dependency_set
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`message`] | an executing message, and the log that it names: hashes, checksum |
//! | [`access_list`] | the entries by which a transaction declares the messages that it executes |
//! | [`dependency_set`] | the chains that may send messages to each other, and for how long one is valid |
//! | [`validity`] | the rules for a valid message, and the reason if one is broken |
//! | [`rpc`], [`chain`] | JSON-RPC; heads, blocks and logs of a chain's nodes |
//! | [`check`] | the light check of an access list, as a command and as a server |
//! | [`checks`] | checks by other programs, by stage: for the tape and the metrics |
//! | [`stages`] | the stages at which a transaction is checked, and their counts and times |
//! | [`finder`] | follows one chain block by block, and finds reorgs |
//! | [`bridge`] | the ETH that messages move |
//! | [`book`] | all unsettled messages, and their standing |
//! | [`incident`] | an invalid message, from its block until that is replaced for good |
//! | [`tape`] | the recording: a ring for each chain |
//! | `watched_chain` | the state of one chain: its tape, its heads, its incidents |
//! | [`watcher`] | the loop that connects all of them; [`alert`], [`metrics`], [`pages`] report its state |
//!
//! Only [`rpc`] opens connections, and only the servers of [`check`] and [`pages`] accept
//! them. The rules and the book get the chains' answers as arguments.
//!
//! # Examples
//! Declare a message in an access list, then judge it against the log that it names:
//! ```
//! use alloy_primitives::{Address, LogData, keccak256};
//! use haltbox_watch::access_list::{self, Declared};
//! use haltbox_watch::dependency_set::DependencySet;
//! use haltbox_watch::message::{Digested, Log, Message, Place};
//! use haltbox_watch::validity::{Broken, Executing, Lookup, Validity, judge};
//!
//! let set = DependencySet::read(br#"{"dependencies": {"901": {}, "902": {}}}"#)?;
//!
//! // A contract on chain 901 emitted this log, the only one of block 48.
//! let log = Log {
//!     address: Address::repeat_byte(7),
//!     data: LogData::new_unchecked(vec![keccak256("Hello(bytes)")], b"hello".into()),
//! };
//! let message = Message {
//!     place: Place { chain: 901.into(), block: 48, timestamp: 1000, log: 0 },
//!     origin: log.address,
//!     payload: log.payload(),
//! };
//!
//! // A transaction on chain 902 that executes the message must declare these entries.
//! let declared = Declared::of(&message);
//! assert_eq!(access_list::read(&declared.entries()), Ok(vec![declared]));
//!
//! // The message is valid if the log is there, and invalid if the block has no log.
//! let executing = Executing { chain: 902.into(), timestamp: 1002 };
//! let there = Lookup::Block { timestamp: 1000, logs: 1, log: Some(Digested::from(&log)) };
//! assert_eq!(judge(&message, executing, &there, &set), Validity::Valid);
//! let empty = Lookup::Block { timestamp: 1000, logs: 0, log: None };
//! let broken = Broken::NoLog { logs: 0 };
//! assert_eq!(judge(&message, executing, &empty, &set), Validity::Invalid(broken));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
pub mod stages;
pub mod tape;
pub mod validity;
mod watched_chain;
pub mod watcher;
