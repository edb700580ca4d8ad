//! What a service manager is told: that the recorder records, that it lives,
//! that it stops. Without one nothing is told.

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

/// A manager that does not hear is no trouble of the recording.
fn tell(state: NotifyState<'_>) {
    let _ = sd_notify::notify(false, &[state]);
}
