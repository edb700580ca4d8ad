//! Checks of a profile's `node` section beyond its types.

use thiserror::Error;

use super::breaks::{BannerRule, BreakRule};
use super::hash_pattern::{Pattern, PatternError};
use super::notice::Notice;
use super::value_template::{FieldRule, Form, FormError};
use super::{FailureRule, Keys, Meaning, MismatchRule, NodeRules, NodeSection, RefusalRule, Rule};

/// Shorter texts would match most lines.
const MIN_TEXT: usize = 6;
pub(super) const MAX_TEXT: usize = 200;
/// Most items of one list in a profile.
const MAX_RULES: usize = 64;

/// What the types of the section allow and a recorder cannot use. `path` is the key at
/// fault, such as `node.rules[2].texts[0]`.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum CheckError {
    #[error("node: cannot compile the texts into one search; use fewer texts")]
    Search,
    #[error("{path}: expected 1 to {MAX_RULES} items, found {found}")]
    Count { path: String, found: usize },
    #[error("{path}: expected a text without =, found {message:?}")]
    EqualsSign { path: String, message: String },
    #[error(
        "{path}: expected {MIN_TEXT} to {MAX_TEXT} characters without spaces at the ends, \
         found {text:?} ({} characters)",
        text.len()
    )]
    Length { path: String, text: String },
    #[error("{path}: expected printable characters without \" \\ < > &, found {text:?}")]
    Characters { path: String, text: String },
    #[error("{path}: expected a name of 1 to 64 letters, digits or _ - . /, found {name:?}")]
    Name { path: String, name: String },
    #[error("{path}: {what}")]
    Form { path: String, what: FormError },
    #[error("{path}.pattern: {what}")]
    Pattern { path: String, what: PatternError },
}

impl NodeRules {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), CheckError> {
        let NodeSection {
            loggers,
            own_modules,
            foreign_modules,
            unread_after: _,
            rules,
            breaks,
            banners,
            mismatches,
            refusals,
            failures,
            meanings,
            last_messages,
            alarms,
            farewells,
        } = &self.section;
        at_most("node.rules", rules.len())?;
        at_most("node.mismatches", mismatches.len())?;
        at_most("node.breaks", breaks.len())?;
        at_most("node.banners", banners.len())?;
        names("node.loggers", loggers)?;
        names("node.own_modules", own_modules)?;
        names("node.foreign_modules", foreign_modules)?;
        messages("node.last_messages", last_messages)?;
        for (i, rule) in rules.iter().enumerate() {
            rule.check(&format!("node.rules[{i}]"))?;
        }
        for (i, rule) in mismatches.iter().enumerate() {
            rule.check(&format!("node.mismatches[{i}]"))?;
        }
        for (i, rule) in breaks.iter().enumerate() {
            rule.check(&format!("node.breaks[{i}]"))?;
        }
        for (i, banner) in banners.iter().enumerate() {
            banner.check(&format!("node.banners[{i}]"))?;
        }
        for (i, rule) in failures.iter().enumerate() {
            rule.check(&format!("node.failures[{i}]"))?;
        }
        for (i, rule) in refusals.iter().enumerate() {
            rule.check(&format!("node.refusals[{i}]"))?;
        }
        for (i, meaning) in meanings.iter().enumerate() {
            meaning.check(&format!("node.meanings[{i}]"))?;
        }
        for (name, notices) in [("alarms", alarms), ("farewells", farewells)] {
            for (i, notice) in notices.iter().enumerate() {
                notice.check(&format!("node.{name}[{i}]"))?;
            }
        }
        match self.gate {
            Some(_) => Ok(()),
            None => Err(CheckError::Search),
        }
    }
}

impl Rule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        count(&format!("{path}.texts"), self.texts.len())?;
        count(&format!("{path}.events"), self.events.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        for (i, event) in self.events.iter().enumerate() {
            for (name, field) in event.fields() {
                field.check(&format!("{path}.events[{i}].{name}"))?;
            }
        }
        Ok(())
    }
}

impl MismatchRule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        let pattern = Pattern::new(&self.pattern, &self.fields);
        let pattern = pattern.map_err(|what| CheckError::Pattern {
            path: path.to_owned(),
            what,
        })?;
        text(&format!("{path}.pattern"), pattern.lead().trim_end())?;
        count(&format!("{path}.fields"), self.fields.len())?;
        names(&format!("{path}.fields"), &self.fields)?;
        names(&format!("{path}.in"), &self.inside)?;
        messages(&format!("{path}.proof"), &self.proof)?;
        messages(&format!("{path}.blames"), &self.blames)?;
        messages(&format!("{path}.last_words"), &self.last_words)?;
        match &self.height {
            Some(height) => height.field.check(&format!("{path}.height")),
            None => Ok(()),
        }
    }
}

impl FailureRule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        names(&format!("{path}.in"), &self.inside)
    }
}

impl RefusalRule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        names(&format!("{path}.in"), &self.inside)?;
        match &self.height {
            Some(height) => height.field.check(&format!("{path}.height")),
            None => Ok(()),
        }
    }
}

impl BreakRule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        let height = self.height.iter().map(|height| ("height", &height.field));
        let hash = self.hash.iter().flat_map(Keys::all);
        for (name, field) in height.chain(hash.map(|field| ("hash", field))) {
            field.check(&format!("{path}.{name}"))?;
        }
        names(&format!("{path}.shows"), &self.shows)?;
        at_most(&format!("{path}.shows"), self.shows.len())?;
        for (key, values) in &self.exceptions {
            key_name(&format!("{path}.except"), key)?;
            count(&format!("{path}.except.{key}"), values.len())?;
        }
        text(&format!("{path}.why"), &self.why)
    }
}

impl BannerRule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        messages(&format!("{path}.text"), std::slice::from_ref(&self.text))?;
        check_form(&format!("{path}.block"), &self.block)?;
        text(&format!("{path}.why"), &self.why)
    }
}

impl FieldRule {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        key_name(path, &self.key)?;
        let form = self.form.as_ref();
        form.map_or(Ok(()), |form| check_form(path, form))
    }
}

impl Meaning {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        text(&format!("{path}.why"), &self.why)
    }
}

impl Notice {
    fn check(&self, path: &str) -> Result<(), CheckError> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        names(&format!("{path}.modules"), &self.modules)?;
        text(&format!("{path}.why"), &self.why)
    }
}

fn check_form(path: &str, form: &Form) -> Result<(), CheckError> {
    let path = path.to_owned();
    let checked = form.check();
    checked.map_err(|what| CheckError::Form { path, what })
}

fn at_most(path: &str, found: usize) -> Result<(), CheckError> {
    match found {
        0 => Ok(()),
        _ => count(path, found),
    }
}

fn count(path: &str, found: usize) -> Result<(), CheckError> {
    match found {
        1..=MAX_RULES => Ok(()),
        _ => Err(CheckError::Count {
            path: path.to_owned(),
            found,
        }),
    }
}

/// Checks messages. In a plain line a message ends at the first `key=`.
fn messages(path: &str, messages: &[String]) -> Result<(), CheckError> {
    for (i, message) in messages.iter().enumerate() {
        let path = format!("{path}[{i}]");
        text(&path, message)?;
        if message.contains('=') {
            let message = message.clone();
            return Err(CheckError::EqualsSign { path, message });
        }
    }
    Ok(())
}

/// Checks a text, which must look the same after a collector put the line into JSON. The
/// JSON parser restores characters that are not ASCII.
fn text(path: &str, text: &str) -> Result<(), CheckError> {
    let at_fault = || (path.to_owned(), text.to_owned());
    let plain = |c: char| match c.is_ascii() {
        true => (' '..='~').contains(&c) && !"\"\\<>&".contains(c),
        false => !c.is_control() && !c.is_whitespace(),
    };
    if !(MIN_TEXT..=MAX_TEXT).contains(&text.len()) || text.trim() != text {
        let (path, text) = at_fault();
        return Err(CheckError::Length { path, text });
    }
    match text.chars().all(plain) {
        true => Ok(()),
        false => {
            let (path, text) = at_fault();
            Err(CheckError::Characters { path, text })
        }
    }
}

fn names(path: &str, names: &[String]) -> Result<(), CheckError> {
    let mut each = names.iter().enumerate();
    each.try_for_each(|(i, name)| key_name(&format!("{path}[{i}]"), name))
}

fn key_name(path: &str, name: &str) -> Result<(), CheckError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(CheckError::Name {
            path: path.to_owned(),
            name: name.to_owned(),
        }),
    }
}
