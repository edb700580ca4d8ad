//! Threads that leave a host's signals to the host, and a host's thread that writes a file.

use std::cell::Cell;
use std::io;
use std::thread::{Builder, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What a thread's own mistake raises: blocked, it would end the process without a report.
const OWN: [Signal; 4] = [
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
];

/// Starts a thread in which no handler of the host's runs. Its limits of file sizes are errors
/// there too, not signals.
///
/// # Errors
/// What the system says.
pub fn spawn<F, R>(builder: Builder, work: F) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let mut blocked = SigSet::all();
    OWN.iter().for_each(|signal| blocked.remove(*signal));
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let spawned = builder.spawn(move || {
        OUTSIDE.set(Some(before));
        work()
    });
    before.thread_set_mask()?;
    spawned
}

thread_local! {
    /// What the thread that started this one had blocked.
    static OUTSIDE: Cell<Option<SigSet>> = const { Cell::new(None) };
}

/// Starts a program as the host would: what such a thread has blocked is not for a program
/// that it starts.
pub fn outside<R>(start: impl FnOnce() -> R) -> R {
    let blocked = OUTSIDE
        .get()
        .map(|mask| mask.thread_swap_mask(SigmaskHow::SIG_SETMASK));
    let started = start();
    if let Some(Ok(blocked)) = blocked {
        // It was in force a moment ago: it cannot be refused.
        let _ = blocked.thread_set_mask();
    }
    started
}

/// Lets this thread and those that it starts write to a terminal in whose background
/// they are. With `stty tostop` the first word would stop the process, unheard. What this
/// thread starts by [`outside`] begins without it.
///
/// # Errors
/// What the system says.
pub fn speak_from_the_background() -> io::Result<()> {
    let blocked = SigSet::from(Signal::SIGTTOU);
    OUTSIDE.set(Some(blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?));
    Ok(())
}

/// While this lives, a file that grows beyond `RLIMIT_FSIZE` is an error for this thread; else
/// the kernel would send SIGXFSZ, which ends the process.
pub struct SizeLimit {
    /// What was blocked before, if the signal was not: then none can have waited for this thread.
    before: Option<SigSet>,
    exceeded: bool,
}

impl SizeLimit {
    /// Holds the signal back from here on.
    pub fn begin() -> SizeLimit {
        let mask = only().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        SizeLimit {
            before: mask.filter(|mask| !mask.contains(Signal::SIGXFSZ)),
            exceeded: true,
        }
    }

    /// No write failed: no signal waits, which spares looking for it.
    pub fn was_kept(mut self) {
        self.exceeded = false;
    }
}

impl Drop for SizeLimit {
    fn drop(&mut self) {
        let Some(before) = self.before else { return };
        // Where the signal cannot be taken it stays blocked: delivered, it would end the process.
        if !self.exceeded || taken().is_ok() {
            // It was in force before: it cannot be refused.
            let _ = before.thread_set_mask();
        }
    }
}

fn only() -> SigSet {
    SigSet::from(Signal::SIGXFSZ)
}

/// Takes the signal if it waits.
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
