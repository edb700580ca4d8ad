//! When something that failed is tried again: soon, then ever more seldom.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

/// The next attempt.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    at: Instant,
    pause: Duration,
}

impl Again {
    /// Behind an attempt that failed; `last` is what it was itself, if it was not the
    /// first.
    pub(super) fn after(last: Option<Again>) -> Again {
        let pause = last.map_or(FIRST, |last| (last.pause * 2).min(LONGEST));
        let at = Instant::now() + pause;
        Again { at, pause }
    }

    /// Its time has come.
    pub(super) fn is_due(&self) -> bool {
        self.at <= Instant::now()
    }

    /// What the operator hears of it.
    pub(super) fn words(&self) -> String {
        format!("retrying in {} s", self.pause.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut last = None;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let next = Again::after(last);
            assert!(!next.is_due());
            pauses.push(next.pause.as_secs());
            last = Some(next);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    }
}
