//! A virtual machine that records and loses its power: its disk, its slog, and its boot.

pub mod boot;
pub mod disk;
pub mod slog;
