//! What the simulator found once, where it takes recorder and reader to show it.

use haltbox_format::Lane;
use haltbox_format::ring::{Entry, RingView, Timeline};
use haltbox_model::Profile;
use haltbox_model::history::History;
use haltbox_reader::source;
use haltbox_reader::source_summary::SourceSummary;
use haltbox_recorder::host::{HostRecorder, Options};

fn host(dir: &std::path::Path) -> HostRecorder {
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 4 << 20,
        ..Options::new(dir, profile)
    };
    HostRecorder::open(options).expect("it opens").0
}

/// The first fragments of the oldest record went by age, and its rest is passed over: what
/// stands behind it keeps its place among the lanes.
#[test]
fn an_entry_of_the_node_s_own_keeps_its_place_behind_half_a_record() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = host(dir.path());
    host.record(&[b'x'; 2_300_000]).expect("recorded");
    host.record(br#"{"type":"local-timing"}"#)
        .expect("recorded");
    host.record(&[b'y'; 700_000]).expect("recorded");
    let file = std::fs::File::open(dir.path().join("ring")).expect("a ring");
    let view = RingView::read(&file).expect("a ring");
    let history = History::read(&file, &view).expect("marks");
    let mut timeline = Timeline::new(&file, &view, history.marked());
    let mut lanes = Vec::new();
    while let Some(entry) = timeline.next().expect("readable") {
        if let Entry::Line(line) = entry {
            lanes.push(line.lane);
        }
    }
    assert_eq!(lanes, [Lane::Local, Lane::Local, Lane::Main]);
}

/// What is the node's own counts for no HASH, so it may be cut.
#[test]
fn a_cut_entry_of_the_node_s_own_leaves_a_block_its_hash() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = host(dir.path());
    host.begin_block(1, 0, None).expect("begun");
    let pad = "0".repeat(600_000);
    let own = format!(r#"{{"type":"local-timing","pad":"{pad}"}}"#);
    host.record(own.as_bytes()).expect("recorded");
    host.end_block(1, None).expect("ended");
    host.commit(1, None).expect("committed");
    let frozen = host.freeze(Some(1)).expect("a box");
    let source = source::open(&dir.path().join("ring")).expect("a ring");
    let profile = Profile::builtin("host").expect("a profile");
    let survey = SourceSummary::of(&source, &profile).expect("readable");
    assert_eq!(survey.blocks[0].name, frozen.name());
    assert!(survey.blocks[0].complete);
}

/// An end that comes again before the height is executed again ends nothing of that execution.
#[test]
fn a_second_end_before_the_next_begin_is_no_end_of_it() {
    let names = ["a", "b"].map(|value| {
        let dir = tempfile::tempdir().expect("a folder");
        let host = host(dir.path());
        for value in ["first", value] {
            host.begin_block(1, 0, None).expect("begun");
            let step = format!(r#"{{"type":"step-own","value":"{value}"}}"#);
            host.record(step.as_bytes()).expect("recorded");
            host.commit(1, None).expect("committed");
            host.end_block(1, None).expect("told again");
        }
        let source = source::open(&dir.path().join("ring")).expect("a ring");
        let profile = Profile::builtin("host").expect("a profile");
        let survey = SourceSummary::of(&source, &profile).expect("readable");
        let frozen = host.freeze(Some(1)).expect("a box");
        assert_eq!(survey.blocks[1].name, frozen.name());
        frozen.name()
    });
    assert_ne!(names[0], names[1]);
}
