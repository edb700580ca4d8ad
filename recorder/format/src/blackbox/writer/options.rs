//! How a box is written, and what the caller adds to its manifest.

use crate::blackbox::identity::Identity;
use crate::blackbox::manifest::{BlockEntry, Coverage, HostFingerprint, Manifest, Missing};

/// How a box is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is known when writing begins; it stands in the file, marked as not
    /// complete, until [`BoxWriter::finish`](super::BoxWriter::finish).
    pub draft: Identity,
    /// zstd level, 1 to 22. Default 1.
    pub level: i32,
    /// Uncompressed bytes of a frame of slog lines. Default 1 MiB: at level 1
    /// that costs under 1 % against one frame for all.
    pub frame_bytes: usize,
    /// Uncompressed bytes of a frame of a side stream. Default 256 KiB.
    pub side_frame_bytes: usize,
    /// Compressed bytes of side frames that are held back until the slog is
    /// written; beyond it they are written between slog frames. Default 16 MiB.
    pub held_bytes: usize,
    /// Each block begins with a frame of its own, so that it can be taken out
    /// of the box without being compressed again. Default false.
    pub frame_per_block: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            draft: Identity::default(),
            level: 1,
            frame_bytes: 1 << 20,
            side_frame_bytes: 256 << 10,
            held_bytes: 16 << 20,
            frame_per_block: false,
        }
    }
}

/// What the manifest says beyond what the writer itself knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManifestFields {
    /// What the box covers.
    pub coverage: Coverage,
    /// Records dropped or overwritten.
    pub losses: Vec<Missing>,
    /// Records that are not there.
    pub holes: Vec<Missing>,
    /// The machine and the builds.
    pub host: HostFingerprint,
    /// What the file was made from, if not from a ring.
    pub origin: Option<String>,
}

impl ManifestFields {
    /// The manifest of a complete box; its frames are still to be listed.
    pub(super) fn manifest(self, identity: Identity, blocks: Vec<BlockEntry>) -> Manifest {
        Manifest {
            identity: Identity {
                complete: true,
                ..identity
            },
            coverage: self.coverage,
            losses: self.losses,
            holes: self.holes,
            blocks,
            host: self.host,
            origin: self.origin,
            ..Manifest::default()
        }
    }
}
