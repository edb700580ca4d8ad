//! Rings that nobody records into: a freeze reads them and leaves them as they are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use haltbox_tests::*;

/// What a command must not change: the folder's names, and of the ring bytes,
/// size, inode and time.
#[derive(Debug, PartialEq)]
struct Seen {
    names: Vec<PathBuf>,
    ring: Option<(Vec<u8>, u64, i64, i64)>,
}

fn look(folder: &Path, ring: &Path) -> Seen {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.retain(|name| name.file_name() != Some("boxes".as_ref()));
    names.sort();
    let found = fs::metadata(ring).ok();
    let ring = found.map(|found| {
        let bytes = fs::read(ring).expect("the ring");
        (bytes, found.ino(), found.mtime(), found.mtime_nsec())
    });
    Seen { names, ring }
}

/// A ring of three blocks, the box of its second, and their folder.
fn recorded() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog: Vec<u8> = (1..=3).flat_map(block).collect();
    record_all(&dir, &slog, None, "4MiB").stop();
    let origin = folder.path().join("origin");
    fs::create_dir(&origin).expect("a folder");
    fs::copy(dir.join("ring"), origin.join("ring")).expect("a copy");
    output(0, &["freeze", text(&dir), "--height", "2"]);
    let name = boxes(&dir)[0].file_name().expect("a name").to_owned();
    (folder, origin, name.to_string_lossy().into_owned())
}

/// The ring of this machine too: whoever asks sees by the box itself that there
/// is one.
#[test]
fn a_freeze_notes_nothing_in_a_ring() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut slog: Vec<u8> = (1..=3).flat_map(block).collect();
    slog.truncate(slog.len() - block(3).len() / 2);
    record_all(&dir, &slog, None, "4MiB").wait();
    let ring = dir.join("ring");
    assert!(boxes(&dir).is_empty());
    let status = || String::from_utf8(run(&["status", text(&dir)]).stdout).expect("UTF-8");
    assert!(status().contains("not frozen yet"), "{}", status());
    let before = look(&dir, &ring);
    run(&["freeze", text(&dir)]);
    assert_eq!(look(&dir, &ring), before);
    assert_eq!(boxes(&dir).len(), 1);
    let name = boxes(&dir)[0].file_name().expect("a name").to_owned();
    assert!(status().contains(&*name.to_string_lossy()), "{}", status());
    assert!(!status().contains("not frozen yet"), "{}", status());
    // The next recorder of the ring learns of it, too.
    let next = Recorder::start(&dir, &["--size", "4MiB", "--slog", "-"], Stdio::piped());
    next.wait_for("recording into");
    assert!(!next.said().contains("is still pinned"), "{}", next.said());
    next.stop();
}

/// Writes both superblocks anew, with their checksums.
fn change_superblocks(ring: &Path, change: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(ring).expect("the ring");
    for at in [0, 4096] {
        let block = &mut bytes[at..at + 256];
        change(block);
        let crc = crc32fast::hash(&block[..252]);
        block[252..].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(ring, bytes).expect("the ring");
}

fn of_another_machine(block: &mut [u8]) {
    block[72..104].fill(0x11);
}

fn frozen_as(folder: &Path, ring: &Path, name: &str) {
    let before = look(folder, ring);
    let done = run(&["freeze", text(ring), "--height", "2"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!(look(folder, ring), before);
    assert!(folder.join("boxes").join(name).is_file(), "{done:?}");
}

#[test]
fn a_freeze_leaves_a_ring_of_another_machine_as_it_is() {
    let (_folder, origin, name) = recorded();
    let ring = origin.join("ring");
    change_superblocks(&ring, of_another_machine);
    frozen_as(&origin, &ring, &name);
    // The whole folder is asked for as the ring in it is.
    let before = look(&origin, &ring);
    output(0, &["freeze", text(&origin), "--height", "2"]);
    assert_eq!(look(&origin, &ring), before);
}

#[test]
fn a_freeze_believes_no_size_that_a_superblock_claims() {
    for claimed in [1_u64 << 40, 64 << 30, 8 << 20] {
        let (_folder, origin, name) = recorded();
        let ring = origin.join("ring");
        let claims = |block: &mut [u8]| block[48..56].copy_from_slice(&claimed.to_le_bytes());
        change_superblocks(&ring, claims);
        frozen_as(&origin, &ring, &name);
    }
}

#[test]
fn a_ring_under_another_name_is_read_alone() {
    let (_folder, origin, name) = recorded();
    let sent = origin.join("sent-by-validator-7");
    fs::rename(origin.join("ring"), &sent).expect("another name");
    frozen_as(&origin, &sent, &name);
    let link = origin.join("ring");
    std::os::unix::fs::symlink(&sent, &link).expect("a link");
    frozen_as(&origin, &link, &name);
}

#[test]
fn a_ring_with_one_superblock_is_read_alone() {
    let (_folder, origin, name) = recorded();
    let ring = origin.join("ring");
    let mut bytes = fs::read(&ring).expect("the ring");
    bytes[100] ^= 1;
    fs::write(&ring, bytes).expect("the ring");
    frozen_as(&origin, &ring, &name);
}

#[test]
fn another_profile_is_refused_and_never_written_into_the_ring() {
    let (_folder, origin, name) = recorded();
    let ring = origin.join("ring");
    let before = look(&origin, &ring);
    let done = run(&["freeze", text(&ring), "--height", "2", "--profile", "host"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("agoric"),
        "{done:?}"
    );
    assert_eq!(look(&origin, &ring), before);
    output(0, &["freeze", text(&ring), "--height", "2"]);
    assert!(origin.join("boxes").join(name).is_file());
}

/// Boxes go where the operator says.
#[test]
fn a_ring_in_a_folder_that_takes_no_files_is_frozen_elsewhere() {
    let (folder, origin, name) = recorded();
    let ring = origin.join("ring");
    change_superblocks(&ring, of_another_machine);
    fs::write(origin.join("boxes"), "a file in its place").expect("a file");
    let before = look(&origin, &ring);
    let done = run(&["freeze", text(&ring), "--height", "2"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    let elsewhere = folder.path().join("elsewhere");
    output(
        0,
        &[
            "freeze",
            text(&ring),
            "--height",
            "2",
            "--boxes",
            text(&elsewhere),
        ],
    );
    assert!(elsewhere.join(name).is_file());
    assert_eq!(look(&origin, &ring), before);
}

#[test]
fn reading_commands_leave_a_ring_as_it_is() {
    let (_folder, origin, _) = recorded();
    let ring = origin.join("ring");
    change_superblocks(&ring, of_another_machine);
    let before = look(&origin, &ring);
    let elsewhere = tempfile::tempdir().expect("a folder");
    for command in [
        "cat",
        "info",
        "ls",
        "verify",
        "status",
        "doctor",
        "fingerprint",
    ] {
        for of in [&ring, &origin] {
            // A fingerprint is written into the working folder.
            let mut reading = haltbox();
            reading.args([command, text(of)]);
            let done = reading.current_dir(&elsewhere).output();
            done.expect("haltbox runs");
        }
        assert_eq!(look(&origin, &ring), before, "{command}");
    }
    let target = elsewhere.path().join("extract");
    for arguments in [
        &["diff", text(&ring), text(&origin)][..],
        &["compare", text(&ring), text(&origin)],
        &["extract", text(&ring), "--height", "2", "-o", text(&target)],
    ] {
        run(arguments);
        assert_eq!(look(&origin, &ring), before, "{arguments:?}");
    }
    assert!(target.is_file());
    assert!(!origin.join("boxes").exists());
}

/// Nobody writes it here: nothing is archived of it, and no box comes unasked.
#[test]
fn a_recorder_is_not_attached_to_a_ring_of_another_machine() {
    let (folder, origin, _) = recorded();
    let ring = origin.join("ring");
    change_superblocks(&ring, of_another_machine);
    let before = look(&origin, &ring);
    let said = folder.path().join("said");
    let mut child = haltbox()
        .args(["record", "--attach", text(&ring)])
        .stderr(fs::File::create(&said).expect("a file"))
        .spawn()
        .expect("haltbox runs");
    let told = || fs::read_to_string(&said).unwrap_or_default();
    wait_until("the word", || told().contains("another machine"));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(look(&origin, &ring), before, "{}", told());
}

/// An option that means nothing there is refused, not ignored.
#[test]
fn an_attached_recorder_has_no_options_of_a_source() {
    for option in [
        ["--persist-rounds", "3"],
        ["--rpc-seconds", "3"],
        ["--metrics", "127.0.0.1:0"],
        ["--wrapped-fifo", "x"],
        ["--max-block-age", "9"],
    ] {
        let done = run(&[&["record", "--attach", "/nonexistent"], &option[..]].concat());
        assert_eq!(done.status.code(), Some(2), "{option:?}");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(said.contains("cannot be used with"), "{said}");
    }
}

/// A recorder removes the rings that it set aside itself, once they are drained.
#[test]
fn a_recorder_removes_no_ring_that_came_from_elsewhere() {
    let (folder, origin, _) = recorded();
    let ring = fs::read(origin.join("ring")).expect("a ring");
    let dir = folder.path().join("other");
    fs::create_dir(&dir).expect("a folder");
    let sent = ["from-validator-7", "20261127T222406Z"];
    let sent = sent.map(|tail| dir.join(format!("ring.aside-other-size-{tail}")));
    for path in &sent {
        fs::write(path, &ring).expect("a ring");
    }
    change_superblocks(&sent[1], of_another_machine);
    let held = sent.each_ref().map(|path| fs::read(path).expect("a ring"));
    // Enough for the ring in use to let go of records of its own.
    let slog = excerpt("honest-a");
    record_all(&dir, &slog, None, "4MiB").wait();
    record_all(&dir, &slog, None, "4MiB").wait();
    for (path, held) in sent.iter().zip(held) {
        assert!(
            fs::read(path).is_ok_and(|now| now == held),
            "{}",
            text(path)
        );
    }
}
