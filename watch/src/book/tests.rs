use alloy_primitives::{Address, Bytes, LogData, keccak256};

use crate::chain::{Block, Emitted, Header};
use crate::finder::FoundMessage;
use crate::message::{Log, Place};

use super::*;

const A: u64 = 901;
const B: u64 = 902;
const C: u64 = 903;

/// Chains with a block each second. Each hash shows height and fork.
struct World {
    book: Book,
}

fn hash(chain: u64, number: u64, fork: u64) -> B256 {
    keccak256(format!("{chain} {number} {fork}"))
}

fn log(text: &str) -> Log {
    Log {
        address: Address::repeat_byte(1),
        data: LogData::new_unchecked(Vec::new(), Bytes::copy_from_slice(text.as_bytes())),
    }
}

/// A message that names a log of a block.
fn message(chain: u64, block: u64, at: u32, text: &str) -> Message {
    Message {
        place: Place {
            chain: chain.into(),
            block,
            timestamp: block,
            log: at,
        },
        origin: log(text).address,
        payload: log(text).payload(),
    }
}

impl World {
    fn new() -> World {
        let chains = [A, B, C]
            .map(|id| format!(r#""{id}": {{"blockTime": 0}}"#))
            .join(",");
        let set =
            format!(r#"{{"dependencies": {{{chains}}}, "overrideMessageExpiryWindow": 1000}}"#);
        let set = DependencySet::read(set.as_bytes()).unwrap();
        World {
            book: Book::new(set, [A, B, C].map(ChainId::from)),
        }
    }

    /// A block with a log `text`, and behind it one for each message that it executes.
    fn block(&mut self, chain: u64, number: u64, fork: u64, text: &str, executes: &[Message]) {
        let mut logs = vec![log(text)];
        logs.extend(executes.iter().map(|_| log("executes")));
        let logs = logs.into_iter().zip(0..).map(|(log, index)| Emitted {
            log,
            index,
            transaction: B256::repeat_byte(9),
        });
        let messages = executes.iter().zip(1..).map(|(message, log)| FoundMessage {
            log,
            transaction: B256::repeat_byte(9),
            message: Ok(*message),
            declared: Declaration::Declared,
        });
        let block = Block {
            header: header(chain, number, fork),
            logs: logs.collect(),
            deposits_only: false,
        };
        let found = Found {
            block,
            messages: messages.collect(),
        };
        self.book.block(chain.into(), &found, |_| None);
    }

    fn finalized(&mut self, chain: u64, number: u64) {
        self.finalized_of(chain, number, 0);
    }

    fn finalized_of(&mut self, chain: u64, number: u64, fork: u64) {
        let header = header(chain, number, fork);
        let heads = Heads {
            latest: header,
            safe: None,
            finalized: Some(header),
        };
        self.book.heads(chain.into(), &heads);
    }

    /// The changes, as `902/5 invalid no-log`.
    fn judged(&mut self) -> Vec<String> {
        let changes = self.book.judge().into_iter();
        let told = changes.map(|change| {
            let why = match &change.to {
                Standing::Invalid(fault) => format!(" {}", fault.word()),
                Standing::Valid | Standing::Unknown => String::new(),
            };
            let flip = if change.flip { " flip" } else { "" };
            let Site { chain, number, .. } = change.site;
            format!("{chain}/{number} {}{why}{flip}", change.to.word())
        });
        told.collect()
    }
}

fn header(chain: u64, number: u64, fork: u64) -> Header {
    Header {
        number,
        hash: hash(chain, number, fork),
        parent: hash(chain, number.wrapping_sub(1), fork),
        timestamp: number,
    }
}

#[test]
fn a_message_is_judged_when_the_block_that_it_names_comes() {
    let mut world = World::new();
    world.block(A, 4, 0, "a", &[]);
    world.block(
        B,
        5,
        0,
        "b",
        &[message(A, 5, 0, "hello"), message(A, 5, 1, "hello")],
    );
    assert!(world.judged().is_empty());
    assert_eq!(world.book.oldest_unjudged(), Some(5));
    world.block(A, 5, 0, "hello", &[]);
    assert_eq!(world.judged(), ["902/5 valid", "902/5 invalid no-log"]);
    assert_eq!(world.book.oldest_unjudged(), None);
}

#[test]
fn a_reorg_of_the_block_it_names_flips_a_message() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    world.block(B, 5, 0, "b", &[message(A, 4, 0, "hello")]);
    assert_eq!(world.judged(), ["902/5 valid"]);
    world.book.rewound(A.into(), 3);
    assert_eq!(world.judged(), ["902/5 unknown"]);
    world.block(A, 4, 1, "other", &[]);
    assert_eq!(world.judged(), ["902/5 invalid other-payload flip"]);
    world.book.rewound(A.into(), 3);
    world.block(A, 4, 2, "hello", &[]);
    assert_eq!(world.judged(), ["902/5 valid flip"]);
}

/// Two watchers with different verdicts on the same named block contradict each other;
/// only for such a reason is the block's hash reported.
#[test]
fn a_verdict_tells_by_which_block_it_was_found() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    let messages = [
        message(A, 4, 0, "hello"),
        message(A, 4, 0, "else"),
        message(A, 4, 7, "hello"),
        message(A, 6, 0, "hello"),
        message(99, 4, 0, "hello"),
    ];
    world.block(B, 5, 0, "b", &messages);
    let by: Vec<_> = world
        .book
        .judge()
        .into_iter()
        .map(|change| change.named)
        .collect();
    let block = Some(hash(A, 4, 0));
    assert_eq!(by, [block, block, block, None, None]);
}

#[test]
fn messages_of_a_block_that_is_replaced_are_given_back() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    world.block(B, 5, 0, "b", &[message(A, 4, 0, "else")]);
    world.judged();
    let left = world.book.rewound(B.into(), 4);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].messages[0].2.word(), "invalid");
    assert!(world.book.is_empty());
    world.block(B, 5, 1, "b", &[]);
    assert!(world.judged().is_empty());
}

#[test]
fn what_stands_on_a_bad_block_is_doomed_until_that_is_replaced() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    world.block(A, 5, 0, "next", &[]);
    // C names a block of B above the bad one, A names C, and B names A again.
    world.block(B, 5, 0, "b", &[message(A, 4, 0, "forged")]);
    world.block(B, 6, 0, "above", &[]);
    world.block(
        C,
        7,
        0,
        "c",
        &[message(B, 6, 0, "above"), message(A, 5, 0, "next")],
    );
    world.block(A, 8, 0, "far", &[message(C, 7, 0, "c")]);
    world.block(B, 9, 0, "loop", &[message(A, 8, 0, "far")]);
    assert_eq!(
        world.judged(),
        [
            "901/8 invalid doomed",
            "902/5 invalid other-payload",
            "902/9 invalid doomed",
            "903/7 invalid doomed",
            "903/7 valid",
        ]
    );
    world.book.rewound(B.into(), 4);
    world.block(B, 5, 1, "b", &[]);
    world.block(B, 6, 1, "above", &[]);
    assert_eq!(world.judged(), ["901/8 valid flip", "903/7 valid flip"]);
}

#[test]
fn two_doomed_blocks_do_not_keep_each_other_doomed() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    world.block(B, 5, 0, "b", &[message(A, 4, 0, "hello")]);
    world.block(A, 6, 0, "a", &[message(B, 5, 0, "b")]);
    world.block(B, 7, 0, "b7", &[message(A, 6, 0, "a")]);
    assert_eq!(world.judged().len(), 3);
    world.book.rewound(A.into(), 5);
    world.book.rewound(A.into(), 3);
    world.block(A, 4, 1, "other", &[]);
    let told = world.judged();
    assert_eq!(told, ["902/5 invalid other-payload flip", "902/7 unknown"]);
    world.block(
        A,
        6,
        1,
        "a",
        &[message(B, 5, 0, "b"), message(B, 7, 0, "b7")],
    );
    assert_eq!(
        world.judged(),
        [
            "901/6 invalid doomed",
            "901/6 invalid future",
            "902/7 invalid doomed flip"
        ]
    );
}

#[test]
fn a_circle_of_one_timestamp_is_invalid_and_a_chain_is_not() {
    let mut world = World::new();
    // Log 1 of each names log 1 or 2 of the other.
    world.block(A, 5, 0, "a", &[message(B, 5, 2, "executes")]);
    world.block(
        B,
        5,
        0,
        "b",
        &[message(A, 5, 1, "executes"), message(A, 5, 0, "a")],
    );
    let told = world.judged();
    assert_eq!(
        told,
        [
            "901/5 invalid cycle",
            "902/5 invalid cycle",
            "902/5 invalid cycle"
        ]
    );
    let mut world = World::new();
    world.block(A, 5, 0, "a", &[message(B, 5, 0, "b")]);
    world.block(B, 5, 0, "b", &[message(A, 5, 1, "executes")]);
    assert_eq!(world.judged(), ["901/5 valid", "902/5 valid"]);
}

#[test]
fn blocks_are_settled_when_both_sides_are_finalized() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    world.block(B, 5, 0, "b", &[message(A, 4, 0, "hello")]);
    world.block(B, 6, 0, "b", &[]);
    world.judged();
    world.finalized(B, 6);
    assert!(world.book.settled(B.into()).is_empty());
    world.finalized(A, 4);
    let settled = world.book.settled(B.into());
    assert_eq!(settled.len(), 1);
    assert_eq!(settled[0].number, 5);
    assert!(world.book.is_empty());
    assert!(
        world.book.hash(B.into(), 6).is_some(),
        "the finalized one stays"
    );
}

#[test]
fn heads_of_blocks_that_were_not_told_settle_nothing() {
    let mut world = World::new();
    world.block(A, 4, 0, "hello", &[]);
    world.block(B, 5, 0, "b", &[message(A, 4, 0, "hello")]);
    world.block(B, 6, 0, "b", &[]);
    assert_eq!(world.judged(), ["902/5 valid"]);
    world.finalized(B, 6);
    // The node of A comes back with another fork, and reports its heads first.
    world.finalized_of(A, 4, 1);
    assert!(world.book.settled(B.into()).is_empty());
    world.finalized_of(A, 9, 1);
    assert!(world.book.settled(B.into()).is_empty());
    world.book.rewound(A.into(), 3);
    world.block(A, 4, 1, "other", &[]);
    assert_eq!(world.judged(), ["902/5 invalid other-payload flip"]);
    world.finalized_of(A, 4, 1);
    assert_eq!(world.book.settled(B.into()).len(), 1);
}

#[test]
fn a_finalized_block_that_is_not_held_is_asked_for() {
    let mut world = World::new();
    world.finalized(A, 100);
    world.block(B, 105, 0, "b", &[message(A, 50, 0, "hello")]);
    assert!(world.judged().is_empty());
    assert_eq!(world.book.take_wanted(), [(A.into(), 50)]);
    world.book.old(A.into(), 50, None);
    assert!(world.judged().is_empty());
    assert!(world.book.take_wanted().is_empty());
    world.block(A, 101, 0, "a", &[]);
    assert!(world.judged().is_empty());
    assert_eq!(
        world.book.take_wanted(),
        [(A.into(), 50)],
        "it is asked for again"
    );
    let block = Block {
        header: header(A, 50, 0),
        logs: vec![Emitted {
            log: log("hello"),
            index: 0,
            transaction: B256::ZERO,
        }],
        deposits_only: false,
    };
    world.book.old(A.into(), 50, Some(&block));
    assert_eq!(world.judged(), ["902/105 valid"]);
}

#[test]
fn the_logs_of_an_older_block_are_asked_for_again() {
    let mut world = World::new();
    world.block(A, 1, 0, "hello", &[]);
    for number in 2..300 {
        world.block(A, number, 0, "a", &[]);
    }
    world.block(B, 300, 0, "b", &[message(A, 1, 0, "hello")]);
    assert!(world.judged().is_empty());
    assert_eq!(world.book.take_wanted(), [(A.into(), 1)]);
    let told = |fork, text| Block {
        header: header(A, 1, fork),
        logs: vec![Emitted {
            log: log(text),
            index: 0,
            transaction: B256::ZERO,
        }],
        deposits_only: false,
    };
    world.book.old(A.into(), 1, Some(&told(1, "other")));
    assert!(
        world.judged().is_empty(),
        "the block of another fork tells nothing"
    );
    world.book.old(A.into(), 1, Some(&told(0, "hello")));
    assert_eq!(world.judged(), ["902/300 valid"]);
}

#[test]
fn others_are_asked_about_what_they_can_tell() {
    use crate::opinion::Says;
    let mut world = World::new();
    world.block(A, 5, 0, "hello", &[]);
    let valid = message(A, 5, 0, "hello");
    let invalid = message(A, 5, 7, "hello");
    let ahead = message(A, 50, 0, "hello");
    let unknown = message(9, 5, 0, "hello");
    world.block(B, 5, 0, "x", &[valid]);
    world.block(B, 60, 0, "x", &[valid, invalid, ahead, unknown]);
    world.book.judge();
    let (questions, next) = world.book.questions(0, 10);
    let told: Vec<_> = questions.iter().map(|one| (one.message, one.own)).collect();
    // The first is executed in the second in which it was sent, one cannot be judged yet,
    // and one is on a chain that others may know.
    assert_eq!(told, [(valid, Says::Valid), (invalid, Says::Invalid)]);
    assert_eq!(next, None);
    for question in &questions {
        assert_eq!(world.book.question(&question.site), Some(*question));
    }
    let (some, next) = world.book.questions(0, 1);
    assert_eq!(some, questions[..1]);
    let (rest, next) = world.book.questions(next.unwrap(), 10);
    assert_eq!((&rest[..], next), (&questions[1..], None));
    world.book.rewound(B.into(), 59);
    assert_eq!(world.book.question(&questions[0].site), None, "it is gone");
}
