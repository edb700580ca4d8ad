//! Whatever happens to a recording, a HASH that is given is the HASH of what the
//! node executed: random rings, sizes, pins, drops, kills, power cuts and gaps.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haltbox_format::mark::SourceMark;
use haltbox_format::ring::RingView;
use haltbox_format::{AppHash, Lane, Stream};
use haltbox_model::history::History as Marks;
use haltbox_model::{BlockHasher, Event, Mismatch, Profile, SlogRules, Weight};
use haltbox_reader::{SourceSummary, open, verify};
use haltbox_recorder::freeze::{Plan, freeze};
use haltbox_recorder::host::{HostRecorder, Options};
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_recorder::source_entry::{Given, LeftOut};
use haltbox_tests::*;

const RING: u64 = 4 << 20;

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_hash_that_is_given_is_the_hash_of_what_was_executed() {
    let histories = if long() { 20_000 } else { 120 };
    let mut random = Random::seeded(71);
    let mut seen = Seen::default();
    if let Ok(seed) = std::env::var("HALTBOX_HISTORY") {
        return History::new(seed.parse().expect("a number")).play(&mut seen);
    }
    for _ in 0..histories {
        let seed = random.draw();
        println!("history {seed} (HALTBOX_HISTORY plays it alone)");
        History::new(seed).play(&mut seen);
    }
    println!("{histories} histories: {seen:?}");
    // What is never given cannot be wrong: each kind must have come up.
    assert!(seen.hashes > 20 * histories && seen.boxes > histories / 2);
    assert!(seen.without > histories && seen.dropped > 0 && seen.power_cuts > 0);
}

/// What the histories came upon.
#[derive(Debug, Default)]
struct Seen {
    /// HASHes that were given, all of them right.
    hashes: u64,
    /// Blocks that had none.
    without: u64,
    /// Boxes.
    boxes: u64,
    /// Entries that found no room.
    dropped: u64,
    kills: u64,
    power_cuts: u64,
    gaps: u64,
}

/// What the node wrote, line by line, and the HASHes of what it executed.
struct Node {
    rules: SlogRules,
    random: Random,
    lines: Vec<Vec<u8>>,
    height: u64,
    /// The height that is being executed.
    open: Option<u64>,
    /// Canonical lines that belong to it, or to the next one.
    since: Vec<Vec<u8>>,
    hashes: HashMap<u64, HashSet<String>>,
}

impl Node {
    fn new(rules: SlogRules, random: Random) -> Node {
        let mut node = Node {
            rules,
            random,
            lines: Vec::new(),
            height: 1,
            open: None,
            since: Vec::new(),
            hashes: HashMap::new(),
        };
        node.start();
        node
    }

    fn write(&mut self, line: String) {
        if self.rules.read(line.as_bytes()).canonical {
            self.since.push(line.clone().into_bytes());
        }
        self.lines.push(line.into_bytes());
    }

    /// Its process begins: what it had not ended is executed again.
    fn start(&mut self) {
        self.since.clear();
        self.open = None;
        self.write(r#"{"type":"host-start","pid":1}"#.to_owned());
    }

    fn begin(&mut self) {
        if self.open.take().is_some() {
            self.since.clear();
        }
        self.open = Some(self.height);
        let (height, time) = (self.height, self.random.draw());
        self.write(format!(
            r#"{{"type":"begin-block","height":{height},"time":"{time}"}}"#
        ));
    }

    fn entry(&mut self) {
        let kind = ["op-write", "tx-result", "local-note", "commentary"];
        let kind = kind[self.random.below(20).saturating_sub(16) as usize];
        let length = match self.random.below(200) {
            0 => 3_500_000,
            1..=3 => 400_000,
            4..=15 => 40_000 + self.random.below(80_000),
            16..=100 => 1_000 + self.random.below(3_000),
            _ => self.random.below(200),
        };
        let (number, rest) = (self.random.draw(), "x".repeat(length as usize));
        self.write(format!(r#"{{"type":"{kind}","n":{number},"p":"{rest}"}}"#));
    }

    fn end(&mut self) {
        let Some(height) = self.open.take() else {
            return;
        };
        self.write(format!(r#"{{"type":"end-block","height":{height}}}"#));
        let mut hasher = BlockHasher::new(self.rules.canonical(), height);
        self.since.drain(..).for_each(|line| {
            hasher.line(&line);
        });
        let hash = hasher.finish().expect("a HASH").to_string();
        self.hashes.entry(height).or_default().insert(hash);
    }

    fn commit(&mut self) {
        let (height, hash) = (self.height, app_hash(self.height));
        self.write(format!(
            r#"{{"type":"commit-block","height":{height},"appHash":"{hash}"}}"#
        ));
        self.height += 1;
    }

    fn abort(&mut self) {
        if let Some(height) = self.open.take() {
            self.write(format!(r#"{{"type":"abort-block","height":{height}}}"#));
            self.since.clear();
        }
    }

    /// A block or a part of one.
    fn go_on(&mut self) {
        if self.random.below(10) == 0 {
            self.entry();
        }
        self.begin();
        let entries = match self.random.below(30) {
            0 => 200,
            _ => self.random.below(25),
        };
        (0..entries).for_each(|_| self.entry());
        match self.random.below(12) {
            0 => self.start(),
            1 => self.abort(),
            2 => {}
            _ => {
                self.end();
                self.commit();
            }
        }
    }
}

fn app_hash(height: u64) -> AppHash {
    AppHash::new(&height.to_le_bytes()).expect("eight bytes")
}

/// One recording from its first entry to its end.
struct History {
    random: Random,
    folder: tempfile::TempDir,
    profile: Arc<Profile>,
    node: Node,
    /// The recorder follows a file, else it reads a pipe.
    follows: bool,
    recorder: Option<Recorder>,
    /// The node's line that comes next.
    next: usize,
    /// The ring's bytes at an earlier time.
    earlier: Option<Vec<u8>>,
    /// Pages may be lost: what is damaged is told as damage.
    power_cut: bool,
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = Random(seed);
        let profile = Arc::new(Profile::builtin("host").expect("a profile"));
        let rules = profile.slog.clone().expect("rules");
        let mut history = History {
            node: Node::new(rules, Random(random.draw())),
            follows: random.below(2) == 0,
            folder: tempfile::tempdir().expect("a folder"),
            random,
            profile,
            recorder: None,
            next: 0,
            earlier: None,
            power_cut: false,
        };
        history.open(None);
        history
    }

    fn ring(&self) -> PathBuf {
        self.folder.path().join("ring")
    }

    fn play(mut self, seen: &mut Seen) {
        let steps = 20 + self.random.below(60);
        for _ in 0..steps {
            self.node.go_on();
            self.read();
            match self.random.below(40) {
                0 => self.kill(seen),
                1 => self.cut_power(seen),
                2 => self.lose(seen),
                3 => self.check(seen),
                4 => self.freeze(seen),
                5..=7 => self.diverge(),
                8..=30 => self.confirm(),
                _ => {}
            }
        }
        self.check(seen);
        self.recorder().close();
        self.recorder = None;
        self.check(seen);
    }

    fn recorder(&mut self) -> Recorder {
        self.recorder.take().expect("it is open")
    }

    /// `marked`: how far the source is marked as read, where the machine went
    /// down.
    fn open(&mut self, marked: Option<u64>) {
        let config = Config {
            ring: RingOptions {
                size: RING,
                in_host: false,
                engine: None,
            },
            profile: Arc::clone(&self.profile),
            node_lane: Lane::Local,
            own_start: false,
            populate: false,
        };
        let opened = Recorder::open(&self.ring(), config).expect("a ring");
        let mut recorder = opened.recorder;
        let left = opened.sources.first();
        if self.follows {
            // As the recorder does that follows a file. On another boot of the
            // machine it would go on at the mark by itself.
            let certain = marked.is_none() && opened.uncertain.is_empty();
            let offset = marked.or(left.map(|source| source.offset)).unwrap_or(0);
            self.next = self.line_at(offset);
            if opened.resumed && !certain {
                recorder.event(&Event::Gap, Stream::Slog);
            }
            recorder.source(SourceMark {
                stream: Stream::Slog,
                path: "slog".to_owned(),
                inode: 1,
                offset,
                file: None,
                before: None,
                trouble: None,
            });
        } else if opened.resumed {
            recorder.event(&Event::Gap, Stream::Slog);
        }
        self.recorder = Some(recorder);
    }

    /// A source goes on at the beginning of a line, or it was counted wrongly.
    fn line_at(&self, offset: u64) -> usize {
        let mut at = 0;
        for (number, line) in self.node.lines.iter().enumerate() {
            if at == offset {
                return number;
            }
            at += line.len() as u64 + 1;
        }
        assert_eq!(at, offset, "the source goes on in the middle of a line");
        self.node.lines.len()
    }

    fn read(&mut self) {
        let recorder = self.recorder.as_mut().expect("it is open");
        for line in &self.node.lines[self.next..] {
            recorder.record(Stream::Slog, Given::line(line));
        }
        self.next = self.node.lines.len();
        if self.random.below(10) == 0 {
            self.earlier = Some(std::fs::read(self.ring()).expect("the ring"));
        }
    }

    /// SIGKILL between two calls: the pages stay.
    fn kill(&mut self, seen: &mut Seen) {
        seen.kills += 1;
        drop(self.recorder());
        if self.random.below(2) == 0 {
            self.node.start();
        }
        if !self.follows {
            self.node.go_on();
            self.next = self.node.lines.len();
        }
        self.open(None);
    }

    /// Node and recorder die, and some pages are as they were before.
    fn cut_power(&mut self, seen: &mut Seen) {
        let Some(earlier) = self.earlier.take() else {
            return;
        };
        seen.power_cuts += 1;
        self.power_cut = true;
        drop(self.recorder());
        let mut now = std::fs::read(self.ring()).expect("the ring");
        // Superblocks are synced when the ring is made and hold the epoch.
        let lost = 1 + self.random.below(20);
        for (now, earlier) in now.chunks_mut(4096).zip(earlier.chunks(4096)).skip(16) {
            if self.random.below(20) < lost {
                now.copy_from_slice(earlier);
            }
        }
        std::fs::write(self.ring(), now).expect("the ring");
        self.node.start();
        let source = self
            .marks()
            .sources
            .first()
            .map(|source| source.mark.offset);
        self.open(Some(source.unwrap_or(0)));
    }

    /// Lines never come to the recorder, and it is told so.
    fn lose(&mut self, seen: &mut Seen) {
        if self.follows {
            return;
        }
        seen.gaps += 1;
        self.node.go_on();
        let lines = &self.node.lines[self.next..];
        let left = self.random.below(lines.len() as u64) as usize;
        let bytes = lines[..left].iter().map(|line| line.len() as u64 + 1).sum();
        let lines = left as u64;
        let recorder = self.recorder.as_mut().expect("it is open");
        recorder.left_out(Stream::Slog, LeftOut { lines, bytes });
        self.next += left;
        self.read();
    }

    fn a_height(&mut self) -> u64 {
        let newest = self.node.height.saturating_sub(1);
        newest.saturating_sub(self.random.below(4))
    }

    fn confirm(&mut self) {
        let height = self.a_height();
        let app_hash = Some(app_hash(height));
        let recorder = self.recorder.as_mut().expect("it is open");
        recorder.event(&Event::Confirm { height, app_hash }, Stream::Slog);
    }

    fn diverge(&mut self) {
        let height = self.a_height();
        let event = Event::Mismatch(Mismatch {
            carried: None,
            round: None,
            height: Some(height),
            field: "AppHash".to_owned(),
            local: app_hash(height),
            network: app_hash(u64::MAX),
            weight: Weight::Proved,
        });
        let recorder = self.recorder.as_mut().expect("it is open");
        recorder.event(&event, Stream::Slog);
    }

    /// A box of any block, which must verify and tell the truth.
    fn freeze(&mut self, seen: &mut Seen) {
        let recorder = self.recorder.as_mut().expect("it is open");
        let file = recorder.file().expect("the ring");
        let blocks = recorder.life().blocks();
        let Some(block) = blocks.get(self.random.below(blocks.len() as u64) as usize) else {
            return;
        };
        let plan = Plan {
            of: block.of,
            reason: "asked for".to_owned(),
            boxes: self.folder.path().join("boxes"),
            profile: Arc::clone(&self.profile),
            node_program: None,
            ask: None,
        };
        let frozen = freeze(&file, &plan).expect("a box");
        recorder.frozen(frozen.of, frozen.name(), frozen.finding);
        seen.boxes += 1;
        let height = frozen.of.height;
        if let Some(hash) = frozen
            .name()
            .split('.')
            .next()
            .and_then(|n| n.split_once('-'))
        {
            self.is_true(height, hash.1);
        }
        self.survey(&frozen.path, true, seen);
    }

    fn check(&mut self, seen: &mut Seen) {
        let intact = !self.power_cut;
        self.survey(&self.ring(), intact, seen);
        let losses = self.marks().losses;
        let dropped = losses.iter().filter(|(_, loss)| loss.dropped);
        seen.dropped += dropped.map(|(_, loss)| loss.records).sum::<u64>();
    }

    fn marks(&self) -> Marks {
        let file = std::fs::File::open(self.ring()).expect("the ring");
        let view = RingView::read(&file).expect("a ring");
        Marks::read(&file, &view).expect("its marks")
    }

    fn survey(&self, path: &Path, intact: bool, seen: &mut Seen) {
        let source = open(path).expect("a source");
        let survey = SourceSummary::of(&source, &self.profile).expect("its blocks");
        for row in &survey.blocks {
            match row.hash {
                Some(hash) => {
                    seen.hashes += 1;
                    self.is_true(row.height, &hash.to_string());
                }
                None => seen.without += 1,
            }
        }
        let findings = verify(path, &source, &self.profile).expect("findings");
        let damage: Vec<_> = findings.iter().filter(|found| found.damage).collect();
        assert!(!intact || damage.is_empty(), "{path:?}: {damage:?}");
    }

    fn is_true(&self, height: u64, hash: &str) {
        let known = self.node.hashes.get(&height);
        let known = known.is_some_and(|known| known.contains(hash));
        assert!(
            known || hash == "incomplete",
            "{height}-{hash} was never executed"
        );
    }
}

/// A host that executes blocks of `entries` entries; those up to `pinned` diverge.
fn host(folder: &Path, size: u64, heights: u64, entries: impl Fn(u64) -> u64, pinned: &[u64]) {
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size,
        ..Options::new(folder, profile)
    };
    let (host, _) = HostRecorder::open(options).expect("a recorder");
    for height in 1..=heights {
        host.begin_block(height, 1, None).expect("it records");
        for number in 0..entries(height) {
            let filling = "x".repeat(1000);
            let line = format!(r#"{{"type":"op-write","n":{number},"p":"{filling}"}}"#);
            host.record(line.as_bytes()).expect("it records");
        }
        let own = app_hash(height);
        host.end_block(height, Some(own)).expect("it records");
        host.commit(height, None).expect("it records");
        match pinned.contains(&height) {
            true => host
                .diverged(height, own, app_hash(u64::MAX), "AppHash")
                .expect("it records"),
            false => drop(host.confirm(height, own)),
        }
    }
    host.close();
}

fn frozen(folder: &Path, height: &str) -> PathBuf {
    output(0, &["freeze", text(folder), "--height", height]);
    boxes(folder).pop().expect("a box")
}

/// Pinned blocks fill a small ring, and what comes after them is dropped.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_block_that_lost_entries_has_no_hash_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let (small, large) = (folder.path().join("small"), folder.path().join("large"));
    let entries = |height| if height < 30 { 300 } else { 100 };
    let pinned: Vec<u64> = (1..=20).collect();
    host(&small, 4 << 20, 60, entries, &pinned);
    host(&large, 64 << 20, 60, entries, &pinned);
    let [lost, whole] = [&small, &large].map(|folder| frozen(folder, "10"));
    let name = |path: &Path| path.file_name().expect("a name").to_owned();
    assert_eq!(name(&lost), "10-incomplete");
    assert_ne!(name(&whole), "10-incomplete");
    let said = |arguments: &[&str], code| {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {done:?}");
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    let ring = small.join("ring");
    for path in [&ring, &lost] {
        assert!(said(&["verify", text(path)], 1).contains("dropped"));
        assert!(said(&["cat", text(path)], 1).contains("dropped"));
        assert!(said(&["info", text(path)], 1).contains("dropped"));
        let listed = said(&["ls", text(path)], 0);
        for height in 10..=60 {
            let named = format!(" {height}-");
            let row = listed.lines().find(|line| line.contains(&named));
            assert!(row.is_none_or(|row| row.contains("incomplete")), "{row:?}");
        }
    }
    for (a, b) in [(&lost, &whole), (&whole, &lost)] {
        let verdict = said(&["diff", text(a), text(b)], 2);
        assert!(verdict.contains("EVIDENCE INSUFFICIENT"), "{verdict}");
    }
    let print = folder.path().join("print");
    output(0, &["fingerprint", text(&ring), "-o", text(&print)]);
    let verdict = said(&["diff", text(&print), text(&whole)], 2);
    assert!(verdict.contains("EVIDENCE INSUFFICIENT"), "{verdict}");
}

/// Where the newest segment ends is another place in each of them.
#[test]
fn what_went_by_age_behind_a_pinned_block_is_no_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    for heights in [150, 163, 177, 190] {
        let dir = folder.path().join(heights.to_string());
        host(&dir, 4 << 20, heights, |_| 60, &[20]);
        let ring = dir.join("ring");
        let found = String::from_utf8(output(0, &["verify", text(&ring)])).expect("text");
        assert!(found.contains("evicted by age"), "{found}");
        let listed = String::from_utf8(output(0, &["ls", text(&ring)])).expect("text");
        let half = listed.lines().filter(|line| line.contains("incomplete"));
        let rows: Vec<&str> = half.collect();
        // Before the pinned block, behind it, and the oldest of the rest.
        assert!(rows.len() <= 3, "{rows:?}");
        for row in listed.lines().filter(|line| !line.contains("incomplete")) {
            let columns: Vec<&str> = row.split_whitespace().collect();
            let records = columns
                .get(3)
                .filter(|_| columns.get(2) == Some(&"confirmed"));
            assert!(records.is_none_or(|records| *records == "63"), "{row}");
        }
    }
}

/// A power cut takes the newest records and leaves the marks that tell of them:
/// what comes next must not stand in their place.
#[test]
fn records_that_a_power_cut_took_are_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    host(folder.path(), 4 << 20, 3, |_| 20, &[]);
    let ring = folder.path().join("ring");
    let mut bytes = std::fs::read(&ring).expect("the ring");
    let view = RingView::read(&bytes).expect("a ring");
    let run = view.lane(Lane::Main).runs.last().expect("records");
    let end = view.geometry.offset(run.segment) as usize + run.to;
    bytes[end - 30_000..end].fill(0);
    std::fs::write(&ring, &bytes).expect("the ring");
    let missing = |code| {
        let done = run_verify(&ring, code);
        assert!(
            done.contains("main lane") && done.contains("missing"),
            "{done}"
        );
    };
    missing(1);
    let listed = String::from_utf8(output(0, &["ls", text(&ring)])).expect("text");
    assert!(listed.contains("2-incomplete"), "{listed}");
    host(folder.path(), 4 << 20, 3, |_| 25, &[]);
    missing(1);
    let listed = String::from_utf8(output(0, &["ls", text(&ring)])).expect("text");
    assert!(listed.contains("2-incomplete"), "{listed}");
}

fn run_verify(ring: &Path, code: i32) -> String {
    let done = run(&["verify", text(ring)]);
    assert_eq!(done.status.code(), Some(code), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A process that has just started reads more. Its block has the name that all give it, and
/// boxes of a version that named by the reads as well are held to that version's names.
#[test]
fn a_start_does_not_rename_a_block_and_older_boxes_keep_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = |source: &str| {
        let listed = output(0, &["ls", "--profile", "host", "--json", source]);
        let listed: serde_json::Value = serde_json::from_slice(&listed).expect("JSON");
        let blocks = listed["sources"][0]["blocks"]
            .as_array()
            .expect("blocks")
            .clone();
        blocks
            .iter()
            .map(|block| block["name"].to_string())
            .collect::<Vec<_>>()
    };
    let copy = folder.path().join("copy");
    let boxes = ["healthy-11-13", "restarted-11-13"].map(|name| {
        let path = root().join("tests/data/sdk").join(name);
        text(&path).to_owned()
    });
    let [healthy, restarted] = boxes.each_ref().map(|path| {
        output(0, &["verify", path]);
        output(0, &["extract", path, "--height", "12", "-o", text(&copy)]);
        assert_eq!(
            names(text(&copy)),
            names(path)[1..2],
            "a copy keeps the name"
        );
        output(0, &["verify", text(&copy)]);
        std::fs::remove_file(&copy).expect("it is gone");
        names(path)
    });
    // A folder may hold hours of both versions: its copy is named by this one.
    let archive = folder.path().join("node/archive");
    std::fs::create_dir_all(&archive).expect("a folder");
    std::fs::copy(&boxes[0], archive.join("2026-11-27T12Z-11-13")).expect("an hour");
    let node = folder.path().join("node");
    output(
        0,
        &["extract", text(&node), "--height", "12", "-o", text(&copy)],
    );
    output(0, &["verify", text(&copy)]);
    assert_ne!(names(text(&copy))[0], healthy[1]);
    assert_ne!(healthy[1], restarted[1], "by the rules of their time");
    let slogs = boxes.each_ref().map(|path| {
        let slog = folder.path().join("slog");
        std::fs::write(&slog, output(0, &["cat", path])).expect("a slog");
        names(text(&slog))
    });
    assert!(
        slogs[0][1..].iter().all(|name| name.len() > 34),
        "{slogs:?}"
    );
    assert_eq!(slogs[0][1..], slogs[1][1..]);
    output(0, &["diff", &boxes[0], &boxes[1]]);
}
