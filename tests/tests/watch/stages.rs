use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use alloy_primitives::B256;
use haltbox_tests::anvil::{Anvil, Mining, Options, number};
use haltbox_tests::watcher::Watching;
use haltbox_tests::{root, run, text, wait_until};
use haltbox_watch::access_list::Declared;
use serde_json::{Value, json};

use crate::checking::{Checker, call};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn append(path: &Path, lines: &[Value]) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    let mut file = file.expect("the file");
    for line in lines {
        writeln!(file, "{line}").expect("room");
    }
}

/// What proxyd logs of one transaction that both of its backends let pass.
fn passed(id: &str, transaction: B256, at: jiff::Timestamp) -> Vec<Value> {
    let after = |micros: i64| (at + jiff::SignedDuration::from_micros(micros)).to_string();
    let answer = |url: &str, micros| {
        json!({"time": after(micros), "level": "DEBUG",
            "msg": "an interop validating backend has responded", "interop_filter_url": url,
            "strategy": "agreement", "req_id": id, "method": "eth_sendRawTransaction", "error": null})
    };
    vec![
        json!({"time": after(0), "level": "INFO", "msg": "validating interop access list", "source": "rpc",
            "req_id": id, "tx_hash": transaction, "strategy": "agreement"}),
        answer("http://filter-a:8560", 4_000),
        json!({"time": after(4_100), "level": "INFO", "msg": "forwarding request", "req_id": id}),
        answer("http://filter-b:8560", 9_000),
        json!({"time": after(9_200), "level": "DEBUG", "msg": "interop agreement outcome", "req_id": id,
            "outcome": "accept", "valid": 2, "invalid": 0, "min_responses": 2, "duration": 9_123_456}),
        json!({"time": after(9_300), "level": "INFO", "msg": "interop access list validated successfully",
            "req_id": id, "tx_hash": transaction}),
    ]
}

/// Names of all members of a document.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let within = members.values().flat_map(keys);
            members.keys().cloned().chain(within).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn the_report_tells_which_checks_saw_the_transaction() {
    let options = Options {
        mining: Mining::Every(1),
        epoch: 6,
        ..Options::default()
    };
    let (from, to) = (Anvil::start(901, options), Anvil::start(902, options));
    from.install_emitter();
    to.install_inbox();
    let folder = tempfile::tempdir().expect("a folder");
    let [log, samples] = ["proxyd.log", "samples"].map(|name| folder.path().join(name));
    // What is there already is not read.
    append(&log, &passed("old", B256::ZERO, jiff::Timestamp::now()));
    let given = [&log, &samples].map(|path| format!("902={}", text(path)));
    let chains = [(901, from.url()), (902, to.url())];
    let watching = Watching {
        dir: folder.path(),
        chains: &chains,
        expiry: 6000,
        arguments: &["--checks", &given[0], "--checks", &given[1]],
    };
    let watcher = watching.start();
    let checker = Checker::start_with(
        &watching,
        &["--retest-ms", "0", "--samples", text(&samples)],
    );
    let placed = from.emit(b"hello");
    let mut forged = placed.message();
    forged.place.log = 7;
    let timestamp = number(&to.block("latest")["timestamp"]) + 10;
    let agent = ureq::Agent::new_with_defaults();
    let told = checker.ask(&agent, &call(&forged, timestamp));
    assert_eq!(told["error"]["code"], -320_600, "{told}");
    checker.ask(&agent, &call(&placed.message(), timestamp));

    let begun = jiff::Timestamp::now();
    let executed = to.execute(&forged, &Declared::of(&forged).entries());
    append(&log, &passed("r1", executed.transaction, begun));
    append(&log, &passed("r2", B256::repeat_byte(2), begun));
    let of = |line: &str| watcher.sum("check_total", line);
    wait_until("proxyd's checks are counted", || {
        of("stage=\"proxyd\",verdict=\"accepted\"") == 3
    });
    // The log is rotated; the next one is of another stage, in its own lines.
    std::fs::rename(&log, folder.path().join("proxyd.log.1")).expect("a new name");
    let at = begun.as_millisecond() + 1;
    let interval = json!({"check": {"stage": "mempool-interval", "tx": executed.transaction,
        "verdict": "refused", "error": "no such log", "took_us": 800, "at": at}});
    let builder = json!({"check": {"stage": "builder", "verdict": "accepted", "at": at}});
    append(&log, &[json!("garbage"), interval, builder]);
    let line = watcher.wait_for("stage builder asked for a check", PATIENCE);
    assert!(line.contains("ALERT chain 902"), "{line}");

    let line = watcher.wait_for("black box", PATIENCE);
    let (_, boxed) = line.split_once("black box ").expect("its path");
    let page = watcher.page("metrics");
    for line in [
        "haltbox_watch_check_total{executing_chain_id=\"902\",stage=\"proxyd\",verdict=\"refused\"} 1",
        "haltbox_watch_check_seconds_count{executing_chain_id=\"902\",stage=\"proxyd\"} 4",
        "haltbox_watch_check_forbidden_stage_total{executing_chain_id=\"902\",stage=\"builder\"} 1",
        "haltbox_watch_check_total{executing_chain_id=\"901\",stage=\"proxyd\",verdict=\"accepted\"} 0",
        "haltbox_watch_check_lines_total{executing_chain_id=\"902\",kind=\"unreadable\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    watcher.end();

    let done = run(&["report", "--json", boxed]);
    assert_eq!(done.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let described = root().join("docs/json.md");
    let described = std::fs::read_to_string(described).expect("docs/json.md");
    for key in keys(&document) {
        assert!(
            described.contains(&format!("`{key}`")),
            "{key} is not described"
        );
    }
    let checks = &document["incidents"][0]["checks"];
    let of = |one: &Value| {
        // Without the port.
        let word = |name| {
            let word = one[name].as_str().unwrap_or("-");
            word.split(" 127").next().expect("a word").to_owned()
        };
        ["stage", "backend", "verdict", "by"].map(word)
    };
    let list = checks["list"].as_array().expect("a list");
    let own: Vec<[String; 4]> = list.iter().map(of).collect();
    let expected = [
        ["proxyd", "haltbox check", "refused", "message"],
        ["mempool-interval", "-", "refused", "transaction"],
        ["proxyd", "http://filter-a:8560", "accepted", "transaction"],
        ["proxyd", "http://filter-b:8560", "accepted", "transaction"],
        ["proxyd", "-", "accepted", "transaction"],
    ];
    assert_eq!(own, expected, "{checks:#}");
    let took: Vec<&Value> = list[1..].iter().map(|one| &one["took_us"]).collect();
    assert_eq!(took, [800, 4_000, 9_000, 9_123]);
    for one in list {
        let before = one["before_ms"].as_i64().expect("a number");
        assert!((0..20_000).contains(&before), "{one:#}");
    }
    let said = String::from_utf8(run(&["report", boxed]).stdout).expect("UTF-8");
    println!("{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "proxyd (haltbox check 127.0.0.1:",
        "refused its message",
        "but its message was included anyway",
        "mempool-interval refused it",
        "proxyd accepted it",
        "proxyd (http://filter-a:8560) accepted it in 4.000 ms",
        "no such log",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    let page = folder.path().join("report.html");
    run(&["report", boxed, "--html", text(&page)]);
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(
        page.contains("<h2>Checks</h2>") && page.contains("http://filter-b:8560"),
        "{page}"
    );
    let verified = run(&["verify", boxed]);
    assert!(verified.status.success(), "{verified:?}");
}
