//! Entries that their sender wraps into a line with a context, and what such a line still
//! says about them.
//!
//! Such a sender moves members out of the entry, and leaves out entries that it does not
//! expect. Its lines do not show either, so a wrapped line gives no HASH. What a wrapped
//! line says for certain has one form, which the host's own line can be reduced to. Two
//! sources are compared by that form, and nobody is accused over what was taken out.

use std::borrow::Cow;

use serde::Deserialize;

use crate::entry_type::{TypeKey, TypeName};
use crate::json::{self, Key};

/// The `wrapped` section of a profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedSection {
    #[serde(default, rename = "note")]
    _note: String,
    entry: Key,
    context: Key,
    #[serde(default)]
    moved: Vec<MovedSection>,
}

/// Members that the sender takes out of the entries of some types.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MovedSection {
    /// Empty: every type.
    #[serde(default)]
    types: Vec<TypeName>,
    members: Vec<Moved>,
}

/// A member that is no longer in the wrapped entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    name: Key,
    /// `None`: the line does not have it. A context that is about the entry before proves
    /// nothing.
    #[serde(default)]
    r#in: Option<MovedTo>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MovedTo {
    /// The value of this member of the context.
    Context(Key),
    /// The value of this member of the line, beside the entry.
    Line(Key),
    /// `true` for an entry that has no member of this name; absent for any other.
    Without(Key),
}

/// Rules that find and read wrapped entries.
#[derive(Clone, Debug)]
pub(crate) struct WrapRules {
    section: WrappedSection,
    type_key: TypeKey,
}

/// A line that holds an entry and its context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapped<'a> {
    pub(crate) entry: &'a [u8],
    context: &'a [u8],
    line: &'a [u8],
    kind: &'a [u8],
}

impl WrapRules {
    pub(crate) fn new(section: WrappedSection, type_key: TypeKey) -> WrapRules {
        WrapRules { section, type_key }
    }

    /// The entry in a wrapped line. A line is wrapped if it has no type itself, its entry
    /// has one, and it has a context.
    pub(crate) fn of<'a>(&self, line: &'a [u8]) -> Option<Wrapped<'a>> {
        if !line.starts_with(b"{") || self.type_key.opens(line) {
            return None;
        }
        let (mut entry, mut context) = (None, None);
        for member in json::members(line) {
            let member = member.ok()?;
            match member.key {
                key if self.holds_entry(key) => entry = entry.or(Some(member.value)),
                key if self.holds_context(key) => context = context.or(Some(member.value)),
                key if self.type_key.is(key) => return None,
                _ => {}
            }
        }
        let (entry, context) = (entry?, context?);
        (entry.starts_with(b"{") && context.starts_with(b"{")).then_some(())?;
        Some(Wrapped {
            kind: self.type_key.of(entry)?,
            entry,
            context,
            line,
        })
    }

    /// Whether `key` is the member of a wrapped line that holds the entry.
    pub(crate) fn holds_entry(&self, key: &[u8]) -> bool {
        key == self.section.entry.as_bytes()
    }

    /// Whether `key` is the member that holds the context.
    pub(crate) fn holds_context(&self, key: &[u8]) -> bool {
        key == self.section.context.as_bytes()
    }

    /// The certain form of a wrapped entry.
    pub(crate) fn told(&self, wrapped: &Wrapped<'_>) -> Vec<u8> {
        self.form(wrapped.entry, wrapped.kind, &|moved| moved.value(wrapped))
    }

    /// The same form of an entry that its host wrote.
    pub(crate) fn told_of<'a>(&self, entry: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(kind) = self.type_key.of(entry) else {
            return Cow::Borrowed(entry);
        };
        let own = |moved: &Moved| match &moved.r#in {
            Some(MovedTo::Without(key)) => is_without(entry, key),
            Some(_) => json::find(entry, moved.name.as_bytes()),
            None => None,
        };
        Cow::Owned(self.form(entry, kind, &own))
    }

    /// The entry without its moved members, followed by those that have a value, always
    /// in the same order.
    fn form<'a>(
        &self,
        entry: &'a [u8],
        kind: &[u8],
        value: &dyn Fn(&Moved) -> Option<&'a [u8]>,
    ) -> Vec<u8> {
        let members: Result<Vec<_>, _> = json::members(entry).collect();
        let Ok(members) = members else {
            return entry.to_vec();
        };
        let is_moved = |key: &[u8]| self.moved(kind).any(|moved| moved.name.as_bytes() == key);
        let stay = members.iter().filter(|member| !is_moved(member.key));
        let mut pieces: Vec<Cow<'_, [u8]>> = stay.map(|member| Cow::from(member.text)).collect();
        for moved in self.moved(kind) {
            let told = value(moved);
            pieces.extend(
                told.map(|value| Cow::from([b"\"", moved.name.as_bytes(), b"\":", value].concat())),
            );
        }
        [b"{", pieces.join(&b','.to_owned()).as_slice(), b"}"].concat()
    }

    fn moved<'a>(&'a self, kind: &'a [u8]) -> impl Iterator<Item = &'a Moved> {
        let rules = self.section.moved.iter();
        let of_kind = move |rule: &&MovedSection| {
            rule.types.is_empty() || rule.types.iter().any(|name| name.as_bytes() == kind)
        };
        rules.filter(of_kind).flat_map(|rule| &rule.members)
    }
}

impl Moved {
    fn value<'a>(&self, wrapped: &Wrapped<'a>) -> Option<&'a [u8]> {
        match self.r#in.as_ref()? {
            MovedTo::Context(key) => json::find(wrapped.context, key.as_bytes()),
            MovedTo::Line(key) => json::find(wrapped.line, key.as_bytes()),
            MovedTo::Without(key) => is_without(wrapped.entry, key),
        }
    }
}

fn is_without<'a>(entry: &[u8], key: &Key) -> Option<&'a [u8]> {
    json::find(entry, key.as_bytes())
        .is_none()
        .then_some(b"true")
}

#[cfg(test)]
mod tests;
