//! What the operator asks, and the answers: status, doctor, guard, metrics, the
//! control socket.

pub mod attached;
mod block_folder;
mod callers;
pub mod concern;
mod concerns;
pub(crate) mod contents;
pub mod control;
pub mod doctor;
pub mod guard;
pub mod inspect;
pub(crate) mod metrics;
pub mod prometheus;
pub mod source_state;
pub mod status;
pub mod try_log;
