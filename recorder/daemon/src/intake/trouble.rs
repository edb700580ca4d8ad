//! Trouble of a source that cannot be read. Reports its beginning and its end,
//! and reminds of it in between.

use std::fmt;
use std::time::{Duration, Instant};

use haltbox_format::mark::Unread;

use crate::sources::failure::Failure;
use haltbox_recorder::clock;

/// Time between two reminders.
const REMIND: Duration = Duration::from_secs(300);
/// How long reading must work before the trouble is over. A disk that fails
/// every other read is one trouble.
const WELL_FOR: Duration = Duration::from_secs(1);

/// The trouble of one source, if it has one.
#[derive(Default)]
pub(crate) struct Trouble(Option<Lasting>);

struct Lasting {
    failure: Failure,
    since_ms: u64,
    told: Instant,
    well_since: Option<Instant>,
}

/// What to report.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// The trouble began or ended. A mark has to record that.
    Turned(String),
    /// The trouble goes on.
    Lasts(String),
}

impl Trouble {
    /// Takes the outcome of the last read, and returns what to report about the
    /// source `name`.
    pub(crate) fn see(
        &mut self,
        name: &dyn fmt::Display,
        failure: Option<&Failure>,
        now: Instant,
    ) -> Option<News> {
        match (&mut self.0, failure) {
            (None, None) => None,
            (None, Some(failure)) => {
                self.0 = Some(Lasting {
                    failure: failure.clone(),
                    since_ms: clock::now_ms(),
                    told: now,
                    well_since: None,
                });
                let Failure { why, mend } = failure;
                Some(News::Turned(format!(
                    "{name} cannot be read: {why}; {mend}; retrying"
                )))
            }
            (Some(lasting), Some(_)) => {
                lasting.well_since = None;
                lasting.remind(name, now)
            }
            (Some(lasting), None) => {
                let since = *lasting.well_since.get_or_insert(now);
                (now.duration_since(since) >= WELL_FOR).then(|| {
                    self.0 = None;
                    News::Turned(format!("{name} can be read again"))
                })
            }
        }
    }

    /// The trouble, for the source's mark.
    pub(crate) fn mark(&self) -> Option<Unread> {
        self.0.as_ref().map(|lasting| Unread {
            why: lasting.failure.why.clone(),
            since: lasting.since_ms,
        })
    }
}

impl Lasting {
    fn remind(&mut self, name: &dyn fmt::Display, now: Instant) -> Option<News> {
        (now.duration_since(self.told) >= REMIND).then(|| {
            self.told = now;
            let since = clock::rfc3339(self.since_ms);
            let Failure { why, mend } = &self.failure;
            News::Lasts(format!(
                "{name} still cannot be read, since {since}: {why}; {mend}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// A source is read 40 times a second for an hour. Its trouble is reported
    /// at its beginning, every five minutes, and at its end.
    #[test]
    fn a_trouble_that_lasts_is_told_seldom() {
        let denied = Failure::of(&io::Error::from_raw_os_error(13));
        let (mut trouble, begun) = (Trouble::default(), Instant::now());
        let mut said = Vec::new();
        let mut see = |at: Duration, failure: Option<&Failure>| {
            let news = trouble.see(&"the slog source x", failure, begun + at);
            said.extend(news);
            trouble.mark().is_some()
        };
        for look in 0..40 * 3600 {
            // One read in ten succeeds.
            let failure = (look % 10 != 7).then_some(&denied);
            assert!(see(Duration::from_millis(25) * look, failure));
        }
        let hour = Duration::from_secs(3600);
        assert!(see(hour, None), "it must work for a while");
        assert!(!see(hour + WELL_FOR, None));
        see(hour * 2, None);
        let turned = |news: &&News| matches!(news, News::Turned(_));
        assert_eq!(said.iter().filter(turned).count(), 2, "{said:?}");
        assert_eq!(said.len(), 2 + 11, "{said:?}");
        let News::Turned(first) = &said[0] else {
            panic!("{said:?}");
        };
        assert!(
            first.contains("Permission denied") && first.contains("chmod"),
            "{first}"
        );
    }
}
