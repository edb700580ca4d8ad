//! The thread that archives while the recorder records.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use haltbox_format::archive_name::hour_of;
use haltbox_format::blackbox::THREAD_STACK;
use haltbox_model::Profile;

use super::copy_released::Pass;
use super::{Archive, ArchiveError, Lock};
use crate::clock;
use crate::host_threads;
use crate::machine;
use crate::voice::Speaker;

/// Time between two looks at the clock, to see whether the hour is over.
const LOOK: Duration = Duration::from_secs(5);
/// The thread's nice value. At 10 it gets a tenth of a core beside a busy node,
/// enough for some 20 MB/s. At 19 it got a sixtieth, and the ring overwrote
/// blocks before they were archived.
const NICE: i32 = 10;
/// How many parts a full ring is archived in. Several, so that records are
/// archived long before the ring overwrites them.
const PARTS: u64 = 6;

/// Bytes to record between two parts of the archive, for a ring that holds
/// `ring` bytes.
pub fn part_of(ring: u64) -> u64 {
    ring / PARTS
}

/// What the thread archives, and how.
pub struct Plan {
    /// The file of the ring in use.
    pub ring: File,
    /// Rings that were renamed because the operator asked for another size. The
    /// thread archives them first.
    pub old_rings: Vec<PathBuf>,
    /// The profile that says how to read the entries.
    pub profile: Arc<Profile>,
    /// The node's executable. Its fingerprint tells this validator's build from
    /// another's.
    pub node_program: Option<PathBuf>,
    /// Most bytes the archive may have.
    pub budget: u64,
}

/// Handle of the thread. Dropping it ends the thread.
///
/// A part that is half written then is not lost: the ring still has its
/// records.
pub struct Archiving {
    wake: SyncSender<()>,
    /// How much is recorded between two wakes.
    part: u64,
    /// How much was recorded at the last wake.
    woken_at: u64,
}

impl Archiving {
    /// Starts the thread for the ring in `dir`.
    ///
    /// `part` is how much is recorded between two parts, in the same unit as
    /// `by_now` of [`Archiving::recorded`]. Returns `None` and reports to
    /// `voice` if the thread cannot start: recording goes on without an
    /// archive.
    pub fn beside(
        dir: &Path,
        ring: io::Result<File>,
        part: u64,
        voice: &Speaker,
        plan: impl FnOnce(File) -> Plan,
    ) -> Option<Archiving> {
        let ring = ring.map_err(|error| error.to_string());
        let started = ring.and_then(|ring| {
            let archive = Archive::open(dir).map_err(|error| error.to_string())?;
            let voice = Speaker::clone(voice);
            let wake = start(archive, plan(ring), voice).map_err(|error| error.to_string())?;
            Ok(Archiving {
                wake,
                part: part.max(1),
                woken_at: 0,
            })
        });
        let told = started.map_err(|error: String| {
            voice.say(&format!("archiving is off: {error}"));
        });
        told.ok()
    }

    /// Tells the thread how much was recorded by now. Wakes it if that is
    /// enough for another part. Never waits.
    pub fn recorded(&mut self, by_now: u64) {
        if by_now.saturating_sub(self.woken_at) < self.part {
            return;
        }
        self.woken_at = by_now;
        match self.wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// Starts the thread. It ends when the sender is dropped.
fn start(archive: Archive, plan: Plan, voice: Speaker) -> io::Result<SyncSender<()>> {
    let (wake, woken) = sync_channel(1);
    let work = move || {
        let _ = rustix::process::setpriority_process(None, NICE);
        let mut worker = Archiver::new(archive, plan, voice);
        worker.begin();
        loop {
            match woken.recv_timeout(LOOK) {
                Ok(()) => worker.work(),
                Err(RecvTimeoutError::Timeout) if worker.hour_is_over() => worker.work(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("haltbox-archive".to_owned())
        .stack_size(THREAD_STACK);
    host_threads::spawn(thread, work).map(|_| wake)
}

/// What the thread does each time it is woken, for whoever has a thread of their own.
pub struct Archiver {
    archive: Archive,
    plan: Plan,
    voice: Speaker,
    host: haltbox_format::blackbox::HostFingerprint,
    /// Taken by the first work that finds the archive unlocked, then kept.
    lock: Option<Lock>,
    /// Position up to which the ring in use is archived, once known.
    done: Option<(haltbox_format::RingId, haltbox_format::mark::Position)>,
    hour: String,
    /// Errors of the last work. The same error is not reported again at each
    /// wake.
    told: Vec<String>,
}

impl Archiver {
    /// Nothing is archived yet.
    pub fn new(archive: Archive, plan: Plan, voice: Speaker) -> Archiver {
        let host = machine::fingerprint(plan.node_program.as_deref());
        Archiver {
            archive,
            plan,
            voice,
            host,
            lock: None,
            done: None,
            hour: String::new(),
            told: Vec::new(),
        }
    }

    /// Archives what the renamed rings still hold, then what the last session
    /// left in this one.
    pub fn begin(&mut self) {
        if let Err(error) = self.take_lock() {
            return self.tell(vec![error]);
        }
        for path in std::mem::take(&mut self.plan.old_rings) {
            let archived = super::open_file(&path).and_then(|ring| {
                let pass = Pass {
                    ring: &ring,
                    profile: &self.plan.profile,
                    host: &self.host,
                };
                self.archive.pass(&pass, None)
            });
            if let Err(error) = archived {
                self.tell(vec![error]);
            }
        }
        self.work();
    }

    fn hour_is_over(&self) -> bool {
        now() != self.hour
    }

    /// Archives what was released since, and joins the hours that are over. Trouble is told.
    pub fn work(&mut self) {
        self.hour = now();
        let trouble = self.try_work().unwrap_or_else(|error| vec![error]);
        self.tell(trouble);
    }

    fn take_lock(&mut self) -> Result<(), ArchiveError> {
        if self.lock.is_none() {
            self.lock = Some(self.archive.lock()?);
        }
        Ok(())
    }

    fn try_work(&mut self) -> Result<Vec<ArchiveError>, ArchiveError> {
        self.take_lock()?;
        let pass = Pass {
            ring: &self.plan.ring,
            profile: &self.plan.profile,
            host: &self.host,
        };
        self.archive.keep_budget(self.plan.budget)?;
        self.archive.check_room()?;
        self.done = self.archive.pass(&pass, self.done)?;
        let trouble = self.archive.join_hours(&self.hour)?;
        self.archive.keep_budget(self.plan.budget)?;
        Ok(trouble)
    }

    fn tell(&mut self, trouble: Vec<ArchiveError>) {
        let trouble: Vec<String> = trouble.iter().map(ArchiveError::to_string).collect();
        for text in trouble.iter().filter(|text| !self.told.contains(text)) {
            self.voice
                .say(&format!("archive: {text}; recording continues"));
        }
        self.told = trouble;
    }
}

fn now() -> String {
    let now = clock::rfc3339(clock::now_ms());
    hour_of(&now).unwrap_or_default().to_owned()
}
