//! The part of its block that a step stands in: a transaction, or what the host does
//! before, between or behind them. Operations outside transactions are numbered anew in
//! each part, so a number alone is no place.

use std::collections::BTreeMap;

use crate::vocabulary::{Transaction, Vocabulary};

/// Transactions of one block whose facts are remembered.
const REMEMBERED: usize = 1 << 16;

/// Follows the entries of one block.
#[derive(Debug, Default)]
pub(super) struct StepParts {
    phase: Option<String>,
    /// The transaction that ran last.
    behind: Option<u64>,
    facts: BTreeMap<u64, Transaction>,
}

/// Where a step stands.
#[derive(Clone, Debug, Default)]
pub struct StepPart {
    /// The phase of the block, as the host tells it. None in a transaction.
    pub phase: Option<String>,
    /// The transaction that ran last before it. None in a transaction, and before all.
    pub behind_tx: Option<u64>,
    /// The step's own transaction.
    pub transaction: Option<Transaction>,
}

impl StepParts {
    /// Takes the next entry.
    pub(super) fn take(&mut self, vocabulary: &dyn Vocabulary, line: &[u8]) {
        if let Some(phase) = vocabulary.phase(line) {
            (self.phase, self.behind) = (Some(phase), None);
        }
        if let Some((tx, facts)) = vocabulary.transaction_facts(line) {
            self.remember(tx, facts);
        }
        let numbers = vocabulary.numbers(line);
        if numbers.op.is_some() && numbers.tx.is_some() {
            (self.phase, self.behind) = (None, numbers.tx);
        }
    }

    fn remember(&mut self, tx: u64, facts: Transaction) {
        if self.facts.len() < REMEMBERED || self.facts.contains_key(&tx) {
            self.facts.entry(tx).or_default().add(facts);
        }
    }

    /// The part that an entry stands in, which was taken last.
    pub(super) fn of(&mut self, vocabulary: &dyn Vocabulary, line: &[u8]) -> StepPart {
        let numbers = vocabulary.numbers(line);
        match (numbers.tx, numbers.op) {
            (Some(tx), _) => StepPart {
                transaction: self.facts.remove(&tx),
                ..StepPart::default()
            },
            (None, Some(_)) => StepPart {
                phase: self.phase.clone(),
                behind_tx: self.behind,
                transaction: None,
            },
            (None, None) => StepPart::default(),
        }
    }
}
