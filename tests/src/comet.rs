//! A stub CometBFT: it answers the RPC calls a recorder makes, over a real
//! socket and in the shapes of each version, from a state that a test sets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::node::{Version, app_hash};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As CometBFT does.
    Well,
    /// One byte now and then, for ever.
    Slowly,
    /// Bytes that are no JSON.
    Garbage,
    /// Status 500 without a body that says anything.
    Failing,
    /// More bytes than anybody should read.
    Huge,
    /// It takes the request and says nothing.
    Mute,
}

/// What the stub is at.
#[derive(Clone, Debug)]
pub struct State {
    /// Whose shapes.
    pub version: Version,
    /// How it answers.
    pub mode: Mode,
    /// The chain's id.
    pub chain: String,
    /// The newest block of its store.
    pub head: u64,
    /// The newest height its application committed.
    pub application: u64,
    /// From this header on it has other hashes than [`app_hash`] with 0.
    pub parts_at: Option<(u64, u8)>,
    /// A proposal behind `head`: its round, and the salt of its hash.
    pub proposal: Option<(u64, u8)>,
    /// How often each call was made.
    pub asked: BTreeMap<String, u64>,
}

/// The stub at work.
pub struct Comet {
    state: Arc<Mutex<State>>,
    url: String,
}

impl Comet {
    /// Listens on a port of its own.
    pub fn start(version: Version, head: u64) -> Comet {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            version,
            mode: Mode::Well,
            chain: "agoric-3".to_owned(),
            head,
            application: head,
            parts_at: None,
            proposal: None,
            asked: BTreeMap::new(),
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away in the middle is no fault of the stub.
                std::thread::spawn(move || drop(converse(&stream, &state)));
            }
        });
        Comet { state, url }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its state, to look at or to set.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic elsewhere")
    }

    /// How often a call was made.
    pub fn asked(&self, call: &str) -> u64 {
        self.state().asked.get(call).copied().unwrap_or(0)
    }
}

/// Answers requests on one connection until the client leaves.
fn converse(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.trim() != "" {
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or("/");
        let (call, query) = path.split_once('?').unwrap_or((path, ""));
        let call = call.trim_start_matches('/');
        let now = {
            let mut state = state.lock().expect("no panic elsewhere");
            *state.asked.entry(call.to_owned()).or_default() += 1;
            state.clone()
        };
        answer(stream, &now, call, query)?;
    }
}

fn answer(mut to: &TcpStream, state: &State, call: &str, query: &str) -> std::io::Result<()> {
    match state.mode {
        Mode::Well => {
            let (status, body) = match result(state, call, query) {
                Ok(result) => ("200 OK", format!("\"result\":{result}")),
                Err(data) => (
                    "500 Internal Server Error",
                    format!(
                        "\"error\":{{\"code\":-32603,\"message\":\"Internal error\",\"data\":\"{data}\"}}"
                    ),
                ),
            };
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":-1,{body}}}");
            send(to, status, body.as_bytes())
        }
        Mode::Garbage => send(to, "200 OK", b"<html>\xff\x00 welcome</html>"),
        Mode::Failing => send(to, "500 Internal Server Error", b""),
        Mode::Mute => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Mode::Slowly => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
            loop {
                to.write_all(b" ")?;
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Mode::Huge => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n{\"result\":\"")?;
            let part = vec![b'a'; 1 << 20];
            (0..4000).try_for_each(|_| to.write_all(&part))
        }
    }
}

fn send(mut to: &TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    to.write_all(&[head.as_bytes(), body].concat())
}

fn result(state: &State, call: &str, query: &str) -> Result<String, String> {
    match call {
        "status" => Ok(status(state)),
        "abci_info" => Ok(abci_info(state)),
        "commit" => commit(state, query),
        "dump_consensus_state" => Ok(format!(
            "{{\"round_state\":{},\"peers\":[{{\"node_address\":\"a@1.2.3.4:26656\",\"peer_state\":{{}}}}]}}",
            round_state(state)
        )),
        other => Err(format!("no call {other}")),
    }
}

fn status(state: &State) -> String {
    let head = state.head;
    format!(
        "{{\"node_info\":{{\"protocol_version\":{{\"p2p\":\"8\",\"block\":\"11\",\"app\":\"0\"}},\
         \"id\":\"5576458aef205977e18fd50b274e9b5d9014525a\",\"listen_addr\":\"tcp://0.0.0.0:26656\",\
         \"network\":\"{}\",\"version\":\"{}\",\"moniker\":\"stub\"}},\"sync_info\":{{\
         \"latest_block_hash\":\"{}\",\"latest_app_hash\":\"{}\",\"latest_block_height\":\"{head}\",\
         \"latest_block_time\":\"2026-11-20T01:02:03.004005006Z\",\"earliest_block_height\":\"1\",\
         \"catching_up\":false}},\"validator_info\":{{\"voting_power\":\"10\"}}}}",
        state.chain,
        number(state.version),
        block_hash(head),
        hash_in_header(state, head),
    )
}

fn abci_info(state: &State) -> String {
    let height = state.application;
    let raw = raw(&hash_in_header(state, height + 1));
    format!(
        "{{\"response\":{{\"data\":\"agoriccosmos\",\"version\":\"1.0\",\
         \"last_block_height\":\"{height}\",\"last_block_app_hash\":\"{}\"}}}}",
        base64(&raw)
    )
}

fn commit(state: &State, query: &str) -> Result<String, String> {
    let asked = query.trim_start_matches("height=").trim_matches('"');
    let height: u64 = asked
        .parse()
        .map_err(|_| "error parsing height".to_owned())?;
    if height > state.head {
        return Err(format!(
            "height {height} must be less than or equal to the current blockchain height {}",
            state.head
        ));
    }
    let hash = hash_in_header(state, height);
    Ok(format!(
        "{{\"signed_header\":{{\"header\":{},\"commit\":{{\"height\":\"{height}\",\"round\":0,\
         \"signatures\":[]}}}},\"canonical\":true}}",
        header(state, height, &hash)
    ))
}

fn round_state(state: &State) -> String {
    let next = state.head + 1;
    let round = state.proposal.map_or(0, |(round, _)| round);
    let block = state.proposal.map_or("null".to_owned(), |(_, salt)| {
        let hash = app_hash(state.head, salt);
        format!(
            "{{\"header\":{},\"data\":{{\"txs\":[\"AAAA\"]}},\"evidence\":{{\"evidence\":[]}},\
             \"last_commit\":{{\"height\":\"{}\",\"round\":0,\"signatures\":[]}}}}",
            header(state, next, &hash),
            state.head
        )
    });
    let received = match state.version {
        Version::V1 => "\"proposal_receive_time\":\"2026-11-20T01:02:03Z\",",
        Version::V034 | Version::V038 => "",
    };
    format!(
        "{{\"height\":\"{next}\",\"round\":{round},\"step\":4,\"validators\":{{\"validators\":[]}},{received}\
         \"proposal_block\":{block},\"locked_round\":-1,\"locked_block\":null,\"valid_round\":-1,\
         \"votes\":[{{\"round\":0,\"prevotes\":[\"nil-Vote\"]}}],\"commit_round\":-1}}"
    )
}

fn header(state: &State, height: u64, app_hash: &str) -> String {
    format!(
        "{{\"version\":{{\"block\":\"11\"}},\"chain_id\":\"{}\",\"height\":\"{height}\",\
         \"time\":\"2026-11-20T01:02:03Z\",\"last_block_id\":{{\"hash\":\"{}\",\"parts\":{{\"total\":1,\
         \"hash\":\"00\"}}}},\"app_hash\":\"{app_hash}\",\"last_results_hash\":\"\",\
         \"proposer_address\":\"00\"}}",
        state.chain,
        block_hash(height - 1)
    )
}

fn number(version: Version) -> &'static str {
    match version {
        Version::V034 => "0.34.35",
        Version::V038 => "0.38.17",
        Version::V1 => "1.0.1",
    }
}

/// Header H+1 holds the result of H.
fn hash_in_header(state: &State, height: u64) -> String {
    let salt = state.parts_at.filter(|(from, _)| height >= *from);
    app_hash(height - 1, salt.map_or(0, |(_, salt)| salt))
}

fn block_hash(height: u64) -> String {
    app_hash(height, 0xB0)
}

fn raw(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    let pairs = digits.chunks(2);
    pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn base64(raw: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in raw.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = bits >> (18 - 6 * place) & 63;
            let digit = char::from(ALPHABET[index as usize]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}
