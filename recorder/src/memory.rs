//! Memory, asked for before it is needed: an allocation that fails ends the process, and the
//! process is a host's.

use std::io;

/// What opening a ring takes at most: two segments, and what is known of its blocks.
pub(crate) const TO_OPEN: usize = 16 << 20;
/// What writing a box takes at most: frames that wait, and zstd's windows.
pub(crate) const TO_FREEZE: usize = 64 << 20;

/// Fails if the system would not give so many bytes now. They are not kept: another thread
/// can take them.
pub(crate) fn ask(bytes: usize) -> io::Result<()> {
    let asked = Vec::<u8>::new().try_reserve_exact(bytes);
    asked.map_err(|_| io::ErrorKind::OutOfMemory.into())
}
