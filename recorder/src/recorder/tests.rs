use std::os::unix::fs::FileExt;
use std::path::Path;

use super::*;
use crate::ring::file::RingOptions;

/// Where the main lane of such a ring begins; spine and local lane stand before it.
const SEGMENT: usize = 256 << 10;
const BESIDES: usize = 5 * SEGMENT;
const FIRST: u64 = 64 << 10;

fn open(ring: &Path) -> Recorder {
    let config = Config {
        ring: RingOptions {
            size: 4 << 20,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(Profile::builtin("agoric").expect("a profile")),
        node_lane: Lane::Local,
        own_start: false,
        populate: false,
    };
    Recorder::open(ring, config).expect("it opens").recorder
}

fn execute(recorder: &mut Recorder, height: u64) {
    for what in ["begin-block", "end-block-start", "end-block-finish"] {
        let entry =
            format!(r#"{{"type":"cosmic-swingset-{what}","blockHeight":{height},"blockTime":1}}"#);
        recorder.record(Stream::Slog, Given::line(entry.as_bytes()));
    }
}

/// A start of the node may stand in the local lane at any time, and no number of an opening
/// tells of it where the recorder runs beside the node.
#[test]
fn behind_a_power_cut_unmarked_blocks_beside_a_node_have_no_hash() {
    for boot in [machine::boot(), "another".to_owned()] {
        let dir = tempfile::tempdir().expect("a folder");
        let (ring, cut) = (dir.path().join("ring"), dir.path().join("cut"));
        let mut recorder = open(&ring);
        execute(&mut recorder, 1);
        let session = Session {
            boot: boot.clone(),
            ..recorder.session.clone()
        };
        recorder.publish(&[Mark::Session(session)]);
        let mut older = vec![0; BESIDES];
        let file = File::open(&ring).expect("a ring");
        file.read_exact_at(&mut older, FIRST).expect("marks");
        execute(&mut recorder, 2);
        std::fs::copy(&ring, &cut).expect("what is left");
        let file = File::options().write(true).open(&cut).expect("a ring");
        file.write_all_at(&older, FIRST).expect("older marks");
        let again = open(&cut);
        let block = again.life().subject(2).expect("a block");
        assert_eq!(block.whole, boot != "another", "{boot}");
    }
}

/// A host may discard a block that the network agreed with. Nothing is pinned then, and
/// nobody is told so.
#[test]
fn a_discard_of_an_agreed_block_is_no_news() {
    use haltbox_format::mark::{Begin, Pin, Release, ReleasedBy};
    let of = Attempt {
        height: 1,
        attempt: 1,
    };
    let at = Position::default();
    let begin = Mark::Begin(Begin {
        of,
        from: at,
        whole: true,
        by: Stream::Slog,
        joins: false,
        early: false,
    });
    let release = Mark::Release(Release {
        of,
        by: ReleasedBy::Network,
        network: None,
    });
    let discard = Mark::Pin(Pin {
        of,
        why: "the host discarded this execution".to_owned(),
        network: None,
        over: true,
        broken: false,
    });
    for (marks, is_idle) in [
        (vec![&begin, &release, &discard], true),
        (vec![&begin, &discard], false),
    ] {
        let mut life = Lifecycle::default();
        marks.iter().for_each(|mark| life.apply(mark, at));
        assert_eq!(is_idle_pin(&life, &discard), is_idle);
    }
}
