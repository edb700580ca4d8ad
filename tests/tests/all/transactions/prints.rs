//! A fingerprint never says what the recordings that it is of contradict.

use std::path::Path;

use fastrand::Rng;
use haltbox_cli::commands::{fingerprint, recording};
use haltbox_reader::compare::diff::diff;
use haltbox_reader::compare::finding::Finding;
use haltbox_reader::compare::verdict::Verdict;
use haltbox_reader::report::summary;

use super::slogs::write;

/// Pairs that are made up.
const PAIRS: u64 = 400;

/// Two recordings of the same blocks, of which a side has something else now and then.
fn two(chance: &mut Rng) -> [String; 2] {
    let mut sides = ["start ".to_owned(), "start ".to_owned()];
    for height in 1..=4 {
        let same = block(height, chance);
        let lacks = chance.u64(..12);
        for (side, text) in sides.iter_mut().enumerate() {
            let own = (chance.u64(..8) == 0).then(|| block(height, chance));
            if lacks != side as u64 {
                *text += own.as_ref().unwrap_or(&same);
            }
        }
    }
    sides
}

fn of<'a>(chance: &mut Rng, words: &[&'a str]) -> &'a str {
    words[chance.usize(..words.len())]
}

fn block(height: u64, chance: &mut Rng) -> String {
    let hash = of(chance, &["=A", "=A", "=B", "~A", ""]);
    let begin = of(chance, &["", "", "", "/b"]);
    let given = match chance.u64(..4) {
        0 => String::new(),
        told => {
            let txs = of(
                chance,
                &["txsDigest=a", "txsDigest=a", "txsDigest=b", "dataHash=a"],
            );
            let votes = of(
                chance,
                &["", ",lastCommit=a", ",lastCommit=b", ",misbehavior=null"],
            );
            let own = of(chance, &["", ",local.config=a", ",local.config=b"]);
            let proposal = if told == 1 {
                ",local.proposal=true"
            } else {
                ""
            };
            format!("given:{txs}{votes}{own}{proposal} ")
        }
    };
    let before = of(chance, &["", "", "", "r:bank/07=1 "]);
    let steps = of(
        chance,
        &["std", "std", "std r:bank/05=1", "r:bank/01=1 w:bank/01=2"],
    );
    let end = of(chance, &["] ", "] ", "] ", "] ", "start "]);
    format!("[{height}{hash}{begin} {before}{given}{steps} {end}")
}

fn compared(a: &Path, b: &Path) -> Finding {
    let [a, b] = [a, b].map(|path| recording(path, Some("host")).expect("a source"));
    diff(&a, &b).expect("a comparison")
}

fn height(finding: &Finding) -> Option<u64> {
    finding.location().map(|place| place.height)
}

/// In words, what is wrong with what fingerprints say.
fn fault(told: &Finding, of_prints: &Finding) -> Option<&'static str> {
    let inputs = |finding: &Finding| finding.verdict() == Verdict::Inputs;
    let named = inputs(told) && summary::words(told).contains("had another input");
    if inputs(of_prints) && !inputs(told) {
        return Some("accuse the inputs, and the recordings do not");
    }
    if inputs(of_prints) && height(of_prints) != height(told) {
        return Some("accuse the inputs of another height");
    }
    if named && height(of_prints) == height(told) && !inputs(of_prints) {
        return Some("tell where the inputs differ, and not that they do");
    }
    if of_prints.exit() == 0 && told.exit() == 1 || told.exit() == 0 && of_prints.exit() == 1 {
        return Some("contradict the recordings");
    }
    None
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn fingerprints_never_contradict_their_recordings() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (mut inputs, mut named) = (0, 0);
    for seed in 0..PAIRS {
        let words = two(&mut Rng::with_seed(seed));
        let paths = [at("a"), at("b")];
        let prints = [at("a.print"), at("b.print")];
        for ((path, print), words) in paths.iter().zip(&prints).zip(&words) {
            write(path, words);
            let made = fingerprint::make(&recording(path, Some("host")).expect("a source"));
            std::fs::write(print, made.expect("a fingerprint").bytes).expect("written");
        }
        let [a, b] = &paths;
        let [of_a, of_b] = &prints;
        let told = compared(a, b);
        inputs += u64::from(told.verdict() == Verdict::Inputs);
        for (one, other) in [(of_a, of_b), (of_a, b), (a, of_b)] {
            let found = compared(one, other);
            named += u64::from(found.verdict() == Verdict::Inputs);
            let fault = fault(&told, &found);
            assert!(
                fault.is_none(),
                "seed {seed}: they {}: {words:#?}\n{}: {}\n{}: {}",
                fault.unwrap_or_default(),
                told.verdict().name(),
                summary::words(&told),
                found.verdict().name(),
                summary::words(&found)
            );
        }
    }
    // Without these nothing was shown.
    assert!(inputs > 40 && named > 60, "{inputs} {named}");
}
