//! Reading JSON that may come from a later version, a damaged file or a
//! stranger: a value that is not what it should be counts as absent, alone.
//!
//! Values are taken as raw spans first, so that a wrong one costs no memory,
//! however large or deep it is.

use std::fmt;
use std::marker::PhantomData;

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// No type here is a list, but derived structs would take one for their fields
/// in order: that is refused.
fn parse<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    let list = raw.get().starts_with('[');
    if list {
        None
    } else {
        serde_json::from_str(raw.get()).ok()
    }
}

/// A whole document, which must be an object.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let raw: &RawValue = serde_json::from_slice(bytes)?;
    if raw.get().starts_with('{') {
        serde_json::from_str(raw.get())
    } else {
        Err(serde::de::Error::custom("expected a JSON object"))
    }
}

/// One value; the default if it is unsound.
pub(super) fn value<'de, T, D>(d: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(d)?;
    Ok(parse(raw).unwrap_or_default())
}

/// A list without its unsound elements, and of no more than `MAX`.
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

/// A map of words without its unsound entries, and of no more than `MAX`.
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
