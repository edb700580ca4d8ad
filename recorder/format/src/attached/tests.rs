use super::*;
use crate::app_hash::AppHash;
use crate::mark::{Begin, Diverged, Frozen, LocalHash, Pin};
use crate::stream::Stream;

const RING: Option<RingId> = Some(RingId([7; 16]));

fn of(height: u64) -> Attempt {
    Attempt { height, attempt: 1 }
}

fn app(byte: u8) -> AppHash {
    AppHash::new(&[byte; 32]).unwrap()
}

fn diverged(height: u64) -> Mark {
    Mark::Diverged(Diverged {
        of: of(height),
        field: "AppHash".to_owned(),
        local: app(1),
        network: app(2),
    })
}

fn told() -> AttachedState {
    let mut told = AttachedState {
        asked: vec!["http://127.0.0.1:26657".to_owned()],
        lines: LinesEnd { file: 3, bytes: 99 },
        time_ms: 1_700_000_000_000,
        closed: true,
        ..AttachedState::default()
    };
    told.of_ring(RING);
    told.note(5, "the node's log is not understood".to_owned());
    told.add([diverged(5)]);
    told
}

#[test]
fn what_is_written_is_read_again_and_damage_is_seen() {
    let told = told();
    let bytes = told.encode(Position::default());
    assert_eq!(AttachedState::decode(&bytes), Some(told));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(AttachedState::decode(&damaged), None, "byte {at}");
        assert_eq!(AttachedState::decode(&bytes[..at]), None, "cut at {at}");
    }
    assert_eq!(AttachedState::decode(&vec![0; bytes.len()]), None);
}

#[test]
fn what_is_wrong_outlasts_what_is_well() {
    let mut told = told();
    told.add((6..5000).map(well));
    assert!(told.marks.len() <= MOST);
    assert!(told.marks.contains(&diverged(5)));
    assert!(told.marks.contains(&well(4999)));
    assert!(!told.marks.contains(&well(4900)));
    (0..100).for_each(|n| told.note(n, n.to_string()));
    assert_eq!(told.notes().len(), NOTES);
    assert_eq!(told.notes().last().unwrap().text, "99");
}

fn broken(height: u64) -> [Mark; 3] {
    let of = of(height);
    let begin = Mark::Begin(Begin {
        of,
        from: Position::default(),
        whole: false,
        by: Stream::Node,
        joins: false,
        early: false,
    });
    let app_hash = app(4);
    let pin = Mark::Pin(Pin {
        of,
        why: "it does not stand".to_owned(),
        network: None,
        over: false,
        broken: true,
    });
    [begin, Mark::LocalHash(LocalHash { of, app_hash }), pin]
}

fn well(height: u64) -> Mark {
    Mark::LocalHash(LocalHash {
        of: of(height),
        app_hash: app(3),
    })
}

/// In a storm of such blocks some wait for their box while the chain goes on.
#[test]
fn a_block_that_does_not_stand_is_told_until_a_box_holds_it() {
    let frozen = |height| {
        let (of, name) = (of(height), "a box".to_owned());
        Mark::Frozen(Frozen { of, name })
    };
    let mut told = told();
    let left = |told: &AttachedState, height| {
        let marks = told.marks.iter();
        marks.filter(|mark| broken(height).contains(mark)).count()
    };
    told.add([frozen(6)]);
    told.add((6..=7).flat_map(broken));
    told.add((8..5000).map(well));
    assert_eq!(
        (left(&told, 6), left(&told, 7)),
        (3, 3),
        "not by a box before"
    );
    assert!(told.marks.contains(&well(4999)));
    assert!(!told.marks.contains(&well(4900)));
    told.add([frozen(6)]);
    assert_eq!((left(&told, 6), left(&told, 7)), (0, 3));
    assert!(told.holds_a_box_of(of(6)));
}

/// Of some a box never comes: they must not push out what is well.
#[test]
#[cfg_attr(miri, ignore = "takes minutes under Miri")]
fn blocks_that_do_not_stand_are_told_within_bounds() {
    let mut told = told();
    told.add((6..2000).flat_map(broken));
    told.add((2000..5000).map(well));
    let pins = |mark: &&Mark| matches!(mark, Mark::Pin(_));
    assert_eq!(told.marks.iter().filter(pins).count(), OWED);
    assert!(broken(1999).iter().all(|mark| told.marks.contains(mark)));
    assert!(told.marks.contains(&diverged(5)));
    assert!(told.marks.contains(&well(4940)));
}

#[test]
fn lines_end_where_one_does_not_prove_itself() {
    let mut bytes = Vec::new();
    let lines: [(&[u8], bool); 3] = [(b"one", true), (b"", true), (b"three", false)];
    for (line, terminated) in lines {
        encode_line(line, terminated, &mut bytes);
    }
    assert_eq!(Lines::of(&bytes).collect::<Vec<_>>(), lines);
    assert_eq!(Lines::of(&bytes[..bytes.len() - 1]).count(), 2);
    let mut damaged = bytes.clone();
    damaged[LINE_HEAD] ^= 1;
    assert_eq!(Lines::of(&damaged).count(), 0);
    assert_eq!(
        Lines::of(&[0; 4096]).count(),
        0,
        "a page that was never written"
    );
}
