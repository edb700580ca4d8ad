//! Where the simulator (`tests/sim`) gets between the instructions of the recorder: it looks
//! at the ring between two stores, and plays bugs that it has to find.
//!
//! Only builds with debug assertions have this. In a release build both functions are empty
//! constants, and no code can turn them on.

/// A bug that the simulator can play. Each stands where its name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Bug {
    // Bytes of the ring.
    SeedNotMixed,
    ChecksumIgnored,
    SeqBoundByHeader,
    GapForgotten,
    DamageCalledAge,
    HalfRecordShown,
    OlderSuperblock,
    // The ring's writer.
    PublishEarly,
    EpochKept,
    PinnedReused,
    UnreleasedReused,
    YoungestReused,
    OverwriteUntold,
    ResumeAtSegmentStart,
    GenerationKept,
    CountersReused,
    DropTakesNoCounter,
    CutUnflagged,
    LockIgnored,
    ForkUnnoticed,
    // Marks, and the life of a block.
    MarksBeforeEntry,
    CatchUpSkipped,
    SourceOneLineTooFar,
    LossChargedToEarlierBlocks,
    FrozenWithoutBox,
    StartPinsNothing,
    AttemptForgotten,
    ReleasedOneTooEarly,
    AnyHashConfirms,
    FirstAttemptSuperseded,
    DivergedUnpinned,
    PinnedNotInCheckpoint,
    DropsNotInCheckpoint,
    NotJudgedByRecords,
    OlderTimeSkipped,
    // HASH and boxes.
    LocalLinesHashed,
    HashOfIncomplete,
    BoxNamedByOtherAttempt,
    BoxHidesHoles,
    NoSyncBeforeLink,
    NoFolderSync,
    SyncErrorIgnored,
    BoxReplaced,
    ProofEvicted,
    NewestBoxEvicted,
    // The archive.
    ArchiveSkipsFirst,
    ArchiveTakesOpen,
    ArchiveHidesEvicted,
    ArchiveNewestRemoved,
    PartsRemovedUnjoined,
}

/// Whether this bug is played now.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn bug(_: Bug) -> bool {
    false
}

/// A store into the ring's file was made.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn stored() {}

#[cfg(debug_assertions)]
pub use played::{bug, play, stored, watch_stores};

#[cfg(debug_assertions)]
mod played {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLAYED: Cell<Option<Bug>> = const { Cell::new(None) };
        static WATCH: Cell<Option<fn()>> = const { Cell::new(None) };
    }

    /// Whether this bug is played now, in this thread.
    #[inline]
    pub fn bug(bug: Bug) -> bool {
        PLAYED.get() == Some(bug)
    }

    /// Plays a bug in this thread from here on, or none.
    pub fn play(bug: Option<Bug>) {
        PLAYED.set(bug);
    }

    /// A store into the ring's file was made.
    #[inline]
    pub fn stored() {
        if let Some(watch) = WATCH.get() {
            watch();
        }
    }

    /// Calls this behind every store of this thread into a ring's file.
    pub fn watch_stores(watch: Option<fn()>) {
        WATCH.set(watch);
    }
}
