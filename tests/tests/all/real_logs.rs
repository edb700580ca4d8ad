//! Logs of real failures, in every layout that can carry them, through every
//! way in: what is frozen, under which name, and what is said.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use haltbox_tests::log_case::layout::layouts;
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
fn every_case_comes_out_as_expected() {
    let plays = chosen_cases().into_iter().map(|case| Play {
        case,
        layout: "as it is",
        way: Way::File,
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
