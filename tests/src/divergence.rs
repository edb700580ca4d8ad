//! Real consensus failures: what four validators of CometBFT do in each, which
//! of them freeze a box, and what the reader makes of the boxes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::valnode::{Chain, Homes, VALIDATORS, Validator, Version};
use crate::{boxes, output, programs, run, text, wait_until};

/// A scenario: what happens, and the way it is played.
pub struct Scenario {
    /// A few words.
    pub name: &'static str,
    /// Plays it with the program of a version; whatever is not as it should be
    /// is a panic.
    pub play: fn(Version) -> Row,
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
pub const SCENARIOS: [Scenario; 14] = [
    Scenario {
        name: "one of four writes another value",
        play: one_of_four,
    },
    Scenario {
        name: "two of four: the chain halts",
        play: two_of_four,
    },
    Scenario {
        name: "the divergent node proposes next",
        play: next_proposer,
    },
    Scenario {
        name: "the divergent node is restarted",
        play: restarted,
    },
    Scenario {
        name: "one more gas used",
        play: gas,
    },
    Scenario {
        name: "other data in a result",
        play: data,
    },
    Scenario {
        name: "keys in the order of a map",
        play: map_order,
    },
    Scenario {
        name: "another build",
        play: other_build,
    },
    Scenario {
        name: "a stale read after a query",
        play: stale_read,
    },
    Scenario {
        name: "another application database",
        play: swapped_database,
    },
    Scenario {
        name: "SIGKILL inside FinalizeBlock",
        play: killed_in_block,
    },
    Scenario {
        name: "SIGKILL between FinalizeBlock and Commit",
        play: killed_before_commit,
    },
    Scenario {
        name: "an application in Rust behind a socket",
        play: behind_a_socket,
    },
    Scenario {
        name: "nothing happens",
        play: soak,
    },
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
    version
        .program()
        .expect("Go, which the caller has looked for")
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

/// Two hashes of one field, as the node's own log tells them.
struct Told {
    field: String,
    own: String,
    network: String,
}

fn told_by_the_log(node: &Validator) -> Told {
    let log = node.log();
    let failure = log.lines().find(|line| line.contains("CONSENSUS FAILURE"));
    let wrong = failure.and_then(|line| line.split("wrong Block.Header.").nth(1));
    let wrong = wrong.expect("a failure of hashes");
    let (field, hashes) = wrong.split_once(".  Expected ").expect("two hashes");
    let (own, network) = hashes.split_once(", got ").expect("two hashes");
    let network = network.split('"').next().expect("a hash");
    Told {
        field: field.to_owned(),
        own: own.to_owned(),
        network: network.to_owned(),
    }
}

/// The words the operator reads, all of them; `app` is what is quoted of the
/// AppHashes.
fn check_message(node: &Validator, height: u64, told: &Told, app: &str) {
    let Told {
        field,
        own,
        network,
    } = told;
    let path = node.only_box();
    let name = path.file_name().expect("a name").to_string_lossy();
    let told = fs::read_to_string(node.haltbox().join("boxes/CONSENSUS_FAILURE.txt"));
    let told = told.expect("a message");
    let lines: Vec<&str> = told.lines().collect();
    let [_time, what, file, quote, upload, keep, ..] = lines.as_slice() else {
        panic!("{told}")
    };
    assert_eq!(
        *what,
        format!(
            "haltbox: DIVERGED at height {height}: {field} differs, this node has {own}, the network {network}"
        )
    );
    assert!(
        file.starts_with(&format!("  black box  {} (", path.display())),
        "{file}"
    );
    assert_eq!(*quote, format!("  quote      {name} app={app}"));
    assert!(name.starts_with(&format!("{height}-")), "{name}");
    assert_eq!(
        *upload,
        "  please upload the black box: to the validators' channel"
    );
    assert_eq!(
        *keep,
        "  do not roll back, resync or prune before you copied it"
    );
}

/// The AppHash that a node's own log gives for a height.
fn logged_hash(node: &Validator, height: u64) -> String {
    let log = node.log();
    let of_height = format!("height={height} ");
    let line = log
        .lines()
        .find(|line| line.contains("executed block") && line.contains(&of_height));
    let line = line.expect("a line of the execution");
    let hash = line.split("app_hash=").nth(1).expect("a hash");
    hash.split_whitespace().next().expect("a hash").to_owned()
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

fn one_of_four(version: Version) -> Row {
    let (chain, height) = diverged(version, &[], "value", (3, 2));
    check_healthy(&chain, 20);
    let divergent = &chain.nodes[DIVERGENT];
    let told = told_by_the_log(divergent);
    assert_eq!(told.field, "AppHash");
    assert_eq!(told.own, logged_hash(divergent, height));
    assert_eq!(told.network, chain.nodes[HEALTHY].app_hash(height));
    let app = format!("{}/{}", &told.own[..8], &told.network[..8]);
    check_message(divergent, height, &told, &app);
    let row = judge(&chain, height, "execution differs");
    assert_eq!(row.place, format!("height {height}, tx 3, op 2, op-write"));
    row
}

/// No value has two thirds, so no node ever prints CONSENSUS FAILURE.
fn two_of_four(version: Version) -> Row {
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
fn next_proposer(version: Version) -> Row {
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

fn restarted(version: Version) -> Row {
    let (mut chain, height) = diverged(version, &[], "value", (2, 2));
    check_healthy(&chain, 5);
    let path = chain.nodes[DIVERGENT].only_box();
    let evidence = fs::read(&path).expect("a box");
    let mut ends = Vec::new();
    for _ in 0..3 {
        let node = &mut chain.nodes[DIVERGENT];
        node.stop();
        let before = node.log().matches("Error in validation").count();
        node.start();
        let mut end = None;
        wait_until("the divergent node to fail again", || {
            let blamed = node.log().matches("Error in validation").count() > before;
            end = match (node.runs(), blamed) {
                (false, _) => Some("panics"),
                (true, true) => Some("blames its peers"),
                (true, false) => None,
            };
            end.is_some()
        });
        ends.extend(end);
    }
    let node = &chain.nodes[DIVERGENT];
    assert_eq!(node.boxes().len(), 1, "{:?}", node.boxes());
    assert!(
        fs::read(&path).expect("a box") == evidence,
        "the box is another"
    );
    output(0, &["verify", text(&node.haltbox().join("ring"))]);
    let row = judge(&chain, height, "execution differs");
    Row {
        note: format!("3 restarts: {}; the box is unchanged", ends.join(", ")),
        ..row
    }
}

fn results_only(version: Version, kind: &str) -> Row {
    let (chain, height) = diverged(version, &[], kind, (4, 0));
    check_healthy(&chain, 5);
    let row = judge(&chain, height, "results only");
    assert_eq!(row.place, format!("height {height}, tx 4, tx-result"));
    let divergent = &chain.nodes[DIVERGENT];
    let told = told_by_the_log(divergent);
    assert_eq!(told.field, "LastResultsHash");
    // Nobody said anything of the network's AppHash.
    let own = logged_hash(divergent, height);
    check_message(divergent, height, &told, &format!("{}/unknown", &own[..8]));
    row
}

fn gas(version: Version) -> Row {
    results_only(version, "gas")
}

fn data(version: Version) -> Row {
    results_only(version, "data")
}

fn map_order(version: Version) -> Row {
    let (chain, height) = diverged(version, &["-txs", "8"], "order", (0, 0));
    check_healthy(&chain, 5);
    judge(&chain, height, "order differs")
}

/// It catches up in block sync, where nobody fails: it blames its peers.
fn other_build(version: Version) -> Row {
    let mut chain = started(version, &["-persist", "5"]);
    let node = &mut chain.nodes[DIVERGENT];
    node.stop();
    node.program = version.other_build().expect("Go");
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
fn stale_read(version: Version) -> Row {
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
            wait_until("the block before", || {
                node.height().is_some_and(|now| now + 1 >= next)
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

/// The application's database of another time under the same name: CometBFT
/// panics in the handshake, before anything is executed.
fn swapped_database(version: Version) -> Row {
    let mut chain = started(version, &[]);
    chain.wait_height(8);
    let node = &mut chain.nodes[DIVERGENT];
    node.stop();
    let file = node.home.join("data/app.json");
    let sound = fs::read(&file).expect("a state");
    let mut state: Value = serde_json::from_slice(&sound).expect("JSON");
    let height = state["Height"].as_u64().expect("a height");
    state["AppHash"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    fs::write(&file, state.to_string()).expect("a state");
    node.start();
    let end = node.wait_end();
    assert_eq!(end.code(), Some(2), "{end}");
    let words = "state.AppHash does not match AppHash after replay";
    assert!(node.errors().contains(words), "{}", node.errors());
    let status = crate::status(&node.haltbox());
    assert_eq!(status["head"], height, "{status:#}");
    // Whoever puts the right one back has a node that goes on.
    fs::write(&file, sound).expect("a state");
    node.start();
    node.wait_height(height + 5);
    check_healthy(&chain, 5);
    let boxes = chain.nodes[DIVERGENT].boxes();
    Row {
        froze: (!boxes.is_empty())
            .then_some(DIVERGENT)
            .into_iter()
            .collect(),
        names: boxes,
        note: "exit 2; the ring opens, and tells the last height".to_owned(),
        ..Row::default()
    }
}

/// The block is executed again after the restart: two attempts at one height,
/// and no divergence.
fn killed(version: Version, kind: &str) -> Row {
    let mut chain = started(version, &[]);
    let height = chain.soon();
    let node = &mut chain.nodes[DIVERGENT];
    node.arm(kind, height, 3, 1);
    let end = node.wait_end();
    assert!(!end.success(), "{end}");
    node.start();
    node.wait_height(height + 5);
    let dir = node.haltbox();
    let lines = |attempt: &str| -> String {
        let asked = ["--height", &height.to_string(), "--attempt", attempt];
        let cat = output(0, &[&["cat", text(&dir)], asked.as_slice()].concat());
        let cat = String::from_utf8(cat).expect("UTF-8");
        let entries = cat.lines().filter(|line| line.starts_with("{\"type\":\""));
        entries.map(|line| format!("{line}\n")).collect()
    };
    let (first, second) = (lines("1"), lines("2"));
    assert!(
        !first.is_empty() && !first.contains("commit-block"),
        "{first}"
    );
    assert!(second.contains("commit-block"), "{second}");
    // Behind what a kill cut off stands the start that followed.
    let executed = |lines: &str| -> Vec<String> {
        let ends = ["end-block", "commit-block", "host-start"];
        let counts = |line: &&str| !ends.iter().any(|end| line.contains(end));
        lines.lines().filter(counts).map(str::to_owned).collect()
    };
    let (before, after) = (executed(&first), executed(&second));
    assert!(
        before.len() > 10 && after.starts_with(&before),
        "{before:#?}\n{after:#?}"
    );
    check_healthy(&chain, 5);
    assert_eq!(chain.nodes[DIVERGENT].boxes(), [""; 0]);
    Row {
        note: format!(
            "attempt 1 has {} entries, attempt 2 {}",
            first.lines().count(),
            second.lines().count()
        ),
        ..Row::default()
    }
}

fn killed_in_block(version: Version) -> Row {
    killed(version, "kill")
}

fn killed_before_commit(version: Version) -> Row {
    killed(version, "kill-commit")
}

/// A node whose application is another process, which links the recorder and
/// reads the node's log from a pipe.
struct Remote {
    node: Child,
    application: Child,
    dir: PathBuf,
}

impl Remote {
    fn start(homes: &Homes, number: usize, cometbft: &Path, fault: &[String]) -> Remote {
        let address = homes.application(number);
        let mut node = Command::new(cometbft)
            .args(["start", "--home", text(&homes.home(number))])
            .args([
                "--abci",
                "socket",
                "--proxy_app",
                &format!("tcp://{address}"),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cometbft starts");
        let dir = homes.home(number).join("haltbox");
        let application = Command::new(programs().join("abci-app"))
            .args([&address, text(&dir)])
            .args(fault)
            .stdin(node.stdout.take().expect("a pipe"))
            .spawn()
            .expect("abci-app starts");
        Remote {
            node,
            application,
            dir,
        }
    }

    fn boxes(&self) -> Vec<PathBuf> {
        match self.dir.join("boxes").is_dir() {
            true => boxes(&self.dir),
            false => Vec::new(),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        for child in [&mut self.node, &mut self.application] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn behind_a_socket(version: Version) -> Row {
    let cometbft = version
        .cometbft()
        .expect("Go, which the caller has looked for");
    let homes = Homes::of(program(version));
    let height = 8;
    let nodes: Vec<Remote> = (0..VALIDATORS)
        .map(|number| {
            let fault = [height.to_string(), "5".to_owned()];
            let fault = if number == DIVERGENT { &fault[..] } else { &[] };
            Remote::start(&homes, number, &cometbft, fault)
        })
        .collect();
    wait_until("a box", || !nodes[DIVERGENT].boxes().is_empty());
    for (number, node) in nodes.iter().enumerate() {
        assert_eq!(node.boxes().len(), usize::from(number == DIVERGENT));
    }
    let healthy = text(&nodes[HEALTHY].dir);
    output(0, &["freeze", healthy, "--height", &height.to_string()]);
    let [ours, theirs] = [HEALTHY, DIVERGENT].map(|number| nodes[number].boxes().remove(0));
    let row = compared(&ours, &theirs, "execution differs");
    assert_eq!(row.place, format!("height {height}, tx 5, op 1, op-write"));
    let name = theirs.file_name().expect("a name").to_string_lossy();
    Row {
        froze: vec![DIVERGENT],
        names: vec![name.into_owned()],
        note: "CometBFT's own program, its log through a pipe".to_owned(),
        ..row
    }
}

/// Ten thousand blocks, in which nothing may be frozen.
fn soak(version: Version) -> Row {
    let (ring, archive) = (16 << 20, 4 << 20);
    let bounds = ["-ring", &ring.to_string(), "-archive", &archive.to_string()];
    let chain = Chain::start(program(version), &[&["-fast"], bounds.as_slice()].concat());
    let begun = Instant::now();
    let goal = 10_000;
    let mut most = 0;
    let mut reached = 0;
    while reached < goal {
        std::thread::sleep(Duration::from_secs(1));
        let now = chain.nodes[HEALTHY].height().unwrap_or(reached);
        let stuck = begun.elapsed() > Duration::from_secs(60) && now == 0;
        assert!(
            !stuck && begun.elapsed() < Duration::from_secs(3600),
            "height {now}"
        );
        reached = now;
        most = most.max(bytes_of(&chain.nodes[HEALTHY].haltbox()));
    }
    for node in &chain.nodes {
        assert_eq!(node.boxes(), [""; 0]);
        assert_eq!(
            crate::status(&node.haltbox())["attention"],
            serde_json::json!([])
        );
    }
    // A part that is being written stands beside what it replaces.
    assert!(most < ring + 2 * archive, "{most} bytes");
    let seconds = begun.elapsed().as_secs();
    Row {
        note: format!(
            "{reached} blocks in {seconds} s, at most {} MiB of disk",
            most >> 20
        ),
        ..Row::default()
    }
}
