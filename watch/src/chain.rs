//! Reads heads, blocks and logs from the nodes of one chain.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, LogData, U64, U256};
use haltbox_daemon::rpc::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::message::{ChainId, INBOX, Log};
use crate::rpc::{Call, CallResult, Client, Trouble, read};

/// Type of a deposit: a transaction that the chain's derivation inserts. It declares
/// nothing.
const DEPOSIT: u64 = 0x7e;

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of its parent.
    pub parent: B256,
    /// Its timestamp, in seconds.
    pub timestamp: u64,
}

/// A header with all its roots, as a node returns it. It is evidence if two nodes differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FullHeader(Map<String, Value>);

/// Most members of a header that are kept.
const MEMBERS: usize = 64;
/// Most bytes of a member. A bloom filter has 514.
const MEMBER: usize = 1024;

impl FullHeader {
    /// The header from a node's answer, without the contents of the block. `None` if it
    /// has no hash.
    pub fn of(told: Value) -> Option<FullHeader> {
        let Value::Object(told) = told else {
            return None;
        };
        let is_kept = |value: &Value| value.as_str().is_some_and(|text| text.len() <= MEMBER);
        let members = told.into_iter().filter(|(_, value)| is_kept(value));
        let header = FullHeader(members.take(MEMBERS).collect());
        header.read_hash().map(|_| header)
    }

    /// Its hash, as the node returns it.
    pub fn hash(&self) -> B256 {
        self.read_hash().unwrap_or_default()
    }

    fn read_hash(&self) -> Option<B256> {
        self.0.get("hash")?.as_str()?.parse().ok()
    }
}

/// The heads of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The newest block.
    pub latest: Header,
    /// The newest block that the node calls safe. With interop this means cross-safe.
    pub safe: Option<Header>,
    /// The newest block that cannot be replaced any more.
    pub finalized: Option<Header>,
}

/// A log and the transaction that emitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The log.
    pub log: Log,
    /// Its number among all logs of the block.
    pub index: u32,
    /// The transaction's hash.
    pub transaction: B256,
}

/// One block and its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block.
    pub header: Header,
    /// All its logs, in order.
    pub logs: Vec<Emitted>,
    /// Whether every transaction is a deposit, or there is none: the shape of a block
    /// that replaces an invalid one.
    pub deposits_only: bool,
}

/// Blocks at some heights, with the heads that show which of them can still be replaced.
/// All of it is from one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The chain that the node follows.
    pub chain: ChainId,
    /// Its newest block.
    pub latest: Header,
    /// Its newest block that cannot be replaced any more.
    pub finalized: Option<Header>,
    /// In the order of the heights. `None` if the node has no such block.
    pub blocks: Vec<Result<Option<Block>, Trouble>>,
}

/// The inbox's entries in a transaction's access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declares {
    /// The transaction's hash.
    pub transaction: B256,
    /// The storage keys of the inbox in its access list.
    pub keys: Vec<B256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHeader {
    number: U64,
    hash: B256,
    parent_hash: B256,
    timestamp: U64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReceipt {
    transaction_hash: B256,
    block_hash: B256,
    #[serde(default)]
    r#type: U64,
    logs: Vec<RawLog>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    log_index: U64,
}

#[derive(Deserialize)]
struct RawBlock {
    transactions: Vec<RawTransaction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTransaction {
    hash: B256,
    access_list: Option<Vec<RawAccess>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAccess {
    address: Address,
    storage_keys: Vec<B256>,
}

impl From<RawHeader> for Header {
    fn from(raw: RawHeader) -> Header {
        Header {
            number: raw.number.to(),
            hash: raw.hash,
            parent: raw.parent_hash,
            timestamp: raw.timestamp.to(),
        }
    }
}

/// One node of a chain.
#[derive(Clone)]
pub struct Node {
    client: Client,
}

impl Node {
    /// A node at an endpoint. This makes no request.
    pub fn new(endpoint: Endpoint) -> Node {
        Node {
            client: Client::new(endpoint),
        }
    }

    /// Its endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// The ID of the chain that it follows.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn chain_id(&self) -> Result<ChainId, Trouble> {
        self.client.ask(Call::new("eth_chainId", [])).map(ChainId)
    }

    /// The heads of its chain.
    ///
    /// # Errors
    /// [`Trouble`]. A node without a safe or finalized block yet is not an error.
    pub fn heads(&self) -> Result<Heads, Trouble> {
        let calls = ["latest", "safe", "finalized"].map(|tag| header_call(json!(tag)));
        let mut told = self.client.batch(&calls)?.into_iter();
        let mut next = || told.next().map_or(Ok(None), read::<Option<RawHeader>>);
        let latest = next()?.ok_or_else(no_latest)?;
        let mut known = || next().ok().flatten().map(Header::from);
        Ok(Heads {
            latest: latest.into(),
            safe: known(),
            finalized: known(),
        })
    }

    /// The header at a height, if the chain is that high.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn header(&self, number: u64) -> Result<Option<Header>, Trouble> {
        let raw: Option<RawHeader> = self.client.ask(header_call(height(number)))?;
        Ok(raw.map(Header::from))
    }

    /// The header of a block with all its roots. The block may be on a side chain.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn full_header(&self, hash: B256) -> Result<Option<FullHeader>, Trouble> {
        let call = Call::new("eth_getBlockByHash", [json!(hash), json!(false)]);
        self.client.ask(call).map(FullHeader::of)
    }

    /// The headers at some heights of a chain that the node has, in one batch.
    ///
    /// # Errors
    /// [`Trouble`]. If the node follows another chain: [`Trouble::Shape`].
    pub fn headers_of(
        &self,
        chain: ChainId,
        numbers: &[u64],
    ) -> Result<BTreeMap<u64, FullHeader>, Trouble> {
        let headers = numbers.iter().map(|number| header_call(height(*number)));
        let calls = std::iter::once(Call::new("eth_chainId", [])).chain(headers);
        let calls: Vec<Call> = calls.collect();
        let mut told = self.client.batch(&calls)?.into_iter();
        let own = told.next().map_or_else(|| Err(no_answer()), read::<U256>)?;
        if ChainId(own) != chain {
            let words = format!("the node follows chain {own}, expected {chain}");
            return Err(Trouble::Shape(words));
        }
        let headers = numbers.iter().zip(told).filter_map(|(number, told)| {
            let header = FullHeader::of(read::<Value>(told).ok()?)?;
            Some((*number, header))
        });
        Ok(headers.collect())
    }

    /// The block at a height, if the chain is that high.
    ///
    /// # Errors
    /// [`Trouble`]. If the chain changed between two requests: [`Trouble::Shape`].
    pub fn block(&self, number: u64) -> Result<Option<Block>, Trouble> {
        let blocks = self.blocks(number, number)?;
        Ok(blocks.into_iter().next())
    }

    /// The blocks from one height to another, up to the first that is missing.
    ///
    /// # Errors
    /// [`Trouble`]. If the chain changed between two requests: [`Trouble::Shape`].
    pub fn blocks(&self, from: u64, to: u64) -> Result<Vec<Block>, Trouble> {
        let calls: Vec<Call> = (from..=to).flat_map(block_calls).collect();
        let mut told = self.client.batch(&calls)?.into_iter();
        let mut blocks = Vec::new();
        while let (Some(header), Some(receipts)) = (told.next(), told.next()) {
            match read_block(header, receipts)? {
                Some(block) => blocks.push(block),
                None => break,
            }
        }
        Ok(blocks)
    }

    /// The blocks at some heights, in one batch. Each may exist or not.
    ///
    /// # Errors
    /// [`Trouble`] of the whole request. Each block may also have its own.
    pub fn blocks_at(&self, numbers: &[u64]) -> Result<Glance, Trouble> {
        let heads = ["latest", "finalized"].map(|tag| header_call(json!(tag)));
        let calls = std::iter::once(Call::new("eth_chainId", [])).chain(heads);
        let calls = calls.chain(numbers.iter().copied().flat_map(block_calls));
        let calls: Vec<Call> = calls.collect();
        let mut told = self.client.batch(&calls)?.into_iter();
        let mut next = || told.next().unwrap_or_else(|| Err(no_answer()));
        Ok(Glance {
            chain: ChainId(read::<U256>(next())?),
            latest: read::<Option<RawHeader>>(next())?
                .ok_or_else(no_latest)?
                .into(),
            finalized: read::<Option<RawHeader>>(next())
                .ok()
                .flatten()
                .map(Header::from),
            blocks: numbers.iter().map(|_| read_block(next(), next())).collect(),
        })
    }

    /// The inbox's entries in the access lists of a block's transactions.
    ///
    /// # Errors
    /// [`Trouble`]. If the node no longer has the block: [`Trouble::Shape`].
    pub fn declared(&self, block: B256) -> Result<Vec<Declares>, Trouble> {
        let call = Call::new("eth_getBlockByHash", [json!(block), json!(true)]);
        let raw: Option<RawBlock> = self.client.ask(call)?;
        let gone = || Trouble::Shape(format!("the node no longer has block {block}"));
        let transactions = raw.ok_or_else(gone)?.transactions;
        Ok(transactions.into_iter().map(Declares::from).collect())
    }
}

impl From<RawTransaction> for Declares {
    fn from(raw: RawTransaction) -> Declares {
        let lists = raw.access_list.into_iter().flatten();
        let inbox = lists.filter(|list| list.address == INBOX);
        Declares {
            transaction: raw.hash,
            keys: inbox.flat_map(|list| list.storage_keys).collect(),
        }
    }
}

fn header_call(tag: Value) -> Call {
    Call::new("eth_getBlockByNumber", [tag, json!(false)])
}

fn height(number: u64) -> Value {
    json!(U64::from(number))
}

fn block_calls(number: u64) -> [Call; 2] {
    let receipts = Call::new("eth_getBlockReceipts", [height(number)]);
    [header_call(height(number)), receipts]
}

fn no_latest() -> Trouble {
    Trouble::Shape("the node has no latest block".to_owned())
}

fn no_answer() -> Trouble {
    Trouble::Shape("a call of the batch has no answer".to_owned())
}

fn read_block(header: CallResult, receipts: CallResult) -> Result<Option<Block>, Trouble> {
    let Some(header) = read::<Option<RawHeader>>(header)? else {
        return Ok(None);
    };
    let receipts = read::<Option<Vec<RawReceipt>>>(receipts)?;
    receipts
        .map(|receipts| block(header.into(), receipts))
        .transpose()
}

/// Receipts are requested by height, so another block may stand there by then. The hashes
/// must match.
fn block(header: Header, receipts: Vec<RawReceipt>) -> Result<Block, Trouble> {
    if receipts.iter().any(|one| one.block_hash != header.hash) {
        let number = header.number;
        return Err(Trouble::Shape(format!(
            "block {number} changed between two requests"
        )));
    }
    let deposits_only = receipts.iter().all(|one| one.r#type.to::<u64>() == DEPOSIT);
    let mut logs = Vec::new();
    for receipt in receipts {
        for log in receipt.logs {
            logs.push(emitted(log, receipt.transaction_hash, logs.len())?);
        }
    }
    Ok(Block {
        header,
        logs,
        deposits_only,
    })
}

/// Checks the index of a log. A missing log would shift the numbers of all others.
fn emitted(raw: RawLog, transaction: B256, expected: usize) -> Result<Emitted, Trouble> {
    let index: u64 = raw.log_index.to();
    let fits = u32::try_from(index)
        .ok()
        .filter(|_| index == expected as u64);
    let index = fits.ok_or_else(|| {
        Trouble::Shape(format!(
            "found log {index}, expected log {expected} of the block"
        ))
    })?;
    Ok(Emitted {
        log: Log {
            address: raw.address,
            data: LogData::new_unchecked(raw.topics, raw.data),
        },
        index,
        transaction,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            number: 7,
            hash: B256::repeat_byte(7),
            parent: B256::repeat_byte(6),
            timestamp: 1000,
        }
    }

    fn receipts(json: &str) -> Vec<RawReceipt> {
        let hash = |byte| B256::repeat_byte(byte).to_string();
        let json = json.replace("BLOCK", &hash(7)).replace("OTHER", &hash(8));
        serde_json::from_str(&json.replace("TX", &hash(1))).unwrap()
    }

    const LOG: &str = r#"{"address":"0x4200000000000000000000000000000000000022","topics":[],
        "data":"0x01","logIndex":"0xN"}"#;

    fn with(block: &str, indexes: &[&str]) -> Vec<RawReceipt> {
        let logs: Vec<String> = indexes.iter().map(|at| LOG.replace('N', at)).collect();
        let logs = logs.join(",");
        receipts(&format!(
            r#"[{{"transactionHash":"TX","blockHash":"{block}","type":"0x2","logs":[{logs}]}}]"#
        ))
    }

    #[test]
    fn receipts_of_another_block_or_with_a_log_missing_are_none() {
        let whole = block(header(), with("BLOCK", &["0", "1"])).unwrap();
        assert_eq!(whole.logs.len(), 2);
        assert!(!whole.deposits_only);
        let words = |receipts| block(header(), receipts).unwrap_err().to_string();
        assert!(words(with("OTHER", &["0"])).contains("block 7 changed"));
        assert!(words(with("BLOCK", &["0", "2"])).contains("found log 2, expected log 1"));
    }

    #[test]
    fn a_replacement_has_deposits_alone_or_nothing() {
        assert!(block(header(), Vec::new()).unwrap().deposits_only);
        let deposit =
            receipts(r#"[{"transactionHash":"TX","blockHash":"BLOCK","type":"0x7e","logs":[]}]"#);
        assert!(block(header(), deposit).unwrap().deposits_only);
    }
}
