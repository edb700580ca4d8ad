//! What the operator asks, sees and is told.

pub mod after_freeze;
pub mod attached;
mod block_folder;
mod callers;
pub mod concerns;
pub(crate) mod contents;
pub mod control;
pub mod doctor;
pub mod guard;
pub mod message;
pub(crate) mod metrics;
pub mod prometheus;
pub mod size;
pub mod status;
pub mod try_log;
