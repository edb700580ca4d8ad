//! The boxes that are wanted, and the one that is being written.
//!
//! One at a time, by a thread that reads the ring's file: the loop goes on
//! draining the sources meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use haltbox_format::mark::Attempt;

use crate::freeze::{self, FreezeError, Frozen, Plan};
use crate::message::say;
use crate::reserve::Reserve;

/// A freeze that is wanted, and who asked.
pub(super) struct Wanted {
    pub(super) of: Attempt,
    pub(super) reason: String,
    pub(super) boxes: PathBuf,
    pub(super) since: Instant,
    pub(super) asked_by: Option<UnixStream>,
    /// The ring that holds it, if that is not the one in use.
    pub(super) old_ring: Option<PathBuf>,
}

impl Wanted {
    /// Wanted without anybody having asked.
    pub(super) fn of(of: Attempt, reason: String, boxes: &Path) -> Wanted {
        Wanted {
            of,
            reason,
            boxes: boxes.to_owned(),
            since: Instant::now(),
            asked_by: None,
            old_ring: None,
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
                boxes.display()
            ));
        });
        Freezing {
            wanted: Vec::new(),
            writing: None,
            reserve: told.ok(),
        }
    }

    /// Nothing is wanted, and nothing is being written.
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
            known.any(|known| known.of == wanted.of && known.old_ring == wanted.old_ring);
        if wanted.asked_by.is_some() || !being_done {
            self.wanted.push(wanted);
        }
    }

    /// The next that could be begun.
    pub(super) fn next(&self) -> Option<&Wanted> {
        self.wanted.first().filter(|_| self.writing.is_none())
    }

    /// Begins the next box, out of the ring in this file.
    pub(super) fn begin(&mut self, ring: io::Result<File>, plan: impl FnOnce(&Wanted) -> Plan) {
        if self.next().is_none() {
            return;
        }
        let wanted = self.wanted.remove(0);
        let plan = plan(&wanted);
        if let Some(reserve) = &self.reserve {
            reserve.give_up();
        }
        let (sender, done) = channel();
        let work = move || {
            let _ = sender.send(write(ring, &plan));
        };
        let started = std::thread::Builder::new()
            .name("haltbox-freeze".to_owned())
            .spawn(work);
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

fn write(ring: io::Result<File>, plan: &Plan) -> Result<Frozen, FreezeError> {
    let ring = ring.map_err(|error| FreezeError::Io {
        doing: "open the ring for a box in",
        path: plan.boxes.clone(),
        error,
    })?;
    freeze::freeze(&ring, plan)
}
