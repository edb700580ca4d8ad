//! Tells the service manager that the recorder records, lives, or stops. Does
//! nothing without a manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The link to the service manager.
pub struct Service {
    /// Time between two signs of life that it expects. `None` if it expects
    /// none.
    every: Option<Duration>,
    last: Instant,
}

impl Service {
    /// Says that recording has begun.
    pub fn ready() -> Service {
        let mut micros = 0;
        let watched = sd_notify::watchdog_enabled(false, &mut micros);
        tell(NotifyState::Ready);
        Service {
            // Send it twice in the time that the manager waits.
            every: watched.then(|| Duration::from_micros(micros / 2)),
            last: Instant::now(),
        }
    }

    /// Sends a sign of life if one is due. The working loop calls this, so that
    /// a recorder that hangs is restarted.
    pub fn live(&mut self) {
        if self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = Instant::now();
            tell(NotifyState::Watchdog);
        }
    }

    /// Says that the recorder ends on purpose.
    pub fn stopping(&self) {
        tell(NotifyState::Stopping);
    }
}

/// Shows other threads of this process that the working loop goes on.
#[derive(Clone, Debug)]
pub struct Pulse {
    begun: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse whose first beat is now.
    pub fn new() -> Pulse {
        Pulse {
            begun: Instant::now(),
            beat_ms: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Notes that the loop goes on.
    pub fn beat(&self) {
        self.beat_ms.store(self.now(), Ordering::Relaxed);
    }

    /// Whether the last beat is no older than `within`.
    pub fn is_felt(&self, within: Duration) -> bool {
        let since = self
            .now()
            .saturating_sub(self.beat_ms.load(Ordering::Relaxed));
        Duration::from_millis(since) <= within
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse::new()
    }
}

/// Errors are ignored: recording does not depend on the manager.
fn tell(state: NotifyState<'_>) {
    let _ = sd_notify::notify(false, &[state]);
}
