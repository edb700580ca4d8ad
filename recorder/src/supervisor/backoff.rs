//! When a failed box is tried again: soon at first, then with longer and longer
//! pauses.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

/// Time of the next attempt, and the pause before it.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    at: Instant,
    pause: Duration,
}

impl Again {
    /// The attempt that follows a failed one. `last` is the failed attempt, or
    /// `None` if it was the first.
    pub(super) fn after(last: Option<Again>) -> Again {
        let pause = last.map_or(FIRST, |last| (last.pause * 2).min(LONGEST));
        let at = Instant::now() + pause;
        Again { at, pause }
    }

    /// Whether its time has come.
    pub(super) fn is_due(&self) -> bool {
        self.at <= Instant::now()
    }

    /// The words for the operator.
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
