//! What a node's RPC still tells of a block: the evidence kit of a box, and boxes of
//! nodes that have no recorder.
//!
//! Nothing that a node answers is believed to be more than its answer: it stands in the
//! box as it came, with the place, the time and what failed. Entries are made of it only
//! where they are the same, byte for byte, that a linked host would have recorded.

mod ask;
mod block;
mod entries;
mod list;
mod misbehavior;
mod params;
mod proof;
mod proto;
mod write;

use std::collections::BTreeSet;

use haltbox_format::AppHash;

use ask::Asker;
pub use ask::{Answered, Kit};
use block::Told;
pub use write::{Collected, From, Options, collect};

/// Stores that chains of the Cosmos SDK have, by the names they are mounted with.
pub const STORES: [&str; 44] = [
    "08-wasm",
    "acc",
    "authz",
    "bank",
    "builder",
    "capability",
    "circuit",
    "clob",
    "concentratedliquidity",
    "consensus",
    "consensusparams",
    "Consensus",
    "crisis",
    "distribution",
    "epochs",
    "evidence",
    "evm",
    "feegrant",
    "feemarket",
    "gamm",
    "gov",
    "group",
    "hooks-for-ibc",
    "ibc",
    "icacontroller",
    "icahost",
    "incentives",
    "interchainquery",
    "mint",
    "nft",
    "packetfowardmiddleware",
    "params",
    "poolmanager",
    "protocolpool",
    "provider",
    "ratelimit",
    "slashing",
    "staking",
    "swingset",
    "tokenfactory",
    "transfer",
    "upgrade",
    "vstorage",
    "wasm",
];

/// A store and the root that a proof shows it has in the AppHash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Root {
    store: String,
    hash: Vec<u8>,
}

/// Asks for the root of every store that is named, and keeps those that are proved.
fn roots(asker: &mut Asker, height: u64, app_hash: AppHash, names: &BTreeSet<String>) -> Vec<Root> {
    let mut found = Vec::new();
    for store in names {
        let call = format!(
            "abci_query?path=%22/store/{store}/key%22&data=0x00&height={height}&prove=true"
        );
        let Some(body) = asker.ask_quietly(&call) else {
            continue;
        };
        if let Some(hash) = proof::root_of(&body, &store, app_hash.as_bytes()) {
            asker.keep(&call, &body);
            found.push(Root {
                store: store.clone(),
                hash,
            });
        }
    }
    found
}

/// Everything that is asked of a height; what fails is told in the answers.
fn ask_all(asker: &mut Asker, height: u64, stores: &[String]) -> Told {
    let next = height.saturating_add(1);
    for call in ["status".to_owned(), "abci_info".to_owned()] {
        asker.ask(&call);
    }
    let block = asker.ask(&format!("block?height={height}"));
    let results = asker.ask(&format!("block_results?height={height}"));
    let behind = asker.ask(&format!("block?height={next}"));
    asker.ask(&format!("commit?height={height}"));
    // Where the next block is not decided, the proposal tells what others have.
    match behind.is_none() {
        true => asker.ask("dump_consensus_state"),
        false => asker.ask("consensus_state"),
    };
    let params = asker.ask(&format!("consensus_params?height={height}"));
    let voters = validators(asker, height.saturating_sub(1));
    validators(asker, height);
    let info = asker.told("abci_info");
    let mut told = Told::read(height, block, results, behind, info, voters);
    told.params = params.and_then(|body| params::digest(&body, height));
    let names = STORES.iter().map(|name| (*name).to_owned());
    let mut names: BTreeSet<String> = names.chain(stores.iter().cloned()).collect();
    if let Some(app_hash) = told.app_hash {
        told.roots = roots(asker, height, app_hash, &names);
    }
    // The header has the AppHash of the height before. Stores that the chain does not have
    // need not be asked for twice.
    if !told.roots.is_empty() {
        names = told.roots.iter().map(|root| root.store.clone()).collect();
    }
    let before = told.block.as_ref().and_then(block::Block::app_hash_before);
    if let Some((app_hash, height)) = before.zip(height.checked_sub(1)) {
        told.roots_before = roots(asker, height, app_hash, &names);
    }
    told
}

/// All pages of the set of a height.
fn validators(asker: &mut Asker, height: u64) -> Vec<Vec<u8>> {
    const PAGES: u32 = 10;
    let mut pages = Vec::new();
    let mut count = 0;
    for page in 1..=PAGES {
        let call = format!("validators?height={height}&page={page}&per_page=100");
        let Some(body) = (height > 0).then(|| asker.ask(&call)).flatten() else {
            break;
        };
        let (found, total) = block::counted(&body);
        count += found;
        pages.push(body);
        if found == 0 || count >= total {
            break;
        }
    }
    pages
}
