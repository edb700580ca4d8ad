//! The boxes that are wanted, and the one that is being written.
//!
//! One at a time, by a thread that reads the ring's file: the loop goes on
//! draining the sources meanwhile.

use haltbox_format::ShowPath;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use haltbox_format::mark::Attempt;

use crate::again::Again;
use crate::archive::ArchivedBlock;
use crate::freeze::reserve::Reserve;
use crate::freeze::{FreezeError, Frozen};
use crate::operator::message::say;

/// A freeze that is wanted, and who asked.
pub(super) struct Wanted {
    pub(super) of: Attempt,
    pub(super) reason: String,
    pub(super) boxes: PathBuf,
    pub(super) since: Instant,
    /// Nothing that is still to come can belong to it: it need not be waited for.
    pub(super) settled: bool,
    pub(super) asked_by: Option<UnixStream>,
    pub(super) held_by: HeldBy,
    /// The attempt that this is, behind others that failed.
    pub(super) again: Option<Again>,
}

/// Where the records are that a box is made of.
#[derive(Clone)]
pub(super) enum HeldBy {
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

impl Wanted {
    /// Wanted without anybody having asked.
    pub(super) fn of(of: Attempt, reason: String, boxes: &Path) -> Wanted {
        Wanted {
            of,
            reason,
            boxes: boxes.to_owned(),
            since: Instant::now(),
            settled: false,
            asked_by: None,
            held_by: HeldBy::Ring,
            again: None,
        }
    }
}

/// A freeze that is being written.
struct Writing {
    wanted: Wanted,
    done: Receiver<Result<Frozen, FreezeError>>,
}

/// What is to be frozen.
pub(super) struct Freezing {
    wanted: Vec<Wanted>,
    /// What failed, and waits for its next attempt.
    postponed: Vec<Wanted>,
    writing: Option<Writing>,
    reserve: Option<Reserve>,
}

impl Freezing {
    /// Nothing is wanted yet; room for a box is kept, if there is any.
    pub(super) fn new(boxes: &Path, reserve: u64) -> Freezing {
        let reserve = Reserve::take(boxes, reserve);
        let told = reserve.map_err(|error| {
            say(&format!(
                "no room is kept for a freeze in {}: {error}",
                boxes.shown()
            ));
        });
        Freezing {
            wanted: Vec::new(),
            postponed: Vec::new(),
            writing: None,
            reserve: told.ok(),
        }
    }

    /// Nothing is wanted now, and nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.writing.is_none()
    }

    /// Wants a box. What nobody asked for is written once.
    pub(super) fn want(&mut self, wanted: Wanted) {
        let mut known = self
            .wanted
            .iter()
            .chain(self.writing.iter().map(|writing| &writing.wanted));
        let being_done =
            known.any(|known| known.of == wanted.of && known.held_by.is_same(&wanted.held_by));
        if wanted.asked_by.is_some() || !being_done {
            self.wanted.push(wanted);
        }
    }

    /// Puts off what failed without anybody having asked for it.
    pub(super) fn postpone(&mut self, wanted: Wanted) -> Again {
        let next = Again::after(wanted.again);
        let again = Some(next);
        self.postponed.push(Wanted { again, ..wanted });
        next
    }

    /// A box holds it now.
    pub(super) fn is_frozen(&mut self, of: Attempt) {
        self.postponed.retain(|wanted| wanted.of != of);
    }

    /// Wants once more what was put off until now.
    pub(super) fn want_again(&mut self) {
        let is_due = |wanted: &mut Wanted| wanted.again.is_none_or(|again| again.is_due());
        let due: Vec<Wanted> = self.postponed.extract_if(.., is_due).collect();
        due.into_iter().for_each(|wanted| self.want(wanted));
    }

    /// The next that could be begun.
    pub(super) fn next(&self) -> Option<&Wanted> {
        self.wanted.first().filter(|_| self.writing.is_none())
    }

    /// Begins the next box; `work` writes it, in a thread of its own.
    pub(super) fn begin(
        &mut self,
        work: impl FnOnce() -> Result<Frozen, FreezeError> + Send + 'static,
    ) {
        if self.next().is_none() {
            return;
        }
        let wanted = self.wanted.remove(0);
        if let Some(reserve) = &self.reserve {
            reserve.give_up();
        }
        let (sender, done) = channel();
        let started = std::thread::Builder::new()
            .name("haltbox-freeze".to_owned())
            .spawn(move || {
                let _ = sender.send(work());
            });
        if let Err(error) = started {
            say(&format!("no thread to write the box: {error}"));
        }
        // Without a thread the channel is closed: an outcome, too.
        self.writing = Some(Writing { wanted, done });
    }

    /// The box that was being written, if it is done by now.
    pub(super) fn take_done(&mut self) -> Option<(Wanted, Result<Frozen, FreezeError>)> {
        let writing = self.writing.as_ref()?;
        let outcome = match writing.done.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(FreezeError::Io {
                doing: "write a box in",
                path: writing.wanted.boxes.clone(),
                error: io::Error::other("the writing thread ended without a word"),
            }),
        };
        if let Some(reserve) = &self.reserve {
            let _ = reserve.refill();
        }
        self.writing.take().map(|writing| (writing.wanted, outcome))
    }
}
