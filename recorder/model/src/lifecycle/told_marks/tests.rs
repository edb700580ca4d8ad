use super::*;
use crate::event::Event;
use haltbox_format::mark::{Diverged, Frozen, LocalHash, Pin, Release, ReleasedBy};
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
    pinned(height, false)
}

fn pinned(height: u64, broken: bool) -> Mark {
    Mark::Pin(Pin {
        of: of(height),
        why: "a doubt".to_owned(),
        network: None,
        over: false,
        broken,
    })
}

fn told() -> AttachedState {
    let mut told = AttachedState::default();
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

/// What a host does that cannot know what the node's log says of the block below.
fn commit(life: &mut Lifecycle, height: u64) {
    let at = Position { main: 70, local: 0 };
    let app_hash = None;
    life.on(&Event::Commit { height, app_hash }, Stream::Slog, at, at);
}

#[test]
fn it_judges_blocks_of_its_ring_alone_and_moves_none() {
    let before = life();
    let mut other = life();
    other.apply_attached(&told(), Some(RingId([8; 16])), Position::default());
    other.apply_attached(&told(), None, Position::default());
    assert_eq!(other.blocks(), before.blocks());
    let mut judged = life();
    judged.apply_attached(&told(), RING, Position { main: 99, local: 9 });
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
    commit(&mut ring, 6);
    let mut told = AttachedState::default();
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
    ring.apply_attached(&told, RING, Position::default());
    assert_eq!(ring.block(of(5)).cloned(), before);
}

/// The node's log says that a block does not stand, and the host that goes on releases it.
#[test]
fn a_block_that_does_not_stand_is_pinned_though_the_ring_releases_it() {
    let mut ring = life();
    commit(&mut ring, 6);
    let superseded = Mark::Release(Release {
        of: of(6),
        by: ReleasedBy::LaterAttempt,
        network: None,
    });
    ring.apply(&superseded, Position::default());
    let states = [5, 6].map(|height| ring.block(of(height)).unwrap().state);
    assert_eq!(states, [State::Confirmed, State::Superseded]);
    let mut told = AttachedState::default();
    told.of_ring(RING);
    let box_of = |height, name: &str| {
        let (of, name) = (of(height), name.to_owned());
        Mark::Frozen(Frozen { of, name })
    };
    told.add([box_of(5, "of a doubt"), pinned(5, true), pinned(6, true)]);
    let judged = |told: &AttachedState, height| {
        let mut life = ring.clone();
        life.apply_attached(told, RING, Position::default());
        let block = life.block(of(height)).cloned().unwrap();
        assert!(block.broken && block.state == State::Pinned, "{block:?}");
        block.frozen
    };
    assert_eq!(judged(&told, 5), None, "it shows a doubt at most");
    assert_eq!(judged(&told, 6), None);
    told.add([box_of(5, "of all"), pin(5)]);
    assert_eq!(judged(&told, 5).as_deref(), Some("of all"));
    assert_eq!(judged(&told, 6), None);
}
