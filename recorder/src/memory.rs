//! Memory, asked for before it is needed: an allocation that fails ends the process, and the
//! process is a host's.

use std::io;

/// What opening a ring of so many bytes takes at most: two segments, and what its marks tell,
/// which have a sixth of it.
pub(crate) fn to_open(ring: u64) -> usize {
    (16 << 20)
        + usize::try_from(ring / 6)
            .unwrap_or(usize::MAX)
            .min(48 << 20)
}

/// What writing a box takes at most: frames that wait, and zstd's windows.
pub(crate) const TO_FREEZE: usize = 64 << 20;

/// Fails if the system would not give so many bytes now. They are not kept: another thread
/// can take them.
pub(crate) fn ask(bytes: usize) -> io::Result<()> {
    let asked = Vec::<u8>::new().try_reserve_exact(bytes);
    asked.map_err(|_| io::ErrorKind::OutOfMemory.into())
}
