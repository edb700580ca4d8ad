//! The recorder's program beside a node: it reads what the node writes, asks nodes by RPC,
//! freezes black boxes, and answers the operator.
//!
//! Read this crate to learn how bytes of a node become entries, and what the commands
//! `haltbox record`, `run`, `freeze`, `collect`, `status`, `doctor` and `guard` do. It
//! builds on `haltbox-recorder`, which writes the ring and the boxes. `haltbox-watch`
//! uses its sources.
//!
//! ```text
//!  the node                              other nodes
//!     | slog, log                            | RPC
//!     v                                      v
//!  sources --bytes--> intake --entries-->  serve  <--- rpc, collect
//!                                            |  ^
//!                                            |  +----> operator: status, doctor, guard,
//!                                            |         metrics, control socket
//!                                            v
//!                          haltbox_recorder: recorder, ring, supervisor, freeze
//!
//!  run     starts the node and a recorder, and keeps slog and output for it
//!  attach  is the loop in place of serve where the host writes its ring itself
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`sources`] | reads bytes: followed files, folders, FIFOs, standard input, the journal |
//! | [`intake`] | cuts the bytes of a source into entries, and marks how far it was read |
//! | [`rpc`] | asks nodes by CometBFT's RPC what they say about a height |
//! | [`collect`] | asks a node for everything that it still has of a block |
//! | [`serve`] | the loop that records beside a node |
//! | [`attach`] | the loop that freezes and archives beside a host that writes its ring itself |
//! | [`run`] | starts a node, and keeps its slog and its log for a recorder beside it |
//! | [`exposition`] | writes metrics as Prometheus reads them |
//! | [`operator`] | answers the operator: status, doctor, guard, metrics, the control socket |
//! | [`console`] | prints on standard output and standard error |
//!
//! The loops never make the node wait: a source that the node writes into is read while a
//! thread writes a box. The text of an error is a sentence for the operator; the program
//! prints it and exits with 2.
//!
//! # Examples
//! What [`serve`] does, in small: read a node's slog into a ring, then ask for the status.
//! ```
//! use haltbox_daemon::intake::{Place, Source, Turn};
//! use haltbox_daemon::operator::inspect;
//! use haltbox_format::{Lane, Stream};
//! use haltbox_model::Profile;
//! use haltbox_recorder::recorder::{Config, Recorder};
//! use haltbox_recorder::ring::file::RingOptions;
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let slog = dir.join("slog.jsonl");
//! std::fs::write(&slog, "{\"type\":\"begin-block\",\"height\":7,\"time\":\"7.000000000\"}\n")?;
//!
//! let ring = RingOptions { size: 4 << 20, in_host: false, engine: None };
//! let profile = Profile::builtin("host")?.into();
//! let config = Config { ring, profile, node_lane: Lane::Local, own_start: false, populate: false };
//! let mut recorder = Recorder::open(&dir.join("ring"), config)?.recorder;
//! let mut source = Source::open(Stream::Slog, &Place::Path(slog), None, 0)?;
//! let mut record = |entry: haltbox_recorder::source_entry::Given<'_>| {
//!     recorder.record(Stream::Slog, entry);
//! };
//! while source.turn(&mut record).0 == Turn::Progress {}
//! recorder.close();
//!
//! let status = inspect::look(dir)?;
//! assert_eq!((status.head, status.records), (Some(7), 1));
//! print!("{}", status.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
pub mod attach;
pub mod collect;
pub mod console;
pub mod exposition;
pub mod intake;
pub mod operator;
pub mod rpc;
pub mod run;
pub mod serve;
mod service;
mod signals;
pub mod sources;
