//! Whatever happens to a recording, a HASH that is given is the HASH of what the
//! node executed: random rings, sizes, pins, drops, kills, power cuts and gaps.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haltbox_format::mark::SourceMark;
use haltbox_format::ring::{History as Marks, RingView};
use haltbox_format::{
    AppHash, BlockHasher, Event, Lane, Mismatch, Profile, SlogRules, Stream, Weight,
};
use haltbox_reader::{Survey, open, verify};
use haltbox_recorder::freeze::{Plan, freeze};
use haltbox_recorder::intake::given::{Given, LeftOut};
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_tests::*;

const RING: u64 = 4 << 20;

#[test]
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
        let hash = hasher.finish().to_string();
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
    AppHash::new(&height.to_be_bytes()).expect("eight bytes")
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
            },
            profile: Arc::clone(&self.profile),
            node_lane: Lane::Local,
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
        };
        let frozen = freeze(&file, &plan).expect("a box");
        recorder.frozen(frozen.of, frozen.name());
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
        let survey = Survey::of(&source, &self.profile).expect("its blocks");
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
