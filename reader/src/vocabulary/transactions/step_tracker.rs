//! Classifies the entries that a host of transactions may leave out: operations on stores, and
//! its own steps.

use std::collections::BTreeMap;

use haltbox_model::json;

use super::{BYTES, FOUND, Transactions, VALUE};
use crate::values;
use crate::vocabulary::Vocabulary;
use crate::vocabulary::entry::{self, type_of};
use crate::vocabulary::step_tracker::{StepKind, StepTracker, TrackedStep};

/// Limit of the iterators of one block that are remembered. The reads of further iterators
/// have no question and are compared as they are.
const ITERATORS: usize = 4096;

/// Tracks the operations of a block.
#[derive(Debug, Default)]
pub struct Operations {
    /// By transaction and operation: the range of the iterator, and how often it was advanced.
    iterators: BTreeMap<(Option<u64>, u64), (Vec<u8>, u64)>,
}

impl StepTracker for Operations {
    fn begins(&mut self) {
        self.iterators.clear();
    }

    fn step(&mut self, canonical: &[u8]) -> Option<TrackedStep> {
        let entry_type = type_of(canonical);
        let kind = match &*entry_type {
            "op-read" | "op-has" | "op-next" | "op-iterate" => StepKind::Read,
            "op-write" | "op-delete" => StepKind::Write,
            // Events of the application. They are not part of any header.
            "step-events" => StepKind::Told,
            "step-set" | "step-unset" => StepKind::Left,
            "tx-begin" => StepKind::Place,
            "tx-result" => StepKind::Result,
            other if other.starts_with("step-") => StepKind::Outcome,
            _ => return None,
        };
        let store = json::find(canonical, b"store").and_then(json::read_str);
        let stream = match (kind, store) {
            (StepKind::Read | StepKind::Write, Some(store)) => operations_of(&store),
            (StepKind::Left, Some(store)) => format!("writes of store {store}"),
            // A node that is asked by RPC may not report every store, so each store has a stream of
            // its own.
            (StepKind::Outcome, Some(store)) => format!("{entry_type} {store}"),
            _ => entry_type.to_string(),
        };
        let root_of = Transactions.root_of(canonical);
        let bare = (&Transactions as &dyn Vocabulary).without_own_numbers(canonical);
        let asks = match &*entry_type {
            "op-read" | "op-has" => Some(without(&bare, &[VALUE, FOUND])),
            "op-next" => self.goes_on(canonical),
            "op-iterate" => {
                self.iterates(canonical, &bare);
                None
            }
            // After a write, an open iterator may return something else, so its next read is
            // another question.
            "op-write" | "op-delete" => {
                self.iterators.clear();
                Some(without(&bare, &[VALUE, BYTES]))
            }
            // The key is the question, whether it is set or unset.
            "step-set" | "step-unset" => Some(without(&bare, &["type", VALUE, BYTES])),
            _ => None,
        };
        Some(TrackedStep {
            stream,
            kind,
            root_of: root_of.as_deref().map(operations_of),
            bare,
            asks,
        })
    }
}

impl Operations {
    fn iterates(&mut self, line: &[u8], bare: &[u8]) {
        if let Some(op) = number(line, b"op")
            && self.iterators.len() < ITERATORS
        {
            let of = (number(line, b"tx"), op);
            self.iterators.insert(of, (bare.to_vec(), 0));
        }
    }

    /// The question of an iterator's read: its range, and how often it was advanced before.
    fn goes_on(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let of = (number(line, b"tx"), number(line, b"of")?);
        let (range, times) = self.iterators.get_mut(&of)?;
        *times += 1;
        Some([range.as_slice(), times.to_string().as_bytes()].concat())
    }
}

/// The stream of the operations on a store.
fn operations_of(store: &str) -> String {
    format!("store {store}")
}

fn number(line: &[u8], name: &[u8]) -> Option<u64> {
    json::find(line, name).and_then(values::read_u64)
}

fn without(line: &[u8], members: &[&str]) -> Vec<u8> {
    let mut text = line.to_vec();
    for member in members {
        entry::drop_value(&mut text, 0, member);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_is_known_by_what_it_asks() {
        let mut operations = Operations::default();
        let mut asks = |line: &str| operations.step(line.as_bytes()).and_then(|step| step.asks);
        let read = |op, value| {
            format!(r#"{{"type":"op-read","op":{op},"store":"a","key":"01","value":{value}}}"#)
        };
        assert_eq!(asks(&read(1, "null")), asks(&read(7, "\"aa\"")));
        let iterate = |op| {
            format!(
                r#"{{"type":"op-iterate","op":{op},"store":"a","start":"01","end":"02","reverse":false}}"#
            )
        };
        let next = |op, of, key: &str| {
            format!(r#"{{"type":"op-next","op":{op},"store":"a","of":{of},"key":"{key}"}}"#)
        };
        assert_eq!(asks(&iterate(8)), None);
        let first = asks(&next(9, 8, "011"));
        assert!(first.is_some());
        assert_ne!(asks(&next(10, 8, "012")), first, "the second of the same");
        asks(&iterate(20));
        assert_eq!(
            asks(&next(21, 20, "019")),
            first,
            "the first of the same range"
        );
        assert_eq!(asks(&next(22, 99, "019")), None, "of nobody knows which");
    }

    #[test]
    fn a_step_is_of_its_store_or_of_its_kind() {
        let mut operations = Operations::default();
        let mut stream = |line: &str| {
            let step = operations.step(line.as_bytes());
            step.map(|step| (step.stream, step.kind))
        };
        let table = [
            (
                r#"{"type":"op-write","op":1,"store":"bank","key":"01"}"#,
                Some(("store bank", StepKind::Write)),
            ),
            (
                r#"{"type":"tx-begin","tx":0}"#,
                Some(("tx-begin", StepKind::Place)),
            ),
            (
                r#"{"type":"tx-result","tx":0,"code":0}"#,
                Some(("tx-result", StepKind::Result)),
            ),
            (
                r#"{"type":"step-mine","store":"x"}"#,
                Some(("step-mine x", StepKind::Outcome)),
            ),
            (
                r#"{"type":"step-set","store":"bank","key":"01"}"#,
                Some(("writes of store bank", StepKind::Left)),
            ),
            (r#"{"type":"tx-input","tx":0}"#, None),
            (r#"{"type":"end-block","height":1}"#, None),
        ];
        for (line, expected) in table {
            let expected = expected.map(|(stream, kind)| (stream.to_owned(), kind));
            assert_eq!(stream(line), expected, "{line}");
        }
    }
}
