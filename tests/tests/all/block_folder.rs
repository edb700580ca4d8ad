//! A folder into which the node writes a file for each block, recorded as it grows:
//! every entry is recorded once and in its order, or lies in a gap that is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use haltbox_format::Lane;
use haltbox_format::ring::{Entry, RingView, Timeline};
use haltbox_model::history::History as Marks;
use haltbox_tests::toolchain::needs;
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const AT_ONCE: u64 = 12;
const SIZE: &str = "32MiB";
/// What no recorder that looks at the folder many times a second can miss.
const UNSEEN: Duration = Duration::from_millis(700);

/// A node's sender: what it was given is compressed, and in the file when the
/// compressor gives it out, or the file is closed.
struct Sender {
    folder: PathBuf,
    /// Dropped it would end its file in order, as no killed process does.
    open: Option<ManuallyDrop<GzEncoder<File>>>,
    path: PathBuf,
    /// Milliseconds in the names: never twice the same.
    at: u64,
    /// Entries so far, and the number of the process's first one.
    entries: u64,
    started: u64,
    /// The last entry of each process that was killed, and the first one of the next.
    restarts: BTreeMap<u64, u64>,
    /// Entries of a start, which the ring keeps in another lane.
    local: BTreeSet<u64>,
    /// All entries, as a plain slog.
    plain: Vec<u8>,
}

impl Sender {
    fn new(folder: &Path) -> Sender {
        fs::create_dir_all(folder).expect("a folder");
        Sender {
            folder: folder.to_owned(),
            open: None,
            path: PathBuf::new(),
            at: 0,
            entries: 0,
            started: 0,
            restarts: BTreeMap::new(),
            local: BTreeSet::new(),
            plain: Vec::new(),
        }
    }

    fn begin(&mut self, part: &str) {
        assert!(self.open.is_none(), "one at a time");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("a clock").as_millis() as u64;
        self.at = now.max(self.at + 1);
        self.path = self.folder.join(format!("slogfile_{part}_{}.gz", self.at));
        let file = File::create_new(&self.path).expect("a file");
        self.open = Some(ManuallyDrop::new(GzEncoder::new(
            file,
            Compression::default(),
        )));
    }

    /// An entry; its clocks tell its number.
    fn entry(&mut self, members: &str) {
        self.entries += 1;
        let (time, uptime) = (self.entries, self.entries - self.started);
        let line = format!(
            "{{{members},\"time\":{}.{:03},\"monotime\":{}.{:03}}}\n",
            1_700_000_000 + time / 1000,
            time % 1000,
            uptime / 1000,
            uptime % 1000
        );
        self.bytes(line.as_bytes());
    }

    fn bytes(&mut self, line: &[u8]) {
        self.plain.extend_from_slice(line);
        if let Some(open) = &mut self.open {
            open.write_all(line).expect("written");
        }
    }

    fn flush(&mut self) {
        if let Some(open) = &mut self.open {
            open.flush().expect("flushed");
        }
    }

    fn end(&mut self) {
        if let Some(open) = self.open.take() {
            let file = ManuallyDrop::into_inner(open).finish();
            file.expect("finished");
        }
    }

    /// It is killed: what the compressor holds is in no file.
    fn die(&mut self) {
        self.open = None;
        let last = self.entries;
        self.started = last + 10_000_000;
        self.entries = self.started;
        self.restarts.insert(last, self.started + 1);
    }

    fn init(&mut self) {
        self.begin("init");
        for kind in ["start", "finish"] {
            self.entry(&format!("\"type\":\"kernel-init-{kind}\""));
            self.local.insert(self.entries);
        }
        self.end();
    }

    /// The entry that follows in the main lane.
    fn behind(&self, number: u64) -> u64 {
        let next = self.restarts.get(&number).copied().unwrap_or(number + 1);
        match self.local.contains(&next) {
            true => self.behind(next),
            false => next,
        }
    }

    /// The chain's first start.
    fn bootstrap(&mut self) {
        self.init();
        self.begin("bootstrap");
        self.entry("\"type\":\"cosmic-swingset-bootstrap-block-start\",\"blockTime\":0");
        self.entry("\"type\":\"cosmic-swingset-bootstrap-block-finish\",\"blockTime\":0");
        self.end();
    }

    fn begin_block(&mut self, height: u64) {
        self.begin(&format!("block_{height}"));
        let of = format!("\"blockHeight\":{height},\"blockTime\":{height}");
        for kind in ["begin-block", "run-start", "run-finish"] {
            self.entry(&format!("\"type\":\"cosmic-swingset-{kind}\",{of}"));
        }
    }

    /// Entries that no compressor makes small.
    fn work(&mut self, height: u64, from: u64, count: u64) {
        for n in from..from + count {
            let mut random = Random(height << 20 | n);
            let noise: String = (0..8).map(|_| format!("{:016x}", random.draw())).collect();
            self.entry(&format!(
                "\"type\":\"clist\",\"mode\":\"export\",\"vatID\":\"v9\",\"kobj\":\"ko{height}-{n}\",\"vobj\":\"{noise}\""
            ));
        }
    }

    fn end_block(&mut self, height: u64) {
        let of = format!("\"blockHeight\":{height},\"blockTime\":{height}");
        for kind in [
            "end-block-start",
            "end-block-finish",
            "commit-block-start",
            "commit-block-finish",
            "after-commit-stats",
        ] {
            self.entry(&format!("\"type\":\"cosmic-swingset-{kind}\",{of}"));
        }
        self.end();
    }

    fn block(&mut self, height: u64) {
        self.begin_block(height);
        self.work(height, 0, 40);
        self.end_block(height);
    }
}

fn record(folder: &Path, blocks: &Path, size: &str) -> Recorder {
    let arguments = [
        "--size",
        size,
        "--archive-bytes",
        "0",
        "--slog",
        text(blocks),
    ];
    Recorder::start(&folder.join("node"), &arguments, Stdio::null())
}

fn ring(folder: &Path) -> PathBuf {
    folder.join("node/ring")
}

/// What a ring holds: the numbers of its entries, and 0 for a gap.
fn numbers(folder: &Path) -> Vec<u64> {
    let file = File::open(ring(folder)).expect("a ring");
    let view = RingView::read(&file).expect("a ring");
    let marks = Marks::read(&file, &view).expect("marks");
    let mut timeline = Timeline::new(&file, &view, marks.marked());
    let mut found = Vec::new();
    while let Some(entry) = timeline.next().expect("entries") {
        match entry {
            Entry::Line(line) => found.extend(number(line.bytes)),
            Entry::Hole(hole) if hole.lane == Lane::Main => found.push(0),
            Entry::Hole(_) | Entry::Marks(..) => {}
        }
    }
    found
}

fn number(line: &[u8]) -> Option<u64> {
    let entry: Value = serde_json::from_slice(line).ok()?;
    let time = entry["time"].as_f64()?;
    Some(((time - 1.7e9) * 1000.0).round() as u64)
}

fn has(folder: &Path, number: u64) -> bool {
    ring(folder).exists() && numbers_of(folder).contains(&number)
}

/// As [`numbers`], of a ring that is being written.
fn numbers_of(folder: &Path) -> Vec<u64> {
    let done = run(&["cat", text(&ring(folder))]);
    let lines = done.stdout.split(|byte| *byte == b'\n');
    lines.filter_map(number).collect()
}

/// The HASH of each block that has one.
fn hashes(source: &Path) -> Vec<(u64, String)> {
    let done = run(&["info", "--json", text(source)]);
    let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let blocks = json["sources"][0]["blocks"].as_array().expect("blocks");
    let whole = blocks.iter().filter(|block| block["complete"] == true);
    let named = whole.map(|block| {
        let name = block["name"].as_str().expect("a name").to_owned();
        (block["height"].as_u64().expect("a height"), name)
    });
    named.collect()
}

fn without_gap(found: &[u64]) {
    assert!(!found.contains(&0), "{found:?}");
    assert!(found.is_sorted(), "{found:?}");
}

/// The real recording: what the recorder makes of its files, over a kill of its own,
/// is what the plain slog gives.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn a_folder_is_recorded_with_the_hashes_of_the_plain_slog() {
    let Some(slog) = recording("honest-a") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("plain");
    fs::write(&plain, &slog).expect("a slog");
    let whole = hashes(&plain);
    let mut sender = Sender::new(&folder.path().join("blocks"));
    let mut recorder = record(folder.path(), &sender.folder, "128MiB");
    recorder.wait_for("follows the slog");
    let mut sent = 0_u64;
    for line in slog.split_inclusive(|byte| *byte == b'\n') {
        let entry: Value = serde_json::from_slice(line).expect("an entry");
        let kind = entry["type"].as_str().expect("a type");
        let part = match kind {
            "kernel-init-start" => Some("init".to_owned()),
            "cosmic-swingset-bootstrap-block-start" => Some("bootstrap".to_owned()),
            "cosmic-swingset-begin-block" => Some(format!("block_{}", entry["blockHeight"])),
            _ => None,
        };
        if let Some(part) = part {
            sender.begin(&part);
        }
        sender.bytes(line);
        sent += 1;
        if sent.is_multiple_of(40_000) {
            sender.flush();
            recorder.kill();
            recorder = record(folder.path(), &sender.folder, "128MiB");
        }
        if matches!(
            kind,
            "kernel-init-finish"
                | "cosmic-swingset-bootstrap-block-finish"
                | "cosmic-swingset-after-commit-stats"
        ) {
            sender.end();
        }
    }
    sender.end();
    wait_until("the last block", || {
        let found = hashes(&ring(folder.path()));
        found.iter().any(|(height, _)| *height == 28)
    });
    recorder.stop();
    assert_eq!(hashes(&ring(folder.path())), whole);
    let recorded = folder.path().join("node");
    output(0, &["diff", text(&plain), text(&recorded)]);
}

/// A recorder that is started beside a folder that is full already begins at the
/// newest file, and says what it leaves out.
#[test]
fn a_folder_with_old_files_is_begun_at_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Sender::new(&folder.path().join("blocks"));
    sender.bootstrap();
    (1..=300).for_each(|height| sender.block(height));
    let begun = sender.entries;
    sender.block(301);
    let recorder = record(folder.path(), &sender.folder, SIZE);
    recorder.wait_for("follows the slog");
    recorder.wait_for("older files found: 302");
    sender.block(302);
    wait_until("block 302", || has(folder.path(), sender.entries));
    recorder.stop();
    let found = numbers(folder.path());
    assert_eq!(found, (begun + 1..=sender.entries).collect::<Vec<u64>>());
    // Of the first one nobody saw what stood before it.
    let heights = hashes(&ring(folder.path()));
    let heights: Vec<u64> = heights.into_iter().map(|(height, _)| height).collect();
    assert_eq!(heights, [302]);
}

/// While no recorder ran: all of it is read, in its order, and a file that is gone
/// is a gap.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn what_was_written_while_nobody_read_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Sender::new(&folder.path().join("blocks"));
    let recorder = record(folder.path(), &sender.folder, SIZE);
    recorder.wait_for("follows the slog");
    sender.bootstrap();
    (1..=3).for_each(|height| sender.block(height));
    wait_until("block 3", || has(folder.path(), sender.entries));
    recorder.kill();
    (4..=90).for_each(|height| sender.block(height));
    let recorder = record(folder.path(), &sender.folder, SIZE);
    wait_until("block 90", || has(folder.path(), sender.entries));
    recorder.stop();
    let found = numbers(folder.path());
    without_gap(&found);
    assert_eq!(found.len() as u64, sender.entries);
    let block = |height: u64, sender: &mut Sender| {
        let from = sender.entries;
        sender.block(height);
        (from, sender.path.clone())
    };
    block(91, &mut sender);
    let (gone, path) = block(92, &mut sender);
    fs::remove_file(path).expect("a file");
    let behind = sender.entries;
    block(93, &mut sender);
    let recorder = record(folder.path(), &sender.folder, SIZE);
    wait_until("block 93", || has(folder.path(), sender.entries));
    recorder.wait_for("block 92: its file is missing");
    recorder.stop();
    let mut expected: Vec<u64> = (1..=gone).collect();
    expected.push(0);
    expected.extend(behind + 1..=sender.entries);
    assert_eq!(numbers(folder.path()), expected);
    let plain = folder.path().join("plain");
    fs::write(&plain, &sender.plain).expect("a slog");
    let mut whole = hashes(&plain);
    whole.retain(|(height, _)| ![92, 93].contains(height));
    assert_eq!(hashes(&ring(folder.path())), whole);
}

/// The node is killed in the middle of a block, and executes it again: what its
/// sender had not written is a gap, and the second execution is one of its own.
#[test]
fn a_node_that_is_killed_leaves_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Sender::new(&folder.path().join("blocks"));
    let recorder = record(folder.path(), &sender.folder, SIZE);
    recorder.wait_for("follows the slog");
    sender.bootstrap();
    (1..=3).for_each(|height| sender.block(height));
    sender.begin_block(4);
    sender.work(4, 0, 1000);
    let sent = sender.entries;
    sender.die();
    let again = sender.entries;
    sender.init();
    sender.block(4);
    sender.block(5);
    wait_until("block 5", || has(folder.path(), sender.entries));
    recorder.stop();
    let found = numbers(folder.path());
    let gap = found.iter().position(|number| *number == 0).expect("a gap");
    assert!(
        found[gap - 1] < sent && found[gap + 1] == again + 1,
        "{found:?}"
    );
    let plain = folder.path().join("plain");
    fs::write(&plain, &sender.plain).expect("a slog");
    let whole: BTreeMap<u64, String> = hashes(&plain).into_iter().collect();
    let found = hashes(&ring(folder.path()));
    assert!(
        found
            .iter()
            .all(|(height, name)| whole.get(height) == Some(name)),
        "{found:?}"
    );
    let heights: Vec<u64> = found.into_iter().map(|(height, _)| height).collect();
    // Whether an upgrade ran behind the start the sender does not tell.
    assert_eq!(heights, [1, 2, 3, 5]);
}

/// A folder that is not there yet, is moved away and made anew.
#[test]
fn a_folder_may_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let blocks = folder.path().join("blocks");
    let recorder = record(folder.path(), &blocks, SIZE);
    recorder.wait_for("follows the slog");
    let mut sender = Sender::new(&blocks);
    sender.bootstrap();
    sender.block(1);
    sender.block(2);
    wait_until("block 2", || has(folder.path(), sender.entries));
    fs::rename(&blocks, folder.path().join("away")).expect("renamed");
    recorder.wait_for("cannot be read: ");
    fs::create_dir(&blocks).expect("a folder");
    recorder.wait_for("can be read again");
    sender.block(3);
    wait_until("block 3", || has(folder.path(), sender.entries));
    recorder.stop();
    without_gap(&numbers(folder.path()));
}

/// `status` and `doctor` know such a source.
#[test]
fn a_folder_that_is_recorded_needs_no_attention() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Sender::new(&folder.path().join("blocks"));
    let dir = folder.path().join("node");
    let recorder = record(folder.path(), &sender.folder, SIZE);
    recorder.wait_for("follows the slog");
    sender.bootstrap();
    (1..=3).for_each(|height| sender.block(height));
    wait_until("block 3", || has(folder.path(), sender.entries));
    let found = status(&dir);
    assert_eq!(found["needs_attention"], false, "{found}");
    let source = &found["sources"][0];
    assert_eq!(source["path"], text(&sender.folder), "{found}");
    let name = sender.path.file_name().expect("a name");
    assert_eq!(source["file"], name.to_str().expect("UTF-8"), "{found}");
    assert_eq!(source["lag"], 0, "{found}");
    let done = run(&["doctor", text(&dir)]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("the profile agoric reads blocks in"),
        "{said}"
    );
    assert!(!flat.contains("does not exist"), "{said}");
    recorder.kill();
    // What the recorder has not read waits in files behind the one that it read.
    (4..=9).for_each(|height| sender.block(height));
    let found = status(&dir);
    assert!(found["sources"][0]["lag"].as_u64() > Some(1000), "{found}");
}

/// A Node process that compresses as Agoric's sender does, and is killed in the middle
/// of a block, which the next one executes again. BLOCK_SLOG names the sender's own module.
#[test]
#[ignore = "needs Node.js and HALTBOX_DATA; `-- --ignored` runs it"]
fn what_a_node_process_writes_is_recorded() {
    let Some(slog) = recording("honest-a") else {
        return;
    };
    needs("node");
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, blocks) = (folder.path().join("plain"), folder.path().join("blocks"));
    fs::write(&plain, &slog).expect("a slog");
    fs::create_dir(&blocks).expect("a folder");
    let feed = |from: &[&str]| {
        let mut node = Command::new("node");
        node.arg(root().join("tests/node/block-feed.mjs"));
        node.args([&plain, &blocks]).args(from).stdin(Stdio::null());
        node.spawn().expect("node starts")
    };
    let recorder = record(folder.path(), &blocks, "128MiB");
    recorder.wait_for("follows the slog");
    let mut first = feed(&[]);
    wait_until("half of block 12", || {
        let files = fs::read_dir(&blocks).expect("a folder").flatten();
        let mut files =
            files.filter(|file| file.file_name().to_string_lossy().contains("block_12_"));
        files.any(|file| file.metadata().expect("a file").len() > 20_000)
    });
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    let mut second = feed(&["12"]);
    assert!(second.wait().expect("it ends").success());
    wait_until("the last block", || {
        hashes(&ring(folder.path()))
            .iter()
            .any(|(height, _)| *height == 28)
    });
    recorder.stop();
    let mut whole = hashes(&plain);
    // What the first one had not written of it is nowhere; the second one tells of no
    // start, so that an upgrade may have run before it.
    whole.retain(|(height, _)| *height != 12);
    assert_eq!(hashes(&ring(folder.path())), whole);
}

/// Random histories of a node that is killed, and a recorder that is. HALTBOX_LONG=1
/// plays 600; HALTBOX_HISTORY=SEED plays the one of that seed alone.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn every_entry_of_a_folder_is_recorded_or_missed_in_words() {
    programs();
    if let Ok(seed) = std::env::var("HALTBOX_HISTORY") {
        let seen = History::new(seed.parse().expect("a number")).play();
        return println!("{seen:?}");
    }
    let rounds = if long() { 50 } else { 1 };
    let mut random = Random::seeded(10710);
    let seeds: VecDeque<u64> = (0..rounds * AT_ONCE).map(|_| random.draw()).collect();
    let (seeds, all) = (Mutex::new(seeds), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        let one = || {
            loop {
                let seed = seeds.lock().expect("no panic").pop_front();
                let Some(seed) = seed else { return };
                println!("history {seed} (HALTBOX_HISTORY plays it alone)");
                let seen = History::new(seed).play();
                all.lock().expect("no panic").add(&seen);
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        let failed = threads.into_iter().filter_map(|one| one.join().err());
        assert_eq!(failed.count(), 0, "histories failed");
    });
    let seen = all.into_inner().expect("no panic");
    println!("{seen:?}");
    // What never comes up is not tested.
    assert!(seen.node_kills > 0 && seen.recorder_kills > 0 && seen.files_gone > 0);
    assert!(seen.hashes > 10 && seen.kept > 1000 && seen.missing > 0);
}

#[derive(Debug, Default)]
struct Seen {
    node_kills: u64,
    recorder_kills: u64,
    files_gone: u64,
    kept: u64,
    missing: u64,
    hashes: u64,
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        for (all, more) in [
            (&mut self.node_kills, other.node_kills),
            (&mut self.recorder_kills, other.recorder_kills),
            (&mut self.files_gone, other.files_gone),
            (&mut self.kept, other.kept),
            (&mut self.missing, other.missing),
            (&mut self.hashes, other.hashes),
        ] {
            *all += more;
        }
    }
}

struct History {
    seed: u64,
    random: Random,
    folder: tempfile::TempDir,
    sender: Sender,
    recorder: Option<Recorder>,
    stopped: bool,
    /// The height that is executed, whether it was begun, and how far.
    height: u64,
    is_begun: bool,
    done: u64,
    /// The files, and when each was begun.
    files: Vec<(PathBuf, Instant)>,
    /// Files went before anybody can have seen them, or the node was killed.
    unbroken: bool,
    seen: Seen,
    log: Vec<String>,
    begun: Instant,
}

impl History {
    fn new(seed: u64) -> History {
        let target = root().join("target");
        fs::create_dir_all(&target).expect("target/");
        let folder = tempfile::tempdir_in(target).expect("a folder");
        let sender = Sender::new(&folder.path().join("blocks"));
        let mut history = History {
            seed,
            random: Random(seed),
            folder,
            sender,
            recorder: None,
            stopped: false,
            height: 1,
            is_begun: false,
            done: 0,
            files: Vec::new(),
            unbroken: true,
            seen: Seen::default(),
            log: Vec::new(),
            begun: Instant::now(),
        };
        history.start();
        history.recorder().wait_for("follows the slog");
        history.sender.bootstrap();
        history
    }

    fn recorder(&self) -> &Recorder {
        self.recorder.as_ref().expect("it runs")
    }

    fn told(&mut self, what: impl Into<String>) {
        let at = self.begun.elapsed().as_millis();
        self.log.push(format!("{at:6} {}", what.into()));
    }

    fn story(&self) -> String {
        let said = self.folder.path().join("node.stderr");
        let said = fs::read_to_string(said).unwrap_or_default();
        let log = self.log.join("\n");
        format!("history {}\n{log}\nthe recorder said:\n{said}", self.seed)
    }

    fn play(mut self) -> Seen {
        // In a third of the histories nothing may be missing.
        let kinds = if self.random.below(3) == 0 { 68 } else { 100 };
        let steps = 15 + self.random.below(25);
        for _ in 0..steps {
            match self.random.below(kinds) {
                0..=34 => self.work(),
                35..=49 => self.pause(200),
                50..=57 => self.compress_anew(),
                58..=63 => self.kill_or_start(),
                64..=67 => self.stop_or_go_on(),
                68..=83 => self.kill_node(),
                84..=93 => self.remove(),
                _ => self.pause(2_500),
            }
        }
        self.end();
        self.seen
    }

    fn pause(&mut self, most: u64) {
        let millis = self.random.below(most);
        std::thread::sleep(Duration::from_millis(millis));
    }

    fn opened(&mut self) {
        let path = self.sender.path.clone();
        let name = path.file_name().expect("a name").to_string_lossy();
        self.log
            .push(format!("{:6} {name}", self.begun.elapsed().as_millis()));
        self.files.push((path, Instant::now()));
    }

    fn init(&mut self) {
        self.sender.init();
        self.opened();
    }

    /// Blocks, or a part of one.
    fn work(&mut self) {
        for _ in 0..1 + self.random.below(4) {
            let height = self.height;
            if !std::mem::replace(&mut self.is_begun, true) {
                self.sender.begin_block(height);
                self.opened();
            }
            let count = match self.random.below(6) {
                0 => 600,
                _ => self.random.below(60),
            };
            let count = count.min(self.left());
            self.sender.work(height, self.done, count);
            self.done += count;
            match self.random.below(4) {
                0 => {}
                1 => self.sender.flush(),
                _ => self.finish_block(),
            }
        }
        let last = self.sender.entries;
        self.told(format!("height {}, entries to {last}", self.height));
    }

    /// Every execution of a height does the same.
    fn left(&self) -> u64 {
        (20 + self.height * 7919 % 800).saturating_sub(self.done)
    }

    fn finish_block(&mut self) {
        self.sender.work(self.height, self.done, self.left());
        self.sender.end_block(self.height);
        self.height += 1;
        (self.is_begun, self.done) = (false, 0);
    }

    fn kill_node(&mut self) {
        self.seen.node_kills += 1;
        self.unbroken = false;
        self.told("the node is killed");
        self.sender.die();
        (self.is_begun, self.done) = (false, 0);
        if self.random.below(4) == 0 {
            self.pause(2_600);
        }
        self.init();
    }

    /// An operator's job compresses files that are done with.
    fn compress_anew(&mut self) {
        let Some(at) = self.old_file() else { return };
        let (path, _) = self.files.remove(at);
        let mut bytes = Vec::new();
        let file = File::open(&path).expect("a file");
        let mut decoder = flate2::read::MultiGzDecoder::new(file);
        let sound = decoder.read_to_end(&mut bytes).is_ok();
        let stem = path.with_extension("");
        let to = match self.random.below(2) {
            0 => stem.with_extension("zst"),
            _ => stem,
        };
        // What a killed node left stays as it is.
        if !sound {
            return;
        }
        let written = match to.extension() {
            Some(_) => zstd::encode_all(&bytes[..], 3).expect("compressed"),
            None => bytes,
        };
        let hidden = to.with_file_name(".half");
        fs::write(&hidden, written).expect("a file");
        fs::rename(hidden, &to).expect("renamed");
        fs::remove_file(&path).expect("a file");
        self.told(format!("written anew as {}", to.display()));
    }

    /// One that nobody writes and that a recorder at work has seen; of one that may
    /// not have been read nobody takes the rest away.
    fn old_file(&mut self) -> Option<usize> {
        let most = self.files.len().checked_sub(2)?;
        let at = self.random.below(most as u64) as usize;
        let (_, begun) = self.files.get(at)?;
        (begun.elapsed() > UNSEEN).then_some(at)
    }

    fn remove(&mut self) {
        let Some(at) = self.old_file() else { return };
        let (path, _) = self.files.remove(at);
        fs::remove_file(&path).expect("a file");
        self.seen.files_gone += 1;
        self.unbroken = false;
        self.told(format!("removed {}", path.display()));
    }

    fn start(&mut self) {
        self.recorder = Some(record(self.folder.path(), &self.sender.folder, SIZE));
        self.told("the recorder starts");
    }

    fn kill_or_start(&mut self) {
        match self.recorder.take() {
            Some(recorder) => {
                self.seen.recorder_kills += 1;
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

    fn stop_or_go_on(&mut self) {
        if let Some(recorder) = &self.recorder {
            self.stopped = !self.stopped;
            let signal = match self.stopped {
                true => Signal::SIGSTOP,
                false => Signal::SIGCONT,
            };
            kill(Pid::from_raw(recorder.id() as i32), signal).expect("it runs");
            self.told(format!("stopped: {}", self.stopped));
        }
    }

    fn end(&mut self) {
        if !self.is_begun {
            self.sender.begin_block(self.height);
            self.opened();
        }
        self.finish_block();
        if self.stopped {
            self.stop_or_go_on();
        }
        if self.recorder.is_none() {
            self.start();
        }
        let begun = Instant::now();
        while !has(self.folder.path(), self.sender.entries) {
            let waited = begun.elapsed() < Duration::from_secs(60);
            assert!(waited, "in vain: {}", self.story());
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Some(recorder) = self.recorder.take() {
            recorder.stop();
        }
        self.check();
    }

    /// Each entry follows the one before it, or a gap lies between them; and a HASH
    /// is the plain slog's.
    fn check(&mut self) {
        let (mut last, mut gap, mut newest) = (0, false, 0);
        for number in numbers(self.folder.path()) {
            if number == 0 {
                gap = true;
                continue;
            }
            assert!(
                number > newest,
                "{number} behind {newest}: {}",
                self.story()
            );
            newest = number;
            if self.sender.local.contains(&number) {
                continue;
            }
            let follows = number == self.sender.behind(last);
            assert!(
                follows || gap,
                "no gap between {last} and {number}: {}",
                self.story()
            );
            assert!(!(self.unbroken && gap), "a gap: {}", self.story());
            self.seen.kept += 1;
            self.seen.missing += u64::from(!follows);
            (last, gap) = (number, false);
        }
        assert_eq!(last, self.sender.entries, "the last: {}", self.story());
        let plain = self.folder.path().join("plain");
        fs::write(&plain, &self.sender.plain).expect("a slog");
        let whole: BTreeMap<u64, String> = hashes(&plain).into_iter().collect();
        let found = hashes(&ring(self.folder.path()));
        for (height, name) in &found {
            let same = whole.get(height) == Some(name);
            assert!(same, "{height} is {name}: {}", self.story());
        }
        self.seen.hashes += found.len() as u64;
    }
}
