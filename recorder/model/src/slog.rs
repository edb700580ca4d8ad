//! Reads a host's slog: the lane of an entry, whether it is canonical, and its events
//! about blocks and cranks.
//!
//! For most entries the type alone is enough. Only the few entries that mark blocks and
//! cranks have their members read.

use std::borrow::Cow;

use haltbox_format::{AppHash, Digest, Lane};
use serde::Deserialize;

use crate::canonical::{CanonicalRules, CanonicalSection};
use crate::entry_type::{TypeKey, TypeName, TypePattern, TypeTable};
use crate::event::Event;
use crate::fault::Fault;
use crate::json::{self, Key};
use crate::redact::{RedactRules, RedactSection};
use crate::wrapped::{WrapRules, WrappedSection};

/// The `slog` section of a profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlogSection {
    #[serde(default, rename = "note")]
    _note: String,
    r#type: Key,
    events: EventsSection,
    #[serde(default)]
    local: Vec<TypePattern>,
    canonical: CanonicalSection,
    redact: Option<RedactSection>,
    wrapped: Option<WrappedSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EventsSection {
    #[serde(rename = "note")]
    _note: String,
    process_start: Vec<TypeName>,
    begin: Vec<AtHeight>,
    early: Vec<AtHeight>,
    executed: Vec<TypeName>,
    crank: Vec<CrankSection>,
    end: Vec<WithResult>,
    commit: Vec<WithResult>,
    abort: Vec<AtHeight>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtHeight {
    r#type: TypeName,
    height: Key,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WithResult {
    r#type: TypeName,
    height: Key,
    app_hash: Option<Key>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CrankSection {
    r#type: TypeName,
    number: Key,
    crankhash: Key,
    activityhash: Key,
}

/// Rules to read the entries of a slog.
#[derive(Clone, Debug)]
pub struct SlogRules {
    type_key: TypeKey,
    types: TypeTable<TypeRule>,
    canonical: CanonicalRules,
    crank_key: Option<Key>,
    /// Keys of crankhash and activityhash.
    crank_hash_keys: [Option<Key>; 2],
    redact: Option<RedactRules>,
    /// A type whose entries begin a block.
    begin: Option<TypeName>,
}

#[derive(Clone, Debug)]
struct TypeRule {
    class: Class,
    events: Box<[EventRule]>,
}

/// The lane of a type's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Canonical, except for replays, which are node-local.
    Canonical,
    /// Part of the block, but not canonical.
    Block,
    /// The node's own.
    Local,
}

/// One event that entries of a type give, and the members that it is read from.
#[derive(Clone, Debug)]
enum EventRule {
    ProcessStart,
    Begin {
        height: Key,
        early: bool,
    },
    Executed,
    Crank {
        number: Key,
        crankhash: Key,
        activityhash: Key,
    },
    End {
        height: Key,
    },
    LocalHash {
        height: Key,
        app_hash: Key,
    },
    Commit {
        height: Key,
        app_hash: Option<Key>,
    },
    Abort {
        height: Key,
    },
}

/// One line of a slog, classified.
#[derive(Clone, Copy, Debug)]
pub struct SlogEntry<'a> {
    /// [`Lane::Main`] or [`Lane::Local`].
    pub lane: Lane,
    /// Whether the entry is canonical. Never true in the local lane.
    pub canonical: bool,
    /// Whether the profile knows its type.
    pub known: bool,
    rules: &'a [EventRule],
    line: &'a [u8],
}

impl<'a> SlogEntry<'a> {
    /// Whether entries of its type end a crank. This one may still lack the hashes and so
    /// give no event: older kernels write none.
    pub fn ends_crank(&self) -> bool {
        let crank = |rule: &EventRule| matches!(rule, EventRule::Crank { .. });
        self.rules.iter().any(crank)
    }

    /// The events of the entry, in the order in which they must be applied. Most entries
    /// have none. An entry that lacks what its type promises (no height, a hash that is
    /// not 64 hex digits) gives no event.
    pub fn events(&self) -> impl Iterator<Item = Event> + use<'a> {
        let line = self.line;
        self.rules.iter().filter_map(move |rule| rule.read(line))
    }
}

impl SlogRules {
    /// After this many lines without a known entry, the file is another form of slog, or
    /// another host's.
    pub const MANY: u64 = 100;

    /// Description of the entries that this profile expects, for messages about a slog
    /// without them.
    pub fn looked_for(&self) -> String {
        let such = self.begin.as_ref().map_or(String::new(), |name| {
            format!(", such as {{\"{}\":\"{name}\", ...", self.type_key.name())
        });
        format!("an entry of a type that the profile knows{such}")
    }

    /// Whether entries of this type begin its blocks.
    pub fn begins_with(&self, kind: &str) -> bool {
        let own = self.begin.as_ref();
        own.is_some_and(|begin| begin.as_bytes() == kind.as_bytes())
    }

    /// Whether the profile knows this type.
    pub fn knows(&self, kind: &str) -> bool {
        self.types.get(kind.as_bytes()).is_some()
    }

    /// Whether every entry whose type begins with `start` belongs to the main lane and
    /// gives no event, whatever else it contains.
    pub fn only_keeps(&self, start: &str) -> bool {
        let plain = |rule: &TypeRule| rule.class != Class::Local && rule.events.is_empty();
        let alone = !self.canonical.knows_replays() && self.canonical.wrapped().is_none();
        alone && self.types.beginning_with(start).all(plain)
    }

    /// The crank number in a line, in the member that crank entries have their number in.
    pub fn crank_of(&self, line: &[u8]) -> Option<u64> {
        let key = self.crank_key.as_ref()?;
        json::read_u64(json::find(line, key.as_bytes())?)
    }

    /// Crankhash and activityhash of the entry that ends a crank, each if it is there.
    pub fn crank_hashes(&self, line: &[u8]) -> [Option<Digest>; 2] {
        let keys = self.crank_hash_keys.each_ref();
        keys.map(|key| read_digest(json::find(line, key.as_ref()?.as_bytes())?))
    }

    pub(crate) fn new(mut section: SlogSection) -> Result<SlogRules, Fault> {
        check_apart(&section.local, section.canonical.types())?;
        let type_key = TypeKey::new(section.r#type.clone());
        let wrapped = section.wrapped.take();
        let wrapped = wrapped.map(|wrapped| WrapRules::new(wrapped, type_key.clone()));
        let redact = section.redact.take();
        let crank = section.events.crank.first();
        Ok(SlogRules {
            redact: redact
                .map(|redact| RedactRules::new(redact, type_key.clone(), wrapped.clone()))
                .transpose()?,
            canonical: CanonicalRules::new(&section.canonical, type_key.clone(), wrapped)?,
            crank_hash_keys: [
                crank.map(|crank| crank.crankhash.clone()),
                crank.map(|crank| crank.activityhash.clone()),
            ],
            crank_key: crank.map(|crank| crank.number.clone()),
            begin: section
                .events
                .begin
                .first()
                .map(|begin| begin.r#type.clone()),
            types: section.into_table(),
            type_key,
        })
    }

    /// Classifies a line. A line that is not an entry (not JSON, not UTF-8, no type)
    /// belongs to the main lane, is not canonical and gives no event. A line that holds
    /// an entry with its context is classified as that entry.
    ///
    /// Allocates nothing for a plain line, and reads little more than the type of most
    /// entries.
    pub fn read<'a>(&'a self, line: &'a [u8]) -> SlogEntry<'a> {
        let told = self.unwrapped(line);
        let line = told.as_ref().map_or(line, |(entry, _)| entry);
        let rule = self.type_key.of(line).map(|name| self.types.get(name));
        let (class, rules) = match rule.flatten() {
            Some(rule) => (rule.class, &*rule.events),
            None => (Class::Block, [].as_slice()),
        };
        let repeats = || {
            let told = told.as_ref().map_or(line, |(_, told)| told);
            self.canonical.is_replay(told)
        };
        let (lane, canonical, rules) = match class {
            Class::Local => (Lane::Local, false, rules),
            Class::Block => (Lane::Main, false, rules),
            Class::Canonical if repeats() => (Lane::Local, false, [].as_slice()),
            Class::Canonical => (Lane::Main, true, rules),
        };
        SlogEntry {
            lane,
            canonical,
            known: rule.flatten().is_some(),
            rules,
            line,
        }
    }

    /// The entry in a wrapped line as it stands there, and its certain form.
    fn unwrapped<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], Vec<u8>)> {
        let rules = self.canonical.wrapped()?;
        let wrapped = rules.of(line)?;
        Some((wrapped.entry, rules.told(&wrapped)))
    }

    /// The certain form of the entry in a wrapped line; `None` for a line that is not
    /// wrapped.
    pub fn unwrap(&self, line: &[u8]) -> Option<Vec<u8>> {
        self.unwrapped(line).map(|(_, told)| told)
    }

    /// The same form of an entry that its host wrote.
    pub fn told<'a>(&self, entry: &'a [u8]) -> Cow<'a, [u8]> {
        match self.canonical.wrapped() {
            Some(rules) => rules.told_of(entry),
            None => Cow::Borrowed(entry),
        }
    }

    /// Rules to redact an entry, if the profile has them.
    pub fn redact(&self) -> Option<&RedactRules> {
        self.redact.as_ref()
    }

    /// See [`Profile::naming_by`](crate::Profile::naming_by).
    pub(crate) fn naming_by(self, digest: Option<Digest>) -> SlogRules {
        let own = digest.is_none() || digest == Some(self.canonical.name_digest());
        let former = self.canonical.former().filter(|_| !own);
        match former.filter(|former| digest == Some(former.name_digest())) {
            Some(canonical) => SlogRules { canonical, ..self },
            None => self,
        }
    }

    /// Rules for which entries are canonical, and which parts of them.
    pub fn canonical(&self) -> &CanonicalRules {
        &self.canonical
    }
}

impl SlogSection {
    fn into_table(self) -> TypeTable<TypeRule> {
        let events = self.events.into_rules();
        let class_of = |name: &[u8]| match () {
            () if covers(&self.local, name) => Class::Local,
            () if covers(self.canonical.types(), name) => Class::Canonical,
            () => Class::Block,
        };
        let mut names = self.canonical.names();
        names.extend(self.local.iter().filter_map(TypePattern::name).cloned());
        names.extend(events.iter().map(|(name, _)| name.clone()));
        let rule_of = |name: TypeName| {
            let own = events
                .iter()
                .filter(|(of, _)| *of == name)
                .map(|(_, rule)| rule.clone());
            let rule = TypeRule {
                class: class_of(name.as_bytes()),
                events: own.collect(),
            };
            (name, rule)
        };
        let prefixes = self.local.iter().chain(self.canonical.types());
        let prefix_rule = |prefix: &String| {
            let class = class_of(prefix.as_bytes());
            (
                prefix.clone(),
                TypeRule {
                    class,
                    events: Box::default(),
                },
            )
        };
        TypeTable::new(
            names.into_iter().map(rule_of),
            prefixes.filter_map(TypePattern::prefix).map(prefix_rule),
        )
    }
}

fn covers(set: &[TypePattern], name: &[u8]) -> bool {
    set.iter().any(|pattern| pattern.covers(name))
}

/// Refuses a type that is both local and canonical. Another node does not have a
/// node-local entry, and it can be evicted apart from its block, so it must not count for
/// the HASH.
fn check_apart(local: &[TypePattern], canonical: &[TypePattern]) -> Result<(), Fault> {
    for own in local {
        if let Some(both) = canonical.iter().find(|pattern| pattern.meets(own)) {
            let problem = format!(
                "expected a type that is not canonical, found `{own}`, but `slog.canonical.types` \
                 has `{both}`"
            );
            return Err(Fault::new("slog.local".to_owned(), problem));
        }
    }
    Ok(())
}

impl EventsSection {
    /// Rules in the order in which the events of one entry must be applied.
    fn into_rules(self) -> Vec<(TypeName, EventRule)> {
        let starts = self
            .process_start
            .into_iter()
            .map(|name| (name, EventRule::ProcessStart));
        let begin = |early| {
            move |s: AtHeight| {
                (
                    s.r#type,
                    EventRule::Begin {
                        height: s.height,
                        early,
                    },
                )
            }
        };
        let executed = self
            .executed
            .into_iter()
            .map(|name| (name, EventRule::Executed));
        let cranks = self.crank.into_iter().map(CrankSection::into_rule);
        let abort = |s: AtHeight| (s.r#type, EventRule::Abort { height: s.height });
        let commit = |s: WithResult| {
            (
                s.r#type,
                EventRule::Commit {
                    height: s.height,
                    app_hash: s.app_hash,
                },
            )
        };
        starts
            .chain(self.begin.into_iter().map(begin(false)))
            .chain(self.early.into_iter().map(begin(true)))
            .chain(executed)
            .chain(cranks)
            .chain(self.end.into_iter().flat_map(WithResult::into_end))
            .chain(self.commit.into_iter().map(commit))
            .chain(self.abort.into_iter().map(abort))
            .collect()
    }
}

impl WithResult {
    /// The end of an execution, and its AppHash if the entry has it.
    fn into_end(self) -> impl Iterator<Item = (TypeName, EventRule)> {
        let (name, height) = (self.r#type, self.height);
        let end = EventRule::End {
            height: height.clone(),
        };
        let result = self.app_hash.map(|app_hash| {
            let rule = EventRule::LocalHash { height, app_hash };
            (name.clone(), rule)
        });
        std::iter::once((name, end)).chain(result)
    }
}

impl CrankSection {
    fn into_rule(self) -> (TypeName, EventRule) {
        let CrankSection {
            r#type,
            number,
            crankhash,
            activityhash,
        } = self;
        (
            r#type,
            EventRule::Crank {
                number,
                crankhash,
                activityhash,
            },
        )
    }
}

impl EventRule {
    fn read(&self, line: &[u8]) -> Option<Event> {
        Some(match self {
            EventRule::ProcessStart => Event::ProcessStart,
            EventRule::Executed => Event::Executed,
            EventRule::Begin { height, early } => Event::Begin {
                height: read_height(line, height)?,
                early: *early,
            },
            EventRule::End { height } => Event::End {
                height: read_height(line, height)?,
            },
            EventRule::LocalHash { height, app_hash } => Event::LocalHash {
                height: read_height(line, height)?,
                app_hash: read_app_hash(line, app_hash)?,
            },
            EventRule::Abort { height } => Event::Abort {
                height: read_height(line, height)?,
            },
            EventRule::Commit { height, app_hash } => Event::Commit {
                height: read_height(line, height)?,
                app_hash: app_hash.as_ref().and_then(|key| read_app_hash(line, key)),
            },
            EventRule::Crank {
                number,
                crankhash,
                activityhash,
            } => read_crank(line, [number, crankhash, activityhash])?,
        })
    }
}

fn read_height(line: &[u8], key: &Key) -> Option<u64> {
    json::read_u64(json::find(line, key.as_bytes())?)
}

fn read_app_hash(line: &[u8], key: &Key) -> Option<AppHash> {
    AppHash::from_hex(json::read_plain(json::find(line, key.as_bytes())?)?)
}

fn read_crank(line: &[u8], keys: [&Key; 3]) -> Option<Event> {
    let [number, crankhash, activityhash] = json::pick(line, keys.map(Key::as_bytes));
    Some(Event::Crank {
        number: json::read_u64(number?)?,
        crankhash: read_digest(crankhash?)?,
        activityhash: read_digest(activityhash?)?,
    })
}

fn read_digest(value: &[u8]) -> Option<Digest> {
    Digest::from_hex(json::read_plain(value)?)
}

#[cfg(test)]
mod tests;
