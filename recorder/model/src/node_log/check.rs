//! Checks of a profile's `node` section beyond its types.

use super::breaks::{BannerRule, BreakRule};
use super::hash_pattern::Pattern;
use super::notice::Notice;
use super::value_template::FieldRule;
use super::{FailureRule, Keys, Meaning, MismatchRule, NodeRules, NodeSection, RefusalRule, Rule};

/// Shorter texts would match most lines.
const MIN_TEXT: usize = 6;
pub(super) const MAX_TEXT: usize = 200;
/// Most items of one list in a profile.
const MAX_RULES: usize = 64;

impl NodeRules {
    /// Checks what the types cannot. The error begins with the key at fault, such as
    /// `node.rules[2].texts[0]`.
    pub(crate) fn check(&self) -> Result<(), String> {
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
            None => Err("node: cannot compile the texts into one search; use fewer texts".into()),
        }
    }
}

impl Rule {
    fn check(&self, path: &str) -> Result<(), String> {
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
    fn check(&self, path: &str) -> Result<(), String> {
        let pattern = Pattern::new(&self.pattern, &self.fields);
        let pattern = pattern.map_err(|what| format!("{path}.pattern: {what}"))?;
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
    fn check(&self, path: &str) -> Result<(), String> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        names(&format!("{path}.in"), &self.inside)
    }
}

impl RefusalRule {
    fn check(&self, path: &str) -> Result<(), String> {
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
    fn check(&self, path: &str) -> Result<(), String> {
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
    fn check(&self, path: &str) -> Result<(), String> {
        messages(&format!("{path}.text"), std::slice::from_ref(&self.text))?;
        self.block.check(&format!("{path}.block"))?;
        text(&format!("{path}.why"), &self.why)
    }
}

impl FieldRule {
    fn check(&self, path: &str) -> Result<(), String> {
        key_name(path, &self.key)?;
        let form = self.form.as_ref();
        form.map_or(Ok(()), |form| form.check(path))
    }
}

impl Meaning {
    fn check(&self, path: &str) -> Result<(), String> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        text(&format!("{path}.why"), &self.why)
    }
}

impl Notice {
    fn check(&self, path: &str) -> Result<(), String> {
        count(&format!("{path}.texts"), self.texts.len())?;
        messages(&format!("{path}.texts"), &self.texts)?;
        names(&format!("{path}.modules"), &self.modules)?;
        text(&format!("{path}.why"), &self.why)
    }
}

fn at_most(path: &str, found: usize) -> Result<(), String> {
    match found {
        0 => Ok(()),
        _ => count(path, found),
    }
}

fn count(path: &str, found: usize) -> Result<(), String> {
    match found {
        1..=MAX_RULES => Ok(()),
        _ => Err(format!(
            "{path}: expected 1 to {MAX_RULES} items, found {found}"
        )),
    }
}

/// Checks messages. In a plain line a message ends at the first `key=`.
fn messages(path: &str, messages: &[String]) -> Result<(), String> {
    for (i, message) in messages.iter().enumerate() {
        let path = format!("{path}[{i}]");
        text(&path, message)?;
        if message.contains('=') {
            return Err(format!(
                "{path}: expected a text without =, found {message:?}"
            ));
        }
    }
    Ok(())
}

/// Checks a text, which must look the same after a collector put the line into JSON. The
/// JSON parser restores characters that are not ASCII.
fn text(path: &str, text: &str) -> Result<(), String> {
    let plain = |c: char| match c.is_ascii() {
        true => (' '..='~').contains(&c) && !"\"\\<>&".contains(c),
        false => !c.is_control() && !c.is_whitespace(),
    };
    if !(MIN_TEXT..=MAX_TEXT).contains(&text.len()) || text.trim() != text {
        return Err(format!(
            "{path}: expected {MIN_TEXT} to {MAX_TEXT} characters without spaces at the ends, \
             found {text:?} ({} characters)",
            text.len()
        ));
    }
    match text.chars().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "{path}: expected printable characters without \" \\ < > &, found {text:?}"
        )),
    }
}

fn names(path: &str, names: &[String]) -> Result<(), String> {
    let mut each = names.iter().enumerate();
    each.try_for_each(|(i, name)| key_name(&format!("{path}[{i}]"), name))
}

fn key_name(path: &str, name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "{path}: expected a name of 1 to 64 letters, digits or _ - . /, found {name:?}"
        )),
    }
}
