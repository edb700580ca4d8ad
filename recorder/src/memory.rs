//! Checks for free memory before an operation needs it. A failed allocation in
//! the middle would end the host's process.

use std::io;

/// Most bytes that opening a ring of `ring` bytes takes: two segments, and the
/// blocks read from its marks, which have at most a sixth of the ring.
pub(crate) fn to_open(ring: u64) -> usize {
    (16 << 20)
        + usize::try_from(ring / 6)
            .unwrap_or(usize::MAX)
            .min(48 << 20)
}

/// Most bytes that writing a box takes: waiting frames, and the windows of
/// zstd.
pub(crate) const TO_FREEZE: usize = 64 << 20;

/// Fails if the system would not give this many bytes now. Does not keep them,
/// so another thread can still take them.
pub(crate) fn ask(bytes: usize) -> io::Result<()> {
    let asked = Vec::<u8>::new().try_reserve_exact(bytes);
    asked.map_err(|_| io::ErrorKind::OutOfMemory.into())
}
