//! Decides when the sources were read far enough for a box. All lines about a
//! failure come within a moment.

use std::time::{Duration, Instant};

/// Before a freeze, sources are read until nothing came for this long ...
const QUIET: Duration = Duration::from_millis(250);
/// ... but no longer than this.
const AT_MOST: Duration = Duration::from_secs(5);

/// Time at which bytes came last.
pub(crate) struct Draining {
    last: Instant,
}

impl Default for Draining {
    fn default() -> Draining {
        Draining {
            last: Instant::now(),
        }
    }
}

impl Draining {
    /// Notes that bytes came.
    pub(crate) fn progress(&mut self) {
        self.last = Instant::now();
    }

    /// Whether to stop waiting: nothing came for a moment after `since` and
    /// `all` was read, or the wait took too long.
    pub(crate) fn is_over(&self, since: Instant, all: bool) -> bool {
        let quiet = self.last.max(since).elapsed() >= QUIET;
        quiet && all || since.elapsed() >= AT_MOST
    }
}
