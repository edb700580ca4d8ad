//! Reads JSON of a later version, a damaged file or a stranger. A value of the wrong kind
//! counts as absent, and costs nothing else.
//!
//! Each value is first read as a raw span, so that a wrong value takes no memory, however
//! large or deep it is.

use std::fmt;
use std::marker::PhantomData;

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Refuses lists. No type here is a list, but a derived struct would accept one as its
/// fields in order.
fn parse<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    let list = raw.get().starts_with('[');
    if list {
        None
    } else {
        serde_json::from_str(raw.get()).ok()
    }
}

/// Parses a document, which must be an object.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let raw: &RawValue = serde_json::from_slice(bytes)?;
    if raw.get().starts_with('{') {
        serde_json::from_str(raw.get())
    } else {
        Err(serde::de::Error::custom("expected a JSON object"))
    }
}

/// Reads one value; the default if it is of the wrong kind.
pub(super) fn value<'de, T, D>(d: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(d)?;
    Ok(parse(raw).unwrap_or_default())
}

/// Reads a list: leaves out elements of the wrong kind, and those beyond `MAX`.
pub(super) fn list<'de, const MAX: usize, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let raw = <&'de RawValue>::deserialize(d)?;
    let mut inner = serde_json::Deserializer::from_str(raw.get());
    let list = inner.deserialize_seq(ListVisitor::<MAX, T>(PhantomData));
    Ok(list.unwrap_or_default())
}

struct ListVisitor<const MAX: usize, T>(PhantomData<T>);

impl<'de, const MAX: usize, T: DeserializeOwned> Visitor<'de> for ListVisitor<MAX, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut sound = Vec::new();
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            if sound.len() < MAX {
                sound.extend(parse::<T>(raw));
            }
        }
        Ok(sound)
    }
}

/// Reads a map of strings: leaves out values of the wrong kind, and entries beyond `MAX`.
pub(super) fn words<'de, const MAX: usize, D>(d: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&'de RawValue>::deserialize(d)?;
    let mut inner = serde_json::Deserializer::from_str(raw.get());
    Ok(inner
        .deserialize_map(WordsVisitor::<MAX>)
        .unwrap_or_default())
}

struct WordsVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for WordsVisitor<MAX> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sound = BTreeMap::new();
        while let Some((word, raw)) = map.next_entry::<String, &RawValue>()? {
            if sound.len() < MAX {
                sound.extend(parse(raw).map(|text: String| (word, text)));
            }
        }
        Ok(sound)
    }
}
