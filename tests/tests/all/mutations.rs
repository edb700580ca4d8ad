use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use haltbox_tests::mutation::mirror::{differences, mirror_faults};
use haltbox_tests::mutation::{Case, Slog, cases};
use haltbox_tests::*;
use serde_json::Value;

/// What is wrong with what the commands say of one case.
fn faults(base: &Base, path: &Path, case: &Case) -> Vec<String> {
    let (code, json) = diff(&base.slog, path);
    let mut faults = differences(&case.expected, code, &json);
    faults.extend(mirror_faults(
        &(code, json.clone()),
        &diff(path, &base.slog),
    ));
    faults.extend(agreement_faults(base, path, case, code, &json));
    faults
}

/// The base of the cases, and its fingerprint.
struct Base {
    slog: PathBuf,
    print: PathBuf,
}

fn diff(a: &Path, b: &Path) -> (i32, Value) {
    let done = run(&["diff", "--json", text(a), text(b)]);
    let json: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (done.status.code().unwrap_or(-1), json)
}

/// No command may contradict another one.
fn agreement_faults(base: &Base, path: &Path, case: &Case, code: i32, json: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let compared = run(&["compare", text(&base.slog), text(path)]);
    let said = String::from_utf8_lossy(&compared.stdout).into_owned();
    if compared.status.code() != Some(code) {
        faults.push(format!("compare: {said}"));
    }
    let print = path.with_extension("print");
    fs::remove_file(&print).ok();
    let made = run(&["fingerprint", text(path), "-o", text(&print)]);
    if made.status.success() {
        // Replays are not in digests, nor is a crank that is not there to its end.
        let unseen = json["verdict"] == "replay differs" || case.kind.starts_with("ends behind");
        for (a, b) in [(&base.print, &print), (&base.slog, &print)] {
            let (found, told) = diff(a, b);
            let fits = match code {
                0 => found != 1,
                1 => found == 1 || unseen,
                _ => found != 0,
            };
            if !fits {
                faults.push(format!("fingerprints: {found} {}", told["summary"]));
            }
        }
    }
    faults.extend(box_faults(base, path, code, json));
    let reads = run(&["verify", "--reads", text(path)]);
    if code == 0 && reads.status.code() == Some(1) {
        faults.push(format!("reads: {}", String::from_utf8_lossy(&reads.stdout)));
    }
    faults
}

/// A box made of the case says what the case says.
fn box_faults(base: &Base, path: &Path, code: i32, json: &Value) -> Option<String> {
    let bx = path.with_extension("box");
    fs::remove_file(&bx).ok();
    let made = run(&["extract", text(path), "-o", text(&bx)]);
    if !made.status.success() {
        return (code != 2).then(|| format!("no box: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let (found, told) = diff(&base.slog, &bx);
    let same =
        found == code && told["verdict"] == json["verdict"] && told["place"] == json["place"];
    (!same).then(|| format!("its box: {found} {} {}", told["summary"], told["place"]))
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
    let base_path = Base {
        slog: folder.path().join("base"),
        print: folder.path().join("base.print"),
    };
    fs::write(&base_path.slog, base.bytes()).expect("a slog");
    let arguments = [
        "fingerprint",
        text(&base_path.slog),
        "-o",
        text(&base_path.print),
    ];
    output(0, &arguments);
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
#[ignore = "long; `-- --ignored` runs it"]
fn every_mutation_is_told_for_what_it_is() {
    let base = Slog::new(&excerpt("honest-a"));
    let all = report(&judge(&base, 20, if long() { 60 } else { 6 }));
    assert!(all >= 300, "only {all} cases");
}

/// Blocks 8 to 16 of the full recording: more shapes, blocks to lose.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
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
