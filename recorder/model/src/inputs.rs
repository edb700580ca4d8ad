//! Inputs of a block, as a few short strings.
//!
//! Two operators compare these strings and so exclude that their nodes got different
//! inputs, without passing on anything else. A profile says where they stand.

use std::fmt;

use serde::Deserialize;

use crate::json;

/// Longest value that is shown whole, in characters. A longer one is a digest, and its
/// beginning is shown.
const WHOLE: usize = 24;
/// Characters of a digest that are shown, as for a quoted AppHash.
const SHORT: usize = 8;

/// The member of an entry that has an input.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputRule {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// `a.b` for a nested member.
    member: String,
}

/// Where the entries of a host have the inputs of a block.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct InputRules(Vec<InputRule>);

impl InputRules {
    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the inputs in an entry to `told`.
    pub fn read(&self, line: &[u8], told: &mut Inputs) {
        for input in self.told(line) {
            told.put(input.name(), input.short());
        }
    }

    /// The inputs in an entry.
    pub fn told<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = ToldInput<'a>> {
        let kind = (!self.is_empty()).then(|| json::find(line, b"type"));
        let kind = kind.flatten().and_then(json::read_str);
        let rules = self.0.iter();
        let rules = rules.filter(move |rule| kind.as_deref() == Some(rule.kind.as_str()));
        rules.filter_map(|rule| {
            let value = rule.find(line)?;
            Some(ToldInput { rule, value })
        })
    }
}

impl InputRule {
    fn find<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let mut names = self.member.split('.');
        names.try_fold(line, |object, name| json::find(object, name.as_bytes()))
    }
}

/// One input in an entry.
#[derive(Clone, Copy, Debug)]
pub struct ToldInput<'a> {
    rule: &'a InputRule,
    value: &'a [u8],
}

impl ToldInput<'_> {
    /// Name of the input.
    pub fn name(&self) -> &str {
        &self.rule.name
    }

    /// Type of the entry.
    pub fn entry_type(&self) -> &str {
        &self.rule.kind
    }

    /// The member that has the input.
    pub fn member(&self) -> &str {
        &self.rule.member
    }

    /// The value in the short form for people. `None` if it is neither a string nor null.
    pub fn short(&self) -> Option<String> {
        short(self.value)
    }

    /// The value as normalised JSON, the same from every writer. `None` if it is neither
    /// a string nor null.
    pub fn value(&self) -> Option<String> {
        if self.value == b"null" {
            return Some("null".to_owned());
        }
        serde_json::to_string(&json::read_str(self.value)?).ok()
    }

    /// Whether another form of the entry has the input too.
    pub fn is_in(&self, form: &[u8]) -> bool {
        self.rule.find(form).is_some()
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

/// Inputs of a block by name, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs(Vec<(String, String)>);

impl Inputs {
    /// Whether there are no inputs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets an input. A later value replaces an earlier one.
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

    #[test]
    fn a_value_is_the_same_whoever_writes_it() {
        let rules = rules();
        let values = |line: &str| -> Vec<(String, Option<String>)> {
            let told = rules.told(line.as_bytes());
            told.map(|told| (told.member().to_owned(), told.value()))
                .collect()
        };
        let plain = r#"{"type":"step-input","txsDigest":"a/b","misbehavior":null}"#;
        let other = r#"{"type": "step-input", "txsDigest": "a\/\u0062", "misbehavior": null}"#;
        let expected = [("txsDigest", r#""a/b""#), ("misbehavior", "null")];
        let expected = expected.map(|(member, value)| (member.to_owned(), Some(value.to_owned())));
        assert_eq!(values(plain), expected);
        assert_eq!(values(other), expected);
        assert_eq!(
            values(r#"{"type":"begin-block","time":7}"#),
            [("time".to_owned(), None)]
        );
        assert_eq!(values(r#"{"type":"tx-input","time":"7"}"#), []);
        let local = r#"{"type":"step-input","local":{"params":"x"}}"#;
        let told = rules.told(local.as_bytes()).next().unwrap();
        assert_eq!((told.name(), told.entry_type()), ("params", "step-input"));
        assert!(told.is_in(local.as_bytes()) && !told.is_in(br#"{"type":"step-input"}"#));
    }
}
