//! Signals as something to read, not to be interrupted by.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Those that end the recording.
pub const ENDING: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Blocks signals for this thread and those it starts; they come here instead.
///
/// # Errors
/// What the system says.
pub fn catch(signals: &[Signal]) -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    signals.iter().for_each(|signal| set.add(*signal));
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// Whether one came.
pub fn arrived(signals: &SignalFd) -> bool {
    matches!(signals.read_signal(), Ok(Some(_)))
}
