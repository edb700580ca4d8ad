//! What brings a freeze about, and what comes of it.
//!
//! Whoever records beside a node, stands beside a host's ring, or runs inside a host has a
//! loop of its own, and one supervisor:
//!
//! ```text
//! news, other witnesses --alarms, triggers--> wanted --a box is written--> alert, command,
//!                                               ^  |                       budget, message
//!                                               +--+ tried again
//! bytes recorded --> archiving
//! ```
//!
//! It knows no ring: its owner reads that, and says where a box comes from.

mod alarms;
mod backoff;
mod queue;
mod writing;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::ALERT_FILE;
use haltbox_format::mark::Attempt;
use haltbox_model::lifecycle::{Finding, Lifecycle};
use haltbox_model::{Event, ShowPath};

use crate::after_freeze::{self, AfterFreeze};
use crate::archive::{Archiving, Plan};
use crate::freeze::progress::Progress;
use crate::freeze::reserve::Reserve;
use crate::freeze::{FreezeError, Frozen};
use crate::halt_message;
use crate::recorder::News;
use crate::triggers::{Due, Policy};
use crate::voice::Speaker;
use alarms::Alarms;
pub use alarms::Brings;
pub use backoff::Again;
use queue::Queue;
pub use queue::{HeldBy, Wanted};
use writing::Writing;

/// Nobody asks for a box.
pub enum Nobody {}

/// See the module. `A` is who asks for boxes.
pub struct Supervisor<A = Nobody> {
    boxes: PathBuf,
    after_freeze: AfterFreeze,
    voice: Speaker,
    alarms: Alarms,
    queue: Queue<A>,
    writing: Option<InWork<A>>,
    reserve: Option<Reserve>,
    archiving: Option<Archiving>,
    /// The recorder is told to end.
    hurried: bool,
}

/// A box that is being written.
struct InWork<A> {
    wanted: Wanted<A>,
    writing: Writing,
    /// Its ring is no longer the one that is looked at.
    of_former_ring: bool,
}

/// A box that was written, or was not.
pub struct Done<A> {
    /// What was wanted.
    pub wanted: Wanted<A>,
    /// The box, or why there is none.
    pub outcome: Result<Frozen, NotFrozen>,
    /// Another ring is looked at since it was begun.
    pub of_former_ring: bool,
}

/// Why there is no box.
pub struct NotFrozen {
    /// In words for the operator.
    pub why: String,
    /// Whether it is tried again.
    pub may_pass: bool,
}

impl From<FreezeError> for NotFrozen {
    fn from(error: FreezeError) -> NotFrozen {
        NotFrozen {
            may_pass: error.may_pass(),
            why: error.to_string(),
        }
    }
}

/// What is told who asked for a box.
pub struct Answer<A> {
    /// Who asked.
    pub asked_by: Option<A>,
    /// The message of the box, or why there is none.
    pub told: Result<String, String>,
}

impl<A> Supervisor<A> {
    /// Nothing is wanted yet. `boxes`: the folder of boxes.
    pub fn new(
        boxes: PathBuf,
        policy: Policy,
        after_freeze: AfterFreeze,
        voice: Speaker,
    ) -> Supervisor<A> {
        Supervisor {
            boxes,
            after_freeze,
            voice,
            alarms: Alarms::new(policy),
            queue: Queue::default(),
            writing: None,
            reserve: None,
            archiving: None,
            hurried: false,
        }
    }

    /// The folder of boxes.
    pub fn boxes(&self) -> &Path {
        &self.boxes
    }

    /// Keeps room on the disk for a box, if there is any.
    pub fn reserve(&mut self, bytes: u64) {
        let taken = Reserve::take(&self.boxes, bytes);
        let taken = taken.map_err(|error| {
            let boxes = self.boxes.shown();
            self.voice.say(&format!(
                "cannot reserve disk space for a box in {boxes}: {error}"
            ));
        });
        self.reserve = taken.ok();
    }

    /// Archives what a ring releases. `part`: how much is recorded between two parts of the
    /// archive, as [`Supervisor::recorded`] counts.
    pub fn archive(
        &mut self,
        dir: &Path,
        ring: io::Result<File>,
        part: u64,
        plan: impl FnOnce(File) -> Plan,
    ) {
        self.archiving = Archiving::beside(dir, ring, part, &self.voice, plan);
    }

    /// So much was recorded by now: has what was released archived long before it goes by
    /// age.
    pub fn recorded(&mut self, by_now: u64) {
        if let Some(archiving) = &mut self.archiving {
            archiving.recorded(by_now);
        }
    }

    /// Takes news, and tells the operator.
    pub fn hear(&mut self, news: News) -> Option<Brings> {
        self.alarms.hear(news, &*self.voice)
    }

    /// What was heard of before stands unchanged.
    pub fn still(&mut self, event: &Event, life: &Lifecycle) {
        self.alarms.still(event, life);
    }

    /// The node's process ended, or started again.
    pub fn node_ended(&mut self) {
        self.alarms.node_ended();
    }

    /// What trouble calls for by now, for [`Supervisor::follow`].
    pub fn due(&mut self, life: &Lifecycle) -> Vec<Due> {
        self.alarms.due(life)
    }

    /// Tells the operator what is due; of trouble without a box also in the folder of boxes.
    pub fn follow(&self, due: Due) -> Brings {
        match due {
            Due::Box {
                of,
                finding,
                reason,
            } => {
                self.voice.say(&format!("height {}: {reason}", of.height));
                Brings::Box(of, finding, reason)
            }
            Due::Held { of, name, reason } => {
                let height = of.height;
                self.voice.tell(&halt_message::held(height, &name, &reason));
                self.warn(after_freeze::alert_of_held(
                    &self.boxes,
                    height,
                    &name,
                    &reason,
                ));
                Brings::Note(format!(
                    "height {height}: {reason} (already frozen in box {name})"
                ))
            }
            Due::Unrecorded { reason } => {
                self.voice.tell(&halt_message::without_a_box(&reason));
                self.warn(after_freeze::alert_without_a_box(&self.boxes, &reason));
                Brings::Note(format!("{}: {reason}", halt_message::WITHOUT_A_BOX))
            }
        }
    }

    fn warn(&self, written: io::Result<()>) {
        if let Err(error) = written {
            self.voice
                .say(&format!("cannot write {ALERT_FILE}: {error}"));
        }
    }

    /// Wants a box. What nobody asked for is written once.
    pub fn want(&mut self, wanted: Wanted<A>) {
        let writing = self.writing.as_ref().map(|work| &work.wanted);
        self.queue.want(wanted, writing);
    }

    /// Wants a box that nobody asked for.
    pub fn want_box(&mut self, of: Attempt, finding: Finding, reason: String) {
        self.want(Wanted::unasked(of, finding, reason, &self.boxes));
    }

    /// Wants a box for another reason than before, also where one is being written.
    pub fn want_instead(&mut self, of: Attempt, finding: Finding, reason: String) {
        let wanted = Wanted::unasked(of, finding, reason, &self.boxes);
        self.queue.want_instead(wanted);
    }

    /// Something waits to be written.
    pub fn wants(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A box is being written.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Nothing is wanted now, and nothing is being written.
    pub fn is_idle(&self) -> bool {
        !self.wants() && !self.is_writing()
    }

    /// Another ring is looked at: what was wanted of the last one is wanted no more.
    pub fn another_ring(&mut self) {
        self.queue = Queue::default();
        self.archiving = None;
        self.alarms.another_ring();
        if let Some(work) = &mut self.writing {
            work.of_former_ring = true;
        }
    }

    /// Takes the next box to write, if none is being written and this one is ready.
    pub fn next(&mut self, ready: impl FnOnce(&Wanted<A>) -> bool) -> Option<Wanted<A>> {
        let writing = self.writing.as_ref().map(|work| &work.wanted);
        self.queue.want_again(writing);
        match writing {
            Some(_) => None,
            None => self.queue.next(ready),
        }
    }

    /// Begins a box; `work` writes it, in a thread of its own.
    pub fn write(
        &mut self,
        wanted: Wanted<A>,
        work: impl FnOnce(&Progress) -> Result<Frozen, FreezeError> + Send + 'static,
    ) {
        if let Some(reserve) = &self.reserve {
            reserve.give_up();
        }
        let writing = Writing::begin(&wanted.boxes, &*self.voice, work);
        if self.hurried {
            writing.hurry();
        }
        self.writing = Some(InWork {
            wanted,
            writing,
            of_former_ring: false,
        });
    }

    /// The box that is being written is of the ring in use, and needs it still.
    pub fn needs_ring(&self) -> Option<bool> {
        let work = self.writing.as_ref()?;
        let of_ring = matches!(work.wanted.held_by, HeldBy::Ring);
        of_ring.then(|| !work.writing.is_copied())
    }

    /// The recorder is told to end: from here on no box waits for a node.
    pub fn hurry(&mut self) {
        self.hurried = true;
        self.writing.iter().for_each(|work| work.writing.hurry());
    }

    /// The box that was being written, if it is done by now.
    pub fn take_done(&mut self) -> Option<Done<A>> {
        let outcome = self.writing.as_ref()?.writing.outcome()?;
        if let Some(reserve) = &self.reserve {
            let _ = reserve.refill();
        }
        let work = self.writing.take()?;
        Some(Done {
            wanted: work.wanted,
            outcome: outcome.map_err(NotFrozen::from),
            of_former_ring: work.of_former_ring,
        })
    }

    /// What a box brings about: the alert, the operator's command, the budget. What failed
    /// without being asked for, and may work later, is put off. The operator is told.
    pub fn follow_up(&mut self, done: Done<A>) -> Answer<A> {
        let mut wanted = done.wanted;
        let asked_by = wanted.asked_by.take();
        let told = match done.outcome {
            Ok(frozen) => {
                self.queue.is_frozen(wanted.of);
                let (boxes, unasked) = (&wanted.boxes, wanted.unasked);
                Ok(self
                    .after_freeze
                    .follow_up(boxes, &frozen, unasked, &self.voice))
            }
            Err(NotFrozen { why, may_pass }) => {
                Err(match may_pass && wanted.unasked && !done.of_former_ring {
                    true => format!("{why}; {}", self.queue.postpone(wanted).words()),
                    false => why,
                })
            }
        };
        match &told {
            Ok(message) => self.voice.tell(message),
            Err(why) => self.voice.tell(&format!("haltbox: NOT FROZEN: {why}\n")),
        }
        Answer { asked_by, told }
    }
}

#[cfg(test)]
mod tests;
