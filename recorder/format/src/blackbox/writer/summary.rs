//! Summary of a finished box.

/// Sizes and counts of a finished box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxSummary {
    /// Bytes of the file.
    pub bytes: u64,
    /// Uncompressed slog bytes.
    pub slog_bytes: u64,
    /// Slog lines.
    pub lines: u64,
    /// Blocks in the index.
    pub blocks: usize,
    /// Cranks in the index.
    pub cranks: u64,
    /// Frames, without the seek table's own.
    pub frames: usize,
}
