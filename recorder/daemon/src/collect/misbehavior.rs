//! Evidence against validators, as CometBFT passes it to the application.
//!
//! `/block` has all fields that `RequestFinalizeBlock` takes from a block's
//! evidence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::list::few;
use super::proto::Message;
use super::values::{bytes_of_hex, signed, time};

/// One piece of evidence in a block.
#[derive(Deserialize)]
#[serde(tag = "type", content = "value")]
enum Evidence {
    #[serde(rename = "tendermint/DuplicateVoteEvidence")]
    DuplicateVote(DuplicateVote),
    #[serde(rename = "tendermint/LightClientAttackEvidence")]
    LightClientAttack(LightClientAttack),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DuplicateVote {
    #[serde(rename = "vote_a")]
    vote: Vote,
    #[serde(deserialize_with = "signed")]
    total_voting_power: i64,
    #[serde(deserialize_with = "signed")]
    validator_power: i64,
    #[serde(deserialize_with = "time")]
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct Vote {
    #[serde(deserialize_with = "signed")]
    height: i64,
    validator_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LightClientAttack {
    #[serde(deserialize_with = "signed")]
    common_height: i64,
    #[serde(default, deserialize_with = "few")]
    byzantine_validators: Option<Vec<Validator>>,
    #[serde(deserialize_with = "signed")]
    total_voting_power: i64,
    #[serde(deserialize_with = "time")]
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct Validator {
    pub_key: PublicKey,
    #[serde(deserialize_with = "signed")]
    voting_power: i64,
}

#[derive(Deserialize)]
struct PublicKey {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

/// `Misbehavior` of ABCI.
struct Misbehavior {
    kind: u64,
    address: Vec<u8>,
    power: i64,
    height: i64,
    time: Timestamp,
    total: i64,
}

const DUPLICATE_VOTE: u64 = 1;
const LIGHT_CLIENT_ATTACK: u64 = 2;

/// Evidence that the application gets in another form than `/block` shows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Its kind is not known.
    #[error("evidence of an unknown kind against validators ({error})")]
    Kind {
        /// What its JSON lacks.
        error: serde_json::Error,
    },
    /// The validator's address is no hex.
    #[error("evidence against a validator whose address is not valid hex")]
    Address,
    /// The validator's address does not follow from its key.
    #[error("evidence against a validator without an ed25519 key, so its address is unknown")]
    Key,
}

/// Digest of all evidence, as `ffi/go/abci` computes it. `None` if there is
/// none.
///
/// # Errors
/// [`EvidenceError`].
pub(super) fn digest(evidence: &[Box<RawValue>]) -> Result<Option<[u8; 32]>, EvidenceError> {
    let mut digests: Vec<[u8; 32]> = Vec::new();
    for piece in evidence {
        let piece: Evidence =
            serde_json::from_str(piece.get()).map_err(|error| EvidenceError::Kind { error })?;
        for misbehavior in piece.misbehavior()? {
            digests.push(Sha256::digest(misbehavior.encode()).into());
        }
    }
    let none = digests.is_empty();
    Ok((!none).then(|| Sha256::digest(digests.concat()).into()))
}

impl Evidence {
    fn misbehavior(self) -> Result<Vec<Misbehavior>, EvidenceError> {
        match self {
            Evidence::DuplicateVote(double) => Ok(vec![Misbehavior {
                kind: DUPLICATE_VOTE,
                address: bytes_of_hex(&double.vote.validator_address)
                    .ok_or(EvidenceError::Address)?,
                power: double.validator_power,
                height: double.vote.height,
                time: double.timestamp,
                total: double.total_voting_power,
            }]),
            Evidence::LightClientAttack(attack) => {
                let all = attack.byzantine_validators.iter().flatten();
                let of = |validator: &Validator| {
                    Ok(Misbehavior {
                        kind: LIGHT_CLIENT_ATTACK,
                        address: validator.pub_key.address()?,
                        power: validator.voting_power,
                        height: attack.common_height,
                        time: attack.timestamp,
                        total: attack.total_voting_power,
                    })
                };
                all.map(of).collect()
            }
        }
    }
}

impl PublicKey {
    /// The address of the key. The application gets this one, not the address
    /// beside the key.
    fn address(&self) -> Result<Vec<u8>, EvidenceError> {
        let key = STANDARD.decode(&self.value).ok();
        match (self.kind.as_str(), key) {
            ("tendermint/PubKeyEd25519", Some(key)) if key.len() == 32 => {
                let digest = Sha256::digest(key);
                Ok(digest.iter().take(20).copied().collect())
            }
            _ => Err(EvidenceError::Key),
        }
    }
}

impl Misbehavior {
    fn encode(&self) -> Vec<u8> {
        let mut validator = Message::default();
        validator
            .bytes(1, &self.address)
            .number(3, self.power as u64);
        let (second, nanosecond) = (1_000_000_000, self.time.as_nanosecond());
        let mut time = Message::default();
        time.number(1, nanosecond.div_euclid(second) as i64 as u64)
            .number(2, nanosecond.rem_euclid(second) as u64);
        let mut all = Message::default();
        all.number(1, self.kind)
            .message(2, &validator.0)
            .number(3, self.height as u64)
            .message(4, &time.0)
            .number(5, self.total as u64);
        all.0
    }
}
