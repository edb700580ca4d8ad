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
//! What a host calls:
//!
//! | module | what it does |
//! |---|---|
//! | [`host`] | the recorder inside a host: the calls an application makes |
//! | [`triggers`] | decides when trouble becomes a freeze |
//! | [`after_freeze`], [`box_budget`] | after a box is written: the alert file, the operator's command, and which boxes a full folder loses first |
//!
//! The modules below carry these and `haltbox-daemon`. A module uses only
//! modules that stand further down:
//!
//! | module | what it does |
//! |---|---|
//! | [`supervisor`] | decides when to freeze and acts on the result, for the host's thread and for `haltbox record` |
//! | [`halt_message`], [`not_understood`] | the text an operator reads at a halt, and the warning when no line of a log or slog is understood |
//! | [`old_rings`] | rings that were renamed because the operator asked for another size |
//! | [`freeze_request`] | which block a freeze is about, and whether the ring or the archive has it |
//! | [`archive`] | compresses released blocks before the ring overwrites them, within a budget of bytes |
//! | [`freeze`] | copies a block and its history out of the ring into a black box |
//! | [`attached`] | the folder that `haltbox record --attach` keeps beside a host's ring |
//! | [`recorder`] | takes entries, and writes records and marks into the ring |
//! | [`signing`] | signs a durable box by `ssh-keygen` |
//! | [`held_boxes`], [`blackbox`] | the folder of boxes: which blocks have one, and how a box is published |
//! | [`ring`], [`ring_profile`] | the ring's file, its writer and its map (all unsafe code); the copy of the profile that readers of the ring use |
//! | [`source_entry`] | an entry as a source gives it |
//! | [`recorder_dir`] | the names of all files in a recorder's folder |
//! | [`machine`], [`clock`], [`voice`] | facts about the machine and the node's build; the time; where messages for the operator go |
//! | [`host_threads`], [`owner_only`], [`open_regular`] | threads that take no signals of the host; files that only their owner reads; opening files without waiting on a FIFO |
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
pub mod signing;
pub mod source_entry;
pub mod supervisor;
pub mod triggers;
pub mod voice;
