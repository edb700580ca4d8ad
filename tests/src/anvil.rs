//! A real Ethereum node, anvil from npm (`tests/anvil`), as a chain that sends or
//! executes messages. Its `safe` and `finalized` blocks lag behind the newest one by
//! whole epochs; nothing judges messages there.

mod contracts;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, LogData, hex};
use haltbox_watch::message::{INBOX, Log, Message, Place};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

pub use contracts::EMITTER;

use crate::{npm, root, target_folder, wait_until};

/// Transactions of one HTTP request: a request of anvil's has at most 2 MB.
const BATCH: usize = 500;

/// When blocks come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// Every so many seconds.
    Every(u64),
    /// When a test asks: [`Anvil::mine`], and each call that waits for a receipt. A second
    /// goes by from one to the next.
    Demand,
}

/// How a chain behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// When blocks come.
    pub mining: Mining,
    /// Blocks by which `safe` lags behind the newest one; `finalized` lags twice as far.
    pub epoch: u64,
    /// More arguments of anvil.
    pub arguments: &'a [&'a str],
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            mining: Mining::Demand,
            epoch: 2,
            arguments: &[],
        }
    }
}

/// A log that may be executed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where it stands.
    pub place: Place,
    /// The contract that emitted it.
    pub origin: Address,
    /// Digest of its topics and data.
    pub payload: B256,
    /// The block it stands in.
    pub block_hash: B256,
    /// The transaction that emitted it.
    pub transaction: B256,
}

impl Placed {
    /// The message that names this log rightly.
    pub fn message(&self) -> Message {
        Message {
            place: self.place,
            origin: self.origin,
            payload: self.payload,
        }
    }
}

/// A log of the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The transaction.
    pub transaction: B256,
    /// Height of its block.
    pub block: u64,
    /// The block.
    pub block_hash: B256,
    /// The log's number among all logs of the block.
    pub log: u32,
}

/// A chain: one process, which ends with this.
pub struct Anvil {
    id: u64,
    url: String,
    mining: Mining,
    agent: ureq::Agent,
    accounts: Vec<Value>,
    child: Child,
}

impl Anvil {
    /// Starts a chain on a free port of the loopback interface. Needs Node and npm.
    pub fn start(chain_id: u64, options: Options<'_>) -> Anvil {
        let mut child = Command::new(program())
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(["--chain-id", &chain_id.to_string()])
            .args(["--slots-in-an-epoch", &options.epoch.to_string()])
            // 500 messages are more than a common block holds.
            .args(["--gas-limit", "1000000000"])
            .args(mining(options.mining))
            .args(options.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil starts");
        let stdout = child.stdout.take().expect("a pipe");
        let mut anvil = Anvil {
            id: chain_id,
            url: String::new(),
            mining: options.mining,
            agent: agent(),
            accounts: Vec::new(),
            child,
        };
        anvil.url = format!("http://{}", address_in(stdout));
        anvil.accounts = match anvil.rpc("eth_accounts", json!([])) {
            Value::Array(accounts) => accounts,
            other => panic!("anvil's accounts: {other}"),
        };
        anvil.tick(options.mining);
        anvil
    }

    /// Has each block be later than the one before by the block time, as on an OP Stack
    /// chain: without it, blocks that come on demand have the same second.
    fn tick(&self, mining: Mining) {
        let seconds = match mining {
            Mining::Every(seconds) => seconds,
            Mining::Demand => 1,
        };
        self.rpc("anvil_setBlockTimestampInterval", json!([seconds]));
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has it hang: it accepts connections and answers nobody.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has it go on.
    pub fn cont(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("anvil runs");
    }

    /// What a call gives.
    pub fn rpc(&self, method: &str, params: Value) -> Value {
        let answers = self.batch(&[(method, params)]);
        answers.into_iter().next().expect("one answer")
    }

    /// What each of these calls gives, of one request.
    pub fn batch(&self, calls: &[(&str, Value)]) -> Vec<Value> {
        let requests = calls.iter().enumerate().map(|(id, (method, params))| {
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        });
        let body = self.post(&Value::Array(requests.collect()));
        let Value::Array(mut answers) = body else {
            panic!("{}: an array was expected: {body}", self.url);
        };
        answers.sort_by_key(|answer| answer["id"].as_u64());
        assert_eq!(answers.len(), calls.len(), "{}: answers", self.url);
        let results = calls.iter().zip(answers).map(|((method, _), mut answer)| {
            let error = &answer["error"];
            assert!(error.is_null(), "{method} of {}: {error}", self.url);
            answer["result"].take()
        });
        results.collect()
    }

    fn post(&self, body: &Value) -> Value {
        let request = self.agent.post(&self.url);
        let request = request.header("content-type", "application/json");
        let answer = request.send(body.to_string());
        let mut answer = answer.unwrap_or_else(|error| panic!("{}: {error}", self.url));
        let text = answer.body_mut().with_config().limit(1 << 30);
        let text = text.read_to_string().expect("an answer");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.url))
    }

    /// Puts the inbox of the tests where the real one stands: it emits the same event and
    /// checks nothing. A contract that calls it many times stands beside it.
    pub fn install_inbox(&self) {
        self.set_code(INBOX, &contracts::inbox());
        self.set_code(contracts::RELAYER, &contracts::relayer());
    }

    /// Puts the emitter at [`EMITTER`].
    pub fn install_emitter(&self) {
        self.set_code(EMITTER, &contracts::emitter());
    }

    fn set_code(&self, address: Address, code: &[u8]) {
        let code = hex::encode_prefixed(code);
        self.rpc("anvil_setCode", json!([address.to_string(), code]));
    }

    /// Emits a log with these bytes, and waits for its block.
    pub fn emit(&self, payload: &[u8]) -> Placed {
        self.emit_many(&[payload])[0]
    }

    /// Emits these logs in this order, in one block where blocks come on demand.
    pub fn emit_many(&self, payloads: &[&[u8]]) -> Vec<Placed> {
        let logs: Vec<Log> = payloads.iter().map(|p| contracts::emitted(p)).collect();
        let calls = logs.iter().map(|log| Call {
            to: EMITTER,
            input: contracts::emit(log),
            declared: &[],
        });
        let receipts = self.send(calls.collect());
        let placed = logs.iter().zip(&receipts);
        placed.map(|(log, at)| self.placed(log, at)).collect()
    }

    fn placed(&self, log: &Log, receipt: &Value) -> Placed {
        let emitted = &receipt["logs"][0];
        let place = Place {
            chain: self.id.into(),
            block: number(&emitted["blockNumber"]),
            timestamp: number(&emitted["blockTimestamp"]),
            log: number(&emitted["logIndex"]) as u32,
        };
        Placed {
            place,
            origin: log.address,
            payload: log.payload(),
            block_hash: word(&emitted["blockHash"]),
            transaction: word(&emitted["transactionHash"]),
        }
    }

    /// Executes a message in a transaction that declares these storage keys of the inbox,
    /// or none, and waits for its block.
    pub fn execute(&self, message: &Message, declared: &[B256]) -> Executed {
        self.execute_many(&[(*message, declared.to_vec())])[0]
    }

    /// Executes these messages, each in its transaction, in this order: in one block where
    /// blocks come on demand, else in as few as come while they are sent.
    ///
    /// A transaction for each, because that is what a watcher has to look up: a hundred
    /// logs of one transaction cost it a hundredth of that. Sent as one batch with nonces
    /// and gas, nothing is estimated: anvil keeps up with 1,000 a second beside its blocks,
    /// and keeps about 6 KB of each.
    pub fn execute_many(&self, messages: &[(Message, Vec<B256>)]) -> Vec<Executed> {
        let calls = messages.iter().map(|(message, declared)| Call {
            to: INBOX,
            input: contracts::execute(message),
            declared,
        });
        let receipts = self.send(calls.collect());
        receipts.iter().flat_map(executed).collect()
    }

    /// Executes these messages in one transaction, which goes to a contract that calls the
    /// inbox for each and declares what all of them declare. It costs anvil next to nothing.
    pub fn execute_together(&self, messages: &[(Message, Vec<B256>)]) -> Vec<Executed> {
        let inputs = messages
            .iter()
            .map(|(message, _)| contracts::execute(message));
        let declared = messages.iter().flat_map(|(_, declared)| declared);
        let call = Call {
            to: contracts::RELAYER,
            input: inputs.flatten().collect(),
            declared: &declared.copied().collect::<Vec<_>>(),
        };
        executed(&self.send(vec![call])[0])
    }

    /// Has the inbox emit a log with both topics of a message and this data: any other
    /// number of bytes than 160 is no message, nor are most of that number.
    pub fn malformed(&self, data: &[u8]) -> Executed {
        let call = Call {
            to: INBOX,
            input: contracts::call(data, &B256::repeat_byte(0x11)),
            declared: &[],
        };
        executed(&self.send(vec![call])[0])[0]
    }

    /// Receipts of these calls, which must succeed. One account sends them: its nonces
    /// keep their order.
    fn send(&self, calls: Vec<Call<'_>>) -> Vec<Value> {
        let from = &self.accounts[0];
        let nonce = self.rpc("eth_getTransactionCount", json!([from, "pending"]));
        let requests: Vec<(&str, Value)> = (number(&nonce)..)
            .zip(&calls)
            .map(|(nonce, call)| ("eth_sendTransaction", json!([call.from(from, nonce)])))
            .collect();
        let sent = requests.chunks(BATCH).flat_map(|some| self.batch(some));
        let hashes: Vec<Value> = sent.collect();
        let Some(last) = hashes.last() else {
            return Vec::new();
        };
        self.wait_receipt(last);
        let asked: Vec<(&str, Value)> = hashes
            .iter()
            .map(|hash| ("eth_getTransactionReceipt", json!([hash])))
            .collect();
        let receipts: Vec<Value> = asked.chunks(BATCH).flat_map(|s| self.batch(s)).collect();
        for receipt in &receipts {
            assert_eq!(receipt["status"], "0x1", "{receipt}");
        }
        receipts
    }

    fn wait_receipt(&self, hash: &Value) {
        wait_until(&format!("a receipt of {hash}"), || {
            if self.mining == Mining::Demand {
                self.mine(1);
            }
            !self
                .rpc("eth_getTransactionReceipt", json!([hash]))
                .is_null()
        });
    }

    /// Mines so many blocks.
    pub fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", json!([blocks]));
    }

    /// Replaces the newest `depth` blocks by empty ones; their transactions are gone, and
    /// their timestamps stay.
    pub fn reorg(&self, depth: u64) {
        self.reorg_with(depth, &[]);
    }

    /// As [`Anvil::reorg`]; these transactions stand in the new blocks, each in the one of
    /// this number, from 0.
    pub fn reorg_with(&self, depth: u64, transactions: &[(B256, u64)]) {
        let kept = transactions.iter().map(|(hash, block)| {
            let raw = self.rpc("eth_getRawTransactionByHash", json!([hash.to_string()]));
            json!([raw, block])
        });
        let kept: Vec<Value> = kept.collect();
        self.rpc("anvil_reorg", json!([depth, kept]));
    }

    /// Takes the newest `depth` blocks away: there is nothing at their heights.
    pub fn rollback(&self, depth: u64) {
        self.rpc("anvil_rollback", json!([depth]));
    }

    /// Lets no later block be older than the newest one of another chain, which may have
    /// more blocks: a message that is executed before it was sent is invalid.
    pub fn catch_up_with(&self, other: &Anvil) {
        let newest = |chain: &Anvil| number(&chain.block("latest")["timestamp"]);
        let seconds = newest(other);
        if newest(self) < seconds {
            self.set_next_timestamp(seconds);
            self.mine(1);
        }
    }

    /// The next block's timestamp, in seconds; it must not be before the newest block's.
    pub fn set_next_timestamp(&self, seconds: u64) {
        self.rpc("evm_setNextBlockTimestamp", json!([seconds]));
    }

    /// The block of a name, as `safe`; null if there is none.
    pub fn block(&self, name: &str) -> Value {
        self.rpc("eth_getBlockByNumber", json!([name, false]))
    }

    /// The block of a height; null if there is none.
    pub fn block_at(&self, height: u64) -> Value {
        self.block(&format!("{height:#x}"))
    }

    /// Height of the block of a name.
    pub fn height(&self, name: &str) -> u64 {
        number(&self.block(name)["number"])
    }

    /// All logs of the block of a height, as the node gives them with its receipts.
    pub fn logs(&self, height: u64) -> Vec<Log> {
        let receipts = self.rpc("eth_getBlockReceipts", json!([format!("{height:#x}")]));
        let receipts = receipts.as_array().expect("receipts");
        let logs = receipts.iter().flat_map(|r| r["logs"].as_array());
        logs.flatten().map(log).collect()
    }

    /// The storage keys of the inbox that a transaction declares, as the node gives it.
    pub fn declared(&self, transaction: B256) -> Vec<B256> {
        let asked = json!([transaction.to_string()]);
        let transaction = self.rpc("eth_getTransactionByHash", asked);
        let list = transaction["accessList"].as_array();
        let inbox = INBOX.to_string().to_lowercase();
        let own = list
            .into_iter()
            .flatten()
            .filter(|entry| entry["address"].as_str() == Some(&inbox));
        let keys = own.flat_map(|entry| entry["storageKeys"].as_array());
        keys.flatten().map(word).collect()
    }
}

/// A chain of a test that failed runs no longer than the test.
impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Call<'a> {
    to: Address,
    input: Vec<u8>,
    declared: &'a [B256],
}

impl Call<'_> {
    /// Its gas is enough for whatever the contracts here do.
    fn from(&self, account: &Value, nonce: u64) -> Value {
        let bytes = self.input.len() as u64;
        let gas = 100_000 + 100 * bytes + 2_500 * self.declared.len() as u64;
        let mut transaction = json!({
            "from": account,
            "to": self.to.to_string(),
            "data": hex::encode_prefixed(&self.input),
            "nonce": format!("{nonce:#x}"),
            "gas": format!("{gas:#x}"),
            "gasPrice": "0x2540be400",
        });
        if !self.declared.is_empty() {
            transaction["accessList"] = contracts::declares(self.declared);
        }
        transaction
    }
}

fn mining(mining: Mining) -> Vec<String> {
    match mining {
        Mining::Every(seconds) => vec!["--block-time".to_owned(), seconds.to_string()],
        Mining::Demand => vec!["--no-mining".to_owned()],
    }
}

/// The program that npm installed for this machine.
pub(crate) fn program() -> &'static PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    npm::needed();
    INSTALLED.get_or_init(install)
}

fn install() -> PathBuf {
    let folder = target_folder().join("anvil");
    npm::ci(&root().join("tests/anvil"), &folder);
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("anvil-{system}-{machine}");
    let program = folder.join("node_modules/@foundry-rs").join(package);
    program.join("bin/anvil")
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .http_status_as_error(false)
        .build()
        .into()
}

/// The address that anvil prints once it listens; what it prints later is read and
/// thrown away, or it would wait for a reader.
fn address_in(stdout: ChildStdout) -> String {
    let mut stdout = BufReader::new(stdout);
    let lines = stdout.by_ref().lines().map(|line| line.expect("a line"));
    let mut found = lines.filter_map(|line| Some(line.strip_prefix("Listening on ")?.to_owned()));
    let address = found.next().expect("anvil ends before it listens");
    drop(found);
    std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    address
}

/// The logs of a transaction that executes messages and has no other.
fn executed(receipt: &Value) -> Vec<Executed> {
    let logs = receipt["logs"].as_array().expect("logs");
    let of = |log: &Value| Executed {
        transaction: word(&receipt["transactionHash"]),
        block: number(&receipt["blockNumber"]),
        block_hash: word(&receipt["blockHash"]),
        log: number(&log["logIndex"]) as u32,
    };
    logs.iter().map(of).collect()
}

fn log(value: &Value) -> Log {
    let topics = value["topics"].as_array().expect("topics");
    let topics = topics.iter().map(word).collect();
    let data: Bytes = text(&value["data"]).parse().expect("hex");
    Log {
        address: text(&value["address"]).parse().expect("an address"),
        data: LogData::new_unchecked(topics, data),
    }
}

/// The hash or storage key that a member of an answer holds.
pub fn word(value: &Value) -> B256 {
    text(value).parse().expect("32 bytes in hex")
}

/// The number that a member of an answer holds, in hex.
pub fn number(value: &Value) -> u64 {
    let digits = text(value).strip_prefix("0x").expect("a number in hex");
    u64::from_str_radix(digits, 16).expect("a number in hex")
}

fn text(value: &Value) -> &str {
    let found = value.as_str();
    found.unwrap_or_else(|| panic!("a text was expected, not {value}"))
}
