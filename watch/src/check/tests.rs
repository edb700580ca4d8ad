use std::time::Instant;

use super::stub::{Script, Stub};
use super::*;
use crate::message::tests::hello;
use crate::message::{INBOX, Log};

pub(super) const NOW: u64 = 1_795_218_585;

pub(super) fn set() -> DependencySet {
    let json = r#"{"dependencies": {"901": {}, "902": {}, "903": {}}}"#;
    DependencySet::read(json.as_bytes()).unwrap()
}

/// A chain whose block 48 has the known message's log and another one.
pub(super) fn chain() -> Script {
    let (message, log) = hello();
    let other = Log {
        address: INBOX,
        ..log.clone()
    };
    let Place {
        block, timestamp, ..
    } = message.place;
    Script {
        chain: 901,
        latest: (60, NOW),
        blocks: [(block, (timestamp, vec![log, other]))].into(),
        ..Script::default()
    }
}

pub(super) fn checker(nodes: &[(u64, &[&Stub])], retest_ms: u64) -> Checker {
    let nodes = nodes.iter().map(|(chain, stubs)| {
        let nodes = stubs.iter().map(|stub| stub.node()).collect();
        (ChainId::from(*chain), nodes)
    });
    Checker::new(set(), nodes.collect(), Duration::from_millis(retest_ms))
}

pub(super) fn declared() -> Declared {
    Declared::of(&hello().0)
}

fn question(declared: Vec<Declared>) -> Question {
    let descriptor = Descriptor {
        chain: Some(902.into()),
        timestamp: NOW,
        timeout: 0,
    };
    Question {
        declared,
        descriptor,
    }
}

fn at(change: impl Fn(&mut Place)) -> Declared {
    let mut declared = declared();
    change(&mut declared.place);
    declared
}

fn one(checker: &Checker, declared: Declared) -> Verdict {
    let verdicts = checker.check(&[question(vec![declared])]).concat();
    verdicts.into_iter().next().unwrap()
}

#[test]
fn every_refusal_has_its_reason() {
    let stub = Stub::start(chain());
    let checker = checker(&[(901, &[&stub])], 0);
    let known = declared().place;
    let rows = [
        (declared(), None),
        (at(|p| p.log = 1), Some("other-checksum")),
        (at(|p| p.log = 2), Some("no-log")),
        (at(|p| p.timestamp -= 1), Some("other-timestamp")),
        (at(|p| p.timestamp = NOW), Some("same-time")),
        (at(|p| p.timestamp = NOW + 1), Some("future")),
        (at(|p| p.timestamp -= 604_800), Some("expired")),
        (at(|p| p.timestamp = 1), Some("inactive")),
        (at(|p| p.chain = 904.into()), Some("unknown-chain")),
        // The head is at NOW: a block above it cannot have an earlier time.
        (at(|p| p.block = 61), Some("no-block")),
        (at(|p| p.block = 59), Some("untold")),
        (at(|p| p.chain = 903.into()), Some("untold")),
    ];
    for (declared, expected) in rows {
        let verdict = one(&checker, declared);
        assert_eq!(verdict.reason(), expected, "{declared:?}: {verdict:?}");
    }
    let forged = one(&checker, at(|p| p.log = 1));
    let found = Message {
        place: Place { log: 1, ..known },
        origin: INBOX,
        payload: hello().0.payload,
    };
    let words = format!(
        "checksum mismatch: the log's checksum is {}",
        found.checksum()
    );
    assert_eq!(forged.what(), Some(words));
}

#[test]
fn questions_share_what_is_looked_up_and_what_is_refused_at_once_costs_nothing() {
    let stub = Stub::start(chain());
    let checker = checker(&[(901, &[&stub])], 0);
    let future = at(|p| (p.block, p.timestamp) = (50, NOW + 1));
    let questions = [
        question(vec![declared(), declared(), at(|p| p.log = 1)]),
        question(vec![]),
        question(vec![future, declared()]),
    ];
    let words: Vec<Vec<&str>> = checker
        .check(&questions)
        .iter()
        .map(|verdicts| verdicts.iter().map(Verdict::word).collect())
        .collect();
    assert_eq!(
        words,
        [
            vec!["accepted", "accepted", "refused"],
            vec![],
            vec!["refused", "accepted"]
        ]
    );
    let expected = [
        "eth_chainId",
        "eth_getBlockByNumber",
        "eth_getBlockByNumber",
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
    ];
    assert_eq!(stub.asked(), [expected], "one batch, one block");
}

#[test]
fn what_is_not_there_is_looked_for_once_more() {
    let late = Script {
        blocks_from: 1,
        latest: (47, NOW - 52),
        ..chain()
    };
    let stub = Stub::start(late.clone());
    let verdict = one(&checker(&[(901, &[&stub])], 20), declared());
    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(stub.asked().len(), 2);
    let stub = Stub::start(late.clone());
    let verdict = one(&checker(&[(901, &[&stub])], 0), declared());
    let head = NOW - 52;
    assert_eq!(verdict, Verdict::Undecided(Undecided::Ahead { head }));
    assert_eq!(stub.asked().len(), 1);
    // A checksum does not change by waiting.
    let stub = Stub::start(chain());
    let verdict = one(&checker(&[(901, &[&stub])], 20), at(|p| p.log = 1));
    assert_eq!(verdict.reason(), Some("other-checksum"));
    assert_eq!(stub.asked().len(), 1);
}

#[test]
fn the_next_node_is_asked_where_one_does_not_tell() {
    let broken = Stub::start(Script {
        is_broken: true,
        ..chain()
    });
    let behind = Stub::start(Script {
        latest: (40, NOW - 60),
        blocks: BTreeMap::new(),
        ..chain()
    });
    let other = Stub::start(Script {
        chain: 5,
        ..chain()
    });
    let sound = Stub::start(chain());
    let all = checker(&[(901, &[&broken, &behind, &other, &sound])], 0);
    assert_eq!(one(&all, declared()), Verdict::Accepted);
    let why = |stub: &Stub| one(&checker(&[(901, &[stub])], 0), declared());
    let told = why(&broken).what().unwrap();
    assert!(told.contains("error -32000: broken"), "{told}");
    assert_eq!(why(&broken).word(), "undecided");
    let told = why(&other).what().unwrap();
    assert!(
        told.contains("follows chain 5, expected chain 901"),
        "{told}"
    );
    assert_eq!(why(&other).word(), "undecided");
}

#[test]
fn only_final_blocks_are_kept() {
    for (finalized, expected) in [(None, 2), (Some(47), 2), (Some(48), 1)] {
        let stub = Stub::start(Script {
            finalized,
            ..chain()
        });
        let checker = checker(&[(901, &[&stub])], 0);
        for _ in 0..2 {
            assert_eq!(one(&checker, declared()), Verdict::Accepted);
        }
        assert_eq!(stub.asked().len(), expected, "finalized: {finalized:?}");
    }
}

#[test]
fn a_final_block_without_the_log_is_not_looked_at_again() {
    let stub = Stub::start(Script {
        finalized: Some(50),
        ..chain()
    });
    let retest = 5_000;
    let checker = checker(&[(901, &[&stub])], retest);
    let begun = Instant::now();
    assert_eq!(one(&checker, at(|p| p.log = 2)).reason(), Some("no-log"));
    assert!(begun.elapsed() < Duration::from_millis(retest));
}

#[test]
fn times_are_taken_of_each_way_to_ask() {
    let stub = Stub::start(chain());
    let checker = checker(&[(901, &[&stub])], 0);
    let question = question(vec![declared(), at(|p| p.log = 1)]);
    let rows = bench::run(&checker, &question, None, Duration::from_millis(100)).unwrap();
    let json = serde_json::to_value(&rows).unwrap();
    assert_eq!(json[0]["of"], "light");
    assert_eq!(json[1]["declarations"], 2);
    assert_eq!(
        json[1]["refused"], json[1]["requests"],
        "one of both is forged"
    );
    let of_first = |word: &str| json[0][word].as_u64().unwrap();
    assert!(
        of_first("accepted").abs_diff(of_first("refused")) <= 1,
        "{json}"
    );
    let asked = of_first("requests") + json[1]["requests"].as_u64().unwrap();
    assert_eq!(stub.asked().len() as u64, asked);
    assert!(json[0]["p50_ms"].as_f64() <= json[0]["max_ms"].as_f64());
}
