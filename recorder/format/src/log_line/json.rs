//! Lines that are JSON objects: loggers' JSON forms, and collectors that wrap
//! a line into one.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{End, Field, MAX_FIELDS, Value};

/// Where loggers put the message: CometBFT, zerolog, zap and slog.
pub(super) const MESSAGE_KEYS: [&str; 3] = ["_msg", "message", "msg"];

/// Where they put the level.
pub(super) const LEVEL_KEYS: [&str; 2] = ["level", "lvl"];

/// The fields of the object `text` begins with, and what follows it; `None`
/// if the object is cut or broken.
///
/// Nested objects and lists are fields without a value.
pub(super) fn object(text: &[u8]) -> Option<(Vec<Field<'_>>, &[u8])> {
    let mut objects = serde_json::Deserializer::from_slice(text).into_iter::<Object<'_>>();
    let Object(fields) = objects.next()?.ok()?;
    let rest = text.get(objects.byte_offset()..).unwrap_or_default();
    Some((fields, rest))
}

/// The line inside docker's json-file (`log`) or journald's JSON (`MESSAGE`);
/// `None` for any other line.
///
/// Docker cuts a line after 16 KiB; only the last part ends in a newline.
pub(super) fn collected(line: &[u8]) -> Option<(Cow<'_, [u8]>, End)> {
    let text = line.trim_ascii_start();
    text.starts_with(b"{").then_some(())?;
    let Some((fields, _)) = object(text) else {
        // Of a torn json-file line nothing tells whether docker cut the text
        // in it, so there is nothing to believe.
        let torn = text.starts_with(br#"{"log":"#);
        return torn.then_some((Cow::Borrowed(&[]), End::Cut));
    };
    let has = |key: &str| fields.iter().any(|field| field.is(key));
    let is_docker = has("log") && has("stream");
    let key = if is_docker { "log" } else { "MESSAGE" };
    // A logger's own entry may have a field of that name with any text in it.
    let collected = is_docker || has("__REALTIME_TIMESTAMP");
    let logged = MESSAGE_KEYS.iter().chain(&LEVEL_KEYS).any(|key| has(key));
    (collected && !logged).then_some(())?;
    let field = fields.into_iter().find(|field| field.is(key))?;
    let text = field.value?.text;
    Some(match text.strip_suffix(b"\n") {
        Some(line) => (Cow::Owned(line.to_vec()), End::Newline),
        None if is_docker => (text, End::Cut),
        None => (text, End::Newline),
    })
}

struct Object<'a>(Vec<Field<'a>>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Scalar(key)) = map.next_key::<Scalar<'de>>()? {
            let Scalar(text) = map.next_value()?;
            if fields.len() < MAX_FIELDS {
                let value = text.map(|text| Value {
                    text,
                    end: End::Closed,
                });
                let key = key.unwrap_or_default();
                fields.push(Field { key, value });
            }
        }
        Ok(Object(fields))
    }
}

/// A text, or a whole number as its digits; `None` for anything else.
struct Scalar<'a>(Option<Cow<'a, [u8]>>);

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Cow::Borrowed(text.as_bytes()))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Cow::Owned(text.as_bytes().to_vec()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Cow::Owned(number.to_string().into_bytes()))))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }
}
