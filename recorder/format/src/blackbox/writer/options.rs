//! Options of a box writer, and what the caller adds to the manifest.

use crate::blackbox::identity::Identity;
use crate::blackbox::manifest::{BlockEntry, Coverage, HostFingerprint, Manifest, Missing};

/// Options of a box writer.
#[derive(Clone, Debug)]
pub struct Options {
    /// Identity at the start of writing. The file has it, marked as not complete, until
    /// [`BoxWriter::finish`](super::BoxWriter::finish).
    pub draft: Identity,
    /// zstd level, 1 to 22. Default 1.
    pub level: i32,
    /// Uncompressed bytes of a slog frame. Default 1 MiB: at level 1 the box grows by
    /// under 1 % against one frame for all.
    pub frame_bytes: usize,
    /// Uncompressed bytes of a side frame. Default 256 KiB.
    pub side_frame_bytes: usize,
    /// Compressed bytes of side frames that the writer holds back until the slog is
    /// written. Beyond that it writes them between slog frames. Default 16 MiB.
    pub held_bytes: usize,
    /// Whether each block begins with a new frame, so that it can be copied out of the
    /// box without compressing it again. Default false.
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

/// Manifest fields that the writer does not know itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManifestFields {
    /// What the box covers.
    pub coverage: Coverage,
    /// Records that the recorder reported as dropped or overwritten.
    pub losses: Vec<Missing>,
    /// Records that are missing.
    pub holes: Vec<Missing>,
    /// The machine and the builds.
    pub host: HostFingerprint,
    /// Source of the file if that is not a ring.
    pub origin: Option<String>,
}

impl ManifestFields {
    /// The manifest of a complete box, still without its list of frames.
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
