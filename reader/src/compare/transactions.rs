//! What the entries of the `host` profile mean to a comparison: transactions,
//! and the reads and writes that they make. docs/embedding.md describes them.

use haltbox_format::json;

use super::role::{self, Role};

/// Members that number an entry. A transaction's own number is not among them:
/// it is its place in the block, which consensus decides.
pub(super) const OWN_NUMBERS: [&str; 1] = ["op"];

/// The member that holds what was read or written.
const VALUE: &str = "value";
/// The member that says whether a key is there.
const FOUND: &str = "found";

/// Store, key and value of a write; no value if it deletes.
pub(super) type Written<'a> = (String, &'a [u8], Option<&'a [u8]>);

/// The role of entries of a type.
pub(super) fn role(name: &str) -> Role {
    match name {
        "begin-block" => Role::Begin,
        "tx-input" => Role::Input,
        "tx-result" => Role::Result,
        "crank" => Role::CrankFinish,
        "op-read" | "op-has" | "op-next" => Role::Read,
        _ => Role::Other,
    }
}

/// Whether an entry is a step of a transaction.
pub(super) fn is_step(line: &[u8]) -> bool {
    role::type_starts(line, "op-") || role::type_starts(line, "tx-")
}

/// A crank of which only its hashes are told.
pub(super) fn is_crank(line: &[u8]) -> bool {
    role::is_type(line, "crank")
}

/// The same read on both sides, which gave something else.
pub(super) fn is_same_read(a: &[u8], b: &[u8]) -> bool {
    let without_answer = |line: &[u8]| {
        let mut text = line.to_vec();
        for member in [VALUE, FOUND] {
            role::drop_value(&mut text, 0, member);
        }
        text
    };
    a != b && without_answer(a) == without_answer(b)
}

/// Store and key of an operation, the key as it stands in the entry.
pub(super) fn key(line: &[u8]) -> Option<(String, &[u8])> {
    let [store, key] = json::pick(line, [b"store", b"key"]);
    Some((json::read_str(store?)?.into_owned(), key?))
}

/// The value that an operation read or wrote.
pub(super) fn value(line: &[u8]) -> Option<&[u8]> {
    json::find(line, VALUE.as_bytes())
}

/// What an operation writes.
pub(super) fn written(line: &[u8]) -> Option<Written<'_>> {
    let deletes = role::is_type(line, "op-delete");
    if !deletes && !role::is_type(line, "op-write") {
        return None;
    }
    let (store, key) = key(line)?;
    let value = if deletes { None } else { Some(value(line)?) };
    Some((store, key, value))
}

/// The block's execution ends: what was written in it stands.
pub(super) fn ends_block(line: &[u8]) -> bool {
    role::is_type(line, "end-block")
}

/// The transaction that an operation is of; `None` outside of them.
pub(super) fn of(line: &[u8]) -> Option<u64> {
    json::find(line, b"tx").and_then(json::read_u64)
}

/// Whether a transaction failed, once that is told: right behind its operations, or
/// behind those of all.
pub(super) fn outcome(line: &[u8]) -> Option<(u64, bool)> {
    if !role::is_type(line, "tx-result") {
        return None;
    }
    let code = json::find(line, b"code").and_then(json::read_u64);
    Some((of(line)?, code != Some(0)))
}

/// An operation in one line for people.
pub(super) fn brief(line: &[u8]) -> Option<String> {
    let (store, key) = key(line)?;
    let number = json::find(line, b"op").and_then(json::read_u64)?;
    let kind = role::type_of(line);
    let value = value(line).map_or(String::new(), |value| {
        format!(" {}", String::from_utf8_lossy(value))
    });
    let key = String::from_utf8_lossy(key);
    Some(format!("{kind} {number} {store} {key}{value}"))
}
