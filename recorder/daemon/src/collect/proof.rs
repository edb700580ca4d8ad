//! Proves the root of a store from an AppHash.
//!
//! `abci_query` with `prove=true` gives two proofs: of a key in its store,
//! which is not used here, and of the store's root. The second is a path in the
//! tree that the SDK makes of store names and roots (`ics23`, Tendermint spec).
//! The top of that tree is the AppHash. Without this proof a root is only a
//! claim of the node.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::proto::{Value, fields, push};

/// Most steps of a path. A tree of so many levels has more stores than any
/// chain.
const LEVELS: usize = 64;
const SHA256: u64 = 1;
const VAR_PROTO: u64 = 1;

#[derive(Deserialize)]
struct Envelope {
    result: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    code: u32,
    #[serde(rename = "proofOps", alias = "proof_ops")]
    proof: Ops,
}

#[derive(Deserialize)]
struct Ops {
    ops: Vec<Op>,
}

#[derive(Deserialize)]
struct Op {
    #[serde(rename = "type")]
    kind: String,
    key: String,
    data: String,
}

/// The root of a store in an answer of `abci_query`, if its proof leads to this
/// AppHash.
pub(super) fn root_of(body: &[u8], store: &str, app_hash: &[u8]) -> Option<Vec<u8>> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let response = envelope.result.response;
    let mut ops = response.proof.ops.iter();
    let op = ops.find(|op| op.kind == "ics23:simple")?;
    let key = STANDARD.decode(&op.key).ok()?;
    let data = STANDARD.decode(&op.data).ok()?;
    if response.code != 0 || key != store.as_bytes() {
        return None;
    }
    let (root, top) = climb(&data, store.as_bytes())?;
    (top == app_hash).then_some(root)
}

/// The value that a `CommitmentProof` shows for a key, and the top of its tree.
fn climb(proof: &[u8], wanted: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let exists = only_bytes(proof, 1)?;
    let (mut key, mut value, mut leaf): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut path = Vec::new();
    for (field, value_of) in fields(exists)? {
        match (field, value_of) {
            (1, Value::Bytes(bytes)) => key = bytes,
            (2, Value::Bytes(bytes)) => value = bytes,
            (3, Value::Bytes(bytes)) => leaf = bytes,
            (4, Value::Bytes(bytes)) => path.push(bytes),
            _ => return None,
        }
    }
    // A root is a SHA-256. Something longer could be an inner node of the tree.
    if key != wanted || value.len() != 32 || path.len() > LEVELS || !is_leaf(leaf) {
        return None;
    }
    let top = path
        .iter()
        .try_fold(hash_of_leaf(key, value), |child, step| inner(step, &child));
    Some((value.to_vec(), top?))
}

fn only_bytes(message: &[u8], field: u64) -> Option<&[u8]> {
    match fields(message)?.as_slice() {
        [(found, Value::Bytes(bytes))] if *found == field => Some(bytes),
        _ => None,
    }
}

/// Whether a leaf has the one form that the tree of stores uses.
fn is_leaf(leaf: &[u8]) -> bool {
    let Some(fields) = fields(leaf) else {
        return false;
    };
    let is = |(field, value): &(u64, Value<'_>)| {
        matches!(
            (field, value),
            (1 | 3, Value::Number(SHA256))
                | (4, Value::Number(VAR_PROTO))
                | (2, Value::Number(0))
                | (5, Value::Bytes([0]))
        )
    };
    fields.iter().all(is) && fields.iter().filter(|(field, _)| *field != 2).count() == 4
}

fn hash_of_leaf(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut leaf = vec![0];
    for part in [key, &Sha256::digest(value)] {
        push(&mut leaf, part.len() as u64);
        leaf.extend_from_slice(part);
    }
    Sha256::digest(leaf).to_vec()
}

/// One step up: the hash of `prefix`, the child, `suffix`. Either prefix or
/// suffix holds the other child.
fn inner(step: &[u8], child: &[u8]) -> Option<Vec<u8>> {
    let (mut hash, mut prefix, mut suffix): (u64, &[u8], &[u8]) = (0, &[], &[]);
    for (field, value) in fields(step)? {
        match (field, value) {
            (1, Value::Number(number)) => hash = number,
            (2, Value::Bytes(bytes)) => prefix = bytes,
            (3, Value::Bytes(bytes)) => suffix = bytes,
            _ => return None,
        }
    }
    let is_inner = prefix.first() == Some(&1);
    let has_sibling = matches!((prefix.len(), suffix.len()), (1, 32) | (33, 0));
    let joined = [prefix, child, suffix].concat();
    (hash == SHA256 && is_inner && has_sibling).then(|| Sha256::digest(joined).to_vec())
}
