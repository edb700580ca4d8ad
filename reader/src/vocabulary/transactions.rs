//! Transactions and their reads and writes: the entries of the `host` profile.
//! docs/embedding.md describes them.

mod keys;
mod step_tracker;

use haltbox_model::json;

use super::entry::{self, is_type, type_of};
use super::{
    Branching, Column, ComparedAmount, Numbers, Role, StepTracker, Transaction, Vocabulary, Written,
};
use crate::carrier::Origin;
use crate::values;

/// Entries of a host that runs transactions.
#[derive(Debug)]
pub struct Transactions;

/// The member with the value that was read or written.
const VALUE: &str = "value";
/// Limit of the messages of a transaction that are listed.
const MESSAGES: usize = 4;
/// Limit of the length of a hash, and of the type of a message.
const LONGEST: usize = 128;
/// The member with the number of bytes that were written.
const BYTES: &str = "bytes";
/// The member that says whether the key exists.
const FOUND: &str = "found";

impl Vocabulary for Transactions {
    fn block_begins(&self) -> &'static str {
        "begin-block"
    }

    fn role(&self, kind: &[u8]) -> Role {
        match kind {
            b"begin-block" => Role::Begin,
            b"tx-input" => Role::Input,
            b"tx-result" => Role::Result,
            b"crank" => Role::CrankFinish,
            b"op-read" | b"op-has" | b"op-next" => Role::Read,
            _ => Role::Other,
        }
    }

    fn numbers(&self, line: &[u8]) -> Numbers {
        let [tx, op] = json::pick(line, [b"tx", b"op"]).map(|n| n.and_then(values::read_u64));
        Numbers {
            tx,
            op,
            ..Numbers::default()
        }
    }

    /// An operation in words; any other entry unchanged.
    fn brief(&self, line: &str) -> String {
        brief(line.as_bytes()).unwrap_or_else(|| line.to_owned())
    }

    fn amount(&self, amount: ComparedAmount) -> String {
        let count = |count: u64, what: &str| match count {
            0 => String::new(),
            1 => format!(", 1 {what}"),
            count => format!(", {count} {what}s"),
        };
        count(amount.cranks, "crank")
            + &count(amount.inputs, "transaction")
            + &count(amount.steps, "operation")
    }

    fn columns(&self) -> &'static [Column] {
        &[Column::Txs, Column::Ops, Column::OwnCranks]
    }

    fn counts_as(&self, line: &[u8]) -> Option<Column> {
        let kind = type_of(line);
        match &*kind {
            "tx-input" => Some(Column::Txs),
            other if other.starts_with("op-") => Some(Column::Ops),
            _ => None,
        }
    }

    fn outside(&self) -> &'static [&'static str] {
        &[
            "the hash of each store at that height, from both nodes (for a Cosmos SDK app: its \
             commit info)",
            "a backup of the application database, from both nodes",
            "a new execution of that block by both nodes, with every store traced \
             (docs/embedding.md)",
        ]
    }

    /// The number of a transaction is not among them: it is its place in the block, which
    /// consensus decides.
    fn own_numbers(&self) -> &'static [&'static str] {
        &["op", "of"]
    }

    fn input_number(&self) -> &'static str {
        "tx"
    }

    fn asked_key<'a>(&self, line: &'a [u8]) -> Option<(String, &'a [u8])> {
        (self.role_of(line) == Role::Read).then(|| key(line))?
    }

    fn answer<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        value(line)
    }

    fn written<'a>(&self, line: &'a [u8]) -> Option<Written<'a>> {
        let deletes = is_type(line, "op-delete") || is_type(line, "step-unset");
        if !deletes && !is_type(line, "op-write") && !is_type(line, "step-set") {
            return None;
        }
        let (store, key) = key(line)?;
        let value = if deletes { None } else { Some(value(line)?) };
        Some((store, key, value))
    }

    fn leaves(&self, line: &[u8]) -> bool {
        is_type(line, "step-set") || is_type(line, "step-unset")
    }

    fn root_of(&self, line: &[u8]) -> Option<String> {
        let store = is_type(line, "step-store-root").then(|| json::find(line, b"store"))?;
        store
            .and_then(json::read_str)
            .map(|store| store.to_string())
    }

    fn rooted<'a>(&self, stream: &'a str) -> Option<&'a str> {
        stream.strip_prefix("step-store-root ")
    }

    /// The execution of the block ends, so its writes are settled.
    fn settles_writes(&self, line: &[u8]) -> bool {
        is_type(line, "end-block")
    }

    fn branching(&self, line: &[u8]) -> Option<Branching> {
        let number = |name: &[u8]| json::find(line, name).and_then(values::read_u64);
        if is_type(line, "branch-written") {
            // An unreadable number is a branch that is not known.
            let branch = number(b"branch").unwrap_or(u64::MAX);
            return (branch != 0).then_some(Branching::Written(branch));
        }
        is_type(line, "branch").then(|| match number(b"branch") {
            Some(branch) => Branching::On(branch, number(b"of")),
            None => Branching::Untold,
        })
    }

    fn is_of_iterator(&self, line: &[u8]) -> bool {
        is_type(line, "op-next")
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn transaction(&self, line: &[u8]) -> Option<u64> {
        json::find(line, b"tx").and_then(json::read_u64)
    }

    /// The result may come directly behind the transaction's operations, or behind those of all
    /// transactions.
    fn outcome(&self, line: &[u8]) -> Option<(u64, bool)> {
        if !is_type(line, "tx-result") {
            return None;
        }
        let code = json::find(line, b"code").and_then(json::read_u64);
        Some((self.transaction(line)?, code != Some(0)))
    }

    fn transaction_facts(&self, line: &[u8]) -> Option<(u64, Transaction)> {
        if !is_type(line, "tx-input") && !is_type(line, "tx-begin") {
            return None;
        }
        let [digest, local] = json::pick(line, [b"digest", b"local"]);
        let hash = digest.and_then(json::read_str);
        let hash = hash.filter(|hash| hash.len() <= LONGEST);
        let facts = Transaction {
            hash: hash.map(|hash| hash.to_uppercase()),
            messages: local.map_or(Vec::new(), messages),
        };
        Some((self.transaction(line)?, facts))
    }

    fn phase(&self, line: &[u8]) -> Option<String> {
        let phase = is_type(line, "step-phase").then(|| json::find(line, b"phase"))?;
        phase
            .and_then(json::read_str)
            .map(|phase| phase.to_string())
    }

    fn key_words(&self, line: &[u8], prefix: Option<&str>) -> Option<String> {
        let (store, key) = key(line)?;
        let key = hex::decode(&*json::read_str(key)?).ok()?;
        keys::words(&store, &key, prefix)
    }

    /// Text is returned as it is, other bytes as hex.
    fn kept_value(&self, line: &[u8]) -> Option<String> {
        let value = json::find(json::find(line, b"local")?, VALUE.as_bytes())?;
        let value = json::read_str(value)?;
        let bytes = hex::decode(&*value).ok()?;
        Some(keys::text(&bytes).unwrap_or_else(|| value.into_owned()))
    }

    fn is_proposal(&self, line: &[u8]) -> bool {
        let local = is_type(line, "step-input").then(|| json::find(line, b"local"));
        let proposal = local
            .flatten()
            .and_then(|local| json::find(local, b"proposal"));
        proposal == Some(b"true")
    }

    fn step_tracker(&self) -> Option<Box<dyn StepTracker>> {
        Some(Box::<step_tracker::Operations>::default())
    }

    /// The number of an operation is ignored: it differs if a side read more before.
    fn is_same_read(&self, a: &[u8], b: &[u8]) -> bool {
        let without_answer = |line: &[u8]| {
            let vocabulary: &dyn Vocabulary = self;
            let mut text = vocabulary.without_own_numbers(line);
            for member in [VALUE, FOUND] {
                entry::drop_value(&mut text, 0, member);
            }
            // The key is part of an iterator's answer.
            if is_type(line, "op-next") {
                entry::drop_value(&mut text, 0, "key");
            }
            text
        };
        a != b && without_answer(a) == without_answer(b)
    }

    /// Every host has its own JSON writer, so recorded bytes are taken as the host's.
    fn is_as_written(&self, line: &[u8], origin: Origin) -> bool {
        let has_usual_form = || {
            entry::is_compact(line) && has_whole_numbers(line) && values::has_usual_escapes(line)
        };
        origin == Origin::Recorded || has_usual_form()
    }
}

/// Whether the numbers of transaction and operation are written as whole ones, as every host writes
/// them. Other JSON writers make `1.0` or `1e0` of them.
fn has_whole_numbers(line: &[u8]) -> bool {
    let numbers = json::pick(line, [b"tx", b"op"]).into_iter().flatten();
    let mut numbers = numbers.filter(|number| number.first().is_some_and(u8::is_ascii_digit));
    numbers.all(|number| number.iter().all(u8::is_ascii_digit))
}

/// Store and key of an operation. The key is as the entry has it.
fn key(line: &[u8]) -> Option<(String, &[u8])> {
    let [store, key] = json::pick(line, [b"store", b"key"]);
    Some((json::read_str(store?)?.into_owned(), key?))
}

/// The types of a transaction's messages, as its host read them.
fn messages(local: &[u8]) -> Vec<String> {
    let list = json::find(local, b"messages").map(serde_json::from_slice);
    let mut list: Vec<String> = list.and_then(Result::ok).unwrap_or_default();
    list.retain(|kind| kind.len() <= LONGEST);
    list.truncate(MESSAGES);
    list
}

/// The creation of an iterator, in words.
fn iterates(line: &[u8], number: u64) -> Option<String> {
    let [store, start, end, reverse] = json::pick(line, [b"store", b"start", b"end", b"reverse"]);
    let store = json::read_str(store?)?;
    let edge = |edge: Option<&[u8]>| {
        let edge = edge.filter(|edge| *edge != b"null");
        edge.map_or(String::new(), |edge| {
            String::from_utf8_lossy(edge).into_owned()
        })
    };
    let backwards = if reverse == Some(b"true") {
        " backwards"
    } else {
        ""
    };
    Some(format!(
        "op-iterate {number} {store} {}..{}{backwards}",
        edge(start),
        edge(end)
    ))
}

/// The value that an operation read or wrote.
fn value(line: &[u8]) -> Option<&[u8]> {
    json::find(line, VALUE.as_bytes())
}

fn brief(line: &[u8]) -> Option<String> {
    let number = json::find(line, b"op").and_then(json::read_u64);
    let kind = type_of(line);
    if &*kind == "op-iterate" {
        return iterates(line, number?);
    }
    if number.is_none() && !Transactions.leaves(line) {
        return None;
    }
    let number = number.map_or(String::new(), |number| format!(" {number}"));
    let (store, key) = key(line)?;
    let value = value(line).map_or(String::new(), |value| {
        format!(" {}", String::from_utf8_lossy(value))
    });
    let key = String::from_utf8_lossy(key);
    Some(format!("{kind}{number} {store} {key}{value}"))
}
