//! Requests that anybody may send who reaches a port or a socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use haltbox_daemon::operator::control::{Control, Reply, SOCKET, answer};
use haltbox_watch::check::command::{self, CheckArgs};
use haltbox_watch::metrics::Shown;
use haltbox_watch::pages;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use tempfile::TempDir;

use super::op_node;
use crate::stub::Stub;
use crate::{Target, file};

/// A request to a recorder's control socket: it is read, and whoever sent it gets a line.
pub const CONTROL: Target = Target {
    name: "control",
    run: |input| {
        static LISTENING: LazyLock<Mutex<(TempDir, Control)>> = LazyLock::new(|| {
            let folder = file::folder();
            let control = Control::listen(folder.path()).expect("a socket");
            Mutex::new((folder, control))
        });
        let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
        let (folder, control) = &mut *listening;
        let mut caller = UnixStream::connect(folder.path().join(SOCKET)).expect("a recorder");
        caller.set_nonblocking(true).expect("a socket");
        let sent = caller.write(input).unwrap_or_default();
        caller
            .shutdown(std::net::Shutdown::Write)
            .expect("a socket");
        // It takes a piece of the request in each turn.
        for _ in 0..2 + sent / 4096 {
            for (_, stream) in control.requests() {
                answer(&stream, &Reply::Done("done".to_owned()));
            }
        }
        assert_eq!(control.wait_on().count(), 1, "a caller is left");
        let mut told = String::new();
        caller.set_nonblocking(false).expect("a socket");
        let read = caller.read_to_string(&mut told);
        assert!(
            read.is_err() || told.ends_with('\n'),
            "no whole line: {told}"
        );
    },
    seeds: || {
        let requests = [
            "{\"freeze\":{\"height\":7,\"boxes\":null}}\n",
            "\"hello\"\n",
            "{\"who\":{\"waiting\":[\"a\"]}}",
            "{\"nodeended\":{\"how\":\"it exited with 1\"}}\nmore",
        ];
        requests.map(|text| text.as_bytes().to_vec()).to_vec()
    },
};

/// Requests to the watcher's server of metrics. It answers in HTTP, or ends the connection.
pub const PAGES: Target = Target {
    name: "pages",
    run: |input| {
        static AT: LazyLock<SocketAddr> = LazyLock::new(|| {
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            pages::start(free, Shown::default()).expect("a free port")
        });
        exchange(*AT, input);
    },
    seeds: || {
        let requests = [
            "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ];
        requests.map(|text| text.as_bytes().to_vec()).to_vec()
    },
};

/// A body that is sent to the light check, which asks a node that answers nothing useful.
pub const CHECK: Target = Target {
    name: "check",
    run: |input| {
        static AT: LazyLock<SocketAddr> = LazyLock::new(light_check);
        let head = format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n", input.len());
        let told = exchange(*AT, &[head.as_bytes(), input].concat());
        let body = told.split_once("\r\n\r\n").expect("a head").1;
        let is_json = serde_json::from_str::<serde_json::Value>(body).is_ok();
        assert!(body.is_empty() || is_json, "no JSON: {told}");
    },
    seeds: || {
        let call = |method: &str, chain: &str| {
            let entry = format!("0x01{}", "00".repeat(31));
            let checksum = format!("0x03{}", "ab".repeat(31));
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[["{entry}","{checksum}"],"unsafe",{{{chain}"timestamp":"0x3e8","timeout":"0x1"}}]}}"#
            )
        };
        let one = call("interop_checkAccessList", "\"chainID\":\"0x385\",");
        let other = call("supervisor_checkAccessList", "");
        let both = format!("[{one},{other}]");
        [one, other, both].map(String::into_bytes).to_vec()
    },
};

/// The command line of the light check.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    check: CheckArgs,
}

/// Starts `haltbox check --serve` for a chain with one node.
fn light_check() -> SocketAddr {
    static NODE: LazyLock<Stub> = LazyLock::new(Stub::start);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    NODE.says(|_| op_node::glance().into_bytes());
    let folder = file::folder();
    let set = folder.path().join("depset.json");
    std::fs::write(&set, r#"{"dependencies":{"901":{},"0":{}}}"#).expect("a file");
    let set = set.to_str().expect("a path of ASCII letters").to_owned();
    let serve = address.to_string();
    let chain = format!("901={}", NODE.url(""));
    let words = [
        "check",
        "--depset",
        &set,
        "--chain",
        &chain,
        "--chain",
        &chain.replace("901=", "0="),
        "--retest-ms",
        "0",
        "--serve",
        &serve,
    ];
    let arguments = Arguments::try_parse_from(words).expect("arguments");
    std::thread::spawn(move || {
        let _folder = folder;
        command::run(&arguments.check).map(drop).expect("a server");
    });
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    address
}

/// Sends bytes, and reads all that comes back: HTTP, if anything.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a server");
    // The port is free at once: thousands of connections are made in a second.
    let no_wait = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, Linger, &no_wait).expect("a socket");
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    let told = String::from_utf8(told).expect("text");
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 "),
        "not HTTP: {told}"
    );
    told
}
