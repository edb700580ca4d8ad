//! What differs between two entries, as JSON paths.

use serde::Serialize;
use serde_json::Value;

/// Limit of the changes that are listed.
const CHANGES_LIMIT: usize = 12;
/// Limit of the characters of a value that are shown, around the difference.
const SHOWN: usize = 160;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Path of the member, such as `ksr[1].body`; empty for the whole entry.
    pub path: String,
    /// The value on side A; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<String>,
    /// The value on side B; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<String>,
}

/// The differences of two canonical entries, in the order of A's members.
pub fn changes(a: &[u8], b: &[u8]) -> Vec<Change> {
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    let mut found = Vec::new();
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => walk(String::new(), Some(&a), Some(&b), &mut found),
        _ => {
            let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
            walk(String::new(), Some(&text(a)), Some(&text(b)), &mut found);
        }
    }
    found
}

fn walk(path: String, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Change>) {
    if a == b || found.len() >= CHANGES_LIMIT {
        return;
    }
    match (a, b) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut keys: Vec<&String> = one.keys().collect();
            keys.extend(other.keys().filter(|key| !one.contains_key(*key)));
            for key in keys {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(inner, one.get(key), other.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                walk(
                    format!("{path}[{index}]"),
                    one.get(index),
                    other.get(index),
                    found,
                );
            }
        }
        _ => found.push(change(path, a, b)),
    }
}

fn change(path: String, a: Option<&Value>, b: Option<&Value>) -> Change {
    let text = |value: Option<&Value>| value.map(Value::to_string);
    let (a, b) = (text(a), text(b));
    let common = match (&a, &b) {
        (Some(a), Some(b)) => a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count(),
        _ => 0,
    };
    let around = |text: Option<String>| text.map(|text| elide(&text, common));
    Change {
        path,
        a: around(a),
        b: around(b),
    }
}

/// At most 160 characters of a text, around character `at`, with `…` where it was cut.
pub fn elide(text: &str, at: usize) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let from = at.saturating_sub(SHOWN / 3).min(length - SHOWN);
    let middle: String = text.chars().skip(from).take(SHOWN).collect();
    let mark = |cut: bool| if cut { "…" } else { "" };
    format!("{}{middle}{}", mark(from > 0), mark(from + SHOWN < length))
}

/// Whether an entry holds a whole number above 2^53, which a JavaScript JSON writer cannot
/// keep exactly.
pub fn has_lossy_number(entry: &[u8]) -> bool {
    fn lossy(value: &Value) -> bool {
        match value {
            Value::Number(number) => number
                .as_f64()
                .is_some_and(|n| n.fract() == 0.0 && n.abs() > 9_007_199_254_740_992.0),
            Value::Array(items) => items.iter().any(lossy),
            Value::Object(members) => members.values().any(lossy),
            _ => false,
        }
    }
    serde_json::from_slice(entry).is_ok_and(|value| lossy(&value))
}
