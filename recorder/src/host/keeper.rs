//! The background thread of a host. It freezes diverged blocks, and archives.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use haltbox_format::blackbox::THREAD_STACK;
use haltbox_format::mark::{Attempt, State};
use haltbox_model::lifecycle::Finding;

use super::Shared;
use super::program::Program;
use crate::after_freeze::AfterFreeze;
use crate::archive;
use crate::freeze_request::found_at_start;
use crate::host_threads;
use crate::supervisor::{Brings, Done, Nobody, NotFrozen, Supervisor, Wanted};
use crate::triggers::{Due, Policy};
use crate::voice::Speaker;

/// Time between two looks at the marks.
const LOOK: Duration = Duration::from_millis(250);

/// Settings of the background thread.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// Most bytes of the archive. 0 turns archiving off.
    pub archive_bytes: u64,
    /// Which trouble leads to a freeze, and how soon.
    pub triggers: Policy,
    /// What follows a freeze.
    pub after_freeze: AfterFreeze,
}

/// Handle of the background thread.
pub(super) struct Keeper {
    ending: Mutex<Option<Sender<()>>>,
}

impl Keeper {
    pub(super) fn start(shared: &Arc<Shared>, background: Background) -> io::Result<Keeper> {
        let (ending, asked) = channel();
        let shared = Arc::clone(shared);
        // Read this before the host's first call. From then on the thread
        // learns of blocks by news.
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

    /// Ends the thread after the box that it is writing. Does not wait for it.
    pub(super) fn end(&self) {
        if let Ok(mut ending) = self.ending.lock() {
            *ending = None;
        }
    }
}

struct Work<'a> {
    shared: &'a Shared,
    supervisor: Supervisor,
}

impl Work<'_> {
    fn new(shared: &Shared, background: Background, left: Vec<(Attempt, String)>) -> Work<'_> {
        let Background {
            archive_bytes,
            triggers,
            after_freeze,
        } = background;
        let voice: Speaker = Arc::clone(&shared.messages) as _;
        let mut supervisor = Supervisor::new(shared.boxes(), triggers, after_freeze, voice);
        archive(&mut supervisor, shared, archive_bytes);
        for (of, reason) in left {
            supervisor.want_box(of, Finding::Proved, reason);
        }
        Work { shared, supervisor }
    }

    fn run(mut self, asked: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = asked.recv_timeout(LOOK) {
            self.look();
            while let Some(wanted) = self.supervisor.next(|_| true) {
                self.freeze(wanted);
            }
        }
    }

    /// Takes the news under the lock, and acts on them without it, because the
    /// host records under the same lock.
    fn look(&mut self) {
        let Some((due, recorded)) = self.take_news() else {
            return;
        };
        for due in due {
            let brings = self.supervisor.follow(due);
            self.bring(brings);
        }
        self.supervisor.recorded(recorded);
    }

    /// Takes the news under the lock. Returns the freezes that are due, and the
    /// bytes recorded so far.
    fn take_news(&mut self) -> Option<(Vec<Due>, u64)> {
        let mut open = self.shared.lock()?;
        let open = open.as_mut()?;
        open.take_over();
        open.recorder.end_long_wait(Instant::now());
        for news in open.recorder.take_news() {
            let brings = self.supervisor.hear(news);
            brings.into_iter().for_each(|brings| self.bring(brings));
        }
        let due = self.supervisor.due(open.recorder.life());
        Some((due, open.stats.bytes))
    }

    /// Acts on a decision. Writes no notes: a host's ring has only the host's
    /// records.
    fn bring(&mut self, brings: Brings) {
        match brings {
            Brings::Box(of, finding, reason) => self.supervisor.want_box(of, finding, reason),
            Brings::Note(_) => {}
        }
    }

    /// Freezes an attempt. After an error the block stays pinned, and the next
    /// opening of the ring tries again.
    fn freeze(&mut self, wanted: Wanted<Nobody>) {
        let mut is_news = false;
        let (of, reason) = (wanted.of, wanted.reason.clone());
        let frozen = self.shared.freeze(of, reason, |frozen| {
            is_news = self.supervisor.announce(&wanted, frozen);
        });
        let outcome = frozen.map_err(|error| NotFrozen {
            why: error.to_string(),
            may_pass: false,
        });
        self.supervisor.follow_up(Done {
            wanted,
            outcome,
            of_former_ring: false,
            is_news,
        });
    }
}

/// Diverged blocks that the last session did not freeze, with the reason for
/// each box.
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

fn archive(supervisor: &mut Supervisor, shared: &Shared, budget: u64) {
    let open = shared.lock().filter(|_| budget > 0);
    let Some(ring) = open.and_then(|open| Some(open.as_ref()?.recorder.file())) else {
        return;
    };
    let part = archive::part_of(shared.options.size);
    supervisor.archive(&shared.options.dir, ring, part, |ring| archive::Plan {
        ring,
        old_rings: Vec::new(),
        profile: Arc::clone(&shared.profile),
        node_program: shared.program.as_ref().and_then(Program::unchanged),
        budget,
    });
}
