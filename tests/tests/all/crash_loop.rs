//! A node whose consensus failed is killed and started again a thousand times,
//! and so are its recorder and the wrapper around both: the evidence stays, and
//! nothing grows.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const RING: u64 = 8 << 20;

struct Scene {
    dir: PathBuf,
    state: PathBuf,
    wrapper: Child,
    random: Random,
    starts: u32,
}

impl Scene {
    fn start(folder: &Path) -> Scene {
        let (dir, state) = (folder.join("node"), folder.join("state"));
        fs::create_dir_all(&state).expect("a folder");
        let wrapper = start(&dir, &state);
        Scene {
            dir,
            state,
            wrapper,
            random: Random::seeded(31),
            starts: 1,
        }
    }

    /// From here on the network has another AppHash at this height.
    fn fail_at(&self, height: u64) {
        let new = self.state.join("fails.new");
        fs::write(&new, height.to_string()).expect("a file");
        fs::rename(&new, self.state.join("fails")).expect("a file");
    }

    fn recorders(&self) -> Vec<Pid> {
        processes(&format!("record --dir {}", text(&self.dir)))
    }

    /// The wrapper's command line has the node's in it.
    fn nodes(&self) -> Vec<Pid> {
        let program = programs().join("chain-node");
        let wrapper = Pid::from_raw(self.wrapper.id() as i32);
        let mut found = processes(&format!("{} {}", text(&program), text(&self.state)));
        found.retain(|pid| *pid != wrapper);
        found
    }

    /// Kills one of the three at some instant.
    fn kill_one(&mut self) {
        std::thread::sleep(Duration::from_millis(self.random.below(500)));
        match self.random.below(3) {
            0 => self.recorders().into_iter().for_each(kill_hard),
            1 => self.nodes().into_iter().for_each(kill_hard),
            _ => self.kill_wrapper(),
        }
        self.keep_up();
        let ring = fs::metadata(self.dir.join("ring")).expect("a ring");
        assert_eq!(ring.len(), RING);
    }

    /// What keeps services going ends what is left of one before it starts it
    /// again; the recorder may be left.
    fn kill_wrapper(&mut self) {
        let _ = self.wrapper.kill();
        std::thread::sleep(Duration::from_millis(self.random.below(100)));
        self.nodes().into_iter().for_each(kill_hard);
        if self.random.below(2) == 0 {
            self.recorders().into_iter().for_each(kill_hard);
        }
    }

    /// Starts the service again if it ended.
    fn keep_up(&mut self) {
        if self.wrapper.try_wait().expect("a child").is_some() {
            self.nodes().into_iter().for_each(kill_hard);
            self.wrapper = start(&self.dir, &self.state);
            self.starts += 1;
        }
    }

    /// All boxes, once there are so many.
    fn boxes_when(&mut self, count: usize) -> Vec<(PathBuf, Vec<u8>)> {
        wait_until(&format!("{count} boxes"), || {
            self.keep_up();
            self.dir.join("boxes").is_dir() && boxes(&self.dir).len() >= count
        });
        let read = |path: PathBuf| (path.clone(), fs::read(path).expect("a box"));
        boxes(&self.dir).into_iter().map(read).collect()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.with_extension("said")).unwrap_or_default()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.wrapper.kill();
        let _ = self.wrapper.wait();
        self.nodes().into_iter().for_each(kill_hard);
        self.recorders().into_iter().for_each(kill_hard);
    }
}

fn kill_hard(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
}

fn start(dir: &Path, state: &Path) -> Child {
    let said = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.with_extension("said"));
    haltbox()
        .args(["run", "--dir", text(dir), "--tee", "--size"])
        .arg(RING.to_string())
        .arg("--")
        .arg(programs().join("chain-node"))
        .arg(state)
        .stdout(Stdio::null())
        .stderr(said.expect("stderr"))
        .spawn()
        .expect("haltbox runs")
}

/// Bytes the folder takes on its disk, without what the node itself writes.
fn taken(dir: &Path) -> u64 {
    let folders = [dir.to_owned(), dir.join("boxes")].into_iter();
    let entries = folders.flat_map(|folder| fs::read_dir(folder).expect("a folder").flatten());
    let of_node = |name: &OsStr| name == "slog.jsonl" || name == "node.log";
    let files = entries.filter(|entry| !of_node(&entry.file_name()));
    let found = files.filter_map(|entry| entry.metadata().ok());
    let files = found.filter(|found| found.is_file());
    files.map(|found| found.blocks() * 512).sum()
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_crash_loop_neither_touches_nor_repeats_the_evidence() {
    let folder = tempfile::tempdir().expect("a folder");
    let restarts = if long() { 1_000 } else { 24 };
    let mut scene = Scene::start(folder.path());
    scene.fail_at(5);
    let first = scene.boxes_when(1);
    (0..restarts).for_each(|_| scene.kill_one());
    let failed = scene.boxes_when(1);
    assert!(failed == first, "{:?}: {}", boxes(&scene.dir), scene.said());
    println!("{restarts} kills, {} starts of the wrapper", scene.starts);
    // The node is cured, goes on, and fails another time: that is another box.
    scene.fail_at(12);
    let both = scene.boxes_when(2);
    (0..restarts / 10).for_each(|_| scene.kill_one());
    let last = scene.boxes_when(2);
    assert!(last == both, "{:?}: {}", boxes(&scene.dir), scene.said());
    assert!(last.contains(&first[0]), "the first box was touched");
    let alert = fs::metadata(scene.dir.join("boxes/CONSENSUS_FAILURE.txt"));
    let alert = alert.expect("an alert").len();
    // The ring, the room kept for the next box, the boxes, and small things.
    let boxes: usize = last.iter().map(|(_, bytes)| bytes.len()).sum();
    let may_take = RING + RING / 4 + boxes as u64 + (256 << 10);
    let after = taken(&scene.dir);
    println!("{after} bytes taken of {may_take}, {alert} of alerts");
    assert!(alert <= 64 << 10 && after <= may_take);
    for (path, _) in &last {
        let verified = run(&["verify", text(path)]);
        let shown = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.success(), "{shown}");
    }
}
