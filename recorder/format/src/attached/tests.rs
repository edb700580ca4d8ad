use super::*;
use crate::app_hash::AppHash;
use crate::event::Event;
use crate::mark::{Diverged, LocalHash, Pin};
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

fn pin(height: u64) -> Mark {
    Mark::Pin(Pin {
        of: of(height),
        why: "a doubt".to_owned(),
        network: None,
        over: false,
        broken: false,
    })
}

fn told() -> Told {
    let mut told = Told {
        asked: vec!["http://127.0.0.1:26657".to_owned()],
        lines: LinesEnd { file: 3, bytes: 99 },
        time_ms: 1_700_000_000_000,
        closed: true,
        ..Told::default()
    };
    told.of_ring(RING);
    told.note(5, "the node's log is not understood".to_owned());
    told.add([diverged(5)]);
    told
}

/// A ring that its host executed two heights into.
fn life() -> Lifecycle {
    let mut life = Lifecycle::default();
    let at = |main| Position { main, local: 0 };
    for height in [5, 6] {
        for (n, event) in [
            Event::Begin {
                height,
                early: false,
            },
            Event::End { height },
        ]
        .iter()
        .enumerate()
        {
            let n = height * 10 + n as u64;
            life.on(event, Stream::Slog, at(n), at(n + 1));
        }
    }
    life
}

#[test]
fn what_is_written_is_read_again_and_damage_is_seen() {
    let told = told();
    let bytes = told.encode(Position::default());
    assert_eq!(Told::decode(&bytes), Some(told));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(Told::decode(&damaged), None, "byte {at}");
        assert_eq!(Told::decode(&bytes[..at]), None, "cut at {at}");
    }
    assert_eq!(Told::decode(&vec![0; bytes.len()]), None);
}

#[test]
fn it_judges_blocks_of_its_ring_alone_and_moves_none() {
    let before = life();
    let mut other = life();
    told().apply(Some(RingId([8; 16])), &mut other, Position::default());
    told().apply(None, &mut other, Position::default());
    assert_eq!(other.blocks(), before.blocks());
    let mut judged = life();
    told().apply(RING, &mut judged, Position { main: 99, local: 9 });
    let places = |life: &Lifecycle| -> Vec<_> {
        let blocks = life.blocks().iter();
        blocks
            .map(|b| (b.of, b.from, b.end, b.until, b.whole))
            .collect()
    };
    assert_eq!(places(&judged), places(&before));
    assert_eq!(judged.block(of(5)).unwrap().state, State::Diverged);
    assert_eq!(
        judged.block(of(6)).unwrap().state,
        before.block(of(6)).unwrap().state
    );
}

#[test]
fn neither_the_ring_s_own_hash_nor_its_release_is_called_back() {
    let mut ring = life();
    ring.apply(
        &Mark::LocalHash(LocalHash {
            of: of(5),
            app_hash: app(9),
        }),
        Position::default(),
    );
    let at = Position { main: 70, local: 0 };
    ring.on(
        &Event::Commit {
            height: 6,
            app_hash: None,
        },
        Stream::Slog,
        at,
        at,
    );
    let mut told = Told::default();
    told.of_ring(RING);
    told.add([
        Mark::LocalHash(LocalHash {
            of: of(5),
            app_hash: app(1),
        }),
        pin(5),
    ]);
    let before = ring.block(of(5)).cloned();
    assert_eq!(before.as_ref().unwrap().state, State::Confirmed);
    told.apply(RING, &mut ring, Position::default());
    assert_eq!(ring.block(of(5)).cloned(), before);
}

#[test]
fn what_is_wrong_outlasts_what_is_well() {
    let mut told = told();
    let well = |height| {
        Mark::LocalHash(LocalHash {
            of: of(height),
            app_hash: app(3),
        })
    };
    told.add((6..5000).map(well));
    assert!(told.marks.len() <= MOST);
    assert!(told.marks.contains(&diverged(5)));
    assert!(told.marks.contains(&well(4999)));
    assert!(!told.marks.contains(&well(4900)));
    (0..100).for_each(|n| told.note(n, n.to_string()));
    assert_eq!(told.notes().len(), NOTES);
    assert_eq!(told.notes().last().unwrap().text, "99");
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
