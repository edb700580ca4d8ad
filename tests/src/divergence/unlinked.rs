//! Nodes in which nothing of Haltbox runs: what they log goes to an application
//! in another process, or to `haltbox record`.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::message::alert_in;
use super::*;
use crate::valnode::{Homes, VALIDATORS};
use crate::{Recorder, boxes, programs};

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
            .stderr(File::create(homes.home(number).join("said")).expect("a file"))
            .spawn()
            .expect("abci-app starts");
        Remote {
            node,
            application,
            dir,
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.with_file_name("said")).expect("a file")
    }

    fn boxes(&self) -> Vec<PathBuf> {
        boxes(&self.dir)
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

pub(super) fn behind_a_socket(version: Version) -> Row {
    let cometbft = version.cometbft();
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
    let what = format!("haltbox: DIVERGED at height {height}: AppHash differs, this node has ");
    assert!(alert_in(&nodes[DIVERGENT].dir).contains(&what));
    wait_until("the application to say so", || {
        nodes[DIVERGENT].said().contains(&what)
    });
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

/// The node's log is all there is, and `haltbox record` follows it. That is
/// enough to keep what was said and to tell the operator, not to name a step.
fn log_alone(version: Version, format: &str) -> Row {
    let chain = started(version, &["-off", "-log", format]);
    let _recorders: Vec<Recorder> = chain.nodes.iter().map(follow).collect();
    chain.wait_height(chain.soon());
    let height = chain.soon();
    chain.nodes[DIVERGENT].arm("value", height, 3, 2);
    wait_for_box(&chain.nodes[DIVERGENT]);
    check_healthy(&chain, 5);
    let divergent = &chain.nodes[DIVERGENT];
    check_decided(&chain, height, "AppHash");
    let healthy = chain.nodes[HEALTHY].haltbox();
    let height = height.to_string();
    output(0, &["freeze", text(&healthy), "--height", &height]);
    let [ours, theirs] = [HEALTHY, DIVERGENT].map(|number| chain.nodes[number].only_box());
    let found = output(2, &["diff", text(&ours), text(&theirs), "--json"]);
    let found: Value = serde_json::from_slice(&found).expect("JSON");
    assert_eq!(found["verdict"], "evidence insufficient", "{found:#}");
    Row {
        froze: vec![DIVERGENT],
        names: divergent.boxes(),
        verdict: "evidence insufficient".to_owned(),
        note: "a log tells the height and both hashes, no steps".to_owned(),
        ..Row::default()
    }
}

fn follow(node: &Validator) -> Recorder {
    let log = node.home.join("log");
    let arguments = ["--profile", "cosmos", "--size", "16M", "--node-log"];
    let hint = ["--upload-hint", "to the validators' channel"];
    let arguments = [&arguments[..], &[text(&log)], &hint].concat();
    Recorder::start(&node.haltbox(), &arguments, Stdio::null())
}

pub(super) fn log_plain(version: Version) -> Row {
    log_alone(version, "plain")
}

pub(super) fn log_json(version: Version) -> Row {
    log_alone(version, "json")
}

pub(super) fn log_sdk(version: Version) -> Row {
    log_alone(version, "sdk")
}

pub(super) fn log_sdk_json(version: Version) -> Row {
    log_alone(version, "sdk-json")
}

/// A node that does not begin with block sync plays the write-ahead log of its
/// consensus again, and comes to the same failure, where nobody recovers it: the
/// panic goes to standard error, which `haltbox run` reads too.
pub(super) fn replays_its_log(version: Version) -> Row {
    let mut chain = started(version, &[]);
    let node = &mut chain.nodes[DIVERGENT];
    node.stop();
    let haltbox = text(&programs().join("haltbox")).to_owned();
    let dir = text(&node.haltbox()).to_owned();
    let words = [&haltbox, "run", "--profile", "cosmos", "--size", "16M"];
    node.under = [&words[..], &["--dir", &dir, "--tee", "--"]]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    node.start();
    chain.wait_height(8);
    let height = chain.soon();
    chain.nodes[DIVERGENT].arm("value", height, 0, 0);
    wait_for_box(&chain.nodes[DIVERGENT]);
    check_healthy(&chain, 5);
    let node = &mut chain.nodes[DIVERGENT];
    assert_eq!(frozen_height(node), height);
    let path = node.only_box();
    let evidence = fs::read(&path).expect("a box");
    for _ in 0..2 {
        node.stop();
        node.start();
        let end = node.wait_end();
        assert_eq!(end.code(), Some(2), "{end}");
    }
    let said = output(0, &["cat", &dir, "--stream", "node"]);
    let said = String::from_utf8_lossy(&said);
    let panics = said.matches("panic: precommit step; +2/3 prevoted").count();
    assert_eq!(panics, 2, "{said}");
    assert_eq!(node.only_box(), path);
    assert!(fs::read(&path).expect("a box") == evidence);
    Row {
        froze: vec![DIVERGENT],
        names: node.boxes(),
        note: "2 restarts: panics in the replay, exit 2; the box is unchanged".to_owned(),
        ..Row::default()
    }
}
