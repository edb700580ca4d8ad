//! The box that is being written, by a thread of its own: meanwhile the log is read, what
//! goes by age is archived, and a signal is heard.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use haltbox_format::attached::Told;

use super::watched::{Wanted, Watched};
use haltbox_recorder::freeze::progress::Progress;
use haltbox_recorder::freeze::{FreezeError, Frozen, Plan, freeze_beside};

/// A box that is being written.
pub(super) struct Writing {
    pub(super) wanted: Wanted,
    /// Of the ring that it is made of.
    pub(super) inode: u64,
    boxes: PathBuf,
    progress: Progress,
    done: Receiver<Result<Frozen, FreezeError>>,
}

impl Writing {
    /// Begins to write it. A thread that is not to be had is an outcome, too.
    pub(super) fn begin(
        watched: &Watched,
        wanted: Wanted,
        plan: Plan,
        ring: &Path,
        told: Told,
    ) -> Writing {
        let (sender, done) = channel();
        let (progress, ring) = (Progress::default(), ring.to_owned());
        let (file, followed, boxes) = (
            watched.file.try_clone(),
            progress.clone(),
            plan.boxes.clone(),
        );
        let work = move || {
            let cannot =
                |error| FreezeError::of_io("read the ring for a box in", &plan.boxes, error);
            let file = file.map_err(cannot)?;
            freeze_beside(&file, &plan, Some((&ring, &told)), &followed)
        };
        let thread = std::thread::Builder::new().name("haltbox-freeze".to_owned());
        let _ = thread.spawn(move || {
            let _ = sender.send(work());
        });
        Writing {
            wanted,
            inode: watched.inode,
            boxes,
            progress,
            done,
        }
    }

    /// What came of it, if it is done by now.
    pub(super) fn outcome(&self) -> Option<Result<Frozen, FreezeError>> {
        match self.done.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(FreezeError::Io {
                doing: "write a box in",
                path: self.boxes.clone(),
                error: io::Error::other("the writing thread ended without a result"),
            })),
        }
    }

    /// No node is waited for where the recorder is told to end.
    pub(super) fn hurry_if(&self, ending: bool) {
        if ending {
            self.progress.hurry();
        }
    }
}
