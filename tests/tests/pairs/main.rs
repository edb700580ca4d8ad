//! Pairs of recordings whose truth is known: of honest nodes, and of nodes of which one
//! did otherwise. What is said of each is held to the truth, in both orders, and the
//! commands to one another.
//!
//! The long form (`HALTBOX_LONG=1`) asks 100,000 pairs of either kind, and prints the
//! two figures that must be 0: honest pairs that are accused, and differences that are
//! called identical.

mod asking;
mod count;
mod ledger;
mod member;

use std::collections::BTreeMap;
use std::path::Path;

use asking::Asked;
use count::{Counts, Figures};
use haltbox_tests::mutation::{Case, Slog, cases, honest, renumber};
use haltbox_tests::*;
use member::Member;

/// Members of a batch, of either kind: each is paired with some of the others.
const BATCH: usize = 24;
/// Others that a member is paired with.
const OTHERS: usize = 10;

fn unpacked(name: &str) -> Vec<Vec<u8>> {
    let packed = root().join(format!("tests/data/verdicts/{name}.slog.zst"));
    Slog::new(&zstd_dc(&packed)).lines
}

/// Five blocks of a real recording, and their last three: a replay of a hundred lines
/// is not in these.
fn bases() -> [Slog; 2] {
    let lines = [unpacked("base"), unpacked("8-base")].concat();
    let mut all = Slog { lines };
    // Crank numbers and activityhashes of the two excerpts as of one recording.
    renumber(&mut all, 0);
    let third = all.of_type("cosmic-swingset-begin-block")[2];
    let last = Slog {
        lines: all.lines[third..].to_vec(),
    };
    [last, all]
}

fn pairs() -> usize {
    let asked = std::env::var("HALTBOX_PAIRS").ok();
    let asked = asked.and_then(|text| text.parse().ok());
    asked.unwrap_or(if long() { 100_000 } else { 1_500 })
}

/// Nodes that did otherwise than the base, as often as they are asked for.
struct Others {
    cases: Vec<Case>,
    next: usize,
}

impl Others {
    fn of(base: &Slog, random: &mut Random) -> Others {
        let mut found = Vec::new();
        cases(base, random, 12, &mut |case| {
            let known = case.expected.exit == 1 && case.expected.words.is_none();
            if known {
                found.push(case);
            }
        });
        for at in (1..found.len()).rev() {
            found.swap(at, random.below(at as u64 + 1) as usize);
        }
        Others {
            cases: found,
            next: 0,
        }
    }

    fn next(&mut self) -> &Case {
        self.next += 1;
        &self.cases[self.next % self.cases.len()]
    }
}

/// Asks pairs of one base until there are enough of either kind.
fn ask(base: &Slog, folder: &Path, random: &mut Random, counts: &mut Counts, until: usize) {
    let mut others = Others::of(base, random);
    while counts.honest.pairs < until || counts.different.pairs < until {
        let mut made = 0;
        let mut path = || {
            made += 1;
            folder.join(format!("{made}"))
        };
        let mut nodes = vec![Member::plain(base, path())];
        nodes.extend((1..BATCH).map(|_| Member::honest(base, path(), random)));
        let mut different: Vec<Member> = Vec::new();
        if counts.different.pairs < until {
            different.extend((0..BATCH).map(|_| Member::other(others.next(), path(), random)));
        }
        nodes.iter().for_each(|node| counts.alone(node));
        different.iter().for_each(|node| counts.alone(node));
        let asked = Asked {
            nodes: &nodes,
            folder,
        };
        for (at, node) in nodes.iter().enumerate() {
            for _ in 0..OTHERS {
                let with = random.below(BATCH as u64) as usize;
                if counts.honest.pairs < until && with != at {
                    asked.honest(node, &nodes[with], random, counts);
                }
            }
        }
        for node in &different {
            for _ in 0..OTHERS {
                let with = random.below(BATCH as u64) as usize;
                if counts.different.pairs < until {
                    asked.different(&nodes[with], node, random, counts);
                }
            }
        }
    }
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn nobody_honest_is_accused_and_no_difference_is_called_identical() {
    let mut random = Random::seeded(30);
    let folder = tempfile::tempdir().expect("a folder");
    let mut counts = Counts::default();
    let [small, all] = bases();
    ask(
        &small,
        folder.path(),
        &mut random,
        &mut counts,
        pairs() * 3 / 4,
    );
    ask(&all, folder.path(), &mut random, &mut counts, pairs());
    counts.print();
    counts.hold();
}

/// Every kind, alone, against the recording itself and in every form.
#[test]
fn every_kind_alone_accuses_nobody() {
    let mut random = Random::seeded(31);
    let folder = tempfile::tempdir().expect("a folder");
    let mut counts = Counts::default();
    let times = if long() { 100 } else { 4 };
    for base in bases() {
        let plain = Member::plain(&base, folder.path().join("base"));
        let nodes = [plain];
        let asked = Asked {
            nodes: &nodes,
            folder: folder.path(),
        };
        for kind in honest::kinds() {
            for _ in 0..times {
                let recording = honest::of_kind(&base, kind, &mut random);
                let node = Member::of(recording, folder.path().join("one"), &mut random);
                counts.alone(&node);
                asked.honest(&nodes[0], &node, &mut random, &mut counts);
            }
        }
    }
    counts.print();
    counts.hold();
}

/// A crash before every line of every block: of small ones in all ways to start again,
/// and in the long form of two real ones with 9,500 lines.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_crash_at_every_line() {
    let mut random = Random::seeded(32);
    let folder = tempfile::tempdir().expect("a folder");
    let mut counts = Counts::default();
    let [small, all] = bases();
    let excerpt = Slog::new(&excerpt("honest-a"));
    let (ways, step) = if long() { (4, 1) } else { (1, 2) };
    crashes(&small, folder.path(), ways, step, &mut random, &mut counts);
    crashes(&all, folder.path(), ways, step, &mut random, &mut counts);
    if long() {
        crashes(&excerpt, folder.path(), 1, 1, &mut random, &mut counts);
    }
    counts.print();
    counts.hold();
}

fn crashes(
    base: &Slog,
    folder: &Path,
    ways: u64,
    step: usize,
    random: &mut Random,
    counts: &mut Counts,
) {
    let nodes = [Member::plain(base, folder.join("base"))];
    let asked = Asked {
        nodes: &nodes,
        folder,
    };
    for (block, (from, to)) in honest::blocks(base).into_iter().enumerate() {
        for at in (from + 1..to).step_by(step) {
            for _ in 0..ways {
                let recording = honest::crashed(base, block, at, random.draw());
                let node = Member::slog(recording, folder.join("crashed"));
                counts.alone(&node);
                asked.same(&nodes[0], &node, random, counts);
            }
        }
    }
}

/// The figures of both kinds, as the documentation has them.
#[test]
fn shares_are_of_what_was_asked() {
    let figures = Figures {
        pairs: 8,
        right: 2,
        insufficient: 4,
        ..Figures::default()
    };
    assert_eq!(figures.share(figures.right), "25.0 %");
    assert_eq!(figures.share(figures.insufficient), "50.0 %");
    assert_eq!(Figures::default().share(0), "0.0 %");
}

/// Hosts that run transactions: started and killed at other heights, with other tracers.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn hosts_that_restart_and_trace_otherwise_accuse_nobody() {
    let mut random = Random::seeded(33);
    let folder = tempfile::tempdir().expect("a folder");
    let chains = if long() { 1500 } else { 60 };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for chain in 0..chains {
        let path = |name: String| folder.path().join(name);
        let honest = (0..4)
            .map(|at| ledger::Node::execute(chain, None, path(format!("h{at}")), &mut random));
        let honest: Vec<_> = honest.collect();
        let faulty = ledger::FAULTS.iter().enumerate().map(|(at, fault)| {
            let height = 2 + random.below(5);
            ledger::Node::execute(
                chain,
                Some((*fault, height)),
                path(format!("f{at}")),
                &mut random,
            )
        });
        let faulty: Vec<_> = faulty.collect();
        held_to_names(&honest, &faulty, &mut counts);
        for (at, a) in honest.iter().enumerate() {
            for b in honest[at + 1..].iter().chain(&faulty) {
                held_to_truth(a, b, chain, &mut counts);
            }
        }
    }
    println!("{counts:#?}");
    let answered = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    assert!(
        answered("honest, exit 0") > answered("honest, exit 2"),
        "{counts:?}"
    );
    assert!(
        answered("different, exit 1") > answered("different, exit 2"),
        "{counts:?}"
    );
}

/// What honest nodes name alike, whatever they had in their caches, and what shows in a name.
fn held_to_names(
    honest: &[ledger::Node],
    faulty: &[ledger::Node],
    counts: &mut BTreeMap<String, u64>,
) {
    let mut known: BTreeMap<ledger::Recorded, (String, &str)> = BTreeMap::new();
    for node in honest {
        for (recorded, name) in node.names() {
            let first = known.entry(recorded).or_insert((name.clone(), &node.words));
            let words = (first.1, &node.words);
            assert_eq!(first.0, name, "TWO NAMES: {recorded:?} {words:?}");
            *counts
                .entry("names of honest nodes".to_owned())
                .or_default() += 1;
        }
    }
    for node in faulty.iter().filter(|node| node.shows_in_its_name()) {
        let last = node.names().into_iter().next_back();
        let Some((recorded, name)) = last else {
            continue;
        };
        if let Some((right, words)) = known.get(&recorded) {
            assert_ne!(
                *right, name,
                "ONE NAME: {:?} {words} {}",
                node.fault, node.words
            );
            *counts.entry("names of others".to_owned()).or_default() += 1;
        }
    }
}

fn held_to_truth(
    a: &ledger::Node,
    b: &ledger::Node,
    chain: u64,
    counts: &mut BTreeMap<String, u64>,
) {
    let truth = ledger::parting(a, b);
    let answers = [[a, b], [b, a]].map(|[a, b]| ledger::asked(&a.path, &b.path));
    let (exit, said, height) = &answers[0];
    let words = || {
        format!(
            "chain {chain}: A {}; B {:?} {}: {said} at {height:?}",
            a.words, b.fault, b.words
        )
    };
    assert_eq!(
        (answers[1].0, answers[1].2),
        (*exit, *height),
        "turned round: {} {}",
        words(),
        answers[1].1
    );
    let kind = match (truth, exit) {
        (None, 1) => panic!("ACCUSED: {}", words()),
        (Some(_), 0) => panic!("CALLED IDENTICAL: {}", words()),
        (Some(truth), 1) if height.is_some_and(|height| height != truth) => {
            panic!("ANOTHER PLACE than {truth}: {}", words())
        }
        (None, _) => "honest",
        (Some(_), _) => "different",
    };
    *counts.entry(format!("{kind}, exit {exit}")).or_default() += 1;
}
