//! The streams that a box holds, and the frames that each is in.

use haltbox_format::blackbox::{FrameKind, Tag};

/// A stream of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxStream {
    /// What the host executed.
    Slog,
    /// The node's log around the failure.
    Node,
    /// The node's own entries, which other nodes do not have.
    Context,
    /// Marks of the spine. Each comes as a line without a line feed.
    Marks,
    /// What other nodes answered about the block.
    Evidence,
}

impl BoxStream {
    pub(crate) fn kind(self) -> FrameKind {
        match self {
            BoxStream::Slog => FrameKind::Slog,
            BoxStream::Node => FrameKind::Tagged(Tag::Node),
            BoxStream::Context => FrameKind::Tagged(Tag::Context),
            BoxStream::Marks => FrameKind::Tagged(Tag::Marks),
            BoxStream::Evidence => FrameKind::Tagged(Tag::Evidence),
        }
    }
}
