//! Beside a host that writes the ring itself: what the host's own threads must
//! not do is done here, freezing and archiving.
//!
//! The ring is read through its file, never locked, so that the host finds it
//! free whenever it starts. Therefore nothing can be noted in it: whether a
//! block was frozen is told by the folder of boxes.

use haltbox_format::ShowPath;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haltbox_format::lifecycle::{Block, State};
use haltbox_format::mark::Attempt;
use haltbox_format::ring::{History, RingView};
use haltbox_format::{Lane, Profile, RingId};

use crate::archive::{self, Archiving};
use crate::freeze::{self, Plan};
use crate::operator::after_freeze::AfterFreeze;
use crate::operator::message::{self, say};
use crate::operator::status::is_held;
use crate::regular;
use crate::ring::machine::machine;
use crate::ring_profile::of_ring;
use crate::service::Service;
use crate::signals::{self, Signals};

/// How often the marks are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Parts of the main lane that are recorded between two parts of the archive.
const ARCHIVED_IN: u64 = 6;

/// What to attach to, and how.
pub struct Options {
    /// The host's ring.
    pub ring: PathBuf,
    /// How its entries are read; by default as the host says in its ring.
    pub profile: Option<Profile>,
    /// The node's executable, whose digest goes into the boxes.
    pub node_program: Option<PathBuf>,
    /// How long a mismatch that is not proved has to last.
    pub persist: Duration,
    /// What a durable box brings about.
    pub after_freeze: AfterFreeze,
    /// Bytes the archive may have; 0 for none.
    pub archive_bytes: u64,
}

/// Watches a ring until a signal ends it.
///
/// # Errors
/// What keeps it from beginning. A ring that is not there yet is waited for.
pub fn attach(options: Options) -> Result<(), String> {
    let signals = Signals::catch(&signals::ENDING);
    let mut signals = signals.map_err(|error| format!("cannot catch signals: {error}"))?;
    let mut watcher = Watcher {
        options,
        watched: None,
        waiting_told: false,
    };
    let mut service = Service::ready();
    while signals.arrived().next().is_none() {
        service.live();
        if let Err(error) = watcher.look() {
            watcher.trouble(&error);
        }
        wait(&signals);
    }
    service.stopping();
    Ok(())
}

struct Watcher {
    options: Options,
    watched: Option<Watched>,
    waiting_told: bool,
}

/// A ring that was found.
struct Watched {
    file: File,
    inode: u64,
    profile: Arc<Profile>,
    archiving: Option<Archiving>,
    /// Attempts that a box was written of, or tried to.
    done: HashSet<(Option<RingId>, Attempt)>,
    /// Since when a mismatch is seen that is not proved.
    doubts: Vec<(Attempt, Instant)>,
    /// Main records between two parts of the archive, and where the last was.
    records: u64,
    archived_at: u64,
}

impl Watcher {
    fn look(&mut self) -> Result<(), String> {
        self.find()?;
        let Some(watched) = &mut self.watched else {
            return Ok(());
        };
        let view = RingView::read_marks(&watched.file).map_err(|error| error.to_string())?;
        let history = History::read(&watched.file, &view).map_err(|error| error.to_string())?;
        watched.wake(history.last.at.main);
        let ring = view.superblock.map(|superblock| RingId(superblock.uuid));
        for (of, reason) in watched.due(history.life.blocks(), self.options.persist) {
            if watched.done.insert((ring, of)) {
                freeze(&self.options, &watched.profile, &watched.file, of, reason);
            }
        }
        Ok(())
    }

    /// Opens the ring, again if the host put another in its place.
    fn find(&mut self) -> Result<(), String> {
        let path = &self.options.ring;
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.watched = None;
                return Err(format!("{} is not there yet", path.shown()));
            }
            Err(error) => return Err(format!("{}: {error}", path.shown())),
        };
        let same = |watched: &Watched| watched.inode == found.ino();
        if self.watched.as_ref().is_some_and(same) {
            return Ok(());
        }
        let cannot = |error: io::Error| format!("{}: {error}", path.shown());
        let file = regular::open(path).map_err(cannot)?;
        let view = RingView::read(&file).map_err(|error| format!("{} {error}", path.shown()))?;
        if is_from_elsewhere(&view) && !is_held(file.try_clone().map_err(cannot)?) {
            return Err(format!(
                "{} was made on another machine, and no host writes it here (haltbox freeze \
                 reads it)",
                path.shown()
            ));
        }
        let history = History::read(&file, &view).map_err(|error| error.to_string())?;
        let profile = match &self.options.profile {
            Some(asked) => asked.clone(),
            None if history.sessions.is_empty() => {
                return Err(format!("{} is not begun yet", path.shown()));
            }
            None => of_ring(path, &history)?,
        };
        let profile = Arc::new(profile);
        say(&format!("attached to {}", path.shown()));
        self.waiting_told = false;
        self.watched = Some(Watched {
            archiving: self.archive(&file, &profile),
            profile,
            inode: found.ino(),
            file,
            done: HashSet::new(),
            doubts: Vec::new(),
            records: between_parts(&view),
            archived_at: 0,
        });
        Ok(())
    }

    fn archive(&self, ring: &File, profile: &Arc<Profile>) -> Option<Archiving> {
        (self.options.archive_bytes > 0).then_some(())?;
        Archiving::beside(folder_of(&self.options.ring), ring.try_clone(), |ring| {
            archive::Plan {
                ring,
                old_rings: Vec::new(),
                profile: Arc::clone(profile),
                node_program: self.options.node_program.clone(),
                budget: self.options.archive_bytes,
            }
        })
    }

    /// Told once: it is looked again every second.
    fn trouble(&mut self, text: &str) {
        if !std::mem::replace(&mut self.waiting_told, true) {
            say(&format!("{text}; waiting for it"));
        }
    }
}

impl Watched {
    fn wake(&mut self, at: u64) {
        if at.saturating_sub(self.archived_at) >= self.records {
            self.archived_at = at;
            self.archiving.iter().for_each(Archiving::wake);
        }
    }

    /// Attempts that a box is wanted of: those that diverged, and those whose
    /// mismatch is not proved but lasts.
    fn due(&mut self, blocks: &[Block], persist: Duration) -> Vec<(Attempt, String)> {
        let doubtful = |block: &&Block| block.state == State::Pinned && differs(block);
        let doubted: Vec<Attempt> = blocks.iter().filter(doubtful).map(|b| b.of).collect();
        self.doubts.retain(|(of, _)| doubted.contains(of));
        for of in doubted {
            if self.doubts.iter().all(|(known, _)| *known != of) {
                self.doubts.push((of, Instant::now()));
            }
        }
        let lasts = |of: Attempt| {
            let mut doubts = self.doubts.iter();
            doubts.any(|(known, since)| *known == of && since.elapsed() >= persist)
        };
        let due = blocks.iter().filter(|block| {
            let wanted = block.state == State::Diverged || lasts(block.of);
            wanted && block.frozen.is_none()
        });
        due.map(|block| (block.of, reason_of(block))).collect()
    }
}

/// A copy of another node's ring, or one of a host in another container.
fn is_from_elsewhere(view: &RingView) -> bool {
    let made_on = view.superblock.map_or([0; 32], |found| found.machine);
    let here = machine();
    made_on != here && made_on != [0; 32] && here != [0; 32]
}

fn differs(block: &Block) -> bool {
    let hashes = block.app_hash.zip(block.network);
    hashes.is_some_and(|(local, network)| local != network)
}

fn reason_of(block: &Block) -> String {
    let field = block.why.as_deref().unwrap_or("AppHash");
    match block.app_hash.zip(block.network) {
        Some((local, network)) => {
            format!("{field} differs, this node has {local}, the network {network}")
        }
        None => format!("{field} differs"),
    }
}

/// A sixth of the records that fit the main lane, by the size of those there.
fn between_parts(view: &RingView) -> u64 {
    let runs = &view.lane(Lane::Main).runs;
    let records: u64 = runs.iter().map(|run| run.last - run.first + 1).sum();
    let bytes: u64 = runs.iter().map(|run| (run.to - run.from) as u64).sum();
    let lane = u64::from(view.geometry.main) * u64::from(view.geometry.segment_size);
    let each = bytes.checked_div(records).unwrap_or(300).max(16);
    (lane / each / ARCHIVED_IN).max(1)
}

fn folder_of(ring: &Path) -> &Path {
    let parent = ring.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn freeze(options: &Options, profile: &Arc<Profile>, ring: &File, of: Attempt, reason: String) {
    let boxes = folder_of(&options.ring).join("boxes");
    say(&format!("height {}: {reason}", of.height));
    let plan = Plan {
        of,
        reason,
        boxes,
        profile: Arc::clone(profile),
        node_program: options.node_program.clone(),
    };
    match freeze::freeze(ring, &plan) {
        Ok(frozen) => {
            let told = options.after_freeze.follow_up(&plan.boxes, &frozen, true);
            message::tell(&told);
        }
        Err(error) => say(&format!("NOT FROZEN: {error}")),
    }
}

fn wait(signals: &Signals) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut waiting = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let look = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
    let _ = poll(&mut waiting, look);
}
