//! Lists in a node's answers, with a limit of their length.
//!
//! Three bytes of JSON can take a hundred bytes in memory. So a limit of the
//! answer's bytes does not limit the memory.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// Most elements of a list.
const FEW: usize = 1 << 16;

/// Reads a list, or null. Returns an error if the list is too long.
pub(super) fn few<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Few(PhantomData))
}

struct Few<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {FEW} elements")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = list.next_element()? {
            if found.len() == FEW {
                return Err(A::Error::invalid_length(FEW + 1, &self));
            }
            found.push(element);
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Answer {
        #[serde(default, deserialize_with = "few")]
        list: Option<Vec<u8>>,
    }

    #[test]
    fn a_list_is_bounded() {
        let length = |text: &str| {
            let answer: Result<Answer, _> = serde_json::from_str(text);
            answer.map(|answer| answer.list.map(|list| list.len()))
        };
        assert_eq!(length("{}").expect("none"), None);
        assert_eq!(length(r#"{"list":null}"#).expect("none"), None);
        assert_eq!(length(r#"{"list":[1,2]}"#).expect("two"), Some(2));
        let many = |count: usize| format!(r#"{{"list":[{}]}}"#, vec!["1"; count].join(","));
        assert_eq!(length(&many(FEW)).expect("as many as may be"), Some(FEW));
        let error = length(&many(FEW + 1)).expect_err("one more").to_string();
        assert!(error.contains("at most 65536"), "{error}");
    }
}
