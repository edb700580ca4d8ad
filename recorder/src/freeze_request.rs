//! What an operator means who asks for a freeze, and who holds it.

use std::path::Path;

use haltbox_format::mark::{Attempt, State};
use haltbox_model::lifecycle::{Block, Lifecycle};

use crate::archive::ArchivedBlock;
use crate::freeze::FreezeError;

/// Why, for a box that an earlier session owed.
pub fn found_at_start(block: &Block) -> String {
    let why = block.why.as_deref().unwrap_or_default();
    match block.state {
        State::Diverged => format!("{why} mismatch (found at start)"),
        _ => format!("{why} (found at start)"),
    }
}

/// Why, for a box that was asked for without anything being wrong.
pub const BY_REQUEST: &str = "frozen by request";

/// An attempt that a ring's marks tell of.
pub struct Subject {
    /// Which.
    pub of: Attempt,
    /// In words for the box.
    pub reason: String,
    /// Nothing that is still to come can belong to it.
    pub settled: bool,
    /// Its first records went by age.
    evicted: bool,
}

impl Subject {
    /// The attempt that is meant by a height, or by none. `oldest`: counter of
    /// the oldest block record that the ring still has.
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

/// Who holds a block.
pub enum Holder {
    /// The ring, as far as anybody does.
    Ring(Subject),
    /// The archive.
    Archive(Box<ArchivedBlock>),
}

impl Holder {
    /// Finds who holds a height: the ring, unless it has let go of it and the
    /// archive has not. `dir` is the recorder's folder.
    ///
    /// # Errors
    /// In words for the operator: nobody does, or the archive cannot be read.
    pub fn of(dir: &Path, subject: Option<Subject>, height: Option<u64>) -> Result<Holder, String> {
        let whole = subject.as_ref().is_some_and(|subject| !subject.evicted);
        let (Some(height), false) = (height, whole) else {
            let none = "nothing to freeze: the ring contains no blocks";
            return subject.map(Holder::Ring).ok_or(none.to_owned());
        };
        let archived = ArchivedBlock::find(dir, height);
        match (archived.map_err(|error| error.to_string())?, subject) {
            (Some(block), _) => Ok(Holder::Archive(Box::new(block))),
            (None, Some(subject)) => Ok(Holder::Ring(subject)),
            (None, None) => Err(FreezeError::NoBlock(height).to_string()),
        }
    }
}
