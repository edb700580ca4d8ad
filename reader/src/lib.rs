//! The reader.

pub mod agoric_ring;
pub mod blackbox;
