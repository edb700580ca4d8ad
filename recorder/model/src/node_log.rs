//! Reads block events from a node's log by the `node` section of a profile.
//!
//! `docs/profile.md` describes the section. There are two levels of trust. A text counts
//! as the node's own only in the message position of a logger (`log_line` finds it), in
//! the last words of a dying process, or in the fields that the profile names. Anywhere
//! else on a line somebody else may have chosen it, so it counts as a quote at most.

mod breaks;
mod check;
mod hash_pattern;
mod memory;
mod notice;
mod reading;
#[cfg(test)]
mod tests;
mod value_template;
mod weight;

pub use memory::{NodeLog, Unread};

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use haltbox_format::AppHash;
use memchr::memmem;
use serde::Deserialize;

use crate::event::{Event, FailedOver, Refusal};
use crate::log_line::{Entry, LogLine};
use breaks::{BannerRule, BreakRule};
use check::MAX_TEXT;
use hash_pattern::Pattern;
use notice::Notice;
use reading::Reading;
use value_template::FieldRule;

/// The `node` section of a profile: the meaning of lines in a node's log.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "NodeSection")]
pub struct NodeRules {
    section: NodeSection,
    /// In the order of the section's mismatches. `None` if [`Pattern::new`] refused one,
    /// which [`NodeRules::check`] reports.
    patterns: Vec<Option<Pattern>>,
    /// Search for all texts at once; `None` if they are too many for one search.
    gate: Option<AhoCorasick>,
    /// Search for the texts of alarms and farewells, which lines about blocks do not
    /// have.
    notices: Option<AhoCorasick>,
}

/// The field with the name of the logging module.
static MODULE: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"module="));

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeSection {
    #[serde(default)]
    loggers: Vec<String>,
    /// Prefixes of the names of modules that decide about blocks.
    #[serde(default)]
    own_modules: Vec<String>,
    /// Prefixes of the names of modules that log text which others chose.
    #[serde(default)]
    foreign_modules: Vec<String>,
    /// Lines without a height before the operator is warned. A program may print much
    /// before its first block.
    unread_after: Option<u64>,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    breaks: Vec<BreakRule>,
    #[serde(default)]
    banners: Vec<BannerRule>,
    #[serde(default)]
    mismatches: Vec<MismatchRule>,
    #[serde(default)]
    refusals: Vec<RefusalRule>,
    #[serde(default)]
    failures: Vec<FailureRule>,
    /// Usual meanings of reasons.
    #[serde(default)]
    meanings: Vec<Meaning>,
    /// Prefixes of error messages of a node that cannot start.
    #[serde(default)]
    last_messages: Vec<String>,
    #[serde(default)]
    alarms: Vec<Notice>,
    #[serde(default)]
    farewells: Vec<Notice>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    texts: Vec<String>,
    events: Vec<EventRule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum EventRule {
    ProcessStart {},
    Begin {
        height: HeightField,
    },
    End {
        height: HeightField,
    },
    Commit {
        height: HeightField,
        hash: Option<Keys>,
        when: Option<Keys>,
    },
    LocalHash {
        height: HeightField,
        hash: Keys,
    },
    Confirm {
        height: HeightField,
        hash: Option<Keys>,
        when: Option<Keys>,
    },
}

/// One key, or several of which a line has one: versions use different names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(FieldRule),
    OneOf(Vec<FieldRule>),
}

impl Keys {
    fn all(&self) -> &[FieldRule] {
        match self {
            Keys::One(field) => std::slice::from_ref(field),
            Keys::OneOf(fields) => fields,
        }
    }

    fn of(&self, entry: &Entry<'_>) -> Option<AppHash> {
        let mut fields = self.all().iter();
        fields.find(|field| entry.has(&field.key))?.hash(entry)
    }

    fn are_in(&self, entry: &Entry<'_>) -> bool {
        self.all().iter().any(|field| entry.has(&field.key))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MismatchRule {
    pattern: String,
    fields: Vec<String>,
    #[serde(rename = "in")]
    inside: Vec<String>,
    height: Option<HeightField>,
    #[serde(default)]
    proof: Vec<String>,
    /// Messages of a node that blames its peers.
    #[serde(default)]
    blames: Vec<String>,
    /// Prefixes of the last line of a dying process.
    #[serde(default)]
    last_words: Vec<String>,
}

/// Error messages of a node that refuses a block of other nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusalRule {
    texts: Vec<String>,
    #[serde(rename = "in")]
    inside: Vec<String>,
    height: Option<HeightField>,
    /// Whether the node is catching up and blames the peers that sent the block.
    #[serde(default)]
    blames: bool,
}

/// Error messages after which consensus ends, for other reasons than a hash.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureRule {
    texts: Vec<String>,
    #[serde(rename = "in")]
    inside: Vec<String>,
    /// Texts in the reason which mean that other nodes accept the block.
    #[serde(default)]
    refused: Vec<String>,
}

/// The usual meaning of a reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meaning {
    texts: Vec<String>,
    why: String,
}

/// `KEY`; `KEY-1` if the line has the height of the next block, whose header is about
/// this one; `KEY+1` if it has the parent's height.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "FieldRule")]
struct HeightField {
    field: FieldRule,
    carries: Carries,
}

/// The block whose height a line has.
#[derive(Clone, Copy, Debug)]
enum Carries {
    Own,
    Next,
    Parent,
}

impl From<FieldRule> for HeightField {
    fn from(field: FieldRule) -> HeightField {
        let of = |key: &str, carries| HeightField {
            field: FieldRule {
                key: key.to_owned(),
                form: field.form.clone(),
            },
            carries,
        };
        let key = field.key.as_str();
        let next = key.strip_suffix("-1").map(|key| of(key, Carries::Next));
        let parent = || key.strip_suffix("+1").map(|key| of(key, Carries::Parent));
        let beside = next.or_else(parent);
        beside.unwrap_or(HeightField {
            field,
            carries: Carries::Own,
        })
    }
}

impl HeightField {
    /// The height; `None` for 0, which is before the first block.
    fn of(&self, entry: &Entry<'_>) -> Option<u64> {
        let height = self.field.height(entry)?;
        let own = match self.carries {
            Carries::Own => Some(height),
            Carries::Next => height.checked_sub(1),
            Carries::Parent => height.checked_add(1),
        };
        own.filter(|height| *height > 0)
    }
}

impl EventRule {
    fn event(&self, entry: &Entry<'_>) -> Option<Event> {
        let hash_in = |keys: &Option<Keys>| keys.as_ref()?.of(entry);
        let given = |keys: &Option<Keys>| keys.as_ref().is_none_or(|keys| keys.are_in(entry));
        Some(match self {
            EventRule::ProcessStart {} => Event::ProcessStart,
            EventRule::Begin { height } => Event::Begin {
                height: height.of(entry)?,
                early: false,
            },
            EventRule::End { height } => Event::End {
                height: height.of(entry)?,
            },
            EventRule::Commit { height, hash, when } => Event::Commit {
                height: height.of(entry).filter(|_| given(when))?,
                app_hash: hash_in(hash),
            },
            EventRule::LocalHash { height, hash } => Event::LocalHash {
                height: height.of(entry)?,
                app_hash: hash.of(entry)?,
            },
            EventRule::Confirm { height, hash, when } => Event::Confirm {
                height: height.of(entry).filter(|_| given(when))?,
                app_hash: hash_in(hash),
            },
        })
    }

    /// Whether the event has a height.
    fn is_of_a_block(&self) -> bool {
        !matches!(self, EventRule::ProcessStart {})
    }

    /// The fields of a line that the event is read from.
    fn fields(&self) -> Vec<(&'static str, &FieldRule)> {
        let (height, hash, when) = match self {
            EventRule::ProcessStart {} => return Vec::new(),
            EventRule::Begin { height } | EventRule::End { height } => (height, None, None),
            EventRule::LocalHash { height, hash } => (height, Some(hash), None),
            EventRule::Commit { height, hash, when }
            | EventRule::Confirm { height, hash, when } => (height, hash.as_ref(), when.as_ref()),
        };
        let mut fields = vec![("height", &height.field)];
        fields.extend(hash.into_iter().flat_map(Keys::all).map(|f| ("hash", f)));
        fields.extend(when.into_iter().flat_map(Keys::all).map(|f| ("when", f)));
        fields
    }
}

impl From<NodeSection> for NodeRules {
    fn from(section: NodeSection) -> NodeRules {
        let pattern = |rule: &MismatchRule| Pattern::new(&rule.pattern, &rule.fields).ok();
        let patterns: Vec<_> = section.mismatches.iter().map(pattern).collect();
        let leads = patterns.iter().flatten().map(Pattern::lead);
        let texts = section.rules.iter().flat_map(|rule| &rule.texts);
        let failures = section.failures.iter().flat_map(|rule| &rule.texts);
        let refusals = section.refusals.iter().flat_map(|rule| &rule.texts);
        let notices = section.alarms.iter().chain(&section.farewells);
        let breaks = section.breaks.iter().flat_map(|rule| &rule.texts);
        let banners = section.banners.iter().map(|banner| &banner.text);
        let texts = texts
            .chain(failures)
            .chain(refusals)
            .chain(breaks)
            .chain(banners)
            .chain(notices.flat_map(|notice| &notice.texts));
        let gate = search(texts.map(String::as_str).chain(leads).collect());
        let notices = section.alarms.iter().chain(&section.farewells);
        let notices = notices.flat_map(|notice| &notice.texts);
        let notices = search(notices.map(String::as_str).collect());
        NodeRules {
            section,
            patterns,
            gate,
            notices,
        }
    }
}

/// Builds a search that finds any of `texts` in one pass over a line.
fn search(texts: Vec<&str>) -> Option<AhoCorasick> {
    // The crate uses vector instructions only with leftmost matching. Which match it
    // finds does not matter here.
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(texts)
        .ok()
}

impl NodeRules {
    /// Passes the events of one line to `sink`, in order.
    ///
    /// `log` is the state from the lines before. `line` has no newline; `complete` says
    /// that one followed. Without it, a value that touches the line's end is not
    /// believed. A line that matches nothing costs one pass and no allocation.
    pub fn read(
        &self,
        log: &mut NodeLog,
        line: &[u8],
        complete: bool,
        sink: &mut dyn FnMut(Event),
    ) {
        let Some(line) = log.whole(line) else {
            return;
        };
        let says = || self.gate.as_ref().is_some_and(|gate| gate.is_match(&line));
        if log.is_repetition(&line) || !(log.is_behind_banner() || says()) {
            return log.leave(line);
        }
        self.read_matching(log, &line, complete, sink);
        log.leave(line);
    }

    /// Ends the log: passes on what was begun and will not be completed by another line.
    pub fn end(&self, log: &mut NodeLog, sink: &mut dyn FnMut(Event)) {
        let banner = log.take_banner();
        let told = banner.and_then(|banner| self.behind_banner(banner, None));
        let told = told.and_then(|event| log.complete(event));
        told.into_iter().for_each(sink);
    }

    #[cold]
    fn read_matching(
        &self,
        log: &mut NodeLog,
        line: &[u8],
        complete: bool,
        sink: &mut dyn FnMut(Event),
    ) {
        for line in LogLine::all(line, complete) {
            let reading = Reading {
                rules: self,
                line: &line,
                believed: log.believes(line.shape()),
                foreign: self.names_a_foreign_module(&line),
                log: &mut *log,
                sink: &mut *sink,
            };
            reading.read();
        }
    }

    /// Whether its lines give events of blocks. The lines of some programs do not, and
    /// are kept all the same.
    pub fn tells_of_blocks(&self) -> bool {
        let mut events = self.section.rules.iter().flat_map(|rule| &rule.events);
        events.any(EventRule::is_of_a_block)
    }

    /// Lines of which these rules understand nothing, once there are enough of them.
    pub fn unread(&self, log: &NodeLog) -> Option<Unread> {
        let is_unread = self.tells_of_blocks() && log.is_unread(self.section.unread_after);
        is_unread.then(|| log.so_far())
    }

    /// A message about a block, as an example for an operator whose log has none.
    pub fn example(&self) -> &str {
        let tells = |rule: &&Rule| rule.events.iter().any(EventRule::is_of_a_block);
        let rule = self.section.rules.iter().rfind(tells);
        rule.and_then(|rule| rule.texts.first())
            .map_or("", String::as_str)
    }

    fn with_patterns(&self) -> impl Iterator<Item = (&MismatchRule, &Pattern)> {
        let rules = self.section.mismatches.iter();
        rules
            .zip(&self.patterns)
            .filter_map(|(rule, pattern)| Some((rule, pattern.as_ref()?)))
    }

    /// The usual meaning of a reason.
    fn meaning(&self, reason: &[u8]) -> Option<String> {
        let stands = |text: &String| memmem::find(reason, text.as_bytes()).is_some();
        let mut meanings = self.section.meanings.iter();
        let known = meanings.find(|meaning| meaning.texts.iter().any(stands));
        known.map(|meaning| meaning.why.clone())
    }
}

impl NodeRules {
    /// Whether a foreign module's name stands anywhere on a line that is not JSON. Its
    /// message may contain text that looks like fields, or like another line's head,
    /// before that name.
    fn names_a_foreign_module(&self, line: &LogLine<'_>) -> bool {
        let text = line.text();
        let behind = |at| text.get(at + MODULE.needle().len()..);
        let names = MODULE.find_iter(text).filter_map(behind);
        let mut names = names.map(|name| name.strip_prefix(b"\"").unwrap_or(name));
        let foreign = &self.section.foreign_modules;
        let is_foreign = |name: &[u8]| {
            foreign
                .iter()
                .any(|start| name.starts_with(start.as_bytes()))
        };
        !line.is_json() && names.any(is_foreign)
    }

    /// Whether its module logs text that others chose.
    fn is_foreign(&self, entry: &Entry<'_>) -> bool {
        entry.any_begins("module", &self.section.foreign_modules)
    }

    /// A refusal of a block of other nodes, for a reason other than a hash.
    fn refusal(&self, entry: &Entry<'_>) -> Option<Refusal> {
        let said = |rule: &&RefusalRule| entry.error && entry.says(&rule.texts);
        let rule = self.section.refusals.iter().find(said)?;
        // Without the field with the reason, the entry may contain two hashes.
        let reason = rule.inside.iter().find_map(|key| entry.value(key))?.text();
        let is_told = !reason.is_empty() && reason != b"null" && reason != b"<nil>";
        let text = if is_told { reason } else { entry.message() };
        Some(Refusal {
            height: rule.height.as_ref().and_then(|height| height.of(entry)),
            round: entry.number("round"),
            text: shown(text),
            why: self.meaning(text),
            blamed: rule.blames,
        })
    }

    /// A failure of consensus for another reason than a hash.
    fn failure(&self, entry: &Entry<'_>, log: &NodeLog) -> Option<Event> {
        let said = |rule: &&FailureRule| entry.error && entry.says(&rule.texts);
        let rule = self.section.failures.iter().find(said)?;
        // Without the field with the reason, the message may continue elsewhere.
        rule.inside.iter().find(|key| entry.has(key))?;
        let value = rule.inside.iter().find_map(|key| entry.value(key));
        let text = value.map_or(&[][..], |value| value.text());
        let mut farewells = self.section.farewells.iter();
        if let Some(notice) =
            farewells.find(|notice| notice.is_reason(text, log.newest(), log.has_announced()))
        {
            let why = notice.why.clone();
            return Some(Event::Farewell { why });
        }
        Some(Event::Failure {
            text: shown(text),
            over: self.failed_over(rule, text),
        })
    }

    fn failed_over(&self, rule: &FailureRule, text: &[u8]) -> FailedOver {
        let stands = |part: &str| memmem::find(text, part.as_bytes()).is_some();
        let of_hashes = |(mismatch, pattern): (&MismatchRule, &Pattern)| {
            let field = |field: &String| stands(&format!("{}{field}", pattern.lead()));
            stands(pattern.lead()) && mismatch.fields.iter().any(field)
        };
        if self.with_patterns().any(of_hashes) {
            return FailedOver::Hashes;
        }
        match rule.refused.iter().any(|part| stands(part)) {
            true => FailedOver::Refusal(self.meaning(text)),
            false => FailedOver::Other,
        }
    }

    /// The node's announcement that it will stop. A foreign module may announce only what
    /// its rule allows.
    fn farewell_of(&self, entry: &Entry<'_>, foreign: bool, newest: Option<u64>) -> Option<Event> {
        let may = |notice: &&Notice| !foreign || entry.any_begins("module", &notice.modules);
        let mut farewells = self.section.farewells.iter().filter(may);
        let said = farewells.find(|notice| notice.is_message(entry.message(), newest))?;
        Some(Event::Farewell {
            why: said.why.clone(),
        })
    }

    /// The node's own announcement or alarm in an entry.
    fn notice_of(&self, entry: &Entry<'_>, newest: Option<u64>) -> Option<Event> {
        if let Some(farewell) = self.farewell_of(entry, false, newest) {
            return Some(farewell);
        }
        let message = entry.message();
        let last = self.is_last_message(entry);
        let reasons = ["err", "error"]
            .into_iter()
            .filter_map(|key| entry.value(key));
        let reasons: Vec<&[u8]> = reasons.filter(|_| last).map(|value| value.text()).collect();
        let said = |notice: &&Notice| {
            let own = entry.error && notice.is_message(message, None);
            own || reasons.iter().any(|reason| notice.stands_in(reason))
        };
        let alarm = self.section.alarms.iter().find(said)?;
        Some(Event::Alarm {
            why: alarm.why.clone(),
            quoted: false,
        })
    }
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..MAX_TEXT).unwrap_or(text)).into_owned()
}
