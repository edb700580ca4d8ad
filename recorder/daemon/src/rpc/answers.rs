//! CometBFT's answers, versions 0.34 to 1.0, as far as they are needed.
//!
//! 64-bit numbers are strings, smaller ones are numbers. Hashes are upper-case
//! hex, the application's hash is base64. Each is accepted in either form.
//! Members that are not named here are skipped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haltbox_format::AppHash;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// The content of a body.
pub(super) enum Answer<T> {
    /// The result.
    Result(T),
    /// The node's own error.
    Refused,
}

/// Reads `{"result": ...}`, `{"error": ...}`, or the bare result that gateways
/// in front of a node return.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<Answer<T>, serde_json::Error> {
    let envelope: Envelope<T> = serde_json::from_slice(body)?;
    match (envelope.error, envelope.result) {
        (Some(_), _) => Ok(Answer::Refused),
        (None, Some(told)) => Ok(Answer::Result(told)),
        (None, None) => serde_json::from_slice(body).map(Answer::Result),
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Envelope<T> {
    #[serde(default)]
    result: Option<T>,
    #[serde(default)]
    error: Option<Refusal>,
}

/// An error of JSON-RPC. Its code tells it from other objects.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "code")]
    _code: IgnoredAny,
}

/// Answer of `/status`.
#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) node_info: NodeInfo,
    pub(super) sync_info: SyncInfo,
}

#[derive(Deserialize)]
pub(super) struct NodeInfo {
    /// The chain's id.
    pub(super) network: String,
}

#[derive(Deserialize)]
pub(super) struct SyncInfo {
    #[serde(deserialize_with = "number")]
    pub(super) latest_block_height: u64,
    pub(super) latest_block_hash: AppHash,
    /// The AppHash in the header of `latest_block_height`: the one of the
    /// height before.
    pub(super) latest_app_hash: AppHash,
    #[serde(default)]
    pub(super) catching_up: bool,
}

/// Answer of `/abci_info`.
#[derive(Deserialize)]
pub(super) struct AbciInfo {
    pub(super) response: Application,
}

#[derive(Deserialize)]
pub(super) struct Application {
    /// Absent before the first block.
    #[serde(default, deserialize_with = "number")]
    pub(super) last_block_height: u64,
    #[serde(default, deserialize_with = "base64_or_hex")]
    pub(super) last_block_app_hash: Option<AppHash>,
}

/// Answer of `/commit`.
#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) signed_header: SignedHeader,
}

#[derive(Deserialize)]
pub(super) struct SignedHeader {
    pub(super) header: Header,
}

/// Header of a block.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) chain_id: String,
    #[serde(deserialize_with = "number")]
    pub(super) height: u64,
    pub(super) app_hash: AppHash,
    pub(super) last_block_id: BlockId,
}

#[derive(Deserialize)]
pub(super) struct BlockId {
    pub(super) hash: AppHash,
}

/// Answer of `/dump_consensus_state`.
#[derive(Deserialize)]
pub(super) struct ConsensusState {
    pub(super) round_state: RoundState,
}

#[derive(Deserialize)]
pub(super) struct RoundState {
    #[serde(deserialize_with = "number")]
    pub(super) height: u64,
    #[serde(deserialize_with = "number")]
    pub(super) round: u64,
    /// Absent if the node received no proposal in this round.
    #[serde(default)]
    pub(super) proposal_block: Option<Block>,
}

#[derive(Deserialize)]
pub(super) struct Block {
    pub(super) header: Header,
}

/// Reads `"12"` or `12`.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    match Form::deserialize(from)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

/// Reads base64 as Go writes bytes, or hex. 64 hex digits are valid base64 too,
/// but of 48 bytes, which no AppHash has.
fn base64_or_hex<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AppHash>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let raw = match text.len() {
        64 => AppHash::from_hex(text.as_bytes()),
        _ => None,
    };
    let decoded = || AppHash::new(&STANDARD.decode(&text).ok()?);
    let found = raw.or_else(decoded);
    found.map(Some).ok_or_else(|| {
        D::Error::custom("expected last_block_app_hash as base64 of at most 64 bytes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: DeserializeOwned>(body: &str) -> T {
        match parse(body.as_bytes()) {
            Ok(Answer::Result(told)) => told,
            Ok(Answer::Refused) => panic!("refused: {body}"),
            Err(error) => panic!("{error}: {body}"),
        }
    }

    #[test]
    fn numbers_and_hashes_are_taken_in_either_form() {
        let hash = "AB".repeat(32);
        let base64 = STANDARD.encode([0xAB; 32]);
        for (height, hash) in [("\"7\"", &hash), ("7", &base64)] {
            let info: AbciInfo = told(&format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":-1,\"result\":{{\"response\":{{\"data\":\"x\",\
                 \"last_block_height\":{height},\"last_block_app_hash\":\"{hash}\"}}}}}}"
            ));
            assert_eq!(info.response.last_block_height, 7);
            assert_eq!(info.response.last_block_app_hash, AppHash::new(&[0xAB; 32]));
        }
        let fresh: AbciInfo = told("{\"response\":{}}");
        assert_eq!(fresh.response.last_block_app_hash, None);
    }

    #[test]
    fn a_refusal_is_told_from_nonsense() {
        let refusal = "{\"jsonrpc\":\"2.0\",\"id\":-1,\"error\":{\"code\":-32603,\"message\":\"Internal error\",\
                       \"data\":\"height 5 must be less than or equal to the current blockchain height 4\"}}";
        assert!(matches!(
            parse::<Commit>(refusal.as_bytes()),
            Ok(Answer::Refused)
        ));
        let deep = "[".repeat(100_000);
        for nonsense in [
            "",
            "{}",
            "[]",
            "null",
            "<html>",
            "{\"result\":{}}",
            "{\"result\":[1]}",
            "{\"error\":\"no\"}",
            &deep,
        ] {
            assert!(
                parse::<Commit>(nonsense.as_bytes()).is_err(),
                "{}",
                &nonsense[..nonsense.len().min(20)]
            );
        }
    }

    #[test]
    fn a_round_without_a_proposal_is_read() {
        for rest in ["", ",\"proposal_block\":null"] {
            let state: ConsensusState = told(&format!(
                "{{\"result\":{{\"round_state\":{{\"height\":\"9\",\"round\":3{rest}}}}}}}"
            ));
            assert!(state.round_state.proposal_block.is_none() && state.round_state.round == 3);
        }
    }
}
