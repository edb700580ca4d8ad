//! Rings as kills, power cuts, failing disks and strangers leave them: nothing
//! that is there is lost, nothing is taken for more than it is.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haltbox_format::ReadAt;
use haltbox_format::mark::SourceMark;
use haltbox_format::ring::*;
use haltbox_format::{Lane, Stream};
use haltbox_model::history::History;
use haltbox_model::lifecycle::Finding;
use haltbox_model::{Event, Profile};
use haltbox_recorder::old_rings;
use haltbox_recorder::recorder::{Config, Opened, Recorder as Ring};
use haltbox_recorder::ring::file::{OpenedRing, RingOptions, open};
use haltbox_recorder::ring::{Appended, Protected};
use haltbox_recorder::source_entry::Given;
use haltbox_tests::*;

const RING: u64 = 4 << 20;

fn opened(path: &Path) -> OpenedRing {
    let options = RingOptions {
        size: RING,
        in_host: false,
        engine: None,
    };
    open(path, &options).expect("a ring")
}

/// Records of 1,000 bytes that begin with their counter.
fn put(ring: &mut OpenedRing, count: usize) {
    for _ in 0..count {
        let counter = ring.writer.next_counter(Lane::Main);
        let bytes = format!("{counter:08} {}", "x".repeat(991));
        let appended = ring
            .writer
            .append(Lane::Main, Flags::default(), &[], bytes.as_bytes());
        assert!(matches!(appended, Appended::Kept { .. }));
    }
}

/// What a reader gets: counters, and holes.
fn read(image: &Vec<u8>) -> (Vec<u64>, Vec<String>) {
    let view = RingView::read(image).expect("a ring");
    let mut cursor = RecordCursor::new(image, &view, Lane::Main);
    let (mut records, mut holes) = (Vec::new(), Vec::new());
    while let Some(found) = cursor.next().expect("bytes") {
        match found {
            Found::Record(record) => {
                assert!(
                    record
                        .payload
                        .starts_with(format!("{:08}", record.counter).as_bytes())
                );
                records.push(record.counter);
            }
            hole => holes.push(format!("{hole:?}")),
        }
    }
    (records, holes)
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A ring after so many records: its bytes, and where its newest run is.
    fn ring(&self, count: usize) -> (Vec<u8>, Run, Geometry) {
        let path = self.folder.path().join("ring");
        let _ = std::fs::remove_file(&path);
        let mut ring = opened(&path);
        put(&mut ring, count);
        drop(ring);
        let image = std::fs::read(&path).expect("a ring");
        let view = RingView::read(&image).expect("a ring");
        let newest = *view.lane(Lane::Main).runs.last().expect("records");
        (image, newest, view.geometry)
    }

    /// The image after somebody went on with it.
    fn resumed(&self, image: &[u8], with: impl FnOnce(&mut OpenedRing)) -> Vec<u8> {
        let path = self.folder.path().join("resumed");
        std::fs::write(&path, image).expect("written");
        let mut ring = opened(&path);
        with(&mut ring);
        drop(ring);
        std::fs::read(&path).expect("a ring")
    }
}

/// The first lap, and the header's page of the newest segment never came to the
/// disk: its records are the newest all the same, and can be pinned.
#[test]
fn records_behind_a_blank_header_are_kept() {
    // Nor is a flipped bit in it a header.
    for bit in [None, Some(60)] {
        kept_behind_a_blank_header(bit);
    }
}

fn kept_behind_a_blank_header(flipped: Option<usize>) {
    let scene = Scene::new();
    let (mut image, newest, geometry) = scene.ring(600);
    let at = geometry.offset(newest.segment) as usize;
    image[at..at + 4096].fill(0);
    if let Some(byte) = flipped {
        image[at + byte] = 1;
    }
    let (records, holes) = read(&image);
    assert_eq!(records.last(), Some(&newest.last));
    assert!(!holes.is_empty(), "the lost page is not told of");
    let pinned = Protected {
        from: newest.first,
        until: newest.last + 1,
        pinned: true,
    };
    let after = scene.resumed(&image, |ring| {
        ring.writer.protect(vec![pinned]);
        put(ring, 2000);
    });
    let (kept, _) = read(&after);
    let there = |records: &[u64]| {
        records
            .iter()
            .filter(|c| (newest.first..600).contains(*c))
            .count()
    };
    assert_eq!(
        there(&kept),
        there(&records),
        "pinned records were overwritten"
    );
}

/// A header a lap older than the records behind it: the oldest records go
/// first, not these.
#[test]
fn a_stale_header_does_not_make_its_records_old() {
    let scene = Scene::new();
    let path = scene.folder.path().join("ring");
    let mut ring = opened(&path);
    put(&mut ring, 3000);
    let before = std::fs::read(&path).expect("a ring");
    put(&mut ring, 2500);
    drop(ring);
    let mut image = std::fs::read(&path).expect("a ring");
    let view = RingView::read(&image).expect("a ring");
    let newest = view.lane(Lane::Main).runs.last().expect("records").segment;
    let at = view.geometry.offset(newest) as usize;
    image[at..at + 4096].copy_from_slice(&before[at..at + 4096]);
    let (records, _) = read(&image);
    let (kept, _) = read(&scene.resumed(&image, |ring| put(ring, 200)));
    let lost = records
        .iter()
        .rev()
        .take(100)
        .filter(|c| !kept.contains(c))
        .count();
    assert_eq!(lost, 0, "of the 100 newest records");
}

/// A segment in the middle that is gone is damage, not age.
#[test]
fn a_lost_segment_is_a_hole() {
    let scene = Scene::new();
    let (image, _, geometry) = scene.ring(1500);
    let view = RingView::read(&image).expect("a ring");
    let run = view.lane(Lane::Main).runs[2];
    let at = geometry.offset(run.segment) as usize;
    for (fill, from) in [(0, 0), (0xAA, 0), (0, 64)] {
        let mut damaged = image.clone();
        damaged[at + from..at + geometry.segment_size as usize].fill(fill);
        let (_, holes) = read(&damaged);
        let told = |word: &str| holes.iter().any(|hole| hole.contains(word));
        assert!(
            told("Missing") && !told("Evicted"),
            "{fill:#x} from {from}: {holes:?}"
        );
        let path = scene.folder.path().join("damaged");
        std::fs::write(&path, &damaged).expect("written");
        output(1, &["verify", text(&path)]);
    }
}

/// A disk with a page that cannot be read any more.
struct BadPage(Vec<u8>, u64);

impl ReadAt for BadPage {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let bad = self.1 * 4096..(self.1 + 1) * 4096;
        if bad.contains(&offset) {
            return Err(std::io::Error::from_raw_os_error(5));
        }
        let most = if offset < bad.start {
            (bad.start - offset) as usize
        } else {
            usize::MAX
        };
        let count = buf.len().min(most);
        self.0.read_at(offset, &mut buf[..count])
    }

    fn length(&self) -> std::io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

#[test]
fn a_bad_block_costs_its_own_records() {
    let scene = Scene::new();
    let (image, newest, geometry) = scene.ring(1500);
    let page = geometry.offset(newest.segment) / 4096 - 20;
    let disk = BadPage(image, page);
    let view = RingView::read(&disk).expect("a ring with a bad page");
    let mut cursor = RecordCursor::new(&disk, &view, Lane::Main);
    let mut records = 0;
    while let Some(found) = cursor.next().expect("bytes") {
        records += usize::from(matches!(found, Found::Record(_)));
    }
    assert!((1490..1500).contains(&records), "{records} of 1500 records");
}

/// 8 KiB that promise four million segments, and segments full of tiny records
/// that lead nowhere.
#[test]
fn hostile_rings_cost_neither_memory_nor_time() {
    let superblock = |geometry, file_size| Superblock {
        geometry,
        revision: 1,
        uuid: [0; 16],
        salt: 7,
        file_size,
        epoch: 1,
        machine: [0; 32],
        boot: [0; 16],
        created_ms: 0,
    };
    let vast = Geometry {
        segment_size: 262_144,
        spine: 1_398_000,
        local: 1_398_000,
        main: 1_398_000,
    };
    let mut small = vec![0; 8192];
    small[..SUPERBLOCK_SIZE].copy_from_slice(&superblock(vast, 8192).encode());
    let view = RingView::read(&small).expect("a ring");
    assert!(view.lane(Lane::Main).slots.len() < 10);

    let geometry = Geometry::for_size(RING).expect("a geometry");
    let mut full = vec![0; RING as usize];
    full[..SUPERBLOCK_SIZE].copy_from_slice(&superblock(geometry, RING).encode());
    let (key, mut counter) = (LaneKey::new(7, Lane::Main), 0);
    for index in geometry.lane(Lane::Main) {
        let at = geometry.offset(index) as usize + SEGMENT_HEADER_SIZE;
        for record in 0..16_000 {
            let (from, seq) = (at + 16 * record, Seq::new(1, counter));
            counter += 2;
            let header = Header {
                part: Part::Full,
                flags: Flags::default(),
            };
            let word = key.commit_word(seq, header, &[], &[]);
            full[from..from + 8].copy_from_slice(&key.mask(seq).to_le_bytes());
            full[from + 8..from + 16].copy_from_slice(&word.to_le_bytes());
        }
    }
    let begun = Instant::now();
    let view = RingView::read(&full).expect("a ring");
    let runs = view.lane(Lane::Main).runs.len() + view.lane(Lane::Main).strays.len();
    assert!(runs <= 4096 * geometry.main as usize, "{runs} runs");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

/// Numbers that are used up: a new ring is begun, and said so.
#[test]
fn a_worn_ring_is_set_aside() {
    let wear: [fn(&mut Superblock); 2] = [|s| s.epoch = MAX_EPOCH, |s| s.revision = u64::MAX];
    for wear in wear {
        let scene = Scene::new();
        let path = scene.folder.path().join("ring");
        put(&mut opened(&path), 3);
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .expect("a ring");
        for offset in SUPERBLOCK_OFFSETS {
            let mut bytes = [0; SUPERBLOCK_SIZE];
            file.read_exact_at(&mut bytes, offset)
                .expect("a superblock");
            let mut superblock = Superblock::decode(&bytes).expect("a superblock");
            wear(&mut superblock);
            file.write_all_at(&superblock.encode(), offset)
                .expect("written");
        }
        let mut ring = opened(&path);
        assert!(
            ring.notices.iter().any(|n| n.contains("sequence numbers")),
            "{:?}",
            ring.notices
        );
        put(&mut ring, 1);
        drop(ring);
        assert_eq!(read(&std::fs::read(&path).expect("a ring")).0, [0]);
    }
}

fn recorder(path: &Path) -> Opened {
    let config = Config {
        ring: RingOptions {
            size: RING,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("builtin")),
        node_lane: Lane::Local,
        own_start: false,
        populate: false,
    };
    Ring::open(path, config).expect("a recorder")
}

fn mark(stream: Stream, offset: u64) -> SourceMark {
    SourceMark {
        stream,
        path: "a file".into(),
        inode: 1,
        offset,
        file: None,
        before: None,
        trouble: None,
    }
}

const BEGIN: &str = r#"{"type":"cosmic-swingset-begin-block","blockHeight":7,"blockTime":17,"time":1,"monotime":1}"#;

/// A node and its recorder are started again and again all night: the marks of a
/// thousand sessions leave what was found where it was.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_thousand_sessions_leave_the_first_evidence() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ring");
    let mut ring = recorder(&path).recorder;
    let give =
        |ring: &mut Ring, line: &str| ring.record(Stream::Slog, Given::line(line.as_bytes()));
    for height in 5..=7 {
        for kind in [
            "begin-block",
            "end-block-start",
            "end-block-finish",
            "commit-block-finish",
        ] {
            give(
                &mut ring,
                &format!(
                    r#"{{"type":"cosmic-swingset-{kind}","blockHeight":{height},"blockTime":1,"time":1,"monotime":1}}"#
                ),
            );
        }
    }
    ring.event(&Event::StreamEnd, Stream::Slog);
    let of = ring.life().blocks().last().expect("a block").of;
    for line in failure(7).split(|byte| *byte == b'\n') {
        ring.record(Stream::Node, Given::line(line));
    }
    ring.frozen(of, "7-box".to_owned(), Finding::Proved);
    let known = ring.life().block(of).cloned();
    ring.close();
    for _ in 0..1000 {
        let mut ring = recorder(&path).recorder;
        give(
            &mut ring,
            r#"{"type":"kernel-init-start","time":1,"monotime":1}"#,
        );
        (0..4).for_each(|offset| ring.source(mark(Stream::Slog, offset)));
        // As a kill leaves it.
        drop(ring);
    }
    let image = std::fs::read(&path).expect("a ring");
    let view = RingView::read(&image).expect("a ring");
    let history = History::read(&image, &view).expect("marks");
    assert!(history.sessions.len() < 900, "the spine never wrapped");
    assert_eq!(history.life.block(of).cloned(), known);
    for height in ["5", "6", "7"] {
        let lines = output(0, &["cat", "--height", height, text(&path)]);
        assert!(String::from_utf8_lossy(&lines).contains("end-block-finish"));
    }
}

/// While what is pinned fills the ring, entries are dropped: they count as read
/// once, and once only.
#[test]
fn dropped_entries_are_counted_once() {
    let scene = Scene::new();
    let path = scene.folder.path().join("ring");
    let mut ring = recorder(&path).recorder;
    ring.source(mark(Stream::Slog, 0));
    let mut offset = 0;
    let mut give = |ring: &mut Ring, line: &str| {
        ring.record(Stream::Slog, Given::line(line.as_bytes()));
        offset += line.len() as u64 + 1;
        offset
    };
    give(&mut ring, BEGIN);
    let filler = format!(
        r#"{{"type":"syscall","crankNum":1,"x":"{}"}}"#,
        "y".repeat(900)
    );
    for _ in 0..2700 {
        give(&mut ring, &filler);
    }
    ring.event(&Event::StreamEnd, Stream::Slog);
    // Cranks have marks, dropped or not: the spine switches segments meanwhile.
    let crank = |n: usize| {
        let hash = "ab".repeat(32);
        format!(
            r#"{{"type":"crank-finish","crankNum":{n},"crankhash":"{hash}","activityhash":"{hash}"}}"#
        )
    };
    let mut read = 0;
    for n in 0..6000 {
        give(&mut ring, &crank(n));
        read = give(&mut ring, &filler);
    }
    ring.source(mark(Stream::Slog, read));
    for n in 6000..12_000 {
        give(&mut ring, &crank(n));
        read = give(&mut ring, &filler);
    }
    // A block that begins has the drops before it counted in the spine.
    let next = BEGIN.replace(":7,", ":8,");
    read = read.max(give(&mut ring, &next));
    drop(ring);
    let opened = recorder(&path);
    let found = opened.sources[0].offset;
    // What was dropped since the last mark of it may be read again, never
    // passed over.
    assert!(
        found <= read && found + 11_000 * filler.len() as u64 > read,
        "{found} of {read}"
    );
    assert_eq!(opened.uncertain, []);
}

/// Megabytes of replay push the node's log out of its lane: what was read of it
/// is known all the same.
#[test]
fn a_source_whose_records_were_evicted_goes_on_where_it_was() {
    let scene = Scene::new();
    let path = scene.folder.path().join("ring");
    let mut ring = recorder(&path).recorder;
    ring.source(mark(Stream::Node, 0));
    ring.source(mark(Stream::Slog, 0));
    let mut read = 0;
    for n in 0..3000 {
        let line = format!(
            "2:00PM INF received block height={n} {}",
            "n".repeat(100 + n % 37)
        );
        ring.record(Stream::Node, Given::line(line.as_bytes()));
        read += line.len() as u64 + 1;
    }
    let replay = format!(
        r#"{{"type":"syscall","crankNum":1,"replay":true,"x":"{}"}}"#,
        "r".repeat(1000)
    );
    let mut slog = 0;
    for _ in 0..6000 {
        ring.record(Stream::Slog, Given::line(replay.as_bytes()));
        slog += replay.len() as u64 + 1;
    }
    drop(ring);
    let opened = recorder(&path);
    let offset = |stream| {
        opened
            .sources
            .iter()
            .find(|s| s.stream == stream)
            .map(|s| s.offset)
    };
    assert_eq!(
        (offset(Stream::Node), offset(Stream::Slog)),
        (Some(read), Some(slog))
    );
    assert_eq!(opened.uncertain, []);
}

/// A page of records lost in a power cut: how long they were, nobody knows.
#[test]
fn a_source_with_lost_records_is_read_again_and_named() {
    let scene = Scene::new();
    let path = scene.folder.path().join("ring");
    let mut ring = recorder(&path).recorder;
    ring.source(mark(Stream::Slog, 0));
    let line = format!("{BEGIN}{}", " ".repeat(300));
    for _ in 0..500 {
        ring.record(Stream::Slog, Given::line(line.as_bytes()));
    }
    drop(ring);
    let mut image = std::fs::read(&path).expect("a ring");
    let view = RingView::read(&image).expect("a ring");
    let newest = *view.lane(Lane::Main).runs.last().expect("records");
    let at = view.geometry.offset(newest.segment) as usize + newest.from + 8192;
    image[at..at + 4096].fill(0);
    std::fs::write(&path, &image).expect("written");
    let opened = recorder(&path);
    assert_eq!(opened.uncertain, [Stream::Slog]);
    assert!(opened.sources[0].offset < 500 * (line.len() as u64 + 1));
}

/// A followed slog, a ring that holds a part of it, SIGKILL, a restart: every
/// line that is there came once, and is one the host wrote.
#[test]
fn a_kill_in_a_small_ring_repeats_and_tears_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let line = |n: usize| {
        format!(
            "{{\"type\":\"console\",\"n\":{n},\"x\":\"{}\"}}\n",
            "y".repeat(900 + n % 100)
        )
    };
    let write = |from: usize, to: usize| {
        let all: String = (from..to).map(line).collect();
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&slog);
        std::io::Write::write_all(&mut file.expect("a slog"), all.as_bytes()).expect("written");
    };
    write(0, 5000);
    let arguments = ["--size", "4MiB", "--slog", text(&slog)];
    let last_is = |n: usize| {
        let cat = run(&["cat", "--stream", "all", text(&dir.join("ring"))]).stdout;
        String::from_utf8_lossy(&cat)
            .lines()
            .next_back()
            .is_some_and(|l| l.contains(&format!("\"n\":{n},")))
    };
    for round in 1..4 {
        let recorder = Recorder::start(&dir, &arguments, Stdio::null());
        let newest = 5000 + 300 * (round - 1) - 1;
        wait_until("the slog to be read", || last_is(newest));
        recorder.kill();
        write(newest + 1, newest + 301);
    }
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    wait_until("the rest to be read", || last_is(5899));
    recorder.stop();
    let kept = output(0, &["cat", "--stream", "all", text(&dir.join("ring"))]);
    let kept = String::from_utf8(kept).expect("UTF-8");
    let first = 5900 - kept.lines().count();
    for (found, n) in kept.split_inclusive('\n').zip(first..) {
        assert_eq!(found, line(n), "line {n}");
    }
    output(0, &["verify", text(&dir.join("ring"))]);
}

/// An old ring whose marks are damaged may hold more than it tells of.
#[test]
fn an_old_ring_with_damaged_marks_is_not_drained() {
    let scene = Scene::new();
    let path = scene.folder.path().join("ring");
    let mut ring = recorder(&path).recorder;
    ring.record(Stream::Slog, Given::line(BEGIN.as_bytes()));
    ring.event(&Event::StreamEnd, Stream::Slog);
    ring.close();
    let old = scene
        .folder
        .path()
        .join("ring.aside-other-size-20261127T222406Z");
    std::fs::rename(&path, &old).expect("renamed");
    assert!(
        !old_rings::find(&path)[0].is_drained(),
        "a pinned block is in it"
    );
    let mut image = std::fs::read(&old).expect("a ring");
    let geometry = RingView::read(&image).expect("a ring").geometry;
    let at = geometry.offset(0) as usize + SEGMENT_HEADER_SIZE;
    image[at..at + 4096].fill(0);
    std::fs::write(&old, image).expect("written");
    assert!(
        !old_rings::find(&path)[0].is_drained(),
        "its marks are gone"
    );
}
