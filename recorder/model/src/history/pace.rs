//! Times of blocks: when the last one came, and how fast they come.

use std::collections::VecDeque;

use haltbox_format::mark::{Mark, ReleasedBy};

/// Number of newest blocks whose times are kept.
const KEPT: usize = 65;
/// Shorter intervals are ignored: the recorder read an old file or caught up, which does
/// not show the speed of the chain.
const SHORTEST_MS: u64 = 1000;

/// The times of a ring's newest blocks, by the recorder's clock.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    head: Option<u64>,
    begun: Option<u64>,
    progress_ms: Option<u64>,
    times_ms: VecDeque<u64>,
}

impl Pace {
    /// Updates the times by a mark of `time_ms`. A node that executes the same height
    /// again and again makes no progress.
    pub(super) fn take(&mut self, mark: &Mark, time_ms: u64) {
        match mark {
            Mark::Begin(begin) => self.begin(begin.of.height, time_ms),
            Mark::Release(release) if release.by != ReleasedBy::LaterAttempt => {
                self.progress_ms = Some(time_ms);
            }
            _ => {}
        }
    }

    fn begin(&mut self, height: u64, time_ms: u64) {
        if self.head.is_none_or(|head| height > head) {
            self.head = Some(height);
            self.progress_ms = Some(time_ms);
        }
        if self.begun.replace(height) != Some(height) {
            if self.times_ms.len() >= KEPT {
                self.times_ms.pop_front();
            }
            self.times_ms.push_back(time_ms);
        }
    }

    /// When the last new block began, or the last one was released, in milliseconds since
    /// 1970.
    pub fn progress_ms(&self) -> Option<u64> {
        self.progress_ms
    }

    /// Median interval between the newest blocks, in milliseconds.
    pub fn interval_ms(&self) -> Option<u64> {
        let pairs = self.times_ms.iter().zip(self.times_ms.iter().skip(1));
        let intervals = pairs.map(|(one, next)| next.saturating_sub(*one));
        let mut intervals: Vec<u64> = intervals.filter(|ms| *ms >= SHORTEST_MS).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltbox_format::Stream;
    use haltbox_format::mark::{Attempt, Begin, Position, Release};

    fn begin(height: u64, attempt: u32) -> Mark {
        Mark::Begin(Begin {
            of: Attempt { height, attempt },
            from: Position::default(),
            whole: true,
            by: Stream::Slog,
            joins: false,
            early: false,
        })
    }

    fn release(height: u64, by: ReleasedBy) -> Mark {
        Mark::Release(Release {
            of: Attempt { height, attempt: 1 },
            by,
            network: None,
        })
    }

    #[test]
    fn the_interval_is_that_of_the_chain_not_of_a_file_that_was_read() {
        let mut pace = Pace::default();
        assert_eq!((pace.progress_ms(), pace.interval_ms()), (None, None));
        (1..=200).for_each(|height| pace.take(&begin(height, 1), 1000 + height));
        assert_eq!(pace.interval_ms(), None);
        (1..=5).for_each(|n| pace.take(&begin(200 + n, 1), 2000 + n * 600_000));
        pace.take(&begin(205, 2), 9_000_000);
        assert_eq!(pace.interval_ms(), Some(600_000));
        assert_eq!(pace.progress_ms(), Some(2000 + 5 * 600_000));
    }

    #[test]
    fn a_crash_loop_is_no_progress_and_a_rollback_that_goes_on_is() {
        let mut pace = Pace::default();
        pace.take(&begin(8, 1), 1000);
        pace.take(&begin(9, 1), 2000);
        for turn in 1..20_u32 {
            pace.take(&begin(8, 1 + turn), 3000 + u64::from(turn));
            pace.take(&release(8, ReleasedBy::LaterAttempt), 4000);
            pace.take(&begin(9, 1 + turn), 5000 + u64::from(turn));
        }
        assert_eq!(pace.progress_ms(), Some(2000));
        pace.take(&begin(5, 2), 6000);
        pace.take(&release(4, ReleasedBy::NextCommit), 7000);
        assert_eq!(pace.progress_ms(), Some(7000));
    }
}
