use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haltbox_format::blackbox::{HostFingerprint, Manifest};
use haltbox_format::mark::{
    Attempt, Begin, Diverged, Mark, Position, Release, ReleasedBy, Reported,
};
use haltbox_format::{AppHash, Lane, RingId, Stream};
use haltbox_model::Profile;
use haltbox_model::lifecycle::Lifecycle;

use super::copy_released::Pass;
use super::*;
use crate::recorder::{Config, Recorder};
use crate::ring::file::RingOptions;
use crate::source_entry::Given;
use crate::voice::{Silence, Speaker};

/// An hour that begins after the tests have ended.
const LATER: &str = "9999-12-31T23";

struct Node {
    folder: tempfile::TempDir,
    recorder: Recorder,
    profile: Arc<Profile>,
    archive: Archive,
    done: Option<(RingId, Position)>,
}

impl Node {
    fn new() -> Node {
        let folder = tempfile::tempdir().unwrap();
        let profile = Arc::new(Profile::builtin("agoric").unwrap());
        Node {
            recorder: open(folder.path(), &profile),
            archive: Archive::open(folder.path()).unwrap(),
            folder,
            profile,
            done: None,
        }
    }

    fn execute(&mut self, heights: std::ops::RangeInclusive<u64>) {
        for line in heights.flat_map(lines) {
            self.recorder
                .record(Stream::Slog, Given::line(line.as_bytes()));
        }
    }

    fn pass(&mut self) {
        let ring = self.recorder.file().unwrap();
        let pass = Pass {
            ring: &ring,
            profile: &self.profile,
            host: &HostFingerprint::default(),
        };
        self.done = self.archive.pass(&pass, self.done).unwrap();
    }

    fn names(&self) -> Vec<(u64, u64)> {
        let files = self.archive.files().unwrap();
        files
            .iter()
            .map(|file| (file.name.first, file.name.last))
            .collect()
    }

    /// The heights of the lines of all files, in the order of the files.
    fn content(&self) -> Vec<u8> {
        let files = self.archive.files().unwrap();
        let content = files.iter().flat_map(|file| decompressed(&file.path));
        content.collect()
    }
}

fn open(folder: &Path, profile: &Arc<Profile>) -> Recorder {
    let config = Config {
        ring: RingOptions {
            size: 8 << 20,
            in_host: false,
            engine: None,
        },
        profile: Arc::clone(profile),
        node_lane: Lane::Local,
        own_start: false,
        populate: false,
    };
    Recorder::open(&folder.join("ring"), config)
        .unwrap()
        .recorder
}

fn lines(height: u64) -> Vec<String> {
    let entry = |what: &str| {
        format!("{{\"type\":\"cosmic-swingset-{what}\",\"blockHeight\":{height},\"blockTime\":1}}")
    };
    [
        "begin-block",
        "end-block-start",
        "end-block-finish",
        "commit-block-start",
        "commit-block-finish",
        "after-commit-stats",
    ]
    .iter()
    .map(|what| entry(what))
    .collect()
}

fn decompressed(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let manifest = Manifest::read(&bytes).unwrap();
    let slog = manifest
        .frames
        .iter()
        .filter(|frame| frame.decompressed > 0);
    let slog = slog.filter(|frame| frame.kind.is_some_and(|kind| kind.name() == "slog"));
    let frames = slog.map(|frame| {
        let (from, to) = (
            frame.offset as usize,
            (frame.offset + frame.compressed) as usize,
        );
        zstd::decode_all(&bytes[from..to]).unwrap()
    });
    frames.flatten().collect()
}

fn of_heights(heights: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    let lines = heights.flat_map(lines).map(|line| line + "\n");
    lines.collect::<String>().into_bytes()
}

#[test]
fn a_part_holds_what_was_released_since_the_last_and_no_more() {
    let mut node = Node::new();
    node.execute(1..=5);
    node.pass();
    assert_eq!(node.names(), [(1, 4)], "5 waits for the network");
    node.pass();
    assert_eq!(node.names(), [(1, 4)], "nothing was released since");
    node.execute(6..=9);
    node.pass();
    assert_eq!(node.names(), [(1, 4), (5, 8)]);
    assert!(node.content() == of_heights(1..=8));
}

#[test]
fn a_new_session_goes_on_where_the_archive_ends() {
    let mut node = Node::new();
    node.execute(1..=5);
    node.pass();
    node.done = None;
    node.execute(6..=7);
    node.pass();
    assert_eq!(node.names(), [(1, 4), (5, 6)]);
    let newest = node.archive.files().unwrap().pop().unwrap().path;
    fs::write(&newest, b"damaged").unwrap();
    node.done = None;
    node.pass();
    assert_eq!(
        node.names(),
        [(1, 4), (5, 6), (5, 6)],
        "what was damaged is archived again"
    );
}

#[test]
fn the_parts_of_an_hour_that_is_over_become_one_file() {
    let mut node = Node::new();
    for last in [3, 4, 9, 12] {
        let first = node.recorder.life().blocks().len() as u64 + 1;
        node.execute(first..=last);
        node.pass();
    }
    assert_eq!(node.names().len(), 4);
    let now = node.archive.files().unwrap()[0].name.hour.clone();
    assert!(node.archive.join_hours(&now).unwrap().is_empty());
    assert_eq!(node.names().len(), 4, "the hour is not over");
    assert!(node.archive.join_hours(LATER).unwrap().is_empty());
    assert_eq!(node.names(), [(1, 11)]);
    assert!(node.content() == of_heights(1..=11));
    let joined = node.archive.files().unwrap().pop().unwrap();
    assert_eq!(joined.name.part, None);
    let manifest = Manifest::read(&fs::read(&joined.path).unwrap()).unwrap();
    let heights: Vec<u64> = manifest.blocks.iter().map(|block| block.height).collect();
    assert_eq!(heights, (1..=11).collect::<Vec<_>>());
    assert_eq!(manifest.coverage.main.unwrap().from, 0);
    node.done = None;
    node.execute(13..=13);
    node.pass();
    assert_eq!(
        node.names().len(),
        2,
        "the joined file tells how far the archive is"
    );
}

#[test]
fn parts_that_a_kill_left_beside_their_hour_go() {
    let mut node = Node::new();
    for last in [3, 6] {
        node.execute(last - 2..=last);
        node.pass();
    }
    let kept = tempfile::tempdir().unwrap();
    let parts = node.archive.files().unwrap();
    for part in &parts {
        fs::copy(&part.path, kept.path().join(part.path.file_name().unwrap())).unwrap();
    }
    node.archive.join_hours(LATER).unwrap();
    for part in &parts {
        fs::copy(kept.path().join(part.path.file_name().unwrap()), &part.path).unwrap();
    }
    assert_eq!(node.names().len(), 3);
    node.archive.join_hours(LATER).unwrap();
    assert_eq!(node.names(), [(1, 5)]);
    assert!(node.content() == of_heights(1..=5));
}

#[test]
fn a_damaged_part_keeps_its_hour_in_parts_and_is_told() {
    let mut node = Node::new();
    for last in [3, 6] {
        node.execute(last - 2..=last);
        node.pass();
    }
    let path = node.archive.files().unwrap()[0].path.clone();
    let mut bytes = fs::read(&path).unwrap();
    let frame = Manifest::read(&bytes).unwrap().frames[0].clone();
    bytes[(frame.offset + frame.compressed / 2) as usize] ^= 1;
    fs::write(&path, bytes).unwrap();
    let trouble = node.archive.join_hours(LATER).unwrap();
    assert_eq!(trouble.len(), 1);
    assert!(
        trouble[0]
            .to_string()
            .contains("is damaged; run haltbox verify")
    );
    assert_eq!(node.names().len(), 2);
}

#[test]
fn rings_that_follow_each_other_in_an_hour_stay_apart() {
    let mut node = Node::new();
    node.execute(1..=4);
    node.pass();
    fs::remove_file(node.folder.path().join("ring")).unwrap();
    node.recorder = open(node.folder.path(), &node.profile);
    node.execute(5..=8);
    node.pass();
    node.archive.join_hours(LATER).unwrap();
    assert_eq!(node.names(), [(1, 3), (5, 7)]);
}

/// Another version of the profile names blocks by other rules, and a file states one
/// version.
#[test]
fn blocks_that_are_named_by_two_rules_stay_apart() {
    let mut node = Node::new();
    node.execute(1..=4);
    node.pass();
    let text = include_str!("../../model/profiles/agoric.json");
    let text = text.replacen("\"monotime\"", "\"monotime\", \"another\"", 1);
    node.profile = Arc::new(Profile::parse(text.as_bytes(), "a later one").unwrap());
    node.execute(5..=8);
    node.pass();
    node.archive.join_hours(LATER).unwrap();
    assert_eq!(node.names(), [(1, 3), (4, 7)]);
    let files = node.archive.files().unwrap();
    let identity = |path: &Path| Manifest::read(&fs::read(path).unwrap()).unwrap().identity;
    let rules = [0, 1].map(|n| identity(&files[n].path).profile_digest);
    assert!(rules[0].is_some() && rules[0] != rules[1], "{rules:?}");
}

#[test]
fn the_oldest_files_go_for_the_budget() {
    let mut node = Node::new();
    for last in [3, 6, 9] {
        node.execute(last - 2..=last);
        node.pass();
    }
    let files = node.archive.files().unwrap();
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    node.archive.keep_budget(bytes).unwrap();
    assert_eq!(node.names().len(), 3);
    node.archive.keep_budget(bytes - 1).unwrap();
    assert_eq!(node.names().len(), 2);
    node.archive.keep_budget(1).unwrap();
    assert_eq!(node.names(), [(6, 8)], "the newest stays");
}

#[test]
fn what_went_by_age_before_it_was_archived_is_a_hole() {
    let mut node = Node::new();
    node.execute(1..=2);
    node.pass();
    let filler = format!("{{\"type\":\"clist\",\"x\":\"{}\"}}", "y".repeat(60_000));
    for height in 3..=200 {
        node.execute(height..=height);
        node.recorder
            .record(Stream::Slog, Given::line(filler.as_bytes()));
    }
    node.pass();
    let newest = node.archive.files().unwrap().pop().unwrap().path;
    let manifest = Manifest::read(&fs::read(newest).unwrap()).unwrap();
    let hole = &manifest.holes[0];
    assert_eq!(hole.why, "evicted");
    assert_eq!(hole.from, manifest.coverage.main.unwrap().from);
    assert!(manifest.blocks[0].height > 3);
    assert_eq!(manifest.blocks.last().unwrap().height, 199);
}

/// Two archivers of one ring would keep everything twice.
#[test]
fn an_archive_that_another_writes_is_left_to_it_until_it_ends() {
    let mut node = Node::new();
    node.execute(1..=9);
    let other = node.archive.lock().unwrap();
    assert!(matches!(
        node.archive.lock(),
        Err(ArchiveError::InUse { .. })
    ));
    let ring = node.recorder.file();
    let voice: Speaker = Arc::new(Silence);
    let archiving = Archiving::beside(node.folder.path(), ring, 1, &voice, |ring| Plan {
        ring,
        old_rings: Vec::new(),
        profile: Arc::clone(&node.profile),
        node_program: None,
        budget: 1 << 30,
    });
    let mut archiving = archiving.unwrap();
    let mut recorded = 0;
    let mut wake = || {
        recorded += 1;
        archiving.recorded(recorded);
    };
    // Sleep longer than the first work takes: a second wake is handled after it.
    wake();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(node.names(), []);
    drop(other);
    let begun = Instant::now();
    while node.names().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        wake();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(node.names(), [(1, 8)]);
}

/// Names sort by time, and the clock of a machine goes back.
#[test]
fn a_clock_that_went_back_has_nothing_archived_twice() {
    let mut node = Node::new();
    for heights in [1..=5, 6..=9] {
        let said = Given::line(b"8:00AM INF a line of the node's log");
        node.recorder.record(Stream::Node, said);
        node.execute(heights);
        node.pass();
    }
    assert_eq!(node.names(), [(1, 4), (5, 8)]);
    let newest = node.archive.files().unwrap().pop().unwrap();
    let earlier = ArchiveName {
        hour: "2001-01-01T00".to_owned(),
        ..newest.name
    };
    let earlier = newest.path.with_file_name(earlier.to_string());
    fs::rename(&newest.path, earlier).unwrap();
    node.done = None;
    node.pass();
    assert_eq!(node.names(), [(5, 8), (1, 4)]);
}

/// Else the budget would remove the newest records, and an older attempt be found.
#[test]
fn what_is_archived_later_sorts_behind() {
    let mut node = Node::new();
    node.execute(1..=5);
    node.pass();
    let newest = node.archive.files().unwrap().pop().unwrap();
    let later = ArchiveName {
        hour: "2999-12-31T22".to_owned(),
        ..newest.name
    };
    let later = newest.path.with_file_name(later.to_string());
    fs::rename(&newest.path, later).unwrap();
    node.execute(6..=9);
    node.pass();
    assert_eq!(node.names(), [(1, 4), (5, 8)]);
}

/// A power cut may take all marks of a block but its proof, which then stands in the middle
/// of another.
#[test]
fn a_block_of_which_only_the_proof_is_left_cuts_no_other() {
    let (of, by) = (
        Attempt {
            height: 1,
            attempt: 1,
        },
        Stream::Slog,
    );
    let at = |main| Position { main, local: 0 };
    let hash = AppHash::new(&[7; 20]).unwrap();
    let marks = [
        (
            1,
            Mark::Begin(Begin {
                of,
                from: at(0),
                whole: true,
                by,
                joins: false,
                early: false,
            }),
        ),
        (
            3,
            Mark::Diverged(Diverged {
                of: Attempt {
                    height: 9,
                    attempt: 1,
                },
                field: "LastResultsHash".to_owned(),
                local: hash,
                network: hash,
            }),
        ),
        (5, Mark::End(Reported { of, by })),
        (6, Mark::Commit(Reported { of, by })),
        (
            7,
            Mark::Release(Release {
                of,
                by: ReleasedBy::Network,
                network: None,
            }),
        ),
    ];
    let mut life = Lifecycle::default();
    marks
        .iter()
        .for_each(|(main, mark)| life.apply(mark, at(*main)));
    assert_eq!(copy_released::released(life.blocks()), Some(at(6)));
}
