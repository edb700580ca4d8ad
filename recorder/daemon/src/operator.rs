//! What the operator asks, sees and is told.

pub mod attached;
mod block_folder;
mod callers;
pub mod concerns;
pub(crate) mod contents;
pub mod control;
pub mod doctor;
pub mod guard;
pub(crate) mod metrics;
pub mod prometheus;
pub mod status;
pub mod try_log;
