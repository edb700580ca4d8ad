use super::record::LOW_40;
use super::*;
use crate::app_hash::{AppHash, Digest};
use crate::stream::{Lane, Stream};

fn round_trip(marks: &[Mark]) -> Option<(Stamp, Vec<Mark>)> {
    let stamp = Stamp {
        at: Position {
            main: 7,
            local: LOW_40,
        },
        time_ms: 1_795_218_984_594,
    };
    let mut bytes = Vec::new();
    encode_stamp(&stamp, &mut bytes);
    marks.iter().for_each(|mark| encode_mark(mark, &mut bytes));
    let decoded = decode_marks(&bytes);
    assert_eq!(decoded.as_ref().unwrap().0, stamp);
    decoded
}

#[test]
fn marks_of_one_record_come_back_in_order() {
    let of = Attempt {
        height: 13,
        attempt: 2,
    };
    let marks = vec![
        Mark::End(Reported {
            of,
            by: Stream::Slog,
        }),
        Mark::NodeStart,
        Mark::Crank(Crank {
            number: u64::MAX,
            crankhash: Digest([1; 32]),
            activityhash: Digest([2; 32]),
        }),
        Mark::LocalHash(LocalHash {
            of,
            app_hash: AppHash::new(&[0xAB, 0xCD]).unwrap(),
        }),
        Mark::Close,
        Mark::Begin(Begin {
            of,
            from: Position { main: 3, local: 4 },
            whole: true,
            by: Stream::Node,
            joins: false,
            early: false,
        }),
    ];
    assert_eq!(round_trip(&marks).unwrap().1, marks);
}

fn of() -> Attempt {
    Attempt {
        height: u64::MAX,
        attempt: 3,
    }
}

fn app_hash(byte: u8, len: usize) -> AppHash {
    AppHash::new(&[byte; AppHash::MAX][..len]).unwrap()
}

fn source() -> SourceMark {
    SourceMark {
        stream: Stream::Slog,
        path: "/home/agoric/slög \"1\".jsonl".to_owned(),
        inode: u64::MAX,
        offset: 1 << 40,
        file: None,
        before: Some(Before {
            bytes: 4096,
            behind: 12,
            digest: Digest([0xCD; 32]),
        }),
        trouble: Some(Unread {
            why: "Permission denied".to_owned(),
            since: 1_795_218_984_594,
        }),
    }
}

fn told() -> Reported {
    Reported {
        of: of(),
        by: Stream::Node,
    }
}

/// A checkpoint that a recorder wrote, of two blocks: one diverged; one is being executed
/// although a box of it is durable already.
const CHECKPOINT: &str = include_str!("../../testdata/checkpoint.json");

fn checkpoint() -> Checkpoint {
    serde_json::from_str(CHECKPOINT).unwrap()
}

fn begin() -> Begin {
    Begin {
        of: of(),
        from: Position { main: 3, local: 4 },
        whole: true,
        by: Stream::Slog,
        joins: true,
        early: true,
    }
}

fn pin() -> Pin {
    Pin {
        of: of(),
        why: "a mismatch".to_owned(),
        network: Some(app_hash(7, 0)),
        over: true,
        broken: true,
    }
}

fn diverged() -> Diverged {
    Diverged {
        of: of(),
        field: "AppHash".to_owned(),
        local: app_hash(0xAB, 32),
        network: app_hash(0xCD, 64),
    }
}

fn crank() -> Crank {
    Crank {
        number: u64::MAX,
        crankhash: Digest([1; 32]),
        activityhash: Digest([0xFE; 32]),
    }
}

fn session() -> Session {
    Session {
        version: "0.1.0".to_owned(),
        pid: 4711,
        boot: "b0".to_owned(),
        profile: "agoric".to_owned(),
        rules: Some("ab".repeat(32)),
    }
}

fn release() -> Release {
    Release {
        of: of(),
        by: ReleasedBy::LaterAttempt,
        network: None,
    }
}

fn loss() -> Loss {
    Loss {
        lane: Lane::Local,
        stream: Some(Stream::Node),
        records: 1,
        bytes: u64::MAX,
        why: "no room".to_owned(),
        dropped: true,
        counters: Some(Counters {
            from: 3,
            until: LOW_40,
        }),
    }
}

/// The sample behind `last`. The match names every variant: a new one does
/// not compile until it stands in this chain.
fn next(last: Option<&Mark>) -> Option<Mark> {
    Some(match last {
        None => Mark::Session(session()),
        Some(Mark::Session(_)) => Mark::Close,
        Some(Mark::Close) => Mark::NodeStart,
        Some(Mark::NodeStart) => Mark::Source(source()),
        Some(Mark::Source(_)) => Mark::Begin(Begin {
            joins: false,
            ..begin()
        }),
        Some(Mark::Begin(_)) => Mark::Executed(of()),
        Some(Mark::Executed(_)) => Mark::End(told()),
        Some(Mark::End(_)) => Mark::Commit(told()),
        Some(Mark::Commit(_)) => Mark::LocalHash(LocalHash {
            of: of(),
            app_hash: app_hash(1, 20),
        }),
        Some(Mark::LocalHash(_)) => Mark::Release(release()),
        Some(Mark::Release(_)) => Mark::Pin(pin()),
        Some(Mark::Pin(_)) => Mark::Diverged(diverged()),
        Some(Mark::Diverged(_)) => Mark::Crank(crank()),
        Some(Mark::Crank(_)) => Mark::Loss(loss()),
        Some(Mark::Loss(_)) => Mark::Note(Note {
            text: "line\nbreak \u{1F6D1}".to_owned(),
        }),
        Some(Mark::Note(_)) => Mark::Checkpoint(Checkpoint {
            blocks: Vec::new(),
            sources: vec![source()],
            boundary: None,
            dropped: vec![Dropped {
                lane: Lane::Main,
                counters: Counters { from: 1, until: 2 },
            }],
            session: Some(session()),
            opening: false,
            log_waits: None,
        }),
        Some(Mark::Checkpoint(_)) => Mark::Frozen(Frozen {
            of: of(),
            name: "12-incomplete.2".to_owned(),
        }),
        Some(Mark::Frozen(_)) => Mark::LogWait(LogWait {
            from: Some(Position { main: 5, local: 6 }),
        }),
        Some(Mark::LogWait(_)) => return None,
    })
}

fn every_mark() -> Vec<Mark> {
    std::iter::successors(next(None), |last| next(Some(last))).collect()
}

#[test]
fn every_mark_survives_its_bytes() {
    let marks = every_mark();
    assert_eq!(marks.len(), 18);
    assert_eq!(round_trip(&marks).unwrap().1, marks);
    let more = [
        Mark::Begin(begin()),
        Mark::Checkpoint(checkpoint()),
        Mark::Release(Release {
            network: Some(app_hash(9, 64)),
            by: ReleasedBy::NextCommit,
            ..release()
        }),
        Mark::Loss(Loss {
            stream: None,
            dropped: false,
            counters: None,
            ..loss()
        }),
    ];
    assert_eq!(round_trip(&more).unwrap().1, more);
}

#[test]
fn every_mark_has_a_number_of_its_own() {
    let numbers: Vec<u8> = every_mark().iter().map(Mark::code).collect();
    assert_eq!(
        numbers,
        [
            1, 2, 17, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 12, 18
        ],
        "the numbers of old rings must stay what they were"
    );
}

#[test]
fn a_checkpoint_carries_a_block_with_all_its_members() {
    let checkpoint = checkpoint();
    let written = serde_json::to_string(&checkpoint).unwrap();
    assert_eq!(written, CHECKPOINT.trim_end(), "rings hold these bytes");
    let json = serde_json::to_value(&checkpoint).unwrap();
    let blocks = json["blocks"].as_array().unwrap();
    for member in blocks[0].as_object().unwrap().keys() {
        let set = blocks.iter().any(|block| !block[member].is_null());
        assert!(
            set,
            "a sample that leaves {member} out proves nothing of it"
        );
    }
    assert!(checkpoint.boundary.is_some());
    let document = include_str!("../../../../docs/format.md");
    let (_, paragraph) = document.split_once("<!-- mark: block -->").unwrap();
    let (paragraph, _) = paragraph.split_once("\n\n").unwrap();
    for member in blocks[0].as_object().unwrap().keys() {
        assert!(paragraph.contains(&format!("`{member}`")), "{member}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes under Miri")]
fn a_mark_too_long_for_its_length_is_told_of() {
    let text = "x".repeat(1 << 24);
    let found = round_trip(&[Mark::Note(Note { text }), Mark::Close])
        .unwrap()
        .1;
    let [Mark::Note(note), Mark::Close] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        note.text.contains("type 15") && note.text.contains("16777227"),
        "{}",
        note.text
    );
}

/// Damage may give another mark or none, but never a panic. A mark that was read can be
/// written and read again.
const MARKS: &[u8] = include_bytes!("../../testdata/marks.bin");

#[test]
fn every_mark_is_written_as_in_the_rings_there_are() {
    let mut bytes = vec![0; STAMP_SIZE];
    let is_newer = |mark: &Mark| matches!(mark, Mark::LogWait(_));
    let (newer, older): (Vec<_>, Vec<_>) = every_mark().into_iter().partition(is_newer);
    older.iter().for_each(|mark| encode_mark(mark, &mut bytes));
    encode_mark(&Mark::Checkpoint(checkpoint()), &mut bytes);
    assert_eq!(
        bytes.escape_ascii().to_string(),
        MARKS.escape_ascii().to_string()
    );
    let mut bytes = Vec::new();
    newer.iter().for_each(|mark| encode_mark(mark, &mut bytes));
    let waits = br#"{"from":{"main":5,"local":6}}"#;
    assert_eq!(bytes, [&[18, waits.len() as u8, 0, 0], &waits[..]].concat());
}

#[test]
fn a_checkpoint_tells_what_waits() {
    let waits = Checkpoint {
        log_waits: Some(Position { main: 5, local: 6 }),
        ..checkpoint()
    };
    let marks = [Mark::Checkpoint(waits)];
    assert_eq!(round_trip(&marks).unwrap().1, marks);
}

/// Miri runs the code some thousand times slower.
const ROUNDS: usize = if cfg!(miri) { 10 } else { 20_000 };

#[test]
fn damaged_marks_are_read_without_harm() {
    let sound = MARKS.to_vec();
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |sides: usize| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        usize::try_from(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides
    };
    let (mut marks, mut changed) = (0, 0);
    for _ in 0..ROUNDS {
        let mut bytes = sound.clone();
        for _ in 0..=roll(8) {
            let place = roll(bytes.len());
            bytes[place] = u8::try_from(roll(256)).unwrap();
        }
        bytes.truncate(bytes.len() - roll(4) * roll(200));
        let found = decode_marks(&bytes).unwrap().1;
        marks += found.len();
        changed += usize::from(found != decode_marks(&sound).unwrap().1);
        assert_eq!(round_trip(&found).unwrap().1, found);
    }
    println!("{marks} marks read, {changed} of {ROUNDS} records were changed by the damage");
    assert!(changed > ROUNDS / 2);
}

#[test]
fn random_bytes_are_read_without_harm() {
    let mut seed = 1_u64;
    for length in (0..4096).step_by((20_000 / ROUNDS) | 1) {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8 % if length % 2 == 0 { 20 } else { 255 }
        })
        .take(length)
        .collect();
        assert_eq!(decode_marks(&bytes).is_some(), length >= STAMP_SIZE);
    }
}

#[test]
fn unknown_and_cut_marks_are_left_out() {
    let mut bytes = vec![0; STAMP_SIZE];
    bytes.extend_from_slice(&[200, 2, 0, 0, b'{', b'}']);
    encode_mark(&Mark::Close, &mut bytes);
    bytes.extend_from_slice(&[1, 0xFF, 0xFF, 0xFF, b'{']);
    assert_eq!(decode_marks(&bytes).unwrap().1, vec![Mark::Close]);
    assert_eq!(decode_marks(&bytes[..STAMP_SIZE - 1]), None);
}
