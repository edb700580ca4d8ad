//! The levels of chains that op-nodes and supernodes report.
//!
//! An op-node follows one chain, a supernode all chains of a dependency set. Both report
//! heads by height and hash. Both report height 0 while they rewind.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use alloy_primitives::B256;
use haltbox_daemon::rpc::Endpoint;
use serde::Deserialize;
use serde_json::Value;

use crate::message::ChainId;
use crate::rpc::{Call, Client, Trouble};

/// A source of levels.
#[derive(Clone, Debug)]
pub enum Source {
    /// The op-node of one chain, by `optimism_syncStatus`.
    OpNode(ChainId, Endpoint),
    /// A supernode for all chains, by `supernode_syncStatus`.
    Supernode(Endpoint),
}

/// The block of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// Its hash.
    pub hash: B256,
    /// Its height.
    pub number: u64,
}

/// The levels of one chain, from one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Levels {
    /// The newest block.
    #[serde(default, rename = "unsafe_l2")]
    pub newest: Option<Head>,
    /// The newest block that is derived from L1.
    #[serde(default, rename = "local_safe_l2")]
    pub local_safe: Option<Head>,
    /// The newest cross-safe block.
    #[serde(default, rename = "safe_l2")]
    pub safe: Option<Head>,
    /// The newest block that cannot be replaced any more.
    #[serde(default, rename = "finalized_l2")]
    pub finalized: Option<Head>,
}

/// The status of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The levels of each chain.
    pub chains: BTreeMap<ChainId, Levels>,
    /// The timestamp up to which all chains are finalized, from a supernode.
    pub finalized: Option<u64>,
}

/// Reasons why levels prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The source returned an error.
    Error,
    /// The safe block is 0.
    Zero,
    /// The levels are of another fork.
    Fork,
}

#[derive(Deserialize)]
struct RawSupernode {
    chains: BTreeMap<String, Levels>,
    #[serde(default)]
    finalized_timestamp: Value,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::OpNode(_, endpoint) => write!(f, "op-node {endpoint}"),
            Source::Supernode(endpoint) => write!(f, "supernode {endpoint}"),
        }
    }
}

impl Source {
    /// Its endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        match self {
            Source::OpNode(_, endpoint) | Source::Supernode(endpoint) => endpoint,
        }
    }

    /// Requests the levels.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn status(&self, client: &Client) -> Result<Status, Trouble> {
        match self {
            Source::OpNode(chain, _) => {
                let levels = client.ask(Call::new("optimism_syncStatus", []))?;
                Ok(Status {
                    chains: BTreeMap::from([(*chain, levels)]),
                    finalized: None,
                })
            }
            Source::Supernode(_) => {
                let raw: RawSupernode = client.ask(Call::new("supernode_syncStatus", []))?;
                raw.try_into()
            }
        }
    }
}

impl TryFrom<RawSupernode> for Status {
    type Error = Trouble;

    fn try_from(raw: RawSupernode) -> Result<Status, Trouble> {
        let chains = raw.chains.into_iter().map(|(id, levels)| {
            let id = ChainId::from_str(&id).map_err(|error| Trouble::Shape(error.to_string()))?;
            Ok((id, levels))
        });
        Ok(Status {
            chains: chains.collect::<Result<_, Trouble>>()?,
            // A supernode that has finalized nothing yet reports timestamp 0.
            finalized: number(&raw.finalized_timestamp).filter(|at| *at > 0),
        })
    }
}

/// A number as Go writes it, plain or as a quantity.
pub(crate) fn number(value: &Value) -> Option<u64> {
    let quantity = || u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    value.as_u64().or_else(quantity)
}

impl Levels {
    /// The reason why these levels prove nothing, if there is one: the source rewinds, or
    /// follows another fork. `own` returns the watched chain's hash at a height. `was`:
    /// the source had a safe block before.
    pub fn doubt(&self, was: bool, own: impl Fn(u64) -> Option<B256>) -> Option<(Doubt, String)> {
        let zero = |head: Option<Head>| head.is_some_and(|head| head.number == 0);
        if zero(self.safe) && (was || zero(self.newest)) {
            return Some((Doubt::Zero, "it reports 0 as the safe block".to_owned()));
        }
        let (level, Head { hash, number }, own) = self.fork(own)?;
        let why =
            format!("its {level} block {number} is {hash}, the watched chain has {own} there");
        Some((Doubt::Fork, why))
    }

    /// The first head that differs from the chain: its level, itself, and the chain's own
    /// hash.
    pub fn fork(&self, own: impl Fn(u64) -> Option<B256>) -> Option<(&'static str, Head, B256)> {
        let heads = [
            ("finalized", self.finalized),
            ("safe", self.safe),
            ("local-safe", self.local_safe),
        ];
        heads.into_iter().find_map(|(level, head)| {
            let head = head.filter(|head| head.number > 0)?;
            let own = own(head.number).filter(|own| *own != head.hash)?;
            Some((level, head, own))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn head(number: u64) -> Option<Head> {
        let hash = B256::repeat_byte(u8::try_from(number).unwrap());
        Some(Head { hash, number })
    }

    fn levels(newest: u64, local_safe: u64, safe: u64) -> Levels {
        Levels {
            newest: head(newest),
            local_safe: head(local_safe),
            safe: head(safe),
            finalized: None,
        }
    }

    #[test]
    fn a_supernode_tells_of_each_chain() {
        let safe =
            json!({"hash": B256::repeat_byte(7), "number": 7, "timestamp": 1, "parentHash": "0x"});
        let raw =
            json!({"chains": {"901": {"safe_l2": safe}, "0x386": {}}, "finalized_timestamp": 5});
        let raw: RawSupernode = serde_json::from_value(raw).unwrap();
        let status = Status::try_from(raw).unwrap();
        assert_eq!(status.finalized, Some(5));
        assert_eq!(status.chains[&901.into()].safe, head(7));
        assert_eq!(status.chains[&902.into()].safe, None);
        let raw = json!({"chains": {"base": {}}});
        let raw: RawSupernode = serde_json::from_value(raw).unwrap();
        assert!(Status::try_from(raw).is_err());
    }

    #[test]
    fn numbers_are_plain_or_quantities() {
        assert_eq!(number(&json!(31)), Some(31));
        assert_eq!(number(&json!("0x1f")), Some(31));
        assert_eq!(number(&json!("31")), None);
        assert_eq!(number(&json!(null)), None);
    }

    #[test]
    fn heads_of_a_rewind_or_of_another_fork_prove_nothing() {
        let own = |number: u64| Some(B256::repeat_byte(u8::try_from(number).unwrap()));
        assert_eq!(levels(9, 8, 7).doubt(true, own), None);
        let unread = |_| None;
        assert_eq!(levels(9, 8, 7).doubt(true, unread), None, "not read yet");
        let zero = |newest, was| levels(newest, 0, 0).doubt(was, own);
        assert_eq!(zero(9, true).unwrap().0, Doubt::Zero);
        assert_eq!(zero(0, false).unwrap().0, Doubt::Zero);
        assert_eq!(zero(9, false), None, "a chain that has just begun");
        let other = |number: u64| Some(B256::repeat_byte(u8::try_from(number * 8).unwrap()));
        let (kind, doubt) = levels(9, 8, 7).doubt(true, other).unwrap();
        assert_eq!(kind, Doubt::Fork);
        assert!(doubt.contains("its safe block 7 is 0x0707"), "{doubt}");
        assert!(doubt.contains("the watched chain has 0x3838"), "{doubt}");
    }
}
