use std::time::{Duration, Instant};

use alloy_primitives::{B256, address};
use haltbox_tests::anvil::{Anvil, Mining, Options, Placed};
use haltbox_tests::watcher::{Watcher, Watching, soon};
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;
use tempfile::TempDir;

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A chain that sends and one that executes, with a block each second.
struct Chains {
    from: Anvil,
    to: Anvil,
    folder: TempDir,
}

fn chains(epoch: u64) -> Chains {
    let options = Options {
        mining: Mining::Every(1),
        epoch,
        ..Options::default()
    };
    let from = Anvil::start(901, options);
    from.install_emitter();
    let to = Anvil::start(902, options);
    to.install_inbox();
    to.install_emitter();
    let folder = tempfile::tempdir().expect("a folder");
    Chains { from, to, folder }
}

impl Chains {
    fn watch(&self, expiry: u64) -> Watcher {
        let chains = [(901, self.from.url()), (902, self.to.url())];
        let watching = Watching {
            dir: self.folder.path(),
            chains: &chains,
            expiry,
            arguments: &[],
        };
        watching.start()
    }

    /// Executes a message as its standard says.
    fn execute(&self, message: &Message) -> haltbox_tests::anvil::Executed {
        self.to.execute(message, &Declared::of(message).entries())
    }
}

fn with(placed: &Placed, change: impl Fn(&mut Message)) -> Message {
    let mut message = placed.message();
    change(&mut message);
    message
}

/// Waits for an alert of a transaction, and says how long after `since` it came.
fn alert(watcher: &Watcher, transaction: B256, words: &str, since: Instant) -> Duration {
    let text = format!("tx {transaction}: ");
    let line = watcher.wait_for(&text, PATIENCE);
    assert!(line.contains(words), "expected {words:?}: {line}");
    watcher
        .when(&text)
        .expect("it was said")
        .duration_since(since)
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn every_kind_of_invalid_message_has_its_reason_and_one_alert() {
    let chains = chains(2);
    let old = chains.from.emit(b"old");
    for chain in [&chains.from, &chains.to] {
        chain.set_next_timestamp(old.place.timestamp + 1000);
    }
    let watcher = chains.watch(600);
    let placed = chains.from.emit(b"hello");
    type Kind = (&'static str, Message);
    let kinds: Vec<Kind> = vec![
        (
            "the log index is out of range",
            with(&placed, |m| m.place.log = 7),
        ),
        (
            "payload has another digest",
            with(&placed, |m| m.payload = B256::repeat_byte(1)),
        ),
        (
            "another contract emitted the log",
            with(&placed, |m| {
                m.origin = address!("00000000000000000000000000000000000000aa")
            }),
        ),
        (
            "the block has another timestamp",
            with(&placed, |m| m.place.timestamp -= 1),
        ),
        ("it expired", old.message()),
        (
            "not in the dependency set",
            with(&placed, |m| m.place.chain = 999.into()),
        ),
        (
            "its timestamp is later",
            with(&placed, |m| {
                m.place.block += 1000;
                m.place.timestamp += 1000;
            }),
        ),
        (
            "the block does not exist",
            with(&placed, |m| m.place.block += 1000),
        ),
    ];
    let mut all = Vec::new();
    for (words, message) in &kinds {
        let executed = chains.execute(message);
        let took = alert(&watcher, executed.transaction, words, Instant::now());
        println!("{words}: {took:?}");
        assert!(took <= soon(), "{words}: {took:?}");
        all.push(executed.transaction);
    }
    let malformed = chains.to.malformed(&[0; 96]);
    alert(
        &watcher,
        malformed.transaction,
        "has 2 topics and 96 bytes",
        Instant::now(),
    );
    all.push(malformed.transaction);
    let valid = chains.execute(&placed.message());
    let judged = || watcher.sum("message_status", "status=\"valid\"") == 1;
    haltbox_tests::wait_until("the valid one is judged", judged);
    for transaction in all {
        let alerts = watcher.alerts("INVALID MESSAGE in an unsafe block");
        let own = alerts
            .iter()
            .filter(|line| line.contains(&transaction.to_string()));
        assert_eq!(own.count(), 1, "{transaction}: {:#?}", watcher.said());
    }
    assert!(watcher.alerts(&valid.transaction.to_string()).is_empty());
    assert_eq!(watcher.sum("unjudged_messages", ""), 0);
    watcher.end();
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_message_that_is_not_declared_is_an_alert() {
    let chains = chains(2);
    let watcher = chains.watch(600);
    let placed = chains.from.emit(b"hello");
    let other = with(&placed, |m| m.place.log = 9);
    let entries = Declared::of(&placed.message()).entries();
    let twice = [entries.clone(), entries].concat();
    let rows = [
        (Vec::new(), "declares no message"),
        (Declared::of(&other).entries(), "declares other messages"),
        (twice, "declares it more often than it executes it"),
    ];
    for (keys, words) in rows {
        let executed = chains.to.execute(&placed.message(), &keys);
        let took = alert(&watcher, executed.transaction, words, Instant::now());
        println!("{words}: {took:?}");
    }
    let counted = || watcher.sum("access_list_violations_total", "") == 3;
    haltbox_tests::wait_until("all are counted", counted);
    assert_eq!(watcher.sum("invalid_messages_total", ""), 0);
    watcher.end();
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn an_invalid_message_that_is_safe_is_frozen() {
    let chains = chains(2);
    let watcher = chains.watch(600);
    let placed = chains.from.emit(b"hello");
    let forged = with(&placed, |m| m.place.log = 7);
    let executed = chains.execute(&forged);
    watcher.wait_for("CROSS-SAFE", PATIENCE);
    let line = watcher.wait_for("black box", PATIENCE);
    let (_, path) = line.split_once("black box ").expect("its path");
    let name = std::path::Path::new(path).file_name().expect("its name");
    let name = name.to_string_lossy();
    assert!(name.starts_with(&format!("{}-", executed.block)), "{name}");
    assert!(!name.contains("incomplete"), "{name}");
    let bytes = std::fs::read(path).expect("the box");
    let text = zstd::decode_all(&bytes[..]).expect("a Zstandard file");
    let text = String::from_utf8(text).expect("lines");
    assert!(text.contains(&executed.transaction.to_string()), "{text}");
    watcher.end();
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_reorg_on_either_side_is_told() {
    let chains = chains(32);
    let watcher = chains.watch(600);
    let placed = chains.from.emit(b"hello");
    let executed = chains.execute(&placed.message());
    let valid = || watcher.sum("message_status", "status=\"valid\"") == 1;
    haltbox_tests::wait_until("the message is valid", valid);
    let depth = chains.from.height("latest") - placed.place.block + 1;
    chains.from.reorg(depth);
    let took = alert(
        &watcher,
        executed.transaction,
        "invalid now",
        Instant::now(),
    );
    println!("flip: {took:?}");
    assert!(took <= soon(), "{took:?}");

    let depth = chains.to.height("latest") - executed.block + 1;
    let since = Instant::now();
    chains.to.reorg(depth);
    watcher.wait_for("blocks removed: 1, messages in them: 1", PATIENCE);
    let gone = watcher.when("messages in them:").expect("it was said");
    println!("orphan: {:?}", gone.duration_since(since));
    assert!(gone.duration_since(since) <= soon());
    let none = || watcher.sum("message_status", "") == 0;
    haltbox_tests::wait_until("nothing is open", none);
    watcher.end();
}

/// What `haltbox cat` shows of the ring of the chain that executes, as entries of a type.
fn entries(chains: &Chains, kind: &str) -> Vec<serde_json::Value> {
    let ring = chains.folder.path().join("902/ring");
    let told = haltbox_tests::output(0, &["cat", haltbox_tests::text(&ring)]);
    let told = String::from_utf8(told).expect("lines");
    let entries = told
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut entries: Vec<serde_json::Value> = entries.collect();
    entries.retain(|entry| entry["type"] == kind);
    entries
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn no_message_is_forgotten_by_a_watcher_that_is_killed() {
    let chains = chains(200);
    let placed = chains.from.emit(b"hello");
    let mut executed = Vec::new();
    let mut said = Vec::new();
    let rounds = if haltbox_tests::long() { 50 } else { 6 };
    for round in 0..rounds {
        let watcher = chains.watch(6000);
        let wrong = with(&placed, |m| m.place.log = 100 + round);
        executed.push((chains.execute(&wrong), true));
        executed.push((chains.execute(&placed.message()), false));
        // Anywhere from the block's first look to long behind it.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 311 % 1500));
        said.extend(watcher.kill());
    }
    let watcher = chains.watch(6000);
    let all = || {
        let open = watcher.sum("message_status", "");
        open == executed.len() as u64
    };
    haltbox_tests::wait_until("all are open again", all);
    let of = |status: &str| watcher.sum("message_status", &format!("status=\"{status}\""));
    haltbox_tests::wait_until("all are judged", || of("unknown") == 0);
    assert_eq!((of("valid"), of("invalid")), (rounds.into(), rounds.into()));
    assert_eq!(watcher.sum("incidents_open", ""), u64::from(rounds));
    said.extend(watcher.end());
    let seen = entries(&chains, "message");
    for (one, wrong) in &executed {
        let text = one.transaction.to_string();
        let own = seen.iter().filter(|entry| entry["tx"] == text);
        assert!(own.count() >= 1, "{text} is not on the tape");
        let told = said.iter().filter(|line| line.contains(&text)).count();
        // Twice where the kill came between the alert and its record.
        let expected = if *wrong { 1..=2 } else { 0..=0 };
        assert!(expected.contains(&told), "{text} was told {told} times");
    }
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_node_that_hangs_is_told_and_caught_up_with() {
    let chains = chains(200);
    let watcher = chains.watch(6000);
    let placed = chains.from.emit(b"hello");
    let up = || watcher.sum("node_up", "902") == 1;
    haltbox_tests::wait_until("the node answers", up);
    chains.to.stop();
    watcher.wait_for("NOT WATCHED", PATIENCE);
    haltbox_tests::wait_until("it is down", || !up());
    assert!(
        watcher
            .page("health")
            .contains("chain 902: no node answers")
    );
    // In the long form it hangs for half a minute.
    std::thread::sleep(Duration::from_secs(if haltbox_tests::long() {
        30
    } else {
        0
    }));
    chains.to.cont();
    let wrong = chains.execute(&with(&placed, |m| m.place.log = 7));
    alert(
        &watcher,
        wrong.transaction,
        "the log index is out of range",
        Instant::now(),
    );
    haltbox_tests::wait_until("it is up", up);
    watcher.end();
    let nodes = entries(&chains, "node");
    let up: Vec<bool> = nodes
        .iter()
        .filter_map(|entry| entry["up"].as_bool())
        .collect();
    assert_eq!(up, [true, false, true]);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_node_of_another_chain_is_not_believed() {
    let chains = chains(2);
    let placed = chains.from.emit(b"hello");
    chains.execute(&placed.message());
    // Both URLs are taken for each other's.
    let watching = Watching {
        dir: chains.folder.path(),
        chains: &[(901, chains.to.url()), (902, chains.from.url())],
        expiry: 600,
        arguments: &[],
    };
    let watcher = watching.start();
    watcher.wait_for("follows chain 902, expected chain 901", PATIENCE);
    watcher.wait_for("follows chain 901, expected chain 902", PATIENCE);
    watcher.wait_for(
        "chain 903 is in the dependency set but not watched",
        PATIENCE,
    );
    assert!(watcher.alerts("INVALID").is_empty());
    assert_eq!(watcher.sum("node_up", ""), 0);
    watcher.end();
}

#[test]
fn a_watcher_starts_and_lives_with_every_node_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let watching = Watching {
        dir: folder.path(),
        chains: &[(901, "http://127.0.0.1:1"), (902, "http://127.0.0.1:1")],
        expiry: 600,
        arguments: &[],
    };
    let watcher = watching.start();
    watcher.wait_for("chain 901: NOT WATCHED", PATIENCE);
    watcher.wait_for("chain 902: NOT WATCHED", PATIENCE);
    let page = watcher.page("metrics");
    for file in [
        "packaging/op-stack/alerts.yml",
        "packaging/op-stack/dashboard.json",
    ] {
        let text = std::fs::read_to_string(haltbox_tests::root().join(file)).expect("a file");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("haltbox_watch_")) {
            let shown = page.contains(&format!("# TYPE {name} "));
            assert!(shown, "{file} names {name}, which is on no page");
        }
    }
    let typed = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in typed.filter_map(|line| line.split_once(' ')) {
        let expected = match name {
            "haltbox_watch_dropped_entries" => "counter",
            "haltbox_watch_check_seconds" => "summary",
            _ if name.ends_with("_total") => "counter",
            _ => "gauge",
        };
        assert_eq!(kind, expected, "{name}");
    }
    assert_eq!(watcher.sum("node_up", ""), 0);
    watcher.end();
}
