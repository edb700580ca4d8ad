//! Redaction: replaces the values of an entry by keyed digests.
//!
//! Structure and equality stay, so that two holders of the same key can still compare.
//! The values are gone. Spans of the host's own bytes are replaced and the rest is
//! copied; nothing is written anew. A member that the profile does not name is replaced:
//! a member that nobody thought of must not leak.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::canonical::{DEEPEST, Step};
use crate::entry_type::TypeKey;
use crate::fault::Fault;
use crate::json::{self, Key, Malformed};
use crate::wrapped::WrapRules;

/// Least bytes of a secret. A shorter one could be guessed.
pub const KEY_MIN: usize = 16;

/// Contexts of the key derivation: another use of the same secret gives another key.
const VALUES: &str = "haltbox redact 2026 values";
const KEY_ID: &str = "haltbox redact 2026 key id";

/// Most digits that one `#` of a reference stands for: enough for any counter, too few
/// for a card's number.
const DIGITS_MAX: usize = 12;

/// The `redact` section of a profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedactSection {
    #[serde(default, rename = "note")]
    _note: String,
    #[serde(default)]
    plain: Vec<Key>,
    replace: Vec<ReplaceSection>,
    #[serde(default)]
    names: Vec<Key>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplaceSection {
    members: Vec<Key>,
    #[serde(default)]
    plain: Vec<Vec<Step>>,
}

/// Rules for which values of an entry are replaced. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedactRules(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    type_key: TypeKey,
    members: HashMap<Vec<u8>, Rule>,
    /// Names of members that stay in clear, at any depth.
    names: HashSet<Vec<u8>>,
    references: Vec<Reference>,
    wrapped: Option<WrapRules>,
}

/// How a value is treated.
#[derive(Clone, Debug)]
enum Rule {
    Plain,
    /// Replaced, except for the plain parts inside.
    Replaced(Vec<(Step, Rule)>),
}

static REPLACED: Rule = Rule::Replaced(Vec::new());

impl RedactRules {
    pub(crate) fn new(
        section: RedactSection,
        type_key: TypeKey,
        wrapped: Option<WrapRules>,
    ) -> Result<RedactRules, Fault> {
        let bytes = |key: &Key| key.as_bytes().to_vec();
        let mut names: HashSet<_> = section.names.iter().map(bytes).collect();
        let mut members = HashMap::new();
        for name in &section.plain {
            members.insert(bytes(name), Rule::Plain);
        }
        for (n, replace) in section.replace.iter().enumerate() {
            let fault = |problem| Fault::new(format!("slog.redact.replace[{n}]"), problem);
            let rule = replace.rule().map_err(|error| fault(error.to_string()))?;
            names.extend(replace.steps().map(bytes));
            for name in &replace.members {
                if members.insert(bytes(name), rule.clone()).is_some() {
                    return Err(fault(format!(
                        "expected each member once, found `{name}` again"
                    )));
                }
            }
        }
        names.extend(members.keys().cloned());
        Ok(RedactRules(Arc::new(Rules {
            type_key,
            members,
            names,
            references: section.references,
            wrapped,
        })))
    }
}

/// A path of `plain` without steps, or with too many.
#[derive(Debug, Error)]
#[error("expected 1 to {DEEPEST} steps in each path of `plain`, found {steps}")]
struct BadPath {
    steps: usize,
}

impl ReplaceSection {
    fn rule(&self) -> Result<Rule, BadPath> {
        let mut inside = Vec::new();
        for path in &self.plain {
            if path.is_empty() || path.len() > DEEPEST {
                return Err(BadPath { steps: path.len() });
            }
            insert(&mut inside, path);
        }
        Ok(Rule::Replaced(inside))
    }

    fn steps(&self) -> impl Iterator<Item = &Key> {
        let steps = self.plain.iter().flatten();
        steps.filter_map(|step| match step {
            Step::Member(name) => Some(name),
            Step::Element(_) => None,
        })
    }
}

fn insert(rules: &mut Vec<(Step, Rule)>, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    let known = rules.iter().position(|(known, _)| known == step);
    let index = known.unwrap_or_else(|| {
        rules.push((step.clone(), REPLACED.clone()));
        rules.len() - 1
    });
    match rules.get_mut(index) {
        Some((_, rule)) if rest.is_empty() => *rule = Rule::Plain,
        Some((_, Rule::Replaced(inside))) => insert(inside, rest),
        _ => {}
    }
}

/// The form of a name that a host gives its own objects, such as `ko#`: text, and digits
/// for each `#`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Reference(Vec<String>);

/// A text that is no form of a name.
#[derive(Debug, Error)]
#[error("expected a letter, then text and one # for each number in it, found {0:?}")]
struct BadReference(String);

impl TryFrom<String> for Reference {
    type Error = BadReference;

    fn try_from(text: String) -> Result<Reference, BadReference> {
        let parts: Vec<String> = text.split('#').map(str::to_owned).collect();
        let Some((first, behind)) = parts.split_first() else {
            return Err(BadReference(text));
        };
        let sound = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        let letter = first.starts_with(|c: char| c.is_ascii_alphabetic());
        let digit = |part: &String| part.starts_with(|c: char| c.is_ascii_digit());
        let between = behind.iter().rev().skip(1);
        let apart = !behind.iter().any(digit) && between.into_iter().all(|part| !part.is_empty());
        if letter && !behind.is_empty() && apart && text.chars().all(sound) {
            return Ok(Reference(parts));
        }
        Err(BadReference(text))
    }
}

impl Reference {
    /// Whether the raw bytes of a string have exactly this form.
    fn covers(&self, raw: &[u8]) -> bool {
        let Some((first, behind)) = self.0.split_first() else {
            return false;
        };
        let Some(mut rest) = raw.strip_prefix(first.as_bytes()) else {
            return false;
        };
        for part in behind {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let after = rest.get(digits..).unwrap_or_default();
            match after.strip_prefix(part.as_bytes()) {
                Some(left) if (1..=DIGITS_MAX).contains(&digits) => rest = left,
                _ => return false,
            }
        }
        rest.is_empty()
    }
}

/// The key of the tokens. It is never printed.
#[derive(Clone)]
pub struct RedactKey([u8; 32]);

impl RedactKey {
    /// From secret bytes; `None` if they are fewer than [`KEY_MIN`].
    pub fn derive(secret: &[u8]) -> Option<RedactKey> {
        (secret.len() >= KEY_MIN).then(|| RedactKey(blake3::derive_key(VALUES, secret)))
    }

    /// An id that distinguishes two keys without revealing them. Tokens of different keys
    /// differ everywhere, so a comparison must know.
    pub fn id(&self) -> String {
        let digest = blake3::derive_key(KEY_ID, &self.0);
        digest.iter().take(4).map(|b| format!("{b:02x}")).collect()
    }

    /// `"r:` and the first half of the keyed digest, as a JSON string.
    fn token(&self, raw: &[u8], out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digest = blake3::keyed_hash(&self.0, raw);
        out.extend_from_slice(b"\"r:");
        for byte in digest.as_bytes().iter().take(16) {
            let digits = [byte >> 4, byte & 15].map(|d| HEX.get(usize::from(d)).copied());
            out.extend(digits.into_iter().flatten());
        }
        out.push(b'"');
    }
}

/// Redacts the lines of one source.
pub struct Redactor {
    rules: RedactRules,
    key: RedactKey,
}

impl Redactor {
    /// A redactor with these rules and this key.
    pub fn new(rules: RedactRules, key: RedactKey) -> Redactor {
        Redactor { rules, key }
    }

    /// Appends the redacted line to `out`. Returns `false` if the line is not JSON; it
    /// then becomes one token.
    pub fn line(&self, line: &[u8], out: &mut Vec<u8>) -> bool {
        let before = out.len();
        if is_json(line) && self.any_form(line, out).is_ok() {
            return true;
        }
        out.truncate(before);
        self.key.token(line, out);
        false
    }

    fn any_form(&self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let wrapped = self.rules.0.wrapped.as_ref();
        match wrapped.filter(|rules| rules.of(line).is_some()) {
            Some(rules) => self.wrapped(rules, line, out),
            None => self.entry(line, out),
        }
    }

    /// Entry and context stay separate, so that a reader of the box sees that members
    /// were taken out of the entry.
    fn wrapped(&self, rules: &WrapRules, line: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.push(b'{');
        for (n, member) in json::members(line).enumerate() {
            let member = member?;
            out.extend_from_slice(if n > 0 { b"," } else { b"" });
            let own = rules.holds_entry(member.key) || rules.holds_context(member.key);
            let name = member.text.get(..member.key.len() + 2).unwrap_or_default();
            match own {
                true => out.extend_from_slice(name),
                false => self.name(name, out),
            }
            out.push(b':');
            match own {
                true => self.object(member.value, true, out)?,
                false => self.member(member.key, member.value, out)?,
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn member(&self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut walk = Walk {
            redactor: self,
            text: value,
            at: 0,
            out,
        };
        walk.value(self.rules.0.members.get(key).unwrap_or(&REPLACED))
    }

    /// Redacts an entry. In a line without a type every value is replaced.
    fn entry(&self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let typed = self.rules.0.type_key.of(line).is_some();
        self.object(line, typed, out)
    }

    fn object(&self, line: &[u8], typed: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let rules = &self.rules.0;
        let mut walk = Walk {
            redactor: self,
            text: line,
            at: 0,
            out,
        };
        walk.space();
        match walk.peek() {
            Some(b'{') => walk.object(&|name| {
                let known = rules.members.get(name).filter(|_| typed);
                known.unwrap_or(&REPLACED)
            })?,
            _ => walk.leaves(line.len())?,
        }
        walk.copy(line.len());
        Ok(())
    }

    /// Appends a name, or its token. `raw` includes the quotes.
    fn name(&self, raw: &[u8], out: &mut Vec<u8>) {
        let bare = raw.get(1..raw.len() - 1).unwrap_or_default();
        match self.rules.0.names.contains(bare) {
            true => out.extend_from_slice(raw),
            false => self.key.token(raw, out),
        }
    }

    fn string(&self, raw: &[u8], out: &mut Vec<u8>) {
        let bare = raw.get(1..raw.len() - 1).unwrap_or_default();
        match self.rules.0.references.iter().any(|form| form.covers(bare)) {
            true => out.extend_from_slice(raw),
            false => self.key.token(raw, out),
        }
    }
}

/// The span walk is lax, and its numbers may be anything. So a strict parser checks the
/// line first.
fn is_json(line: &[u8]) -> bool {
    str::from_utf8(line).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Copies a line of valid JSON and replaces values. Everything before `at` is already in
/// `out`.
struct Walk<'a> {
    redactor: &'a Redactor,
    text: &'a [u8],
    at: usize,
    out: &'a mut Vec<u8>,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn copy(&mut self, to: usize) {
        let span = self.text.get(self.at..to).unwrap_or_default();
        self.out.extend_from_slice(span);
        self.at = to;
    }

    fn space(&mut self) {
        while self.peek().is_some_and(json::is_space) {
            self.copy(self.at + 1);
        }
    }

    /// The rules bound the recursion: a value without places inside it is scanned without
    /// recursion.
    fn value(&mut self, rule: &Rule) -> Result<(), Malformed> {
        let end = json::value_end(self.text, self.at)?;
        match (rule, self.peek()) {
            (Rule::Plain, _) => self.copy(end),
            (Rule::Replaced(inside), Some(b'{')) if !inside.is_empty() => {
                self.object(&|name| {
                    inside_of(
                        inside,
                        |step| matches!(step, Step::Member(key) if key.as_bytes() == name),
                    )
                })?;
            }
            (Rule::Replaced(inside), Some(b'[')) if !inside.is_empty() => self.array(inside)?,
            _ => self.leaves(end)?,
        }
        Ok(())
    }

    fn object<'r>(&mut self, rule_of: &dyn Fn(&[u8]) -> &'r Rule) -> Result<(), Malformed> {
        self.copy(self.at + 1);
        loop {
            self.space();
            match self.peek().ok_or(Malformed)? {
                b'}' => break,
                b'"' => {}
                _ => {
                    self.copy(self.at + 1);
                    continue;
                }
            }
            let end = json::value_end(self.text, self.at)?;
            let raw = self.text.get(self.at..end).unwrap_or_default();
            self.redactor.name(raw, self.out);
            self.at = end;
            self.space();
            self.copy(self.at + 1);
            self.space();
            self.value(rule_of(raw.get(1..raw.len() - 1).unwrap_or_default()))?;
        }
        self.copy(self.at + 1);
        Ok(())
    }

    fn array(&mut self, inside: &[(Step, Rule)]) -> Result<(), Malformed> {
        self.copy(self.at + 1);
        let mut n = 0;
        loop {
            self.space();
            match self.peek().ok_or(Malformed)? {
                b']' => break,
                b',' => self.copy(self.at + 1),
                _ => {
                    self.value(inside_of(inside, |step| *step == Step::Element(n)))?;
                    n += 1;
                }
            }
        }
        self.copy(self.at + 1);
        Ok(())
    }

    /// Replaces every string and number up to `end`, at any depth.
    fn leaves(&mut self, end: usize) -> Result<(), Malformed> {
        while self.at < end {
            let start = self.at;
            match self.peek().ok_or(Malformed)? {
                b'"' => {
                    self.at = json::value_end(self.text, start)?;
                    self.name_or_string(start);
                }
                b'-' | b'0'..=b'9' => {
                    self.at = json::value_end(self.text, start)?;
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    self.redactor.key.token(raw, self.out);
                }
                _ => self.copy(start + 1),
            }
        }
        Ok(())
    }

    /// A string is a name if a colon follows.
    fn name_or_string(&mut self, start: usize) {
        let raw = self.text.get(start..self.at).unwrap_or_default();
        let rest = self.text.get(self.at..).unwrap_or_default();
        match rest.iter().find(|byte| !json::is_space(**byte)) {
            Some(b':') => self.redactor.name(raw, self.out),
            _ => self.redactor.string(raw, self.out),
        }
    }
}

fn inside_of(inside: &[(Step, Rule)], leads_to: impl Fn(&Step) -> bool) -> &Rule {
    let found = inside.iter().find(|(step, _)| leads_to(step));
    found.map_or(&REPLACED, |(_, rule)| rule)
}

#[cfg(test)]
mod tests;
