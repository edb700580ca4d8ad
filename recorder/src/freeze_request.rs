//! Which block an operator means who asks for a freeze, and who has that block.

use std::path::Path;

use haltbox_format::mark::{Attempt, State};
use haltbox_model::lifecycle::{Block, Lifecycle};
use thiserror::Error;

use crate::archive::{ArchiveError, ArchivedBlock};
use crate::freeze::FreezeError;

/// Reason of a box that an earlier session should have written.
pub fn found_at_start(block: &Block) -> String {
    let why = block.why.as_deref().unwrap_or_default();
    match block.state {
        State::Diverged => format!("{why} mismatch (found at start)"),
        _ => format!("{why} (found at start)"),
    }
}

/// Reason of a box that somebody asked for although nothing was wrong.
pub const BY_REQUEST: &str = "frozen by request";

/// The attempt to freeze.
pub struct Subject {
    /// The height and the attempt.
    pub of: Attempt,
    /// The reason, in words for the box.
    pub reason: String,
    /// Whether the attempt is complete: no later entry belongs to it.
    pub settled: bool,
    /// The ring overwrote its first records.
    evicted: bool,
}

impl Subject {
    /// Picks the attempt at a height, or the one an operator most likely wants
    /// if `height` is `None`. `oldest` is the counter of the oldest main record
    /// in the ring.
    pub fn of(life: &Lifecycle, height: Option<u64>, oldest: u64) -> Option<Subject> {
        let block = match height {
            Some(height) => life.subject(height),
            None => life.default_subject(),
        }?;
        let reason = match (block.state, &block.why) {
            (State::Diverged, Some(field)) => format!("{field} mismatch, {BY_REQUEST}"),
            (State::Pinned, Some(why)) => format!("{why}, {BY_REQUEST}"),
            _ => BY_REQUEST.to_owned(),
        };
        Some(Subject {
            of: block.of,
            reason,
            settled: matches!(block.state, State::Confirmed | State::Superseded),
            evicted: block.from.main < oldest,
        })
    }
}

/// Why nobody is known to hold a block.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotHeld {
    /// No height was asked for, and there is none to choose.
    #[error("nothing to freeze: the ring contains no blocks")]
    NoBlocks,
    /// Neither the ring nor the archive has it.
    #[error(transparent)]
    Freeze(FreezeError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Who holds a block.
pub enum Holder {
    /// The ring, perhaps only the end of the block.
    Ring(Subject),
    /// The archive.
    Archive(Box<ArchivedBlock>),
}

impl Holder {
    /// Finds who has a height: the ring if it has the whole block, else the
    /// archive, else the ring with what is left. `dir` is the recorder's
    /// folder.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn of(
        dir: &Path,
        subject: Option<Subject>,
        height: Option<u64>,
    ) -> Result<Holder, NotHeld> {
        let whole = subject.as_ref().is_some_and(|subject| !subject.evicted);
        let (Some(height), false) = (height, whole) else {
            return subject.map(Holder::Ring).ok_or(NotHeld::NoBlocks);
        };
        let archived = ArchivedBlock::find(dir, height);
        match (archived?, subject) {
            (Some(block), _) => Ok(Holder::Archive(Box::new(block))),
            (None, Some(subject)) => Ok(Holder::Ring(subject)),
            (None, None) => Err(NotHeld::Freeze(FreezeError::NoBlock(height))),
        }
    }
}
