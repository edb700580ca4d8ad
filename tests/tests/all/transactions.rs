//! Hosts without a slog of their own: what their calls and entries record, and
//! how two such recordings are compared.

mod branches;
mod pairs;
mod prints;
mod slogs;

use std::path::{Path, PathBuf};

use haltbox_format::AppHash;
use haltbox_model::Profile;
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
    execute_each(dir, app, |height, entries| {
        if height == H {
            change(entries);
        }
    })
}

/// The same, each block changed by `change`.
fn execute_each(dir: &Path, app: u8, change: impl Fn(u64, &mut Vec<Value>)) -> PathBuf {
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 8 << 20,
        ..Options::new(dir, profile)
    };
    let (host, _) = HostRecorder::open(options).expect("it opens");
    for height in 1..=H {
        let mut entries = entries(height);
        let last = height == H;
        change(height, &mut entries);
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
        // The name is the execution's; neither the AppHash nor what was read is a part of it.
        let same = plain.file_name() == other.file_name();
        let read_alone = place.ends_with("op-read");
        assert_eq!(same, place.is_empty() || read_alone, "{what}");
    }
}

/// What a process that has just started does more: an iterator in the first block, before
/// everything else.
fn starts(entries: &mut Vec<Value>) {
    let at = entries.iter().position(|entry| entry["type"] == "tx-begin");
    let iterate = json!({"type": "op-iterate", "op": 0, "store": "bank", "start": "01", "end": "02", "reverse": true});
    let next = json!({"type": "op-next", "op": 1, "store": "bank", "of": 0, "key": null});
    let read =
        json!({"type": "op-read", "tx": 0, "op": 0, "store": "bank", "key": "05", "value": "cc"});
    let at = at.expect("a transaction");
    // Numbers of what follows shift.
    entries.insert(at + 1, read);
    entries.splice(at..at, [iterate, next]);
    let own = entries.iter_mut().filter(|entry| entry["tx"] == 0);
    for (op, entry) in own.filter(|entry| entry.get("op").is_some()).enumerate() {
        entry["op"] = json!(op);
    }
}

/// A recording without what only a tracer writes.
fn untraced(entries: &mut Vec<Value>) {
    entries.retain(|entry| {
        let kind = entry["type"].as_str().unwrap_or_default();
        !kind.starts_with("op-") && kind != "tx-begin"
    });
}

/// What the value of a read is changed to.
fn other_value(entries: &mut [Value]) {
    let at = find_read(entries, 1, "61");
    entries[at]["value"] = json!("ff");
}

fn find_read(entries: &[Value], tx: u64, key: &str) -> usize {
    let is = |entry: &Value| entry["type"] == "op-read" && entry["tx"] == tx && entry["key"] == key;
    entries.iter().position(is).expect("such a read")
}

type Each = fn(u64, &mut Vec<Value>);

/// What A and B did, whether the AppHash of the last block differs, the verdict and the
/// place.
const PAIRS: [(&str, Each, Each, bool, &str, &str); 10] = [
    (
        "a restart before the fault",
        |_, _| {},
        |height, entries| match height {
            2 => starts(entries),
            H => other_value(entries),
            _ => {}
        },
        true,
        "state differs",
        "height 4, tx 1, op 0, op-read",
    ),
    (
        "a restart in the block of the fault",
        |_, _| {},
        |height, entries| {
            if height == H {
                starts(entries);
                other_value(entries);
            }
        },
        true,
        "state differs",
        "height 4, tx 1, op 0, op-read",
    ),
    (
        "a restart and no fault",
        |_, _| {},
        |height, entries| {
            if height >= 2 {
                starts(entries);
            }
        },
        false,
        "identical",
        "",
    ),
    (
        "a restart, and a fault that nothing shows",
        |_, _| {},
        |height, entries| {
            if height == H {
                starts(entries);
            }
        },
        true,
        "outside the recording",
        "",
    ),
    (
        "a row that an iterator does not find",
        |height, entries| {
            if height == H {
                starts(entries);
                let at = entries.iter().position(|entry| entry["type"] == "op-next");
                entries[at.expect("an iterator")]["key"] = json!("015");
            }
        },
        |height, entries| {
            if height == H {
                starts(entries);
            }
        },
        true,
        "state differs",
        "height 4, op 1, op-next",
    ),
    (
        "one without a tracer",
        |_, _| {},
        |_, entries| untraced(entries),
        false,
        "identical",
        "",
    ),
    (
        "one without a tracer, and a fault that results show",
        |_, _| {},
        |height, entries| {
            untraced(entries);
            if height == H {
                let at = find(entries, "tx-result", 2, None);
                entries[at]["gasUsed"] = json!(151);
            }
        },
        true,
        "execution differs",
        "height 4, tx 2, tx-result",
    ),
    (
        "one without a tracer, and a fault that the AppHash alone shows",
        |_, _| {},
        |_, entries| untraced(entries),
        true,
        "evidence insufficient",
        "",
    ),
    (
        "other stores",
        |_, entries| {
            let own =
                json!({"type": "op-read", "op": 0, "store": "mint", "key": "01", "value": null});
            entries.push(own);
        },
        |_, entries| {
            let own = json!({"type": "op-write", "op": 0, "store": "gov", "key": "01", "value": "aa", "bytes": 1});
            entries.push(own);
        },
        false,
        "identical",
        "",
    ),
    (
        "steps of its own",
        |_, entries| entries.push(json!({"type": "step-mine", "x": 1})),
        |height, entries| {
            if height == H {
                other_value(entries);
            }
        },
        true,
        "state differs",
        "height 4, tx 1, op 0, op-read",
    ),
];

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn what_nothing_came_of_and_what_only_one_records_accuses_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    for (index, (what, one, other, hash_too, verdict, place)) in PAIRS.iter().enumerate() {
        let dir = |side: &str| folder.path().join(format!("{index}{side}"));
        let a = execute_each(&dir("a"), 1, one);
        let b = execute_each(&dir("b"), 1 + u8::from(*hash_too), other);
        for [a, b] in [[&a, &b], [&b, &a]] {
            let document = output_json(&["diff", "--json", text(a), text(b)]);
            assert_eq!(document["verdict"], *verdict, "{what}: {document:#}");
            let shown = run(&["diff", text(a), text(b)]);
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            assert!(shown.contains(place), "{what}: {place:?} in\n{shown}");
        }
        let compared = run(&["compare", text(&a), text(&b)]);
        let code = match *verdict {
            "identical" => 0,
            "evidence insufficient" => 2,
            _ => 1,
        };
        let told = String::from_utf8_lossy(&compared.stdout);
        assert_eq!(compared.status.code(), Some(code), "{what}: {told}");
    }
}

/// A box that is written when the host is not there tells of the host's build, unless
/// another one lies there by then.
#[test]
fn a_box_tells_the_build_of_the_host_that_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, program) = (folder.path().join("haltbox"), folder.path().join("noded"));
    std::fs::write(&program, "a build").expect("a program");
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 8 << 20,
        node_program: Some(program.clone()),
        ..Options::new(&dir, profile)
    };
    let (host, _) = HostRecorder::open(options).expect("it opens");
    for height in 1..=3 {
        host.begin_block(height, 1, None).expect("begun");
        host.commit(height, AppHash::new(&[1; 32]))
            .expect("committed");
    }
    drop(host);
    let digest = |height: &str| {
        let told = output(0, &["freeze", text(&dir), "--height", height]);
        let told = String::from_utf8(told).expect("text");
        let name = told
            .split_whitespace()
            .find(|word| word.contains("/boxes/"));
        let info = output_json(&["info", "--json", name.expect("its path")]);
        info["sources"][0]["host"]["node_sha256"]
            .as_str()
            .map(str::to_owned)
    };
    // printf 'a build' | sha256sum
    let own = "2bd9a07eddf2828e1f9fdf26fb92161b6ecef4e434d96eb9a9fa9874a073d909";
    assert_eq!(digest("2").as_deref(), Some(own));
    std::fs::write(folder.path().join("new"), "another build").expect("a program");
    std::fs::rename(folder.path().join("new"), &program).expect("put in its place");
    assert_eq!(digest("3"), None);
}

#[test]
fn heights_can_be_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = execute(&folder.path().join("a"), 1, |_| {});
    let b = execute(&folder.path().join("b"), 2, |entries| other_value(entries));
    let (a, b) = (text(&a), text(&b));
    for (options, code) in [
        (&["--height", "4"][..], 1),
        (&["--from-height", "2"], 1),
        (&["--to-height", "3"], 0),
        (&["--from-height", "2", "--to-height", "3"], 0),
        (&["--from-height", "9"], 2),
        (&["--from-height", "3", "--to-height", "2"], 2),
        (&["--height", "3", "--to-height", "2"], 2),
    ] {
        let done = run(&[&["diff"], options, &[a, b]].concat());
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(code), "{options:?}: {told}");
    }
}

#[test]
fn digests_alone_accuse_nobody_of_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = execute(&folder.path().join("a"), 1, |_| {});
    let b = execute(&folder.path().join("b"), 1, starts);
    let print = folder.path().join("b.fingerprint");
    output(0, &["fingerprint", text(&b), "-o", text(&print)]);
    for [a, b] in [[text(&a), text(&print)], [text(&print), text(&a)]] {
        let done = run(&["diff", a, b]);
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(2), "{told}");
        assert!(told.contains("has just started reads more"), "{told}");
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
    let stale = |name: &str, told: bool| {
        execute(&folder.path().join(name), 1, |entries| {
            let at = find(entries, "op-read", 2, Some(3));
            entries[at]["value"] = json!("00");
            if told {
                entries.insert(0, json!({"type": "branch", "branch": 0}));
            }
        })
    };
    let said = output(1, &["verify", "--reads", text(&stale("stale", true))]);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("bank 72"), "{said}");
    // The write may have been thrown away, where nobody tells.
    let said = output(0, &["verify", "--reads", text(&stale("untold", false))]);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("cannot be checked: 1,"), "{said}");
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
        entries.insert(0, json!({"type": "branch", "branch": 0}));
    });
    output(0, &["verify", "--reads", text(&failed)]);
}

/// Boxes of a network of the Cosmos SDK, of which one node's bank store was altered.
fn altered() -> [PathBuf; 2] {
    ["healthy-19", "altered-19"].map(|name| root().join("tests/data/sdk").join(name))
}

#[test]
fn a_difference_is_told_in_the_words_of_its_chain() {
    let [healthy, altered] = altered();
    let arguments = ["--address-prefix", "wasm", text(&healthy), text(&altered)];
    let document = output_json(&[&["diff", "--json"], &arguments[..]].concat());
    let place = &document["place"];
    assert_eq!(
        place["tx_hash"],
        "68D23BB8CABC352ED265A1715103D5F3A01B1653352337CE08C05B9366DDBB31"
    );
    let words = "balance of wasm14uvylxcexcmlt4w39cl4sayrxh4vjt0qjllm05 in stake";
    for (side, value) in [("a", "399999535"), ("b", "4999999")] {
        let side = &document["sides"][side];
        assert_eq!(
            (&side["key_words"], &side["value"]),
            (&json!(words), &json!(value))
        );
    }
    let page = folder_file("page.html");
    let shown = run(&[&["diff", "--html", text(&page.1)], &arguments[..]].concat());
    for told in [
        String::from_utf8_lossy(&shown.stdout).into_owned(),
        std::fs::read_to_string(&page.1).expect("a page"),
    ] {
        assert!(told.contains(words) && told.contains("4999999"), "{told}");
    }
}

/// A file that goes with its folder.
fn folder_file(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    (folder, path)
}

/// What was written, and what stood there before.
#[test]
fn a_write_that_differs_is_told_with_what_it_replaced() {
    let write = |height: u64, value: &str| json!({"type": "op-write", "op": 0, "store": "gov", "key": "03", "bytes": 8, "value": format!("{height:064x}"), "local": {"value": value}});
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str, app: u8, value: &'static str| {
        execute_each(&folder.path().join(name), app, |height, entries| {
            let value = if height == H { value } else { "0001" };
            entries.push(json!({"type": "step-phase", "phase": "EndBlock"}));
            let digest = if height == H { u64::from(app) } else { 9 };
            entries.push(write(digest, value));
        })
    };
    let (a, b) = (of("a", 1, "0002"), of("b", 2, "0003"));
    let document = output_json(&["diff", "--json", text(&a), text(&b)]);
    assert_eq!(document["verdict"], "execution differs", "{document}");
    assert_eq!(document["place"]["phase"], "EndBlock");
    assert_eq!(document["sides"]["b"]["value"], "0003");
    let last = &document["last_write"];
    assert_eq!(last["key_words"], "next proposal number");
    assert_eq!(last["a"]["kept"], "0001");
    assert_eq!(last["a"]["height"], H - 1);
}

/// Operations outside transactions are numbered anew behind each.
#[test]
fn a_step_between_two_transactions_is_placed_behind_the_first() {
    let read = |value: &str| json!({"type": "op-read", "op": 0, "store": "consensus", "key": "01", "value": value});
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str, app: u8, value: &'static str| {
        execute(&folder.path().join(name), app, |entries| {
            let at = find(entries, "tx-begin", 1, None);
            entries.insert(at, read(value));
        })
    };
    let (a, b) = (of("a", 1, "01"), of("b", 2, "02"));
    let document = output_json(&["diff", "--json", text(&a), text(&b)]);
    assert_eq!(document["place"]["behind_tx"], 0, "{document}");
    assert!(document["place"].get("tx").is_none());
}
