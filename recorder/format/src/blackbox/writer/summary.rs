//! What was written.

/// What was written.
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
    /// Frames, the seek table's own excepted.
    pub frames: usize,
}
