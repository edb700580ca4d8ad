//! Compares supernodes with each other, at a timestamp that all of them have finalized.
//!
//! The comparison waits for a supernode that lags, leaves out one that returns no root,
//! and compares only supernodes with the same chains. None of that is a divergence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use alloy_primitives::U64;
use haltbox_recorder::host::HostError;
use serde_json::{Value, json};

use super::Watcher;
use crate::rpc::{Call, Client, Trouble};
use crate::tape::{Entry, RootTold};
use haltbox_recorder::clock::now_ms;

/// Most characters kept of an answer.
const KEPT: usize = 2048;

/// The answer of one supernode about a timestamp.
pub(super) struct Answer {
    timestamp: u64,
    took: Duration,
    told: Result<Value, Trouble>,
}

/// The current comparison.
#[derive(Default)]
pub(super) struct SuperRoots {
    asked: Option<Asked>,
    asked_at: Option<Instant>,
    /// The timestamp of the last comparison, and the supernodes.
    compared: Option<(u64, Vec<usize>)>,
    /// Whether the last comparison found different roots.
    pub(super) differ: bool,
}

struct Asked {
    timestamp: u64,
    answers: BTreeMap<usize, Option<Answer>>,
}

/// Requests the super root of a timestamp from a supernode.
pub(super) fn ask(client: &Client, timestamp: u64) -> Answer {
    let since = Instant::now();
    let call = Call::new("superroot_atTimestamp", [json!(U64::from(timestamp))]);
    let told = client.ask(call);
    Answer {
        timestamp,
        took: since.elapsed(),
        told,
    }
}

impl Answer {
    /// The chains and their root, if the answer has one.
    fn root(&self) -> Option<(String, String)> {
        let told = self.told.as_ref().ok()?;
        let root = told["data"]["super_root"].as_str()?;
        Some((chains(&told["chain_ids"]), root.to_lowercase()))
    }

    fn text(&self) -> String {
        let text = match &self.told {
            Ok(told) => told.to_string(),
            Err(trouble) => trouble.to_string(),
        };
        text.chars().take(KEPT).collect()
    }
}

/// Chain IDs in one spelling.
fn chains(told: &Value) -> String {
    let ids = told.as_array().into_iter().flatten();
    let ids: BTreeSet<String> = ids
        .map(|id| id.as_str().map_or(id.to_string(), str::to_owned))
        .collect();
    Vec::from_iter(ids).join(",")
}

/// Whether two answers about the same chains have different roots. `None` if no two can
/// be compared.
fn differ<'a>(answers: impl Iterator<Item = &'a Answer>) -> Option<bool> {
    let mut roots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (chains, root) in answers.filter_map(Answer::root) {
        roots.entry(chains).or_default().push(root);
    }
    let comparable = roots.into_values().filter(|roots| roots.len() > 1);
    let each = comparable.map(|roots| roots.iter().any(|root| *root != roots[0]));
    each.reduce(|one, other| one | other)
}

impl Watcher {
    /// Requests the root of the highest timestamp that all have finalized, unless it was
    /// compared already.
    pub(super) fn settle_roots(&mut self) -> Result<(), HostError> {
        let sources = self.sources.all.iter().enumerate();
        let able = sources
            .filter(|(_, known)| known.is_supernode() && known.sound && !known.is_resetting());
        let able: Vec<(usize, u64)> = able
            .filter_map(|(at, known)| Some((at, known.finalized?)))
            .collect();
        let Some(timestamp) = able.iter().map(|(_, finalized)| *finalized).min() else {
            return Ok(());
        };
        let asked_at = self.roots.asked_at;
        let waits = asked_at.is_some_and(|at| at.elapsed() < self.ask_again);
        let of: Vec<usize> = able.iter().map(|(at, _)| *at).collect();
        let compared = self.roots.compared.as_ref();
        let is_known = compared.is_some_and(|(at, whom)| *at == timestamp && *whom == of);
        if of.len() < 2 || waits || is_known {
            return Ok(());
        }
        self.roots.asked_at = Some(Instant::now());
        self.roots.asked = Some(Asked {
            timestamp,
            answers: of.iter().map(|at| (*at, None)).collect(),
        });
        for at in of {
            self.sources.all[at].ask_root(timestamp);
        }
        Ok(())
    }

    /// Handles an answer. After the last one all are compared.
    pub(super) fn super_root(&mut self, source: usize, answer: Answer) -> Result<(), HostError> {
        let Some(asked) = &mut self.roots.asked else {
            return Ok(());
        };
        if asked.timestamp != answer.timestamp {
            return Ok(());
        }
        asked.answers.insert(source, Some(answer));
        if asked.answers.values().any(Option::is_none) {
            return Ok(());
        }
        match self.roots.asked.take() {
            Some(asked) => self.compare_roots(asked),
            None => Ok(()),
        }
    }

    fn compare_roots(&mut self, asked: Asked) -> Result<(), HostError> {
        let rewinds = |at: &usize| {
            self.sources
                .all
                .get(*at)
                .is_none_or(|one| one.is_resetting())
        };
        if asked.answers.keys().any(rewinds) {
            return Ok(());
        }
        let Some(differ) = differ(asked.answers.values().flatten()) else {
            return Ok(());
        };
        let whom = asked.answers.keys().copied().collect();
        self.roots.compared = Some((asked.timestamp, whom));
        let was = std::mem::replace(&mut self.roots.differ, differ);
        if differ == was {
            return Ok(());
        }
        self.roots_changed(&asked, differ)
    }

    fn roots_changed(&mut self, asked: &Asked, differ: bool) -> Result<(), HostError> {
        let answers: Vec<RootTold> = asked
            .answers
            .iter()
            .filter_map(|(at, answer)| self.root_told(*at, answer.as_ref()?))
            .collect();
        let roots = answers.iter().map(|told| {
            let root = told.super_root.as_deref().unwrap_or("no root");
            format!("{}: {root}", told.endpoint)
        });
        let roots = Vec::from_iter(roots).join("; ");
        let timestamp = asked.timestamp;
        if differ {
            self.metrics
                .add("super_root_divergence_total", String::new(), 1);
            let text = format!(
                "SUPERNODES DIFFER at timestamp {timestamp}, which all of them have finalized: \
                 {roots}: compare their chains, and trust none of them until this is explained"
            );
            self.alerts.of_all("super-root-divergence", &text);
        } else {
            self.alerts.note(&format!(
                "supernodes agree at timestamp {timestamp}: {roots}"
            ));
        }
        self.everywhere(&Entry::SuperRoots {
            timestamp,
            differ,
            answers,
            at: now_ms(),
        })
    }

    fn root_told(&self, at: usize, answer: &Answer) -> Option<RootTold> {
        Some(RootTold {
            endpoint: self.sources.all.get(at)?.endpoint().to_string(),
            super_root: answer.root().map(|(_, root)| root),
            answer: answer.text(),
            took_us: super::micros(answer.took),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(told: Result<Value, Trouble>) -> Answer {
        Answer {
            timestamp: 7,
            took: Duration::ZERO,
            told,
        }
    }

    fn of(chains: Value, root: &str) -> Answer {
        answer(Ok(
            json!({"chain_ids": chains, "data": {"super_root": root}}),
        ))
    }

    #[test]
    fn only_roots_of_the_same_chains_are_compared() {
        let one = || of(json!(["901", "902"]), "0xaa");
        let same = || of(json!([902, 901]), "0xAA");
        let other = || of(json!(["901", "902"]), "0xbb");
        let set = || of(json!(["901"]), "0xcc");
        let null = || answer(Ok(json!({"chain_ids": ["901", "902"], "data": null})));
        let error = || answer(Err(Trouble::Unreached("gone".to_owned())));
        let rows = [
            (vec![one(), same()], Some(false)),
            (vec![one(), other()], Some(true)),
            (vec![one(), set()], None),
            (vec![one(), null()], None),
            (vec![one(), error()], None),
            (vec![one(), null(), error(), set(), other()], Some(true)),
        ];
        for (at, (answers, expected)) in rows.iter().enumerate() {
            assert_eq!(differ(answers.iter()), *expected, "row {at}");
        }
    }
}
