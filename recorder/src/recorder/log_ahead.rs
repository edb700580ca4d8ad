//! Events of the node's log that wait for the slog.
//!
//! The two are read side by side. After a time without a recorder the log, which is shorter, is
//! read to its end first. A failure that tells no height would then be charged to the newest
//! recorded block, and not to the one that failed. So while the log is ahead, its events wait
//! until the slog has come as far.
//!
//! What waits is in memory. A mark says from which line on, so a recorder that is killed reads
//! these lines again when it opens the ring.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use haltbox_format::mark::{LogWait, Mark, Position};
use haltbox_model::Event;

/// How long the events wait while the slog stands still.
const SLOG_STANDS: Duration = Duration::from_secs(10);

/// How long they wait while the slog goes on. A forged height in the log must not hold back what
/// it tells for longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Most events that wait.
const MOST: usize = 100_000;

/// The events that wait, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct HeldEvents {
    events: VecDeque<Held>,
    /// The height that the log has come to.
    log_at: Option<u64>,
    /// When the wait was first seen.
    since: Option<Instant>,
    /// When the slog was last seen to go on.
    moved_at: Option<Instant>,
    /// Whether the slog went on since then.
    moved: bool,
    /// What the newest mark says of them.
    marked: Option<Position>,
}

#[derive(Debug)]
struct Held {
    event: Event,
    /// Position of its line.
    line: Position,
    /// The height that the log had come to with this event.
    log_at: Option<u64>,
}

impl HeldEvents {
    /// None, in a ring whose marks say that these lines waited.
    pub(super) fn behind(marked: Option<Position>) -> HeldEvents {
        HeldEvents {
            marked,
            ..HeldEvents::default()
        }
    }

    /// Takes an event of a line of the log. Returns it if it need not wait. `reach`: the
    /// highest height that the slog has begun, if a slog reports blocks.
    pub(super) fn take(
        &mut self,
        event: Event,
        line: Position,
        reach: Option<u64>,
    ) -> Option<Event> {
        self.log_at = event.reached().or(self.log_at);
        let log_at = self.log_at;
        if self.events.is_empty() && !is_ahead(log_at, reach) {
            return Some(event);
        }
        self.events.push_back(Held {
            event,
            line,
            log_at,
        });
        None
    }

    /// The next event that waits no longer. If the log is not ahead any more, none does: a height
    /// far above all others was no height of this chain.
    pub(super) fn next(&mut self, reach: Option<u64>) -> Option<Event> {
        let first = self.events.front()?;
        let waits = is_ahead(first.log_at, reach) && is_ahead(self.log_at, reach);
        if waits && self.events.len() <= MOST {
            return None;
        }
        self.next_of_all()
    }

    /// The next event, whether it waits or not.
    pub(super) fn next_of_all(&mut self) -> Option<Event> {
        let held = self.events.pop_front();
        if self.events.is_empty() {
            (self.since, self.moved_at) = (None, None);
        }
        held.map(|held| held.event)
    }

    /// The mark of what waits, where the newest says something else. It belongs into one spine
    /// record with the marks of the events that wait no longer: a kill must not leave events
    /// that count and are read again.
    pub(super) fn mark(&mut self) -> Option<Mark> {
        let from = self.from();
        let told = std::mem::replace(&mut self.marked, from);
        (told != from).then_some(Mark::LogWait(LogWait { from }))
    }

    /// The line of the first event that waits.
    pub(super) fn from(&self) -> Option<Position> {
        self.events.front().map(|held| held.line)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The slog went on.
    pub(super) fn slog_moved(&mut self) {
        self.moved = true;
    }

    /// Whether the events have waited long enough.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        if self.events.is_empty() {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        if std::mem::take(&mut self.moved) {
            self.moved_at = Some(now);
        }
        let moved_at = self.moved_at.unwrap_or(since);
        now.duration_since(moved_at) >= SLOG_STANDS || now.duration_since(since) >= LONGEST
    }
}

/// Whether the log is ahead of the block that the slog executes next.
fn is_ahead(log_at: Option<u64>, reach: Option<u64>) -> bool {
    let ahead = log_at.zip(reach);
    ahead.is_some_and(|(log_at, reach)| log_at > reach.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(height: u64) -> Event {
        Event::Confirm {
            height,
            app_hash: None,
        }
    }

    fn alarm() -> Event {
        Event::Alarm {
            why: "trouble".to_owned(),
            quoted: false,
        }
    }

    #[test]
    fn events_wait_until_the_slog_has_come_as_far() {
        let mut held = HeldEvents::default();
        assert_eq!(
            held.take(alarm(), Position::default(), None),
            Some(alarm()),
            "no slog"
        );
        assert_eq!(
            held.take(confirm(1), Position::default(), Some(1)),
            Some(confirm(1))
        );
        assert_eq!(held.take(confirm(4), Position::default(), Some(1)), None);
        assert_eq!(held.take(alarm(), Position::default(), Some(1)), None);
        assert_eq!(held.next(Some(3)), None);
        assert_eq!(held.next(Some(4)), Some(confirm(4)));
        assert_eq!(held.next(Some(4)), Some(alarm()));
        assert!(held.is_empty());
        assert_eq!(
            held.take(alarm(), Position::default(), Some(4)),
            Some(alarm())
        );
    }

    #[test]
    fn a_forged_height_holds_nothing_back_for_long() {
        let mut held = HeldEvents::default();
        let now = Instant::now();
        assert!(!held.is_over(now));
        assert_eq!(
            held.take(confirm(1_000_000), Position::default(), Some(7)),
            None
        );
        assert_eq!(held.take(alarm(), Position::default(), Some(7)), None);
        assert_eq!(held.next(Some(7)), None);
        assert!(!held.is_over(now));
        held.slog_moved();
        assert!(!held.is_over(now + SLOG_STANDS));
        assert!(held.is_over(now + SLOG_STANDS * 2), "the slog stands still");
        held.slog_moved();
        assert!(held.is_over(now + LONGEST));
        // The log's next height shows that it is not ahead.
        assert_eq!(held.take(confirm(7), Position::default(), Some(7)), None);
        let order = [confirm(1_000_000), alarm(), confirm(7)];
        assert_eq!([(); 3].map(|()| held.next(Some(7))), order.map(Some));
        assert_eq!(held.next(Some(7)), None);
    }
}
