//! Hosts without a slog of their own: what their calls and entries record, and
//! how two such recordings are compared.

use std::path::{Path, PathBuf};

use haltbox_format::{AppHash, Profile};
use haltbox_recorder::host::{HostRecorder, Options};
use haltbox_tests::*;
use serde_json::{Value, json};

/// Height at which the hosts part.
const H: u64 = 4;

/// What a transaction does, as its entries: reads, a write, its result.
fn transaction(height: u64, tx: u64) -> Vec<Value> {
    let digest = |what: &str| format!("{:064x}", what.len() as u64 * 1_000 + height * 10 + tx);
    vec![
        json!({"type": "tx-begin", "tx": tx, "digest": digest("tx"), "bytes": 100}),
        json!({"type": "op-read", "tx": tx, "op": 0, "store": "bank", "key": "61", "value": "0a"}),
        json!({"type": "op-read", "tx": tx, "op": 1, "store": "bank", "key": "62", "value": null}),
        json!({"type": "op-write", "tx": tx, "op": 2, "store": "bank", "key": format!("7{tx}"), "value": digest("write")}),
        json!({"type": "op-read", "tx": tx, "op": 3, "store": "bank", "key": format!("7{tx}"), "value": digest("write")}),
        json!({"type": "tx-result", "tx": tx, "code": 0, "codespace": "", "gasWanted": 200, "gasUsed": 150, "data": null}),
    ]
}

/// The entries of a block: three transactions, named before they run.
fn entries(height: u64) -> Vec<Value> {
    let input =
        |tx: u64| json!({"type": "tx-input", "tx": tx, "digest": format!("{:064x}", tx + 7)});
    let inputs = (0..3).map(input);
    inputs
        .chain((0..3).flat_map(|tx| transaction(height, tx)))
        .collect()
}

fn line(entry: &Value) -> String {
    // The type stands first, as the adapters write it.
    let mut rest = entry.as_object().expect("an entry").clone();
    let name = rest.remove("type").expect("a type");
    let rest = serde_json::to_string(&rest).expect("JSON");
    format!("{{\"type\":{name},{}", rest.trim_start_matches('{'))
}

/// Executes `H` blocks, the last changed by `change`, and freezes that one.
fn execute(dir: &Path, app: u8, change: impl Fn(&mut Vec<Value>)) -> PathBuf {
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 8 << 20,
        ..Options::new(dir, profile)
    };
    let (host, _) = HostRecorder::open(options).expect("it opens");
    for height in 1..=H {
        let mut entries = entries(height);
        let last = height == H;
        if last {
            change(&mut entries);
        }
        let time = 1_732_196_000_000_000_000 + height as i64;
        host.begin_block(height, time, None).expect("begun");
        for entry in &entries {
            host.record(line(entry).as_bytes()).expect("recorded");
        }
        let hash = AppHash::new(&[if last { app } else { 0 }; 32]);
        host.end_block(height, hash).expect("ended");
        host.commit(height, hash).expect("committed");
    }
    host.freeze(Some(H)).expect("a box").path
}

fn find(entries: &mut [Value], kind: &str, tx: u64, op: Option<u64>) -> usize {
    let is =
        |entry: &Value| entry["type"] == kind && entry["tx"] == tx && entry["op"].as_u64() == op;
    entries.iter().position(is).expect("such an entry")
}

type Change = fn(&mut Vec<Value>);

/// What was changed, whether the AppHash differs too, the verdict, and the place.
const CASES: [(&str, Change, bool, &str, &str); 9] = [
    ("nothing", |_| {}, false, "identical", ""),
    (
        "nothing recorded",
        |_| {},
        true,
        "outside the recording",
        "",
    ),
    (
        "a value",
        |entries| {
            let at = find(entries, "op-read", 1, Some(0));
            entries[at]["value"] = json!("ff");
        },
        true,
        "state differs",
        "height 4, tx 1, op 0, op-read",
    ),
    (
        "a write",
        |entries| {
            let at = find(entries, "op-write", 1, Some(2));
            entries[at]["value"] = json!("ff");
        },
        true,
        "execution differs",
        "height 4, tx 1, op 2, op-write",
    ),
    (
        "the order of two reads",
        |entries| {
            let at = find(entries, "op-read", 1, Some(0));
            entries.swap(at, at + 1);
            entries[at]["op"] = json!(0);
            entries[at + 1]["op"] = json!(1);
        },
        true,
        "order differs",
        "height 4, tx 1, op 0, op-read",
    ),
    (
        "gas, and the AppHash with it",
        |entries| {
            let at = find(entries, "tx-result", 2, None);
            entries[at]["gasUsed"] = json!(151);
        },
        true,
        "execution differs",
        "height 4, tx 2, tx-result",
    ),
    (
        "gas alone",
        |entries| {
            let at = find(entries, "tx-result", 2, None);
            entries[at]["gasUsed"] = json!(151);
        },
        false,
        "results only",
        "height 4, tx 2, tx-result",
    ),
    (
        "another transaction",
        |entries| {
            let at = find(entries, "tx-input", 1, None);
            entries[at]["digest"] = json!("ee");
        },
        true,
        "inputs differ",
        "height 4, tx 1, tx-input",
    ),
    (
        "what is the node's own",
        |entries| {
            let at = find(entries, "op-read", 1, Some(0));
            entries[at]["local"] = json!({"ns": 1234});
            entries.insert(at, json!({"type": "local-cache", "hits": 3}));
        },
        false,
        "identical",
        "",
    ),
];

#[test]
fn two_hosts_are_told_apart_by_transaction_and_operation() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = execute(&folder.path().join("plain"), 1, |_| {});
    for (index, (what, change, hash_too, verdict, place)) in CASES.iter().enumerate() {
        let dir = folder.path().join(index.to_string());
        let other = execute(&dir, 1 + u8::from(*hash_too), change);
        let document = output_json(&["diff", "--json", text(&plain), text(&other)]);
        assert_eq!(document["verdict"], *verdict, "{what}: {document}");
        let shown = run(&["diff", text(&plain), text(&other)]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(place), "{what}: {place:?} in\n{shown}");
        let mirrored = output_json(&["diff", "--json", text(&other), text(&plain)]);
        assert_eq!(mirrored["verdict"], *verdict, "{what}, mirrored");
        // The name is the execution's, and the AppHash is no part of it.
        let same = plain.file_name() == other.file_name();
        assert_eq!(same, place.is_empty(), "{what}");
    }
}

fn output_json(arguments: &[&str]) -> Value {
    let done = run(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn a_read_that_differs_names_the_last_write_of_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = execute(&folder.path().join("plain"), 1, |_| {});
    let other = execute(&folder.path().join("other"), 2, |entries| {
        let at = find(entries, "op-read", 2, Some(3));
        entries[at]["value"] = json!("00");
    });
    let document = output_json(&["diff", "--json", text(&plain), text(&other)]);
    assert_eq!(document["verdict"], "state differs");
    let last = &document["last_write"];
    assert_eq!(last["key"], "bank 72", "{last}");
    assert_eq!(
        (&last["a"]["height"], &last["b"]["height"]),
        (&json!(H), &json!(H))
    );
    assert_eq!(last["a"]["value"], last["b"]["value"]);
}

/// A read that gave what was overwritten shows in one recording alone, and the
/// writes of a transaction that failed are none.
#[test]
fn a_stale_read_shows_without_another_validator() {
    let folder = tempfile::tempdir().expect("a folder");
    let stale = execute(&folder.path().join("stale"), 1, |entries| {
        let at = find(entries, "op-read", 2, Some(3));
        entries[at]["value"] = json!("00");
    });
    let said = output(1, &["verify", "--reads", text(&stale)]);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("bank 72"), "{said}");
    let failed = execute(&folder.path().join("failed"), 1, |entries| {
        let at = find(entries, "op-read", 2, Some(3));
        entries.truncate(at);
        entries.push(json!({"type": "tx-result", "tx": 2, "code": 5, "codespace": "sdk", "gasWanted": 200, "gasUsed": 150, "data": null}));
        let before = find(entries, "op-write", 2, Some(2));
        let value = format!("{:064x}", 5_000 + (H - 1) * 10 + 2);
        assert_ne!(entries[before]["value"], value.as_str());
        entries.push(
            json!({"type": "op-read", "op": 0, "store": "bank", "key": "72", "value": value}),
        );
    });
    output(0, &["verify", "--reads", text(&failed)]);
}
