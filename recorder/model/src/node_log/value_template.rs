//! Finds a height and a hash in a field's value, or in a part of it.

use std::fmt;

use haltbox_format::AppHash;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use thiserror::Error;

use crate::log_line::{End, Entry, whole_hash};

/// A text with `{height}`, `{hash}` and any number of `{_}`, which skip parts that nobody
/// needs: `{hash}:{height}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Form {
    text: String,
    /// `None` if the text cannot be used, which [`Form::check`] reports.
    parts: Option<Vec<Part>>,
}

/// Literal text, and the placeholder behind it.
#[derive(Clone, Debug)]
struct Part {
    literal: String,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Height,
    Hash,
    Any,
}

/// Values read from a text of some form.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Values {
    pub(super) height: Option<u64>,
    pub(super) hash: Option<AppHash>,
}

/// What is wrong with a form's text.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{expected}, found {text:?}")]
pub(crate) struct FormError {
    expected: &'static str,
    text: String,
}

impl From<String> for Form {
    fn from(text: String) -> Form {
        let parts = split(&text).ok();
        Form { text, parts }
    }
}

impl Form {
    /// Checks the text.
    pub(super) fn check(&self) -> Result<(), FormError> {
        split(&self.text).map(drop)
    }

    /// Reads `text`, which must have this form from start to end; `end` is what follows
    /// it.
    pub(super) fn read(&self, text: &[u8], end: End) -> Option<Values> {
        let mut told = Values::default();
        let mut rest = text;
        let parts = self.parts.as_ref()?;
        for (i, part) in parts.iter().enumerate() {
            rest = rest.strip_prefix(part.literal.as_bytes())?;
            let Some(place) = part.place else {
                break;
            };
            let next = parts.get(i + 1).map_or("", |next| next.literal.as_str());
            let (value, after) = match next {
                "" => (rest, &[][..]),
                next => rest.split_at(memchr::memmem::find(rest, next.as_bytes())?),
            };
            let end = if after.is_empty() { end } else { End::Closed };
            match place {
                Place::Height => told.height = height(value),
                Place::Hash => told.hash = hash(value, end),
                Place::Any => {}
            }
            rest = after;
        }
        rest.is_empty().then_some(told)
    }
}

/// Parses decimal digits, also in groups of three as consoles print them (`12,345,678`),
/// or hex digits behind `0x`.
fn height(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(hex) = text.strip_prefix("0x") {
        let is_hex = hex.bytes().all(|b| b.is_ascii_hexdigit());
        return is_hex.then(|| u64::from_str_radix(hex, 16).ok()).flatten();
    }
    let are_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    let Some((first, groups)) = text.split_once(',') else {
        return are_digits(text).then(|| text.parse().ok()).flatten();
    };
    let is_group = |group: &str| group.len() == 3 && are_digits(group);
    let is_first = (1..=3).contains(&first.len()) && are_digits(first);
    let grouped = is_first && groups.split(',').all(is_group);
    grouped
        .then(|| text.replace(',', "").parse().ok())
        .flatten()
}

/// Parses hex digits, with or without `0x` before them.
fn hash(text: &[u8], end: End) -> Option<AppHash> {
    let hex = text.strip_prefix(b"0x").unwrap_or(text);
    whole_hash(hex, end).filter(|hash| !hash.as_bytes().is_empty())
}

fn split(text: &str) -> Result<Vec<Part>, FormError> {
    let wrong = |expected| {
        let text = text.to_owned();
        Err(FormError { expected, text })
    };
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, behind)) = rest.split_once('{') {
        let Some((name, after)) = behind.split_once('}') else {
            return wrong("expected } after {");
        };
        let place = match name {
            "height" => Place::Height,
            "hash" => Place::Hash,
            "_" => Place::Any,
            _ => return wrong("expected {height}, {hash} or {_}"),
        };
        if literal.is_empty() && !parts.is_empty() {
            return wrong("expected text between two {}");
        }
        let literal = literal.to_owned();
        let place = Some(place);
        parts.push(Part { literal, place });
        rest = after;
    }
    if !rest.is_empty() {
        let literal = rest.to_owned();
        parts.push(Part {
            literal,
            place: None,
        });
    }
    let times = |place| parts.iter().filter(|p| p.place == Some(place)).count();
    let (heights, hashes) = (times(Place::Height), times(Place::Hash));
    match (heights, hashes, parts.len()) {
        (1, 0 | 1, ..=8) | (0, 1, ..=8) => Ok(parts),
        _ => wrong(
            "expected {height} and {hash} at most once each, at least one of them, and at most 8 \
             {}",
        ),
    }
}

/// A field: its whole value, or a part of it.
#[derive(Clone, Debug)]
pub(super) struct FieldRule {
    pub(super) key: String,
    pub(super) form: Option<Form>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Formed {
    key: String,
    form: Form,
}

impl<'de> Deserialize<'de> for FieldRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

/// Written by hand, because a derived type also accepts a list as an object.
struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = FieldRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key of the line, or {\"key\": KEY, \"form\": TEXT}")
    }

    fn visit_str<E>(self, key: &str) -> Result<FieldRule, E> {
        let key = key.to_owned();
        Ok(FieldRule { key, form: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldRule, A::Error> {
        let Formed { key, form } = Formed::deserialize(MapAccessDeserializer::new(map))?;
        let form = Some(form);
        Ok(FieldRule { key, form })
    }
}

impl FieldRule {
    pub(super) fn height(&self, entry: &Entry<'_>) -> Option<u64> {
        let value = entry.value(&self.key)?;
        match &self.form {
            Some(form) => form.read(value.text(), value.end())?.height,
            None => value.height(),
        }
    }

    pub(super) fn hash(&self, entry: &Entry<'_>) -> Option<AppHash> {
        let value = entry.value(&self.key)?;
        match &self.form {
            Some(form) => form.read(value.text(), value.end())?.hash,
            None => value.hash(),
        }
    }
}
