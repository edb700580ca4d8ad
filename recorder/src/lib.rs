//! The recorder as a library: it keeps the last minutes of what a node executed in a ring on
//! disk, and freezes a black box out of it.
//!
//! A host that executes blocks itself links this crate and calls [`host::HostRecorder`]
//! (`libhaltbox` is the same for other languages). `haltbox-record`, the program beside a
//! node, is the crate `haltbox-daemon`: it has the sources of entries, CometBFT's RPC and
//! what an operator asks. This crate has no HTTP client, no TLS and no command line.
//!
//! ```text
//! host ------> recorder ----> ring (a file, mapped)
//!   |                           |
//!   +--> supervisor ----->   freeze ----> blackbox      after_freeze: alert, command, box_budget
//!        (triggers)             |
//!            +----------->   archive                    what the ring overwrites
//! ```
//!
//! ```no_run
//! use haltbox_model::Profile;
//! use haltbox_recorder::host::{HostRecorder, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new("/var/lib/node/haltbox".as_ref(), Profile::builtin("host")?);
//! let (recorder, notices) = HostRecorder::open(options)?;
//! notices.iter().for_each(|notice| eprintln!("{notice}"));
//! recorder.begin_block(12, 1_732_196_000_000_000_000, None)?;
//! recorder.record(br#"{"type":"tx-begin","tx":0,"digest":"5c1d"}"#)?;
//! recorder.end_block(12, None)?;
//! recorder.commit(12, None)?;
//! let frozen = recorder.freeze(Some(12))?;
//! println!("{}", frozen.path.display());
//! # Ok(())
//! # }
//! ```
//!
//! What a host needs:
//!
//! | module | what it does |
//! |---|---|
//! | [`host`] | the recorder inside a host: the calls an application makes |
//! | [`triggers`] | decides when trouble becomes a freeze |
//! | [`after_freeze`], [`box_budget`] | the alert file and the operator's command; how many boxes a folder holds, and which is removed first |
//! | [`size`] | reads and writes sizes such as `100MiB` |
//!
//! What these stand on, and `haltbox-daemon` with them. A module uses only modules below it:
//!
//! | module | what it does |
//! |---|---|
//! | [`supervisor`] | what brings a freeze about, and what comes of it: for the host's thread and for `haltbox record` |
//! | [`halt_message`], [`not_understood`] | what an operator reads at a halt, and where nothing of a log or slog is understood |
//! | [`old_rings`] | rings that were set aside because another size was asked for |
//! | [`freeze_request`] | which block a freeze is about, and whether the ring or the archive holds it |
//! | [`archive`] | keeps what the ring overwrites, compressed, within a budget of bytes |
//! | [`freeze`] | copies a block and its history out of the ring into a black box |
//! | [`attached`] | the folder that `haltbox record --attach` keeps beside a host's ring |
//! | [`recorder`] | takes entries, and puts records and marks into the ring |
//! | [`held_boxes`], [`blackbox`] | the folder of boxes: which blocks have one, and how a box is published |
//! | [`ring`], [`ring_profile`] | the ring's file, its writer and its map (all unsafe code); how another program reads its entries |
//! | [`source_entry`] | an entry as a source gives it |
//! | [`recorder_dir`] | a recorder's folder: what lies in it, and under which names |
//! | [`machine`], [`clock`], [`voice`] | the machine and its node's build, the time, where words for the operator go |
//! | [`host_threads`], [`owner_only`], [`open_regular`] | threads that leave the host's signals alone; files for their owner alone; files that are no FIFO |
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
pub mod after_freeze;
pub mod archive;
pub mod attached;
pub mod blackbox;
pub mod box_budget;
pub mod clock;
pub mod freeze;
pub mod freeze_request;
pub mod halt_message;
pub mod held_boxes;
pub mod host;
pub mod host_threads;
mod known_entries;
pub mod machine;
mod memory;
pub mod not_understood;
pub mod old_rings;
pub mod open_regular;
pub mod owner_only;
pub mod recorder;
pub mod recorder_dir;
pub mod ring;
pub mod ring_profile;
pub mod size;
pub mod source_entry;
pub mod supervisor;
pub mod triggers;
pub mod voice;
