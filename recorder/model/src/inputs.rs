//! What a block was given, in a few short strings.
//!
//! Two operators who read them to each other exclude that their nodes were given something
//! else, and hand out nothing else for it. A profile names where they stand.

use std::fmt;

use serde::Deserialize;

use crate::json;

/// A value that is as short as this is told whole; of a longer one, which is a digest, the
/// beginning.
const WHOLE: usize = 24;
/// Characters of a digest, as of an AppHash that is quoted.
const SHORT: usize = 8;

/// Which member of which entry tells an input.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputRule {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// `a.b` for a member of a member.
    member: String,
}

/// Where the entries of a host tell what a block was given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct InputRules(Vec<InputRule>);

impl InputRules {
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes what an entry tells.
    pub fn read(&self, line: &[u8], told: &mut Inputs) {
        if self.is_empty() {
            return;
        }
        let Some(kind) = json::find(line, b"type").and_then(json::read_str) else {
            return;
        };
        for rule in self.0.iter().filter(|rule| rule.kind == kind) {
            let mut names = rule.member.split('.');
            let value = names.try_fold(line, |object, name| json::find(object, name.as_bytes()));
            told.put(&rule.name, value.and_then(short));
        }
    }
}

fn short(value: &[u8]) -> Option<String> {
    if value == b"null" {
        return Some("none".to_owned());
    }
    let text = json::read_str(value)?;
    match text.chars().count() {
        0..=WHOLE => Some(text.into_owned()),
        _ => Some(text.chars().take(SHORT).collect()),
    }
}

/// What a block was given, by name, in the order in which it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs(Vec<(String, String)>);

impl Inputs {
    /// Nothing is told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What comes again is told by what comes last.
    fn put(&mut self, name: &str, value: Option<String>) {
        let Some(value) = value else { return };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

/// `txs=915653E9 votes=957669BC`.
impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> InputRules {
        let rules = r#"[{"name":"txs","type":"step-input","member":"txsDigest"},
            {"name":"evidence","type":"step-input","member":"misbehavior"},
            {"name":"params","type":"step-input","member":"local.params"},
            {"name":"time","type":"begin-block","member":"time"}]"#;
        serde_json::from_str(rules).unwrap()
    }

    #[test]
    fn each_input_is_a_short_string() {
        let mut told = Inputs::default();
        let digest = "ab".repeat(32);
        let input = format!(
            r#"{{"type":"step-input","txsDigest":"{digest}","misbehavior":null,"local":{{"config":"ef","params":"{digest}"}}}}"#
        );
        let begin = r#"{"type":"begin-block","time":"1795993018.594507464"}"#;
        let other = r#"{"type":"tx-input","txsDigest":"cd","time":7}"#;
        for line in [begin, &input, other, "no JSON", r#"{"type":7}"#] {
            rules().read(line.as_bytes(), &mut told);
        }
        let expected = "time=1795993018.594507464 txs=abababab evidence=none params=abababab";
        assert_eq!(told.to_string(), expected);
        // Another attempt at the block.
        rules().read(br#"{"type":"step-input","txsDigest":"x"}"#, &mut told);
        assert_eq!(
            told.to_string(),
            "time=1795993018.594507464 txs=x evidence=none params=abababab"
        );
        assert!(!told.is_empty() && Inputs::default().is_empty());
    }
}
