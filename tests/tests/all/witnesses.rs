//! Nodes that are asked by RPC: a stub of each version over a real socket, and
//! everything a node that is asked can do wrong.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use haltbox_tests::comet::{Comet, Mode};
use haltbox_tests::node::{Format, Node, VERSIONS, Version, app_hash};
use haltbox_tests::*;

/// The height that is in dispute.
const H: u64 = 7;

/// A recorder that follows a slog, and a node's log if there is to be one.
struct Watched {
    recorder: Recorder,
    node: Node,
    slog: PathBuf,
    log: PathBuf,
}

impl Watched {
    fn start(folder: &Path, with_log: bool, more: &[&str]) -> Watched {
        let (slog, log) = (folder.join("slog"), folder.join("node.log"));
        let mut arguments = vec!["--size", "4MiB", "--rpc-seconds", "1"];
        arguments.extend(["--slog", text(&slog)]);
        if with_log {
            arguments.extend(["--node-log", text(&log)]);
        }
        arguments.extend(more);
        let recorder = Recorder::start(&folder.join("node"), &arguments, Stdio::null());
        recorder.wait_for("recording into");
        let mut node = Node::new(Format::Console, Version::V038);
        node.start();
        Watched {
            recorder,
            node,
            slog,
            log,
        }
    }

    /// The node executes up to a height.
    fn run_to(&mut self, from: u64, height: u64) {
        (from..=height).for_each(|height| self.node.block(height));
        let parts = [
            (&self.slog, &mut self.node.slog),
            (&self.log, &mut self.node.log),
        ];
        for (path, lines) in parts {
            let file = fs::File::options().create(true).append(true).open(path);
            std::io::Write::write_all(&mut file.expect("a file"), lines.as_bytes())
                .expect("written");
            lines.clear();
        }
        wait_until("the node's entries to be recorded", || {
            self.status()["head"].as_u64() >= Some(height)
        });
    }

    fn status(&self) -> serde_json::Value {
        haltbox_tests::status(&self.recorder.dir)
    }

    fn attention(&self) -> usize {
        let status = self.status();
        status["attention"].as_array().expect("a list").len()
    }

    fn boxes(&self) -> Vec<String> {
        let name = |path: &PathBuf| {
            let name = path.file_name().expect("a name");
            name.to_string_lossy().into_owned()
        };
        boxes(&self.recorder.dir).iter().map(name).collect()
    }
}

/// Waits until a stub was asked so many times more.
fn wait_asked(stub: &Comet, call: &str, more: u64) {
    let before = stub.asked(call);
    wait_until(call, || stub.asked(call) >= before + more);
}

fn a_proposal_lasts(version: Version) {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Comet::start(version, H);
    stub.state().proposal = Some((0, 0xEE));
    let persist = ["--persist-rounds", "3", "--persist-seconds", "600"];
    let more = [&["--rpc", stub.url()], &persist[..]].concat();
    let mut watched = Watched::start(folder.path(), false, &more);
    watched.run_to(5, H);
    watched.recorder.wait_for("height 7 makes no progress");
    watched.recorder.wait_for("height 7 is pinned");
    wait_asked(&stub, "dump_consensus_state", 4);
    assert_eq!(watched.boxes(), [""; 0], "one round counts once");
    for round in 1..3 {
        stub.state().proposal = Some((round, 0xEE));
        wait_asked(&stub, "dump_consensus_state", 2);
    }
    watched.recorder.wait_for("do not roll back");
    let said = watched.recorder.said();
    assert!(said.contains("who is right is not known yet"), "{said}");
    assert!(!said.contains("DIVERGED"), "{said}");
    let boxes = watched.boxes();
    assert!(boxes.len() == 1 && boxes[0].starts_with("7-"), "{boxes:?}");
    let (own, other) = (app_hash(H, 0), app_hash(H, 0xEE));
    let quote = format!("app={}/{}", &own[..8], &other[..8]);
    assert!(said.contains(&quote), "{quote} is not in {said}");
    watched.recorder.stop();
}

/// No log tells of anything: the RPC alone shows a height that stands still and
/// a proposal with another hash, round after round.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_proposal_that_lasts_is_frozen_as_a_doubt() {
    std::thread::scope(|scope| {
        for version in VERSIONS {
            scope.spawn(move || a_proposal_lasts(version));
        }
    });
}

/// A consensus that ended stays in its round: then time has to do.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_round_that_never_ends_is_frozen_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Comet::start(Version::V038, H);
    stub.state().proposal = Some((0, 0xEE));
    let persist = ["--persist-rounds", "1000", "--persist-seconds", "4"];
    let more = [&["--rpc", stub.url()], &persist[..]].concat();
    let mut watched = Watched::start(folder.path(), false, &more);
    watched.run_to(5, H);
    watched.recorder.wait_for("do not roll back");
    let said = watched.recorder.said();
    assert!(said.contains("who is right is not known yet"), "{said}");
    watched.recorder.stop();
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_divergent_proposer_is_let_go_with_the_next_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Comet::start(Version::V038, H);
    stub.state().proposal = Some((0, 0xEE));
    let mut watched = Watched::start(folder.path(), false, &["--rpc", stub.url()]);
    watched.run_to(5, H);
    watched.recorder.wait_for("height 7 is pinned");
    assert_eq!(watched.attention(), 1);
    {
        let mut state = stub.state();
        (state.head, state.application, state.proposal) = (H + 1, H + 1, None);
    }
    wait_until("the next block to release it", || watched.attention() == 0);
    assert_eq!(watched.status()["confirmed"], H, "by the RPC alone");
    watched.run_to(H + 1, H + 1);
    assert_eq!(watched.boxes(), [""; 0]);
    watched.recorder.stop();
}

#[test]
fn peers_that_contradict_prove_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = Comet::start(Version::V034, H);
    let peers = [
        Comet::start(Version::V038, H + 3),
        Comet::start(Version::V1, H + 1),
    ];
    for peer in &peers {
        peer.state().parts_at = Some((H + 1, 0xEE));
    }
    let mut more = vec!["--rpc", own.url(), "--upload-hint", "the thread"];
    peers
        .iter()
        .for_each(|peer| more.extend(["--peer-rpc", peer.url()]));
    let mut watched = Watched::start(folder.path(), true, &more);
    watched.run_to(5, H);
    watched
        .recorder
        .wait_for("DIVERGED at height 7: AppHash differs");
    watched.recorder.wait_for("do not roll back");
    let boxes = watched.boxes();
    let named = boxes.len() == 1 && boxes[0].starts_with("7-") && boxes[0] != "7-incomplete";
    assert!(named, "{boxes:?}: {}", watched.recorder.said());
    let info = output(0, &["info", text(&watched.recorder.dir.join("ring"))]);
    let info = String::from_utf8_lossy(&info).into_owned();
    for peer in &peers {
        assert!(info.contains(peer.url()), "{info}");
    }
    watched.recorder.stop();
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn peers_that_agree_confirm_and_peers_at_odds_decide_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let peers = [
        Comet::start(Version::V038, H),
        Comet::start(Version::V038, H),
    ];
    let mut more = vec!["--persist-seconds", "600"];
    peers
        .iter()
        .for_each(|peer| more.extend(["--peer-rpc", peer.url()]));
    let mut watched = Watched::start(folder.path(), true, &more);
    watched.run_to(5, H - 1);
    wait_until("the peers to confirm it", || {
        watched.status()["confirmed"] == H - 1
    });
    watched.run_to(H, H);
    wait_asked(&peers[0], "commit", 2);
    peers[0].state().parts_at = Some((H + 1, 0xEE));
    peers.iter().for_each(|peer| peer.state().head = H + 1);
    watched
        .recorder
        .wait_for("the trusted peers contradict each other");
    peers.iter().for_each(|peer| wait_asked(peer, "commit", 3));
    assert_eq!((watched.attention(), watched.boxes()), (1, Vec::new()));
    let said = watched.recorder.said();
    assert_eq!(said.matches("contradict each other").count(), 1, "{said}");
    watched.recorder.stop();
}

/// Whatever a node that is asked does, it is told once and decides nothing.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn trouble_with_a_witness_is_never_a_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = Comet::start(Version::V038, H);
    own.state().mode = Mode::Mute;
    let modes = [
        Mode::Slowly,
        Mode::Garbage,
        Mode::Failing,
        Mode::Huge,
        Mode::Mute,
    ];
    let stub = |mode: &Mode| {
        let stub = Comet::start(Version::V038, H + 1);
        stub.state().mode = *mode;
        stub
    };
    let stubs: Vec<Comet> = modes.iter().map(stub).collect();
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let mut more = vec!["--rpc", own.url(), "--peer-rpc", &nobody];
    stubs
        .iter()
        .for_each(|stub| more.extend(["--peer-rpc", stub.url()]));
    let mut watched = Watched::start(folder.path(), true, &more);
    watched.run_to(5, H);
    let silent = stubs.iter().chain([&own]).map(Comet::url);
    for url in silent.chain([nobody.as_str()]) {
        watched
            .recorder
            .wait_for(&format!("the RPC of {url} does not answer"));
    }
    watched.run_to(H + 1, H + 20);
    std::thread::sleep(Duration::from_secs(5));
    let said = watched.recorder.said();
    let told = said.matches("does not answer").count();
    assert_eq!(told, modes.len() + 2, "{said}");
    assert!(
        !said.contains("pinned") && !said.contains("rozen"),
        "{said}"
    );
    assert_eq!((watched.attention(), watched.boxes()), (0, Vec::new()));
    stubs[1].state().mode = Mode::Well;
    watched
        .recorder
        .wait_for(&format!("the RPC of {} answers", stubs[1].url()));
    watched.recorder.stop();
}

#[test]
fn a_peer_of_another_chain_is_never_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = Comet::start(Version::V038, H);
    let peer = Comet::start(Version::V038, H + 1);
    peer.state().chain = "agoric-local".to_owned();
    peer.state().parts_at = Some((H + 1, 0xEE));
    let more = ["--rpc", own.url(), "--peer-rpc", peer.url()];
    let mut watched = Watched::start(folder.path(), true, &more);
    watched.run_to(5, H);
    watched
        .recorder
        .wait_for("it belongs to the chain \"agoric-local\", this node to \"agoric-3\"");
    wait_asked(&peer, "commit", 4);
    assert_eq!((watched.attention(), watched.boxes()), (0, Vec::new()));
    let said = watched.recorder.said();
    assert_eq!(
        said.matches("is not used for comparison").count(),
        1,
        "{said}"
    );
    watched.recorder.stop();
}

#[test]
fn wrong_places_are_refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let peer = "http://127.0.0.1:1";
    let cases: [(&[&str], &str); 4] = [
        (&["--rpc", "127.0.0.1:26657"], "has no scheme"),
        (&["--rpc", "unix:///run/x"], "\"unix\" is not known"),
        (&["--peer-rpc", peer, "--peer-rpc", peer], "is given twice"),
        (
            &["--rpc", "tcp://127.0.0.1:1", "--peer-rpc", peer],
            "cannot vouch for itself",
        ),
    ];
    for (more, words) in cases {
        let arguments = [&["record", "--dir", text(&dir), "--slog", "/nowhere"], more].concat();
        let done = run(&arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let refused = done.status.code() == Some(2) && said.contains(words);
        assert!(refused, "{more:?}: {said}");
    }
    let ring = dir.join("ring");
    // What nobody is asked for, or serves, beside a host's ring.
    let unasked: [&[&str]; 2] = [&["--rpc-seconds", "1"], &["--metrics", "127.0.0.1:0"]];
    for more in unasked {
        let done = run(&[&["record", "--attach", text(&ring)], more].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains("cannot be used with"), "{said}");
    }
}
