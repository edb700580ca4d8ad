//! Decides when to freeze, and acts on the result.
//!
//! Three programs freeze: a recorder beside a node, one attached to a host's
//! ring, and the recorder inside a host. Each has its own loop and the same
//! supervisor:
//!
//! ```text
//! news, other witnesses --alarms, triggers--> wanted --a box is written--> alert, command,
//!                                               ^  |                       budget, message
//!                                               +--+ tried again
//! bytes recorded --> archiving
//! ```
//!
//! It reads no ring. Its owner does, and writes the boxes.

mod alarms;
mod backoff;
mod queue;
mod signatures;
mod writing;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::ALERT_FILE;
use haltbox_format::mark::Attempt;
use haltbox_model::lifecycle::{Finding, Lifecycle};
use haltbox_model::{Event, ShowPath};
use thiserror::Error;

use crate::after_freeze::{self, AfterFreeze};
use crate::archive::{Archiving, Plan};
use crate::freeze::progress::Progress;
use crate::freeze::reserve::Reserve;
use crate::freeze::{FreezeError, Frozen};
use crate::halt_message;
use crate::recorder::News;
use crate::signing::Signer;
use crate::triggers::{Due, Policy};
use crate::voice::Speaker;
use alarms::Alarms;
pub use alarms::Brings;
pub use backoff::Again;
use queue::Queue;
pub use queue::{HeldBy, Wanted};
use signatures::Signatures;
use writing::Writing;

/// The type of askers where nobody can ask for a box.
pub enum Nobody {}

/// Decides when to freeze, and acts on the result. `A` identifies who asked for
/// a box.
pub struct Supervisor<A = Nobody> {
    boxes: PathBuf,
    after_freeze: AfterFreeze,
    voice: Speaker,
    alarms: Alarms,
    queue: Queue<A>,
    writing: Option<InWork<A>>,
    signatures: Option<Signatures>,
    reserve: Option<Reserve>,
    archiving: Option<Archiving>,
    /// Whether the recorder was told to end.
    hurried: bool,
}

struct InWork<A> {
    wanted: Wanted<A>,
    writing: Writing,
    /// Whether another ring is in use since the box was begun.
    of_former_ring: bool,
}

/// The result of writing a box.
pub struct Done<A> {
    /// The request that it answers.
    pub wanted: Wanted<A>,
    /// The box, or the reason why there is none.
    pub outcome: Result<Frozen, NotFrozen>,
    /// Whether another ring is in use since the box was begun.
    pub of_former_ring: bool,
    /// Whether the operator was alerted of the box just now ([`Supervisor::announce`]).
    pub is_news: bool,
}

/// Why a box could not be written.
pub struct NotFrozen {
    /// The error, in words for the operator.
    pub why: String,
    /// Whether a later attempt may succeed.
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

/// Why there is no box, and whether it is tried again, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoBox(pub String);

/// The answer to the one who asked for a box.
pub struct Answer<A> {
    /// Who asked. `None` if nobody did.
    pub asked_by: Option<A>,
    /// The halt message of the box, or the reason why there is none.
    pub told: Result<String, NoBox>,
    /// Path of the box.
    pub path: Option<PathBuf>,
}

impl<A> Supervisor<A> {
    /// A supervisor without wanted boxes. `boxes` is the folder of boxes.
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
            signatures: None,
            reserve: None,
            archiving: None,
            hurried: false,
        }
    }

    /// The folder of boxes.
    pub fn boxes(&self) -> &Path {
        &self.boxes
    }

    /// Reserves disk space for a box. Tells the operator if there is none.
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

    /// Signs boxes from now on. Tries the key, and tells the operator if it does
    /// not sign.
    pub fn sign_with(&mut self, signer: Signer) {
        let signatures = Signatures::of(signer, &self.voice);
        self.signatures = Some(signatures);
    }

    /// Starts archiving what a ring releases. `part` is how much is recorded
    /// between two parts of the archive, in the same unit as `by_now` of
    /// [`Supervisor::recorded`].
    pub fn archive(
        &mut self,
        dir: &Path,
        ring: io::Result<File>,
        part: u64,
        plan: impl FnOnce(File) -> Plan,
    ) {
        self.archiving = Archiving::beside(dir, ring, part, &self.voice, plan);
    }

    /// Reports how much was recorded by now, so that the archive copies
    /// released records before the ring overwrites them.
    pub fn recorded(&mut self, by_now: u64) {
        if let Some(archiving) = &mut self.archiving {
            archiving.recorded(by_now);
        }
    }

    /// Takes news, tells the operator, and returns what the owner must do.
    pub fn hear(&mut self, news: News) -> Option<Brings> {
        self.alarms.hear(news, &*self.voice)
    }

    /// Says that reported trouble continues. It can then become a freeze by its
    /// duration; it does not count as another sighting.
    pub fn still(&mut self, event: &Event, life: &Lifecycle) {
        self.alarms.still(event, life);
    }

    /// Says that the node's process ended, or started again.
    pub fn node_ended(&mut self) {
        self.alarms.node_ended();
    }

    /// What the trouble so far calls for. Pass each item to
    /// [`Supervisor::follow`].
    pub fn due(&mut self, life: &Lifecycle) -> Vec<Due> {
        self.alarms.due(life)
    }

    /// Tells the operator about an item. Trouble without a new box also goes
    /// into the alert file.
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

    /// Adds a wanted box. A box that nobody asked for is written once, however
    /// many reasons there are.
    pub fn want(&mut self, wanted: Wanted<A>) {
        let writing = self.writing.as_ref().map(|work| &work.wanted);
        self.queue.want(wanted, writing);
    }

    /// Adds a wanted box that nobody asked for.
    pub fn want_box(&mut self, of: Attempt, finding: Finding, reason: String) {
        self.want(Wanted::unasked(of, finding, reason, &self.boxes));
    }

    /// Adds a wanted box with a new reason. Removes waiting ones of this
    /// attempt; one that is being written goes on.
    pub fn want_instead(&mut self, of: Attempt, finding: Finding, reason: String) {
        let wanted = Wanted::unasked(of, finding, reason, &self.boxes);
        self.queue.want_instead(wanted);
    }

    /// Whether a box waits to be written.
    pub fn wants(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether a box is being written.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether no box waits or is being written. Failed boxes may still wait
    /// for another attempt.
    pub fn is_idle(&self) -> bool {
        !self.wants() && !self.is_writing()
    }

    /// Whether a box is being signed, or the key is tried. This ends within two
    /// seconds once the recorder is told to end.
    pub fn is_signing(&self) -> bool {
        self.signatures.as_ref().is_some_and(Signatures::is_at_work)
    }

    /// Says that another ring is in use. Forgets the boxes wanted of the last
    /// one.
    pub fn another_ring(&mut self) {
        self.queue = Queue::default();
        self.archiving = None;
        self.alarms.another_ring();
        if let Some(work) = &mut self.writing {
            work.of_former_ring = true;
        }
    }

    /// Takes the next box to write, unless one is being written or `ready`
    /// refuses it.
    pub fn next(&mut self, ready: impl FnOnce(&Wanted<A>) -> bool) -> Option<Wanted<A>> {
        let writing = self.writing.as_ref().map(|work| &work.wanted);
        self.queue.want_again(writing);
        match writing {
            Some(_) => None,
            None => self.queue.next(ready),
        }
    }

    /// Begins to write a box. `work` runs in its own thread.
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

    /// Whether the box that is being written still needs the ring in use.
    /// `None` if no box of that ring is being written.
    pub fn needs_ring(&self) -> Option<bool> {
        let work = self.writing.as_ref()?;
        let of_ring = matches!(work.wanted.held_by, HeldBy::Ring);
        of_ring.then(|| !work.writing.is_copied())
    }

    /// Says that the recorder is told to end. Boxes no longer wait for a node.
    pub fn hurry(&mut self) {
        self.hurried = true;
        self.writing.iter().for_each(|work| work.writing.hurry());
        self.signatures.iter().for_each(Signatures::hurry);
    }

    /// Alerts the operator of a box that nobody asked for. Returns whether it is news.
    /// Call it before the box is noted in a ring.
    pub fn announce(&self, wanted: &Wanted<A>, frozen: &Frozen) -> bool {
        let after = &self.after_freeze;
        wanted.unasked && after.announce(&wanted.boxes, frozen, &self.voice)
    }

    /// Takes the box that was being written, if it is done, and alerts the operator.
    pub fn take_done(&mut self) -> Option<Done<A>> {
        let outcome = self.writing.as_ref()?.writing.outcome()?;
        if let Some(reserve) = &self.reserve {
            let _ = reserve.refill();
        }
        let work = self.writing.take()?;
        let frozen = outcome.as_ref().ok();
        Some(Done {
            is_news: frozen.is_some_and(|frozen| self.announce(&work.wanted, frozen)),
            wanted: work.wanted,
            outcome: outcome.map_err(NotFrozen::from),
            of_former_ring: work.of_former_ring,
        })
    }

    /// Acts on a result: keeps the budget, tells the operator, signs the box, and
    /// starts the operator's command for a box that is news.
    ///
    /// A thread signs, because an agent may hang. The command starts once the
    /// signature is there or has failed.
    ///
    /// After an error, a box that nobody asked for is tried again later, if the
    /// error may pass and its ring is still in use.
    pub fn follow_up(&mut self, done: Done<A>) -> Answer<A> {
        let mut wanted = done.wanted;
        let asked_by = wanted.asked_by.take();
        let mut written = None;
        let told = match done.outcome {
            Ok(frozen) => {
                self.queue.is_frozen(wanted.of);
                let after = &self.after_freeze;
                let message = after.follow_up(&wanted.boxes, &frozen, &self.voice);
                written = Some(frozen);
                Ok(message)
            }
            Err(NotFrozen { why, may_pass }) => Err(NoBox(
                match may_pass && wanted.unasked && !done.of_former_ring {
                    true => format!("{why}; {}", self.queue.postpone(wanted).words()),
                    false => why,
                },
            )),
        };
        match &told {
            Ok(message) => self.voice.tell(message),
            Err(why) => self.voice.tell(&format!("haltbox: NOT FROZEN: {why}\n")),
        }
        let path = written.as_ref().map(|frozen| frozen.path.clone());
        if let Some(frozen) = written {
            self.sign_and_run(frozen, done.is_news);
        }
        Answer {
            asked_by,
            told,
            path,
        }
    }

    /// Signs the box if boxes are signed. Starts the operator's command if `runs`.
    fn sign_and_run(&mut self, frozen: Frozen, runs: bool) {
        let (after, voice) = (self.after_freeze.clone(), Speaker::clone(&self.voice));
        let path = frozen.path.clone();
        let then = move |signature: Option<&Path>| {
            if runs {
                after.run_command(&frozen, signature, &voice);
            }
        };
        match &mut self.signatures {
            Some(signatures) => signatures.sign(path, then),
            None => then(None),
        }
    }
}

#[cfg(test)]
mod tests;
