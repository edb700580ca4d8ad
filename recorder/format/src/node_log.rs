//! Block events of a node's log: the `node` section of a profile, and what a
//! line says by it.
//!
//! `docs/profile.md` describes the section. Two levels of trust:
//! a text counts as what the node says only where a logger's message stands
//! (`log_line` knows where that is); anywhere else on a line it may have been
//! chosen by somebody else, and gives at most a sighting of a mismatch.

mod mismatch;
#[cfg(test)]
mod tests;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;
use serde::Deserialize;

use crate::event::{Event, Mismatch, Weight};
use crate::log_line::{Entry, LogLine};
use mismatch::{Found, Pattern};

/// Texts shorter than this would let most lines through the gate.
const MIN_TEXT: usize = 6;
const MAX_TEXT: usize = 200;
/// Rules, and mismatches, of one profile.
const MAX_RULES: usize = 64;

/// The `node` section of a profile: which lines of a node's log mean what.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "NodeSection")]
pub struct NodeRules {
    section: NodeSection,
    /// In the order of the section's mismatches; `None` where [`Pattern::new`]
    /// refused, which [`NodeRules::check`] reports.
    patterns: Vec<Option<Pattern>>,
    /// All texts at once; `None` if there is none to look for.
    gate: Option<AhoCorasick>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeSection {
    #[serde(default)]
    loggers: Vec<String>,
    rules: Vec<Rule>,
    #[serde(default)]
    mismatches: Vec<MismatchRule>,
    #[serde(default)]
    failures: Vec<FailureRule>,
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
        hash: Option<String>,
        when: Option<String>,
    },
    LocalHash {
        height: HeightField,
        hash: String,
    },
    Confirm {
        height: HeightField,
        hash: Option<String>,
        when: Option<String>,
    },
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
    /// What a line begins with that a dying process leaves.
    #[serde(default)]
    last_words: Vec<String>,
}

/// Messages at error level that end consensus for other reasons than a hash.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureRule {
    texts: Vec<String>,
    #[serde(rename = "in")]
    inside: Vec<String>,
}

/// Texts that mean something wherever they stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notice {
    texts: Vec<String>,
    why: String,
}

/// `KEY`, or `KEY-1` where the line carries the height of the next block,
/// whose header tells about this one.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
struct HeightField {
    key: String,
    next: bool,
}

impl From<String> for HeightField {
    fn from(text: String) -> HeightField {
        match text.strip_suffix("-1") {
            Some(key) => HeightField {
                key: key.to_owned(),
                next: true,
            },
            None => HeightField {
                key: text,
                next: false,
            },
        }
    }
}

impl HeightField {
    /// The height; none before the first block, which has no predecessor.
    fn of(&self, entry: &Entry<'_>) -> Option<u64> {
        let height = entry.value(&self.key)?.height()?;
        let executed = height.checked_sub(u64::from(self.next))?;
        (executed > 0).then_some(executed)
    }
}

impl EventRule {
    fn event(&self, entry: &Entry<'_>) -> Option<Event> {
        let hash_in = |key: &Option<String>| entry.value(key.as_deref()?)?.hash();
        let given = |key: &Option<String>| key.as_deref().is_none_or(|key| entry.has(key));
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
                app_hash: entry.value(hash)?.hash()?,
            },
            EventRule::Confirm { height, hash, when } => Event::Confirm {
                height: height.of(entry).filter(|_| given(when))?,
                app_hash: hash_in(hash),
            },
        })
    }

    /// The keys of a line that the event is made of.
    fn keys(&self) -> Vec<(&'static str, &str)> {
        let (height, hash, when) = match self {
            EventRule::ProcessStart {} => return Vec::new(),
            EventRule::Begin { height } | EventRule::End { height } => (height, None, None),
            EventRule::LocalHash { height, hash } => (height, Some(hash), None),
            EventRule::Commit { height, hash, when }
            | EventRule::Confirm { height, hash, when } => (height, hash.as_ref(), when.as_ref()),
        };
        let mut keys = vec![("height", height.key.as_str())];
        keys.extend(hash.map(|hash| ("hash", hash.as_str())));
        keys.extend(when.map(|when| ("when", when.as_str())));
        keys
    }
}

impl From<NodeSection> for NodeRules {
    fn from(section: NodeSection) -> NodeRules {
        let pattern = |rule: &MismatchRule| Pattern::new(&rule.pattern, &rule.fields).ok();
        let patterns: Vec<_> = section.mismatches.iter().map(pattern).collect();
        let leads = patterns.iter().flatten().map(Pattern::lead);
        let texts = section.rules.iter().flat_map(|rule| &rule.texts);
        let failures = section.failures.iter().flat_map(|rule| &rule.texts);
        let notices = section.alarms.iter().chain(&section.farewells);
        let texts = texts
            .chain(failures)
            .chain(notices.flat_map(|notice| &notice.texts));
        let gate = gate(texts.map(String::as_str).chain(leads).collect());
        NodeRules {
            section,
            patterns,
            gate,
        }
    }
}

/// Says in one pass over a line whether any of `texts` is in it.
fn gate(texts: Vec<&str>) -> Option<AhoCorasick> {
    (!texts.is_empty()).then_some(())?;
    // Only with leftmost matching does the crate search with vector
    // instructions; which match it finds does not matter here.
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(texts)
        .ok()
}

impl NodeRules {
    /// Checks what the types cannot; the error begins with the key at fault,
    /// such as `node.rules[2].texts[0]`.
    pub fn check(&self) -> Result<(), String> {
        let NodeSection {
            loggers,
            rules,
            mismatches,
            failures,
            alarms,
            farewells,
        } = &self.section;
        count("node.rules", rules.len())?;
        if mismatches.len() > MAX_RULES {
            count("node.mismatches", mismatches.len())?;
        }
        names("node.loggers", loggers)?;
        for (i, rule) in rules.iter().enumerate() {
            rule.check(&format!("node.rules[{i}]"))?;
        }
        for (i, rule) in mismatches.iter().enumerate() {
            rule.check(&format!("node.mismatches[{i}]"))?;
        }
        for (i, rule) in failures.iter().enumerate() {
            rule.check(&format!("node.failures[{i}]"))?;
        }
        for (name, notices) in [("alarms", alarms), ("farewells", farewells)] {
            for (i, notice) in notices.iter().enumerate() {
                notice.check(&format!("node.{name}[{i}]"))?;
            }
        }
        match self.gate {
            Some(_) => Ok(()),
            None => Err("node: the texts could not be made into one search; use fewer".into()),
        }
    }

    /// The events one line tells of, in their order.
    ///
    /// `line` has no newline; `complete` says that one followed it. Without
    /// it, a value that touches the line's end is not believed. A line that
    /// matches nothing costs one pass and no allocation.
    pub fn read(&self, line: &[u8], complete: bool, sink: &mut dyn FnMut(Event)) {
        if self.gate.as_ref().is_some_and(|gate| gate.is_match(line)) {
            self.read_matching(&LogLine::new(line, complete), sink);
        }
    }

    #[cold]
    fn read_matching(&self, line: &LogLine<'_>, sink: &mut dyn FnMut(Event)) {
        let mut told = false;
        for entry in line.entries(&self.section.loggers) {
            let known = self.block_events(&entry, sink);
            let mismatch = self.mismatch(&entry).map(Event::Mismatch);
            let trouble = mismatch.or_else(|| self.failure(&entry));
            // A failure whose reason was cut may still show two hashes.
            told |= !matches!(trouble, None | Some(Event::Failure { .. }));
            trouble.into_iter().for_each(&mut *sink);
            if !known {
                // Text that the node prints unquoted can look like the next
                // line; the messages known here hold none.
                break;
            }
        }
        if !told {
            self.sighting(line).into_iter().for_each(&mut *sink);
            self.notice(line).into_iter().for_each(&mut *sink);
        }
    }

    /// Consensus that ended for another reason than a hash.
    fn failure(&self, entry: &Entry<'_>) -> Option<Event> {
        let said = |rule: &&FailureRule| entry.error && entry.says(&rule.texts);
        let rule = self.section.failures.iter().find(said)?;
        // Without the field that says why, the message may go on elsewhere.
        rule.inside.iter().find(|key| entry.has(key))?;
        let value = rule.inside.iter().find_map(|key| entry.value(key));
        let text = value.map_or(&[][..], |value| value.text());
        let mut farewells = self.section.farewells.iter();
        if let Some(notice) = farewells.find(|notice| notice.stands_in(text)) {
            let why = notice.why.clone();
            return Some(Event::Farewell { why });
        }
        let lead = |(_, pattern): (&MismatchRule, &Pattern)| {
            memmem::find(text, pattern.lead().as_bytes()).is_some()
        };
        let shown = String::from_utf8_lossy(text.get(..MAX_TEXT).unwrap_or(text));
        Some(Event::Failure {
            text: shown.into_owned(),
            of_hashes: self.with_patterns().any(lead),
        })
    }

    /// A text that means something wherever it stands.
    fn notice(&self, line: &LogLine<'_>) -> Option<Event> {
        let NodeSection {
            alarms, farewells, ..
        } = &self.section;
        let why_of = |notices: &[Notice]| {
            let found = notices.iter().find(|notice| notice.stands_in(line.text()));
            found.map(|notice| notice.why.clone())
        };
        let alarm = why_of(alarms).map(|why| Event::Alarm { why });
        alarm.or_else(|| why_of(farewells).map(|why| Event::Farewell { why }))
    }

    /// Gives the entry's block events; says whether its message is known.
    fn block_events(&self, entry: &Entry<'_>, sink: &mut dyn FnMut(Event)) -> bool {
        let rule = self
            .section
            .rules
            .iter()
            .find(|rule| entry.says(&rule.texts));
        let events = rule.into_iter().flat_map(|rule| &rule.events);
        events.filter_map(|event| event.event(entry)).for_each(sink);
        let mismatches = self.section.mismatches.iter();
        let own = mismatches.flat_map(|rule| [&rule.proof, &rule.blames]);
        let failures = self.section.failures.iter().map(|rule| &rule.texts);
        rule.is_some() || own.chain(failures).any(|texts| entry.says(texts))
    }

    /// The mismatch in a field the profile names.
    fn mismatch(&self, entry: &Entry<'_>) -> Option<Mismatch> {
        self.with_patterns().find_map(|(rule, pattern)| {
            let values = rule.inside.iter().filter_map(|key| entry.value(key));
            let mut found = values.filter_map(|value| pattern.find(value.text(), value.end()));
            let height = rule.height.as_ref().and_then(|height| height.of(entry));
            let weight = match entry.error {
                true if entry.says(&rule.proof) => Weight::Proved,
                true if entry.says(&rule.blames) => Weight::Blamed,
                _ => Weight::Seen,
            };
            found.next().map(|found| mismatch_of(found, height, weight))
        })
    }

    /// A mismatch anywhere on the line, whoever wrote it there.
    fn sighting(&self, line: &LogLine<'_>) -> Option<Event> {
        self.with_patterns().find_map(|(rule, pattern)| {
            let found = pattern.find(line.text(), line.end())?;
            let begins = |start: &String| line.begins_with(start);
            let weight = match rule.last_words.iter().any(begins) {
                true => Weight::LastWords,
                false => Weight::Quoted,
            };
            Some(Event::Mismatch(mismatch_of(found, None, weight)))
        })
    }

    fn with_patterns(&self) -> impl Iterator<Item = (&MismatchRule, &Pattern)> {
        let rules = self.section.mismatches.iter();
        rules
            .zip(&self.patterns)
            .filter_map(|(rule, pattern)| Some((rule, pattern.as_ref()?)))
    }
}

fn mismatch_of(found: Found<'_>, height: Option<u64>, weight: Weight) -> Mismatch {
    Mismatch {
        height,
        field: found.field.to_owned(),
        local: found.local,
        network: found.network,
        weight,
    }
}

impl Rule {
    fn check(&self, path: &str) -> Result<(), String> {
        count(&format!("{path}.texts"), self.texts.len())?;
        count(&format!("{path}.events"), self.events.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        for (i, event) in self.events.iter().enumerate() {
            for (name, key) in event.keys() {
                key_name(&format!("{path}.events[{i}].{name}"), key)?;
            }
        }
        Ok(())
    }
}

impl MismatchRule {
    fn check(&self, path: &str) -> Result<(), String> {
        let pattern = Pattern::new(&self.pattern, &self.fields);
        let pattern = pattern.map_err(|what| format!("{path}.pattern: {what}"))?;
        text(&format!("{path}.pattern"), pattern.lead().trim_end())?;
        count(&format!("{path}.fields"), self.fields.len())?;
        names(&format!("{path}.fields"), &self.fields)?;
        names(&format!("{path}.in"), &self.inside)?;
        messages(&format!("{path}.proof"), &self.proof)?;
        messages(&format!("{path}.blames"), &self.blames)?;
        messages(&format!("{path}.last_words"), &self.last_words)?;
        match &self.height {
            Some(height) => key_name(&format!("{path}.height"), &height.key),
            None => Ok(()),
        }
    }
}

impl FailureRule {
    fn check(&self, path: &str) -> Result<(), String> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        names(&format!("{path}.in"), &self.inside)
    }
}

impl Notice {
    fn stands_in(&self, line: &[u8]) -> bool {
        let mut texts = self.texts.iter();
        texts.any(|text| memmem::find(line, text.as_bytes()).is_some())
    }

    fn check(&self, path: &str) -> Result<(), String> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        text(&format!("{path}.why"), &self.why)
    }
}

fn count(path: &str, found: usize) -> Result<(), String> {
    match found {
        1..=MAX_RULES => Ok(()),
        _ => Err(format!(
            "{path}: expected 1 to {MAX_RULES} items, found {found}"
        )),
    }
}

/// Messages: those of plain lines end where the first `key=` begins.
fn messages(path: &str, messages: &[String]) -> Result<(), String> {
    for (i, message) in messages.iter().enumerate() {
        let path = format!("{path}[{i}]");
        text(&path, message)?;
        if message.contains('=') {
            return Err(format!("{path}: expected no =, found {message:?}"));
        }
    }
    Ok(())
}

/// A text must look the same when a collector puts the line into JSON.
fn text(path: &str, text: &str) -> Result<(), String> {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && !b"\"\\<>&".contains(&b);
    if !(MIN_TEXT..=MAX_TEXT).contains(&text.len()) || text.trim() != text {
        return Err(format!(
            "{path}: expected {MIN_TEXT} to {MAX_TEXT} characters without spaces at the ends, \
             found {text:?} ({} characters)",
            text.len()
        ));
    }
    match text.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "{path}: expected printable ASCII without \" \\ < > &, found {text:?}"
        )),
    }
}

fn names(path: &str, names: &[String]) -> Result<(), String> {
    let mut each = names.iter().enumerate();
    each.try_for_each(|(i, name)| key_name(&format!("{path}[{i}]"), name))
}

fn key_name(path: &str, name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "{path}: expected a name of 1 to 64 letters, digits or _ - . /, found {name:?}"
        )),
    }
}
