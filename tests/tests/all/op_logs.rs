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
            "added block to deny list",
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

/// geth may die within its own words.
#[test]
fn a_banner_is_frozen_though_the_log_ends_behind_it() {
    let banner = "########## BAD BLOCK #########\n";
    let said = log("op-geth-bad-block-terminal");
    let (before, _) = said.split_once(banner).expect("it is in the log");
    let said = format!("{before}{banner}");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (recorder, pipe) = piped(&dir, "op-geth", &said);
    wait_until("its lines to be kept", || {
        dir.join("ring").exists() && cat(&dir) == said
    });
    assert_eq!(boxes(&dir).len(), 0, "the block's line may still come");
    drop(pipe);
    recorder.wait_however();
    let found = boxes(&dir);
    assert_eq!(found.len(), 1);
    assert!(cat(&found[0]).ends_with(banner));
    let file = folder.path().join("log");
    std::fs::write(&file, &said).expect("a file");
    let told = run(&["doctor", "--try-log", text(&file), "--profile", "op-geth"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("geth refuses a block"), "{told}");
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
    assert!(error.contains("the ring contains no blocks"), "{error}");
    drop(pipe);
    recorder.wait_however();
}

const BREAK: &str = "L2 reorg: existing unsafe block does not match derived attributes from L1";

/// The lines before the break, and the break with what follows.
fn around_the_break() -> (String, String) {
    let said = log("op-node-l2-reorg-json");
    let at = said.find(BREAK).expect("it is in the log");
    let line = said[..at].rfind('\n').expect("lines before it") + 1;
    (said[..line].to_owned(), said[line..].to_owned())
}

fn alert(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("boxes/CONSENSUS_FAILURE.txt")).unwrap_or_default()
}

/// A box that was asked for knows nothing of what the node says afterwards.
#[test]
fn a_box_that_was_asked_for_hides_no_break() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (before, after) = around_the_break();
    let (recorder, mut pipe) = piped(&dir, "op-node", &before);
    wait_until("the blocks", || cat(&dir) == before);
    output(0, &["freeze", text(&dir), "--height", "130132"]);
    assert_eq!((boxes(&dir).len(), alert(&dir)), (1, String::new()));
    pipe.write_all(after.as_bytes()).expect("it is read");
    wait_until("the box of the break", || boxes(&dir).len() == 2);
    wait_until("the alert", || {
        alert(&dir).contains("height 130132 was frozen")
    });
    let second = output(0, &["info", text(&boxes(&dir)[1])]);
    let second = String::from_utf8_lossy(&second).into_owned();
    assert!(second.contains("derived from L1"), "{second}");
    // Another word of the same block: the box holds it, and somebody is told.
    let line = after.lines().next().expect("the break");
    let other = line
        .replace(
            BREAK,
            "Consolidated block denied by SuperAuthority, forcing reorg to build replacement",
        )
        .replace("\"unsafe\":\"", "\"blockNumber\":130132,\"blockHash\":\"")
        .replace(":130132\"", "\"");
    for _ in 0..3 {
        writeln!(pipe, "{other}").expect("it is read");
    }
    wait_until("the other alert", || {
        alert(&dir).contains("was written before this message")
    });
    drop(pipe);
    recorder.wait_however();
    assert_eq!(boxes(&dir).len(), 2);
    assert_eq!(
        alert(&dir)
            .matches("was written before this message")
            .count(),
        1
    );
}

/// A ring is set aside for its size before the box of a block that does not stand is written.
#[test]
fn a_ring_that_is_set_aside_gives_the_box_that_it_owes() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (before, after) = around_the_break();
    let (recorder, mut pipe) = piped(&dir, "op-node", &before);
    let in_the_way = dir.join("boxes");
    std::fs::remove_dir_all(&in_the_way).expect("the folder of boxes");
    std::fs::write(&in_the_way, b"a file").expect("a file");
    pipe.write_all(after.as_bytes()).expect("it is read");
    recorder.wait_for("NOT FROZEN");
    drop(pipe);
    recorder.wait_however();
    std::fs::remove_file(&in_the_way).expect("it is gone");
    let arguments = ["--size", "8MiB", "--profile", "op-node", "--node-log", "-"];
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::piped());
    let pipe = recorder.child().stdin.take().expect("a pipe");
    wait_until("the box", || boxes(&dir).len() == 1);
    wait_until("the alert", || alert(&dir).contains("(found at start)"));
    drop(pipe);
    recorder.wait_however();
}
