//! Reads what a node says once it knows that a block of its own does not stand.
//!
//! Such a line is believed at once and the block is frozen, so it counts in message
//! position alone. A banner is a message of several lines. In JSON and logfmt it is one
//! value; consoles print it as separate lines behind a head without a message.

use std::collections::BTreeMap;

use memchr::memmem;
use serde::Deserialize;

use super::value_template::{Form, Values};
use super::{HeightField, Keys, NodeRules, shown};
use crate::event::{Break, Event};
use crate::log_line::{End, Entry, LogLine};

/// Messages that report a break.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakRule {
    pub(super) texts: Vec<String>,
    pub(super) height: Option<HeightField>,
    /// The block's hash on this node.
    pub(super) hash: Option<Keys>,
    /// Keys whose values are shown to the operator.
    #[serde(default)]
    pub(super) shows: Vec<String>,
    /// Values of keys with which the message is not a break.
    #[serde(default, rename = "except")]
    pub(super) exceptions: BTreeMap<String, Vec<String>>,
    pub(super) why: String,
}

/// A message whose first line is the text, and whose second line is about the block.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BannerRule {
    pub(super) text: String,
    pub(super) block: Form,
    pub(super) why: String,
}

impl BreakRule {
    fn is_said(&self, entry: &Entry<'_>) -> bool {
        // A value that is cut, or occurs twice, may be one of the exceptions.
        let is = |key: &str, values: &[String]| {
            let value = entry.value(key);
            value.is_none_or(|value| values.iter().any(|known| known.as_bytes() == value.text()))
        };
        let mut exceptions = self.exceptions.iter();
        entry.says(&self.texts) && !exceptions.any(|(key, values)| is(key, values))
    }

    fn told(&self, entry: &Entry<'_>) -> Break {
        let shows = self.shows.iter();
        let values = shows.filter_map(|key| Some((key, entry.value(key)?)));
        let texts = values.map(|(key, value)| {
            let value = String::from_utf8_lossy(value.text());
            format!("{key} {value}")
        });
        Break {
            height: self.height.as_ref().and_then(|height| height.of(entry)),
            local: self.hash.as_ref().and_then(|hash| hash.of(entry)),
            why: self.why.clone(),
            text: shown(texts.collect::<Vec<_>>().join(", ").as_bytes()),
        }
    }
}

impl BannerRule {
    /// `block` is the line behind the text, if there is one.
    fn told(&self, block: Option<&[u8]>) -> Event {
        let block = block.map(<[u8]>::trim_ascii);
        let told = block.and_then(|block| self.block.read(block, End::Newline));
        let Values { height, hash } = told.unwrap_or_default();
        Event::Break(Break {
            height: height.filter(|height| *height > 0),
            local: hash,
            why: self.why.clone(),
            text: block.map_or_else(String::new, shown),
        })
    }
}

impl NodeRules {
    /// The break in an entry.
    pub(super) fn break_of(&self, entry: &Entry<'_>) -> Option<Event> {
        let mut rules = self.section.breaks.iter();
        let said = rules.find(|rule| rule.is_said(entry));
        let said = said.map(|rule| Event::Break(rule.told(entry)));
        said.or_else(|| self.banner_of(entry))
    }

    fn banner_of(&self, entry: &Entry<'_>) -> Option<Event> {
        let banners = self.section.banners.iter();
        let mut banners = banners.filter(|_| entry.error);
        banners.find_map(|banner| {
            let message = entry.message();
            memmem::find(message, banner.text.as_bytes())?;
            let mut lines = message_lines(message);
            let first = lines.find(|line| !line.is_empty())?;
            (first == banner.text.as_bytes()).then(|| banner.told(lines.next()))
        })
    }

    /// The banner that a line without a head is, if the line before is a head without a
    /// message.
    pub(super) fn bare_banner(&self, line: &LogLine<'_>, before: &[u8]) -> Option<usize> {
        let is = |text: &str| line.beginnings().any(|b| b.trim_ascii() == text.as_bytes());
        let mut banners = self.section.banners.iter();
        let found = banners.position(|banner| is(&banner.text))?;
        self.is_empty_error(before).then_some(found)
    }

    /// The break of a banner, with the block from the line behind it, if there is one.
    pub(super) fn behind_banner(&self, banner: usize, line: Option<&LogLine<'_>>) -> Option<Event> {
        let banner = self.section.banners.get(banner)?;
        let Some(line) = line else {
            return Some(banner.told(None));
        };
        let tells = |text: &&[u8]| banner.block.read(text.trim_ascii(), End::Newline).is_some();
        let block = line.beginnings().find(tells);
        Some(banner.told(Some(block.unwrap_or(line.own_text()))))
    }

    /// Whether a line is a head at error level with nothing behind it. A space follows a
    /// level, and collectors remove it from the end of a line.
    fn is_empty_error(&self, line: &[u8]) -> bool {
        let is_head = |text: &[u8]| {
            let text = [text.trim_ascii_end(), b" "].concat();
            let lines = LogLine::all(&text, true);
            let entries = lines
                .first()
                .map(|line| line.entries(&self.section.loggers));
            let entries = entries.unwrap_or_default();
            matches!(entries.as_slice(), [entry] if entry.error && entry.is_empty())
        };
        let lines = LogLine::all(line, true);
        matches!(lines.as_slice(), [line] if line.beginnings().any(is_head))
    }
}

/// The lines of a message, even if the grammar leaves line ends escaped, or the logger
/// quotes the message.
fn message_lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let message = message.strip_prefix(b"\"").unwrap_or(message);
    let end: &[u8] = match memchr::memchr(b'\n', message) {
        Some(_) => b"\n",
        None => br"\n",
    };
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = memmem::find(text, end);
        rest = at.and_then(|at| text.get(at + end.len()..));
        let line = at.map_or(text, |at| text.split_at(at).0);
        Some(line.trim_ascii())
    })
}
