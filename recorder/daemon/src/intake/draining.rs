//! When sources were read far enough for a box: what belongs to a failure comes in
//! the same moment.

use std::time::{Duration, Instant};

/// Sources are drained before a freeze until they were quiet this long ...
const QUIET: Duration = Duration::from_millis(250);
/// ... but no longer than this.
const AT_MOST: Duration = Duration::from_secs(5);

/// When something came last.
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
    /// Something came.
    pub(crate) fn progress(&mut self) {
        self.last = Instant::now();
    }

    /// Nothing came for a moment since then, and all was read that is there; or it
    /// was waited for long enough.
    pub(crate) fn is_over(&self, since: Instant, all: bool) -> bool {
        let quiet = self.last.max(since).elapsed() >= QUIET;
        quiet && all || since.elapsed() >= AT_MOST
    }
}
