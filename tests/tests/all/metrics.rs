//! Metrics over HTTP: what a scraper gets, and clients that do not behave.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use haltbox_tests::node::{Format, Node, Version};
use haltbox_tests::*;

/// A recorder of some blocks that serves metrics, and where.
fn serving(folder: &Path, address: &str) -> Recorder {
    let slog = folder.join("slog");
    let mut node = Node::new(Format::Console, Version::V038);
    node.start();
    (5..=9).for_each(|height| node.block(height));
    std::fs::write(&slog, &node.slog).expect("a slog");
    let arguments = [
        "--size",
        "4MiB",
        "--slog",
        text(&slog),
        "--metrics",
        address,
    ];
    Recorder::start(&folder.join("node"), &arguments, Stdio::null())
}

fn place(recorder: &Recorder) -> String {
    recorder.wait_for("/metrics\n");
    let said = recorder.said();
    let from = said.find("http://").expect("a URL");
    let url = said[from..].split_whitespace().next().expect("a URL");
    url.to_owned()
}

fn client() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    let config = config.http_status_as_error(false).proxy(None);
    let config = config.timeout_global(Some(Duration::from_secs(30)));
    config.build().into()
}

fn get(url: &str) -> (u16, String) {
    let mut response = client().get(url).call().expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    (response.status().as_u16(), text)
}

/// Losses are counted from the ring's beginning; everything else is as it is now.
fn kind_of(name: &str) -> &'static str {
    match name {
        "haltbox_dropped_records" | "haltbox_lost_records" => "counter",
        _ => "gauge",
    }
}

/// The metrics of a recorder whose node runs, in order. Alert rules and dashboards name them.
const NAMES: [&str; 20] = [
    "haltbox_head_height",
    "haltbox_confirmed_height",
    "haltbox_oldest_height",
    "haltbox_up",
    "haltbox_needs_attention",
    "haltbox_log_not_understood",
    "haltbox_slog_not_understood",
    "haltbox_last_block_timestamp_seconds",
    "haltbox_max_block_age_seconds",
    "haltbox_ring_bytes",
    "haltbox_records",
    "haltbox_blocks",
    "haltbox_dropped_records",
    "haltbox_lost_records",
    "haltbox_pinned_blocks",
    "haltbox_diverged_blocks",
    "haltbox_unfrozen_blocks",
    "haltbox_boxes",
    "haltbox_guard_holds",
    "haltbox_source_lag_bytes",
];

/// What promtool would object to.
fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let fault = match words[..] {
            ["#", "HELP", name, help] => !helped.insert(name) || help.is_empty(),
            ["#", "TYPE", name, kind] => {
                !typed.insert(name) || kind_of(name) != kind || !helped.contains(name)
            }
            [sample, value] => {
                let name = sample.split('{').next().unwrap_or(sample);
                let ours = typed.contains(name) && name.starts_with("haltbox_");
                !ours || value.parse::<f64>().is_err()
            }
            _ => true,
        };
        if fault {
            faults.push(line.to_owned());
        }
    }
    if helped != typed || !text.ends_with('\n') {
        faults.push(format!("{helped:?} {typed:?}"));
    }
    faults
}

const LINES: [&str; 7] = [
    "haltbox_up 1",
    "haltbox_head_height 9",
    "haltbox_confirmed_height 8",
    "haltbox_oldest_height 5",
    "haltbox_blocks 5",
    "haltbox_dropped_records 0",
    "haltbox_source_lag_bytes{stream=\"slog\"} 0",
];

#[test]
fn a_scraper_gets_what_status_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = serving(folder.path(), "127.0.0.1:0");
    let url = place(&recorder);
    let printed = || output(0, &["status", "--prometheus", text(&recorder.dir)]);
    wait_until("all blocks, in the same text", || {
        let (status, got) = get(&url);
        let whole = LINES
            .iter()
            .all(|line| got.lines().any(|found| found == *line));
        status == 200 && whole && got.as_bytes() == printed()
    });
    let (_, text) = get(&url);
    assert_eq!(faults(&text), [""; 0]);
    let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let typed = typed.filter_map(|line| line.split(' ').next());
    assert_eq!(typed.collect::<Vec<_>>(), NAMES);
    assert!(!text.contains("last_freeze"), "nothing was frozen:\n{text}");
    output(0, &["freeze", recorder.dir.to_str().expect("a path")]);
    wait_until("the freeze to be in it", || {
        get(&url)
            .1
            .contains("haltbox_last_freeze_timestamp_seconds 1")
    });
    assert_eq!(get(&url.replace("/metrics", "/")).0, 404);
    let head = client().head(&url).call().expect("an answer");
    assert_eq!(head.status().as_u16(), 200);
    let post = client().post(&url).send_empty().expect("an answer");
    assert_eq!(post.status().as_u16(), 405);
    recorder.stop();
}

/// Clients that send nothing, too much, or never read hold up nobody for long.
#[test]
fn clients_that_do_not_behave_hold_up_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = serving(folder.path(), "127.0.0.1:0");
    let url = place(&recorder);
    let address = url.trim_start_matches("http://");
    let address = address.trim_end_matches("/metrics").to_owned();
    let connect = || TcpStream::connect(&address).expect("a connection");
    let mute = connect();
    let mut endless = connect();
    let _ = endless.write_all(&vec![b'A'; 1 << 20]);
    let mut nonsense = connect();
    let _ = nonsense.write_all(b"\x16\x03\x01\x00");
    let begun = Instant::now();
    assert_eq!(get(&url).0, 200);
    assert!(begun.elapsed() < Duration::from_secs(25), "{begun:?}");
    let mut said = String::new();
    let _ = nonsense.read_to_string(&mut said);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 400"),
        "{said}"
    );
    drop(mute);
    recorder.stop();
}

/// More callers than are heard at once, none of which ever sends a whole request,
/// some of which drip: a scraper is served meanwhile, again and again.
#[test]
fn a_flood_of_half_open_connections_starves_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = serving(folder.path(), "127.0.0.1:0");
    let url = place(&recorder);
    let address = url.trim_start_matches("http://");
    let address = address.trim_end_matches("/metrics").to_owned();
    assert_eq!(get(&url).0, 200);
    let mut longest = Duration::ZERO;
    let mut half_open = Vec::new();
    for _ in 0..5 {
        for number in 0..60 {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            if number % 2 == 0 {
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
            }
            half_open.push(stream);
        }
        for stream in &mut half_open {
            let _ = stream.write_all(b"a");
        }
        let begun = Instant::now();
        assert_eq!(get(&url).0, 200);
        longest = longest.max(begun.elapsed());
    }
    // One at a time, each of them would have had two seconds.
    assert!(longest < Duration::from_secs(10), "{longest:?}");
    wait_until("the dripping ones to be let go", || {
        half_open.iter_mut().all(|stream| {
            let _ = stream.write_all(b"a");
            stream.set_nonblocking(true).expect("a socket");
            let read = stream.read(&mut [0; 1]);
            !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
        })
    });
    recorder.stop();
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_port_that_is_taken_is_told_and_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let recorder = serving(folder.path(), &address);
    recorder.wait_for(&format!("cannot serve metrics at {address} yet"));
    wait_until("recording to go on", || {
        let status = output(0, &["status", text(&recorder.dir)]);
        String::from_utf8_lossy(&status).contains("newest 9")
    });
    drop(taken);
    assert_eq!(get(&place(&recorder)).0, 200);
    assert_eq!(
        recorder.said().matches("cannot serve metrics at").count(),
        1
    );
    recorder.stop();
}

#[test]
fn a_wrong_address_is_refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let arguments = ["record", "--dir", text(&dir), "--slog", "/nowhere"];
    let done = run(&[&arguments[..], &["--metrics", "localhost"]].concat());
    assert_eq!(done.status.code(), Some(2));
    assert!(!dir.exists(), "nothing was begun");
}
