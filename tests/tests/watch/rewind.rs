//! What one invalid message did on a real network of two chains, played again: the blocks
//! as they were seen there, faster.

use std::path::Path;
use std::time::Duration;

use alloy_primitives::{B256, Bytes, LogData, address};
use haltbox_tests::stub_node::{StubNode, Transaction};
use haltbox_tests::wait_until;
use haltbox_tests::watcher::{Watcher, Watching};
use haltbox_watch::message::{Log, Message, Place};

const START: u64 = 1_800_000_000;

fn log() -> Log {
    Log {
        address: address!("00000000000000000000000000000000000000aa"),
        data: LogData::new_unchecked(vec![B256::repeat_byte(1)], Bytes::from_static(b"hello")),
    }
}

/// A message of a log that does not exist.
fn forged() -> Message {
    Message {
        place: Place {
            chain: 901.into(),
            block: 1,
            timestamp: START + 1,
            log: 5,
        },
        origin: log().address,
        payload: log().payload(),
    }
}

/// A chain that sends and one that executes.
fn chains() -> [StubNode; 2] {
    let chains = [901, 902].map(|id| StubNode::start(id, START));
    chains[0].push(vec![Transaction::emits("sends", log())]);
    chains[1].push(vec![Transaction::deposit()]);
    chains
}

fn watch(folder: &Path, [from, to]: [&StubNode; 2]) -> Watcher {
    let watching = Watching {
        dir: folder,
        chains: &[(901, from.url()), (902, to.url())],
        expiry: 6000,
        arguments: &["--every-ms", "100"],
    };
    watching.start()
}

/// Both chains go on for some blocks.
fn go_on(chains: [&StubNode; 2], blocks: u64) {
    for _ in 0..blocks {
        for chain in chains {
            chain.push(vec![Transaction::deposit()]);
        }
    }
}

fn read_up_to(watcher: &Watcher, chain: u64, block: u64) {
    let label = format!("\"{chain}\"");
    wait_until("the block is read", || {
        watcher.sum("read_block", &label) >= block
    });
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_rewind_is_one_incident_with_all_its_blocks_and_returns() {
    let [from, to] = chains();
    go_on([&from, &to], 10);
    let forged = forged();
    let bad = || {
        vec![
            Transaction::deposit(),
            Transaction::executes("bad", &forged),
        ]
    };
    let folder = tempfile::tempdir().expect("a folder");
    let watcher = watch(folder.path(), [&from, &to]);
    // It is included, and the chain goes on for some seconds.
    let (height, first) = to.push(bad());
    go_on([&from, &to], 4);
    to.heads(height - 2, height - 8);
    from.heads(height - 2, height - 8);
    read_up_to(&watcher, 902, height + 4);
    // Its height is null, and safe is 0 for both chains, of which one is innocent.
    to.rewind(height - 1);
    to.heads(0, 0);
    from.heads(0, 0);
    watcher.wait_for(
        "the block of an invalid message is gone",
        Duration::from_secs(10),
    );
    // Another block with the same transaction.
    let (_, second) = to.push(bad());
    read_up_to(&watcher, 902, height);
    // That is invalidated too, and replaced by a block of deposits.
    to.rewind(height - 1);
    let (_, third) = to.push(vec![Transaction::deposit()]);
    go_on([&from, &to], 1);
    // The same transaction comes back in a later block.
    let (later, fourth) = to.push(bad());
    go_on([&from, &to], 3);
    read_up_to(&watcher, 902, later + 3);
    // Cross-safe reaches the replacement.
    to.heads(height, height - 8);
    from.heads(height, height - 8);
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        watcher.alerts("CROSS-SAFE").is_empty(),
        "{:#?}",
        watcher.said()
    );
    // The later one is invalidated, and replaced; safe goes past it.
    to.rewind(later - 1);
    let (_, fifth) = to.push(vec![Transaction::deposit()]);
    go_on([&from, &to], 9);
    read_up_to(&watcher, 902, later + 9);
    to.heads(later + 1, height - 8);
    watcher.wait_for(
        "was replaced, and the new one is cross-safe",
        Duration::from_secs(10),
    );
    assert_eq!(
        watcher.alerts("INVALID MESSAGE").len(),
        1,
        "{:#?}",
        watcher.said()
    );
    assert_eq!(
        watcher.alerts("came back").len(),
        2,
        "{:#?}",
        watcher.said()
    );
    wait_until("it is closed", || watcher.sum("incidents_open", "") == 0);
    let said = watcher.end();
    let innocent = said
        .iter()
        .filter(|line| line.contains("ALERT") && line.contains("chain 901 block"));
    assert_eq!(innocent.count(), 0, "{said:#?}");

    let boxes = |chain: &str| {
        let folder = std::fs::read_dir(folder.path().join(chain).join("boxes")).expect("boxes");
        let names = folder.map(|entry| entry.expect("a name").file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    };
    let own = boxes("902");
    assert!(
        own.len() == 1 && own[0].starts_with(&format!("{height}-")),
        "{own:?}"
    );
    assert!(boxes("901").is_empty());
    let ring = folder.path().join("902/ring");
    let told = haltbox_tests::output(0, &["cat", haltbox_tests::text(&ring)]);
    let told = String::from_utf8(told).expect("lines");
    let last = told
        .lines()
        .rfind(|line| line.contains(r#""type":"incident""#));
    let last = last.expect("the incident");
    for hash in [first, second, third, fourth, fifth] {
        assert!(last.contains(&hash.to_string()), "{hash}: {last}");
        let header = format!(r#""hash":"{hash}","header":{{"hash""#);
        let kept = told
            .lines()
            .any(|line| line.contains(r#""type":"header""#) && line.contains(&header));
        assert!(kept, "no header of {hash}: {told}");
    }
    assert!(
        last.contains(r#""returns":2"#) && last.contains(r#""ended":"replaced""#),
        "{last}"
    );
    assert!(last.contains(r#""shape":"null""#), "{last}");
    let told = haltbox_tests::output(0, &["report", haltbox_tests::text(&ring)]);
    let told = String::from_utf8(told).expect("text");
    for words in [
        "ended: deposits-only blocks replaced it at all its heights",
        "came back 2 times",
    ] {
        assert!(told.contains(words), "{words:?} in {told}");
    }
}

/// What takes a message of an invalid block goes with it.
#[test]
fn a_cascade_is_known_by_the_incident_that_began_it() {
    let [from, to] = chains();
    go_on([&from, &to], 4);
    let forged = forged();
    let sends = Transaction::emits("sends on", log());
    let (height, _) = to.push(vec![Transaction::executes("bad", &forged), sends]);
    go_on([&from, &to], 2);
    let child = Message {
        place: Place {
            chain: 902.into(),
            block: height,
            timestamp: START + height,
            log: 1,
        },
        ..forged
    };
    let takes = Transaction::executes("takes", &child);
    let (child_height, _) = from.push(vec![Transaction::deposit(), takes.clone()]);
    go_on([&from, &to], 1);
    let folder = tempfile::tempdir().expect("a folder");
    let watcher = watch(folder.path(), [&from, &to]);
    watcher.wait_for("a message is doomed", Duration::from_secs(20));
    watcher.wait_for("INVALID MESSAGE", Duration::from_secs(20));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(watcher.alerts("INVALID MESSAGE").len(), 1);
    watcher.end();
    let ring = folder.path().join("902/ring");
    let told = haltbox_tests::output(1, &["report", haltbox_tests::text(&ring)]);
    let told = String::from_utf8(told).expect("text").replace('\n', " ");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = format!(
        "chain 901 block {child_height} log 0 tx {} depends on it",
        takes.hash
    );
    assert!(told.contains(&words), "{words:?} in {told}");
}

/// Two nodes behind one address, of which one is slow.
#[test]
fn a_node_that_lags_hides_no_promotion() {
    let [from, to] = chains();
    go_on([&from, &to], 10);
    let forged = forged();
    let folder = tempfile::tempdir().expect("a folder");
    let watcher = watch(folder.path(), [&from, &to]);
    let (height, _) = to.push(vec![Transaction::executes("bad", &forged)]);
    go_on([&from, &to], 2);
    read_up_to(&watcher, 902, height + 2);
    to.lag(5);
    std::thread::sleep(Duration::from_millis(600));
    to.lag(0);
    std::thread::sleep(Duration::from_millis(600));
    to.heads(height, 1);
    watcher.wait_for("CROSS-SAFE", Duration::from_secs(10));
    let said = watcher.end();
    let gone = said
        .iter()
        .any(|line| line.contains("the block of an invalid message is gone"));
    assert!(!gone, "{said:#?}");
}
