//! Files that are followed over everything that rotation, operators and kills do to
//! them: every line is recorded once and in order, or lies in a gap that is told.

use std::collections::VecDeque;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use haltbox_format::mark::{Loss, SourceMark};
use haltbox_format::ring::{Entry, RingView, Timeline};
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_model::history::History as Marks;
use haltbox_recorder::recorder::{Config, Recorder as Ring};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What a recorder that looks forty times a second cannot see: a file that is made,
/// written, and cut or removed between two looks. Nobody does that to a file within
/// this time, as long as the recorder runs.
const UNSEEN: Duration = Duration::from_millis(700);
const AT_ONCE: u64 = 24;

/// A writer with lines of one length, so that every file has a line's end at the
/// same places, and a recorder.
struct Scene {
    folder: tempfile::TempDir,
    writing: Option<File>,
    lines: u64,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let (writing, lines) = (None, 0);
        let mut scene = Scene {
            folder,
            writing,
            lines,
        };
        scene.reopen();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn record(&self) -> Recorder {
        let slog = self.path("slog.jsonl");
        let arguments = [
            "--size",
            "4MiB",
            "--archive-bytes",
            "0",
            "--slog",
            text(&slog),
        ];
        Recorder::start(&self.path("node"), &arguments, Stdio::null())
    }

    /// By a user who reads only what all may read. Needs root.
    fn record_as_nobody(&self) -> Recorder {
        let open = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("allowed");
        };
        open(self.folder.path(), 0o755);
        let (dir, program) = (self.path("node"), self.path("haltbox-record"));
        fs::create_dir(&dir).expect("a folder");
        open(&dir, 0o777);
        fs::copy(programs().join("haltbox-record"), &program).expect("a program");
        let nobody = || {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(&program);
            command
        };
        let can = nobody().arg("--version").output();
        assert!(
            can.is_ok_and(|done| done.status.success()),
            "this test needs root, setpriv, and a folder that all may enter"
        );
        let said = File::create(dir.with_extension("stderr")).expect("stderr");
        let mut command = nobody();
        command.args(["record", "--size", "4MiB", "--archive-bytes", "0"]);
        command.arg("--dir").arg(&dir);
        command.arg("--slog").arg(self.path("slog.jsonl"));
        let child = command.stderr(said).spawn().expect("a recorder");
        Recorder::of(&dir, child)
    }

    fn allow(&self, mode: u32) {
        let slog = self.path("slog.jsonl");
        fs::set_permissions(slog, Permissions::from_mode(mode)).expect("allowed");
    }

    fn reopen(&mut self) {
        self.reopen_with(0o644);
    }

    /// A file that is made has these permissions from its first moment on.
    fn reopen_with(&mut self, mode: u32) {
        let file = File::options()
            .create(true)
            .append(true)
            .mode(mode)
            .open(self.path("slog.jsonl"));
        self.writing = Some(file.expect("a slog"));
    }

    fn write(&mut self, count: u64) {
        let numbers = self.lines + 1..=self.lines + count;
        let text: String = numbers
            .map(|n| format!("{{\"type\":\"note\",\"n\":{n:8}}}\n"))
            .collect();
        let mut file = self.writing.as_ref().expect("it is open");
        file.write_all(text.as_bytes()).expect("written");
        self.lines += count;
    }

    fn rename(&self, to: &str) {
        fs::rename(self.path("slog.jsonl"), self.path(to)).expect("renamed");
    }

    /// Waits until the newest line is in the ring.
    fn wait(&self) {
        let newest = format!("\"n\":{:8}}}", self.lines);
        let ring = self.path("node").join("ring");
        wait_until(&format!("line {}", self.lines), || {
            has(&ring, newest.as_bytes())
        });
    }

    /// The numbers of the lines, and 0 where there is a gap.
    fn recorded(&self) -> Vec<u64> {
        read(&self.path("node").join("ring"))
    }
}

/// Every line in its order, without a gap.
fn all(lines: u64) -> Vec<u64> {
    (1..=lines).collect()
}

/// logrotate's `create`, and a node that opens the new file when it gets to it: what
/// it writes into the old one until then comes first.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_file_that_was_rotated_is_read_until_its_writer_is_done_with_it() {
    let mut scene = Scene::new();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    for round in 0..3 {
        scene.rename(&format!("slog.jsonl.{round}"));
        File::create_new(scene.path("slog.jsonl")).expect("a new file");
        for _ in 0..5 {
            scene.write(7);
            std::thread::sleep(Duration::from_millis(150));
        }
        if round == 1 {
            // It is compressed while it is written.
            fs::remove_file(scene.path("slog.jsonl.1")).expect("removed");
            scene.write(5);
        }
        scene.reopen();
        scene.write(20);
        scene.wait();
    }
    recorder.stop();
    assert_eq!(scene.recorded(), all(scene.lines));
}

/// Renamed and not made again: the node writes on for as long as it runs.
#[test]
fn a_file_without_a_successor_is_read_on() {
    let mut scene = Scene::new();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    scene.rename("slog.jsonl.1");
    for _ in 0..3 {
        scene.write(3);
        scene.wait();
    }
    recorder.kill();
    // Also by the recorder that comes next.
    scene.write(4);
    let recorder = scene.record();
    scene.wait();
    scene.reopen();
    scene.write(5);
    scene.wait();
    recorder.stop();
    let mut expected = all(scene.lines);
    // What came and went meanwhile nobody knows.
    expected.insert(scene.lines as usize - 5, 0);
    assert_eq!(scene.recorded(), expected);
}

/// Three files, two of which the recorder never saw at the path: all are read in
/// their order, and the seams are gaps.
#[test]
fn what_was_rotated_while_nobody_read_is_found() {
    let mut scene = Scene::new();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    recorder.kill();
    scene.write(10);
    std::thread::sleep(Duration::from_millis(50));
    scene.rename("slog.jsonl.2");
    scene.reopen();
    scene.write(10);
    std::thread::sleep(Duration::from_millis(50));
    scene.rename("slog.jsonl.1");
    scene.reopen();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    recorder.wait_for("slog.jsonl.2 is read first, from byte");
    recorder.stop();
    let expected = [
        all(20),
        vec![0],
        (21..=30).collect(),
        vec![0],
        (31..=40).collect(),
    ];
    assert_eq!(scene.recorded(), expected.concat());
}

/// The same inode, other bytes, and a line that ends at the very same place: the
/// place means nothing in it.
#[test]
fn another_file_with_the_same_inode_is_read_from_its_beginning() {
    for copied in [false, true] {
        let mut scene = Scene::new();
        scene.write(10);
        let recorder = scene.record();
        scene.wait();
        recorder.kill();
        scene.write(5);
        if copied {
            fs::copy(scene.path("slog.jsonl"), scene.path("slog.jsonl.1")).expect("copied");
        }
        let file = scene.writing.as_ref().expect("it is open");
        file.set_len(0).expect("cut");
        scene.write(20);
        let recorder = scene.record();
        scene.wait();
        recorder.stop();
        // `copytruncate` leaves a copy, which has the rest.
        let rest = if copied { 11..16 } else { 11..11 };
        let expected = [all(10), rest.collect(), vec![0], (16..=35).collect()];
        assert_eq!(scene.recorded(), expected.concat(), "copied: {copied}");
    }
}

/// Many logs begin alike: the first line alone tells nothing.
#[test]
fn another_file_that_begins_alike_is_read_from_its_beginning() {
    let mut scene = Scene::new();
    scene.write(1);
    let recorder = scene.record();
    scene.wait();
    scene.write(9);
    scene.wait();
    recorder.kill();
    let file = scene.writing.as_ref().expect("it is open");
    file.set_len(0).expect("cut");
    scene.lines = 0;
    scene.write(1);
    scene.lines = 10;
    scene.write(20);
    let recorder = scene.record();
    scene.wait();
    recorder.stop();
    let expected = [all(10), vec![0, 1], (11..=30).collect()];
    assert_eq!(scene.recorded(), expected.concat());
}

/// A few lines of both lanes behind the first mark: the file is known by them, in
/// the order in which they were in it.
#[test]
fn a_file_goes_on_whichever_lanes_hold_its_lines() {
    let mut scene = Scene::new();
    scene.write(1);
    let mut recorder = scene.record();
    scene.wait();
    // Each time more than the mark before tells of.
    for round in 0..6 {
        for _ in 0..1 << round {
            let n = scene.lines + 1;
            let line = format!("{{\"type\":\"syscall\",\"replay\":true,\"n\":{n}}}\n");
            let mut file = scene.writing.as_ref().expect("it is open");
            file.write_all(line.as_bytes()).expect("written");
            scene.lines += 1;
            scene.write(1 + round % 3);
        }
        scene.wait();
        recorder.kill();
        recorder = scene.record();
    }
    scene.write(1);
    scene.wait();
    recorder.stop();
    assert_eq!(scene.recorded(), all(scene.lines));
}

/// It tells of no bytes: inode and offset have to do, as they did.
#[test]
fn a_mark_of_an_older_recorder_is_believed() {
    let mut scene = Scene::new();
    scene.write(5);
    let found = fs::metadata(scene.path("slog.jsonl")).expect("a slog");
    scene.write(5);
    let dir = scene.path("node");
    fs::create_dir(&dir).expect("a folder");
    let config = Config {
        ring: RingOptions {
            size: 4 << 20,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("builtin")),
        node_lane: Lane::Local,
        own_start: false,
        populate: false,
    };
    let mut ring = Ring::open(&dir.join("ring"), config)
        .expect("a ring")
        .recorder;
    ring.source(SourceMark {
        stream: Stream::Slog,
        path: text(&scene.path("slog.jsonl")).to_owned(),
        inode: found.ino(),
        offset: found.len(),
        file: None,
        before: None,
        trouble: None,
    });
    ring.close();
    let recorder = scene.record();
    scene.wait();
    recorder.stop();
    assert_eq!(scene.recorded(), (6..=10).collect::<Vec<u64>>());
}

/// A file whose turn has not come is cut: what stood in it is a gap.
#[test]
fn a_file_that_is_cut_before_its_turn_is_missed() {
    let mut scene = Scene::new();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    scene.rename("slog.jsonl.1");
    let old = scene.writing.take();
    scene.reopen();
    scene.write(5);
    // The old one is still written: the new one has to wait.
    (&old.expect("it is open"))
        .write_all(b"{\"type\":\"note\"}\n")
        .expect("written");
    std::thread::sleep(Duration::from_millis(700));
    let file = scene.writing.as_ref().expect("it is open");
    file.set_len(0).expect("cut");
    scene.write(20);
    scene.wait();
    recorder.wait_for("was truncated before it was read");
    recorder.stop();
    let expected = [all(10), vec![0], (16..=35).collect()];
    assert_eq!(scene.recorded(), expected.concat());
}

/// Two processes write, one into the old file: what comes to it behind its turn is
/// counted as missing.
#[test]
fn what_comes_to_a_file_that_was_left_is_a_gap() {
    let mut scene = Scene::new();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    scene.rename("slog.jsonl.1");
    let old = scene.writing.take().expect("it is open");
    scene.reopen();
    scene.write(5);
    scene.wait();
    let late = || {
        (&old)
            .write_all(b"{\"type\":\"note\",\"n\":99}\n")
            .expect("written")
    };
    late();
    recorder.wait_for("bytes were written to a rotated file");
    scene.write(5);
    scene.wait();
    recorder.kill();
    // Also while no recorder runs, and after the next one has begun.
    late();
    scene.write(5);
    let recorder = scene.record();
    scene.wait();
    late();
    wait_until("the new one to say so", || {
        let words = "bytes were written to a rotated file";
        recorder.said().matches(words).count() == 2
    });
    scene.write(5);
    scene.wait();
    recorder.stop();
    let parts = [1..=15, 16..=20, 21..=25, 26..=30];
    let parts = parts.map(|lines| lines.collect::<Vec<u64>>());
    assert_eq!(scene.recorded(), parts.join(&0));
}

/// The user the recorder runs as may not read the new file: what the node writes
/// there is read once it may, and a gap if the file is gone by then.
#[test]
#[ignore = "needs root; `-- --ignored` runs it"]
fn a_file_that_may_not_be_read_is_read_later_or_missed() {
    let mut scene = Scene::new();
    let recorder = scene.record_as_nobody();
    scene.write(10);
    scene.wait();
    let dir = scene.path("node");
    let closed = |scene: &mut Scene, name: &str| {
        scene.rename(name);
        scene.reopen_with(0o600);
        scene.write(10);
    };
    closed(&mut scene, "slog.jsonl.1");
    recorder.wait_for("cannot be read: Permission denied");
    let found = run(&["status", text(&dir)]);
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    let words = "Permission denied (os error 13), since 20";
    assert!(said.contains(words), "{said}");
    assert_eq!(found.status.code(), Some(1));
    scene.allow(0o644);
    scene.wait();
    recorder.wait_for("can be read again");
    closed(&mut scene, "slog.jsonl.2");
    std::thread::sleep(Duration::from_millis(500));
    scene.rename("slog.jsonl.3");
    scene.reopen();
    scene.write(10);
    scene.wait();
    recorder.wait_for("a file that could not be read was removed");
    recorder.stop();
    let expected = [all(20), vec![0], (31..=40).collect()];
    assert_eq!(scene.recorded(), expected.concat());
}

/// A folder in the file's place: told when it begins and when it ends, and by
/// `status` in between. What the node writes elsewhere meanwhile is read.
#[test]
fn a_source_that_cannot_be_read_is_told_once() {
    let mut scene = Scene::new();
    scene.write(10);
    let recorder = scene.record();
    scene.wait();
    let dir = scene.path("node");
    let trouble = |status: &serde_json::Value| status["sources"][0]["trouble"].clone();
    assert!(trouble(&status(&dir)).is_null());
    scene.rename("slog.jsonl.1");
    fs::create_dir(scene.path("slog.jsonl")).expect("a folder");
    recorder.wait_for("cannot be read: it is a folder");
    for _ in 0..5 {
        scene.write(3);
        scene.wait();
        std::thread::sleep(Duration::from_millis(200));
    }
    let found = run(&["status", "--json", text(&dir)]);
    assert_eq!(found.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!(trouble(&found)["why"], "it is a folder");
    let concerns = found["concerns"].as_array().expect("concerns");
    let told = concerns.iter().filter(|c| c["word"] == "source-unreadable");
    let told: Vec<_> = told
        .filter_map(|concern| concern["what"].as_str())
        .collect();
    assert_eq!(told.len(), 1, "{concerns:?}");
    assert!(told[0].contains("it is a folder, since 20"), "{told:?}");
    fs::remove_dir(scene.path("slog.jsonl")).expect("removed");
    scene.reopen();
    scene.write(10);
    scene.wait();
    recorder.wait_for("can be read again");
    wait_until("status to know", || trouble(&status(&dir)).is_null());
    let said = recorder.said();
    recorder.stop();
    let lines = said.lines().filter(|line| line.contains("read")).count();
    assert_eq!(lines, 2, "{said}");
    assert_eq!(scene.recorded(), all(scene.lines));
}

/// Random histories of one writer and its file. HALTBOX_LONG=1 plays 2,400;
/// HALTBOX_HISTORY=SEED plays the one of that seed alone.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn every_line_of_a_followed_file_is_recorded_or_missed_in_words() {
    programs();
    if let Ok(seed) = std::env::var("HALTBOX_HISTORY") {
        let seen = History::new(seed.parse().expect("a number")).play();
        return println!("{seen:?}");
    }
    let rounds = if long() { 100 } else { 1 };
    let mut random = Random::seeded(83);
    let seeds: VecDeque<u64> = (0..rounds * AT_ONCE).map(|_| random.draw()).collect();
    let histories = seeds.len() as u64;
    let (seeds, seen) = (Mutex::new(seeds), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        let one = || {
            while let Some(seed) = take(&seeds) {
                println!("history {seed} (HALTBOX_HISTORY plays it alone)");
                let of_one = History::new(seed).play();
                seen.lock().expect("no panic").add(&of_one);
            }
        };
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        let failed = all.into_iter().filter_map(|one| one.join().err()).count();
        assert_eq!(failed, 0, "histories failed");
    });
    let seen = seen.into_inner().expect("no panic");
    println!("{histories} histories: {seen:?}");
    // What never comes up is not tested.
    assert!(seen.rotations > histories && seen.kept > 50 * histories);
    let others = [seen.kills, seen.cuts, seen.stopped, seen.unreadable];
    assert!(others.iter().all(|count| *count > 0) && seen.unbroken > 0);
    assert!(seen.doubted * 4 <= seen.unbroken, "too many gaps are told");
}

fn take(seeds: &Mutex<VecDeque<u64>>) -> Option<u64> {
    seeds.lock().expect("no panic").pop_front()
}

#[derive(Debug, Default)]
struct Seen {
    rotations: u64,
    kills: u64,
    cuts: u64,
    stopped: u64,
    unreadable: u64,
    /// Lines that are in the ring.
    kept: u64,
    /// Lines that lie in a gap.
    missing: u64,
    /// Gaps that were told.
    gaps: u64,
    /// Histories in which the recorder was never away and no file cut: nothing may
    /// be missing in them.
    unbroken: u64,
    /// Of these, histories with a gap: the machine was too busy to look.
    doubted: u64,
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        for (all, more) in [
            (&mut self.rotations, other.rotations),
            (&mut self.kills, other.kills),
            (&mut self.cuts, other.cuts),
            (&mut self.stopped, other.stopped),
            (&mut self.unreadable, other.unreadable),
            (&mut self.kept, other.kept),
            (&mut self.missing, other.missing),
            (&mut self.gaps, other.gaps),
            (&mut self.unbroken, other.unbroken),
            (&mut self.doubted, other.doubted),
        ] {
            *all += more;
        }
    }
}

/// One writer, its file, and a recorder.
struct History {
    seed: u64,
    random: Random,
    folder: tempfile::TempDir,
    recorder: Option<Recorder>,
    stopped: bool,
    /// What the writer holds open.
    writing: Option<File>,
    /// Lines written so far: each has the number of the last one and one more.
    lines: u64,
    /// Files that came or got their first byte, and when.
    young: Vec<(u64, Instant)>,
    /// Names given so far, where rotation numbers by time.
    names: u64,
    seen: Seen,
    log: Vec<String>,
    begun: Instant,
}

impl History {
    fn new(seed: u64) -> History {
        // Times of creation are those of a disk.
        let target = root().join("target");
        fs::create_dir_all(&target).expect("target/");
        let mut history = History {
            seed,
            random: Random(seed),
            folder: tempfile::tempdir_in(target).expect("a folder"),
            recorder: None,
            stopped: false,
            writing: None,
            lines: 0,
            young: Vec::new(),
            names: 0,
            seen: Seen::default(),
            log: Vec::new(),
            begun: Instant::now(),
        };
        if history.random.below(3) > 0 {
            history.reopen();
            history.write();
        }
        history.start();
        // Before it knows a file of this name it cannot miss one.
        history.recorder().wait_for("follows the slog");
        history
    }

    fn recorder(&self) -> &Recorder {
        self.recorder.as_ref().expect("it runs")
    }

    fn slog(&self) -> PathBuf {
        self.folder.path().join("slog.jsonl")
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    fn play(mut self) -> Seen {
        // A third of the histories has nothing in it that may lose a line.
        let kinds = if self.random.below(3) == 0 { 62 } else { 100 };
        let steps = 10 + self.random.below(20);
        for _ in 0..steps {
            match self.random.below(kinds) {
                0..=19 => self.write(),
                20..=31 => self.pause(60),
                32..=34 => self.pause(900),
                35..=37 => self.pause(2_600),
                38..=47 => self.rotate(),
                48..=61 => self.reopen(),
                62..=66 => self.cut(),
                67..=71 => self.copy_and_cut(),
                72..=76 => self.remove_or_compress(),
                77..=80 => self.remove_the_file(),
                81..=90 => self.kill_or_start(),
                91..=95 => self.stop_or_go_on(),
                _ => self.make_unreadable(),
            }
            if self.random.below(3) > 0 {
                self.write();
            }
        }
        self.end();
        if kinds == 62 {
            self.seen.unbroken += 1;
            self.seen.doubted += u64::from(self.seen.gaps > 0);
            assert_eq!(self.seen.missing, 0, "{}", self.story());
        }
        self.seen
    }

    fn told(&mut self, what: impl Into<String>) {
        let at = self.begun.elapsed().as_millis();
        self.log.push(format!("{at:6} {}", what.into()));
    }

    fn story(&self) -> String {
        let said = fs::read_to_string(self.dir().with_extension("stderr")).unwrap_or_default();
        let log = self.log.join("\n");
        format!("history {}\n{log}\nthe recorder said:\n{said}", self.seed)
    }

    /// Between two looks of the recorder nothing is to happen that nobody could see.
    fn is_young(&self, inode: u64) -> bool {
        let young = |(of, since): &(u64, Instant)| *of == inode && since.elapsed() < UNSEEN;
        self.recorder.is_some() && self.young.iter().any(young)
    }

    fn pause(&mut self, most: u64) {
        let millis = self.random.below(most);
        std::thread::sleep(Duration::from_millis(millis));
    }

    fn write(&mut self) {
        let Some(mut file) = self.writing.as_ref().and_then(|file| file.try_clone().ok()) else {
            return;
        };
        let count = match self.random.below(10) {
            0 => 300,
            1..=5 => 1,
            _ => self.random.below(20),
        };
        let found = file.metadata().expect("a file");
        if found.len() == 0 && count > 0 {
            self.young.push((found.ino(), Instant::now()));
        }
        let mut text = String::new();
        for _ in 0..count {
            self.lines += 1;
            let (n, rest) = (self.lines, "x".repeat(self.random.below(200) as usize));
            text += &format!("{{\"type\":\"note\",\"n\":{n},\"p\":\"{rest}\"}}\n");
        }
        let half = self.random.below(text.len() as u64 + 1) as usize;
        let (first, second) = text.split_at(half);
        file.write_all(first.as_bytes()).expect("written");
        if self.random.below(4) == 0 {
            self.pause(40);
        }
        file.write_all(second.as_bytes()).expect("written");
        self.told(format!("lines to {} in {}", self.lines, found.ino()));
    }

    /// The writer opens its file anew, and makes it if it is not there.
    fn reopen(&mut self) {
        let made = !self.slog().exists();
        let file = File::options().create(true).append(true).open(self.slog());
        // A folder may be in its place.
        let Ok(file) = file else {
            return;
        };
        let inode = file.metadata().expect("a file").ino();
        if made {
            self.young.push((inode, Instant::now()));
        }
        self.told(format!("the writer opens {inode}"));
        self.writing = Some(file);
    }

    /// Another name for the file: numbered or dated.
    fn free_name(&mut self) -> PathBuf {
        self.names += 1;
        let name = |n: u64| self.folder.path().join(format!("slog.jsonl.{n}"));
        if self.seed.is_multiple_of(2) {
            let day = self.names;
            return self
                .folder
                .path()
                .join(format!("slog.jsonl-202611{day:02}"));
        }
        let last = (1..).find(|n| !name(*n).exists()).expect("a free name");
        for n in (1..last).rev() {
            fs::rename(name(n), name(n + 1)).expect("renamed");
        }
        name(1)
    }

    fn rotate(&mut self) {
        let Ok(found) = fs::metadata(self.slog()) else {
            return;
        };
        if !found.is_file() {
            return;
        }
        while self.is_young(found.ino()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let to = self.free_name();
        fs::rename(self.slog(), &to).expect("renamed");
        self.seen.rotations += 1;
        let creates = self.random.below(3) > 0;
        self.told(format!("rotated to {}, creates {creates}", to.display()));
        if creates {
            let file = File::create_new(self.slog()).expect("a new file");
            let inode = file.metadata().expect("a file").ino();
            self.young.push((inode, Instant::now()));
            self.told(format!("made {inode}"));
        }
        if self.random.below(3) == 0 {
            self.reopen();
        }
    }

    /// The file at the path, if it is not too young for what comes.
    fn old_enough(&self) -> Option<File> {
        let file = File::options()
            .write(true)
            .read(true)
            .open(self.slog())
            .ok()?;
        let inode = file.metadata().ok()?.ino();
        (!self.is_young(inode)).then_some(file)
    }

    fn cut(&mut self) {
        let Some(file) = self.old_enough() else {
            return;
        };
        self.seen.cuts += 1;
        file.set_len(0).expect("cut");
        self.young
            .push((file.metadata().expect("a file").ino(), Instant::now()));
        self.told("cut");
        if self.random.below(2) == 0 {
            self.write();
            self.write();
        }
    }

    fn copy_and_cut(&mut self) {
        let Some(file) = self.old_enough() else {
            return;
        };
        self.seen.cuts += 1;
        let to = self.free_name();
        fs::copy(self.slog(), &to).expect("copied");
        file.set_len(0).expect("cut");
        self.young
            .push((file.metadata().expect("a file").ino(), Instant::now()));
        self.told(format!("copied to {} and cut", to.display()));
    }

    /// A file that was rotated is compressed, or removed, as far as the recorder
    /// had the time to see it at its path.
    fn remove_or_compress(&mut self) {
        let entries = fs::read_dir(self.folder.path())
            .expect("a folder")
            .flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let old = fs::metadata(path).is_ok_and(|found| !self.is_young(found.ino()));
            name.starts_with("slog.jsonl") && *path != self.slog() && old
        });
        files.sort();
        if files.is_empty() {
            return;
        }
        let path = files.swap_remove(self.random.below(files.len() as u64) as usize);
        if self.random.below(2) == 0 && path.extension().is_none_or(|e| e != "gz") {
            let whole = fs::read(&path).expect("a file");
            let compressed = format!("{}.gz", path.display());
            fs::write(compressed, &whole[..whole.len() / 3]).expect("compressed");
        }
        fs::remove_file(&path).expect("removed");
        self.told(format!("{} is removed", path.display()));
    }

    fn remove_the_file(&mut self) {
        if self.old_enough().is_some() {
            fs::remove_file(self.slog()).expect("removed");
            self.told("the file is removed");
        }
    }

    fn start(&mut self) {
        let slog = self.slog();
        let arguments = [
            "--size",
            "4MiB",
            "--archive-bytes",
            "0",
            "--slog",
            text(&slog),
        ];
        self.recorder = Some(Recorder::start(&self.dir(), &arguments, Stdio::null()));
        self.told("the recorder starts");
    }

    fn kill_or_start(&mut self) {
        match self.recorder.take() {
            Some(recorder) => {
                self.seen.kills += 1;
                // One that is stopped hears of no end.
                let stopped = std::mem::take(&mut self.stopped);
                if self.random.below(6) == 0 && !stopped {
                    self.told("the recorder ends");
                    recorder.stop();
                } else {
                    self.told("the recorder is killed");
                    recorder.kill();
                }
            }
            None => self.start(),
        }
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(recorder) = &self.recorder {
            kill(Pid::from_raw(recorder.id() as i32), signal).expect("it runs");
        }
    }

    fn stop_or_go_on(&mut self) {
        if self.recorder.is_some() {
            self.stopped = !self.stopped;
            self.seen.stopped += 1;
            self.told(format!("stopped: {}", self.stopped));
            self.signal(match self.stopped {
                true => Signal::SIGSTOP,
                false => Signal::SIGCONT,
            });
        }
    }

    /// Something that cannot be read is at the path for a while.
    fn make_unreadable(&mut self) {
        self.rotate();
        if self.slog().exists() {
            return;
        }
        self.seen.unreadable += 1;
        self.told("something else is at the path");
        match self.random.below(2) {
            0 => fs::create_dir(self.slog()).expect("a folder"),
            _ => std::os::unix::fs::symlink("slog.jsonl", self.slog()).expect("a loop"),
        }
        self.write();
        self.pause(500);
        self.write();
        self.make_readable();
    }

    fn make_readable(&mut self) {
        if let Ok(found) = fs::symlink_metadata(self.slog())
            && !found.is_file()
        {
            let removed = fs::remove_dir(self.slog()).or_else(|_| fs::remove_file(self.slog()));
            removed.expect("removed");
        }
    }

    /// The last line is recorded, whatever happened to those before it.
    fn end(&mut self) {
        self.make_readable();
        if self.stopped {
            self.stop_or_go_on();
        }
        if self.recorder.is_none() {
            self.start();
        }
        self.reopen();
        let last = format!("\"n\":{},", self.lines + 1);
        self.lines += 1;
        let line = format!("{{\"type\":\"note\",{last}\"p\":\"the last\"}}\n");
        let mut file = self.writing.as_ref().expect("a file");
        file.write_all(line.as_bytes()).expect("written");
        self.told(format!("the last line, {}", self.lines));
        let (ring, begun) = (self.dir().join("ring"), Instant::now());
        while !has(&ring, last.as_bytes()) {
            let waited = begun.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "in vain: {}",
                self.story()
            );
            std::thread::sleep(Duration::from_millis(100));
            // It does not start over a file that it cannot read.
            let ended = self
                .recorder
                .as_mut()
                .map(|recorder| recorder.child().try_wait());
            if matches!(ended, Some(Ok(Some(_)))) {
                self.start();
            }
        }
        if let Some(recorder) = self.recorder.take() {
            recorder.stop();
        }
        self.check(&ring);
    }

    /// Each line follows the one before it, or a gap lies between them.
    fn check(&mut self, ring: &Path) {
        let (mut last, mut gap) = (0, false);
        for number in read(ring) {
            if number == 0 {
                self.seen.gaps += 1;
                gap = true;
                continue;
            }
            assert!(number > last, "{number} behind {last}: {}", self.story());
            let told = number == last + 1 || gap;
            assert!(told, "no gap between {last} and {number}: {}", self.story());
            self.seen.kept += 1;
            self.seen.missing += number - last - 1;
            (last, gap) = (number, false);
        }
        assert_eq!(last, self.lines, "the last line: {}", self.story());
    }
}

/// What a ring holds: the numbers of whole lines, and 0 for a gap.
fn read(ring: &Path) -> Vec<u64> {
    let file = File::open(ring).expect("a ring");
    let view = RingView::read(&file).expect("a ring");
    let marks = Marks::read(&file, &view).expect("marks");
    let mut timeline = Timeline::new(&file, &view, marks.marked());
    // Before the first record of all only a mark tells of a gap.
    let at_start = |loss: &Loss| loss.counters.is_some_and(|lost| lost.from == 0);
    let missing = marks.losses.iter().any(|(_, loss)| at_start(loss));
    let mut found = if missing { vec![0] } else { Vec::new() };
    while let Some(entry) = timeline.next().expect("entries") {
        match entry {
            Entry::Line(line) => found.extend(number(line.bytes)),
            Entry::Hole(hole) if hole.lane == Lane::Main => found.push(0),
            Entry::Hole(_) | Entry::Marks(..) => {}
        }
    }
    found
}

/// The number of a line that is whole.
fn number(line: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    value["n"].as_u64()
}

fn has(ring: &Path, words: &[u8]) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(ring).and_then(|mut file| file.read_to_end(&mut bytes));
    read.is_ok() && bytes.windows(words.len()).any(|found| found == words)
}
