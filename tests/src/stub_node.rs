//! A stub of a chain's node: it tells the blocks that a test writes down, in the shape in
//! which a real node does. For what no real node does on demand: null heights, blocks with
//! the same transaction, replacements of deposits only.

use std::sync::{Arc, Mutex};

use alloy_primitives::{B256, U64, hex, keccak256};
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::{INBOX, Log, Message};
use serde_json::{Value, json};
use tiny_http::{Response, Server};

/// A transaction of a block.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Its type: 0x7e is a deposit.
    pub kind: u8,
    /// What it emits.
    pub logs: Vec<Log>,
    /// What it declares of the inbox.
    pub keys: Vec<B256>,
}

impl Transaction {
    /// A deposit that does nothing.
    pub fn deposit() -> Transaction {
        Transaction {
            hash: keccak256("deposit"),
            kind: 0x7e,
            logs: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// A transaction that emits a log.
    pub fn emits(name: &str, log: Log) -> Transaction {
        Transaction {
            hash: keccak256(name),
            kind: 2,
            logs: vec![log],
            keys: Vec::new(),
        }
    }

    /// A transaction that executes a message, and declares it.
    pub fn executes(name: &str, message: &Message) -> Transaction {
        Transaction {
            keys: Declared::of(message).entries(),
            ..Transaction::emits(name, message.emitted())
        }
    }
}

struct Block {
    hash: B256,
    timestamp: u64,
    transactions: Vec<Transaction>,
}

#[derive(Default)]
struct Chain {
    id: u64,
    /// From height 0 on.
    blocks: Vec<Block>,
    safe: u64,
    finalized: u64,
    /// Blocks that it has and does not call the latest yet.
    lag: usize,
    /// Makes the hashes of blocks of other forks others.
    forks: u64,
}

/// The stub.
#[derive(Clone)]
pub struct StubNode {
    chain: Arc<Mutex<Chain>>,
    url: String,
}

impl StubNode {
    /// A chain with a first block of this timestamp.
    pub fn start(id: u64, timestamp: u64) -> StubNode {
        let server = Server::http("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", server.server_addr());
        let chain: Arc<Mutex<Chain>> = Arc::default();
        let node = StubNode {
            chain: Arc::clone(&chain),
            url,
        };
        node.with(|chain| {
            chain.id = id;
            chain.push(timestamp, Vec::new());
        });
        std::thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let mut body = String::new();
                let read = request.as_reader().read_to_string(&mut body);
                let asked: Value = read
                    .ok()
                    .and_then(|_| serde_json::from_str(&body).ok())
                    .unwrap_or_default();
                let chain = chain.lock().expect("the chain");
                let calls = asked.as_array().cloned().unwrap_or_default();
                let told: Vec<Value> = calls.iter().map(|call| chain.answer(call)).collect();
                drop(chain);
                let _ = request.respond(Response::from_string(Value::Array(told).to_string()));
            }
        });
        node
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn with<R>(&self, work: impl FnOnce(&mut Chain) -> R) -> R {
        work(&mut self.chain.lock().expect("the chain"))
    }

    /// The next block, a second later. Its height and hash.
    pub fn push(&self, transactions: Vec<Transaction>) -> (u64, B256) {
        self.with(|chain| {
            let timestamp = chain.blocks.last().map_or(0, |block| block.timestamp) + 1;
            chain.push(timestamp, transactions)
        })
    }

    /// The blocks above a height are null from here on.
    pub fn rewind(&self, to: u64) {
        self.with(|chain| {
            chain.forks += 1;
            chain.blocks.truncate(to as usize + 1);
        });
    }

    /// Heights of the safe and the finalized block.
    pub fn heads(&self, safe: u64, finalized: u64) {
        self.with(|chain| (chain.safe, chain.finalized) = (safe, finalized));
    }

    /// From here on it calls a block the latest that is so many below the newest.
    pub fn lag(&self, blocks: usize) {
        self.with(|chain| chain.lag = blocks);
    }

    /// Height and timestamp of the newest block.
    pub fn tip(&self) -> (u64, u64) {
        self.with(|chain| {
            let tip = chain.blocks.last().expect("a block");
            (chain.blocks.len() as u64 - 1, tip.timestamp)
        })
    }
}

impl Chain {
    fn push(&mut self, timestamp: u64, transactions: Vec<Transaction>) -> (u64, B256) {
        let number = self.blocks.len() as u64;
        let hash = keccak256(format!("{} {number} {}", self.id, self.forks));
        self.blocks.push(Block {
            hash,
            timestamp,
            transactions,
        });
        (number, hash)
    }

    fn answer(&self, call: &Value) -> Value {
        let parameter = &call["params"][0];
        let result = match call["method"].as_str().unwrap_or_default() {
            "eth_chainId" => json!(U64::from(self.id)),
            "eth_getBlockByNumber" | "eth_getBlockByHash" => {
                let at = self.find(parameter);
                at.map_or(Value::Null, |at| self.header(at))
            }
            "eth_getBlockReceipts" => {
                let at = self.find(parameter);
                at.map_or(Value::Null, |at| self.receipts(at))
            }
            method => panic!("the stub knows no {method}"),
        };
        json!({"jsonrpc": "2.0", "id": call["id"], "result": result})
    }

    fn find(&self, name: &Value) -> Option<usize> {
        let name = name.as_str()?;
        let at = match name {
            "latest" => self.blocks.len() - 1 - self.lag,
            "safe" => self.safe as usize,
            "finalized" => self.finalized as usize,
            hash if hash.len() == 66 => self
                .blocks
                .iter()
                .position(|block| block.hash.to_string() == hash)?,
            number => usize::from_str_radix(number.trim_start_matches("0x"), 16).ok()?,
        };
        (at < self.blocks.len()).then_some(at)
    }

    fn header(&self, at: usize) -> Value {
        let block = &self.blocks[at];
        let parent = at
            .checked_sub(1)
            .map_or(B256::ZERO, |at| self.blocks[at].hash);
        let transactions = block.transactions.iter().map(|transaction| {
            let list = match transaction.keys.is_empty() {
                true => json!([]),
                false => json!([{"address": INBOX, "storageKeys": transaction.keys}]),
            };
            json!({"hash": transaction.hash, "accessList": list})
        });
        json!({
            "number": U64::from(at),
            "hash": block.hash,
            "parentHash": parent,
            "timestamp": U64::from(block.timestamp),
            "transactions": transactions.collect::<Vec<_>>(),
        })
    }

    fn receipts(&self, at: usize) -> Value {
        let block = &self.blocks[at];
        let mut index = 0_u64;
        let receipts = block.transactions.iter().map(|transaction| {
            let logs = transaction.logs.iter().map(|log| {
                index += 1;
                json!({
                    "address": log.address,
                    "topics": log.data.topics(),
                    "data": hex::encode_prefixed(&log.data.data),
                    "logIndex": U64::from(index - 1),
                })
            });
            json!({
                "transactionHash": transaction.hash,
                "blockHash": block.hash,
                "type": U64::from(transaction.kind),
                "logs": logs.collect::<Vec<_>>(),
            })
        });
        Value::Array(receipts.collect())
    }
}
