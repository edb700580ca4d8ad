//! Reads one line of the node's log: its events, and how far it is believed.

use super::notice::Notice;
use super::weight::mismatch_of;
use super::{NodeLog, NodeRules, NodeSection};
use crate::event::{Event, Weight};
use crate::log_line::{Entry, LogLine};

/// One line, and the sink for its events.
pub(super) struct Reading<'a, 'l> {
    pub(super) rules: &'a NodeRules,
    pub(super) line: &'a LogLine<'l>,
    /// Whether it looks like the node's own lines.
    pub(super) believed: bool,
    /// Whether a foreign module's name stands on it.
    pub(super) foreign: bool,
    pub(super) log: &'a mut NodeLog,
    pub(super) sink: &'a mut dyn FnMut(Event),
}

impl<'a, 'l> Reading<'a, 'l> {
    pub(super) fn read(mut self) {
        let line = self.line;
        let entries = line.entries(&self.rules.section.loggers);
        let mut told = self.banner(self.believed && entries.is_empty());
        if self.believed {
            for entry in &entries {
                let (known, trouble) = self.entry(entry);
                told |= trouble;
                if !known {
                    // Text that the node prints unquoted can look like the next line. The
                    // known messages contain no such text.
                    break;
                }
            }
        }
        if !told {
            let raw = self.believed && entries.is_empty();
            let sighting = self.sighting(raw);
            let notice = self.notice(raw);
            sighting
                .into_iter()
                .chain(notice)
                .for_each(|event| self.tell(event));
        }
    }

    /// Handles a banner, which a console prints as several lines; returns whether this is
    /// a line of one. `raw`: the line has no head. A line with a head ends a banner.
    fn banner(&mut self, raw: bool) -> bool {
        if let Some(banner) = self.log.take_banner() {
            let line = raw.then_some(self.line);
            let told = self.rules.behind_banner(banner, line);
            told.into_iter().for_each(|event| self.tell(event));
            return raw;
        }
        if !raw {
            return false;
        }
        let banner = self.rules.bare_banner(self.line, self.log.last());
        banner.is_some_and(|banner| self.log.expect_block(banner))
    }

    fn tell(&mut self, event: Event) {
        if let Some(event) = self.log.complete(event) {
            (self.sink)(event);
        }
    }

    /// Emits the events of an entry. Returns whether its message is known, and whether it
    /// reported trouble with a complete reason.
    fn entry(&mut self, entry: &Entry<'_>) -> (bool, bool) {
        let foreign = self.foreign || self.rules.is_foreign(entry);
        if foreign {
            // A foreign module is trusted only with this.
            let farewell = self.rules.farewell_of(entry, foreign, self.log.newest());
            let told = farewell.is_some();
            farewell.into_iter().for_each(|event| self.tell(event));
            return (false, told);
        }
        let known = self.block_events(entry);
        let notice = self.rules.notice_of(entry, self.log.newest());
        let mismatch = self.rules.mismatch(entry).map(Event::Mismatch);
        let trouble = mismatch
            .or_else(|| self.rules.failure(entry, self.log))
            .or_else(|| self.rules.refusal(entry).map(Event::Refused))
            .or_else(|| self.rules.break_of(entry))
            .or(notice);
        // A failure whose reason was cut may still contain two hashes.
        let told = !matches!(trouble, None | Some(Event::Failure { .. }));
        trouble.into_iter().for_each(|event| self.tell(event));
        (known, told)
    }

    /// Emits the entry's block events; returns whether its message is known.
    fn block_events(&mut self, entry: &Entry<'_>) -> bool {
        let rules = self.rules;
        let mut known = rules.section.rules.iter();
        let rule = known.find(|rule| entry.says(&rule.texts));
        let events = rule.into_iter().flat_map(|rule| &rule.events);
        let events: Vec<Event> = events.filter_map(|event| event.event(entry)).collect();
        if events.iter().any(|event| event.height().is_some()) {
            self.log.saw_block(self.line.shape());
        }
        events.into_iter().for_each(|event| self.tell(event));
        rule.is_some() || rules.is_known(entry)
    }

    /// A mismatch anywhere on the line, whoever wrote it.
    fn sighting(&self, raw: bool) -> Option<Event> {
        let line = self.line;
        self.rules.with_patterns().find_map(|(rule, pattern)| {
            let found = pattern.find(line.text(), line.end())?;
            let begins = |start: &String| line.begins_with(start);
            let weight = match raw && rule.last_words.iter().any(begins) {
                true => Weight::LastWords,
                false => Weight::Quoted,
            };
            Some(Event::Mismatch(mismatch_of(found, None, None, weight)))
        })
    }

    /// A notice anywhere on the line: the last words of a dying process, or a quote.
    fn notice(&self, raw: bool) -> Option<Event> {
        let NodeSection {
            alarms, farewells, ..
        } = &self.rules.section;
        let searched = self.rules.notices.as_ref()?;
        searched.is_match(self.line.text()).then_some(())?;
        let newest = self.log.newest();
        let any = |says: &dyn Fn(&[u8]) -> bool| raw && self.line.beginnings().any(says);
        let dies = |notice: &&Notice| any(&|text| notice.is_in_last_words(text, newest));
        if let Some(notice) = farewells.iter().find(dies) {
            return Some(Event::Farewell {
                why: notice.why.clone(),
            });
        }
        let alarm = alarms
            .iter()
            .find(|notice| notice.stands_in(self.line.text()))?;
        Some(Event::Alarm {
            why: alarm.why.clone(),
            quoted: !any(&|text| alarm.is_said_without_head(text)),
        })
    }
}
