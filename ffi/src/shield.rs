//! Delays the cancellation of host threads. A host thread that is cancelled in one of the
//! library's system calls would be unwound through Rust, which ends the process. So
//! cancellation waits until the call is over.
#![allow(unsafe_code)]

use std::ffi::c_int;

unsafe extern "C" {
    /// POSIX.
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// `PTHREAD_CANCEL_DISABLE` of Linux's C libraries.
const DISABLED: c_int = 1;

/// While this guard lives the thread is not cancelled. A pending request takes effect
/// later.
pub struct Uncancelled(c_int);

impl Uncancelled {
    pub fn begin() -> Uncancelled {
        Uncancelled(set(DISABLED))
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        set(self.0);
    }
}

/// Sets the state and returns the one before. A valid state is never refused.
fn set(state: c_int) -> c_int {
    let mut before = state;
    // SAFETY: sets a state of this thread, and writes one int to a valid place.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_is_as_it_was_afterwards() {
        let shield = Uncancelled::begin();
        let inner = Uncancelled::begin();
        assert_eq!((shield.0, inner.0), (0, DISABLED));
        drop(inner);
        drop(shield);
        assert_eq!(Uncancelled::begin().0, 0);
    }
}
