//! A node that lies about one log: a proxy in front of a real one. Everything else goes
//! through as it is.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What it lies about: a height, and the log's number among all logs of the block.
type Lie = Arc<Mutex<Option<(u64, u32)>>>;

/// The proxy. Its threads end with the test.
pub struct LyingProxy {
    url: String,
    lie: Lie,
}

impl LyingProxy {
    /// In front of the node at this URL; it tells the truth until it is told otherwise.
    pub fn start(node: &str) -> LyingProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (node, lie) = (node.to_owned(), Lie::default());
        let told = Arc::clone(&lie);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (node, lie) = (node.clone(), Arc::clone(&told));
                std::thread::spawn(move || serve(&stream, &node, &lie));
            }
        });
        let url = format!("http://{address}");
        LyingProxy { url, lie }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From here on this log has other data in the receipts of its block.
    pub fn lie(&self, height: u64, log: u32) {
        *self.lie.lock().expect("the lie") = Some((height, log));
    }
}

/// The requests of one connection, until it is closed.
fn serve(stream: &TcpStream, node: &str, lie: &Lie) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = agent.build().into();
    let mut reader = BufReader::new(stream);
    while let Some(body) = request(&mut reader) {
        let asked = agent.post(node).header("content-type", "application/json");
        // A node that is gone answers nobody: the connection is closed.
        let Ok(mut answer) = asked.send(&body[..]) else {
            return;
        };
        let limited = answer.body_mut().with_config().limit(1 << 30);
        let Ok(answer) = limited.read_to_vec() else {
            return;
        };
        let answer = changed(&body, answer, *lie.lock().expect("the lie"));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut out = stream;
        let sent = out
            .write_all(head.as_bytes())
            .and_then(|()| out.write_all(&answer));
        if sent.is_err() {
            return;
        }
    }
}

/// The body of the next request; `None` if there is none.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// The answer with the lie in it, if it tells of the log.
fn changed(asked: &[u8], answer: Vec<u8>, lie: Option<(u64, u32)>) -> Vec<u8> {
    let Some((height, log)) = lie else {
        return answer;
    };
    let calls: Value = serde_json::from_slice(asked).expect("a request");
    let mut answers: Value = serde_json::from_slice(&answer).expect("an answer");
    let height = Value::String(format!("{height:#x}"));
    let receipts =
        |call: &&Value| call["method"] == "eth_getBlockReceipts" && call["params"][0] == height;
    for call in calls.as_array().into_iter().flatten().filter(receipts) {
        let answers = answers.as_array_mut().into_iter().flatten();
        for answer in answers.filter(|answer| answer["id"] == call["id"]) {
            change(&mut answer["result"], log);
        }
    }
    serde_json::to_vec(&answers).expect("JSON")
}

/// The last byte of the log's data is another one.
fn change(receipts: &mut Value, log: u32) {
    let number = Value::String(format!("{log:#x}"));
    let receipts = receipts.as_array_mut().into_iter().flatten();
    let logs = receipts.flat_map(|receipt| receipt["logs"].as_array_mut().into_iter().flatten());
    for log in logs.filter(|log| log["logIndex"] == number) {
        let data = log["data"].as_str().expect("data").to_owned();
        let (kept, last) = data.split_at(data.len() - 2);
        let other = if last == "ff" { "00" } else { "ff" };
        log["data"] = Value::String(format!("{kept}{other}"));
    }
}
