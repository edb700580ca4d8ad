//! The consensus parameters with which a block is executed.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::list::few;
use super::proto::Message;
use super::values::{result, signed};
use crate::rpc::number;

/// Answer of `/consensus_params`. Reading fails at an unknown member, because
/// the digest would miss it.
#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "number")]
    block_height: u64,
    consensus_params: Params,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    block: Block,
    evidence: Evidence,
    validator: Validator,
    #[serde(default)]
    version: Version,
    #[serde(default)]
    abci: Abci,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    #[serde(deserialize_with = "signed")]
    max_bytes: i64,
    #[serde(deserialize_with = "signed")]
    max_gas: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    #[serde(deserialize_with = "signed")]
    max_age_num_blocks: i64,
    #[serde(deserialize_with = "signed")]
    max_age_duration: i64,
    #[serde(deserialize_with = "signed")]
    max_bytes: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Validator {
    #[serde(default, deserialize_with = "few")]
    pub_key_types: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    #[serde(default, deserialize_with = "number")]
    app: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Abci {
    #[serde(default, deserialize_with = "signed")]
    vote_extensions_enable_height: i64,
}

/// Digest of the parameters, as `ffi/go/abci` computes it: over the digests of
/// the five sections.
pub(super) fn digest(body: &[u8], height: u64) -> Option<[u8; 32]> {
    let answer: Answer = result(body)?;
    let params = answer.consensus_params;
    let sections = [
        params.block.encode(),
        params.evidence.encode(),
        params.validator.encode(),
        params.version.encode(),
        params.abci.encode(),
    ];
    let mut all = Sha256::new();
    let digests = sections.iter().map(|section| Sha256::digest(&section.0));
    digests.for_each(|digest| all.update(digest));
    (answer.block_height == height).then(|| all.finalize().into())
}

impl Block {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        message.number(1, self.max_bytes as u64);
        message.number(2, self.max_gas as u64);
        message
    }
}

impl Evidence {
    fn encode(&self) -> Message {
        let (second, mut age) = (1_000_000_000, Message::default());
        age.number(1, (self.max_age_duration / second) as u64);
        age.number(2, (self.max_age_duration % second) as u64);
        let mut message = Message::default();
        message.number(1, self.max_age_num_blocks as u64);
        message.message(2, &age.0);
        message.number(3, self.max_bytes as u64);
        message
    }
}

impl Validator {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        let types = self.pub_key_types.iter().flatten();
        types.for_each(|kind| {
            message.message(1, kind.as_bytes());
        });
        message
    }
}

impl Version {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        message.number(1, self.app);
        message
    }
}

impl Abci {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        message.number(1, self.vote_extensions_enable_height as u64);
        message
    }
}
