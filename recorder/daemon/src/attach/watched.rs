//! A host's ring, seen from beside: which of its blocks need a box.

use haltbox_model::ShowPath;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haltbox_format::mark::{Attempt, Position, Session, State};
use haltbox_format::ring::{RingError, RingView};
use haltbox_format::{Lane, RingId};
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Block, Finding, Lifecycle};
use haltbox_model::{Profile, differs};
use thiserror::Error;

use haltbox_recorder::archive::part_of;
use haltbox_recorder::held_boxes::Held;
use haltbox_recorder::machine::machine;
use haltbox_recorder::open_regular;
use haltbox_recorder::ring::file::is_held;
use haltbox_recorder::ring_profile::{RingProfileError, of_ring};

/// An opened ring of a host.
pub(super) struct Watched {
    pub(super) file: File,
    pub(super) profile: Arc<Profile>,
    pub(super) inode: u64,
    /// Main records between two parts of the archive.
    pub(super) part: u64,
    /// Attempts for which a box was wanted, and the finding at that time.
    done: HashSet<(Option<RingId>, Attempt, Finding)>,
    /// Attempts with an unproved mismatch, and since when.
    doubts: Vec<(Attempt, Instant)>,
    /// Whether the host held the ring's lock at the last look, and its session.
    held: bool,
    session: Option<Session>,
}

/// Why a ring cannot be read yet.
#[derive(Debug, Error)]
pub(super) enum Unready {
    #[error("{} does not exist yet", ring.shown())]
    Missing { ring: PathBuf },
    #[error("{}: {error}", ring.shown())]
    Io { ring: PathBuf, error: io::Error },
    #[error("{} {error}", ring.shown())]
    Ring { ring: PathBuf, error: RingError },
    #[error(
        "{} was made on another machine, and no host on this machine writes it (haltbox \
         freeze can read it)",
        ring.shown()
    )]
    OtherMachine { ring: PathBuf },
    #[error("no host has started to record into {} yet", ring.shown())]
    NoSession { ring: PathBuf },
    #[error(transparent)]
    Marks(RingError),
    #[error(transparent)]
    History(io::Error),
    #[error(transparent)]
    Profile(#[from] RingProfileError),
}

impl Watched {
    /// Opens a ring. `asked` is the profile that the operator named; without
    /// one the ring names it.
    pub(super) fn open(path: &Path, asked: Option<&Profile>) -> Result<Watched, Unready> {
        let ring = || path.to_owned();
        let cannot = |error| Unready::Io {
            ring: ring(),
            error,
        };
        let file = open_regular::open(path).map_err(cannot)?;
        let inode = file.metadata().map_err(cannot)?.ino();
        let view = RingView::read(&file).map_err(|error| Unready::Ring {
            ring: ring(),
            error,
        })?;
        if is_from_elsewhere(&view) && !is_held(file.try_clone().map_err(cannot)?) {
            return Err(Unready::OtherMachine { ring: ring() });
        }
        let history = History::read(&file, &view).map_err(Unready::History)?;
        let profile = match asked {
            Some(asked) => asked.clone(),
            None if history.sessions.is_empty() => {
                return Err(Unready::NoSession { ring: ring() });
            }
            None => of_ring(path, &history)?,
        };
        Ok(Watched {
            file,
            inode,
            profile: Arc::new(profile),
            part: between_parts(&view),
            done: HashSet::new(),
            doubts: Vec::new(),
            held: false,
            session: last_session(&history),
        })
    }

    /// Whether this is the file with that inode.
    pub(super) fn is(&self, inode: u64) -> bool {
        self.inode == inode
    }

    /// Attempts that need a box, with the reasons: those that diverged, and
    /// those with an unproved mismatch that lasts for `persist`. The triggers
    /// handle rejected blocks, a few at a time.
    ///
    /// `blocks` has the states by the ring alone. `life` also has what the log
    /// and other nodes reported. The time of a mismatch is counted from
    /// `blocks`, because the triggers count the time of what the log reports.
    pub(super) fn due(
        &mut self,
        blocks: &[Block],
        life: &Lifecycle,
        persist: Duration,
    ) -> Vec<(Attempt, String)> {
        let doubtful = |block: &&Block| block.state == State::Pinned && is_doubted(block);
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
        let due = life.blocks().iter().filter(|block| {
            let wanted = match block.finding() {
                Finding::Proved => true,
                Finding::Doubt => lasts(block.of),
                Finding::Broken | Finding::Nothing => false,
            };
            wanted && block.frozen.is_none()
        });
        due.map(|block| (block.of, reason_of(block))).collect()
    }

    /// The finding about an attempt. `None` if a box was wanted before with the
    /// same finding.
    pub(super) fn news_of(
        &mut self,
        ring: Option<RingId>,
        of: Attempt,
        life: &Lifecycle,
    ) -> Option<Finding> {
        let finding = life.block(of).map_or(Finding::Nothing, Block::finding);
        self.done.insert((ring, of, finding)).then_some(finding)
    }

    /// Name of a box that already has a block. The host's own thread may have
    /// written it, or a recorder that was killed before it noted the box.
    pub(super) fn held(
        &self,
        boxes: &Path,
        view: &RingView,
        block: Option<&Block>,
        at: Position,
    ) -> Option<String> {
        let held = Held::look(boxes, view.superblock.as_ref());
        held.name_of(block?, at.main).map(str::to_owned)
    }

    /// Whether the host's process released the ring since the last look, or
    /// another one opened it.
    pub(super) fn node_ended(&mut self, history: &History) -> bool {
        let held = self.file.try_clone().is_ok_and(is_held);
        let gone = std::mem::replace(&mut self.held, held) && !held;
        let now = last_session(history);
        let again = now.is_some() && now != self.session;
        self.session = now.or(self.session.take());
        gone || again
    }
}

fn last_session(history: &History) -> Option<Session> {
    let last = history.sessions.last();
    last.map(|(_, session)| session.clone())
}

/// The ring's id.
pub(super) fn id_of(view: &RingView) -> Option<RingId> {
    view.superblock.map(|superblock| RingId(superblock.uuid))
}

/// Whether the ring was made on another machine: a copy of another node's ring,
/// or a ring of a host in another container.
fn is_from_elsewhere(view: &RingView) -> bool {
    let made_on = view.superblock.map_or([0; 32], |found| found.machine);
    let here = machine();
    made_on != here && made_on != [0; 32] && here != [0; 32]
}

fn is_doubted(block: &Block) -> bool {
    let hashes = block.app_hash.zip(block.network);
    hashes.is_some_and(|(local, network)| local != network)
}

fn reason_of(block: &Block) -> String {
    let field = block.why.as_deref().unwrap_or("AppHash");
    match block.app_hash.zip(block.network) {
        Some((local, network)) => differs(field, &local, &network),
        None => format!("{field} differs"),
    }
}

/// Main records between two parts of the archive, from the mean size of the
/// records in the ring.
fn between_parts(view: &RingView) -> u64 {
    let runs = &view.lane(Lane::Main).runs;
    let records: u64 = runs.iter().map(|run| run.last - run.first + 1).sum();
    let bytes: u64 = runs.iter().map(|run| (run.to - run.from) as u64).sum();
    let lane = u64::from(view.geometry.main) * u64::from(view.geometry.segment_size);
    let each = bytes.checked_div(records).unwrap_or(300).max(16);
    part_of(lane / each).max(1)
}
