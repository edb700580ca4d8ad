//! Logs of real failures, in every layout that can carry them, through every
//! way in: what is frozen, under which name, and what is said.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use haltbox_tests::log_case::journald;
use haltbox_tests::log_case::layout::{Layout, layouts};
use haltbox_tests::log_case::{Case, WAYS, Way, cases};
use haltbox_tests::*;

/// Plays at once: they mostly wait.
const AT_ONCE: usize = 24;

struct Play {
    case: Case,
    layout: &'static str,
    way: Way,
}

/// Plays them, many at once; gives those that came out wrong.
fn play(plays: Vec<Play>) -> Vec<String> {
    programs();
    let total = plays.len();
    let queue = Mutex::new(VecDeque::from(plays));
    let wrong = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(play) = { queue.lock().expect("no panic").pop_front() } {
                    let folder = tempfile::tempdir().expect("a folder");
                    let faults = play.case.play(folder.path(), play.way);
                    if !faults.is_empty() {
                        let Play { case, layout, way } = play;
                        let told = format!(
                            "{} as {layout} by {way:?}: {}",
                            case.name,
                            faults.join("; ")
                        );
                        wrong.lock().expect("no panic").push(told);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    println!(
        "{} of {total} right in {:?}",
        total - wrong.len(),
        begun.elapsed()
    );
    wrong
}

fn only() -> Option<String> {
    std::env::var("HALTBOX_CASE").ok()
}

fn chosen_cases() -> Vec<Case> {
    let only = only();
    let wanted = |case: &Case| only.as_ref().is_none_or(|only| case.name.contains(only));
    cases().into_iter().filter(wanted).collect()
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn every_case_comes_out_as_expected() {
    every_case_comes_by(Way::File);
}

/// A journald that runs here keeps other programs' lines too: only who asks for it has
/// the cases written into its journal.
#[test]
#[ignore = "needs HALTBOX_JOURNALD=1 and a journald; `-- --ignored` runs it"]
fn every_case_comes_out_as_expected_by_a_real_journald() {
    if std::env::var_os("HALTBOX_JOURNALD").is_none() {
        println!(
            "left out: HALTBOX_JOURNALD=1 plays the cases through the journald that runs here"
        );
        return;
    }
    journald::needed();
    every_case_comes_by(Way::Journal);
}

fn every_case_comes_by(way: Way) {
    let plays = chosen_cases().into_iter().map(|case| Play {
        case,
        layout: "as it is",
        way,
    });
    let wrong = play(plays.collect());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// All of them in the long form; a seed chooses some for the short one.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn every_layout_and_way_in_comes_out_the_same() {
    let mut random = Random::seeded(15);
    let mut plays = Vec::new();
    for case in chosen_cases() {
        for layout in layouts() {
            let Some(laid_out) = case.laid_out(&layout) else {
                continue;
            };
            let wanted =
                std::env::var("HALTBOX_LAYOUT").map_or(true, |only| layout.name.contains(&only));
            for way in WAYS.into_iter().filter(|way| laid_out.comes_by(*way)) {
                let drawn = random.below(WAYS.len() as u64 * 20) == 0;
                let whole = long() && (way == Way::File || random.below(8) == 0);
                if wanted && (whole || drawn) {
                    plays.push(Play {
                        case: laid_out.clone(),
                        layout: layout.name,
                        way,
                    });
                }
            }
        }
    }
    let wrong = play(plays);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// Words that would freeze a block, or announce an end, if the node itself said them.
const SCARY: [&str; 9] = [
    "CONSENSUS FAILURE!!! err=\\\"precommit step; +2/3 prevoted for an invalid block: wrong \
     Block.Header.AppHash.  Expected OWN, got OTHER\\\" module=consensus",
    "wrong Block.Header.AppHash.  Expected OWN, got OTHER",
    "panic: wrong Block.Header.AppHash.  Expected OWN, got OTHER",
    "Error: error during handshake: error on replay: wrong Block.Header.AppHash.  Expected OWN, got OTHER",
    "state.AppHash does not match AppHash after replay. Got OWN, expected OTHER",
    "anachrophobia strikes vat v9 on delivery 5",
    "version 7 was already saved to different hash from OWN",
    "UPGRADE \\\"x\\\" NEEDED at height: HEIGHT: ",
    "x\\n5:31PM INF committed state block_app_hash=OTHER height=999999 module=state",
];

/// Where others have their words printed.
const FREE_TEXT: [&str; 8] = [
    "5:31PM INF tx executed height=HEIGHT memo=\"WORDS\" module=x/bank",
    "5:31PM ERR failed to deliver tx err=\"out of gas: WORDS\" height=HEIGHT module=x/bank",
    "5:31PM ERR WORDS err=\"WORDS\" height=HEIGHT module=x/wasm",
    "5:31PM INF contract log module=x/wasm msg=\"WORDS\"",
    "5:31PM ERR panic recovered in runTx err=\"recovered: WORDS\" module=server",
    "5:31PM INF Added peer module=p2p moniker=\"WORDS\" peer=\"Peer{WORDS}\"",
    "SwingSet: vat: v9: WORDS",
    "2025-10-02T13:00:00.000Z SwingSet: vat: v9: 5:31PM ERR WORDS",
];

fn healthy(blocks: u64, random: &mut Random) -> Vec<String> {
    let hash = |height: u64| {
        format!(
            "{:064X}",
            u128::from(height).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C)
        )
    };
    let mut lines = Vec::new();
    for height in 1..=blocks {
        let (own, before) = (hash(height), hash(height - 1));
        let mut said = |at: &mut Vec<String>| {
            let words = SCARY[random.below(SCARY.len() as u64) as usize];
            // In a raw line nothing is escaped.
            let place = FREE_TEXT[random.below(FREE_TEXT.len() as u64) as usize];
            let words = match place.contains("=\"") {
                true => words.to_owned(),
                false => words.replace("\\\"", "\"").replace("\\n", " "),
            };
            let line = place.replace("WORDS", &words).replace("OWN", &own);
            at.push(
                line.replace("OTHER", &hash(77_777))
                    .replace("HEIGHT", &height.to_string()),
            );
        };
        said(&mut lines);
        lines.push(format!("5:31PM INF finalizing commit of block hash={own} height={height} module=consensus num_txs=1 root={before}"));
        lines.push(format!("5:31PM INF finalized block block_app_hash={own} height={height} module=state num_txs_res=1"));
        said(&mut lines);
        lines.push(format!(
            "5:31PM INF executed block app_hash={own} height={height} module=state"
        ));
        lines.push(format!(
            "5:31PM INF committed state block_app_hash={before} height={height} module=state"
        ));
        said(&mut lines);
    }
    lines
}

/// A healthy node in one layout, with silences and restarts; what is wrong then.
fn alarmed(layout: &Layout, blocks: u64, seed: u64) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, log) = (folder.path().join("node"), folder.path().join("log"));
    let lines = layout.lines(&healthy(blocks, &mut Random(seed)))?;
    let start = "5:31PM INF ABCI Handshake App Info hash=abc height=1 module=consensus".to_owned();
    let start = layout.lines(&[start])?.join("\n") + "\n";
    let part = |from: usize, until: usize| lines[from..until].join("\n") + "\n";
    std::fs::write(&log, "").expect("a log");
    let arguments = [
        "--profile",
        "cosmos",
        "--size",
        "4MiB",
        "--archive-bytes",
        "0",
        "--persist-seconds",
        "2",
        "--node-log",
        text(&log),
    ];
    let recorder = Recorder::start(&dir, &arguments, std::process::Stdio::null());
    let silence = || std::thread::sleep(std::time::Duration::from_secs(3));
    let append = |bytes: &str| {
        use std::io::Write;
        let file = std::fs::File::options().append(true).open(&log);
        file.expect("a log")
            .write_all(bytes.as_bytes())
            .expect("written");
    };
    for (from, until) in [(0, lines.len() / 2), (lines.len() / 2, lines.len())] {
        append(&part(from, until));
        silence();
        append(&start);
        silence();
    }
    let seen = status(&dir)["head"].as_u64();
    let alert = dir.join("boxes/CONSENSUS_FAILURE.txt").exists();
    let said = recorder.said();
    let announced = said.contains("announced that it stops");
    let wrong = !boxes(&dir).is_empty() || alert || announced || seen != Some(blocks);
    wrong.then(|| {
        let news = |line: &&str| !line.contains(" is pinned: ");
        let tail: Vec<&str> = said.lines().filter(news).take(20).collect();
        format!(
            "{}: head {seen:?}, alert {alert}, {:?}\n{}",
            layout.name,
            boxes(&dir),
            tail.join("\n")
        )
    })
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn words_of_others_give_no_box_and_no_alert_in_any_layout() {
    let mut random = Random::seeded(7);
    let blocks = if long() { 10_000 } else { 200 };
    programs();
    let all = layouts();
    let only = std::env::var("HALTBOX_LAYOUT").ok();
    let wanted = |layout: &&Layout| match &only {
        Some(only) => layout.name.contains(only.as_str()),
        None => true,
    };
    let queue: Mutex<VecDeque<(&Layout, u64)>> = Mutex::new(
        all.iter()
            .map(|layout| (layout, random.draw()))
            .filter(|(layout, _)| wanted(layout))
            .filter(|(_, seed)| only.is_some() || long() || seed % 4 == 0)
            .collect(),
    );
    let wrong = Mutex::new(Vec::new());
    let played = queue.lock().expect("no panic").len();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE / 2 {
            scope.spawn(|| {
                while let Some((layout, seed)) = { queue.lock().expect("no panic").pop_front() } {
                    let fault = alarmed(layout, blocks, seed);
                    wrong.lock().expect("no panic").extend(fault);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    println!(
        "{played} layouts of {blocks} healthy blocks, {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
