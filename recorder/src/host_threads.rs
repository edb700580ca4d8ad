//! Threads that do not take the host's signals, and writing files under the
//! host's file size limit.

use std::cell::Cell;
use std::io;
use std::thread::{Builder, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals of a thread's own faults. They stay unblocked: the kernel kills a
/// process for a blocked one, and no handler can report it.
const OWN: [Signal; 4] = [
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
];

/// Starts a thread that blocks all signals but those of its own faults.
///
/// No handler of the host runs in it. A write beyond `RLIMIT_FSIZE` gives an
/// error there, because SIGXFSZ is blocked.
///
/// # Errors
/// The signal mask cannot be changed, or the thread cannot be started.
pub fn spawn<F, R>(builder: Builder, work: F) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let mut blocked = SigSet::all();
    OWN.iter().for_each(|signal| blocked.remove(*signal));
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    // A thread that blocks signals itself passes on the mask from before that.
    let outside = OUTSIDE.get().unwrap_or(before);
    let spawned = builder.spawn(move || {
        OUTSIDE.set(Some(outside));
        work()
    });
    before.thread_set_mask()?;
    spawned
}

thread_local! {
    /// Signal mask of the thread that started this one.
    static OUTSIDE: Cell<Option<SigSet>> = const { Cell::new(None) };
}

/// Runs `start` with the signal mask that the host's thread had. A program
/// started in it inherits the host's mask, not the blocked one.
pub fn outside<R>(start: impl FnOnce() -> R) -> R {
    let blocked = OUTSIDE
        .get()
        .map(|mask| mask.thread_swap_mask(SigmaskHow::SIG_SETMASK));
    let started = start();
    if let Some(Ok(blocked)) = blocked {
        // Cannot fail: this mask was in force a moment ago.
        let _ = blocked.thread_set_mask();
    }
    started
}

/// Blocks SIGTTOU, so that this thread and those it starts can write to a
/// terminal from the background.
///
/// With `stty tostop` the first line of output would else stop the process,
/// without any message. Programs started by [`outside`] get the mask from
/// before this call.
///
/// # Errors
/// The signal mask cannot be changed.
pub fn speak_from_the_background() -> io::Result<()> {
    let blocked = SigSet::from(Signal::SIGTTOU);
    OUTSIDE.set(Some(blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?));
    Ok(())
}

/// Blocks SIGXFSZ in this thread until it is dropped.
///
/// A write beyond `RLIMIT_FSIZE` then gives an error. Unblocked, the signal
/// would end the process.
pub struct SizeLimit {
    /// Mask from before, if SIGXFSZ was not blocked by it. A signal that is
    /// pending at the end then comes from our own writes.
    before: Option<SigSet>,
    exceeded: bool,
}

impl SizeLimit {
    /// Blocks the signal.
    pub fn begin() -> SizeLimit {
        let mask = only().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        SizeLimit {
            before: mask.filter(|mask| !mask.contains(Signal::SIGXFSZ)),
            exceeded: true,
        }
    }

    /// Skips the check for a pending signal, because no write failed.
    pub fn was_kept(mut self) {
        self.exceeded = false;
    }
}

impl Drop for SizeLimit {
    fn drop(&mut self) {
        let Some(before) = self.before else { return };
        // Remove a pending signal first. If that fails, leave it blocked:
        // delivered, it would end the process.
        if !self.exceeded || taken().is_ok() {
            // Cannot fail: this mask was in force before.
            let _ = before.thread_set_mask();
        }
    }
}

fn only() -> SigSet {
    SigSet::from(Signal::SIGXFSZ)
}

/// Removes the signal from this thread's pending signals.
fn taken() -> nix::Result<()> {
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    SignalFd::with_flags(&only(), flags)?
        .read_signal()
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn a_program_begins_without_what_lets_its_parent_speak() {
        let test = || {
            speak_from_the_background().unwrap();
            let mut grep = std::process::Command::new("grep");
            grep.args(["^SigBlk", "/proc/self/status"]);
            let blocked = |done: io::Result<std::process::Output>| {
                let shown = String::from_utf8(done.unwrap().stdout).unwrap();
                let mask = shown.trim().rsplit('\t').next().unwrap().to_owned();
                u64::from_str_radix(&mask, 16).unwrap() & (1 << (Signal::SIGTTOU as u32 - 1))
            };
            assert_ne!(blocked(grep.output()), 0);
            assert_eq!(blocked(outside(|| grep.output())), 0);
            let from_a_thread = spawn(Builder::new(), move || outside(|| grep.output()));
            assert_eq!(blocked(from_a_thread.unwrap().join().unwrap()), 0);
        };
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn a_signal_of_the_call_goes_and_one_of_the_hosts_stays() {
        let test = || {
            let limit = SizeLimit::begin();
            raise(Signal::SIGXFSZ).unwrap();
            drop(limit); // else it ends the process here
            SizeLimit::begin().was_kept();
            assert!(!SigSet::thread_get_mask().unwrap().contains(Signal::SIGXFSZ));
            only().thread_block().unwrap();
            raise(Signal::SIGXFSZ).unwrap();
            drop(SizeLimit::begin());
            let own = SignalFd::with_flags(&only(), SfdFlags::SFD_NONBLOCK).unwrap();
            assert!(own.read_signal().unwrap().is_some(), "it was taken");
        };
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn the_thread_takes_no_signals_and_this_one_is_as_before() {
        let before = SigSet::thread_get_mask().unwrap();
        let masks = || {
            let started = outside(|| SigSet::thread_get_mask().unwrap());
            (SigSet::thread_get_mask().unwrap(), started)
        };
        let (inside, started) = spawn(Builder::new(), masks).unwrap().join().unwrap();
        assert_eq!(started, before);
        assert!(inside.contains(Signal::SIGTERM) && inside.contains(Signal::SIGXFSZ));
        assert!(!inside.contains(Signal::SIGSEGV));
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
