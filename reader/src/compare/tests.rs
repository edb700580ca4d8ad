//! Compares small recordings whose truth is known.

use std::io::Write;

use haltbox_model::Profile;

use super::cause::Cause;
use super::diff::diff;
use super::finding::{Conclusion, Finding};
use super::recording::Recording;
use super::verdict::Verdict;
use crate::report::summary;

fn recording(profile: &str, lines: &[String]) -> Recording {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for line in lines {
        writeln!(file, "{line}").expect("written");
    }
    let source = crate::source::open(file.path()).expect("a slog");
    let (_, path) = file.keep().expect("kept");
    let profile = Profile::builtin(profile).expect("a profile");
    Recording::new(path, source, profile)
}

/// Compares two slogs, in both orders. The result must be the same.
fn compared(profile: &str, a: &[String], b: &[String]) -> Finding {
    let [a, b] = [a, b].map(|lines| recording(profile, lines));
    let (one, other) = (diff(&a, &b), diff(&b, &a));
    for made in [&a, &b] {
        std::fs::remove_file(&made.path).expect("removed");
    }
    let (one, other) = (one.expect("read"), other.expect("read"));
    assert_eq!(one.verdict(), other.verdict());
    one
}

// ---- a node that went back ----

fn host_block(height: u64, code: u8) -> Vec<String> {
    vec![
        format!(r#"{{"type":"begin-block","height":{height},"time":"{height}.0"}}"#),
        r#"{"type":"tx-input","tx":0,"digest":"aa"}"#.to_owned(),
        format!(r#"{{"type":"tx-result","tx":0,"code":{code}}}"#),
        format!(r#"{{"type":"end-block","height":{height},"appHash":"{code:02x}{height:062x}"}}"#),
        format!(r#"{{"type":"commit-block","height":{height}}}"#),
    ]
}

/// A node whose first run is from height 1, and that went back to height 5 some times. The given
/// run differs at height 8.
fn runs(count: usize, differs: Option<usize>) -> Vec<String> {
    let run = |run: usize| {
        let from = if run == 0 { 1 } else { 5 };
        let block = move |height| host_block(height, u8::from(differs == Some(run) && height == 8));
        (from..=10).flat_map(block)
    };
    (0..count).flat_map(run).collect()
}

#[test]
fn a_difference_in_any_run_is_found() {
    for (count, at) in [(2, 0), (4, 0), (5, 0), (6, 0), (6, 1), (12, 3)] {
        let found = compared("host", &runs(count, Some(at)), &runs(1, None));
        assert_eq!(found.exit(), 1, "{count} runs, {at}");
    }
    let equal = compared("host", &runs(6, None), &runs(1, None));
    assert_eq!(equal.verdict(), Verdict::Identical);
}

#[test]
fn what_was_not_compared_is_not_called_identical() {
    let found = compared("host", &runs(100, Some(0)), &runs(1, None));
    assert_eq!(found.verdict(), Verdict::Insufficient);
    let words = summary::words(&found);
    assert!(words.contains("were not compared"), "{words}");
}

// ---- a block of a kernel ----

fn syscall(crank: u64, number: u64, op: &str, value: &str, answer: &str) -> [String; 2] {
    keyed(crank, number, number, [op, value, answer])
}

/// A syscall for the key with this number.
fn keyed(crank: u64, number: u64, key: u64, [op, value, answer]: [&str; 3]) -> [String; 2] {
    let head = format!(
        r#""crankNum":{crank},"vatID":"v1","deliveryNum":{crank},"syscallNum":{number},"replay":false,"syscall":"{op}""#
    );
    let asked =
        format!(r#""ksc":["{op}","v1","k{key}","{value}"],"vsc":["{op}","k{key}","{value}"]"#);
    let answer = format!(r#""ksr":["ok","{answer}"],"vsr":["ok","{answer}"]"#);
    [
        format!(r#"{{"type":"syscall",{head},{asked}}}"#),
        format!(r#"{{"type":"syscall-result",{head},{answer}}}"#),
    ]
}

fn crank(number: u64, hash: u8, syscalls: Vec<String>) -> Vec<String> {
    let head = format!(r#""crankNum":{number},"vatID":"v1","deliveryNum":{number},"replay":false"#);
    let begin = [
        format!(
            r#"{{"type":"crank-start","crankType":"delivery","crankNum":{number},"message":{{"type":"send","target":"ko{number}"}}}}"#
        ),
        format!(
            r#"{{"type":"deliver",{head},"kd":["message","ko1",{{}}],"vd":["message","o1",{{}}]}}"#
        ),
    ];
    let end = [
        format!(r#"{{"type":"deliver-result",{head},"dr":["ok",null,{{"compute":7}}]}}"#),
        format!(
            r#"{{"type":"crank-finish","crankNum":{number},"crankhash":"{hash:064x}","activityhash":"{hash:062x}{number:02x}"}}"#
        ),
    ];
    begin.into_iter().chain(syscalls).chain(end).collect()
}

fn block(cranks: Vec<Vec<String>>) -> Vec<String> {
    let begin = [
        r#"{"type":"cosmic-swingset-begin-block","blockHeight":13,"blockTime":170}"#,
        r#"{"type":"cosmic-swingset-end-block-start","blockHeight":13,"blockTime":170}"#,
        r#"{"type":"cosmic-swingset-run-start","blockHeight":13,"runNum":0,"phase":"leftover"}"#,
    ];
    let end = [
        r#"{"type":"cosmic-swingset-run-finish","blockHeight":13,"runNum":0,"phase":"leftover"}"#,
        r#"{"type":"cosmic-swingset-end-block-finish","blockHeight":13,"blockTime":170}"#,
    ];
    let lines = begin.map(str::to_owned).into_iter();
    lines
        .chain(cranks.into_iter().flatten())
        .chain(end.map(str::to_owned))
        .collect()
}

/// A crank of 40 syscalls that write 4 KiB each. Its entries need twice what is kept.
fn large(number: u64, hash: u8, at: u64, other: &[String]) -> Vec<String> {
    let value = "x".repeat(4096);
    let calls = (0..40).flat_map(|call| match call == at {
        true => other.to_vec(),
        false => syscall(number, call, "vatstoreSet", &value, "").to_vec(),
    });
    crank(number, hash, calls.collect())
}

fn cause(found: &Finding) -> &Cause {
    let Conclusion::Step(step) = &found.conclusion else {
        panic!("{:?}", found.conclusion);
    };
    &step.difference.cause
}

#[test]
fn the_step_of_a_crank_with_many_entries_is_found_wherever_it_is() {
    let plain = "x".repeat(4096);
    let changed = "y".repeat(4096);
    for at in [0, 1, 5, 17, 35, 39] {
        let of = |hash, value: &str, answer: &str, op: &str| {
            let call = syscall(50, at, op, value, answer);
            block(vec![large(50, hash, at, &call), crank(51, 2, Vec::new())])
        };
        let one = of(1, &plain, "", "vatstoreSet");
        let found = compared("agoric", &one, &of(9, &changed, "", "vatstoreSet"));
        assert_eq!(found.verdict(), Verdict::Execution, "{at}");
        assert_eq!(*cause(&found), Cause::OtherStep, "{at}");
        let place = found.location().expect("a place");
        assert_eq!((place.crank, place.syscall), (Some(50), Some(at)));

        let one = of(1, "", &plain, "vatstoreGet");
        let found = compared("agoric", &one, &of(9, "", &changed, "vatstoreGet"));
        assert_eq!(*cause(&found), Cause::ReadAnswer, "{at}");
        assert_eq!(found.verdict(), Verdict::State, "{at}");
    }
}

#[test]
fn a_step_more_in_a_crank_with_many_entries_is_one_step_more() {
    let value = "x".repeat(4096);
    let of = |hash, but: Option<u64>| {
        let keys = (0..40).filter(|key| Some(*key) != but).zip(0..);
        let calls =
            keys.flat_map(|(key, number)| keyed(50, number, key, ["vatstoreSet", &value, ""]));
        block(vec![crank(50, hash, calls.collect())])
    };
    let (one, other) = (of(1, None), of(9, Some(5)));
    let found = compared("agoric", &one, &other);
    assert_eq!(found.verdict(), Verdict::Execution);
    assert!(
        matches!(cause(&found), Cause::Extra { count: 2, .. }),
        "{:?}",
        cause(&found)
    );
}

#[test]
fn of_a_crank_with_too_many_entries_no_class_is_named() {
    let value = "x".repeat(4096);
    let of = |hash, other: &str| {
        let calls = (0..600).flat_map(|call| {
            let value = if call == 590 { other } else { &value };
            syscall(50, call, "vatstoreSet", value, "")
        });
        block(vec![crank(50, hash, calls.collect())])
    };
    let found = compared("agoric", &of(1, &value), &of(9, "z"));
    assert_eq!(found.verdict(), Verdict::Insufficient);
    let words = summary::words(&found);
    assert!(words.starts_with("they differ in a crank"), "{words}");
    let equal = compared("agoric", &of(1, &value), &of(1, &value));
    assert_eq!(equal.verdict(), Verdict::Identical);
}

#[test]
fn a_crank_with_many_entries_whose_hash_alone_differs() {
    let call = syscall(50, 5, "vatstoreSet", "z", "");
    let of = |hash| block(vec![large(50, hash, 5, &call)]);
    let found = compared("agoric", &of(1), &of(9));
    assert_eq!(found.verdict(), Verdict::HashOnly);
}

#[test]
fn another_writer_of_many_entries_is_no_difference() {
    let value = "x".repeat(4096);
    let call = syscall(50, 30, "vatstoreSet", &value, "");
    let respelled = call
        .clone()
        .map(|line| line.replace("\"v1\",\"k", "\"v\\u0031\",\"k"));
    let of = |call: &[String]| block(vec![large(50, 1, 30, call)]);
    let found = compared("agoric", &of(&call), &of(&respelled));
    assert_eq!(
        found.verdict(),
        Verdict::Identical,
        "{}",
        summary::words(&found)
    );
}

// ---- a recording that begins inside a block ----

#[test]
fn a_recording_that_begins_behind_the_cause_accuses_nobody() {
    let read = |answer: &str| syscall(52, 0, "vatstoreGet", "", answer).to_vec();
    let write = |value: &str| syscall(56, 0, "vatstoreSet", value, "").to_vec();
    let of = |answer: &str, value: &str| {
        let mut cranks: Vec<_> = (50..60).map(|n| crank(n, 1, Vec::new())).collect();
        cranks[2] = crank(52, 1, read(answer));
        cranks[6] = crank(56, 1, write(value));
        block(cranks)
    };
    let (one, other) = (of("1", "1"), of("2", "2"));
    let whole = compared("agoric", &one, &other);
    assert_eq!(whole.verdict(), Verdict::State);
    let behind = one
        .iter()
        .position(|line| line.contains(r#""crankNum":53"#));
    let tail = &one[behind.expect("a crank") + 1..];
    let found = compared("agoric", tail, &other);
    assert_eq!(found.verdict(), Verdict::Insufficient);
    let words = summary::words(&found);
    assert!(
        words.contains("an earlier difference in that block"),
        "{words}"
    );
    assert!(!words.contains("before are equal"), "{words}");
    let same = compared("agoric", tail, &one);
    assert_ne!(same.exit(), 1);
}
