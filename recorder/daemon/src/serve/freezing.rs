//! The boxes that are wanted, and the one that is being written.
//!
//! One at a time, by a thread that reads the ring's file: the loop goes on
//! draining the sources meanwhile.

use haltbox_model::ShowPath;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use haltbox_format::mark::Attempt;

use crate::retry::Again;
use haltbox_recorder::archive::ArchivedBlock;
use haltbox_recorder::console::say;
use haltbox_recorder::freeze::progress::Progress;
use haltbox_recorder::freeze::reserve::Reserve;
use haltbox_recorder::freeze::{FreezeError, Frozen};

/// A freeze that is wanted, and who asked.
pub(super) struct Wanted {
    pub(super) of: Attempt,
    pub(super) reason: String,
    pub(super) boxes: PathBuf,
    pub(super) since: Instant,
    /// Nothing that is still to come can belong to it: it need not be waited for.
    pub(super) settled: bool,
    pub(super) asked_by: Option<UnixStream>,
    /// It is wanted without being asked for, whoever asked besides: it is announced, and
    /// tried again where it fails.
    pub(super) unasked: bool,
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
    /// The same box would come of both.
    fn is_same(&self, other: &Wanted) -> bool {
        self.of == other.of && self.held_by.is_same(&other.held_by) && self.boxes == other.boxes
    }

    /// Wanted without anybody having asked.
    pub(super) fn of(of: Attempt, reason: String, boxes: &Path) -> Wanted {
        Wanted {
            of,
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
}

/// A freeze that is being written.
struct Writing {
    wanted: Wanted,
    progress: Progress,
    done: Receiver<Result<Frozen, FreezeError>>,
}

/// What is to be frozen.
pub(super) struct Freezing {
    wanted: Vec<Wanted>,
    /// What failed, and waits for its next attempt.
    postponed: Vec<Wanted>,
    writing: Option<Writing>,
    reserve: Option<Reserve>,
    /// The recorder is told to end.
    hurried: bool,
}

impl Freezing {
    /// Nothing is wanted yet; room for a box is kept, if there is any.
    pub(super) fn new(boxes: &Path, reserve: u64) -> Freezing {
        let reserve = Reserve::take(boxes, reserve);
        let told = reserve.map_err(|error| {
            say(&format!(
                "cannot reserve disk space for a box in {}: {error}",
                boxes.shown()
            ));
        });
        Freezing {
            wanted: Vec::new(),
            postponed: Vec::new(),
            writing: None,
            reserve: told.ok(),
            hurried: false,
        }
    }

    /// Nothing is wanted now, and nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.writing.is_none()
    }

    /// Wants a box. What nobody asked for is written once: together with what was asked
    /// for and is not begun, and behind what is being written for somebody, which knows
    /// nothing of the reason.
    pub(super) fn want(&mut self, wanted: Wanted) {
        if wanted.asked_by.is_some() {
            return self.wanted.push(wanted);
        }
        let mut known = self.writing.iter().map(|writing| &writing.wanted);
        if known.any(|known| known.unasked && known.is_same(&wanted)) {
            return;
        }
        match self.wanted.iter_mut().find(|known| known.is_same(&wanted)) {
            Some(known) if known.unasked => {}
            Some(known) => {
                known.unasked = true;
                known.reason = wanted.reason;
            }
            None => self.wanted.push(wanted),
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
        work: impl FnOnce(&Progress) -> Result<Frozen, FreezeError> + Send + 'static,
    ) {
        if self.next().is_none() {
            return;
        }
        let wanted = self.wanted.remove(0);
        if let Some(reserve) = &self.reserve {
            reserve.give_up();
        }
        let (sender, done) = channel();
        let progress = Progress::default();
        if self.hurried {
            progress.hurry();
        }
        let followed = progress.clone();
        let started = std::thread::Builder::new()
            .name("haltbox-freeze".to_owned())
            .spawn(move || {
                let _ = sender.send(work(&followed));
            });
        if let Err(error) = started {
            say(&format!("cannot start a thread to write the box: {error}"));
        }
        // Without a thread the channel is closed: an outcome, too.
        self.writing = Some(Writing {
            wanted,
            progress,
            done,
        });
    }

    /// The box that is being written is of the ring, and needs it still.
    pub(super) fn needs_ring(&self) -> Option<bool> {
        let writing = self.writing.as_ref()?;
        let of_ring = matches!(writing.wanted.held_by, HeldBy::Ring);
        of_ring.then(|| !writing.progress.is_copied())
    }

    /// From here on no box waits for a node.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
        let writing = self.writing.iter();
        writing.for_each(|writing| writing.progress.hurry());
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
                error: io::Error::other("the writing thread ended without a result"),
            }),
        };
        if let Some(reserve) = &self.reserve {
            let _ = reserve.refill();
        }
        self.writing.take().map(|writing| (writing.wanted, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn of(reason: &str) -> Wanted {
        let attempt = Attempt {
            height: 7,
            attempt: 1,
        };
        Wanted::of(attempt, reason.to_owned(), Path::new("/boxes"))
    }

    fn asked() -> Wanted {
        let (stream, _) = UnixStream::pair().expect("a pair");
        Wanted {
            asked_by: Some(stream),
            unasked: false,
            ..of("by request")
        }
    }

    /// Somebody asks in the middle of an incident: what is told then is announced.
    #[test]
    fn what_was_asked_for_hides_nothing_that_is_wanted_besides() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut freezing = Freezing::new(folder.path(), 0);
        freezing.want(asked());
        freezing.want(of("it does not stand"));
        freezing.want(of("it does not stand"));
        let next = freezing.next().expect("one");
        assert!(next.unasked && next.asked_by.is_some());
        assert_eq!(next.reason, "it does not stand");
        assert_eq!(freezing.wanted.len(), 1);
    }

    #[test]
    fn a_box_that_is_being_written_for_somebody_knows_nothing_of_what_is_wanted_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut freezing = Freezing::new(folder.path(), 0);
        freezing.want(asked());
        let (go, wait) = channel::<()>();
        freezing.begin(move |_| {
            let _ = wait.recv();
            Err(FreezeError::NoBlock(7))
        });
        freezing.want(of("it does not stand"));
        freezing.want(of("it does not stand"));
        drop(go);
        while freezing.take_done().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(freezing.wanted.len(), 1);
        assert_eq!(freezing.next().expect("one").reason, "it does not stand");
        // Of what is wanted unasked one is enough.
        freezing.begin(|_| Err(FreezeError::NoBlock(7)));
        freezing.want(of("it does not stand"));
        assert!(freezing.next().is_none() && freezing.wanted.is_empty());
    }
}
