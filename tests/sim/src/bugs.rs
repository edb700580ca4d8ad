//! The bugs that can be played, and how soon each is found.

use haltbox_format::simulated::Bug;

use crate::round::{Failure, play_round, seed_of};

/// All of them.
pub const ALL: [Bug; 50] = [
    Bug::SeedNotMixed,
    Bug::ChecksumIgnored,
    Bug::SeqBoundByHeader,
    Bug::GapForgotten,
    Bug::DamageCalledAge,
    Bug::HalfRecordShown,
    Bug::OlderSuperblock,
    Bug::PublishEarly,
    Bug::EpochKept,
    Bug::PinnedReused,
    Bug::UnreleasedReused,
    Bug::YoungestReused,
    Bug::OverwriteUntold,
    Bug::ResumeAtSegmentStart,
    Bug::GenerationKept,
    Bug::CountersReused,
    Bug::DropTakesNoCounter,
    Bug::CutUnflagged,
    Bug::LockIgnored,
    Bug::ForkUnnoticed,
    Bug::MarksBeforeEntry,
    Bug::CatchUpSkipped,
    Bug::SourceOneLineTooFar,
    Bug::LossChargedToEarlierBlocks,
    Bug::FrozenWithoutBox,
    Bug::StartPinsNothing,
    Bug::AttemptForgotten,
    Bug::ReleasedOneTooEarly,
    Bug::AnyHashConfirms,
    Bug::FirstAttemptSuperseded,
    Bug::DivergedUnpinned,
    Bug::PinnedNotInCheckpoint,
    Bug::DropsNotInCheckpoint,
    Bug::NotJudgedByRecords,
    Bug::OlderTimeSkipped,
    Bug::LocalLinesHashed,
    Bug::HashOfIncomplete,
    Bug::BoxNamedByOtherAttempt,
    Bug::BoxHidesHoles,
    Bug::NoSyncBeforeLink,
    Bug::NoFolderSync,
    Bug::SyncErrorIgnored,
    Bug::BoxReplaced,
    Bug::ProofEvicted,
    Bug::NewestBoxEvicted,
    Bug::ArchiveSkipsFirst,
    Bug::ArchiveTakesOpen,
    Bug::ArchiveHidesEvicted,
    Bug::ArchiveNewestRemoved,
    Bug::PartsRemovedUnjoined,
];

/// Plays rounds with a bug until one fails: how many steps it took, and what was found.
pub fn hunt(bug: Bug, seed: u64, rounds: u64, steps: u64) -> Option<(u64, Box<Failure>)> {
    let mut taken = 0;
    for round in 0..rounds {
        match play_round(seed_of(seed, round), steps, Some(bug)) {
            Ok(done) => taken += done,
            Err(failure) => return Some((taken + failure.at as u64, failure)),
        }
    }
    None
}
