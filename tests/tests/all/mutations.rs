use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use haltbox_tests::mutation::{Case, Expected, Slog, cases};
use haltbox_tests::*;
use serde_json::Value;

/// What is wrong with one answer.
fn faults(base: &Path, path: &Path, case: &Case) -> Vec<String> {
    let ask = |a: &Path, b: &Path| {
        let done = run(&["diff", "--json", text(a), text(b)]);
        let json: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        (done.status.code().unwrap_or(-1), json)
    };
    let (code, json) = ask(base, path);
    let mut faults = differences(&case.expected, code, &json);
    let (turned, mirror) = ask(path, base);
    if turned != code || mirror["verdict"] != json["verdict"] {
        faults.push(format!("turned round: {turned} {}", mirror["verdict"]));
    }
    faults
}

fn differences(expected: &Expected, code: i32, json: &Value) -> Vec<String> {
    let place = &json["place"];
    let mut faults = Vec::new();
    let mut expect = |what: &str, expected: Value, found: &Value| {
        if !expected.is_null() && expected != *found {
            faults.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    expect("verdict", expected.verdict.into(), &json["verdict"]);
    expect("exit", expected.exit.into(), &code.into());
    expect("height", expected.height.into(), &place["height"]);
    expect("crank", expected.crank.into(), &place["crank"]);
    expect("delivery", expected.delivery.into(), &place["delivery"]);
    expect("syscall", expected.syscall.into(), &place["syscall"]);
    expect("type", expected.kind.clone().into(), &place["type"]);
    if !faults.is_empty() {
        faults.push(json["summary"].to_string());
    }
    faults
}

/// Judges all cases of a base; gives how many were right, by kind.
fn judge(base: &Slog, cases: &[Case]) -> (BTreeMap<&'static str, (usize, usize)>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let base_path = folder.path().join("base");
    fs::write(&base_path, base.bytes()).expect("a slog");
    let (next, found) = (
        AtomicUsize::new(0),
        Mutex::new((BTreeMap::new(), Vec::new())),
    );
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (path, base_path, next, found) = (
                folder.path().join(format!("{worker}")),
                &base_path,
                &next,
                &found,
            );
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    fs::write(&path, &case.bytes).expect("a slog");
                    let faults = faults(base_path, &path, case);
                    let mut found = found.lock().expect("no panic elsewhere");
                    let count: &mut (usize, usize) = found.0.entry(case.kind).or_default();
                    count.0 += usize::from(faults.is_empty());
                    count.1 += 1;
                    if !faults.is_empty() {
                        found
                            .1
                            .push(format!("{}: {}", case.name, faults.join("; ")));
                    }
                }
            });
        }
    });
    found.into_inner().expect("no panic")
}

#[test]
fn every_mutation_is_told_for_what_it_is() {
    let mut random = Random::seeded(20);
    let base = Slog::new(&excerpt("honest-a"));
    let made = cases(&base, &mut random, if long() { 60 } else { 12 });
    assert!(made.len() >= 300, "only {} cases", made.len());
    report(&judge(&base, &made));
}

/// Blocks 8 to 16 of the full recording: more shapes, blocks to lose.
#[test]
fn mutations_of_nine_blocks() {
    let Some(slog) = recording("honest-a") else {
        return;
    };
    let whole = Slog::new(&slog);
    let begins = whole.of_type("cosmic-swingset-begin-block");
    let at = |height: u64| {
        begins
            .iter()
            .copied()
            .find(|at| whole.height_at(*at) == height)
            .expect("a block")
    };
    let base = Slog {
        lines: whole.lines[at(8)..at(17)].to_vec(),
    };
    let mut random = Random::seeded(21);
    let made = cases(&base, &mut random, if long() { 60 } else { 1 });
    report(&judge(&base, &made));
}

fn report(found: &(BTreeMap<&'static str, (usize, usize)>, Vec<String>)) {
    let (kinds, wrong) = found;
    for (kind, (right, all)) in kinds {
        println!("{right:>4} of {all:>4}  {kind}");
    }
    let (right, all) = kinds
        .values()
        .fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    println!("{right} of {all} cases right");
    for line in wrong.iter().take(40) {
        println!("WRONG {line}");
    }
    assert_eq!(right, all, "{} of {all} cases are wrong", wrong.len());
}
