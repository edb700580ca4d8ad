//! The chains that may send messages to each other.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::message::ChainId;

/// Seconds for which a message can be executed, unless the set says otherwise.
pub const EXPIRY: u64 = 604_800;
/// Seconds between two blocks, unless the set says otherwise.
pub const BLOCK_TIME: u64 = 2;

/// The chains, and the rules that they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencySet {
    chains: BTreeMap<ChainId, Chain>,
    /// Seconds from a log's block for which a message can be executed.
    pub expiry: u64,
}

/// One chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Timestamp of the first block that may contain messages.
    pub first: u64,
}

/// Reasons why a file is not a dependency set.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BadSet {
    /// It is not JSON of this shape.
    #[error("the dependency set cannot be read: {0}")]
    Json(serde_json::Error),
    /// The name of a chain is not a number.
    #[error(
        "the dependency set names a chain {0:?}; expected its number, such as \"901\" or \"0x385\""
    )]
    Name(String),
    /// It has one chain twice, in two spellings.
    #[error("the dependency set names chain {0} twice")]
    Twice(ChainId),
    /// It has no chains.
    #[error("the dependency set contains no chains")]
    Empty,
}

/// The format of op-node's file. Other members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    dependencies: BTreeMap<String, Dependency>,
    override_message_expiry_window: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(default)]
    activation_time: u64,
    block_time: Option<u64>,
}

impl DependencySet {
    /// Reads `{"dependencies": {"901": {"activationTime": 0, "blockTime": 2}, ...},
    /// "overrideMessageExpiryWindow": 604800}`. All but the chains' numbers may be absent.
    ///
    /// # Errors
    /// [`BadSet`].
    pub fn read(json: &[u8]) -> Result<DependencySet, BadSet> {
        let file: File = serde_json::from_slice(json).map_err(BadSet::Json)?;
        let mut chains = BTreeMap::new();
        for (name, dependency) in file.dependencies {
            let id = name.parse().map_err(|_| BadSet::Name(name))?;
            if chains.insert(id, Chain::of(&dependency)).is_some() {
                return Err(BadSet::Twice(id));
            }
        }
        if chains.is_empty() {
            return Err(BadSet::Empty);
        }
        Ok(DependencySet {
            chains,
            // An override of 0 is no override.
            expiry: file
                .override_message_expiry_window
                .filter(|window| *window > 0)
                .unwrap_or(EXPIRY),
        })
    }

    /// The IDs of all chains.
    pub fn chains(&self) -> impl Iterator<Item = ChainId> + '_ {
        self.chains.keys().copied()
    }

    /// A chain of the set.
    pub fn chain(&self, id: ChainId) -> Option<Chain> {
        self.chains.get(&id).copied()
    }
}

impl Chain {
    /// The block that activates messages contains none.
    fn of(dependency: &Dependency) -> Chain {
        let block_time = dependency.block_time.unwrap_or(BLOCK_TIME);
        Chain {
            first: dependency.activation_time.saturating_add(block_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<DependencySet, BadSet> {
        DependencySet::read(json.as_bytes())
    }

    #[test]
    fn a_set_is_read_as_op_node_writes_it() {
        let set = read(
            r#"{"dependencies": {"901": {}, "0x386": {"chainIndex": "902", "activationTime": 100, "blockTime": 1}},
                "overrideMessageExpiryWindow": 60}"#,
        );
        let set = set.unwrap();
        assert_eq!(set.expiry, 60);
        assert_eq!(set.chain(901.into()), Some(Chain { first: 2 }));
        assert_eq!(set.chain(902.into()), Some(Chain { first: 101 }));
        assert_eq!(set.chain(903.into()), None);
        let usual = read(r#"{"dependencies": {"901": {}}, "overrideMessageExpiryWindow": 0}"#);
        assert_eq!(usual.unwrap().expiry, EXPIRY);
    }

    #[test]
    fn what_is_no_set_says_why() {
        for (json, words) in [
            ("{}", "missing field `dependencies`"),
            (r#"{"dependencies": {}}"#, "contains no chains"),
            (
                r#"{"dependencies": {"base": {}}}"#,
                "\"base\"; expected its number",
            ),
            (r#"{"dependencies": {"": {}}}"#, "\"\"; expected its number"),
            (
                r#"{"dependencies": {"901": {}, "0x385": {"activationTime": 9}}}"#,
                "names chain 901 twice",
            ),
            (
                r#"{"dependencies": {"-1": {}}}"#,
                "\"-1\"; expected its number",
            ),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
