//! An ABCI application in Rust that links the recorder crate. CometBFT knows
//! nothing of it but a socket; what the node logs comes through a pipe.
//!
//! ```text
//! cometbft start --proxy_app tcp://127.0.0.1:26658 | abci-app 127.0.0.1:26658 DIR [HEIGHT TX]
//! ```
//!
//! At HEIGHT the transaction TX writes another value than it should.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use haltbox_format::{AppHash, Digest};
use haltbox_model::Profile;
use haltbox_recorder::host::{Background, HostRecorder, Options};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tendermint_abci::{Application, ServerBuilder};
use tendermint_proto::v0_38::abci::{
    ExecTxResult, RequestFinalizeBlock, RequestInfo, RequestPrepareProposal, ResponseCommit,
    ResponseFinalizeBlock, ResponseInfo, ResponsePrepareProposal,
};

const TXS: i64 = 8;
const ACCOUNTS: i64 = 64;

#[derive(Clone)]
struct App {
    recorder: Arc<HostRecorder>,
    /// The height and the transaction that go wrong.
    fault: Option<(u64, usize)>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    height: u64,
    app_hash: [u8; 32],
    accounts: BTreeMap<i64, u64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 16 << 20,
        background: Some(Background::default()),
        ..Options::new(Path::new(&arguments[1]), profile)
    };
    let (recorder, _) = HostRecorder::open(options).expect("it opens");
    let app = App {
        recorder: Arc::new(recorder),
        fault: number(2)
            .zip(number(3))
            .map(|(height, tx)| (height, tx as usize)),
        state: Arc::default(),
    };
    let recorder = Arc::clone(&app.recorder);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            // What cannot be kept is no matter for the application.
            let _ = recorder.log(&line);
        }
    });
    let recorder = Arc::clone(&app.recorder);
    std::thread::spawn(move || {
        while let Ok(message) = recorder.take_message() {
            eprint!("{}", message.unwrap_or_default());
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let server = ServerBuilder::default().bind(arguments[0].as_str(), app);
    server.expect("a port").listen().expect("connections");
}

impl App {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic elsewhere")
    }

    /// The type comes first, or the reader would not know the entry by it.
    fn record(&self, kind: &str, members: &Value) {
        let members = members.to_string();
        let rest = members.strip_prefix('{').expect("an object");
        let entry = format!("{{\"type\":\"{kind}\",{rest}");
        let _ = self.recorder.record(entry.as_bytes());
    }

    fn execute(&self, state: &mut State, height: u64, number: usize, tx: &[u8]) {
        self.record("tx-begin", &transaction(number, tx));
        let account = account(tx);
        let key = hex(account.to_string().as_bytes());
        let before = state.accounts.get(&account).copied();
        let read = before.map(|value| digest(value.to_string().as_bytes()));
        self.record(
            "op-read",
            &json!({"tx": number, "op": 0, "store": "kv", "key": key, "value": read}),
        );
        let wrong = self.fault == Some((height, number));
        let after = before.unwrap_or(0) + height % 5 + u64::from(wrong);
        let text = after.to_string();
        self.record("op-write", &json!({"tx": number, "op": 1, "store": "kv", "key": key, "bytes": text.len(), "value": digest(text.as_bytes())}));
        state.accounts.insert(account, after);
        self.record(
            "tx-result",
            &json!({"tx": number, "code": 0, "gasWanted": 0, "gasUsed": 0, "data": null}),
        );
    }
}

impl Application for App {
    fn info(&self, _: RequestInfo) -> ResponseInfo {
        let state = self.state();
        let app_hash = match state.height {
            0 => Vec::new(),
            _ => state.app_hash.to_vec(),
        };
        ResponseInfo {
            last_block_height: state.height as i64,
            last_block_app_hash: app_hash.into(),
            ..ResponseInfo::default()
        }
    }

    fn prepare_proposal(&self, request: RequestPrepareProposal) -> ResponsePrepareProposal {
        let height = request.height;
        let txs = (0..TXS).map(|number| format!("{height}.{number}").into());
        ResponsePrepareProposal { txs: txs.collect() }
    }

    fn finalize_block(&self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock {
        let mut state = self.state();
        let height = request.height as u64;
        // This block was decided on top of the last one's AppHash.
        if let Some(agreed) = AppHash::new(&state.app_hash).filter(|_| state.height > 0) {
            let _ = self.recorder.confirm(state.height, agreed);
        }
        let time = request.time.unwrap_or_default();
        let time = time.seconds * 1_000_000_000 + i64::from(time.nanos);
        let input = Digest(sha256(&request.txs.concat()));
        let _ = self.recorder.begin_block(height, time, Some(input));
        for (number, tx) in request.txs.iter().enumerate() {
            self.record("tx-input", &transaction(number, tx));
        }
        for (number, tx) in request.txs.iter().enumerate() {
            self.execute(&mut state, height, number, tx);
        }
        state.height = height;
        state.app_hash = sha256(format!("{:?}", state.accounts).as_bytes());
        let _ = self
            .recorder
            .end_block(height, AppHash::new(&state.app_hash));
        ResponseFinalizeBlock {
            tx_results: vec![ExecTxResult::default(); request.txs.len()],
            app_hash: state.app_hash.to_vec().into(),
            ..ResponseFinalizeBlock::default()
        }
    }

    fn commit(&self) -> ResponseCommit {
        let state = self.state();
        let _ = self
            .recorder
            .commit(state.height, AppHash::new(&state.app_hash));
        ResponseCommit::default()
    }
}

fn transaction(number: usize, tx: &[u8]) -> Value {
    json!({"tx": number, "digest": digest(tx), "bytes": tx.len()})
}

/// The account of a transaction `HEIGHT.NUMBER`.
fn account(tx: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(tx);
    let numbers = text.split('.').filter_map(|word| word.parse::<i64>().ok());
    numbers.fold(0, |account, number| account * 7 + number) % ACCOUNTS
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
