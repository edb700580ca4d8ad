//! Makes signals readable, so that they interrupt nothing.
//!
//! Handlers catch them; they are not blocked. A program that this one starts
//! inherits neither. There is no moment in which a signal ends this process
//! unnoticed.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::sys::signal::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::raw::WithRawSiginfo;

/// Signals that end the recording.
pub const ENDING: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// The caught signals. SIGCHLD is caught too, but only wakes who waits.
pub struct Signals(SignalDelivery<UnixStream, WithRawSiginfo>);

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub signal: Signal,
    /// Whether the terminal sent it, to all processes in its foreground.
    pub of_terminal: bool,
}

impl Signals {
    /// Catches signals. An ignored one stays ignored, here and in programs
    /// started from here, as `nohup` wants. SIGCHLD is caught even if it is
    /// ignored: else the kernel keeps no exit code of any child.
    ///
    /// # Errors
    /// The handlers or their socket cannot be created.
    pub fn catch(signals: &[Signal]) -> io::Result<Signals> {
        let (read, write) = UnixStream::pair()?;
        let ignored = ignored();
        let caught = signals.iter().map(|signal| *signal as libc::c_int);
        let caught = caught.filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let caught = caught.chain([libc::SIGCHLD]);
        SignalDelivery::with_pipe(read, write, WithRawSiginfo, caught).map(Signals)
    }

    /// The signals since the last call.
    pub fn arrived(&mut self) -> impl Iterator<Item = Arrived> {
        let told = self
            .0
            .pending()
            .filter(|info| info.si_signo != libc::SIGCHLD);
        told.filter_map(|info| {
            Some(Arrived {
                signal: Signal::try_from(info.si_signo).ok()?,
                of_terminal: info.si_code == libc::SI_KERNEL,
            })
        })
    }
}

impl AsFd for Signals {
    /// The descriptor to wait on.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

/// The signals that this process ignores, as a mask. Signal 1 is the lowest
/// bit.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;
    use std::process::Command;

    /// The signal masks of a program that is started while signals are caught.
    #[test]
    fn a_program_that_is_started_has_no_signal_blocked_or_ignored() {
        let mut signals = Signals::catch(&[Signal::SIGUSR1, Signal::SIGUSR2]).unwrap();
        raise(Signal::SIGUSR1).unwrap();
        let came: Vec<Arrived> = signals.arrived().collect();
        let signal = Signal::SIGUSR1;
        let expected = Arrived {
            signal,
            of_terminal: false,
        };
        assert_eq!(came, [expected]);
        let mut grep = Command::new("grep");
        grep.args(["^Sig", "/proc/self/status"]);
        let shown = String::from_utf8(grep.output().unwrap().stdout).unwrap();
        let caught = 1 << (Signal::SIGUSR1 as u32 - 1) | 1 << (Signal::SIGUSR2 as u32 - 1);
        for mask in ["SigBlk:", "SigIgn:"] {
            let found = shown.lines().find_map(|line| line.strip_prefix(mask));
            let found = u64::from_str_radix(found.unwrap().trim(), 16).unwrap();
            assert_eq!(found & caught, 0, "{shown}");
        }
    }
}
