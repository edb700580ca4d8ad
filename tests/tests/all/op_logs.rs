//! The logs of the OP Stack's programs, through a real pipe: what a box holds, and
//! what stays in the ring of a program that knows no blocks.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use haltbox_tests::*;

fn log(name: &str) -> String {
    let path = root().join(format!("tests/data/logs/{name}.log"));
    std::fs::read_to_string(path).expect("a log")
}

/// `PROGRAM 2>&1 | haltbox record --profile PROFILE --node-log -`
fn piped(dir: &Path, profile: &str, text: &str) -> (Recorder, std::process::ChildStdin) {
    let arguments = ["--size", "4MiB", "--profile", profile, "--node-log", "-"];
    let mut recorder = Recorder::start(dir, &arguments, Stdio::piped());
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    recorder.wait_for("recording into");
    pipe.write_all(text.as_bytes()).expect("it is read");
    (recorder, pipe)
}

fn cat(source: &Path) -> String {
    let lines = output(0, &["cat", text(source), "--stream", "node"]);
    String::from_utf8(lines).expect("text")
}

#[test]
fn a_box_holds_what_a_program_said_around_a_break() {
    let cases = [
        (
            "op-node",
            "op-node-l2-reorg-json",
            "L2 reorg: existing unsafe block does not match derived attributes from L1",
        ),
        (
            "op-geth",
            "op-geth-bad-block-terminal",
            "########## BAD BLOCK #########",
        ),
        (
            "op-supernode",
            "op-supernode-invalid-message-logfmt",
            "invalid executing message",
        ),
    ];
    for (profile, name, told) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        let said = log(name);
        let (recorder, pipe) = piped(&dir, profile, &said);
        wait_until(name, || boxes(&dir).len() == 1);
        let found = cat(&boxes(&dir)[0]);
        let (before, _) = said.split_once(told).expect("it is in the log");
        assert!(found.starts_with(before), "{name}: {found}");
        assert!(found.contains(told), "{name}: {found}");
        drop(pipe);
        recorder.wait_however();
        assert_eq!(boxes(&dir).len(), 1, "{name}");
    }
}

#[test]
fn a_program_without_blocks_is_kept_and_nobody_is_told_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let said = log("proxyd-checks");
    let (recorder, pipe) = piped(&dir, "proxyd", &said);
    wait_until("its lines to be kept", || {
        dir.join("ring").exists() && cat(&dir) == said
    });
    let status = status(&dir);
    let concerns = status["concerns"].to_string();
    assert!(!concerns.contains("no-block"), "{concerns}");
    let freeze = run(&["freeze", text(&dir)]);
    assert_eq!(freeze.status.code(), Some(2));
    let error = String::from_utf8_lossy(&freeze.stderr);
    assert!(error.contains("no block is in the ring"), "{error}");
    drop(pipe);
    recorder.wait_however();
}
