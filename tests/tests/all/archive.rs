//! Released blocks: archived beside the recording, and had back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};

use haltbox_tests::*;

const SIZE: &str = "8MiB";
/// Blocks that the ring holds with room to spare.
const HELD: u64 = 15;

/// The archive's files, in the order of their names' heights.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join("archive")) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort_by_key(|path| heights(path));
    paths
}

/// The heights that a file's name tells.
fn heights(path: &Path) -> (u64, u64) {
    let name = path.file_name().expect("a name").to_string_lossy();
    let (_, heights) = name.split_once("Z-").expect("an archive's name");
    let (first, last) = heights.split_once('-').expect("two heights");
    (
        first.parse().expect("a height"),
        last.parse().expect("a height"),
    )
}

fn archived(dir: &Path) -> u64 {
    files(dir)
        .iter()
        .map(|path| heights(path).1)
        .max()
        .unwrap_or(0)
}

/// A recorder fed block by block, never so fast that its archive falls behind.
struct Chain {
    recorder: Recorder,
    pipe: ChildStdin,
    slog: Vec<u8>,
}

impl Chain {
    fn start(dir: &Path, more: &[&str]) -> Chain {
        Chain::with_size(dir, SIZE, more)
    }

    fn with_size(dir: &Path, size: &str, more: &[&str]) -> Chain {
        let arguments = [&["--size", size, "--slog", "-"], more].concat();
        let mut recorder = Recorder::start(dir, &arguments, Stdio::piped());
        let pipe = recorder.child().stdin.take().expect("a pipe");
        Chain {
            recorder,
            pipe,
            slog: Vec::new(),
        }
    }

    fn feed(&mut self, heights: std::ops::RangeInclusive<u64>) {
        for height in heights {
            let block = block(height);
            self.pipe.write_all(&block).expect("the recorder reads");
            self.slog.extend(block);
        }
    }

    fn feed_archived(&mut self, heights: std::ops::RangeInclusive<u64>) {
        for height in heights {
            self.feed(height..=height);
            wait_until(&format!("the archive at height {height}"), || {
                archived(&self.recorder.dir) + HELD >= height
            });
        }
    }

    fn end(self) -> Vec<u8> {
        drop(self.pipe);
        self.recorder.wait();
        self.slog
    }
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn the_archive_and_the_ring_are_the_whole_slog() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut chain = Chain::start(&dir, &[]);
    chain.feed_archived(1..=90);
    let slog = chain.end();
    let whole = output(0, &["cat", text(&dir)]);
    assert!(whole == slog, "{} of {} bytes", whole.len(), slog.len());
    let ring = output(0, &["cat", text(&dir.join("ring"))]);
    assert!(
        ring.len() < slog.len() / 2,
        "the ring had to let go of blocks"
    );
    let parts = files(&dir);
    assert!(parts.len() > 2);
    let mut in_parts = Vec::new();
    for part in &parts {
        output(0, &["verify", text(part)]);
        in_parts.extend(zstd_dc(part));
    }
    assert!(
        slog.starts_with(&in_parts),
        "zstd -dc of one after the other"
    );
    let plain = folder.path().join("plain.slog");
    fs::write(&plain, &slog).expect("a slog");
    for height in [1, 7, 40, 89] {
        let one = format!("{height}");
        let from_dir = output(0, &["cat", text(&dir), "--height", &one]);
        assert!(
            from_dir == output(0, &["cat", text(&plain), "--height", &one]),
            "{height}"
        );
    }
    let said = String::from_utf8(output(0, &["diff", text(&dir), text(&plain)])).expect("text");
    assert!(said.contains("completely compared: 90 of 90"), "{said}");
    // The ring's blocks first, and what else is in the folder.
    let listed = String::from_utf8(output(0, &["ls", text(&dir)])).expect("text");
    let ring = String::from_utf8(output(0, &["ls", text(&dir.join("ring"))])).expect("text");
    assert!(listed.starts_with(&ring), "{listed}");
    let others = listed.lines().skip(ring.lines().count() + 1);
    assert_eq!(others.count(), parts.len(), "{listed}");
    // Nobody records any more.
    let status = String::from_utf8(output(1, &["status", text(&dir)])).expect("text");
    assert!(status.contains("oldest in ring or archive 1\n"), "{status}");
}

#[test]
fn a_released_height_is_frozen_out_of_the_archive() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut chain = Chain::start(&dir, &[]);
    chain.feed_archived(1..=60);
    // While the recorder is at work, and when nobody is.
    output(0, &["freeze", text(&dir), "--height", "5"]);
    let slog = chain.end();
    output(0, &["freeze", text(&dir), "--height", "6"]);
    let none = run(&["freeze", text(&dir), "--height", "600"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("neither the ring nor the archive"));
    let plain = folder.path().join("plain.slog");
    fs::write(&plain, &slog).expect("a slog");
    let listed = String::from_utf8(output(0, &["ls", text(&plain)])).expect("text");
    let found = boxes(&dir);
    assert_eq!(found.len(), 2);
    for (path, height) in found.iter().zip([5, 6]) {
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(
            name.starts_with(&format!("{height}-")) && listed.contains(&*name),
            "{name}"
        );
        output(0, &["verify", text(path)]);
        assert!(zstd_dc(path) == block(height), "height {height}");
        let info = String::from_utf8(output(0, &["info", text(path)])).expect("text");
        assert!(info.contains("of the archive file"), "{info}");
    }
    let again = output(0, &["freeze", text(&dir), "--height", "6"]);
    assert!(String::from_utf8_lossy(&again).contains("already existed"));
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_kill_costs_the_archive_nothing_and_nothing_comes_twice() {
    let mut random = Random::seeded(41);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog_path = folder.path().join("slog");
    let mut slog = fs::File::create(&slog_path).expect("a slog");
    let mut written = Vec::new();
    let mut recorder = None;
    for height in 1..=100 {
        let running = recorder.get_or_insert_with(|| {
            let arguments = ["--size", SIZE, "--slog", text(&slog_path)];
            Recorder::start(&dir, &arguments, Stdio::null())
        });
        let block = block(height);
        slog.write_all(&block).expect("room");
        written.extend(block);
        wait_until(
            &format!("the archive at height {height}: {}", running.said()),
            || archived(&dir) + HELD >= height,
        );
        if random.below(6) == 0 {
            recorder.take().expect("one runs").kill();
        }
    }
    let start = || {
        Recorder::start(
            &dir,
            &["--size", SIZE, "--slog", text(&slog_path)],
            Stdio::null(),
        )
    };
    let last = recorder.unwrap_or_else(start);
    wait_until("the recorder to read the rest", || {
        let status = run(&["status", "--json", text(&dir)]).stdout;
        String::from_utf8_lossy(&status).contains("\"lag\": 0")
    });
    let said = last.said();
    last.stop();
    let whole = output(0, &["cat", text(&dir)]);
    assert!(
        whole == written,
        "{} of {} bytes; {said}",
        whole.len(),
        written.len()
    );
    let mut told = 0;
    for (first, last) in files(&dir).iter().map(|path| heights(path)) {
        assert!(first > told, "height {first} is archived twice");
        told = last;
    }
}

#[test]
fn the_archive_keeps_its_budget_and_can_be_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut chain = Chain::start(&dir, &["--archive-bytes", "300KiB"]);
    chain.feed_archived(1..=80);
    chain.end();
    let parts = files(&dir);
    let sizes = parts
        .iter()
        .map(|path| path.metadata().expect("a file").len());
    // The newest may have come after the budget was last looked at.
    let older: u64 = sizes.rev().skip(1).sum();
    assert!(older <= 300 << 10, "{older}");
    let oldest = heights(&files(&dir)[0]).0;
    assert!(oldest > 1, "the oldest files had to go");

    let off = folder.path().join("off");
    let mut chain = Chain::start(&off, &["--archive-bytes", "0"]);
    chain.feed(1..=40);
    chain.end();
    assert!(!off.join("archive").exists());
}

/// What a ring of another size released is archived before the ring goes.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_ring_that_is_set_aside_is_archived_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut chain = Chain::start(&dir, &[]);
    chain.feed_archived(1..=40);
    let mut slog = chain.end();
    let mut chain = Chain::with_size(&dir, "12MiB", &[]);
    wait_until("the old ring to be archived", || archived(&dir) >= 39);
    chain.feed_archived(41..=70);
    slog.extend(chain.end());
    assert!(output(0, &["verify", text(&files(&dir)[0])]).starts_with(b"intact"));
    for height in [3, 39, 45] {
        let one = format!("{height}");
        let found = output(0, &["cat", text(&dir), "--height", &one]);
        let block = block(height);
        assert!(
            block.starts_with(&found) && !found.is_empty(),
            "height {height}"
        );
    }
}

/// What cannot be archived is told once, and recording goes on.
#[test]
fn a_broken_archive_is_told_and_costs_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    fs::create_dir_all(&dir).expect("a folder");
    fs::write(dir.join("archive"), b"not a folder").expect("a file");
    let mut chain = Chain::start(&dir, &[]);
    chain.feed(1..=30);
    let said = chain.recorder.said();
    assert_eq!(said.matches("archiving is off").count(), 1, "{said}");
    let slog = chain.end();
    let ring = output(0, &["cat", text(&dir.join("ring"))]);
    assert!(slog.ends_with(&ring) && !ring.is_empty());
}

/// The archive is not what fills the node's disk; with room again it goes on.
#[test]
#[ignore = "needs root; `-- --ignored` runs it"]
fn what_is_left_of_a_disk_is_the_node_s() {
    let disk = SmallDisk::mount(16);
    let dir = disk.path().join("node");
    fs::create_dir_all(&dir).expect("a folder");
    let filler = disk.path().join("filler");
    let mut chain = Chain::start(&dir, &[]);
    chain.recorder.wait_for("recording into");
    wait_until("the reserve", || dir.join("boxes/.reserve").exists());
    fs::write(&filler, vec![1; 11 << 19]).expect("room for all but a twentieth");
    chain.feed(1..=60);
    chain.recorder.wait_for("so archiving pauses");
    chain.feed(61..=90);
    assert!(files(&dir).is_empty());
    let told = chain.recorder.said().matches("archiving pauses").count();
    assert_eq!(told, 1, "{}", chain.recorder.said());
    fs::remove_file(&filler).expect("room again");
    chain.feed(91..=110);
    wait_until("a part", || !files(&dir).is_empty());
    let slog = chain.end();
    let ring = output(0, &["cat", text(&dir.join("ring"))]);
    assert!(slog.ends_with(&ring) && !ring.is_empty());
}
