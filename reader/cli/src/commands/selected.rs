//! The arguments that select a part of a source.

use clap::Args;

use haltbox_reader::selection::Selection;

/// Heights, attempts and cranks; everything, if nothing is named.
#[derive(Args, Clone, Debug)]
pub struct Selected {
    /// Only this height.
    #[arg(long, conflicts_with_all = ["from_height", "to_height"])]
    height: Option<u64>,
    /// Only heights from here on.
    #[arg(long)]
    from_height: Option<u64>,
    /// Only heights up to here.
    #[arg(long)]
    to_height: Option<u64>,
    /// Only this attempt at a height.
    #[arg(long)]
    attempt: Option<u32>,
    /// Only this crank.
    #[arg(long, conflicts_with_all = ["from_crank", "to_crank"])]
    crank: Option<u64>,
    /// Only cranks from here on.
    #[arg(long)]
    from_crank: Option<u64>,
    /// Only cranks up to here.
    #[arg(long)]
    to_crank: Option<u64>,
}

impl Selected {
    /// The selection for the reader.
    pub(super) fn selection(&self) -> Selection {
        Selection {
            height: self.height,
            from_height: self.from_height,
            to_height: self.to_height,
            attempt: self.attempt,
            crank: self.crank,
            from_crank: self.from_crank,
            to_crank: self.to_crank,
        }
    }
}
