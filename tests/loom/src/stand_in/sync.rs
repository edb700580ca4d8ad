//! Loom's locks. Loom lets no wait time out, so these do.

use std::ops::{Deref, DerefMut};
pub use std::sync::{Arc, LockResult, PoisonError};
use std::time::Duration;

/// A wait that is not longer than this ends by itself. A longer one has to be ended.
const SHORT: Duration = Duration::from_millis(1);

/// A lock of loom's.
#[derive(Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

/// What it locks. Knows its lock, to take it again behind a wait.
pub struct MutexGuard<'a, T> {
    held: loom::sync::MutexGuard<'a, T>,
    lock: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// Takes the lock.
    ///
    /// # Errors
    /// None: loom ends at the first panic.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard { held, lock: self })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.held
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.held
    }
}

/// A condition of loom's.
#[derive(Default)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    /// Waits until it is woken.
    ///
    /// # Errors
    /// None.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let MutexGuard { held, lock } = guard;
        let held = self.0.wait(held).unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard { held, lock })
    }

    /// Waits until it is woken, or for a short time only. The second value says nothing.
    ///
    /// # Errors
    /// None.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        most: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        if most > SHORT {
            return Ok((self.wait(guard).unwrap_or_else(PoisonError::into_inner), ()));
        }
        let lock = guard.lock;
        drop(guard);
        loom::thread::yield_now();
        lock.lock()
            .map(|guard| (guard, ()))
            .map_err(|error| PoisonError::new((error.into_inner(), ())))
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
