//! The boxes that are wanted, and those that failed and wait for their next attempt.

use std::path::{Path, PathBuf};
use std::time::Instant;

use haltbox_format::mark::Attempt;
use haltbox_model::lifecycle::Finding;

use super::backoff::Again;
use crate::archive::ArchivedBlock;

/// A box that is wanted. `A` is who asks for boxes.
pub struct Wanted<A> {
    /// The attempt it is about.
    pub of: Attempt,
    /// What was known against the attempt when the box was wanted; nothing where somebody
    /// only asked for it.
    pub finding: Finding,
    /// Why, in words for the operator.
    pub reason: String,
    /// The folder that it goes to.
    pub boxes: PathBuf,
    /// Since when.
    pub since: Instant,
    /// Nothing that is still to come can belong to it: it need not be waited for.
    pub settled: bool,
    /// Who asked for it.
    pub asked_by: Option<A>,
    /// It is wanted without being asked for, whoever asked besides: it is announced, and
    /// tried again where it fails.
    pub unasked: bool,
    /// Where its records are.
    pub held_by: HeldBy,
    /// The attempt that this is, behind others that failed.
    pub again: Option<Again>,
}

/// Where the records are that a box is made of.
#[derive(Clone)]
pub enum HeldBy {
    /// The ring in use.
    Ring,
    /// One that was set aside.
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
    /// Of the ring in use, wanted without anybody having asked.
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

    /// The same box would come of both.
    pub(super) fn is_same(&self, other: &Wanted<A>) -> bool {
        self.of == other.of && self.held_by.is_same(&other.held_by) && self.boxes == other.boxes
    }

    /// The box that comes of this one announces all that the other has to tell.
    fn tells_all_of(&self, other: &Wanted<A>) -> bool {
        self.unasked && self.finding >= other.finding && self.is_same(other)
    }
}

/// What is to be frozen.
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

    /// Wants a box. What nobody asked for is written once, together with what is wanted
    /// already and is not begun: the reason that weighs more is kept. A box that is being
    /// written, and was wanted while less was known, gets another one behind it.
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

    /// Wants a box for another reason than before.
    pub(super) fn want_instead(&mut self, wanted: Wanted<A>) {
        self.wanted.retain(|known| known.of != wanted.of);
        self.postponed.retain(|known| known.of != wanted.of);
        self.wanted.push(wanted);
    }

    /// Puts off what failed without anybody having asked for it.
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

    /// A box holds it now.
    pub(super) fn is_frozen(&mut self, of: Attempt) {
        self.postponed.retain(|wanted| wanted.of != of);
    }

    /// What was put off until now is wanted once more.
    pub(super) fn want_again(&mut self, writing: Option<&Wanted<A>>) {
        let is_due = |wanted: &mut Wanted<A>| wanted.again.is_none_or(|again| again.is_due());
        let due: Vec<Wanted<A>> = self.postponed.extract_if(.., is_due).collect();
        due.into_iter()
            .for_each(|wanted| self.want(wanted, writing));
    }

    /// Takes the first, once it is ready.
    pub(super) fn next(&mut self, ready: impl FnOnce(&Wanted<A>) -> bool) -> Option<Wanted<A>> {
        let first = self.wanted.first()?;
        ready(first).then(|| self.wanted.remove(0))
    }
}
