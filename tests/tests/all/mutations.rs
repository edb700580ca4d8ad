use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

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

/// How many were right, of how many, by kind; and what was wrong with others.
#[derive(Default)]
struct Judged {
    kinds: BTreeMap<&'static str, (usize, usize)>,
    wrong: Vec<String>,
}

impl Judged {
    fn take(&mut self, case: &Case, faults: &[String]) {
        let count = self.kinds.entry(case.kind).or_default();
        count.0 += usize::from(faults.is_empty());
        count.1 += 1;
        if !faults.is_empty() {
            self.wrong
                .push(format!("{}: {}", case.name, faults.join("; ")));
        }
    }
}

/// Makes the cases of a base and judges them as they come.
fn judge(base: &Slog, seed: u64, share: usize) -> Judged {
    let mut random = Random::seeded(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let base_path = folder.path().join("base");
    fs::write(&base_path, base.bytes()).expect("a slog");
    let (sender, made) = sync_channel::<Case>(2);
    let (made, judged) = (Mutex::new(made), Mutex::new(Judged::default()));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let path = folder.path().join(format!("{worker}"));
            let (base_path, made, judged) = (&base_path, &made, &judged);
            scope.spawn(move || {
                let next = || made.lock().expect("no panic elsewhere").recv();
                while let Ok(case) = next() {
                    fs::write(&path, &case.bytes).expect("a slog");
                    let faults = faults(base_path, &path, &case);
                    judged
                        .lock()
                        .expect("no panic elsewhere")
                        .take(&case, &faults);
                }
            });
        }
        cases(base, &mut random, share, &mut |case| {
            sender.send(case).expect("somebody judges");
        });
        drop(sender);
    });
    judged.into_inner().expect("no panic")
}

#[test]
fn every_mutation_is_told_for_what_it_is() {
    let base = Slog::new(&excerpt("honest-a"));
    let all = report(&judge(&base, 20, if long() { 60 } else { 12 }));
    assert!(all >= 300, "only {all} cases");
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
    report(&judge(&base, 21, if long() { 20 } else { 1 }));
}

/// Prints how many were right, and how many there were.
fn report(judged: &Judged) -> usize {
    for (kind, (right, all)) in &judged.kinds {
        println!("{right:>4} of {all:>4}  {kind}");
    }
    let counts = judged.kinds.values();
    let (right, all) = counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    println!("{right} of {all} cases right");
    for line in judged.wrong.iter().take(40) {
        println!("WRONG {line}");
    }
    assert_eq!(
        right,
        all,
        "{} of {all} cases are wrong",
        judged.wrong.len()
    );
    all
}
