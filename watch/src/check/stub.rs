//! A stub of a chain's node, which answers the calls of the check from a table.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use alloy_primitives::{B256, U64};
use serde_json::{Value, json};

use crate::chain::Node;
use crate::http::{self, Answers, Refusal, Reply, Request};
use crate::message::Log;

/// The table of the stub.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) chain: u64,
    pub(crate) latest: (u64, u64),
    pub(crate) finalized: Option<u64>,
    /// Timestamp and logs of each height.
    pub(crate) blocks: BTreeMap<u64, (u64, Vec<Log>)>,
    /// Requests before this one find no blocks.
    pub(crate) blocks_from: usize,
    /// Whether it answers every call with an error.
    pub(crate) is_broken: bool,
}

/// A running stub.
pub(crate) struct Stub {
    url: String,
    /// The methods of each request.
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

struct Playing {
    script: Mutex<Script>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Stub {
    pub(crate) fn start(script: Script) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::default();
        let playing = Playing {
            script: Mutex::new(script),
            asked: Arc::clone(&asked),
        };
        std::thread::spawn(move || http::serve(&listener, Arc::new(playing)));
        Stub { url, asked }
    }

    pub(crate) fn node(&self) -> Node {
        Node::new(self.url.parse().unwrap())
    }

    /// The methods that each request so far asked for.
    pub(crate) fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Answers for Playing {
    fn answer(&self, request: &Request) -> Reply {
        let calls: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        let script = self.script.lock().unwrap();
        let mut asked = self.asked.lock().unwrap();
        let is_early = asked.len() < script.blocks_from;
        let method = |call: &Value| call["method"].as_str().unwrap().to_owned();
        asked.push(calls.iter().map(method).collect());
        let answers = calls.iter().map(|call| match script.is_broken {
            true => json!({"id": call["id"], "error": {"code": -32000, "message": "broken"}}),
            false => json!({"id": call["id"], "result": script.result(call, is_early)}),
        });
        Reply {
            status: "200 OK",
            kind: "application/json",
            body: Value::from(answers.collect::<Vec<_>>()).to_string(),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Reply {
        panic!("the stub cannot take a request: {refusal:?}");
    }
}

impl Script {
    fn result(&self, call: &Value, is_early: bool) -> Value {
        let tag = call["params"][0].as_str().unwrap_or_default();
        let number = || tag.parse::<U64>().unwrap().to::<u64>();
        let block = |number| self.blocks.get(&number).filter(|_| !is_early);
        match (call["method"].as_str().unwrap(), tag) {
            ("eth_chainId", _) => json!(U64::from(self.chain)),
            ("eth_getBlockByNumber", "latest") => header(self.latest.0, self.latest.1),
            ("eth_getBlockByNumber", "finalized") => self
                .finalized
                .map_or(Value::Null, |number| header(number, 1)),
            ("eth_getBlockByNumber", _) => {
                let number = number();
                block(number).map_or(Value::Null, |(timestamp, _)| header(number, *timestamp))
            }
            ("eth_getBlockReceipts", _) => {
                let number = number();
                block(number).map_or(Value::Null, |(_, logs)| receipts(number, logs))
            }
            (other, _) => panic!("the stub knows no method {other}"),
        }
    }
}

fn hash(number: u64) -> B256 {
    B256::left_padding_from(&number.to_le_bytes())
}

fn header(number: u64, timestamp: u64) -> Value {
    json!({"number": U64::from(number), "hash": hash(number), "parentHash": hash(number - 1),
           "timestamp": U64::from(timestamp)})
}

/// One transaction emitted all logs.
fn receipts(number: u64, logs: &[Log]) -> Value {
    let logs = logs.iter().enumerate().map(|(at, log)| {
        json!({"address": log.address, "topics": log.data.topics(), "data": log.data.data,
               "logIndex": U64::from(at as u64)})
    });
    let logs: Vec<Value> = logs.collect();
    json!([{"transactionHash": hash(7), "blockHash": hash(number), "type": "0x2", "logs": logs}])
}
