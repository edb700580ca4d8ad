//! The stream of an entry, and the lane of the ring that holds it.

use serde::{Deserialize, Serialize};

/// The host's stream that an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// What the host executed: Agoric's slog, or the records of a linked host.
    Slog,
    /// The node's log: it contains the AppHash, and the failure.
    Node,
}

impl Stream {
    /// The word used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Slog => "slog",
            Stream::Node => "node",
        }
    }
}

/// One of the three lanes of a ring. Every lane has its own sequence counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Block records.
    Main,
    /// Marks only, so that hashes outlive the entries.
    Spine,
    /// Node-local entries. They have their own lane, so that they never evict block
    /// records.
    Local,
}

impl Lane {
    /// Every lane, in the order of their numbers in the file.
    pub const ALL: [Lane; 3] = [Lane::Main, Lane::Spine, Lane::Local];

    /// The lane's number in a segment header.
    pub fn number(self) -> u8 {
        match self {
            Lane::Main => 0,
            Lane::Spine => 1,
            Lane::Local => 2,
        }
    }

    /// The word used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Main => "main",
            Lane::Spine => "spine",
            Lane::Local => "local",
        }
    }
}
