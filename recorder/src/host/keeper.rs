//! The thread a host may ask for: freezes what diverged, and archives.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use haltbox_format::blackbox::THREAD_STACK;
use haltbox_format::mark::{Attempt, State};

use super::Shared;
use super::program::Program;
use crate::after_freeze::{self, AfterFreeze};
use crate::archive::{self, Archiving};
use crate::freeze_request::found_at_start;
use crate::halt_message;
use crate::host_threads;
use crate::recorder::News;
use crate::triggers::{Due, Policy, Triggers};

/// How often the marks are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Parts of a ring's bytes that are recorded between two parts of the archive.
const ARCHIVED_IN: u64 = 6;

/// What the thread does.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// Bytes the archive may have; 0 for none.
    pub archive_bytes: u64,
    /// When trouble becomes a freeze.
    pub triggers: Policy,
    /// What a durable box brings about.
    pub after_freeze: AfterFreeze,
}

/// The thread, seen from the host.
pub(super) struct Keeper {
    ending: Mutex<Option<Sender<()>>>,
}

impl Keeper {
    pub(super) fn start(shared: &Arc<Shared>, background: Background) -> io::Result<Keeper> {
        let (ending, asked) = channel();
        let shared = Arc::clone(shared);
        // Before the host's first call, whose news the thread hears.
        let left = left_unfrozen(&shared);
        let thread = std::thread::Builder::new()
            .name("haltbox-keeper".to_owned())
            .stack_size(THREAD_STACK);
        host_threads::spawn(thread, move || {
            Work::new(&shared, background, left).run(&asked)
        })?;
        Ok(Keeper {
            ending: Mutex::new(Some(ending)),
        })
    }

    /// Ends it once what it is writing is written. Does not wait for that.
    pub(super) fn end(&self) {
        if let Ok(mut ending) = self.ending.lock() {
            *ending = None;
        }
    }
}

struct Work<'a> {
    shared: &'a Shared,
    background: Background,
    triggers: Triggers,
    archiving: Option<Archiving>,
    /// Bytes recorded when the archive was woken last.
    archived_at: u64,
    wanted: Vec<(Attempt, String)>,
}

impl Work<'_> {
    fn new(shared: &Shared, background: Background, wanted: Vec<(Attempt, String)>) -> Work<'_> {
        Work {
            triggers: Triggers::new(background.triggers),
            archiving: archive(shared, background.archive_bytes),
            archived_at: 0,
            wanted,
            shared,
            background,
        }
    }

    fn run(mut self, asked: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = asked.recv_timeout(LOOK) {
            self.look();
            for (of, reason) in std::mem::take(&mut self.wanted) {
                self.freeze(of, reason);
            }
        }
    }

    /// Takes the news, and follows them up without the lock: the host records through it.
    fn look(&mut self) {
        let Some((due, recorded)) = self.take_news() else {
            return;
        };
        due.into_iter().for_each(|due| self.bring(due));
        if recorded - self.archived_at >= self.shared.options.size / ARCHIVED_IN {
            self.archived_at = recorded;
            self.archiving.iter().for_each(Archiving::wake);
        }
    }

    /// What is due, and how much is recorded.
    fn take_news(&mut self) -> Option<(Vec<Due>, u64)> {
        let mut open = self.shared.lock()?;
        let open = open.as_mut()?;
        open.take_over();
        for news in open.recorder.take_news() {
            match news {
                // It may be among what the last session left.
                News::Diverged(diverged) if self.is_wanted(diverged.of) => {}
                News::Diverged(diverged) => {
                    let (field, local) = (diverged.field, diverged.local);
                    let network = diverged.network;
                    let reason =
                        format!("{field} differs, this node has {local}, the network {network}");
                    self.wanted.push((diverged.of, reason));
                }
                News::Trouble(event, of) => self.triggers.hear(&event, of, Instant::now()),
                News::NodeStarted => self.triggers.node_ended(),
                News::Pinned(_)
                | News::Lost(_)
                | News::Farewell(_)
                | News::Unread(..)
                | News::SlogUnread(..)
                | News::SlogRead => {}
            }
        }
        let due = self.triggers.due(open.recorder.life(), Instant::now());
        Some((due, open.stats.bytes))
    }

    fn bring(&mut self, due: Due) {
        let boxes = self.shared.boxes();
        // Without the file the message says it still.
        let (message, _) = match due {
            Due::Box { of, reason } => return self.wanted.push((of, reason)),
            Due::Held { of, name, reason } => (
                halt_message::held(of.height, &name, &reason),
                after_freeze::alert_of_held(&boxes, of.height, &name, &reason),
            ),
            Due::Unrecorded { reason } => (
                halt_message::without_a_box(&reason),
                after_freeze::alert_without_a_box(&boxes, &reason),
            ),
        };
        self.shared.messages.put(message);
    }

    fn is_wanted(&self, of: Attempt) -> bool {
        self.wanted.iter().any(|(wanted, _)| *wanted == of)
    }

    /// One that fails stays pinned, and is tried again at the next opening.
    fn freeze(&self, of: Attempt, reason: String) {
        let after = &self.background.after_freeze;
        let message = match self.shared.freeze(of, reason) {
            Ok(frozen) => after.follow_up(&self.shared.boxes(), &frozen, true),
            Err(error) => format!("haltbox: NOT FROZEN: {error}\n"),
        };
        self.shared.messages.put(message);
    }
}

/// What the last session meant to freeze.
fn left_unfrozen(shared: &Shared) -> Vec<(Attempt, String)> {
    let open = shared.lock();
    let recorder = open
        .as_deref()
        .and_then(Option::as_ref)
        .map(|open| &open.recorder);
    let blocks = recorder.map_or(&[][..], |recorder| recorder.life().blocks());
    let owed = blocks
        .iter()
        .filter(|block| block.state == State::Diverged && block.frozen.is_none());
    owed.map(|block| (block.of, found_at_start(block)))
        .collect()
}

fn archive(shared: &Shared, budget: u64) -> Option<Archiving> {
    (budget > 0).then_some(())?;
    let ring = shared.lock()?.as_ref()?.recorder.file();
    Archiving::beside(&shared.options.dir, ring, |ring| archive::Plan {
        ring,
        old_rings: Vec::new(),
        profile: Arc::clone(&shared.profile),
        node_program: shared.program.as_ref().and_then(Program::unchanged),
        budget,
    })
}
