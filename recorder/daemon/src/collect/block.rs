//! A block, its results, and the votes for the block before, from a node's
//! answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haltbox_format::AppHash;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::Root;
use super::list::few;
use super::misbehavior::{self, EvidenceError};
use super::proto::Message;
use super::values::{bytes_of_hex, result, signed, time};
use crate::rpc::number;

/// What a node answered about a height, as far as it can be read.
#[derive(Default)]
pub(super) struct HeightAnswers {
    pub(super) height: u64,
    pub(super) block: Option<Block>,
    pub(super) results: Option<Results>,
    /// The node's own AppHash after the height.
    pub(super) app_hash: Option<AppHash>,
    /// The AppHash in the next block's header.
    pub(super) network: Option<AppHash>,
    /// Whether the application executed and committed the height.
    pub(super) committed: bool,
    /// How the block was passed to the application. `None` if the answers do
    /// not show it.
    pub(super) abci: Option<Abci>,
    /// Digest of the block's votes for the block before.
    pub(super) last_commit: Option<[u8; 32]>,
    /// Digest of the consensus parameters.
    pub(super) params: Option<[u8; 32]>,
    pub(super) roots: Vec<Root>,
    /// Roots of the height before.
    pub(super) roots_before: Vec<Root>,
}

/// How CometBFT passes a block to its application. The entries of a linked
/// recorder depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abci {
    /// Before 0.38: the header first, then each transaction.
    One,
    /// From 0.38 on: everything at once.
    Two,
}

/// Answer of `/block`.
#[derive(Deserialize)]
pub(super) struct Block {
    pub(super) block_id: BlockId,
    pub(super) block: Body,
}

#[derive(Deserialize)]
pub(super) struct BlockId {
    pub(super) hash: AppHash,
}

#[derive(Deserialize)]
pub(super) struct Body {
    pub(super) header: Header,
    pub(super) data: Data,
    evidence: Evidence,
    last_commit: Option<LastCommit>,
}

#[derive(Deserialize)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    height: u64,
    #[serde(deserialize_with = "time")]
    pub(super) time: Timestamp,
    #[serde(default)]
    pub(super) data_hash: String,
    pub(super) next_validators_hash: String,
    pub(super) proposer_address: String,
    /// Empty before the first block of some chains.
    #[serde(default)]
    app_hash: String,
}

#[derive(Deserialize)]
pub(super) struct Data {
    #[serde(default, deserialize_with = "few")]
    txs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Evidence {
    #[serde(default, deserialize_with = "few")]
    evidence: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct LastCommit {
    #[serde(default)]
    round: u32,
    #[serde(default, deserialize_with = "few")]
    signatures: Option<Vec<Signature>>,
}

#[derive(Deserialize)]
struct Signature {
    block_id_flag: u64,
    #[serde(default)]
    validator_address: String,
}

/// Answer of `/block_results`.
#[derive(Deserialize)]
pub(super) struct Results {
    #[serde(deserialize_with = "number")]
    height: u64,
    #[serde(default, rename = "txs_results", deserialize_with = "few")]
    pub(super) txs: Option<Vec<TxResult>>,
    /// From CometBFT 0.38 on.
    #[serde(default)]
    app_hash: Option<String>,
    #[serde(default, rename = "finalize_block_events", deserialize_with = "few")]
    pub(super) block_events: Option<Vec<Event>>,
}

#[derive(Deserialize)]
pub(super) struct TxResult {
    #[serde(default)]
    pub(super) code: u32,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    pub(super) log: String,
    #[serde(default)]
    pub(super) codespace: String,
    #[serde(default, deserialize_with = "signed")]
    pub(super) gas_wanted: i64,
    #[serde(default, deserialize_with = "signed")]
    pub(super) gas_used: i64,
    #[serde(default, deserialize_with = "few")]
    pub(super) events: Option<Vec<Event>>,
}

/// An event of the application. Each node has its own setting of what is
/// indexed, so that is not read.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    attributes: Option<Vec<Attribute>>,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

/// Answer of `/validators`.
#[derive(Deserialize)]
struct Validators {
    #[serde(default)]
    validators: Option<Vec<Validator>>,
    #[serde(deserialize_with = "number")]
    total: u64,
}

#[derive(Deserialize)]
struct Validator {
    address: String,
    #[serde(deserialize_with = "signed")]
    voting_power: i64,
}

/// Answer of `/abci_info`.
#[derive(Deserialize)]
struct Info {
    response: Application,
}

#[derive(Deserialize)]
struct Application {
    #[serde(default)]
    last_block_height: Option<String>,
    #[serde(default)]
    last_block_app_hash: Option<String>,
}

/// How many validators a page has, and how many there are in total.
pub(super) fn counted(body: &[u8]) -> (u64, u64) {
    let page: Option<Validators> = result(body);
    page.map_or((0, 0), |page| {
        let found = page.validators.map_or(0, |list| list.len() as u64);
        (found, page.total)
    })
}

impl HeightAnswers {
    /// Reads the answers. Ignores an answer about another height.
    pub(super) fn read(
        height: u64,
        block: Option<Vec<u8>>,
        results: Option<Vec<u8>>,
        behind: Option<Vec<u8>>,
        asked: Asked,
    ) -> HeightAnswers {
        let block_of = |body: Option<Vec<u8>>, wanted: u64| {
            let block: Option<Block> = body.and_then(|body| result(&body));
            block.filter(|block| block.block.header.height == wanted)
        };
        let block = block_of(block, height);
        let results: Option<Results> = results.and_then(|body| result(&body));
        let results = results.filter(|results| results.height == height);
        let network = block_of(behind, height.saturating_add(1));
        let network =
            network.and_then(|next| AppHash::from_hex(next.block.header.app_hash.as_bytes()));
        let info: Option<Info> = asked.info.and_then(|body| result(&body));
        let (newest, of_newest) = info.map_or((None, None), |info| info.response.read());
        let of_results = results
            .as_ref()
            .and_then(|results| results.app_hash.as_deref());
        let of_results = of_results.and_then(app_hash);
        let of_newest = of_newest.filter(|_| newest == Some(height));
        let of_others = of_newest.or(network);
        // An application may have an empty AppHash. That does not show the
        // release.
        let tells = |hash: Option<AppHash>| hash.is_some_and(|hash| !hash.as_bytes().is_empty());
        let told_of = results.as_ref().map(|_| tells(of_results));
        let abci = Abci::of(told_of, tells(of_others), asked.version.as_deref());
        let last_commit = |block: &Block| block.last_commit(&asked.voters, abci?);
        HeightAnswers {
            height,
            // A node stores no block that it refuses. So the next header has
            // the node's own AppHash.
            app_hash: of_results.or(of_others),
            abci,
            network,
            committed: newest.is_some_and(|newest| newest >= height) || network.is_some(),
            last_commit: block.as_ref().and_then(last_commit),
            block,
            results,
            params: None,
            roots: Vec::new(),
            roots_before: Vec::new(),
        }
    }
}

/// Answers beside the block.
pub(super) struct Asked {
    /// Body of `/abci_info`.
    pub(super) info: Option<Vec<u8>>,
    /// The node's version of CometBFT.
    pub(super) version: Option<String>,
    /// All pages of `/validators` of the height before.
    pub(super) voters: Vec<Vec<u8>>,
}

impl Abci {
    /// Finds how the block was passed on.
    ///
    /// `in_results` says whether the block's results have an AppHash, if there
    /// are results. Results from before 0.38 have none, also in a node that was
    /// upgraded since. `elsewhere` says whether another answer has the block's
    /// AppHash.
    fn of(in_results: Option<bool>, elsewhere: bool, version: Option<&str>) -> Option<Abci> {
        match (in_results, version.and_then(is_before_0_38)) {
            (Some(true), _) => Some(Abci::Two),
            (_, Some(true)) => Some(Abci::One),
            (Some(false), Some(false)) if elsewhere => Some(Abci::One),
            (_, Some(false)) => Some(Abci::Two),
            (_, None) => None,
        }
    }
}

/// Whether a version is older than 0.38. `None` if it is no version of
/// CometBFT.
fn is_before_0_38(version: &str) -> Option<bool> {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || numbers.next()?.parse::<u32>().ok();
    let (major, minor) = (number()?, number()?);
    Some(major == 0 && minor < 38)
}

impl Application {
    fn read(self) -> (Option<u64>, Option<AppHash>) {
        let height = self.last_block_height.and_then(|text| text.parse().ok());
        (
            height,
            self.last_block_app_hash.as_deref().and_then(app_hash),
        )
    }
}

/// Reads base64, or hex as in older releases.
fn app_hash(text: &str) -> Option<AppHash> {
    let of_hex = || AppHash::from_hex(text.as_bytes());
    match text.len() {
        64 => of_hex(),
        _ => AppHash::new(&STANDARD.decode(text).ok()?).or_else(of_hex),
    }
}

impl Block {
    /// The bytes of the transactions. `None` if one is no base64.
    pub(super) fn txs(&self) -> Option<Vec<Vec<u8>>> {
        let txs = self.block.data.txs.iter().flatten();
        txs.map(|tx| STANDARD.decode(tx).ok()).collect()
    }

    /// Digest of the block's evidence against validators. `None` if it has
    /// none.
    pub(super) fn misbehavior(&self) -> Result<Option<[u8; 32]>, EvidenceError> {
        let evidence = self.block.evidence.evidence.as_deref();
        misbehavior::digest(evidence.unwrap_or_default())
    }

    /// The AppHash after the block before, from this block's header.
    pub(super) fn app_hash_before(&self) -> Option<AppHash> {
        let hash = AppHash::from_hex(self.block.header.app_hash.as_bytes());
        hash.filter(|hash| !hash.as_bytes().is_empty())
    }

    /// Digest of the `CommitInfo` that CometBFT passes on with the block: each
    /// validator of the height before, in the order of the set, and its vote.
    fn last_commit(&self, voters: &[Vec<u8>], abci: Abci) -> Option<[u8; 32]> {
        let commit = self.block.last_commit.as_ref()?;
        let signatures = commit.signatures.as_deref().unwrap_or_default();
        let mut voters_of: Vec<Validator> = Vec::new();
        for page in voters {
            let page: Validators = result(page)?;
            voters_of.extend(page.validators.into_iter().flatten());
        }
        if !signatures.is_empty() && signatures.len() != voters_of.len() {
            return None;
        }
        let mut info = Message::default();
        info.number(1, u64::from(commit.round));
        for (signature, voter) in signatures.iter().zip(&voters_of) {
            info.message(2, &vote(signature, voter, abci)?);
        }
        Some(Sha256::digest(&info.0).into())
    }
}

/// Flag of a validator without a signature.
const ABSENT: u64 = 1;

/// Encodes a `VoteInfo`. The signature of an absent validator has no address.
fn vote(signature: &Signature, voter: &Validator, abci: Abci) -> Option<Vec<u8>> {
    let named = &signature.validator_address;
    if !named.is_empty() && !named.eq_ignore_ascii_case(&voter.address) {
        return None;
    }
    let mut validator = Message::default();
    validator.bytes(1, &bytes_of_hex(&voter.address)?);
    validator.number(3, u64::try_from(voter.voting_power).ok()?);
    let mut vote = Message::default();
    vote.message(1, &validator.0);
    match abci {
        // Whether there is a signature, for whichever block.
        Abci::One => vote.number(2, u64::from(signature.block_id_flag != ABSENT)),
        Abci::Two => vote.number(3, signature.block_id_flag),
    };
    Some(vote.0)
}

impl TxResult {
    /// What the transaction returned. `None` if nothing. `Err` if it is no
    /// base64.
    pub(super) fn data(&self) -> Result<Option<Vec<u8>>, base64::DecodeError> {
        let text = self.data.as_deref().filter(|text| !text.is_empty());
        text.map(|text| STANDARD.decode(text)).transpose()
    }
}

/// Digest of events, without each node's own settings. Each text is preceded by
/// its length, so no two lists give the same bytes.
pub(super) fn digest_of(events: &[Event]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut put = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    for event in events {
        put(&event.kind);
        let attributes = event.attributes.as_deref().unwrap_or_default();
        put(&attributes.len().to_string());
        for attribute in attributes {
            put(attribute.key.as_deref().unwrap_or_default());
            put(attribute.value.as_deref().unwrap_or_default());
        }
    }
    hasher.finalize().into()
}

/// The version of CometBFT in a node's status.
pub(super) fn comet_version(status: Option<Vec<u8>>) -> Option<String> {
    #[derive(Deserialize)]
    struct Status {
        node_info: NodeInfo,
    }
    #[derive(Deserialize)]
    struct NodeInfo {
        #[serde(default)]
        version: String,
    }
    let status: Option<Status> = status.and_then(|body| result(&body));
    status.map(|status| status.node_info.version)
}

/// The versions that a node reports of itself.
pub(super) fn versions(
    status: Option<Vec<u8>>,
    info: Option<Vec<u8>>,
) -> std::collections::BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Info {
        response: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        #[serde(default)]
        version: String,
    }
    let info: Option<Info> = info.and_then(|body| result(&body));
    let told = [
        ("cometbft", comet_version(status)),
        ("application", info.map(|info| info.response.version)),
    ];
    let told = told.into_iter().filter_map(|(name, version)| {
        let version = version.filter(|version| !version.is_empty())?;
        Some((name.to_owned(), crate::rpc::shown(&version)))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_that_executed_a_block_is_told() {
        let (old, new) = (Some("0.37.5"), Some("0.38.21"));
        for (in_results, elsewhere, version, expected) in [
            (Some(true), true, new, Some(Abci::Two)),
            (Some(true), true, None, Some(Abci::Two)),
            (Some(false), true, old, Some(Abci::One)),
            (None, false, Some("v0.34.24-fork"), Some(Abci::One)),
            // A node that was upgraded to 0.38 answers about an older block.
            (Some(false), true, new, Some(Abci::One)),
            // The application has no AppHash.
            (Some(false), false, new, Some(Abci::Two)),
            (None, true, new, Some(Abci::Two)),
            (None, true, Some("1.0.1"), Some(Abci::Two)),
            (Some(false), true, None, None),
            (None, true, Some("unknown"), None),
        ] {
            let found = Abci::of(in_results, elsewhere, version);
            assert_eq!(found, expected, "{in_results:?} {elsewhere} {version:?}");
        }
    }
}
