//! Asking every command of a pair, inside this process, and of a share of the pairs as
//! a user does.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use haltbox_cli::commands::compare;
use haltbox_model::Profile;
use haltbox_reader::compare::diff as reader;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::report::diff_document::Document;
use haltbox_tests::mutation::honest;
use haltbox_tests::mutation::mirror::{differences, mirror_faults};
use haltbox_tests::*;
use serde_json::Value;

use crate::count::Counts;
use crate::member::Member;

/// Of so many pairs one is asked of `compare` and of fingerprints too, of five nodes,
/// and of the programs.
const COMPARED: u64 = 12;
const OF_FIVE: u64 = 50;
const AS_PROGRAM: u64 = 500;

/// A batch of honest nodes, and where files go.
pub struct Asked<'a> {
    /// The nodes.
    pub nodes: &'a [Member],
    /// The folder.
    pub folder: &'a Path,
}

type Said = (i32, Value);

/// As the commands open a source, but for its profile, which is read once.
fn opened(path: &Path) -> Result<Recording, Box<dyn std::error::Error>> {
    static PROFILE: OnceLock<Profile> = OnceLock::new();
    let profile = PROFILE.get_or_init(|| Profile::builtin("agoric").expect("a profile"));
    let source = haltbox_reader::open(path)?;
    Ok(Recording::new(path.to_owned(), source, profile.clone()))
}

fn diff(a: &Path, b: &Path) -> Said {
    let finding = opened(a).and_then(|a| Ok(reader::diff(&a, &opened(b)?)?));
    match finding {
        Ok(finding) => (
            i32::from(finding.exit()),
            serde_json::to_value(Document::of(&finding)).expect("JSON"),
        ),
        Err(error) => (2, serde_json::json!({ "summary": error.to_string() })),
    }
}

fn compared(paths: &[&PathBuf]) -> (i32, String) {
    let paths: Vec<PathBuf> = paths.iter().map(|path| (*path).clone()).collect();
    match compare::compare(&paths, None) {
        Ok(answer) => (i32::from(answer.exit), answer.summary),
        Err(error) => (2, format!("{error:#}")),
    }
}

impl Asked<'_> {
    /// Two honest nodes.
    pub fn honest(&self, a: &Member, b: &Member, random: &mut Random, counts: &mut Counts) {
        let (said, mut faults) = self.ask(a, b, random);
        let (code, json) = &said;
        let figures = &mut counts.honest;
        figures.pairs += 1;
        figures.right += usize::from(*code == 0);
        figures.insufficient += usize::from(*code == 2);
        if *code == 1 {
            faults.insert(0, format!("ACCUSED {} {}", json["summary"], json["place"]));
        }
        if !faults.is_empty() {
            figures.wrong += usize::from(faults.iter().any(|fault| fault.contains("ACCUSED")));
            counts.fault(a, b, &faults);
        }
    }

    /// Two honest nodes of which everything is there: they are the same.
    pub fn same(&self, a: &Member, b: &Member, random: &mut Random, counts: &mut Counts) {
        let before = counts.honest.right;
        self.honest(a, b, random, counts);
        if counts.honest.right == before {
            let said = diff(&a.path, &b.path).1["summary"].to_string();
            counts.fault(a, b, &[format!("not the same: {said}")]);
        }
    }

    /// A node, and one that did otherwise.
    pub fn different(&self, a: &Member, b: &Member, random: &mut Random, counts: &mut Counts) {
        let (said, mut faults) = self.ask(a, b, random);
        let (_, expected) = b.truth.as_ref().expect("it did otherwise");
        let hashes = matches!(expected.verdict, "hash only" | "hidden crank")
            && [a, b]
                .iter()
                .any(|node| node.recording.has(honest::NO_HASHES));
        let height = |node: &Member| match (expected.verdict, expected.height) {
            ("replay differs", _) | (_, None) => node.recording.whole.len() >= 3,
            (_, Some(height)) => node.recording.whole.contains(&height),
        };
        let covered = height(a) && height(b) && !hashes;
        let mut expected = expected.clone();
        if expected.verdict == "replay differs" && b.recording.has("rollback") {
            // What is executed next after it is another height.
            expected.height = None;
        }
        let wrong = differences(&expected, said.0, &said.1);
        let figures = &mut counts.different;
        figures.pairs += 1;
        match (said.0, wrong.is_empty()) {
            (_, true) => figures.right += 1,
            (2, _) => figures.insufficient += 1,
            (0, _) if covered => {
                figures.wrong += 1;
                faults.insert(0, "CALLED IDENTICAL".to_owned());
            }
            (0, _) => figures.uncovered += 1,
            _ if covered => {
                figures.elsewhere += 1;
                faults.insert(0, format!("OTHERWISE {}", wrong.join("; ")));
            }
            _ => figures.uncovered += 1,
        }
        if !faults.is_empty() {
            counts.fault(a, b, &faults);
        }
    }

    fn ask(&self, a: &Member, b: &Member, random: &mut Random) -> (Said, Vec<String>) {
        let said = diff(&a.path, &b.path);
        let mut faults = mirror_faults(&said, &diff(&b.path, &a.path));
        if random.below(COMPARED) == 0 {
            faults.extend(two(a, b, &said));
            faults.extend(prints(a, b, &said));
        }
        if random.below(OF_FIVE) == 0 {
            faults.extend(self.five(a, b, &said, random));
        }
        if random.below(AS_PROGRAM) == 0 {
            faults.extend(self.programs(a, b, &said));
        }
        (said, faults)
    }

    /// Among five nodes the two stand as they do alone, and nobody honest is accused.
    fn five(&self, a: &Member, b: &Member, said: &Said, random: &mut Random) -> Option<String> {
        let mut paths = vec![&a.path, &b.path];
        for _ in 0..3 {
            let with = random.below(self.nodes.len() as u64) as usize;
            paths.push(&self.nodes[with].path);
        }
        let (code, summary) = compared(&paths);
        paths.reverse();
        let (turned, _) = compared(&paths);
        let honest = b.truth.is_none();
        let wrong = honest && code == 1 || said.0 == 1 && code == 0 || code + turned == 1;
        let word = if honest && code == 1 { "ACCUSED" } else { "" };
        wrong.then(|| format!("{word} of five: {code} and {turned}: {summary}"))
    }

    fn programs(&self, a: &Member, b: &Member, said: &Said) -> Vec<String> {
        let mut faults = Vec::new();
        let done = run(&["diff", "--json", text(&a.path), text(&b.path)]);
        let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        if done.status.code() != Some(said.0)
            || told["verdict"] != said.1["verdict"]
            || told["place"] != said.1["place"]
        {
            faults.push(format!("the program diff: {told}"));
        }
        let done = run(&["compare", text(&a.path), text(&b.path)]);
        if ![Some(said.0), Some(2)].contains(&done.status.code()) {
            faults.push(format!("the program compare: {done:?}"));
        }
        let reads = run(&["verify", "--reads", text(&b.path)]);
        let differ = String::from_utf8_lossy(&reads.stdout).contains("READS DIFFER");
        if differ && b.truth.is_none() {
            faults.push(format!("ACCUSED the program verify: {reads:?}"));
        }
        let bx = self.folder.join("sample.box");
        std::fs::remove_file(&bx).ok();
        let made = run(&["extract", text(&b.path), "-o", text(&bx)]);
        if made.status.code() != Some(2) {
            let (code, json) = diff(&a.path, &bx);
            let fits = code == said.0 || code == 2 || said.0 == 2 && b.truth.is_some();
            if !fits {
                let word = if b.truth.is_none() && code == 1 {
                    "ACCUSED"
                } else {
                    ""
                };
                faults.push(format!(
                    "{word} its box: {code} {} {}",
                    json["summary"], json["place"]
                ));
            }
        }
        faults
    }
}

fn two(a: &Member, b: &Member, said: &Said) -> Option<String> {
    let (code, summary) = compared(&[&a.path, &b.path]);
    let (turned, _) = compared(&[&b.path, &a.path]);
    let word = if b.truth.is_none() && code == 1 {
        "ACCUSED"
    } else {
        ""
    };
    // Without a whole height it may say less than `diff`.
    let fits = code == said.0 || code == 2;
    (!fits || turned != code).then(|| {
        format!(
            "{word} compare: {code} and {turned}: {summary}, diff: {} {}",
            said.0, said.1["summary"]
        )
    })
}

/// Digests accuse nobody, and call nothing identical that entries tell apart.
fn prints(a: &Member, b: &Member, said: &Said) -> Vec<String> {
    let mut faults = Vec::new();
    let pairs = [
        (Some(&a.path), b.print.as_ref()),
        (a.print.as_ref(), b.print.as_ref()),
        (a.print.as_ref(), Some(&b.path)),
    ];
    for (one, other) in pairs {
        let (Some(one), Some(other)) = (one, other) else {
            continue;
        };
        let (code, json) = diff(one, other);
        let turned = diff(other, one);
        let (compared, summary) = compared(&[one, other]);
        let summary = format!("{} / compare {compared}: {summary}", json["summary"]);
        // What is there in part only is not in a fingerprint.
        let height = b.truth.as_ref().and_then(|(_, truth)| truth.height);
        let whole =
            |node: &Member| height.is_none_or(|height| node.recording.whole.contains(&height));
        let unseen = !whole(a)
            || !whole(b)
            || summary.contains("in part")
            || said.1["verdict"] == "replay differs"
            || said.1["summary"].to_string().contains("in part");
        if b.truth.is_none() && (code == 1 || compared == 1) {
            faults.push(format!("ACCUSED fingerprints: {summary}"));
        } else if said.0 == 0 && code == 1 || said.0 == 1 && code == 0 && !unseen {
            faults.push(format!("fingerprints: {code} {summary}"));
        } else if compared != code && compared != 2 {
            faults.push(format!("fingerprints compared: {code} {summary}"));
        }
        faults.extend(mirror_faults(&(code, json), &turned));
    }
    faults
}
