//! Rings that are laid by hand, byte by byte, and what a reader says of them.

use std::cell::Cell;
use std::io;

use super::*;
use crate::app_hash::Digest;
use crate::mark::{Counters, DroppedRecords, Loss, Mark, Position, Stamp};
use crate::mark::{encode_mark, encode_stamp};
use crate::read_at::ReadAt;
use crate::stream::{Lane, Stream};

const GEOMETRY: Geometry = Geometry {
    segment_size: MIN_SEGMENT as u32,
    spine: 1,
    local: 1,
    main: 3,
};
const SALT: u64 = 0x5EED;
const SPINE: u32 = 0;
const LOCAL: u32 = 1;
const MAIN: u32 = 2;

/// A ring in memory. `end` is the offset in each segment behind its last record.
#[derive(Clone)]
struct Laid {
    bytes: Vec<u8>,
    end: [usize; 5],
}

impl Laid {
    fn new() -> Laid {
        let mut laid = Laid {
            bytes: vec![0; GEOMETRY.file_size() as usize],
            end: [SEGMENT_HEADER_SIZE; 5],
        };
        for (offset, revision) in SUPERBLOCK_OFFSETS.into_iter().zip(1..) {
            laid.put(offset, &superblock(revision).encode());
        }
        laid
    }

    /// A ring whose three lanes have their first segments filled once.
    fn begun() -> Laid {
        let mut laid = Laid::new();
        for segment in [SPINE, LOCAL, MAIN] {
            laid.fill(segment, 1, 0);
        }
        laid
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Writes the header of a filling; what stands behind it stays.
    fn fill(&mut self, segment: u32, generation: u64, first: u64) {
        let header = SegmentHeader {
            generation,
            salt: SALT,
            first: Seq::new(1, first).0,
            geometry: GEOMETRY,
            index: segment,
            lane: lane_of(segment).number(),
        };
        self.put(GEOMETRY.offset(segment), &header.encode());
        self.end[segment as usize] = SEGMENT_HEADER_SIZE;
    }

    /// Writes a fragment behind the last one; returns its offset in the file.
    fn part(&mut self, segment: u32, counter: u64, part: Part, flags: Flags, text: &[u8]) -> u64 {
        let (key, seq) = (LaneKey::new(SALT, lane_of(segment)), Seq::new(1, counter));
        let word = key.commit_word(seq, Header { part, flags }, &[], text);
        let at = GEOMETRY.offset(segment) + self.end[segment as usize] as u64;
        let head = [key.mask(seq).to_le_bytes(), word.to_le_bytes()].concat();
        self.put(at, &[&head, text].concat());
        self.end[segment as usize] += HEADER_SIZE + padded(text.len());
        at
    }

    fn line(&mut self, segment: u32, counter: u64, text: &str) -> u64 {
        self.part(
            segment,
            counter,
            Part::Full,
            Flags::default(),
            text.as_bytes(),
        )
    }

    fn lines(&mut self, segment: u32, counters: std::ops::Range<u64>) {
        for counter in counters {
            self.line(segment, counter, &format!("line {counter}"));
        }
    }

    fn local(&mut self, counter: u64, main: u64, text: &str) {
        let payload = [&main.to_le_bytes(), text.as_bytes()].concat();
        self.part(LOCAL, counter, Part::Full, Flags::default(), &payload);
    }

    fn mark(&mut self, counter: u64, main: u64, local: u64) {
        let mut payload = Vec::new();
        let at = Position { main, local };
        encode_stamp(&Stamp { at, time_ms: 1 }, &mut payload);
        encode_mark(&Mark::Close, &mut payload);
        self.part(SPINE, counter, Part::Full, Flags::default(), &payload);
    }
}

fn superblock(revision: u64) -> Superblock {
    Superblock {
        geometry: GEOMETRY,
        revision,
        uuid: [7; 16],
        salt: SALT,
        file_size: GEOMETRY.file_size(),
        epoch: revision as u32,
        machine: [5; 32],
        boot: [6; 16],
        created_ms: 1,
    }
}

fn lane_of(segment: u32) -> Lane {
    match segment {
        SPINE => Lane::Spine,
        LOCAL => Lane::Local,
        _ => Lane::Main,
    }
}

fn view(source: &dyn ReadAt) -> RingView {
    RingView::read(source).expect("a ring")
}

fn said(entry: &Entry<'_>) -> String {
    match entry {
        Entry::Hole(hole) => hole.to_string(),
        Entry::Marks(stamp, marks, _) => {
            format!(
                "{} mark at {}/{}",
                marks.len(),
                stamp.at.main,
                stamp.at.local
            )
        }
        Entry::Line(line) => {
            let mut said = format!("{} {}", line.lane.name(), line.counter);
            let facts = [
                (line.lane == Lane::Local, format!(" at {}", line.main)),
                (line.stream == Stream::Node, " node".to_owned()),
                (!line.terminated, " unterminated".to_owned()),
                (line.context, " context".to_owned()),
                (line.cut.is_some(), " cut".to_owned()),
            ];
            said.extend(facts.into_iter().filter(|fact| fact.0).map(|fact| fact.1));
            said + ": " + &String::from_utf8_lossy(line.bytes)
        }
    }
}

fn told(mut timeline: Timeline<'_>) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(entry) = timeline.next().expect("memory") {
        told.push(said(&entry));
    }
    told
}

/// All that a reader says of a ring whose marks reach `until`.
fn all(source: &dyn ReadAt, until: Position) -> Vec<String> {
    let (view, dropped) = (view(source), DroppedRecords::default());
    let dropped = &dropped;
    told(Timeline::new(source, &view, Marked { until, dropped }))
}

fn at(main: u64, local: u64) -> Position {
    Position { main, local }
}

/// What a cursor gives of the main lane: records by their text, and what is missing.
fn main_of(source: &dyn ReadAt, view: &RingView) -> Vec<String> {
    let mut cursor = RecordCursor::new(source, view, Lane::Main);
    let mut given = Vec::new();
    while let Some(found) = cursor.next().expect("memory") {
        given.push(match found {
            Found::Record(record) => String::from_utf8_lossy(record.payload).into_owned(),
            other => format!("{other:?}"),
        });
    }
    given
}

fn interleaved() -> Laid {
    let mut laid = Laid::begun();
    let plain = Flags::default();
    laid.mark(0, 0, 0);
    laid.line(MAIN, 0, "a");
    laid.local(0, 1, "l");
    laid.part(MAIN, 1, Part::First, plain, b"be");
    laid.part(MAIN, 2, Part::Mid, plain, b"g");
    laid.part(MAIN, 3, Part::Last, plain, b"in");
    laid.mark(1, 4, 1);
    let cut = CutHeader {
        length: 9,
        digest: Digest([1; 32]),
    };
    let kept = [&cut.encode()[..], b"kept"].concat();
    laid.part(MAIN, 4, Part::Full, Flags::CUT, &kept);
    let log = Flags::NODE.with(Flags::UNTERMINATED);
    laid.part(MAIN, 5, Part::Full, log, b"log");
    laid.mark(2, 6, 1);
    laid
}

#[test]
fn the_lanes_are_told_in_the_order_in_which_they_were_recorded() {
    let laid = interleaved();
    let expected = [
        "1 mark at 0/0",
        "main 0: a",
        "local 0 at 1: l",
        "main 1: begin",
        "1 mark at 4/1",
        "main 4 cut: kept",
        "main 5 node unterminated: log",
        "1 mark at 6/1",
    ];
    assert_eq!(all(&laid.bytes, at(6, 1)), expected);

    let (view, dropped) = (view(&laid.bytes), DroppedRecords::default());
    let marked = Marked {
        until: at(6, 1),
        dropped: &dropped,
    };
    let behind = told(Timeline::after(&laid.bytes, &view, marked, at(4, 1)));
    assert_eq!(behind, [&expected[..1], &expected[4..]].concat());
    let lines = told(Timeline::lines_after(&laid.bytes, &view, marked, at(1, 0)));
    assert_eq!(lines, [expected[2], expected[3], expected[5], expected[6]]);
    assert_eq!((view.epoch(), view.missing_bytes()), (2, 0));
    assert!(holes(&view, marked).is_empty());
    assert_eq!(view.lane(Lane::Main).head().map(|head| head.0), Some(MAIN));
}

#[test]
fn what_the_marks_count_and_no_lane_has_is_a_hole() {
    let laid = interleaved();
    let view = view(&laid.bytes);
    let missing = [
        "records 6 to 8 of the main lane: missing",
        "records 1 to 1 of the local lane: missing",
    ];
    assert_eq!(all(&laid.bytes, at(9, 2))[8..], missing);
    let mut dropped = DroppedRecords::default();
    for (lane, from, until) in [(Lane::Main, 6, 9), (Lane::Local, 7, 9)] {
        dropped.take(&Mark::Loss(Loss {
            lane,
            stream: None,
            records: until - from,
            bytes: 1,
            why: "full".to_owned(),
            dropped: true,
            counters: Some(Counters { from, until }),
        }));
    }
    let until = at(9, 2);
    let dropped = &dropped;
    let holes = holes(&view, Marked { until, dropped });
    let said: Vec<_> = holes.iter().map(Hole::to_string).collect();
    assert_eq!(
        said,
        ["records 6 to 8 of the main lane: dropped", missing[1]]
    );
    assert_eq!(holes[0].behind(8).map(|hole| hole.from), Some(8));
    assert_eq!(holes[0].behind(9), None);
}

/// Three fillings, of which the fourth has begun to overwrite the first.
fn wrapped_around() -> Laid {
    let mut laid = Laid::begun();
    laid.lines(MAIN, 0..10);
    laid.fill(MAIN + 1, 2, 10);
    laid.lines(MAIN + 1, 10..20);
    laid.fill(MAIN + 2, 3, 20);
    laid.lines(MAIN + 2, 20..30);
    laid.fill(MAIN, 4, 30);
    laid.lines(MAIN, 30..33);
    laid
}

#[test]
fn what_a_younger_filling_overwrote_went_by_age() {
    let laid = wrapped_around();
    let view = view(&laid.bytes);
    let main = view.lane(Lane::Main);
    // The rest of the first filling leads on to the second.
    assert_eq!(main.first_counter(), Some(3));
    assert_eq!((main.next_counter(), main.next_recorded()), (33, 33));
    assert_eq!(main.gap_before_first(), Some(Gap::Evicted));
    assert_eq!(main.gaps(), []);
    assert!(main.holds(3, 33) && !main.holds(2, 33) && !main.holds(3, 34));
    let lines = main_of(&laid.bytes, &view);
    assert_eq!((lines.len(), &*lines[0]), (30, "line 3"));
}

#[test]
fn a_filling_between_two_that_is_gone_is_lost_and_not_old() {
    let mut laid = wrapped_around();
    let from = GEOMETRY.offset(MAIN + 2) as usize + SEGMENT_HEADER_SIZE;
    laid.bytes[from..][..4096].fill(0);
    let gaps = view(&laid.bytes).lane(Lane::Main).gaps();
    assert_eq!(gaps, [(20, 29, Gap::Missing)]);

    // The header is gone too: as blank as it was allocated.
    laid.bytes[from - SEGMENT_HEADER_SIZE..from].fill(0);
    let blank = view(&laid.bytes);
    assert_eq!(blank.lane(Lane::Main).gaps(), [(20, 29, Gap::Missing)]);
    assert_eq!(blank.lane(Lane::Main).slots[2].state, SlotState::Damaged);
}

#[test]
fn records_behind_a_header_that_is_gone_are_kept() {
    for flipped in [0, 20, 60] {
        let mut laid = wrapped_around();
        let header = GEOMETRY.offset(MAIN + 2) as usize;
        laid.bytes[header + flipped] ^= 1;
        let view = view(&laid.bytes);
        assert!(view.lane(Lane::Main).holds(20, 33), "byte {flipped}");
        let mut blank = wrapped_around();
        blank.bytes[header..][..SEGMENT_HEADER_SIZE].fill(0);
        assert!(RingView::read(&blank.bytes).is_ok_and(|v| v.lane(Lane::Main).holds(20, 33)));
    }
}

#[test]
fn remains_that_nothing_continues_are_set_aside() {
    let mut laid = wrapped_around();
    laid.fill(MAIN + 1, 5, 40);
    laid.lines(MAIN + 1, 40..42);
    let view = view(&laid.bytes);
    let main = view.lane(Lane::Main);
    let aside: Vec<_> = main
        .strays
        .iter()
        .map(|run| (run.first, run.last))
        .collect();
    assert_eq!(aside, [(3, 9)]);
    // What stands behind counter 32 was never recorded, or is lost.
    assert_eq!(main.gaps().last(), Some(&(33, 39, Gap::Missing)));
}

#[test]
fn a_record_that_lacks_a_part_is_torn_or_went_by_age() {
    let plain = Flags::default();
    let mut laid = Laid::begun();
    laid.part(MAIN, 0, Part::Last, plain, b"end of nothing");
    laid.line(MAIN, 1, "one");
    laid.part(MAIN, 2, Part::Mid, plain, b"middle of nothing");
    laid.part(MAIN, 3, Part::First, plain, b"begun");
    laid.line(MAIN, 4, "four");
    laid.part(MAIN, 5, Part::First, plain, b"begun");
    laid.line(MAIN, 8, "eight");
    laid.part(MAIN, 9, Part::First, plain, b"begun");
    laid.part(MAIN, 10, Part::Mid, plain, b"and no end");
    let view = view(&laid.bytes);
    assert_eq!(
        main_of(&laid.bytes, &view),
        [
            "one",
            "Torn { from: 2, to: 2 }",
            "Torn { from: 3, to: 3 }",
            "four",
            "Torn { from: 5, to: 5 }",
            "Gap { from: 6, to: 7, why: Missing }",
            "eight",
            "Torn { from: 9, to: 10 }",
        ]
    );
    let told = all(&laid.bytes, at(11, 0));
    assert_eq!(
        told.last().unwrap(),
        "records 9 to 10 of the main lane: torn"
    );
}

#[test]
fn a_beginning_that_went_by_age_takes_its_record_along() {
    let mut laid = Laid::new();
    laid.fill(LOCAL, 1, 0);
    laid.local(0, 14, "between");
    laid.fill(MAIN, 1, 0);
    laid.lines(MAIN, 0..10);
    laid.part(MAIN, 10, Part::First, Flags::default(), b"begun");
    // Filling 2 was overwritten by filling 4.
    laid.fill(MAIN + 2, 3, 20);
    laid.part(MAIN + 2, 20, Part::Last, Flags::default(), b"ended");
    laid.lines(MAIN + 2, 21..23);
    laid.fill(MAIN + 1, 4, 23);
    laid.lines(MAIN + 1, 23..25);
    let view = view(&laid.bytes);
    let given = main_of(&laid.bytes, &view);
    let gaps = [
        "Gap { from: 10, to: 19, why: Evicted }",
        "Gap { from: 20, to: 20, why: Evicted }",
    ];
    assert_eq!(given[10..12], gaps);
    assert_eq!(given[12..], ["line 21", "line 22", "line 23", "line 24"]);
    let told = all(&laid.bytes, at(25, 1));
    assert!(
        told.contains(&"local 0 at 14 context: between".to_owned()),
        "{told:?}"
    );
}

#[test]
fn what_is_overwritten_behind_the_scan_was_overrun() {
    let mut laid = wrapped_around();
    let view = view(&laid.bytes);
    let third = GEOMETRY.offset(MAIN + 2) as usize + SEGMENT_HEADER_SIZE;
    laid.bytes[third + 64..][..512].fill(0);
    let given = main_of(&laid.bytes, &view);
    assert!(
        given.contains(&"Overrun { from: 22, to: 29 }".to_owned()),
        "{given:?}"
    );
    // Another filling has its records at the same places.
    laid.fill(MAIN + 1, 5, 33);
    laid.lines(MAIN + 1, 33..43);
    let given = main_of(&laid.bytes, &view);
    assert!(
        given.contains(&"Overrun { from: 10, to: 19 }".to_owned()),
        "{given:?}"
    );
    let dropped = DroppedRecords::default();
    let marked = Marked {
        until: at(33, 0),
        dropped: &dropped,
    };
    let told = told(Timeline::new(&laid.bytes, &view, marked));
    assert!(told.contains(&"records 10 to 19 of the main lane: overrun".to_owned()));
}

/// A file that another process changes behind a number of reads.
struct Changing<'a> {
    states: [&'a Vec<u8>; 2],
    reads_before: Cell<u32>,
}

impl ReadAt for Changing<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.reads_before.get();
        self.reads_before.set(left.saturating_sub(1));
        self.states[usize::from(left == 0)].read_at(offset, buf)
    }

    fn length(&self) -> io::Result<u64> {
        self.states[0].length()
    }
}

#[test]
fn a_writer_that_goes_on_during_the_scan_leaves_no_damage() {
    let before = wrapped_around();
    let mut after = before.clone();
    after.lines(MAIN, 33..36);
    after.fill(MAIN + 1, 5, 36);
    after.lines(MAIN + 1, 36..40);
    let mut moved = 0;
    for reads in 0..60 {
        let source = Changing {
            states: [&before.bytes, &after.bytes],
            reads_before: Cell::new(reads),
        };
        let view = view(&source);
        let main = view.lane(Lane::Main);
        let damage = main.gaps().into_iter().find(|gap| gap.2 == Gap::Missing);
        assert_eq!(damage, None, "{reads} reads");
        assert!(main.holds(20, 33), "{reads} reads");
        moved += u32::from(main.moved);
        let owed = all(&source, at(40, 0));
        assert!(owed.iter().all(|line| !line.ends_with("missing")) || !main.moved);
    }
    assert!(moved > 0);
}

/// A disk on which one page cannot be read.
struct BadPage<'a> {
    bytes: &'a Vec<u8>,
    page: u64,
    error: i32,
    interrupted: Cell<bool>,
}

impl ReadAt for BadPage<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if !self.interrupted.replace(true) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let end = offset + buf.len() as u64;
        if offset < self.page + PAGE && self.page < end {
            return Err(io::Error::from_raw_os_error(self.error));
        }
        self.bytes.read_at(offset, buf)
    }

    fn length(&self) -> io::Result<u64> {
        self.bytes.length()
    }
}

#[test]
fn a_page_that_the_disk_cannot_read_costs_its_own_records() {
    let mut laid = Laid::begun();
    laid.lines(MAIN, 0..400);
    // The last segment ends in the middle of a page.
    laid.bytes.truncate(laid.bytes.len() - 100);
    let mut disk = BadPage {
        bytes: &laid.bytes,
        page: GEOMETRY.offset(MAIN) + PAGE,
        error: 5,
        interrupted: Cell::new(false),
    };
    let broken = view(&disk);
    assert_eq!(broken.missing_bytes(), 100);
    let gaps = broken.lane(Lane::Main).gaps();
    assert!(matches!(gaps[..], [(from, to, Gap::Missing)] if from > 100 && to < 300));
    let given = main_of(&disk, &broken);
    assert_eq!(given.last().unwrap(), "line 399");

    disk.page = GEOMETRY.offset(MAIN + 2) + MIN_SEGMENT - 2 * PAGE;
    assert!(view(&disk).lane(Lane::Main).holds(0, 400));
    disk.error = 13;
    let error = RingView::read(&disk).unwrap_err();
    assert!(matches!(error, RingError::Io(_)), "{error}");
}

#[test]
fn the_newer_superblock_counts_and_the_segments_do_without() {
    let mut laid = wrapped_around();
    let newest = view(&laid.bytes)
        .superblock
        .map(|superblock| superblock.revision);
    assert_eq!(newest, Some(2));
    laid.put(SUPERBLOCK_OFFSETS[0], &superblock(3).encode());
    let newest = view(&laid.bytes)
        .superblock
        .map(|superblock| superblock.revision);
    assert_eq!(newest, Some(3));

    for offset in SUPERBLOCK_OFFSETS {
        laid.bytes[offset as usize + 100] ^= 1;
    }
    let found = view(&laid.bytes);
    assert_eq!((found.superblock, found.bad_superblocks.len()), (None, 2));
    assert_eq!((found.geometry, found.salt), (GEOMETRY, SALT));
    assert!(found.lane(Lane::Main).holds(3, 33));
}

#[test]
fn a_file_that_is_no_ring_is_refused_with_its_reason() {
    let error = |bytes: Vec<u8>| RingView::read(&bytes).unwrap_err();
    let zeros = vec![0; GEOMETRY.file_size() as usize];
    assert!(matches!(error(zeros), RingError::Zeroed));
    let text = b"some text ".repeat(30_000);
    let magic = SuperblockError::Magic(*b"some tex");
    assert!(matches!(error(text), RingError::Foreign(found) if found == magic));
    assert!(matches!(
        error(Vec::new()),
        RingError::Foreign(SuperblockError::Short(0))
    ));

    let mut other = superblock(1);
    other.geometry.segment_size = MIN_SEGMENT as u32 + 1;
    let unsound = Superblock::decode(&other.encode());
    assert_eq!(unsound, Err(SuperblockError::Geometry));
    let mut laid = Laid::new();
    laid.bytes[8] = 2;
    let crc = crc32fast::hash(&laid.bytes[..252]);
    laid.put(252, &crc.to_le_bytes());
    assert!(matches!(error(laid.bytes), RingError::Version(2)));
}

#[test]
fn numbers_that_no_ring_has_are_not_sound() {
    assert!(GEOMETRY.is_sound());
    let with = |change: fn(&mut Geometry)| {
        let mut geometry = GEOMETRY;
        change(&mut geometry);
        geometry.is_sound()
    };
    assert!(!with(|g| g.segment_size = MIN_SEGMENT as u32 - PAGE as u32));
    assert!(!with(|g| g.segment_size = (MAX_SEGMENT + PAGE) as u32));
    assert!(!with(|g| g.segment_size += 512));
    assert!(!with(|g| g.local = 0));
    assert!(!with(|g| g.main = u32::MAX));
    assert!(!with(|g| g.main = 1 << 22));
}

#[test]
fn a_header_of_another_place_counts_as_damaged() {
    let own = SegmentHeader {
        generation: 1,
        salt: SALT,
        first: 0,
        geometry: GEOMETRY,
        index: MAIN,
        lane: Lane::Main.number(),
    };
    let state = |header: SegmentHeader| {
        let mut laid = Laid::new();
        laid.put(GEOMETRY.offset(MAIN), &header.encode());
        view(&laid.bytes).lane(Lane::Main).slots[0].state
    };
    let (generation, first) = (1, 0);
    assert_eq!(state(own), SlotState::Filled { generation, first });
    let other = Geometry {
        main: 4,
        ..GEOMETRY
    };
    let others = [
        SegmentHeader { salt: 1, ..own },
        SegmentHeader {
            geometry: other,
            ..own
        },
        SegmentHeader {
            lane: Lane::Local.number(),
            ..own
        },
        SegmentHeader {
            index: MAIN + 1,
            ..own
        },
    ];
    assert_eq!(others.map(state), [SlotState::Damaged; 4]);
    // A writer that reuses a segment takes its generation away first.
    let reused = SegmentHeader {
        generation: 0,
        ..own
    };
    assert_eq!(state(reused), SlotState::Free);
}

#[test]
fn a_record_behind_a_blank_header_proves_that_there_was_one() {
    let mut laid = Laid::begun();
    laid.lines(MAIN, 0..3);
    laid.lines(MAIN + 2, 3..5);
    let view = view(&laid.bytes);
    let main = view.lane(Lane::Main);
    assert!(main.holds(0, 5));
    let states: Vec<_> = main.slots.iter().map(|slot| slot.state).collect();
    assert_eq!(states[1..], [SlotState::Free, SlotState::Damaged]);
}

#[test]
fn records_that_stand_there_twice_are_given_once() {
    let mut laid = Laid::begun();
    laid.lines(MAIN, 0..10);
    laid.fill(MAIN + 1, 2, 10);
    laid.lines(MAIN + 1, 10..12);
    laid.lines(MAIN + 1, 4..8);
    let view = view(&laid.bytes);
    let lines: Vec<_> = (0..12).map(|n| format!("line {n}")).collect();
    assert_eq!(main_of(&laid.bytes, &view), lines);
}

#[test]
fn a_segment_of_nothing_but_gaps_takes_little_memory() {
    let mut laid = Laid::begun();
    for counter in 0..5000 {
        laid.line(MAIN, 2 * counter, "");
    }
    assert_eq!(view(&laid.bytes).lane(Lane::Main).runs.len(), 4096);
}

#[test]
fn a_filling_that_begins_late_lost_its_beginning() {
    let mut laid = Laid::new();
    // Headers that a writer took back: they tell nothing of the order.
    laid.fill(MAIN + 1, 0, 0);
    laid.fill(MAIN + 2, 0, 0);
    laid.fill(MAIN, 3, 5);
    laid.lines(MAIN, 7..9);
    let late = view(&laid.bytes);
    let main = late.lane(Lane::Main);
    assert_eq!(main.gap_before_first(), Some(Gap::Missing));
}

#[test]
fn holes_of_the_other_lanes_are_told() {
    let mut laid = interleaved();
    laid.local(4, 6, "late");
    laid.mark(5, 6, 5);
    let told = all(&laid.bytes, at(6, 5));
    assert_eq!(told[3], "records 1 to 3 of the local lane: missing");
    assert_eq!(
        told[8..],
        [
            "1 mark at 6/1",
            "records 3 to 4 of the spine lane: missing",
            "local 4 at 6: late",
            "1 mark at 6/5",
        ]
    );
}

/// Of a damaged ring a reader says nothing that was not recorded.
#[test]
fn a_damaged_ring_tells_no_line_that_was_not_recorded() {
    let whole = wrapped_around();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for _ in 0..60 {
        let mut laid = whole.clone();
        for _ in 0..1 + random(4) {
            let segment = GEOMETRY.offset(MAIN + random(3) as u32) as usize;
            let (from, length) = (segment + random(400), 1 + random(40));
            laid.bytes[from..][..length].fill(random(256) as u8);
        }
        let view = view(&laid.bytes);
        let mut cursor = RecordCursor::new(&laid.bytes, &view, Lane::Main);
        let mut next = None;
        while let Some(found) = cursor.next().expect("memory") {
            let (from, to) = match found {
                Found::Record(record) => {
                    let text = format!("line {}", record.counter);
                    assert_eq!(record.payload, text.as_bytes());
                    (record.counter, record.last)
                }
                Found::Gap { from, to, .. }
                | Found::Torn { from, to }
                | Found::Overrun { from, to } => (from, to),
            };
            assert!(next.is_none_or(|next| next == from), "{next:?} {from}");
            next = Some(to + 1);
        }
    }
}
