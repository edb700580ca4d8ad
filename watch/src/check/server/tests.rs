use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::super::stub::{Script, Stub};
use super::super::tests::{NOW, chain, checker, declared};
use super::*;

/// A server with one chain behind it.
fn server(script: Script) -> (Server, Stub) {
    let stub = Stub::start(script);
    (Server::new(checker(&[(901, &[&stub])], 0)), stub)
}

fn ask_at(server: &Server, path: &str, stage: Option<&str>, body: &str) -> (Reply, Value) {
    let reply = server.answer(&Request {
        is_get: false,
        path: path.to_owned(),
        stage: stage.map(str::to_owned),
        body: body.as_bytes().to_vec(),
    });
    let answer = serde_json::from_str(&reply.body).unwrap_or_default();
    (reply, answer)
}

fn ask(server: &Server, body: &Value) -> Value {
    ask_at(server, "/", None, &body.to_string()).1
}

fn call(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

fn entries() -> Value {
    json!(declared().entries())
}

/// The code of a call's error; 0 for its result.
fn code(server: &Server, method: &str, params: &Value) -> i64 {
    let answer = ask(server, &call(method, params));
    assert_eq!(answer["id"], 7);
    match answer.get("result") {
        Some(result) => {
            assert!(result.is_null());
            0
        }
        None => answer["error"]["code"].as_i64().unwrap(),
    }
}

const INTEROP: &str = "interop_checkAccessList";
const SUPERVISOR: &str = "supervisor_checkAccessList";

#[test]
fn both_generations_are_answered_by_their_codes() {
    let (server, _stub) = server(chain());
    let now = format!("{NOW:#x}");
    let sound = json!({"chainID": "902", "timestamp": now});
    let bare = json!({"timestamp": now});
    let mut forged = declared();
    forged.checksum[9] ^= 1;
    let mut elsewhere = declared();
    elsewhere.place.chain = 904.into();
    let checksum = json!([declared().checksum]);
    let same = format!("{:#x}", declared().place.timestamp);
    let with = |entries: Value| json!([entries, "unsafe", sound]);
    let by = |descriptor: Value| json!([entries(), "unsafe", descriptor]);
    let level = |level: &str| json!([entries(), level, sound]);
    let rows = [
        (INTEROP, with(entries()), 0),
        (INTEROP, with(json!([])), 0),
        (
            INTEROP,
            by(json!({"chainID": "0x386", "timestamp": now, "timeout": "0x0"})),
            0,
        ),
        (INTEROP, with(json!(forged.entries())), CONFLICT),
        (INTEROP, with(json!(elsewhere.entries())), UNKNOWN_CHAIN),
        (INTEROP, with(checksum), PARAMS),
        (INTEROP, with(json!(["0x01"])), PARAMS),
        (INTEROP, by(bare.clone()), UNKNOWN_CHAIN),
        (
            INTEROP,
            by(json!({"chainID": "905", "timestamp": now})),
            UNKNOWN_CHAIN,
        ),
        (
            INTEROP,
            by(json!({"chainID": "902", "timestamp": NOW})),
            PARAMS,
        ),
        (
            INTEROP,
            by(json!({"chainID": "902", "timestamp": "12"})),
            PARAMS,
        ),
        (INTEROP, by(json!({"chainID": "902"})), PARAMS),
        (
            INTEROP,
            by(json!({"chainID": "x", "timestamp": now})),
            PARAMS,
        ),
        (
            INTEROP,
            by(json!({"chainID": "902", "timestamp": same})),
            CONFLICT,
        ),
        (
            INTEROP,
            by(json!({"chainID": "902", "timestamp": now, "timeout": "0x93a80"})),
            CONFLICT,
        ),
        (INTEROP, level("cross-unsafe"), OUT_OF_SCOPE),
        (INTEROP, level("safe"), PARAMS),
        (INTEROP, level("sound"), PARAMS),
        (INTEROP, json!([entries(), "unsafe"]), PARAMS),
        (INTEROP, json!({"entries": []}), PARAMS),
        (SUPERVISOR, with(entries()), 0),
        (SUPERVISOR, by(bare), 0),
        (SUPERVISOR, by(json!({"timestamp": same})), CONFLICT),
        (SUPERVISOR, level("cross-unsafe"), OUT_OF_SCOPE),
        (SUPERVISOR, level("safe"), OUT_OF_SCOPE),
        (SUPERVISOR, level("sound"), PARAMS),
        ("eth_chainId", json!([]), METHOD),
    ];
    for (at, (method, params, expected)) in rows.into_iter().enumerate() {
        assert_eq!(
            code(&server, method, &params),
            expected,
            "row {at}: {method} {params}"
        );
    }
}

#[test]
fn what_nobody_tells_is_no_verdict() {
    let now = json!({"chainID": "902", "timestamp": format!("{NOW:#x}")});
    let params = json!([entries(), "unsafe", now]);
    let (broken, _stub) = server(Script {
        is_broken: true,
        ..chain()
    });
    assert_eq!(code(&broken, INTEROP, &params), UNINITIALIZED);
    let answer = ask(&broken, &call(INTEROP, &params)).to_string();
    assert!(answer.contains("no node answered"), "{answer}");
    assert!(
        !answer.contains("127.0.0.1"),
        "a node's place is not told: {answer}"
    );
    let (behind, _stub) = server(Script {
        latest: (47, NOW - 60),
        blocks: Default::default(),
        ..chain()
    });
    assert_eq!(code(&behind, INTEROP, &params), FUTURE);
    let text = behind.metrics();
    let line = "haltbox_check_total{stage=\"proxyd\",verdict=\"undecided\"} 1";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_refusal_says_which_declaration_and_why() {
    let (server, _stub) = server(chain());
    let mut forged = declared();
    forged.place.log = 1;
    let entries = [declared().entries(), forged.entries()].concat();
    let now = json!({"chainID": "902", "timestamp": format!("{NOW:#x}")});
    let answer = ask(&server, &call(INTEROP, &json!([entries, "unsafe", now])));
    let message = answer["error"]["message"].as_str().unwrap();
    let words = "chain 901, block 48, log 1: checksum mismatch: the log's checksum is 0x03";
    assert!(message.starts_with(words), "{message}");
}

#[test]
fn a_batch_is_one_lookup_and_keeps_its_order() {
    let (server, stub) = server(chain());
    let now = json!({"chainID": "902", "timestamp": format!("{NOW:#x}")});
    let mut forged = declared();
    forged.checksum[9] ^= 1;
    let of = |id: Value, entries: Value| {
        let params = json!([entries, "unsafe", now]);
        json!({"jsonrpc": "2.0", "id": id, "method": INTEROP, "params": params})
    };
    let told = json!({"method": INTEROP, "params": [entries(), "unsafe", now]});
    let batch = json!([
        of(json!("a"), entries()),
        of(json!(2), json!(forged.entries())),
        told,
        7,
        of(Value::Null, entries()),
    ]);
    let answer = ask(&server, &batch);
    let answers = answer.as_array().unwrap();
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!("a"), &json!(2), &Value::Null, &Value::Null]);
    let codes: Vec<i64> = answers
        .iter()
        .map(|answer| answer["error"]["code"].as_i64().unwrap_or(0))
        .collect();
    assert_eq!(codes, [0, CONFLICT, REQUEST, 0]);
    assert_eq!(stub.asked().len(), 1);
    assert_eq!(stub.asked()[0].len(), 5, "{:?}", stub.asked());
    let text = server.metrics();
    assert!(
        text.contains("haltbox_check_seconds_count{stage=\"proxyd\"} 4\n"),
        "{text}"
    );
}

#[test]
fn a_bad_request_gets_an_error() {
    let (server, stub) = server(chain());
    let error = |body: &str| {
        let (_, answer) = ask_at(&server, "/", None, body);
        assert!(answer["id"].is_null());
        answer["error"]["code"].as_i64().unwrap()
    };
    assert_eq!(error(""), PARSE);
    assert_eq!(error("{"), PARSE);
    assert_eq!(error("\u{0}"), PARSE);
    assert_eq!(error(&"[".repeat(100_000)), PARSE);
    assert_eq!(error("[]"), REQUEST);
    assert_eq!(error("{}"), REQUEST);
    assert_eq!(error("7"), REQUEST);
    let many = vec![json!(1); CALLS + 1];
    assert_eq!(error(&Value::from(many).to_string()), REQUEST);
    let mut wide = Vec::new();
    for block in 0..=BLOCKS as u64 {
        let mut one = declared();
        one.place.block = block;
        wide.extend(one.entries());
    }
    let now = json!({"chainID": "902", "timestamp": format!("{NOW:#x}")});
    let params = json!([wide, "unsafe", now]);
    assert_eq!(code(&server, INTEROP, &params), OUT_OF_SCOPE);
    assert!(stub.asked().is_empty());
}

#[test]
fn callers_name_their_stage() {
    let (server, _stub) = server(chain());
    let now = json!({"chainID": "902", "timestamp": format!("{NOW:#x}")});
    let body = call(INTEROP, &json!([entries(), "unsafe", now])).to_string();
    for (path, stage) in [
        ("/", None),
        ("/mempool-ingress", None),
        ("/builder", None),
        ("/", Some("mempool-interval")),
        ("/builder", Some("monitor")),
        ("/", Some("sequencer-ingress")),
    ] {
        let (reply, _) = ask_at(&server, path, stage, &body);
        assert_eq!(reply.status, "200 OK");
    }
    let text = server.metrics();
    for line in [
        "haltbox_check_total{stage=\"proxyd\",verdict=\"accepted\"} 1",
        "haltbox_check_total{stage=\"mempool-ingress\",verdict=\"accepted\"} 1",
        "haltbox_check_total{stage=\"mempool-interval\",verdict=\"accepted\"} 1",
        "haltbox_check_total{stage=\"monitor\",verdict=\"accepted\"} 1",
        "haltbox_check_forbidden_stage_total{stage=\"builder\"} 1",
        "haltbox_check_forbidden_stage_total{stage=\"sequencer-ingress\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (reply, answer) = ask_at(&server, "/mempool", None, &body);
    assert_eq!(reply.status, "404 Not Found");
    assert_eq!(answer["error"]["code"], REQUEST);
}

/// A server on its own port.
fn at_port() -> (TcpStream, Stub) {
    let (server, stub) = server(chain());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || http::serve(&listener, Arc::new(server)));
    (TcpStream::connect(address).unwrap(), stub)
}

/// Reads one answer: its head, and the body of the length in the head.
fn answer(stream: &mut TcpStream) -> (String, String) {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    let head = String::from_utf8(read).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.unwrap_or("0").parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn one_connection_serves_many_requests() {
    let (mut stream, _stub) = at_port();
    let now = json!({"chainID": "902", "timestamp": format!("{NOW:#x}")});
    let body = call(INTEROP, &json!([entries(), "unsafe", now])).to_string();
    let length = body.len();
    let post = format!("POST /monitor HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
    // Two at once, then one that waits for permission to send its body.
    stream
        .write_all([&*post, &*post].concat().as_bytes())
        .unwrap();
    for _ in 0..2 {
        assert_eq!(
            answer(&mut stream).1,
            r#"{"id":7,"jsonrpc":"2.0","result":null}"#
        );
    }
    let head =
        format!("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 100 "));
    stream.write_all(body.as_bytes()).unwrap();
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 200 "));
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let text = answer(&mut stream).1;
    let line = "haltbox_check_seconds_count{stage=\"monitor\"} 2\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_body_that_is_too_long_is_refused_in_words() {
    let (mut stream, _stub) = at_port();
    let length = http::BODY + 1;
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; length]).unwrap();
    let (head, body) = answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["error"]["code"], REQUEST);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection ends");
}

#[test]
fn callers_beyond_the_bound_are_told_to_come_again() {
    let (first, _stub) = at_port();
    let address = first.peer_addr().unwrap();
    let connect = |_| TcpStream::connect(address).unwrap();
    let mut others: Vec<TcpStream> = (0..http::CALLERS).map(connect).collect();
    let last = others.last_mut().unwrap();
    let (head, body) = answer(last);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["error"]["code"], UNINITIALIZED);
    drop(first);
}
