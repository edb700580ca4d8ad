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
//! | [`ring`], [`ring_profile`] | the ring: its writer, its file, its map (all unsafe code); how another program reads its entries |
//! | [`intake`] | where entries come from |
//! | [`triggers`], [`rpc`] | when trouble becomes a freeze; what other nodes say of it |
//! | `alarms` | what news brings about: words for the operator, boxes |
//! | [`freeze`], [`subject`], [`blackbox`] | black boxes: copied out of the ring, of what, into which folder |
//! | [`collect`] | what a node's RPC still tells of a block |
//! | [`archive`] | what the ring lets go |
//! | [`serve`], [`attach`], [`run`] | the programs: beside a node, beside a host, around a node |
//! | [`host`] | the recorder inside a host: what an application calls |
//! | [`operator`] | what the operator asks, sees and is told |
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
pub mod after_freeze;
pub mod archive;
pub mod attached;
pub mod blackbox;
pub mod clock;
pub mod console;
pub mod freeze;
pub mod given;
pub mod halt_message;
pub mod held_boxes;
pub mod host;
mod known_entries;
pub mod machine;
mod memory;
pub mod old_rings;
pub mod private;
pub mod quiet;
pub mod recorder;
pub mod regular;
pub mod ring;
pub mod ring_profile;
pub mod size;
pub mod subject;
pub mod triggers;
