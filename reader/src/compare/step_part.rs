//! The part of its block that holds a step: a transaction, or the work of the host before,
//! between or behind transactions. Each part numbers its operations outside transactions from
//! 0, so a number alone is not a location.

use std::collections::BTreeMap;

use crate::vocabulary::{Transaction, Vocabulary};

/// Limit of the transactions of one block whose facts are remembered.
const REMEMBERED: usize = 1 << 16;

/// Tracks the parts of one block.
#[derive(Debug, Default)]
pub(super) struct StepParts {
    phase: Option<String>,
    /// The last transaction so far.
    behind: Option<u64>,
    facts: BTreeMap<u64, Transaction>,
}

/// The part that holds a step.
#[derive(Clone, Debug, Default)]
pub struct StepPart {
    /// The phase of the block, as the host names it. `None` in a transaction.
    pub phase: Option<String>,
    /// The last transaction before the step. `None` in a transaction, and before the first one.
    pub behind_tx: Option<u64>,
    /// The transaction that holds the step.
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

    /// The part that holds the entry that was taken last.
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
