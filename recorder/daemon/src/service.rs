//! What a service manager is told: that the recorder records, that it lives,
//! that it stops. Without one nothing is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The link to the service manager.
pub struct Service {
    /// How often it wants a sign of life.
    every: Option<Duration>,
    last: Instant,
}

impl Service {
    /// Tells that recording has begun.
    pub fn ready() -> Service {
        let mut micros = 0;
        let watched = sd_notify::watchdog_enabled(false, &mut micros);
        tell(NotifyState::Ready);
        Service {
            // Twice in the time it waits.
            every: watched.then(|| Duration::from_micros(micros / 2)),
            last: Instant::now(),
        }
    }

    /// A sign of life, if one is due. Called by the loop that does the work, so
    /// that a recorder that hangs is restarted.
    pub fn live(&mut self) {
        if self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = Instant::now();
            tell(NotifyState::Watchdog);
        }
    }

    /// Tells that it ends on purpose.
    pub fn stopping(&self) {
        tell(NotifyState::Stopping);
    }
}

/// Tells other threads of this process that the loop which does the work goes on.
#[derive(Clone, Debug)]
pub struct Pulse {
    begun: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// The first beat.
    pub fn new() -> Pulse {
        Pulse {
            begun: Instant::now(),
            beat_ms: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Another one.
    pub fn beat(&self) {
        self.beat_ms.store(self.now(), Ordering::Relaxed);
    }

    /// The last one was not longer ago than this.
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

/// A manager that does not hear is no trouble of the recording.
fn tell(state: NotifyState<'_>) {
    let _ = sd_notify::notify(false, &[state]);
}
