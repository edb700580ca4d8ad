//! A source that cannot be read: told when that begins and when it ends, and in
//! between seldom.

use std::fmt;
use std::time::{Duration, Instant};

use haltbox_format::mark::Unread;

use crate::sources::failure::Failure;
use haltbox_recorder::clock;

/// How often a trouble that lasts is told again.
const REMIND: Duration = Duration::from_secs(300);
/// Reading works again only if it did for so long: a disk that fails every other
/// read is one trouble.
const WELL_FOR: Duration = Duration::from_secs(1);

/// The trouble of one source.
#[derive(Default)]
pub(crate) struct Trouble(Option<Lasting>);

struct Lasting {
    failure: Failure,
    since_ms: u64,
    told: Instant,
    well_since: Option<Instant>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// The trouble began or ended: a mark says so.
    Turned(String),
    /// It lasts.
    Lasts(String),
}

impl Trouble {
    /// Takes how the last attempt to read ended, and gives what there is to say of
    /// the source of this name.
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

    /// For the source's mark.
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

    /// Looked at 40 times a second for an hour, a trouble is told when it begins,
    /// every five minutes, and when it ends.
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
            // One look in ten finds nothing wrong.
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
