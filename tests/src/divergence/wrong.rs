//! A node executes otherwise than the network, in all the ways there are.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;
use crate::valnode::VALIDATORS;

pub(super) fn one_of_four(version: Version) -> Row {
    with_options(version, &[])
}

pub(super) fn beside_the_sdk_logger(version: Version) -> Row {
    with_options(version, &["-log", "sdk"])
}

fn with_options(version: Version, options: &[&str]) -> Row {
    let (chain, height) = diverged(version, options, "value", (3, 2));
    check_healthy(&chain, 20);
    let row = judge(&chain, height, "execution differs");
    assert_eq!(row.place, format!("height {height}, tx 3, op 2, op-write"));
    row
}

/// No value has two thirds, so no node ever prints CONSENSUS FAILURE.
pub(super) fn two_of_four(version: Version) -> Row {
    let chain = started(version, &["-persist", "5"]);
    let height = chain.soon();
    chain.nodes[2..]
        .iter()
        .for_each(|node| node.arm("value", height, 1, 2));
    chain.nodes.iter().for_each(wait_for_box);
    for node in &chain.nodes {
        assert!(!node.log().contains("CONSENSUS FAILURE"));
        assert_eq!(node.height(), Some(height));
    }
    for node in &chain.nodes {
        check_message(node, height);
        check_disk(node);
    }
    let boxes: Vec<PathBuf> = chain.nodes.iter().map(Validator::only_box).collect();
    let mut arguments = vec!["compare", "--json"];
    arguments.extend(boxes.iter().map(|path| text(path)));
    let said = run(&arguments);
    let found: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let groups = found["groups"].as_array().expect("groups");
    let sizes: Vec<usize> = groups
        .iter()
        .map(|group| group["nodes"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(sizes, [2, 2], "{found:#}");
    let row = compared(&boxes[0], &boxes[2], "execution differs");
    assert_eq!(row.place, format!("height {height}, tx 1, op 2, op-write"));
    let mut names: Vec<String> = chain.nodes.iter().flat_map(Validator::boxes).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 2, "one name for each side: {names:?}");
    Row {
        froze: (0..VALIDATORS).collect(),
        names,
        note: "two groups of two".to_owned(),
        ..row
    }
}

/// The healthy nodes print the error line too, once, and must not be alarmed.
pub(super) fn next_proposer(version: Version) -> Row {
    let chain = started(version, &[]);
    chain.nodes[DIVERGENT].arm("value", 0, 0, 2);
    wait_for_box(&chain.nodes[DIVERGENT]);
    let height = frozen_height(&chain.nodes[DIVERGENT]);
    check_healthy(&chain, 20);
    let alarmed = |node: &Validator| node.log().matches("deems this block invalid").count();
    for (number, node) in chain.nodes.iter().enumerate() {
        if number != DIVERGENT {
            assert_eq!(alarmed(node), 1, "node {number}");
            let status = crate::status(&node.haltbox());
            assert_eq!(status["attention"], serde_json::json!([]), "{status:#}");
        }
    }
    let row = judge(&chain, height, "execution differs");
    Row {
        note: "three healthy nodes printed one line, pinned, let go".to_owned(),
        ..row
    }
}

fn results_only(version: Version, kind: &str) -> Row {
    let (chain, height) = diverged(version, &[], kind, (4, 0));
    check_healthy(&chain, 5);
    let row = judge(&chain, height, "results only");
    assert_eq!(row.place, format!("height {height}, tx 4, tx-result"));
    row
}

pub(super) fn gas(version: Version) -> Row {
    results_only(version, "gas")
}

pub(super) fn data(version: Version) -> Row {
    results_only(version, "data")
}

pub(super) fn map_order(version: Version) -> Row {
    let (chain, height) = diverged(version, &["-txs", "8"], "order", (0, 0));
    check_healthy(&chain, 5);
    judge(&chain, height, "order differs")
}

/// It catches up in block sync, where nobody fails: it blames its peers.
pub(super) fn other_build(version: Version) -> Row {
    let mut chain = started(version, &["-persist", "5"]);
    let node = &mut chain.nodes[DIVERGENT];
    node.stop();
    node.program = version.other_build();
    node.start();
    wait_for_box(node);
    let height = frozen_height(node);
    check_healthy(&chain, 5);
    let row = judge(&chain, height, "execution differs");
    assert!(row.place.ends_with("op-write"), "{}", row.place);
    row
}

/// A query that takes long leaves a value of the past in the cache. Which node
/// is asked, and when, is chance: no other node and no second execution has it.
pub(super) fn stale_read(version: Version) -> Row {
    let mut chain = started(version, &["-parallel", "-txs", "24"]);
    let node = &chain.nodes[DIVERGENT];
    let begun = Instant::now();
    while node.boxes().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "no read was stale"
        );
        // What the next blocks write; `fold` reads it in the block behind.
        let next = node.height().expect("it answers") + 2;
        let written = (0..23).map(|number| (next * 31 + number * 7) % 512);
        let key = written
            .into_iter()
            .find(|account| (100..200).contains(account));
        if let Some(account) = key {
            let key: String = format!("acc/{account}")
                .bytes()
                .map(|b| format!("{b:02x}"))
                .collect();
            // It may have gone wrong by now, and stand still.
            wait_until("the block before, or a box", || {
                !node.boxes().is_empty() || node.height().is_some_and(|now| now + 1 >= next)
            });
            node.rpc(&format!("abci_query?path=%22slow%22&data=0x{key}"));
        }
        std::thread::sleep(Duration::from_millis(400));
    }
    let height = frozen_height(node);
    check_healthy(&chain, 5);
    let row = judge(&chain, height, "state differs");
    assert!(row.place.ends_with("op-read"), "{}", row.place);
    let node = &mut chain.nodes[DIVERGENT];
    let alone = run(&["verify", "--reads", text(&node.only_box())]);
    assert_eq!(
        alone.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&alone.stdout)
    );
    node.kill();
    let again = node.reexecute(height);
    assert_eq!(
        again,
        chain.nodes[HEALTHY].app_hash(height),
        "a clean execution"
    );
    Row {
        note: "verify --reads finds it in the one box; a clean execution does not have it"
            .to_owned(),
        ..row
    }
}
