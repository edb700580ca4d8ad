//! The commands of `haltbox`, the program that people type.
//!
//! Each command is a module with its arguments and a function `run`, which prints the result
//! and returns an [`Outcome`](commands::Outcome). The work is in `haltbox-reader`. This crate
//! adds arguments, output and exit codes. It starts the sibling programs for the commands that
//! need a recorder or a watcher.
//!
//! ```text
//! arguments --> haltbox --> command: run --> haltbox-reader: open, compare, report
//!                  |           |
//!                  |           +--> output: text or JSON; Outcome: exit code 0, 1 or 2
//!                  |
//!                  +--> Sibling: haltbox-record (record, run, freeze, collect, status, doctor, guard)
//!                                haltbox-watch (check, watch)
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`info`](commands::info), [`ls`](commands::ls), [`verify`](commands::verify) | what a source holds, its blocks, its damage |
//! | [`cat`](commands::cat), [`extract`](commands::extract), [`redact`](commands::redact) | the lines of a source, a part of it as a box, a box without its values |
//! | [`diff`](commands::diff), [`compare`](commands::compare), [`fingerprint`](commands::fingerprint) | the first step at which two nodes diverge, groups of any number of nodes, digests to publish |
//! | [`report`](commands::report) | the incidents that a watcher recorded |
//! | [`sibling`](commands::sibling) | the programs that run the other commands |
//! | [`output`](commands::output) | the only way in which commands print |
//! | [`confinement`] | gives up the rights that a command that reads does not need |
//!
//! # Examples
//! Compare the recordings of two validators, one of which executed something else in block 13:
//! ```
//! use haltbox_cli::commands::compare::compare;
//!
//! let sources = ["data/honest-a-12-13.slog.zst", "data/divergent-kv-12-13.slog.zst"];
//! let answer = compare(&sources.map(Into::into), None)?;
//! assert_eq!(answer.exit, 1, "they differ");
//! for group in &answer.groups {
//!     println!("{}: {:?}", group.nodes.join(", "), group.leaves_at);
//! }
//! assert_eq!(answer.groups.len(), 2);
//! assert_eq!(answer.groups[1].leaves_at, Some(13));
//! # Ok::<(), anyhow::Error>(())
//! ```
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod commands;
pub mod confinement;
