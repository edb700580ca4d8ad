//! Fuzz targets: every reader of bytes from outside, as a function of bytes.
//!
//! ```text
//! corpus/TARGET/*  --+
//! seeds of a target --+--> run(bytes): no panic, no endless loop, and what the target claims
//! a fuzzer's bytes --+
//! ```
//!
//! `cargo test -p haltbox-fuzz` runs each target on its corpus and for a second on mutations of
//! it, on any toolchain. `tests/fuzz/run TARGET SECONDS` runs it under libFuzzer, guided by
//! coverage, with AddressSanitizer where a nightly toolchain is installed.

pub mod file;
pub mod mutate;
pub mod seeds;
pub mod stub;
pub mod targets;

/// A reader of bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and of its folder in `corpus`.
    pub name: &'static str,
    /// Reads the bytes. A panic is a fault.
    pub run: fn(&[u8]),
    /// Inputs to start from, besides the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    targets::ring::PATCHED,
    targets::ring::RECORDS,
    targets::ring::MARKS,
    targets::blackbox::FILE,
    targets::blackbox::PARTS,
    targets::blackbox::WRITTEN,
    targets::agoric::RING,
    targets::json::CUTTER,
    targets::entries::SLOG,
    targets::entries::HASH,
    targets::entries::SLOW_HASH,
    targets::entries::NODE_LOG,
    targets::profile::PROFILE,
    targets::recordings::ANY,
    targets::recordings::PAIR,
    targets::recordings::SAME,
    targets::watch::ENTRY,
    targets::collect::ANSWERS,
    targets::comet::ANSWERS,
    targets::op_node::ANSWERS,
    targets::servers::CONTROL,
    targets::servers::PAGES,
    targets::servers::CHECK,
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
