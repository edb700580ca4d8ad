//! Collects what a node's RPC still has of a block: evidence for a box, and
//! boxes of nodes without a recorder.
//!
//! An answer proves no more than that the node gave it. The box keeps it as it
//! came, with the endpoint, the time, and the errors. Entries are made from
//! answers only where they equal, byte for byte, those that a linked host would
//! have recorded.

mod ask;
mod block;
mod entries;
mod list;
mod misbehavior;
mod params;
mod proof;
mod proto;
mod values;
mod write;

use std::collections::BTreeSet;

use haltbox_format::AppHash;

pub use ask::AnswersError;
use ask::Asker;
use block::{Asked, HeightAnswers};
pub use entries::NoLines;
pub use misbehavior::EvidenceError;
pub use write::{CollectError, Collected, From, Options, collect};

/// Names under which chains of the Cosmos SDK mount their stores.
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

/// A store, and the root that a proof shows it has in the AppHash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Root {
    store: String,
    hash: Vec<u8>,
}

/// Asks for the root of each named store, and keeps the proved ones.
fn roots(asker: &mut Asker, height: u64, app_hash: AppHash, names: &BTreeSet<String>) -> Vec<Root> {
    let mut found = Vec::new();
    for store in names {
        let call = format!(
            "abci_query?path=%22/store/{store}/key%22&data=0x00&height={height}&prove=true"
        );
        let Some(body) = asker.ask_quietly(&call) else {
            if asker.is_over() {
                break;
            }
            continue;
        };
        if let Some(hash) = proof::root_of(&body, store, app_hash.as_bytes()) {
            asker.keep(&call, &body);
            found.push(Root {
                store: store.clone(),
                hash,
            });
        }
    }
    found
}

/// Asks everything about a height. Errors are kept among the answers.
fn ask_all(asker: &mut Asker, height: u64, stores: &[String]) -> HeightAnswers {
    let next = height.saturating_add(1);
    for call in ["status".to_owned(), "abci_info".to_owned()] {
        asker.ask(&call);
    }
    let block = asker.ask(&format!("block?height={height}"));
    let results = asker.ask(&format!("block_results?height={height}"));
    let behind = asker.ask(&format!("block?height={next}"));
    asker.ask(&format!("commit?height={height}"));
    // If the next block is not decided, its proposal shows what other nodes
    // have.
    match behind.is_none() {
        true => asker.ask("dump_consensus_state"),
        false => asker.ask("consensus_state"),
    };
    let params = asker.ask(&format!("consensus_params?height={height}"));
    let voters = validators(asker, height.saturating_sub(1));
    validators(asker, height);
    let asked = Asked {
        info: asker.told("abci_info"),
        version: block::comet_version(asker.told("status")),
        voters,
    };
    let mut told = HeightAnswers::read(height, block, results, behind, asked);
    told.params = params.and_then(|body| params::digest(&body, height));
    let names = STORES.iter().map(|name| (*name).to_owned());
    let mut names: BTreeSet<String> = names.chain(stores.iter().cloned()).collect();
    if let Some(app_hash) = told.app_hash {
        told.roots = roots(asker, height, app_hash, &names);
    }
    // The header has the AppHash of the height before. Ask only for stores that
    // the chain has.
    if !told.roots.is_empty() {
        names = told.roots.iter().map(|root| root.store.clone()).collect();
    }
    let before = told.block.as_ref().and_then(block::Block::app_hash_before);
    if let Some((app_hash, height)) = before.zip(height.checked_sub(1)) {
        told.roots_before = roots(asker, height, app_hash, &names);
    }
    told
}

/// All pages of the validator set of a height.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const H: u64 = 20;

    fn data(name: &str) -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/collect/");
        std::fs::read(format!("{path}{name}")).unwrap()
    }

    /// Answers of a healthy node, with a change.
    fn told(change: impl Fn(&mut Vec<Value>)) -> (HeightAnswers, Asker) {
        let lines = String::from_utf8(data("healthy.jsonl")).unwrap();
        let mut lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        change(&mut lines);
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut asker = Asker::of_lines(lines.as_bytes(), ask::Bounds::COLLECT).unwrap();
        (ask_all(&mut asker, H, &[]), asker)
    }

    fn block(lines: &mut [Value]) -> &mut Value {
        let of = |line: &&mut Value| line["call"] == "/block?height=20";
        let line = lines.iter_mut().find(of).unwrap();
        &mut line["answer"]["result"]["block"]
    }

    /// As CometBFT 0.38 passes it on. The digest comes from CometBFT's own
    /// `EvidenceList.ToABCI`.
    #[test]
    fn evidence_is_digested_as_the_application_gets_it() {
        let comet: Value = serde_json::from_slice(&data("evidence.json")).unwrap();
        let (told, _) = told(|lines| {
            block(lines)["evidence"]["evidence"] = comet["evidence"].clone();
        });
        let lines = told.lines().unwrap();
        let digest = comet["digest"].as_str().unwrap();
        let member = format!(r#""misbehavior":"{digest}""#);
        assert!(lines[1].contains(&member), "{}", lines[1]);
    }

    /// The same digest as in the test of `ffi/go/abci`, for the same
    /// parameters.
    #[test]
    fn parameters_stand_beside_the_input() {
        let recorded = String::from_utf8(data("recorded.jsonl")).unwrap();
        let recorded: Vec<&str> = recorded.lines().take(2).collect();
        let (told, _) = told(|_| {});
        let lines = told.lines().unwrap();
        let digest = "1abee63669d5b1c62a14dd5f58c9f189a774f6465f8e4a0516650e591748246d";
        let own = format!(r#","local":{{"params":"{digest}"}}}}"#);
        assert_eq!(lines[0], recorded[0]);
        let bare = lines[1].strip_suffix(&own).map(|line| format!("{line}}}"));
        assert_eq!(bare.as_deref(), Some(recorded[1]), "{}", lines[1]);
    }

    /// The header has the AppHash of the height before, so the proofs of that
    /// height lead to it.
    #[test]
    fn the_roots_of_the_height_before_are_proved() {
        let (whole, _) = told(|_| {});
        let (told, asker) = told(|lines| {
            let of = |line: &&Value| line["call"].as_str().unwrap().contains("/store/");
            let mut before: Vec<Value> = lines.iter().filter(of).cloned().collect();
            for line in &mut before {
                let call = line["call"]
                    .as_str()
                    .unwrap()
                    .replace("height=20", "height=19");
                line["call"] = json!(call);
            }
            let of_bank = |line: &&mut Value| line["call"].as_str().unwrap().contains("/bank/");
            let bank = before.iter_mut().find(of_bank).unwrap();
            bank["answer"]["result"]["response"]["proofOps"]["ops"][1]["key"] = json!("YWNj");
            let app_hash = whole.app_hash.unwrap().to_string();
            block(lines)["header"]["app_hash"] = json!(app_hash);
            lines.extend(before);
        });
        assert!(told.roots.len() > 2 && told.roots == whole.roots);
        assert_eq!(told.roots_before.len(), told.roots.len() - 1);
        assert!(whole.roots_before.is_empty());
        let kept = asker.lines();
        let kept = kept.iter().map(|line| String::from_utf8_lossy(line));
        let of_before = kept.filter(|line| line.contains("/store/") && line.contains("height=19"));
        assert_eq!(of_before.count(), told.roots_before.len());
    }
}
