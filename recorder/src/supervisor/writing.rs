//! The box that is being written. A thread reads the ring's file for it, and
//! the supervisor's loop goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use crate::freeze::progress::Progress;
use crate::freeze::{FreezeError, Frozen};
use crate::voice::Voice;

/// A box that is being written.
pub(super) struct Writing {
    boxes: PathBuf,
    progress: Progress,
    done: Receiver<Result<Frozen, FreezeError>>,
}

impl Writing {
    /// Begins to write into a folder. If the thread cannot be started,
    /// [`Writing::outcome`] gives an error.
    pub(super) fn begin(
        boxes: &Path,
        voice: &dyn Voice,
        work: impl FnOnce(&Progress) -> Result<Frozen, FreezeError> + Send + 'static,
    ) -> Writing {
        let (sender, done) = channel();
        let progress = Progress::default();
        let followed = progress.clone();
        let started = std::thread::Builder::new()
            .name("haltbox-freeze".to_owned())
            .spawn(move || {
                let _ = sender.send(work(&followed));
            });
        if let Err(error) = started {
            voice.say(&format!("cannot start a thread to write the box: {error}"));
        }
        Writing {
            boxes: boxes.to_owned(),
            progress,
            done,
        }
    }

    /// Whether the box no longer needs the ring.
    pub(super) fn is_copied(&self) -> bool {
        self.progress.is_copied()
    }

    /// Tells the freeze not to wait for a node any more.
    pub(super) fn hurry(&self) {
        self.progress.hurry();
    }

    /// The result. `None` if it is not done yet.
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
}
