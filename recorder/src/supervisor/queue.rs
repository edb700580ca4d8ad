//! The boxes that are wanted, and those that failed and wait for another
//! attempt.

use std::path::{Path, PathBuf};
use std::time::Instant;

use haltbox_format::mark::Attempt;
use haltbox_model::lifecycle::Finding;

use super::backoff::Again;
use crate::archive::ArchivedBlock;

/// A wanted box. `A` identifies who asked for it.
pub struct Wanted<A> {
    /// The attempt that the box is about.
    pub of: Attempt,
    /// What spoke against the attempt when the box was wanted. The lowest
    /// finding if somebody only asked for it.
    pub finding: Finding,
    /// The reason, in words for the operator.
    pub reason: String,
    /// The folder for the box.
    pub boxes: PathBuf,
    /// When it was wanted.
    pub since: Instant,
    /// Whether the attempt is complete, so that the box need not wait for more
    /// entries.
    pub settled: bool,
    /// Who asked for it, if somebody did.
    pub asked_by: Option<A>,
    /// Whether it is wanted also without anybody asking. Then it is announced,
    /// and tried again after an error.
    pub unasked: bool,
    /// Where its records are.
    pub held_by: HeldBy,
    /// The attempt that this is, if others failed.
    pub again: Option<Again>,
}

/// Where the records of a box are.
#[derive(Clone)]
pub enum HeldBy {
    /// The ring in use.
    Ring,
    /// A renamed ring.
    OldRing(PathBuf),
    /// The archive.
    Archive(Box<ArchivedBlock>),
}

impl HeldBy {
    fn is_same(&self, other: &HeldBy) -> bool {
        match (self, other) {
            (HeldBy::Ring, HeldBy::Ring) => true,
            (HeldBy::OldRing(a), HeldBy::OldRing(b)) => a == b,
            _ => false,
        }
    }
}

impl<A> Wanted<A> {
    /// A box of the ring in use that nobody asked for.
    pub fn unasked(of: Attempt, finding: Finding, reason: String, boxes: &Path) -> Wanted<A> {
        Wanted {
            of,
            finding,
            reason,
            boxes: boxes.to_owned(),
            since: Instant::now(),
            settled: false,
            asked_by: None,
            unasked: true,
            held_by: HeldBy::Ring,
            again: None,
        }
    }

    /// Whether both would give the same box.
    pub(super) fn is_same(&self, other: &Wanted<A>) -> bool {
        self.of == other.of && self.held_by.is_same(&other.held_by) && self.boxes == other.boxes
    }

    /// Whether the box of this request also announces all that the other one says.
    fn tells_all_of(&self, other: &Wanted<A>) -> bool {
        self.unasked && self.finding >= other.finding && self.is_same(other)
    }
}

/// Boxes that wait, and boxes that failed.
pub(super) struct Queue<A> {
    wanted: Vec<Wanted<A>>,
    postponed: Vec<Wanted<A>>,
}

impl<A> Default for Queue<A> {
    fn default() -> Queue<A> {
        Queue {
            wanted: Vec::new(),
            postponed: Vec::new(),
        }
    }
}

impl<A> Queue<A> {
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Adds a wanted box. A request of a person is always added.
    ///
    /// A request of nobody joins a waiting one for the same box, and the
    /// weightier reason is kept. If the same box is being written already, it
    /// needs no other one, unless more is known now.
    pub(super) fn want(&mut self, wanted: Wanted<A>, writing: Option<&Wanted<A>>) {
        if wanted.asked_by.is_some() {
            return self.wanted.push(wanted);
        }
        if writing.is_some_and(|known| known.tells_all_of(&wanted)) {
            return;
        }
        match self.wanted.iter_mut().find(|known| known.is_same(&wanted)) {
            Some(known) if known.tells_all_of(&wanted) => {}
            Some(known) => {
                known.unasked = true;
                known.finding = wanted.finding;
                known.reason = wanted.reason;
            }
            None => self.wanted.push(wanted),
        }
    }

    /// Adds a wanted box with a new reason, in place of all of this attempt.
    pub(super) fn want_instead(&mut self, wanted: Wanted<A>) {
        self.wanted.retain(|known| known.of != wanted.of);
        self.postponed.retain(|known| known.of != wanted.of);
        self.wanted.push(wanted);
    }

    /// Keeps a failed box for another attempt.
    pub(super) fn postpone(&mut self, wanted: Wanted<A>) -> Again {
        let next = Again::after(wanted.again);
        let again = Some(next);
        self.postponed.push(Wanted { again, ..wanted });
        next
    }

    #[cfg(test)]
    pub(super) fn has_postponed(&self) -> bool {
        !self.postponed.is_empty()
    }

    /// Forgets the failed boxes of an attempt, because a box has it now.
    pub(super) fn is_frozen(&mut self, of: Attempt) {
        self.postponed.retain(|wanted| wanted.of != of);
    }

    /// Adds the failed boxes whose time has come.
    pub(super) fn want_again(&mut self, writing: Option<&Wanted<A>>) {
        let is_due = |wanted: &mut Wanted<A>| wanted.again.is_none_or(|again| again.is_due());
        let due: Vec<Wanted<A>> = self.postponed.extract_if(.., is_due).collect();
        due.into_iter()
            .for_each(|wanted| self.want(wanted, writing));
    }

    /// Takes the first box if it is ready.
    pub(super) fn next(&mut self, ready: impl FnOnce(&Wanted<A>) -> bool) -> Option<Wanted<A>> {
        let first = self.wanted.first()?;
        ready(first).then(|| self.wanted.remove(0))
    }
}
