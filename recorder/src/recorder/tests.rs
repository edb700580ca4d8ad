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
    entries(
        recorder,
        height,
        &["begin-block", "end-block-start", "end-block-finish"],
    );
}

fn commit(recorder: &mut Recorder, height: u64) {
    entries(
        recorder,
        height,
        &["commit-block-start", "commit-block-finish"],
    );
}

fn entries(recorder: &mut Recorder, height: u64, of: &[&str]) {
    for what in of {
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

/// A line of the node's log that tells the height the node has come to.
fn committed(height: u64) -> String {
    format!("2:28PM INF committed state block_app_hash=AB height={height} module=state")
}

/// Its failure tells no height.
const FAILURE: &str = "2:28PM ERR CONSENSUS FAILURE!!! err=\"no reason\" module=consensus";

/// The heights that trouble in the node's log was charged to.
fn charged(recorder: &mut Recorder) -> Vec<Option<u64>> {
    let news = recorder.take_news();
    let charged = news.iter().filter_map(|news| match news {
        News::Trouble(_, of) => Some(of.as_ref().map(|of| of.of().height)),
        _ => None,
    });
    charged.collect()
}

/// A log that reaches these heights and then a failure, while the slog has come to block 1.
/// Then the slog goes on, and the recorder may be killed before each of its blocks. Returns
/// while which block the failure was charged, and to which.
fn catches_up(reached: &[u64], is_killed: impl Fn(u64) -> bool) -> Vec<(u64, Option<u64>)> {
    let dir = tempfile::tempdir().expect("a folder");
    let ring = dir.path().join("ring");
    let mut recorder = open(&ring);
    execute(&mut recorder, 1);
    let lines = reached.iter().map(|height| committed(*height));
    for line in lines.chain([FAILURE.to_owned()]) {
        recorder.record(Stream::Node, Given::line(line.as_bytes()));
    }
    let failed = reached.last().expect("a height");
    let mut all = Vec::new();
    for height in 2..=failed + 2 {
        if is_killed(height) {
            drop(recorder);
            recorder = open(&ring);
        }
        commit(&mut recorder, height - 1);
        execute(&mut recorder, height);
        let charged = charged(&mut recorder);
        all.extend(charged.into_iter().map(|to| (height, to)));
    }
    all
}

#[test]
fn a_failure_that_waits_for_the_slog_outlives_kills() {
    let reached = [1, 2, 3, 4, 5, 6];
    let undisturbed = catches_up(&reached, |_| false);
    assert!(
        matches!(undisturbed[..], [(2.., Some(_))]),
        "{undisturbed:?}"
    );
    assert_eq!(catches_up(&reached, |_| true), undisturbed);
    for killed_at in 2..=8 {
        let killed = catches_up(&reached, |height| height == killed_at);
        assert_eq!(killed, undisturbed, "killed before {killed_at}");
    }
}

/// The mark of its beginning is evicted by age, and a checkpoint says it again.
#[test]
fn a_failure_that_waits_for_long_outlives_a_kill() {
    let reached = [1, 5000];
    let undisturbed = catches_up(&reached, |_| false);
    assert_eq!(undisturbed.len(), 1);
    assert_eq!(catches_up(&reached, |height| height == 4900), undisturbed);
}
