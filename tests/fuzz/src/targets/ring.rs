//! Rings.

use std::sync::LazyLock;

use haltbox_format::ReadAt;
use haltbox_format::mark::{
    DroppedRecords, Mark, Position, decode_marks, decode_stamp, encode_mark,
};
use haltbox_format::ring::{
    Flags, Found, Geometry, HEADER_SIZE, Header, LaneKey, Marked, Part, RecordCursor, RingView,
    SEGMENT_HEADER_SIZE, Seq, Timeline, holes, padded,
};
use haltbox_format::{Lane, Stream};
use haltbox_recorder::host::{HostRecorder, Options};

use super::{TRANSACTIONS, profile};
use crate::Target;

/// A ring with bytes replaced: any page may be of another time, or of another file.
pub const PATCHED: Target = Target {
    name: "ring",
    run: |input| read(patched(input)),
    seeds: || {
        vec![
            Vec::new(),
            [&[0; 7][..], b"HALTBOX"].concat(),
            vec![0xff; 64],
        ]
    },
};

/// A ring with records that nobody wrote, whose checksums are right.
pub const RECORDS: Target = Target {
    name: "ring-records",
    run: |input| read(with_records(input)),
    seeds: || {
        let marks = marks();
        let spine = marks.iter().map(|mark| record(2, 0, 40, 0xf, mark));
        spine
            .chain([
                record(0, 1, 3, 1, b"{}"),
                record(1, 2, 9, 0x22, b"12345678{}"),
            ])
            .collect()
    },
};

/// The marks of a spine record.
pub const MARKS: Target = Target {
    name: "marks",
    run: |input| {
        let _ = decode_stamp(input);
        let Some((_, marks)) = decode_marks(input) else {
            return;
        };
        let mut dropped = DroppedRecords::default();
        for mark in &marks {
            dropped.take(mark);
            encode_mark(mark, &mut Vec::new());
        }
        for lane in [Lane::Main, Lane::Local, Lane::Spine] {
            dropped.touches(lane, 0, u64::MAX);
            dropped.covers(lane, u64::MAX, 0);
        }
        let _ = dropped.to_vec();
    },
    seeds: marks,
};

/// What a recorder leaves behind of two blocks.
static RING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = Options::new(folder.path(), profile("host").clone());
    options.size = 4 << 20;
    let (recorder, _) = HostRecorder::open(options).expect("a recorder");
    for height in 11..14 {
        recorder.begin_block(height, 0, None).expect("a block");
        for line in TRANSACTIONS.lines() {
            recorder.record(line.as_bytes()).expect("a record");
        }
        recorder.log(b"a line of the node's log").expect("a record");
        recorder.end_block(height, None).expect("an end");
        recorder.commit(height, None).expect("a commit");
    }
    drop(recorder);
    let mut found = std::fs::read_dir(folder.path())
        .expect("the folder")
        .flatten();
    let ring = found.find(|entry| entry.file_name() == "ring");
    std::fs::read(ring.expect("a ring").path()).expect("the ring's bytes")
});

/// The spine records of that ring.
fn marks() -> Vec<Vec<u8>> {
    let ring = &*RING;
    let view = RingView::read(ring).expect("a sound ring");
    let key = LaneKey::new(view.salt, Lane::Spine);
    let segments = view.geometry.lane(Lane::Spine).take(1);
    let mut found = Vec::new();
    for segment in segments {
        let start = view.geometry.offset(segment) as usize;
        let bytes = &ring[start..start + view.geometry.segment_size as usize];
        let mut at = SEGMENT_HEADER_SIZE;
        while let Some(fragment) = key.fragment_at(bytes, at, 1 << 20) {
            found.push(fragment.payload.to_vec());
            at = fragment.end;
        }
    }
    found
}

/// Four bytes of an offset, one of a length, and so many bytes that replace others.
fn patched(mut input: &[u8]) -> Vec<u8> {
    let mut ring = RING.clone();
    while let Some((head, rest)) = input.split_first_chunk::<5>() {
        let [a, b, c, d, len] = *head;
        let (part, rest) = rest.split_at(usize::from(len).min(rest.len()));
        let at = u32::from_le_bytes([a, b, c, d]) as usize % ring.len();
        let end = (at + part.len()).min(ring.len());
        ring[at..end].copy_from_slice(&part[..end - at]);
        input = rest;
    }
    ring
}

/// One instruction of [`with_records`].
fn record(lane: u8, segment: u8, place: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len())
        .unwrap_or(u16::MAX)
        .to_le_bytes();
    [
        &[lane, segment, place, kind, 1, length[0], length[1]],
        payload,
    ]
    .concat()
}

/// Seven bytes say lane, segment, place, kind and counter of a record, and how long its
/// payload is; the payload follows.
fn with_records(mut input: &[u8]) -> Vec<u8> {
    let mut ring = RING.clone();
    let view = RingView::read(&*RING).expect("a sound ring");
    while let Some((head, rest)) = input.split_first_chunk::<7>() {
        let [lane, segment, place, kind, counter, low, high] = *head;
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        let lane = [Lane::Main, Lane::Local, Lane::Spine][usize::from(lane % 3)];
        let seq = Seq::new(1 + u32::from(kind >> 6), counter_of(counter));
        let place = Place {
            lane,
            segment,
            place,
        };
        put(&mut ring, &view, &place, seq, kind, payload);
        input = rest;
    }
    ring
}

/// Small ones, and the largest ones.
fn counter_of(byte: u8) -> u64 {
    match byte {
        240.. => (1 << 40) - 1 - u64::from(byte - 240),
        small => u64::from(small),
    }
}

struct Place {
    lane: Lane,
    segment: u8,
    place: u8,
}

fn put(ring: &mut [u8], view: &RingView, place: &Place, seq: Seq, kind: u8, payload: &[u8]) {
    const PARTS: [Part; 4] = [Part::Full, Part::First, Part::Mid, Part::Last];
    let part = PARTS[usize::from(kind & 3)];
    let flags = [
        (4, Flags::of(Stream::Node)),
        (8, Flags::UNTERMINATED),
        (16, Flags::CUT),
    ];
    let flags = flags.iter().filter(|(bit, _)| kind & bit != 0);
    let flags = flags.fold(Flags::of(Stream::Slog), |all, (_, flag)| all.with(*flag));
    let key = LaneKey::new(view.salt, place.lane);
    let word = key.commit_word(seq, Header { part, flags }, &[], payload);
    let bytes = [
        &key.mask(seq).to_le_bytes()[..],
        &word.to_le_bytes(),
        payload,
    ]
    .concat();
    let start = start_of(&view.geometry, place, ring, key);
    if let Some(room) = ring.get_mut(start..start + bytes.len()) {
        room.copy_from_slice(&bytes);
    }
}

/// Behind the last record of the segment, or, for odd places, anywhere in it.
fn start_of(geometry: &Geometry, place: &Place, ring: &[u8], key: LaneKey) -> usize {
    let segments = geometry.lane(place.lane);
    let count = segments.len().max(1) as u32;
    let segment = segments.start + u32::from(place.segment) % count;
    let start = geometry.offset(segment) as usize;
    if place.place % 2 == 1 {
        return start + SEGMENT_HEADER_SIZE + usize::from(place.place) * padded(HEADER_SIZE + 32);
    }
    let bytes = &ring[start..start + geometry.segment_size as usize];
    let mut at = SEGMENT_HEADER_SIZE;
    while let Some(fragment) = key.fragment_at(bytes, at, 1 << 20) {
        at = fragment.end;
    }
    start + at
}

/// Everything that a reader asks of a ring. All that is read has an end.
fn read(ring: Vec<u8>) {
    let source: &dyn ReadAt = &ring;
    let Ok(view) = RingView::read(source) else {
        return;
    };
    let dropped = dropped(source, &view);
    let marked = Marked {
        until: Position {
            main: u64::MAX,
            local: u64::MAX,
        },
        dropped: &dropped,
    };
    let holes = holes(&view, marked);
    let mut timeline = Timeline::new(source, &view, marked);
    let (mut entries, most) = (0, ring.len() / HEADER_SIZE + holes.len());
    while let Ok(Some(_)) = timeline.next() {
        entries += 1;
        assert!(entries <= most, "more entries than the ring has room for");
    }
}

fn dropped(source: &dyn ReadAt, view: &RingView) -> DroppedRecords {
    let mut dropped = DroppedRecords::default();
    let mut cursor = RecordCursor::new(source, view, Lane::Spine);
    while let Ok(Some(found)) = cursor.next() {
        let Found::Record(record) = found else {
            continue;
        };
        let marks = decode_marks(record.payload).map(|(_, marks)| marks);
        marks
            .iter()
            .flatten()
            .for_each(|mark: &Mark| dropped.take(mark));
    }
    dropped
}
