//! What honest nodes record that once got one of them accused, and what once got a name.

use haltbox_format::Lane;
use haltbox_format::blackbox::{BlockFacts, BoxWriter, Identity, ManifestFields, Missing, Options};
use haltbox_model::Profile;

use super::diff;
use crate::compare::finding::Finding;
use crate::compare::pair::Agreement;
use crate::compare::recording::Recording;
use crate::report::summary;
use crate::source_summary::Row;
use crate::{SourceSummary, open};

/// A recording of these lines, read by a builtin profile.
fn recording(folder: &tempfile::TempDir, name: &str, profile: &str, lines: &[&str]) -> Recording {
    let path = folder.path().join(name);
    std::fs::write(&path, lines.join("\n") + "\n").expect("a slog");
    let source = open(&path).expect("a source");
    Recording::new(path, source, Profile::builtin(profile).expect("a profile"))
}

fn verdict(profile: &str, a: &[&str], b: &[&str]) -> &'static str {
    found(profile, a, b).verdict().name()
}

/// The finding, which has the same verdict if the sides are swapped.
fn found(profile: &str, a: &[&str], b: &[&str]) -> Finding {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = [("a", a), ("b", b)].map(|(name, lines)| recording(&folder, name, profile, lines));
    let [one, other] = [diff(&a, &b), diff(&b, &a)].map(|found| found.expect("an answer"));
    assert_eq!(other.verdict(), one.verdict(), "turned round");
    one
}

/// A block of a host's that ends with this AppHash.
fn block(height: u64, app_hash: &str) -> [String; 2] {
    [
        format!(r#"{{"type":"begin-block","height":{height},"time":"42.0","input":"0a"}}"#),
        format!(r#"{{"type":"end-block","height":{height},"appHash":"{app_hash}"}}"#),
    ]
}

fn rows(profile: &str, lines: &[&str]) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = recording(&folder, "a", profile, lines);
    let summary = SourceSummary::of(&recording.source, &recording.profile);
    summary.expect("blocks").blocks
}

/// Whether each block has a name.
fn names(profile: &str, lines: &[&str]) -> Vec<bool> {
    let rows = rows(profile, lines);
    rows.iter().map(|row| row.complete).collect()
}

/// The names that are given.
fn named(profile: &str, lines: &[&str]) -> Vec<String> {
    let rows = rows(profile, lines).into_iter();
    rows.filter(|row| row.complete)
        .map(|row| row.name)
        .collect()
}

const START: &str = r#"{"type":"kernel-init-start","time":1.5,"monotime":0.25}"#;
const BEGIN: &str = r#"{"type":"cosmic-swingset-begin-block","blockHeight":7,"blockTime":42,"time":2.5,"monotime":1.25}"#;
const EMPTY: &str = r#"{"type":"cosmic-swingset-end-block-start","blockHeight":7,"blockTime":42,"time":2.5,"monotime":2.25}"#;
const RUN: &str = r#"{"type":"cosmic-swingset-run-start","blockHeight":7,"runNum":0,"phase":"leftover","time":2.5,"monotime":3.25}"#;
const RAN: &str = r#"{"type":"cosmic-swingset-run-finish","blockHeight":7,"runNum":0,"phase":"leftover","time":2.5,"monotime":4.25}"#;
const END: &str = r#"{"type":"cosmic-swingset-end-block-finish","blockHeight":7,"blockTime":42,"time":2.5,"monotime":5.25}"#;
const SAVED: &str = r#"{"type":"cosmic-swingset-commit-block-finish","blockHeight":7,"blockTime":42,"time":2.5,"monotime":6.25}"#;

/// The execution itself went by age: of it nothing is known.
#[test]
fn a_block_that_ran_again_empty_is_not_compared_with_its_execution() {
    let whole = [START, BEGIN, EMPTY, RUN, RAN, END, SAVED];
    let empty = [START, BEGIN, EMPTY, END, SAVED];
    assert_eq!(verdict("agoric", &whole, &empty), "evidence insufficient");
    assert_eq!(verdict("agoric", &whole, &whole[1..]), "identical");
    assert_eq!(names("agoric", &whole), [true]);
    assert_eq!(names("agoric", &empty), [false]);
    let later = empty.map(|line| {
        line.replace("time\":2.5", "time\":92.5")
            .replace("time\":1.5", "time\":91.5")
    });
    let later = later.iter().map(String::as_str);
    let again: Vec<&str> = whole.into_iter().chain(later).collect();
    assert_eq!(names("agoric", &again), [true, false]);
}

/// The blocks around it are equal, and still the height was not compared.
#[test]
fn a_block_that_ran_again_empty_in_mid_recording_is_not_covered() {
    let of = |line: &str, height: u64| line.replace(":7,", &format!(":{height},"));
    let block = |height, lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| of(line, height)).collect()
    };
    let ran = [BEGIN, EMPTY, RUN, RAN, END, SAVED];
    let empty = [BEGIN, EMPTY, END, SAVED];
    let recorded = |middle: &[&str]| {
        let start = vec![START.to_owned()];
        [start, block(6, &ran), block(7, middle), block(8, &ran)].concat()
    };
    let (whole, saved) = (recorded(&ran), recorded(&empty));
    let [whole, saved] =
        [&whole, &saved].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(verdict("agoric", &whole, &saved), "evidence insufficient");
}

/// A log shipper sent a part of a block again that begins behind the block's own first
/// entry.
#[test]
fn a_part_that_was_sent_again_has_no_name() {
    let twice = [
        START, BEGIN, EMPTY, RUN, RAN, END, SAVED, RUN, RAN, END, SAVED,
    ];
    assert_eq!(names("agoric", &twice), [true, false]);
}

const PROPOSAL: [&str; 3] = [
    r#"{"type":"begin-block","height":7,"time":"41.0","input":"0b"}"#,
    r#"{"type":"step-input","txs":0,"local":{"proposal":true}}"#,
    r#"{"type":"op-write","op":0,"store":"bank","key":"01","bytes":1,"value":"0c"}"#,
];
const ABORT: &str = r#"{"type":"abort-block","height":7}"#;
const DECIDED: [&str; 5] = [
    r#"{"type":"begin-block","height":7,"time":"42.0","input":"0a"}"#,
    r#"{"type":"step-input","txs":0,"local":{"proposal":true}}"#,
    r#"{"type":"op-write","op":0,"store":"bank","key":"01","bytes":1,"value":"0a"}"#,
    r#"{"type":"end-block","height":7,"appHash":"AA"}"#,
    r#"{"type":"commit-block","height":7,"appHash":"AA"}"#,
];

/// The recording begins inside an execution that was thrown away.
#[test]
fn what_is_left_of_an_aborted_execution_is_not_the_next_ones() {
    let cut = [&PROPOSAL[2..], &[ABORT], &DECIDED].concat();
    assert_eq!(verdict("host", &DECIDED, &cut), "identical");
}

/// The end behind a gap may be that of the block that was decided.
#[test]
fn a_proposal_with_a_gap_before_its_end_may_be_another_block() {
    let torn = r#"{"type":"op-write","op":0,"store":"ba{"type":"local-note"}"#;
    let gap = [&PROPOSAL[..2], &[torn], &DECIDED[3..]].concat();
    assert_ne!(verdict("host", &DECIDED, &gap), "inputs differ");
}

/// A kill tore the block's last entry, and the next process wrote on behind it.
#[test]
fn half_an_entry_with_another_behind_it_ends_no_block() {
    let whole = [START, BEGIN, EMPTY, RUN, RAN, END, SAVED];
    // Inside a name, and behind a number.
    for kept in [58, 62] {
        let glued = format!("{}{START}", &END[..kept]);
        let torn = [BEGIN, EMPTY, RUN, RAN, &glued];
        assert_eq!(verdict("agoric", &whole, &torn), "evidence insufficient");
        assert_eq!(names("agoric", &torn), [false]);
    }
}

/// A log shipper sent a part of one block again behind it: this part is none of the next block.
#[test]
fn what_was_sent_again_between_two_blocks_costs_the_next_one_its_name() {
    let next = |line: &str| {
        line.replace("Height\":7", "Height\":8")
            .replace(".25}", ".75}")
    };
    let later = [BEGIN, EMPTY, RUN, RAN, END, SAVED].map(next);
    let later: Vec<&str> = later.iter().map(String::as_str).collect();
    let first = [START, BEGIN, EMPTY, RUN, RAN, END, SAVED];
    let honest = named("agoric", &[&first, &later[..]].concat());
    assert_eq!(honest.len(), 2);
    for from in 2..first.len() {
        let resent = named("agoric", &[&first, &first[from..], &later].concat());
        let known = |name: &String| honest.contains(name);
        assert!(resent.iter().all(known), "from line {from}: {resent:?}");
    }
}

/// Rotated files that were put together in another order: where a part was taken out, entries
/// follow each other that did not.
#[test]
fn files_in_another_order_accuse_nobody() {
    let run = |number: u64, clock: u64| {
        format!(
            r#"{{"type":"cosmic-swingset-run-start","blockHeight":7,"runNum":{number},"phase":"timer","time":{}.5,"monotime":{clock}.25}}
{{"type":"cosmic-swingset-run-finish","blockHeight":7,"runNum":{number},"phase":"timer","time":{}.75,"monotime":{clock}.5}}"#,
            100 + clock,
            100 + clock,
        )
    };
    let at = |line: &str, clock: u64| {
        let text = line.split(",\"time\"").next().expect("a line");
        format!(
            "{text},\"time\":{}.25,\"monotime\":{clock}.0}}",
            100 + clock
        )
    };
    let (begin, empty) = (at(BEGIN, 1), at(EMPTY, 2));
    let (one, other) = (run(0, 3), run(1, 4));
    let (end, saved) = (at(END, 5), at(SAVED, 6));
    let honest: Vec<&str> = [&begin, &empty, &one, &other, &end, &saved]
        .into_iter()
        .flat_map(|lines| lines.lines())
        .collect();
    let swapped: Vec<&str> = [&begin, &empty, &one, &end, &saved, &other]
        .into_iter()
        .flat_map(|lines| lines.lines())
        .collect();
    assert_eq!(verdict("agoric", &honest, &honest), "identical");
    assert_eq!(
        verdict("agoric", &honest, &swapped),
        "evidence insufficient"
    );
}

/// A log shipper lost its place, and the recording ends with one entry of the block before.
#[test]
fn an_entry_of_the_block_before_is_none_of_this_one() {
    let next = |line: &str| {
        line.replace("Height\":7", "Height\":8")
            .replace(".25}", ".75}")
    };
    let later = [BEGIN, EMPTY, RUN, RAN, END, SAVED].map(next);
    let whole: Vec<&str> = [START, BEGIN, EMPTY, RUN, RAN, END, SAVED]
        .into_iter()
        .chain(later.iter().map(String::as_str))
        .collect();
    let resent = [&whole[..10], &[EMPTY]].concat();
    assert_eq!(verdict("agoric", &whole, &resent[..10]), "identical");
    let found = verdict("agoric", &whole, &resent);
    assert!(
        ["identical", "evidence insufficient"].contains(&found),
        "{found}"
    );
}

/// Entries of the block before, then a gap, then a block: the entries are none of its own.
#[test]
fn what_stands_before_a_gap_is_not_the_next_blocks() {
    let torn = format!(r#"{{"type":"op-write","op":3,"store":"ba{START}"#);
    let input = r#"{"type":"tx-input","tx":0,"digest":"0d","bytes":1}"#;
    let cut = [&[input, torn.as_str()], &DECIDED[..]].concat();
    assert_ne!(verdict("host", &DECIDED, &cut), "inputs differ");
}

/// The AppHashes differ before the height that a side does not have.
#[test]
fn another_app_hash_is_told_before_a_missing_height() {
    let a = [block(7, "AA"), block(9, "AC")].concat();
    let b = [block(7, "BA"), block(8, "BB"), block(9, "BC")].concat();
    let [a, b] = [&a, &b].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(verdict("host", &a, &b), "outside the recording");
}

/// The AppHashes differ behind the height that a side does not have: the entries are equal, the
/// blocks are not.
#[test]
fn another_app_hash_behind_a_missing_height_is_told_beside_it() {
    let a = [block(7, "AA"), block(9, "AC")].concat();
    let b = [block(7, "AA"), block(8, "AB"), block(9, "BC")].concat();
    let [a, b] = [&a, &b].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let found = found("host", &a, &b);
    assert_eq!(found.verdict().name(), "evidence insufficient");
    let words = summary::words(&found);
    assert!(
        words.contains("the AppHashes differ after height 9"),
        "{words}"
    );
    assert!(
        words.contains("A does not completely cover height 8"),
        "{words}"
    );
    assert!(!words.contains("everything else is equal"), "{words}");
    let rows = found.heights.iter().map(|row| (row.height, row.agreement));
    let expected = [(7, Agreement::Same), (9, Agreement::OtherAppHash)];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

/// Behind a gap stands the end of another height, with its AppHash.
#[test]
fn an_app_hash_is_of_the_height_that_it_names() {
    let torn = r#"{"type":"op-write","op":0,"store":"ba{"type":"local-note"}"#;
    let next = [
        r#"{"type":"begin-block","height":8,"time":"43.0","input":"0b"}"#,
        r#"{"type":"end-block","height":8,"appHash":"BB"}"#,
    ];
    let whole = [&DECIDED[..], &next].concat();
    let gap = [&DECIDED[..2], &[torn], &next[1..]].concat();
    let found = verdict("host", &whole, &gap);
    assert_eq!(found, "evidence insufficient");
}

/// Another JSON writer wrote the numbers of one side, and that side read a key once more.
#[test]
fn another_writers_numbers_accuse_nobody() {
    let read = |op: u64, key: &str| {
        format!(r#"{{"type":"op-read","op":{op},"store":"gov","key":"{key}","value":null}}"#)
    };
    let [begin, end] = block(7, "AA");
    let plain = [begin.clone(), read(0, "04"), read(1, "01"), end];
    let more = [begin, read(0, "04"), read(1, "04"), read(2, "01")];
    let more = more.map(|line| {
        line.replace("\"op\":1,", "\"op\":1.0,")
            .replace("\"op\":2,", "\"op\":2e0,")
    });
    let [a, b] = [&plain, &more].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let found = found("host", &a, &b);
    assert_ne!(found.exit(), 1, "{}", summary::words(&found));
    let rewritten = plain
        .clone()
        .map(|line| line.replace("\"op\":1,", "\"op\":1.0,"));
    let rewritten: Vec<&str> = rewritten.iter().map(String::as_str).collect();
    let altered = |lines: &[&str]| rows("host", lines).iter().any(|row| row.altered);
    assert_eq!([&a, &rewritten].map(|lines| altered(lines)), [false, true]);
}

/// Another JSON writer escaped a letter of a store's name on one side. The other side read a key
/// once more. No AppHash tells that the two are equal.
#[test]
fn another_writers_escapes_accuse_nobody() {
    let step = |kind: &str, op: u64, store: &str| {
        format!(r#"{{"type":"op-{kind}","op":{op},"store":"{store}","key":"04","value":"2a"}}"#)
    };
    let [begin, _] = block(7, "");
    let end = r#"{"type":"end-block","height":7}"#.to_owned();
    let [first, again] = [0, 1].map(|op| step("read", op, "gov"));
    let bank = |op: u64, store: &str| [step("read", op, store), step("write", op + 1, store)];
    let plain = [&[begin.clone(), first.clone(), again], &bank(2, "bank")[..]].concat();
    let escaped = [&[begin, first], &bank(1, "ban\\u006b")[..]].concat();
    let [a, b] = [plain, escaped].map(|lines| [lines, vec![end.clone()]].concat());
    let [a, b] = [&a, &b].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let found = found("host", &a, &b);
    assert_ne!(found.exit(), 1, "{}", summary::words(&found));
}

/// A part that was sent again is one input, and a line that is none of the kernel's.
#[test]
fn an_input_that_was_sent_again_with_a_line_beside_it_accuses_nobody() {
    let poll = swingset(7, "timer-poll", 2);
    let text = "2026-11-28 some library says {hello}";
    let console = r#"{"type":"console","args":["hello"],"time":102.2,"monotime":2.2}"#;
    let [begin, end] =
        [("begin-block", 1), ("end-block-finish", 3)].map(|(name, clock)| swingset(7, name, clock));
    let whole = [&begin, &poll, text, console, &end];
    for parts in [[&poll, text], [&poll, console], [console, &poll]] {
        let again = [&[begin.as_str()], &parts[..], &parts[..], &[end.as_str()]].concat();
        let found = verdict("agoric", &whole, &again);
        assert_ne!(found, "inputs differ", "{parts:?}");
    }
    let moved = [&begin, console, &poll, text, console, &poll, &end];
    assert_ne!(verdict("agoric", &whole, &moved), "inputs differ");
}

/// A part that was sent again is cut off behind its first line, an input.
#[test]
fn an_input_that_was_sent_again_before_a_cut_accuses_nobody() {
    let [begin, poll, run, end] = [
        ("begin-block", 1),
        ("timer-poll", 2),
        ("run-start", 3),
        ("end-block-finish", 5),
    ]
    .map(|(name, clock)| swingset(7, name, clock));
    let ran = swingset(7, "run-finish", 4);
    let whole = [&begin, &poll, &run, &ran, &end].map(String::as_str);
    let again = [&begin, &poll, &run, &poll, &run].map(String::as_str);
    let half = &run[..run.len() / 2];
    let cut = [&again[..4], &[half]].concat();
    assert_ne!(verdict("agoric", &whole, &cut), "inputs differ");
    // With nothing behind it, it may be an input of its own.
    let alone = [&begin, &poll, &poll, &run, &ran, &end].map(String::as_str);
    assert_eq!(verdict("agoric", &whole, &alone), "identical");
    let later = poll.replace("102.5", "102.7");
    let more = [&begin, &poll, &later, &run, &ran, &end].map(String::as_str);
    assert_eq!(verdict("agoric", &whole, &more), "inputs differ");
}

/// An entry of the kernel's outside cranks, `clock` seconds behind the start of its process.
fn swingset(height: u64, name: &str, clock: u64) -> String {
    let time = 100 + clock;
    format!(
        "{{\"type\":\"cosmic-swingset-{name}\",\"blockHeight\":{height},\"blockTime\":42,\
         \"time\":{time}.5,\"monotime\":{clock}.5}}"
    )
}

/// A node went back. What stands has another AppHash, which only entries of one side could explain,
/// and the executions before have more blocks that are equal.
#[test]
fn what_stands_is_not_equal_because_more_was_equal_before() {
    let write = r#"{"type":"op-write","op":0,"store":"bank","key":"04","value":"2a"}"#;
    let blocks = |hashes: &[(u64, &str)]| -> Vec<String> {
        let blocks = hashes
            .iter()
            .flat_map(|(height, hash)| block(*height, hash));
        blocks.collect()
    };
    let straight = blocks(&[(7, "AA"), (8, "AB"), (9, "AC")]);
    let mut back = blocks(&[(7, "AA"), (8, "AB"), (9, "BC")]);
    back.insert(5, write.to_owned());
    let again = back.split_off(4);
    back.extend(block(7, "AA").into_iter().take(1));
    back.extend(again);
    let [a, b] =
        [&straight, &back].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(verdict("host", &a, &b), "evidence insufficient");
}

/// A box of these lines, that lacks what stood before the line `at`.
fn box_with_a_gap(folder: &tempfile::TempDir, name: &str, lines: &[String], at: u64) -> Recording {
    let path = folder.path().join(name);
    let file = std::fs::File::create(&path).expect("a file");
    let mut writer = BoxWriter::new(file, &Options::default()).expect("a box");
    for line in lines {
        writer.slog(line.as_bytes(), true).expect("a line");
    }
    writer.block_end(BlockFacts::default());
    let profile = Profile::builtin("agoric").expect("a profile");
    let rules = profile.slog.as_ref().expect("a slog");
    let identity = Identity {
        name: "7-incomplete".to_owned(),
        profile: profile.name.clone(),
        profile_digest: Some(rules.canonical().digest()),
        ..Identity::default()
    };
    let hole = Missing {
        lane: Some(Lane::Main),
        line: Some(at),
        why: "dropped".to_owned(),
        ..Missing::default()
    };
    let fields = ManifestFields {
        holes: vec![hole],
        ..ManifestFields::default()
    };
    writer.finish(identity, fields).expect("a box");
    let source = open(&path).expect("a source");
    Recording::new(path, source, profile)
}

/// A block of the kernel's, whose run ends with this number of syscalls.
fn counted(height: u64, syscalls: u64) -> Vec<String> {
    let at = |line: &str| line.replace(":7,", &format!(":{height},"));
    let stats = format!(r#"{{"type":"kernel-stats","stats":{{"syscalls":{syscalls}}}}}"#);
    let [begin, empty, run, ran, end, saved] = [BEGIN, EMPTY, RUN, RAN, END, SAVED].map(at);
    vec![begin, empty, run, stats, ran, end, saved]
}

/// The verdict and the height of a box with a gap beside a slog of a node that made one syscall
/// more at height 8, and beside one of a node that did the same.
fn beside_a_gap(lines: &[String], at: u64) -> [(&'static str, Option<u64>); 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let gap = box_with_a_gap(&folder, "gap", lines, at);
    [101, 100].map(|syscalls| {
        let other = [counted(7, 100), counted(8, syscalls), counted(9, syscalls)].concat();
        let other: Vec<&str> = other.iter().map(String::as_str).collect();
        let other = recording(&folder, "other", "agoric", &other);
        let found = diff(&gap, &other).expect("an answer");
        let place = found.location().map(|place| place.height);
        (found.verdict().name(), place)
    })
}

/// What is missing stands between two starts: the block behind the second one is whole.
#[test]
fn a_gap_before_a_start_is_not_in_the_block_behind_it() {
    let start = || vec![START.to_owned()];
    let again = vec![START.replace("1.5", "9.5")];
    let lines = [start(), again, counted(8, 100), counted(9, 100)].concat();
    let found = beside_a_gap(&lines, 1);
    assert_eq!(found, [("execution differs", Some(8)), ("identical", None)]);
    let lines = [start(), counted(8, 100), counted(9, 100)].concat();
    let [(_, place), (honest, _)] = beside_a_gap(&lines, 1);
    assert_eq!(place, Some(9), "the gap is behind the start");
    assert_ne!(honest, "execution differs");
}

/// What is missing stands before a block's commit: the next block is whole.
#[test]
fn a_gap_before_a_commit_is_not_in_the_block_behind_it() {
    let rest = |from: usize| counted(7, 100).split_off(from);
    let later = || [counted(8, 100), counted(9, 100)].concat();
    let found = beside_a_gap(&[rest(6), later()].concat(), 0);
    assert_eq!(found, [("execution differs", Some(8)), ("identical", None)]);
    let [(_, place), (honest, _)] = beside_a_gap(&[rest(6), later()].concat(), 1);
    assert_eq!(place, Some(9), "the gap is behind the commit");
    assert_ne!(honest, "execution differs");
}

/// A node took another input at height 8. What it executed again of that height is torn, so what
/// stands shows a consequence alone.
#[test]
fn an_earlier_execution_has_the_height_that_is_torn_in_what_stands() {
    let read = |value: &str| {
        format!(r#"{{"type":"op-read","op":0,"store":"bank","key":"04","value":"{value}"}}"#)
    };
    let with = |height: u64, entry: String, app_hash: &str| -> Vec<String> {
        let [begin, end] = block(height, app_hash);
        vec![begin, entry, end]
    };
    let input =
        |digest: &str| format!(r#"{{"type":"tx-input","tx":0,"digest":"{digest}","bytes":1}}"#);
    let run = |digest: &str, value: &str, hashes: [&str; 2]| {
        let eight = with(8, input(digest), hashes[0]);
        [eight, with(9, read(value), hashes[1])].concat()
    };
    let seven = block(7, "AA").to_vec();
    let straight = [seven.clone(), run("0a", "2a", ["AB", "AC"])].concat();
    let back = |app_hash: &str, again: Vec<String>| -> Vec<String> {
        let torn = r#"{"type":"op-write","op":3,"store":"ba{"type":"local-note"}"#.to_owned();
        let [begin, end] = block(8, app_hash);
        let first = run("0b", "2b", ["BB", "BC"]);
        [seven.clone(), first, vec![begin, torn, end], again].concat()
    };
    let differs = back("BB", with(9, read("2b"), "BC"));
    let place = |b: &[String]| {
        let [a, b] = [&straight[..], b].map(|lines| {
            let lines = lines.iter().map(String::as_str);
            lines.collect::<Vec<_>>()
        });
        let found = found("host", &a, &b);
        (found.verdict().name(), found.location().map(|at| at.height))
    };
    assert_eq!(place(&differs), ("inputs differ", Some(8)));
    // Behind the torn height all is equal: what differs later is no consequence of it.
    let mut later = back("AB", with(9, read("2a"), "AC"));
    let straight_later = [straight.clone(), with(10, read("2a"), "AD")].concat();
    later.extend(with(10, read("2b"), "BD"));
    let [a, b] =
        [&straight_later, &later].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let found = found("host", &a, &b);
    assert_eq!(found.location().map(|at| at.height), Some(10));
}
