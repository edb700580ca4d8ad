//! Several nodes of one chain, of which one keeps its fork.

use std::time::Duration;

use haltbox_tests::stub_node::{StubNode, Transaction};
use haltbox_tests::watcher::{Watcher, Watching};
use haltbox_tests::{output, text, wait_until};
use serde_json::Value;

const START: u64 = 1_800_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn go_on(nodes: &[&StubNode], blocks: u64) {
    for _ in 0..blocks {
        for node in nodes {
            node.push(vec![Transaction::deposit()]);
        }
    }
}

fn read_up_to(watcher: &Watcher, block: u64) {
    wait_until("the block is read", || {
        watcher.sum("read_block", "\"902\"") >= block
    });
}

#[test]
fn a_node_that_keeps_its_fork_is_named_and_one_that_lags_is_not() {
    let nodes = [(); 2].map(|()| StubNode::start(902, START));
    let [one, other] = &nodes;
    go_on(&[one, other], 9);
    // The other one lags: it has no block of the height that is compared.
    go_on(&[one], 3);
    one.heads(11, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let both = format!("{},{}", one.url(), other.url());
    let watching = Watching {
        dir: folder.path(),
        chains: &[(902, &both)],
        expiry: 6000,
        arguments: &["--every-ms", "100", "--ask-again-seconds", "1"],
    };
    let watcher = watching.start();
    read_up_to(&watcher, 12);
    std::thread::sleep(Duration::from_secs(5));
    assert!(watcher.alerts("FORK").is_empty(), "{:#?}", watcher.said());
    go_on(&[other], 3);
    // A block is replaced, and the other node takes no notice.
    one.rewind(9);
    go_on(&[one], 6);
    go_on(&[other], 3);
    read_up_to(&watcher, 15);
    let name = other.url().trim_start_matches("http://");
    let alert = watcher.wait_for("ANOTHER FORK", PATIENCE);
    assert!(
        alert.contains(name) && alert.contains("block 11"),
        "{alert}"
    );
    wait_until("it is shown", || watcher.sum("node_fork", name) == 1);
    assert_eq!(watcher.sum("node_fork", ""), 1);
    // It takes the replacement.
    other.rewind(9);
    go_on(&[other], 6);
    watcher.wait_for("follows the chain again", PATIENCE);
    assert_eq!(watcher.alerts("FORK").len(), 1, "{:#?}", watcher.said());
    watcher.end();
    let ring = folder.path().join("902/ring");
    let told = String::from_utf8(output(0, &["cat", text(&ring)])).expect("lines");
    let entries = told
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut forks: Vec<Value> = entries.collect();
    forks.retain(|entry| entry["type"] == "fork");
    let [began, ended] = forks.as_slice() else {
        panic!("{told}");
    };
    for header in ["own_header", "other_header"] {
        assert_eq!(began[header]["number"], "0xb", "{began}");
    }
    assert_ne!(began["own_header"]["hash"], began["other_header"]["hash"]);
    assert_eq!(ended["differs"], false, "{ended}");
}
