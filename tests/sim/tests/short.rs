//! The simulator finds nothing in the recorder as it is, and the bugs that are played.

use std::process::{Child, Command, Stdio};

use haltbox_format::simulated::Bug;
use haltbox_sim::round::play_round;

/// Rounds with a bug that find it soon: the bug, the round's seed, its steps.
const KNOWN: &[(Bug, u64, u64)] = &[
    (Bug::AnyHashConfirms, 9071868690270286410, 250),
    (Bug::ArchiveSkipsFirst, 3864138803067085703, 250),
    (Bug::ArchiveTakesOpen, 3864138803067085703, 250),
    (Bug::AttemptForgotten, 100, 250),
    (Bug::BoxHidesHoles, 12495472807530636355, 250),
    (Bug::BoxNamedByOtherAttempt, 8585782923823832684, 400),
    (Bug::CatchUpSkipped, 12495472807530636355, 250),
    (Bug::ChecksumIgnored, 100, 250),
    (Bug::CountersReused, 16141976264978706957, 250),
    (Bug::CutUnflagged, 12546967693259909229, 250),
    (Bug::DivergedUnpinned, 12660218023534826959, 250),
    (Bug::DropTakesNoCounter, 8290801176978521164, 250),
    (Bug::EpochKept, 100, 250),
    (Bug::FirstAttemptSuperseded, 12495472807530636355, 250),
    (Bug::ForkUnnoticed, 12431396961924728783, 250),
    (Bug::FrozenWithoutBox, 100, 250),
    (Bug::GapForgotten, 100, 250),
    (Bug::GenerationKept, 8585782923823832684, 400),
    (Bug::HalfRecordShown, 9071868690270286410, 250),
    (Bug::HashOfIncomplete, 12495472807530636355, 250),
    (Bug::LocalLinesHashed, 100, 250),
    (Bug::LockIgnored, 100, 250),
    (Bug::LossChargedToEarlierBlocks, 3928651548512004307, 250),
    (Bug::MarksBeforeEntry, 12495472807530636355, 250),
    (Bug::NewestBoxEvicted, 100, 250),
    (Bug::NoFolderSync, 100, 250),
    (Bug::NoSyncBeforeLink, 100, 250),
    (Bug::NotJudgedByRecords, 12546967693259909229, 250),
    (Bug::OlderSuperblock, 14199770715801700298, 250),
    (Bug::OlderTimeSkipped, 3928651548512004307, 250),
    (Bug::PartsRemovedUnjoined, 12752475058566157439, 400),
    (Bug::PinnedReused, 12660218023534826959, 250),
    (Bug::ReleasedOneTooEarly, 100, 250),
    (Bug::ResumeAtSegmentStart, 100, 250),
    (Bug::SeedNotMixed, 100, 250),
    (Bug::SeqBoundByHeader, 12660218023534826959, 250),
    (Bug::StartPinsNothing, 12495472807530636355, 250),
    (Bug::SyncErrorIgnored, 17978148447285311076, 250),
    (Bug::YoungestReused, 3928651548512004307, 250),
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One simulation runs in a process: as many processes as there are cores.
fn start(seed: u64, seconds: u64) -> Child {
    let mut sim = Command::new(env!("CARGO_BIN_EXE_haltbox-sim"));
    sim.args(["--steps", "250", "--rounds", "1000000"]);
    sim.args(["--seed", &seed.to_string()]);
    sim.args(["--seconds", &seconds.to_string()]);
    sim.stdout(Stdio::piped()).spawn().expect("it starts")
}

#[test]
fn nothing_is_found_in_the_recorder_as_it_is() {
    let seed = number("HALTBOX_SEED").unwrap_or(100);
    println!("seed {seed} (HALTBOX_SEED changes it)");
    let seconds = match std::env::var_os("HALTBOX_LONG") {
        Some(_) => 60 * number("HALTBOX_MINUTES").unwrap_or(10),
        None => 10,
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let all: Vec<Child> = (0..cores).map(|core| start(seed + core, seconds)).collect();
    let mut failed = Vec::new();
    for child in all {
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{told}");
        if !output.status.success() {
            failed.push(told);
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A simulator that finds no bug proves nothing.
#[test]
fn every_bug_is_found() {
    println!("| bug | steps | what is wrong |\n|---|---|---|");
    let mut missed = Vec::new();
    for (bug, seed, steps) in KNOWN {
        match play_round(*seed, *steps, Some(*bug)) {
            Ok(_) => missed.push(*bug),
            Err(failure) => {
                let what: String = failure.what.chars().take(90).collect();
                println!("| {bug:?} | {} | {what} |", failure.at);
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert!(KNOWN.len() >= 30, "only {} bugs are played", KNOWN.len());
}
