//! Real consensus failures: what four validators of CometBFT do in each, which
//! of them freeze a box, and what the reader makes of the boxes.

mod message;
mod soak;
mod starts;
mod unlinked;
mod wrong;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::valnode::{Chain, Validator, Version};
use crate::{output, run, text, wait_until};
use message::{check_decided, check_message};

/// A scenario: what happens, and the way it is played.
pub struct Scenario {
    /// A few words.
    pub name: &'static str,
    /// CometBFT's releases that it is played with.
    pub versions: &'static [Version],
    /// Plays it with the program of a version; whatever is not as it should be
    /// is a panic.
    pub play: fn(Version) -> Row,
}

impl Scenario {
    const fn new(name: &'static str, play: fn(Version) -> Row) -> Scenario {
        Scenario {
            name,
            versions: &[Version::V038, Version::V040],
            play,
        }
    }

    /// For validators without the recorder, older ones too.
    const fn unlinked(name: &'static str, play: fn(Version) -> Row) -> Scenario {
        Scenario {
            name,
            versions: &[Version::V037, Version::V038, Version::V040],
            play,
        }
    }
}

/// What is told of a scenario.
#[derive(Debug, Default)]
pub struct Row {
    /// Nodes that froze a box.
    pub froze: Vec<usize>,
    /// Names of the boxes.
    pub names: Vec<String>,
    /// The reader's verdict.
    pub verdict: String,
    /// Where.
    pub place: String,
    /// What else is worth a word.
    pub note: String,
}

/// All of them.
pub const SCENARIOS: [Scenario; 20] = [
    Scenario::new("one of four writes another value", wrong::one_of_four),
    Scenario::new(
        "the same, with the SDK's logger",
        wrong::beside_the_sdk_logger,
    ),
    Scenario::new("two of four: the chain halts", wrong::two_of_four),
    Scenario::new("the divergent node proposes next", wrong::next_proposer),
    Scenario::new("the divergent node is restarted", starts::restarted),
    Scenario::new("one more gas used", wrong::gas),
    Scenario::new("other data in a result", wrong::data),
    Scenario::new("keys in the order of a map", wrong::map_order),
    Scenario::new("another build", wrong::other_build),
    Scenario::new("a stale read after a query", wrong::stale_read),
    Scenario::new("another application database", starts::swapped_database),
    Scenario::new("SIGKILL inside FinalizeBlock", starts::killed_in_block),
    Scenario::new(
        "SIGKILL between FinalizeBlock and Commit",
        starts::killed_before_commit,
    ),
    Scenario::new(
        "an application in Rust behind a socket",
        unlinked::behind_a_socket,
    ),
    Scenario::unlinked("the node's log alone: plain", unlinked::log_plain),
    Scenario::unlinked("the node's log alone: JSON", unlinked::log_json),
    Scenario::unlinked("the node's log alone: the SDK's", unlinked::log_sdk),
    Scenario::unlinked(
        "the node's log alone: the SDK's JSON",
        unlinked::log_sdk_json,
    ),
    Scenario {
        name: "the divergent node replays its log",
        versions: &[Version::V037],
        play: unlinked::replays_its_log,
    },
    Scenario::new("nothing happens", soak::soak),
];

/// The one of these names.
pub fn scenario(name: &str) -> &'static Scenario {
    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
    found.unwrap_or_else(|| panic!("no scenario {name:?}"))
}

/// The node that goes wrong where one does, and one that does not.
const DIVERGENT: usize = 2;
const HEALTHY: usize = 0;

fn program(version: Version) -> &'static Path {
    version.program()
}

fn started(version: Version, options: &[&str]) -> Chain {
    let chain = Chain::start(program(version), options);
    chain.wait_height(4);
    chain
}

/// One node goes wrong; gives the chain when that node's box is there, and the
/// height.
fn diverged(version: Version, options: &[&str], kind: &str, at: (u32, u32)) -> (Chain, u64) {
    let chain = started(version, options);
    let height = chain.soon();
    chain.nodes[DIVERGENT].arm(kind, height, at.0, at.1);
    wait_for_box(&chain.nodes[DIVERGENT]);
    (chain, height)
}

fn wait_for_box(node: &Validator) {
    wait_until(&format!("a box of {}", node.home.display()), || {
        !node.boxes().is_empty()
    });
}

/// The height of its only box.
fn frozen_height(node: &Validator) -> u64 {
    let path = node.only_box();
    let name = path.file_name().expect("a name").to_string_lossy();
    let height = name
        .split('-')
        .next()
        .and_then(|height| height.parse().ok());
    height.expect("a height")
}

/// What the healthy node hands out of a height, and how the divergent one's box
/// compares with it.
fn judge(chain: &Chain, height: u64, class: &str) -> Row {
    let healthy = &chain.nodes[HEALTHY];
    let asked = output(
        0,
        &[
            "freeze",
            text(&healthy.haltbox()),
            "--height",
            &height.to_string(),
        ],
    );
    assert!(
        String::from_utf8_lossy(&asked).contains("quote"),
        "{asked:?}"
    );
    let field = match class {
        "results only" => "LastResultsHash",
        _ => "AppHash",
    };
    check_decided(chain, height, field);
    chain.nodes.iter().for_each(check_disk);
    let [ours, theirs] = [healthy, &chain.nodes[DIVERGENT]].map(Validator::only_box);
    let row = compared(&ours, &theirs, class);
    Row {
        froze: vec![DIVERGENT],
        names: chain.nodes[DIVERGENT].boxes(),
        ..row
    }
}

fn compared(ours: &Path, theirs: &Path, class: &str) -> Row {
    let said = run(&["diff", text(ours), text(theirs), "--json"]);
    let found: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(found["verdict"], class, "{found:#}");
    assert_eq!(said.status.code(), Some(1));
    let place = &found["place"];
    let of = |name: &str| {
        place[name]
            .as_u64()
            .map(|number| format!("{name} {number}"))
    };
    let kind = place["type"].as_str().map(str::to_owned);
    let words = [of("height"), of("tx"), of("op"), kind];
    Row {
        verdict: class.to_owned(),
        place: words.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ..Row::default()
    }
}

/// Nodes other than the divergent one go on, and have no box.
fn check_healthy(chain: &Chain, further: u64) {
    let goal = chain.nodes[HEALTHY].height().expect("it answers") + further;
    for (number, node) in chain.nodes.iter().enumerate() {
        if number != DIVERGENT {
            wait_until(&format!("height {goal}"), || {
                node.height().is_some_and(|now| now >= goal)
            });
            assert_eq!(node.boxes(), [""; 0], "node {number}");
        }
    }
}

/// What the recorder of a test's node may take: a ring of 16 MiB, and some small
/// boxes.
fn check_disk(node: &Validator) {
    let bytes = bytes_of(&node.haltbox());
    assert!(bytes < 20 << 20, "{bytes} bytes in {}", node.home.display());
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The AppHash that a node's own log gives for a height, whatever its form and
/// release.
fn logged_hash(node: &Validator, height: u64) -> String {
    let height = format!("height={height}");
    let log = node.log();
    let told = |line: &&str| line.contains("executed block") || line.contains("committed state");
    let hash = log.lines().filter(told).find_map(|line| {
        let plain = line
            .replace('"', "")
            .replace(':', "=")
            .replace([',', '}'], " ");
        let words = || plain.split_whitespace();
        words().find(|word| *word == height)?;
        let hash = words().find_map(|word| word.strip_prefix("app_hash="))?;
        Some(hash.to_owned())
    });
    hash.expect("a line with the hash")
}
