//! Compares the code with docs/format.md: reads offsets, sizes, constants and mark types
//! from its tables.

use super::geometry::*;
use super::segment::SegmentHeader;
use super::superblock::Superblock;
use super::{Flags, HEADER_SIZE, Header, LaneKey, Part, Seq};
use crate::Lane;

const DOCUMENT: &str = include_str!("../../../../docs/format.md");

/// Cells of the table behind a marker, without its head.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let marker = format!("<!-- ring: {name} -->");
    let (_, rest) = DOCUMENT
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no table {name}"));
    let lines = rest
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    lines
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The (offset, size) of the row whose field begins with `field`.
fn place(name: &str, field: &str) -> (usize, usize) {
    let rows = table(name);
    let row = rows.iter().find(|row| row[2].starts_with(field));
    let row = row.unwrap_or_else(|| panic!("no field {field} in table {name}"));
    (row[0].parse().unwrap(), row[1].parse().unwrap())
}

fn number(bytes: &[u8], (at, size): (usize, usize)) -> u64 {
    bytes[at..at + size]
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn constants_are_those_of_the_document() {
    let known = [
        ("PAGE", PAGE),
        ("HINTS_OFFSET", HINTS_OFFSET),
        ("FIRST_SEGMENT", FIRST_SEGMENT),
        ("MIN_SEGMENT", MIN_SEGMENT),
        ("MAX_SEGMENT", MAX_SEGMENT),
        ("MIN_RING", MIN_RING),
        ("MAX_RING", MAX_RING),
    ];
    let told: Vec<(&str, u64)> = table("geometry")
        .iter()
        .map(|row| (row[0], row[1].parse().unwrap()))
        .collect();
    assert_eq!(told, known);
}

fn odd_geometry() -> Geometry {
    Geometry {
        segment_size: 0x0004_1000,
        spine: 3,
        local: 5,
        main: 11,
    }
}

#[test]
fn the_superblock_stands_where_the_document_says() {
    let superblock = Superblock {
        geometry: odd_geometry(),
        revision: 0x0102_0304_0506_0708,
        uuid: [0x11; 16],
        salt: 0x2122_2324_2526_2728,
        file_size: 0x3132_3334,
        epoch: 0x4142,
        machine: [0x51; 32],
        boot: [0x61; 16],
        created_ms: 0x7172_7374,
    };
    let bytes = superblock.encode();
    let at = |field| number(&bytes, place("superblock", field));
    assert_eq!(bytes[..8], *b"HALTBOX\x01");
    assert_eq!(
        (at("version"), at("segment size"), at("revision")),
        (1, 0x41000, superblock.revision)
    );
    assert_eq!(
        (at("salt"), at("file size"), at("epoch")),
        (superblock.salt, 0x3132_3334, 0x4142)
    );
    assert_eq!((at("spine"), at("local"), at("main")), (3, 5, 11));
    assert_eq!(at("created"), 0x7172_7374);
    for (field, byte) in [("uuid", 0x11), ("machine", 0x51), ("boot", 0x61)] {
        let (offset, size) = place("superblock", field);
        assert!(
            bytes[offset..offset + size].iter().all(|b| *b == byte),
            "{field}"
        );
    }
    let (crc, size) = place("superblock", "CRC-32");
    assert_eq!(
        (crc + size, at("CRC-32")),
        (bytes.len(), u64::from(crc32fast::hash(&bytes[..crc])))
    );
}

#[test]
fn the_segment_header_stands_where_the_document_says() {
    let header = SegmentHeader {
        generation: 0x0102_0304,
        salt: 0x1112_1314,
        first: 0x2122_2324,
        geometry: odd_geometry(),
        index: 7,
        lane: 2,
    };
    let bytes = header.encode();
    let at = |field| number(&bytes, place("segment", field));
    assert_eq!(
        (at("generation"), at("salt"), at("sequence")),
        (0x0102_0304, 0x1112_1314, 0x2122_2324)
    );
    assert_eq!(
        (at("segment size"), at("index"), at("lane")),
        (0x41000, 7, 2)
    );
    assert_eq!((at("spine"), at("local"), at("main")), (3, 5, 11));
    let (crc, _) = place("segment", "CRC-32");
    assert_eq!(at("CRC-32"), u64::from(crc32fast::hash(&bytes[..crc])));
}

/// The code reads a record that the test builds by the document's words alone.
#[test]
fn a_record_written_by_the_document_is_read() {
    let (salt, seq, payload) = (
        0x0123_4567_89AB_CDEF_u64,
        5_u64 << 40 | 77,
        b"documented".as_slice(),
    );
    for lane in Lane::ALL {
        let key = salt.wrapping_add(u64::from(lane.number()).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let word = 1_u32 << 24 | 1 << 20 | payload.len() as u32;
        let x = ((seq ^ key) ^ u64::from(word).rotate_left(32)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        let mut crc = crc32fast::Hasher::new_with_initial((x ^ x >> 32) as u32);
        crc.update(payload);
        let mut bytes = (seq ^ key).to_le_bytes().to_vec();
        bytes.extend(word.to_le_bytes());
        bytes.extend(crc.finalize().to_le_bytes());
        bytes.extend(payload);
        bytes.resize(64, 0);
        let lane_key = LaneKey::new(salt, lane);
        let read = lane_key.fragment_at(&bytes, 0, u32::MAX).expect("a record");
        assert_eq!(
            (read.seq, read.part, read.flags),
            (Seq(seq), Part::Full, Flags::NODE)
        );
        assert_eq!((read.payload, read.end), (payload, 32));
        let header = Header {
            part: Part::Full,
            flags: Flags::NODE,
        };
        let commit = lane_key.commit_word(Seq(seq), header, b"docu", b"mented");
        assert_eq!(commit.to_le_bytes(), bytes[8..HEADER_SIZE]);
    }
}

#[test]
fn mark_types_are_those_of_the_document() {
    use crate::mark::{Attempt, LogWait, Mark, Note};
    let of = Attempt {
        height: 1,
        attempt: 1,
    };
    let note = Note {
        text: String::new(),
    };
    let wait = Mark::LogWait(LogWait { from: None });
    for (mark, name) in [
        (Mark::Close, "Close"),
        (Mark::Executed(of), "Executed"),
        (Mark::Note(note), "Note"),
        (Mark::NodeStart, "NodeStart"),
        (wait, "LogWait"),
    ] {
        let rows = table("marks");
        let row = rows.iter().find(|row| row[1] == name).expect("a row");
        assert_eq!(row[0].parse(), Ok(mark.code()), "{name}");
    }
    assert_eq!(table("marks").len(), 18);
}
