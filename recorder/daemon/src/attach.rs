//! Runs beside a host that writes the ring itself. Freezes and archives,
//! because the host's own threads must not wait for that.
//!
//! The ring is read through its file. Its lock is taken for an instant at most,
//! so the host can open the ring whenever it starts. So nothing can be written
//! into the ring: the folder of boxes shows what was frozen, and a folder of
//! its own has what the node's log and other nodes report.

mod log_and_peers;
mod watched;

use haltbox_model::ShowPath;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use haltbox_format::attached::AttachedState;
use haltbox_format::mark::{Attempt, Position};
use haltbox_format::ring::RingView;
use haltbox_model::Profile;
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Block, Finding};
use thiserror::Error;

use crate::console::{self, say};
use crate::intake::{OpenError, Place};
use crate::rpc;
use crate::service::Service;
use crate::signals::{self, Signals};
use haltbox_recorder::after_freeze::AfterFreeze;
use haltbox_recorder::archive;
use haltbox_recorder::attached::TakeError;
use haltbox_recorder::freeze::{FreezeError, Plan, freeze_beside};
use haltbox_recorder::host::program::Program;
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::signing::Signer;
use haltbox_recorder::supervisor::{Nobody, Supervisor, Wanted};
use haltbox_recorder::triggers::Policy;
use log_and_peers::Beside;
use watched::{Unready, Watched};

/// Time between two looks at the marks.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two reads of the log: the node may cut a file that nobody reads for
/// longer. Also the time between two looks at the marks while something is awaited.
const SOON: Duration = Duration::from_millis(300);
/// Longest delay of the end, for what is still to be frozen.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What to attach to, and how.
pub struct Options {
    /// The host's ring.
    pub ring: PathBuf,
    /// The profile that says how to read the ring's entries. `None` takes the
    /// one that the ring names.
    pub profile: Option<Profile>,
    /// The node's executable. Its digest goes into the boxes.
    pub node_program: Option<PathBuf>,
    /// The node's log: a followed file, or the journal.
    pub node_log: Option<Place>,
    /// The nodes to ask by RPC.
    pub rpc: rpc::Options,
    /// Which trouble leads to a freeze, and how soon.
    pub triggers: Policy,
    /// What follows a freeze.
    pub after_freeze: AfterFreeze,
    /// Who signs the boxes. `None` leaves them unsigned.
    pub signer: Option<Signer>,
    /// Most bytes of the archive. 0 turns archiving off.
    pub archive_bytes: u64,
}

impl Options {
    fn boxes(&self) -> PathBuf {
        RecorderDir::of_ring(&self.ring).boxes()
    }
}

/// Reasons why a recorder cannot attach to a ring, or not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The signals that end it cannot be caught.
    #[error("cannot catch signals: {error}")]
    Signals {
        /// What the system said.
        error: io::Error,
    },
    /// The node's log is a pipe.
    #[error(
        "with --attach, --node-log must be a regular file (or use --journal): a full pipe \
         would block the node between two looks at the ring"
    )]
    Pipe,
    /// The folder beside the ring cannot be taken.
    #[error(transparent)]
    Folder(#[from] TakeError),
    /// The node's log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// Why a look at the ring failed.
enum Trouble {
    /// The next look may succeed.
    Passing(Unready),
    /// No later look can succeed.
    Lasting(AttachError),
}

impl From<Unready> for Trouble {
    fn from(why: Unready) -> Trouble {
        Trouble::Passing(why)
    }
}

/// Watches a ring until a signal ends it. Waits for a ring that does not exist
/// yet.
///
/// # Errors
/// [`AttachError`].
pub fn attach(options: Options) -> Result<(), AttachError> {
    let signals = Signals::catch(&signals::ENDING);
    let mut signals = signals.map_err(|error| AttachError::Signals { error })?;
    refuse_pipe(options.node_log.as_ref())?;
    let mut watcher = Watcher::new(options);
    let mut service = Service::ready();
    while signals.arrived().next().is_none() {
        service.live();
        watcher.turn()?;
        wait(&signals, watcher.pause());
    }
    service.stopping();
    watcher.finish()
}

/// Refuses a pipe as the node's log. This loop reads it only between its looks
/// at the ring, and the node would wait for that.
fn refuse_pipe(log: Option<&Place>) -> Result<(), AttachError> {
    use std::os::unix::fs::FileTypeExt;
    let fifo = |path: &Path| std::fs::metadata(path).is_ok_and(|at| at.file_type().is_fifo());
    match log {
        None | Some(Place::Journal(_)) => Ok(()),
        Some(Place::Path(path)) if !fifo(path) => Ok(()),
        Some(_) => Err(AttachError::Pipe),
    }
}

struct Watcher {
    options: Options,
    supervisor: Supervisor,
    watched: Option<Watched>,
    /// Opened with the first ring, and kept.
    beside: Option<Beside>,
    /// End of the ring's marks at the last look.
    at: Position,
    /// Time of the last look.
    looked: Option<Instant>,
    waiting_told: bool,
    /// Boxes that were written since the last look: the attempt, the box's
    /// name, and the finding when the box was begun.
    boxed: Vec<(Attempt, String, Finding)>,
}

impl Watcher {
    fn new(options: Options) -> Watcher {
        let (policy, after) = (options.triggers, options.after_freeze.clone());
        let mut supervisor = Supervisor::new(options.boxes(), policy, after, console::voice());
        if let Some(signer) = options.signer.clone() {
            supervisor.sign_with(signer);
        }
        Watcher {
            supervisor,
            options,
            watched: None,
            beside: None,
            at: Position::default(),
            looked: None,
            waiting_told: false,
            boxed: Vec::new(),
        }
    }

    fn turn(&mut self) -> Result<(), AttachError> {
        self.take_done();
        if let (Some(watched), Some(beside)) = (&self.watched, &mut self.beside) {
            beside.read(&watched.profile, &mut self.supervisor);
            let lately = self.looked.is_some_and(|at| at.elapsed() < LOOK);
            let pressing = !self.boxed.is_empty()
                || self.supervisor.wants()
                || beside.is_alarmed()
                || beside.has_more();
            if lately && !pressing {
                return Ok(());
            }
        }
        self.looked = Some(Instant::now());
        match self.look() {
            Ok(()) => Ok(()),
            Err(Trouble::Lasting(error)) => Err(error),
            // Say it once, although the next look is in a second.
            Err(Trouble::Passing(why)) => {
                if !std::mem::replace(&mut self.waiting_told, true) {
                    say(&format!("{why}; retrying every second"));
                }
                Ok(())
            }
        }
    }

    fn pause(&self) -> Duration {
        match self.beside.as_ref().is_some_and(Beside::has_more) {
            true => Duration::ZERO,
            false => SOON,
        }
    }

    fn look(&mut self) -> Result<(), Trouble> {
        self.find()?;
        let (Some(watched), Some(beside)) = (&mut self.watched, &mut self.beside) else {
            return Ok(());
        };
        let supervisor = &mut self.supervisor;
        let view = RingView::read_marks(&watched.file).map_err(Unready::Marks)?;
        let history = History::read(&watched.file, &view).map_err(Unready::History)?;
        let (at, ring) = (history.last.at, watched::id_of(&view));
        supervisor.recorded(at.main);
        beside.of_ring(ring);
        let mut life = history.life.clone();
        beside.trust(&mut life);
        life.apply_attached(beside.told(), ring, at);
        let mut wanted = beside.hear(&mut life, at, supervisor);
        // The log ends before the process that wrote it. Hear it first, because
        // it says why.
        if watched.node_ended(&history) {
            supervisor.node_ended();
        }
        for (of, name, knowing) in std::mem::take(&mut self.boxed) {
            // If the finding changed while the box was written, the block needs
            // another box.
            let now = life.block(of).map(Block::finding);
            if now.is_none_or(|now| !now.is_settled() || now <= knowing) {
                beside.frozen(of, name);
            }
        }
        wanted.extend(watched.due(history.life.blocks(), &life, self.options.triggers.time));
        for (of, reason) in wanted {
            if let Some(finding) = watched.news_of(ring, of, &life) {
                supervisor.want_instead(of, finding, reason);
            }
        }
        let stands = std::mem::replace(&mut self.at, at) == at;
        // Save before a box is begun: a kill may come while it is written.
        beside.save(at);
        while let Some(wanted) = supervisor.next(|next| beside.is_drained(next.since, stands)) {
            let held = watched.held(&wanted.boxes, &view, life.block(wanted.of), at);
            match held {
                Some(name) => beside.frozen(wanted.of, name),
                None => write(supervisor, wanted, &self.options, watched, beside.told()),
            }
        }
        beside.save(at);
        Ok(())
    }

    /// Takes the result of the box that was being written.
    fn take_done(&mut self) {
        let Some(done) = self.supervisor.take_done() else {
            return;
        };
        // A new ring in its place does not have this block.
        if let (Ok(frozen), false) = (&done.outcome, done.of_former_ring) {
            let box_of = (done.wanted.of, frozen.name(), frozen.finding);
            self.boxed.push(box_of);
        }
        self.supervisor.follow_up(done);
    }

    fn forget_ring(&mut self) {
        self.watched = None;
        // Boxes of the former ring say nothing about blocks of this one.
        self.boxed.clear();
        self.supervisor.another_ring();
    }

    /// Opens the ring, also if the host put another one in its place.
    fn find(&mut self) -> Result<(), Trouble> {
        let path = self.options.ring.clone();
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget_ring();
                return Err(Unready::Missing { ring: path }.into());
            }
            Err(error) => return Err(Unready::Io { ring: path, error }.into()),
        };
        if self
            .watched
            .as_ref()
            .is_some_and(|watched| watched.is(found.ino()))
        {
            return Ok(());
        }
        let watched = Watched::open(&path, self.options.profile.as_ref())?;
        if self.beside.is_none() {
            let (log, rpc) = (self.options.node_log.as_ref(), &self.options.rpc);
            let beside = Beside::open(&path, log, rpc, &watched.profile);
            self.beside = Some(beside.map_err(Trouble::Lasting)?);
        }
        self.forget_ring();
        self.archive(&watched);
        say(&format!("attached to {}", path.shown()));
        self.waiting_told = false;
        self.watched = Some(watched);
        Ok(())
    }

    fn archive(&mut self, watched: &Watched) {
        let budget = self.options.archive_bytes;
        if budget == 0 {
            return;
        }
        let folder = RecorderDir::of_ring(&self.options.ring).path();
        let (ring, part) = (watched.file.try_clone(), watched.part);
        self.supervisor
            .archive(folder, ring, part, |ring| archive::Plan {
                ring,
                old_rings: Vec::new(),
                profile: watched.profile.clone(),
                node_program: self.options.program(),
                budget,
            });
    }

    /// Writes the boxes that are still wanted, then ends. The node often ends
    /// at the same time, and its last log lines say why.
    fn finish(mut self) -> Result<(), AttachError> {
        let begun = Instant::now();
        self.supervisor.hurry();
        loop {
            self.looked = None;
            self.turn()?;
            let wants = !self.supervisor.is_idle();
            let works = self.supervisor.is_writing() || self.supervisor.is_signing();
            let beside = self.beside.as_ref();
            let drained = beside.is_none_or(|beside| beside.is_drained(begun, true));
            let late = !works && begun.elapsed() >= LAST_WORDS;
            if drained && !wants && !works || late {
                break;
            }
            std::thread::sleep(SOON);
        }
        let at = self.at;
        self.beside.into_iter().for_each(|beside| beside.close(at));
        Ok(())
    }
}

impl Options {
    /// The node's executable: the one that the operator named, else the one
    /// that the host noted.
    fn program(&self) -> Option<PathBuf> {
        let named = self.node_program.clone();
        named.or_else(|| Program::of_folder(RecorderDir::of_ring(&self.ring).path()))
    }
}

/// Begins to write a box from the ring and from what was reported beside it.
fn write(
    supervisor: &mut Supervisor,
    wanted: Wanted<Nobody>,
    options: &Options,
    watched: &Watched,
    told: &AttachedState,
) {
    let plan = Plan {
        of: wanted.of,
        reason: wanted.reason.clone(),
        boxes: wanted.boxes.clone(),
        profile: watched.profile.clone(),
        node_program: options.program(),
        ask: options.rpc.own_node(),
    };
    let (file, ring, told) = (watched.file.try_clone(), options.ring.clone(), told.clone());
    supervisor.write(wanted, move |progress| {
        let cannot = |error| FreezeError::of_io("read the ring for a box in", &plan.boxes, error);
        let file = file.map_err(cannot)?;
        freeze_beside(&file, &plan, Some((&ring, &told)), progress)
    });
}

fn wait(signals: &Signals, pause: Duration) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut waiting = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let pause = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
    let _ = poll(&mut waiting, pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host may replace its ring between the end of a box and the next
    /// look.
    #[test]
    fn a_box_of_a_former_ring_holds_no_block_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            ring: folder.path().join("ring"),
            profile: None,
            node_program: None,
            node_log: None,
            rpc: rpc::Options::default(),
            triggers: Policy::default(),
            after_freeze: AfterFreeze::default(),
            signer: None,
            archive_bytes: 0,
        };
        let mut watcher = Watcher::new(options);
        let of = Attempt {
            height: 7,
            attempt: 1,
        };
        watcher.boxed.push((of, "7-A".to_owned(), Finding::Doubt));
        // The ring is gone now.
        watcher.turn().unwrap();
        assert_eq!(watcher.boxed, []);
    }
}
