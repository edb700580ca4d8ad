//! Decides how much a mismatch in an entry proves, by its place and by what the entry
//! says.

use super::hash_pattern::Found;
use super::{NodeRules, NodeSection};
use crate::event::{Mismatch, Weight};
use crate::log_line::Entry;

impl NodeRules {
    /// Whether its module decides about blocks.
    pub(super) fn is_own(&self, entry: &Entry<'_>) -> bool {
        entry.any_begins("module", &self.section.own_modules)
    }

    /// Whether its message is one of the profile's, whatever it means.
    pub(super) fn is_known(&self, entry: &Entry<'_>) -> bool {
        let NodeSection {
            mismatches,
            refusals,
            failures,
            breaks,
            ..
        } = &self.section;
        let breaks = breaks.iter().map(|rule| &rule.texts);
        let own = mismatches
            .iter()
            .flat_map(|rule| [&rule.proof, &rule.blames]);
        let refusals = refusals.iter().map(|rule| &rule.texts);
        let failures = failures.iter().map(|rule| &rule.texts);
        own.chain(refusals)
            .chain(failures)
            .chain(breaks)
            .any(|texts| entry.says(texts))
    }

    /// Whether it is an entry of a node that cannot start.
    pub(super) fn is_last_message(&self, entry: &Entry<'_>) -> bool {
        let message = entry.message();
        let begins = |start: &String| {
            let begin = message.get(..start.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
        };
        entry.error && self.section.last_messages.iter().any(begins)
    }

    /// The mismatch in a field that the profile names, or in a last message.
    pub(super) fn mismatch(&self, entry: &Entry<'_>) -> Option<Mismatch> {
        self.with_patterns().find_map(|(rule, pattern)| {
            let values = rule.inside.iter().filter_map(|key| entry.value(key));
            let mut found = values.filter_map(|value| pattern.find(value.text(), value.end()));
            let height = rule.height.as_ref().and_then(|height| height.of(entry));
            let last = self.is_last_message(entry);
            let weight = match entry.error {
                true if entry.says(&rule.proof) => Weight::Proved,
                true if entry.says(&rule.blames) => Weight::Blamed,
                true if last => Weight::LastWords,
                _ if self.is_known(entry) || self.is_own(entry) => Weight::Seen,
                _ => Weight::Quoted,
            };
            let found = found.next().or_else(|| {
                let message = last.then(|| entry.message())?;
                pattern.find(message, crate::log_line::End::Newline)
            })?;
            let round = entry.number("round");
            // The height in such a line, if any, is that of the handshake.
            let height = height.filter(|_| weight != Weight::LastWords && weight != Weight::Quoted);
            Some(mismatch_of(found, height, round, weight))
        })
    }
}

pub(super) fn mismatch_of(
    found: Found<'_>,
    height: Option<u64>,
    round: Option<u64>,
    weight: Weight,
) -> Mismatch {
    Mismatch {
        height,
        carried: None,
        round,
        field: found.field.to_owned(),
        local: found.local,
        network: found.network,
        weight,
    }
}
