//! Reads a ring and judges what it finds, for `haltbox status`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use haltbox_format::attached::AttachedState;
use haltbox_format::mark::{Loss, SourceMark, State};
use haltbox_format::ring::{RingError, RingView};
use haltbox_format::{AppHash, Lane, RingId, Stream};
use haltbox_model::history::History;
use haltbox_model::lifecycle::Block;
use haltbox_model::{Profile, ShowPath};
use thiserror::Error;

use crate::operator::attached::Attached;
use crate::operator::concern::Judging;
use crate::operator::concerns;
use crate::operator::guard;
use crate::operator::source_state::SourceState;
use crate::operator::status::{Attention, Status};
use haltbox_recorder::archive::{ArchiveFile, files_in};
use haltbox_recorder::attached;
use haltbox_recorder::clock;
use haltbox_recorder::held_boxes::in_boxes;
use haltbox_recorder::machine;
use haltbox_recorder::open_regular;
use haltbox_recorder::recorder::resume_points;
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::ring::file::is_held;
use haltbox_recorder::ring_profile::of_ring;

/// There is no ring that can be read.
#[derive(Debug, Error)]
#[error("{} {error}", ring.shown())]
pub struct LookError {
    /// Where the ring should be.
    pub ring: PathBuf,
    /// What is wrong with it.
    pub error: Unseen,
}

/// Why a ring cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unseen {
    /// It cannot be opened.
    #[error("{}", not_opened(.0))]
    NotOpened(io::Error),
    /// It is no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Of the ring or of what is beside it, after the ring was opened.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Looks at a ring, which may be written meanwhile.
///
/// # Errors
/// There is no ring that can be read.
pub fn look(path: &Path) -> Result<Status, LookError> {
    judge(path, &Judging::default())
}

/// Reads a ring, and judges it as asked.
///
/// # Errors
/// There is no ring that can be read.
pub fn judge(path: &Path, judging: &Judging) -> Result<Status, LookError> {
    let ring = RecorderDir::ring_meant(path);
    let cannot = |error| LookError {
        ring: ring.clone(),
        error,
    };
    let found = Found::read(&ring).map_err(cannot)?;
    let dir = RecorderDir::at(ring.parent().unwrap_or(Path::new(".")));
    let archive = files_in(&dir.archive()).map_err(|error| cannot(error.into()))?;
    let sources = resume_points(&found.file, &found.view, &found.history, &machine::boot());
    let (sources, _) = sources.map_err(|error| cannot(error.into()))?;
    let mut status = found.status(ring.clone(), dir, &archive, sources);
    judge_by(&mut status, &found.history, judging);
    Ok(status)
}

/// The content of a ring.
struct Found {
    file: File,
    view: RingView,
    history: History,
    /// The state of the recorder attached to it.
    told: Option<AttachedState>,
    /// Whether the ring alone has no AppHash of any block.
    lacks_app_hash: bool,
    profile: Option<Profile>,
}

impl Found {
    fn read(ring: &Path) -> Result<Found, Unseen> {
        let file = open_regular::open(ring).map_err(Unseen::NotOpened)?;
        let view = RingView::read(&file)?;
        let mut history = History::read(&file, &view)?;
        let lacks_app_hash = lacks_app_hash(&history);
        let told = attached::state(ring);
        if let Some(told) = &told {
            let id = view.superblock.map(|superblock| RingId(superblock.uuid));
            history.life.apply_attached(told, id, history.last.at);
        }
        Ok(Found {
            profile: of_ring(ring, &history).ok(),
            file,
            view,
            history,
            told,
            lacks_app_hash,
        })
    }

    fn heights(&self, wanted: impl Fn(&Block) -> bool) -> impl Iterator<Item = u64> {
        let blocks = self.history.life.blocks().iter();
        let wanted = blocks.filter(move |block| wanted(block));
        wanted.map(|block| block.of.height)
    }

    /// The status before it is judged.
    fn status(
        &self,
        ring: PathBuf,
        dir: RecorderDir<'_>,
        archive: &[ArchiveFile],
        sources: Vec<SourceMark>,
    ) -> Status {
        let Found { view, history, .. } = self;
        let in_boxes = in_boxes(dir.path(), view, history);
        let confirmed = self.heights(|b| b.state == State::Confirmed).max();
        let main = view.lane(Lane::Main);
        let first = main.first_counter().unwrap_or(0);
        let in_ring: BTreeSet<u64> = self.heights(|b| b.from.main >= first).collect();
        let oldest = in_ring.first().copied();
        let archived = archive.iter().map(|file| file.name.first).min();
        let (profile, told) = (self.profile.as_ref(), self.told.as_ref());
        let troubled = in_boxes.iter().filter(|b| needs_attention(b, confirmed));
        Status {
            needs_attention: false,
            concerns: Vec::new(),
            last_block: None,
            last_block_ms: history.pace.progress_ms(),
            looks_for_blocks: profile.is_none_or(Profile::tells_of_blocks),
            last_block_seconds: None,
            max_block_seconds: 0,
            archived: archive.iter().map(|file| file.name.last).max(),
            sources: source_states(sources, history, profile),
            attached: told.map(|told| Attached::of(&ring, told, profile)),
            lacks_app_hash: self.lacks_app_hash,
            version: 1,
            bytes: view.length,
            recording: self.file.try_clone().is_ok_and(is_held),
            closed: history.closed,
            sessions: history.sessions.len(),
            pid: history.sessions.last().map(|(_, session)| session.pid),
            last_mark: clock::rfc3339(history.last.time_ms),
            last_mark_ms: history.last.time_ms,
            head: self.heights(|_| true).max(),
            confirmed,
            oldest,
            obtainable: archived.into_iter().chain(oldest).min(),
            archive_files: archive.len() as u64,
            archive_bytes: archive.iter().map(|file| file.bytes).sum(),
            attention: troubled.map(attention).collect(),
            guard: guard::holds(dir.path(), &in_boxes).next(),
            records: main.runs.iter().map(|run| run.last - run.first + 1).sum(),
            lost: lost(history, |_| true),
            dropped: lost(history, |loss| loss.dropped),
            blocks: in_ring.len() as u64,
            last_frozen: last_frozen(dir),
            boxes: dir.box_names(),
            ring,
        }
    }
}

fn not_opened(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "does not exist: nothing was recorded here yet; start the \
                                recorder: systemctl start haltbox, or haltbox record --dir ..."
            .to_owned(),
        _ => format!("cannot be opened: {error}"),
    }
}

/// `haltbox run` offers a slog to every node. A node whose profile has no rules
/// for it misses nothing.
fn source_states(
    sources: Vec<SourceMark>,
    history: &History,
    profile: Option<&Profile>,
) -> Vec<SourceState> {
    let all = history.followed.is_empty();
    let states = sources.into_iter().map(|mark| SourceState {
        is_followed: all || history.followed.contains(&mark.stream),
        is_read: profile.is_none_or(|profile| match mark.stream {
            Stream::Slog => profile.slog.is_some(),
            Stream::Node => profile.node.is_some(),
        }),
        ..SourceState::of(mark)
    });
    states.collect()
}

fn lost(history: &History, counts: impl Fn(&Loss) -> bool) -> u64 {
    let losses = history.losses.iter().map(|(_, loss)| loss);
    losses
        .filter(|loss| counts(loss))
        .map(|loss| loss.records)
        .sum()
}

/// The time of the newest box. A box is never written again, so the file's time
/// is that of its freeze.
fn last_frozen(dir: RecorderDir<'_>) -> Option<u64> {
    let times = dir.box_names().into_iter().filter_map(|name| {
        let found = std::fs::metadata(dir.boxes().join(name)).ok()?;
        u64::try_from(found.mtime()).ok()
    });
    times.max()
}

/// Whether blocks were committed, and the ring has the AppHash of none.
fn lacks_app_hash(history: &History) -> bool {
    let blocks = || history.life.blocks().iter();
    blocks().any(|block| block.committed.any()) && blocks().all(|block| block.app_hash.is_none())
}

/// A divergence in a box is over once the network agreed with a later block:
/// the node has recovered.
fn needs_attention(block: &Block, confirmed: Option<u64>) -> bool {
    let over = block.frozen.is_some() && confirmed.is_some_and(|height| height > block.of.height);
    matches!(block.state, State::Pinned | State::Diverged) && !over
}

fn attention(block: &Block) -> Attention {
    Attention {
        height: block.of.height,
        attempt: block.of.attempt,
        state: block.state,
        why: block.why.clone(),
        frozen: block.frozen.clone(),
        quote: block
            .frozen
            .as_ref()
            .map(|name| name.clone() + &hashes(block)),
        app_hash: block.app_hash,
        network_app_hash: block.network,
    }
}

/// What the operator quotes after the name, if the hashes are known.
fn hashes(block: &Block) -> String {
    let short = |hash: Option<AppHash>| hash.map_or("unknown".to_owned(), |hash| hash.short());
    // For another field than the AppHash, the box has both values.
    let field = block.why.as_deref().filter(|why| *why != "AppHash");
    if let (State::Diverged, Some(field), None) = (block.state, field, block.network) {
        return format!(" {field} differs");
    }
    match (block.app_hash, block.network) {
        (None, None) => String::new(),
        (own, network) => format!(" app={}/{}", short(own), short(network)),
    }
}

fn judge_by(status: &mut Status, history: &History, judging: &Judging) {
    let age = |then| clock::now_ms().saturating_sub(then) / 1000;
    status.last_block = status.last_block_ms.map(clock::rfc3339);
    status.last_block_seconds = status.last_block_ms.map(age);
    let longest = judging.max_block_age;
    let longest = longest.unwrap_or_else(|| concerns::max_block_age(history));
    status.max_block_seconds = longest.as_secs();
    status.concerns = concerns::of(status, history, judging);
    status.needs_attention = !(status.attention.is_empty() && status.concerns.is_empty());
}
