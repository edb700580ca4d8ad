use super::*;
use crate::event::Event;
use haltbox_format::mark::{Diverged, LocalHash, Pin};
use haltbox_format::{AppHash, Stream};

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
    let mut told = Told::default();
    told.of_ring(RING);
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
fn it_judges_blocks_of_its_ring_alone_and_moves_none() {
    let before = life();
    let mut other = life();
    other.apply_told(&told(), Some(RingId([8; 16])), Position::default());
    other.apply_told(&told(), None, Position::default());
    assert_eq!(other.blocks(), before.blocks());
    let mut judged = life();
    judged.apply_told(&told(), RING, Position { main: 99, local: 9 });
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
    ring.apply_told(&told, RING, Position::default());
    assert_eq!(ring.block(of(5)).cloned(), before);
}
