//! What is on the disk after a power cut, held to what the machine had done before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haltbox_format::ring::{Geometry, RingView, SlotState};
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_reader::source::{self, Item};
use haltbox_reader::source_summary::SourceSummary;
use haltbox_tests::guest::boot::{Boot, NODE, RING_SIZE};
use haltbox_tests::guest::disk::{Log, Write};
use haltbox_tests::guest::slog::{Place, Template};
use haltbox_tests::loop_disk::LoopDisk;
use haltbox_tests::*;
use serde_json::Value;

use super::intact::intact;

/// The boot of the recorder that goes on beside the test.
const AFTERWARDS: u32 = 9_999;
/// Its blocks.
const BLOCKS_AFTERWARDS: usize = 3;
/// What figures call blocks that were synced, and so have to have a HASH.
pub const SYNCED_BLOCKS: &str = "blocks synced before";
/// Heights of all boots.
const HEIGHTS: u64 = 2_500;

/// What the machine noted on its disk, and when.
#[derive(Clone, Debug)]
pub struct Note {
    pub received: u64,
    pub answered: Option<u64>,
    pub text: String,
}

/// What is known of a boot at a moment.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub boot: u32,
    /// The first height.
    pub from: u64,
    /// Lines that were synced.
    pub synced: usize,
    /// No more lines were given to the recorder.
    pub given: usize,
    /// The recorder said that it has a ring.
    ring: bool,
    /// Boxes that it told of.
    boxes: Vec<String>,
}

pub fn notes(log: &Log, marks: usize) -> Vec<Note> {
    let own = log.writes.iter().filter(|write| write.at >= marks);
    let note = |write: &Write| Note {
        received: write.received,
        answered: write.answered,
        text: String::from_utf8_lossy(&write.bytes)
            .trim_end_matches('\0')
            .to_owned(),
    };
    own.map(note).collect()
}

impl Known {
    pub fn at(boot: &Boot, notes: &[Note], moment: u64) -> Known {
        let mut known = Known {
            boot: boot.boot,
            from: boot.from,
            ..Known::default()
        };
        let number = |text: &str| text.parse::<usize>().expect("a number");
        for note in notes {
            let asked = note.received <= moment;
            let done = note.answered.is_some_and(|answered| answered <= moment);
            match note.text.split_once(' ') {
                Some(("given", lines)) if asked => known.given = number(lines),
                Some(("synced", lines)) if done => known.synced = number(lines),
                Some(("box", name)) if done => known.boxes.push(name.to_owned()),
                None if done => known.ring = true,
                _ => {}
            }
        }
        known
    }
}

/// What is true of the slogs, found without a ring.
pub struct Truth {
    pub template: Template,
    /// HASH of each height.
    hashes: HashMap<u64, String>,
    /// Lane of each line of a block.
    lanes: Vec<Lane>,
}

impl Truth {
    pub fn find(folder: &Path) -> Truth {
        let template = Template::of_excerpt();
        let slog = folder.join("slog");
        let lines = (HEIGHTS as usize + 1) * template.len();
        // Whether something stood before the first block, nobody knows.
        fs::write(&slog, template.lines(0, 0, 0..lines)).expect("a slog");
        let named = summary(&slog);
        let hashes = named
            .blocks
            .iter()
            .filter_map(|row| Some((row.height, row.hash?.to_string())));
        let hashes: HashMap<u64, String> = hashes.collect();
        assert_eq!(hashes.len() as u64, HEIGHTS, "each block has a HASH");
        let block = template.lines(1, 0, 0..2 * template.len());
        record_all(&folder.join("lanes"), block.as_bytes(), None, RING_SIZE).wait();
        let seen = Look::at(&folder.join("lanes/ring")).items;
        let lane = |wanted: usize| {
            let own = seen.iter().find_map(|item| match item {
                Seen::Line(lane, place, _) if place.line == wanted => Some(*lane),
                _ => None,
            });
            own.expect("each line is recorded")
        };
        let lanes = (0..template.len()).map(lane).collect();
        Truth {
            template,
            hashes,
            lanes,
        }
    }

    fn lane(&self, line: usize) -> Lane {
        self.lanes[line % self.lanes.len()]
    }
}

fn profile() -> Profile {
    Profile::builtin("agoric").expect("a profile")
}

fn summary(path: &Path) -> SourceSummary {
    let source = source::open(path).expect("a source");
    SourceSummary::of(&source, &profile()).expect("a summary")
}

/// What a reader finds, in its order.
enum Seen {
    Line(Lane, Place, Vec<u8>),
    Hole(Option<Lane>),
}

struct Look {
    items: Vec<Seen>,
    /// Entries of the slog that do not tell their place, in words.
    strange: Vec<String>,
}

impl Look {
    fn at(ring: &Path) -> Look {
        let source = source::open(ring).expect("a ring");
        let (mut items, mut strange) = (Vec::new(), Vec::new());
        let read = source.read(&profile(), &mut |item| {
            match item {
                Item::Hole(hole) => items.push(Seen::Hole(hole.records.map(|(lane, ..)| lane))),
                Item::Line(line) => match Place::of(line.bytes).filter(|_| line.whole) {
                    Some(place) => items.push(Seen::Line(line.lane, place, line.bytes.to_vec())),
                    None if line.stream == Stream::Node => {}
                    None => strange.push(String::from_utf8_lossy(line.bytes).into_owned()),
                },
            }
            Ok(true)
        });
        read.expect("a reader reads");
        Look { items, strange }
    }

    fn places(&self, lane: Lane) -> impl Iterator<Item = Place> {
        self.items.iter().filter_map(move |item| match item {
            Seen::Line(of, place, _) if *of == lane => Some(*place),
            _ => None,
        })
    }

    fn holes(&self) -> usize {
        self.items
            .iter()
            .filter(|item| matches!(item, Seen::Hole(..)))
            .count()
    }
}

/// What cuts came to.
#[derive(Default)]
pub struct Figures {
    pub counts: BTreeMap<&'static str, usize>,
    /// Different boxes that are whole.
    pub whole: HashSet<blake3::Hash>,
    pub faults: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, what: &'static str, count: usize) {
        *self.counts.entry(what).or_default() += count;
    }

    pub fn join(&mut self, other: Figures) {
        for (what, count) in other.counts {
            self.add(what, count);
        }
        self.whole.extend(other.whole);
        self.faults.extend(other.faults);
    }
}

/// One power cut.
pub struct Cut<'a> {
    pub truth: &'a Truth,
    /// What is known of each boot, oldest first.
    pub known: &'a [Known],
    pub disk: LoopDisk,
    pub figures: Figures,
}

impl Cut<'_> {
    fn dir(&self) -> PathBuf {
        self.disk.path().join(NODE)
    }

    fn ring(&self) -> PathBuf {
        self.dir().join("ring")
    }

    fn fault(&mut self, text: impl Into<String>) {
        self.figures.faults.push(text.into());
    }

    pub fn check(&mut self) {
        self.boxes();
        if !self.ring().exists() {
            self.figures.add("cuts before there is a ring", 1);
            if self.known.iter().any(|known| known.ring) {
                self.fault("the ring is gone");
            }
            return;
        }
        let bytes = fs::read(self.ring()).expect("a ring");
        match RingView::read(&bytes) {
            Err(error) => return self.fault(format!("the ring {error}")),
            Ok(view) => self.all_intact_are_shown(&bytes, &view),
        }
        let look = Look::at(&self.ring());
        self.figures.add("holes told", look.holes());
        let mut synced = HashSet::new();
        for lane in [Lane::Main, Lane::Local] {
            self.figures.add("lines shown", look.places(lane).count());
            synced.extend(self.what_was_synced_is_there(&bytes, &look, lane));
        }
        self.figures.add("lines synced before", synced.len());
        self.lines_and_holes(&look);
        let hashes = self.hashes();
        self.figures.add("blocks with their HASH", hashes.len());
        self.what_was_synced_has_a_hash(&synced, &hashes);
        self.goes_on(&look);
    }

    /// 0 intact records are set aside: each is shown, or a newer filling of its segment is
    /// there.
    fn all_intact_are_shown(&mut self, ring: &[u8], view: &RingView) {
        let intact = intact(ring);
        let mut newest: HashMap<u32, u64> = HashMap::new();
        for record in &intact {
            let of = newest.entry(record.segment).or_default();
            *of = record.counter.max(*of);
        }
        for lane in Lane::ALL {
            for slot in &view.lane(lane).slots {
                if let SlotState::Filled { first, .. } = slot.state {
                    let of = newest.entry(slot.index).or_default();
                    *of = first.max(*of);
                }
            }
        }
        self.figures.add("intact records", intact.len());
        for record in &intact {
            let runs = &view.lane(record.lane).runs;
            let after = runs.partition_point(|run| run.last < record.counter);
            let shown = runs
                .get(after)
                .is_some_and(|run| run.first <= record.counter);
            if shown {
                continue;
            }
            self.figures.add("of these, of overwritten fillings", 1);
            if newest[&record.segment] <= record.counter {
                self.fault(format!(
                    "record {} of the {} lane is intact (segment {}, offset {}) and is not shown",
                    record.counter,
                    record.lane.name(),
                    record.segment,
                    record.offset
                ));
            }
        }
    }

    /// Bytes that a lane surely keeps: half of its segments.
    fn kept(ring: &[u8], lane: Lane) -> usize {
        let geometry = RingView::read(&ring.to_vec()).expect("a ring").geometry;
        let Geometry { segment_size, .. } = geometry;
        let segments = geometry.lane(lane).count();
        segments * segment_size as usize / 2
    }

    /// Lines of a lane that were given last and are not too many for it, and were synced.
    fn what_was_synced_is_there(&mut self, ring: &[u8], look: &Look, lane: Lane) -> Vec<Place> {
        let mut room = Cut::kept(ring, lane);
        let shown: HashSet<Place> = look.places(lane).collect();
        let mut checked = Vec::new();
        let mut missing = Vec::new();
        for known in self.known.iter().rev() {
            for line in (0..known.given)
                .rev()
                .filter(|line| self.truth.lane(*line) == lane)
            {
                let place = Place {
                    boot: known.boot,
                    line,
                };
                let size = 16 + 24 + self.truth.template.line(known.from, place).len();
                if size > room {
                    break;
                }
                room -= size;
                if line < known.synced {
                    checked.push(place);
                    if !shown.contains(&place) {
                        missing.push(place);
                    }
                }
            }
        }
        if let (Some(last), Some(first)) = (missing.first(), missing.last()) {
            let count = missing.len();
            self.fault(format!(
                "{count} synced lines are missing, from {first:?} to {last:?}"
            ));
        }
        checked
    }

    /// Each line is the one that was given, they are in order, and what is missing between
    /// two is told.
    fn lines_and_holes(&mut self, look: &Look) {
        let mut last: BTreeMap<u8, Place> = BTreeMap::new();
        let mut hole: BTreeMap<u8, bool> = BTreeMap::new();
        let mut told: Vec<String> = look
            .strange
            .iter()
            .map(|l| format!("not given: {l:.300}"))
            .collect();
        for item in &look.items {
            match item {
                Seen::Hole(lane) => {
                    for of in [Lane::Main, Lane::Local] {
                        if lane.is_none_or(|lane| lane == of) {
                            hole.insert(of.number(), true);
                        }
                    }
                }
                Seen::Line(lane, place, bytes) => {
                    told.extend(self.given_line(*place, bytes));
                    let before = last.insert(lane.number(), *place);
                    let hole = hole.insert(lane.number(), false).unwrap_or(false);
                    told.extend(before.and_then(|before| self.step(*lane, before, *place, hole)));
                }
            }
        }
        self.figures.faults.extend(told);
    }

    fn given_line(&self, place: Place, bytes: &[u8]) -> Option<String> {
        let from = match place.boot {
            AFTERWARDS => self.height_afterwards(),
            boot => match self.known.iter().find(|known| known.boot == boot) {
                Some(known) if place.line < known.given => known.from,
                _ => return Some(format!("{place:?} was never given")),
            },
        };
        let given = self.truth.template.line(from, place);
        (given.as_bytes() != bytes).then(|| format!("{place:?} was given otherwise"))
    }

    fn step(&self, lane: Lane, before: Place, place: Place, hole: bool) -> Option<String> {
        if place <= before {
            return Some(format!("{place:?} stands behind {before:?}"));
        }
        let missing = match before.boot == place.boot {
            true => (before.line + 1..place.line).any(|line| self.truth.lane(line) == lane),
            // The last line of a boot that was given, and the first of the next.
            false => {
                let of = self.known.iter().find(|known| known.boot == before.boot);
                let given = of.map_or(0, |known| known.given);
                let tail = (before.line + 1..given).any(|line| self.truth.lane(line) == lane);
                let head = (0..place.line).any(|line| self.truth.lane(line) == lane);
                tail || head
            }
        };
        (missing && !hole).then(|| {
            format!(
                "{} lane: lines between {before:?} and {place:?} are missing untold",
                lane.name()
            )
        })
    }

    /// No HASH but the one that the slog has. Gives the heights that have it.
    fn hashes(&mut self) -> HashSet<u64> {
        let mut heights = HashSet::new();
        for row in &summary(&self.ring()).blocks {
            let Some(hash) = row.hash.map(|hash| hash.to_string()) else {
                continue;
            };
            heights.insert(row.height);
            if self.truth.hashes.get(&row.height) != Some(&hash) {
                self.fault(format!("height {} has the HASH {hash}", row.height));
            }
        }
        heights
    }

    /// A block has its HASH if all of it was synced. Nothing is asked of the first of a
    /// boot, before which a start may be missing, nor of the last one, whose marks may
    /// come behind its last line.
    fn what_was_synced_has_a_hash(&mut self, lines: &HashSet<Place>, hashes: &HashSet<u64>) {
        let length = self.truth.template.len();
        let mut blocks = 0;
        let mut nameless = Vec::new();
        for known in self.known {
            let boot = known.boot;
            for block in 1..(known.synced / length).saturating_sub(1) {
                let mut own = block * length..(block + 1) * length;
                if own.all(|line| lines.contains(&Place { boot, line })) {
                    blocks += 1;
                    let height = known.from + block as u64;
                    nameless.extend((!hashes.contains(&height)).then_some(height));
                }
            }
        }
        if !nameless.is_empty() {
            self.fault(format!("synced blocks have no HASH: {nameless:?}"));
        }
        self.figures.add(SYNCED_BLOCKS, blocks);
    }

    /// Boxes that were told of are there, and all that are there are whole.
    fn boxes(&mut self) {
        let found = boxes(&self.dir());
        let names = |path: &PathBuf| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        };
        let there: Vec<String> = found.iter().map(names).collect();
        let told = self.known.iter().flat_map(|known| &known.boxes);
        let gone: Vec<String> = told.filter(|name| !there.contains(name)).cloned().collect();
        if !gone.is_empty() {
            self.fault(format!("boxes are gone: {gone:?}"));
        }
        for path in &found {
            self.figures.add("boxes", 1);
            let bytes = fs::read(path).expect("a box");
            let digest = blake3::hash(&bytes);
            if self.figures.whole.contains(&digest) {
                continue;
            }
            let said = run(&["verify", "--json", text(path)]).stdout;
            let said: Value = serde_json::from_slice(&said).unwrap_or_default();
            let of = &said["sources"][0];
            let findings = of["findings"].as_array().map_or(&[][..], Vec::as_slice);
            let lost = findings.iter().any(|finding| finding["lost"] == true);
            let damage = findings.iter().any(|finding| finding["damage"] == true);
            // A box of a later boot says what an earlier cut took.
            if of["intact"] != true && (damage || !lost || self.known.len() == 1) {
                self.fault(format!("{}: {said}", path.display()));
                continue;
            }
            self.figures.whole.insert(digest);
        }
        for name in there {
            let (height, hash) = name.split_once('-').expect("HEIGHT-HASH");
            let height = height.parse().expect("a height");
            if hash.len() == 32 && self.truth.hashes.get(&height).map(String::as_str) != Some(hash)
            {
                self.fault(format!("a box is named {name}"));
            }
        }
    }

    fn height_afterwards(&self) -> u64 {
        let last = self.known.last().expect("a boot");
        last.from + (last.given / self.truth.template.len()) as u64 + 1
    }

    /// A recorder goes on in the ring: it moves nothing aside, loses nothing, and says that
    /// what came last may be missing.
    fn goes_on(&mut self, before: &Look) {
        let lines = 0..BLOCKS_AFTERWARDS * self.truth.template.len();
        let slog = self
            .truth
            .template
            .lines(self.height_afterwards(), AFTERWARDS, lines.clone());
        let mut child = Command::new(programs().join("haltbox-record"))
            .args([
                "record",
                "--dir",
                text(&self.dir()),
                "--size",
                RING_SIZE,
                "--slog",
                "-",
            ])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the recorder starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(slog.as_bytes()).expect("the recorder reads");
        drop(pipe);
        let done = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if !done.status.success() {
            return self.fault(format!("a recorder ends with {}: {said}", done.status));
        }
        let names = fs::read_dir(self.dir()).expect("a folder");
        let aside = |name: &String| name.contains("aside");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let moved: Vec<String> = names
            .map(|n| n.to_string_lossy().into_owned())
            .filter(aside)
            .collect();
        if !moved.is_empty() {
            self.fault(format!("moved aside: {moved:?}; {said}"));
        }
        let look = Look::at(&self.ring());
        self.lines_and_holes(&look);
        self.hashes();
        for lane in [Lane::Main, Lane::Local] {
            self.still_there(before, &look, lane, &lines);
        }
    }

    fn still_there(&mut self, before: &Look, now: &Look, lane: Lane, new: &std::ops::Range<usize>) {
        let shown: HashSet<Place> = now.places(lane).collect();
        let newest: Vec<Place> = before.places(lane).collect();
        let kept = &newest[newest.len() / 2..];
        let lost = kept.iter().filter(|place| !shown.contains(place)).count();
        let own = new.clone().filter(|line| self.truth.lane(*line) == lane);
        let boot = AFTERWARDS;
        let mut own = own.map(|line| Place { boot, line });
        let unrecorded = own.any(|place| !shown.contains(&place));
        if lost > 0 || unrecorded {
            let name = lane.name();
            self.fault(format!(
                "{name} lane: {lost} lines are lost by going on, or new ones are"
            ));
        }
    }
}
