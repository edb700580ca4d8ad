//! The type of an entry: its place in the line, and rules by type.
//!
//! The type alone decides about most entries, so it is found without reading the rest of
//! the line.

use std::fmt;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::json::{self, Key, KeyError};

/// The member that holds the entry's type.
#[derive(Clone, Debug)]
pub(crate) struct TypeKey {
    key: Key,
    /// Start of a line whose first member is the type, as hosts write it.
    opening: Box<[u8]>,
}

impl TypeKey {
    pub(crate) fn new(key: Key) -> TypeKey {
        let opening = format!("{{\"{key}\":\"").into_bytes().into();
        TypeKey { key, opening }
    }

    /// Whether the type is the line's first member.
    pub(crate) fn opens(&self, line: &[u8]) -> bool {
        line.starts_with(&self.opening)
    }

    pub(crate) fn name(&self) -> &Key {
        &self.key
    }

    /// Whether `name` is the name of the type member.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        self.key.as_bytes() == name
    }

    /// The raw bytes of the line's type. `None` if the line has no readable type: it is
    /// not an object, not UTF-8, or cut before the type's end.
    pub(crate) fn of<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        match line.strip_prefix(&*self.opening) {
            Some(rest) => rest.get(..memchr(b'"', rest)?),
            None => self.anywhere(line),
        }
    }

    /// The first type member anywhere in a line that can be walked to its end.
    fn anywhere<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        str::from_utf8(line).ok()?;
        let mut found = None;
        for member in json::members(line) {
            let member = member.ok()?;
            if found.is_none() && member.key == self.key.as_bytes() {
                found = Some(member.value);
            }
        }
        found?.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }
}

/// The name of one type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "Key", into = "Key")]
pub(crate) struct TypeName(Key);

impl TypeName {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Reasons why a text names no type and no set of types.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TypeError {
    /// No type has such a name.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It names a set where one type is expected.
    #[error("expected the full name of a type, found `{0}`")]
    NotFull(Key),
}

impl TryFrom<Key> for TypeName {
    type Error = TypeError;

    fn try_from(name: Key) -> Result<TypeName, TypeError> {
        match memchr(b'*', name.as_bytes()) {
            Some(_) => Err(TypeError::NotFull(name)),
            None => Ok(TypeName(name)),
        }
    }
}

impl From<TypeName> for Key {
    fn from(name: TypeName) -> Key {
        name.0
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of types.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum TypePattern {
    /// This type alone.
    Name(TypeName),
    /// Every type that begins with this text; written with a trailing `*`.
    Prefix(String),
}

impl TypePattern {
    pub(crate) fn covers(&self, name: &[u8]) -> bool {
        match self {
            TypePattern::Name(own) => own.as_bytes() == name,
            TypePattern::Prefix(start) => name.starts_with(start.as_bytes()),
        }
    }

    /// Whether some type is in both sets.
    pub(crate) fn meets(&self, other: &TypePattern) -> bool {
        match (self, other) {
            (TypePattern::Name(name), set) | (set, TypePattern::Name(name)) => {
                set.covers(name.as_bytes())
            }
            (TypePattern::Prefix(a), TypePattern::Prefix(b)) => {
                a.starts_with(b) || b.starts_with(a)
            }
        }
    }

    pub(crate) fn name(&self) -> Option<&TypeName> {
        match self {
            TypePattern::Name(name) => Some(name),
            TypePattern::Prefix(_) => None,
        }
    }

    pub(crate) fn prefix(&self) -> Option<&String> {
        match self {
            TypePattern::Name(_) => None,
            TypePattern::Prefix(start) => Some(start),
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = TypeError;

    fn try_from(text: String) -> Result<TypePattern, TypeError> {
        let Some(start) = text.strip_suffix('*') else {
            return Ok(TypePattern::Name(TypeName::try_from(Key::try_from(text)?)?));
        };
        if !start.is_empty() {
            TypeName::try_from(Key::try_from(start.to_owned())?)?;
        }
        Ok(TypePattern::Prefix(start.to_owned()))
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypePattern::Name(name) => name.fmt(f),
            TypePattern::Prefix(start) => write!(f, "{start}*"),
        }
    }
}

/// Rules by type. Nearly every look-up compares one name. Rules for a prefix apply to
/// types without their own rule.
#[derive(Clone, Debug)]
pub(crate) struct TypeTable<T> {
    /// Hash table with open addressing and linear probing. Its size is a power of two,
    /// and at least three quarters stay empty, so that the search for an unknown type
    /// ends soon.
    slots: Box<[Option<(TypeName, T)>]>,
    /// The first prefix that fits applies.
    prefixes: Box<[(String, T)]>,
}

impl<T> TypeTable<T> {
    /// `names` must not have a name twice.
    pub(crate) fn new(
        names: impl IntoIterator<Item = (TypeName, T)>,
        prefixes: impl IntoIterator<Item = (String, T)>,
    ) -> TypeTable<T> {
        let names: Vec<_> = names.into_iter().collect();
        let size = (names.len() * 4).next_power_of_two();
        let mut slots: Box<[_]> = std::iter::repeat_with(|| None).take(size).collect();
        for (name, rule) in names {
            let start = start_slot(name.as_bytes(), size);
            let (before, from) = slots.split_at_mut(start);
            if let Some(free) = from.iter_mut().chain(before).find(|slot| slot.is_none()) {
                *free = Some((name, rule));
            }
        }
        TypeTable {
            slots,
            prefixes: prefixes.into_iter().collect(),
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&T> {
        let (before, from) = self
            .slots
            .split_at_checked(start_slot(name, self.slots.len()))?;
        let mut run = from.iter().chain(before).map_while(Option::as_ref);
        if let Some((_, rule)) = run.find(|(known, _)| known.as_bytes() == name) {
            return Some(rule);
        }
        let mut prefixes = self.prefixes.iter();
        let found = prefixes.find(|(start, _)| name.starts_with(start.as_bytes()));
        found.map(|(_, rule)| rule)
    }
}

impl<T> TypeTable<T> {
    /// The rules of all types that may begin with `start`.
    pub(crate) fn beginning_with(&self, start: &str) -> impl Iterator<Item = &T> {
        let names = self.slots.iter().flatten();
        let names = names.filter(move |(name, _)| name.as_bytes().starts_with(start.as_bytes()));
        let meets = move |prefix: &str| prefix.starts_with(start) || start.starts_with(prefix);
        let prefixes = self
            .prefixes
            .iter()
            .filter(move |(prefix, _)| meets(prefix));
        let names = names.map(|(_, rule)| rule);
        names.chain(prefixes.map(|(_, rule)| rule))
    }
}

/// First slot of a name. It hashes length and end, because hosts' names share their
/// beginnings.
fn start_slot(name: &[u8], size: usize) -> usize {
    let end = match name.last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => name
            .iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let mixed = (end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize & (size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::try_from(name.to_owned()).unwrap()
    }

    fn name(name: &str) -> TypeName {
        TypeName::try_from(key(name)).unwrap()
    }

    fn pattern(text: &str) -> TypePattern {
        TypePattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_table_holds_every_name_and_no_other() {
        let names: Vec<_> = (0..200)
            .map(|n| name(&format!("cosmic-swingset-{n}")))
            .collect();
        let table = TypeTable::new(
            names.iter().cloned().zip(0..),
            [("crank-".to_owned(), 1000)],
        );
        for (n, name) in names.iter().enumerate() {
            assert_eq!(table.get(name.as_bytes()), Some(&n));
        }
        for absent in [
            "",
            "c",
            "cosmic-swingset-",
            "cosmic-swingset-200",
            "xcosmic-swingset-7",
        ] {
            assert_eq!(table.get(absent.as_bytes()), None, "{absent}");
        }
        let empty = TypeTable::<u8>::new([], []);
        assert_eq!(empty.get(b"syscall"), None);
    }

    #[test]
    fn a_pattern_covers_its_name_or_its_prefix() {
        assert!(pattern("syscall").covers(b"syscall"));
        assert!(!pattern("syscall").covers(b"syscall-result"));
        assert!(pattern("syscall*").covers(b"syscall"));
        assert!(pattern("syscall*").covers(b"syscall-result"));
        assert!(!pattern("syscall*").covers(b"sys"));
        assert!(pattern("*").covers(b"anything"));
        for refused in ["sys*call", "**", "", "a\"b", "a\\*"] {
            assert!(
                TypePattern::try_from(refused.to_owned()).is_err(),
                "{refused}"
            );
        }
        assert!(TypeName::try_from(key("syscall*")).is_err());
    }

    #[test]
    fn patterns_meet_where_a_type_is_in_both() {
        let meet = |a, b| {
            let [a, b] = [pattern(a), pattern(b)];
            assert_eq!(a.meets(&b), b.meets(&a));
            a.meets(&b)
        };
        assert!(meet("clist", "clist") && meet("clist", "cl*") && meet("c*", "cl*"));
        assert!(!meet("clist", "crank") && !meet("clist", "clist-*") && !meet("ca*", "cl*"));
    }

    #[test]
    fn the_type_is_found_wherever_it_stands() {
        let types = TypeKey::new(key("type"));
        let found = [
            (r#"{"type":"syscall","x":1}"#, Some("syscall")),
            (r#"{"type":"syscall" and then rubbish"#, Some("syscall")),
            (
                r#" {"x":{"type":"inner"}, "type" : "clist"} "#,
                Some("clist"),
            ),
            (r#"{"x":1,"type":"first","type":"second"}"#, Some("first")),
            (r#"{"x":1,"type":"cut"#, None),
            (r#"{"type":"cut"#, None),
            (r#"{"x":1,"type":"whole""#, None),
            (r#"{"type":7}"#, None),
            (r#"["type","array"]"#, None),
            ("plain text", None),
            ("", None),
        ];
        for (line, expected) in found {
            assert_eq!(
                types.of(line.as_bytes()),
                expected.map(str::as_bytes),
                "{line}"
            );
        }
        assert_eq!(types.of(b"{\"x\":\"\xff\",\"type\":\"clist\"}"), None);
    }
}
