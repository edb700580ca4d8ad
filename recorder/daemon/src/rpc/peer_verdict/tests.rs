//! Answers of nodes, and what follows: each case is a row.

use std::time::Duration;

use haltbox_format::Stream;
use haltbox_format::mark::Position;

use super::*;

/// A recorder's blocks, and nodes that answer about them.
struct Scene {
    life: Lifecycle,
    witnesses: Witnesses,
    at: u64,
    told: Vec<String>,
}

fn hash(name: &str) -> AppHash {
    let byte = name.bytes().next().unwrap_or(0);
    AppHash::new(&[byte; 4]).expect("four bytes")
}

/// The hash that everybody has after a height.
fn usual(height: u64) -> AppHash {
    AppHash::new(&[height as u8; 4]).expect("four bytes")
}

impl Scene {
    fn new(own: bool, peers: usize) -> Scene {
        let endpoint = |n: usize| format!("http://p{n}:1").parse().expect("a URL");
        let options = Options {
            own: own.then(|| "http://own:1".parse().expect("a URL")),
            peers: (0..peers).map(endpoint).collect(),
            every: Duration::from_secs(2),
        };
        Scene {
            life: Lifecycle::default(),
            witnesses: Witnesses::new(&options),
            at: 0,
            told: Vec::new(),
        }
    }

    fn event(&mut self, event: &Event) {
        self.at += 1;
        let place = |main| Position { main, local: 0 };
        self.life
            .on(event, Stream::Node, place(self.at), place(self.at + 1));
    }

    /// Executes and commits a height.
    fn run(&mut self, height: u64, app_hash: Option<AppHash>) {
        let early = false;
        self.event(&Event::Begin { height, early });
        self.event(&Event::End { height });
        self.event(&Event::Commit { height, app_hash });
    }

    fn say(&mut self, by: By, what: What) {
        if let Some(outcome) = self.witnesses.take(Said { by, what }) {
            self.note(outcome);
        }
        self.weigh();
    }

    fn weigh(&mut self) {
        for _ in 0..3 {
            for outcome in self.witnesses.weigh(&self.life) {
                self.note(outcome);
            }
        }
    }

    fn note(&mut self, outcome: Outcome) {
        let text = match &outcome {
            Outcome::Say(words) => format!("say {words}"),
            Outcome::Tell(event, _) => match event {
                Event::Mismatch(seen) => format!("{:?} {}", seen.weight, seen.height.unwrap_or(0)),
                Event::Confirm { height, .. } => format!("confirm {height}"),
                Event::LocalHash { height, app_hash } => format!("hash {height} {app_hash}"),
                other => format!("{other:?}"),
            },
            Outcome::Still(_) => "still".to_owned(),
        };
        if let Outcome::Tell(event, _) = &outcome {
            self.event(event);
        }
        self.told.push(text);
    }

    fn decided(&mut self, peer: usize, height: u64, app_hash: AppHash, chain: &str, block: &str) {
        let what = What::Decided {
            height,
            chain: chain.to_owned(),
            block: hash(block),
            app_hash,
        };
        self.say(By::Peer(peer), what);
    }

    /// A step `VERB NUMBER WORD...`. The rows show the verbs.
    fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        let word = |n: usize| words.get(n).copied().unwrap_or("");
        let number = |n: usize| word(n).parse::<u64>().unwrap_or(0);
        let of = |n: usize, height| match word(n) {
            "=" => usual(height),
            other => hash(other),
        };
        let height = number(1);
        match word(0) {
            "run" => self.run(height, Some(usual(height))),
            "run-unknown" => self.run(height, None),
            "begin" => self.event(&Event::Begin {
                height,
                early: false,
            }),
            "chain" => self.say(By::Own, What::Chain(word(1).to_owned())),
            "head" => {
                let app_hash = of(2, height - 1);
                let block = hash("b");
                self.say(
                    By::Own,
                    What::Head {
                        height,
                        block,
                        app_hash,
                    },
                );
            }
            "app" => {
                let app_hash = of(2, height);
                self.say(By::Own, What::Application { height, app_hash });
            }
            "proposal" => {
                let (app_hash, round) = (of(2, height), number(3));
                self.say(
                    By::Own,
                    What::Proposed {
                        height,
                        round,
                        app_hash,
                    },
                );
            }
            "silent" => self.say(By::Own, What::Silent("refused".to_owned())),
            "peer-chain" => self.say(By::Peer(height as usize), What::Chain(word(2).to_owned())),
            "peer-silent" => self.say(By::Peer(height as usize), What::Silent("late".to_owned())),
            "peer" => {
                let block = if word(4).is_empty() { "b" } else { word(4) };
                let app_hash = of(3, number(2));
                self.decided(height as usize, number(2), app_hash, "c", block);
            }
            other => panic!("no step {other}"),
        }
    }
}

/// Name, whether the own node is asked, number of peers, steps, outcomes, and
/// the state of height 7.
type Row = (&'static str, bool, usize, &'static str, &'static str, State);

const ROWS: [Row; 24] = [
    (
        "own header agrees",
        true,
        0,
        "run 7; head 8 =",
        "confirm 7",
        State::Confirmed,
    ),
    (
        "it came before the entries",
        true,
        0,
        "head 8 =; run 7; head 8 =",
        "confirm 7",
        State::Confirmed,
    ),
    (
        "own header differs, again and again",
        true,
        0,
        "run 7; head 8 x; head 8 x",
        "confirm 7",
        State::Pinned,
    ),
    (
        "latest_app_hash is of the height before",
        true,
        0,
        "run 7; head 7 =",
        "",
        State::Committed,
    ),
    (
        "own hash unknown",
        true,
        0,
        "run-unknown 7; head 8 =",
        "",
        State::Committed,
    ),
    (
        "own hash from the application",
        true,
        0,
        "run-unknown 7; app 7 =; head 8 =",
        "hash 7 07070707|confirm 7",
        State::Confirmed,
    ),
    (
        "the application before the entries",
        true,
        0,
        "app 7 =; run-unknown 7; head 7 =",
        "hash 7 07070707",
        State::Committed,
    ),
    (
        "another node's application",
        true,
        0,
        "run 7; app 7 x; app 7 x; proposal 7 y 0",
        "Quoted 7",
        State::Pinned,
    ),
    (
        "not executed to its end",
        true,
        0,
        "begin 7; app 7 =; head 8 =",
        "",
        State::Open,
    ),
    (
        "a proposal agrees",
        true,
        0,
        "run 7; proposal 7 = 0",
        "",
        State::Committed,
    ),
    (
        "a proposal differs in two rounds",
        true,
        0,
        "run 7; proposal 7 x 0; proposal 7 x 0; proposal 7 x 1",
        "Seen 7|still|Seen 7",
        State::Pinned,
    ),
    (
        "and then the next block comes",
        true,
        0,
        "run 7; proposal 7 x 0; head 8 =",
        "Seen 7|confirm 7",
        State::Confirmed,
    ),
    (
        "a proposal for a decided height",
        true,
        0,
        "run 7; head 8 =; proposal 7 x 1",
        "confirm 7",
        State::Confirmed,
    ),
    (
        "the only peer agrees",
        false,
        1,
        "run 7; peer-chain 0 c; peer 0 7 =",
        "confirm 7",
        State::Confirmed,
    ),
    (
        "the only peer contradicts",
        false,
        1,
        "run 7; peer-chain 0 c; peer 0 7 x",
        "Proved 7",
        State::Diverged,
    ),
    (
        "one of two agrees",
        false,
        2,
        "run 7; peer-chain 0 c; peer 0 7 =",
        "",
        State::Committed,
    ),
    (
        "one of two contradicts",
        false,
        2,
        "run 7; peer-chain 0 c; peer 0 7 x; peer 0 7 x",
        "Seen 7|still",
        State::Pinned,
    ),
    (
        "then the other does",
        false,
        2,
        "run 7; peer-chain 0 c; peer-chain 1 c; peer 0 7 x; peer 1 7 x",
        "Seen 7|Proved 7",
        State::Diverged,
    ),
    (
        "peers disagree",
        false,
        2,
        "run 7; peer-chain 0 c; peer-chain 1 c; peer 0 7 x; peer 1 7 =; peer 1 7 =",
        "Seen 7|Quoted 7",
        State::Pinned,
    ),
    (
        "two of three agree",
        false,
        3,
        "run 7; peer-chain 0 c; peer-chain 1 c; peer 0 7 =; peer 1 7 =",
        "confirm 7",
        State::Confirmed,
    ),
    (
        "another chain",
        true,
        1,
        "run 7; chain c; peer-chain 0 d; peer 0 7 x; peer 0 7 x",
        "say the peer http://p0:1 is not used for comparison: it belongs to the chain \"d\", this node to \"c\"",
        State::Committed,
    ),
    (
        "another fork",
        true,
        1,
        "run 7; chain c; head 7 =; peer-chain 0 c; peer 0 7 x z; peer 0 7 x z",
        "say the peer http://p0:1 is not used for comparison: its block 7 is not the one of this node",
        State::Committed,
    ),
    (
        "peers of two chains, and the own is unknown",
        false,
        2,
        "run 7; peer-chain 0 c; peer-chain 1 d; peer 0 7 x",
        "say the peer http://p0:1 is not used for comparison: the peers belong to different chains|say the peer http://p1:1 is not used for comparison: the peers belong to different chains",
        State::Committed,
    ),
    (
        "the own chain is awaited, until it falls silent",
        true,
        1,
        "run 7; peer-chain 0 c; peer 0 7 x; peer-silent 0; silent; peer 0 7 x",
        "say the RPC of http://p0:1 does not answer (which does not mean that the chain has a problem): late|say the RPC of http://own:1 does not answer (which does not mean that the chain has a problem): refused|Proved 7",
        State::Diverged,
    ),
];

#[test]
fn what_is_told_leads_to_what_follows() {
    let mut faults = Vec::new();
    for (name, own, peers, steps, expected, state) in ROWS {
        let mut scene = Scene::new(own, peers);
        steps.split("; ").for_each(|step| scene.step(step));
        let told = scene.told.join("|");
        let found = scene.life.latest(7).map(|block| block.state);
        if told != expected || found != Some(state) {
            faults.push(format!(
                "{name}: {told:?} and {found:?}, expected {expected:?} and {state:?}"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_wrong_node_s_progress_releases_nothing() {
    let mut scene = Scene::new(true, 0);
    scene.run(7, Some(usual(7)));
    for height in 8..200 {
        scene.step(&format!("head {height} x"));
        scene.step(&format!("app {height} x"));
    }
    let block = scene.life.latest(7).expect("height 7");
    assert_eq!(block.state, State::Pinned, "{:?}", scene.told);
}

#[test]
fn another_attempt_is_judged_anew() {
    let mut scene = Scene::new(false, 1);
    scene.run(7, Some(usual(7)));
    scene.step("peer-chain 0 c");
    scene.step("peer 0 7 x");
    scene.run(7, Some(usual(7)));
    scene.step("peer 0 7 x");
    assert_eq!(scene.told, ["Proved 7", "Proved 7"]);
}

#[test]
fn peers_are_asked_about_what_is_undecided_alone() {
    let mut scene = Scene::new(false, 1);
    (5..=7).for_each(|height| scene.run(height, Some(usual(height))));
    assert_eq!(scene.witnesses.wanted(&scene.life), [7]);
    scene.run(8, None);
    assert_eq!(scene.witnesses.wanted(&scene.life), Vec::<u64>::new());
}
