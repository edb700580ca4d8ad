//! Freezing: copies a block and its history out of the ring into a black box.
//!
//! The freezer reads the ring through its file, as any reader does, and
//! recording goes on meanwhile. The caller has pinned the block before, so the
//! writer does not overwrite it.

mod asking;
pub mod progress;
pub mod reserve;
pub(crate) mod ring_copy;

use haltbox_model::{ShowPath, quote};
use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haltbox_format::attached::AttachedState;
use haltbox_format::blackbox::{BoxError, BoxWriter, Identity, Options};
use haltbox_format::mark::{Attempt, State};
use haltbox_format::ring::{RingError, RingView};
use haltbox_format::{AppHash, BlockHash, BoxName, RingId};
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Block, Finding};
use haltbox_model::{Inputs, Profile};
use thiserror::Error;

use crate::attached;
use crate::blackbox::{self, BoxFolder, Published};
use crate::clock;
use crate::machine;
use crate::owner_only;
pub use asking::{Answered, AskNode, Asking};
use progress::Progress;
use ring_copy::{CopyError, Reading, Scope};

/// What to freeze, and where to.
#[derive(Clone)]
pub struct Plan {
    /// The attempt that the box is about.
    pub of: Attempt,
    /// The reason, in words for the operator.
    pub reason: String,
    /// The folder to write the box into.
    pub boxes: PathBuf,
    /// The profile that says how to read the streams.
    pub profile: Arc<Profile>,
    /// The node's executable. Its fingerprint tells this validator's build from
    /// another's.
    pub node_program: Option<PathBuf>,
    /// The node to ask about the block, if the block diverged.
    pub ask: Option<Arc<dyn AskNode>>,
}

/// A durable box.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// The attempt that the box is about.
    pub of: Attempt,
    /// Path of the box.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// The same box existed before and is unchanged.
    pub existed: bool,
    /// How much history the box has.
    pub reach: Reach,
    /// Why it was frozen.
    pub reason: String,
    /// This node's AppHash.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    pub network: Option<AppHash>,
    /// State of the attempt in the ring.
    pub state: State,
    /// What spoke against the block when the freeze began.
    pub finding: Finding,
    /// The inputs of the block, in short form.
    pub inputs: Inputs,
    /// Why the box lacks some of the node's answers, in words. `None` if it
    /// lacks none.
    pub unanswered: Option<String>,
}

/// How much history a box has beside its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All that the ring has.
    History,
    /// None, because the disk had no room for it.
    NoRoom,
    /// None, because the block came from the archive, which has the history.
    Archived,
}

impl Reach {
    fn of(scope: Scope) -> Reach {
        match scope {
            Scope::Block(_) => Reach::NoRoom,
            Scope::Everything | Scope::Span(..) => Reach::History,
        }
    }
}

impl Frozen {
    /// File name of the box.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Text for the operator to quote: `HEIGHT-HASH app=LOCAL8/NET8`.
    pub fn quote(&self) -> String {
        quote(&self.name(), &self.reason, self.app_hash, self.network)
    }
}

/// Why there is no box.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// The ring cannot be read.
    #[error("the ring {0}")]
    Ring(RingError),
    /// No such height in the ring.
    #[error(
        "height {0} is in neither the ring nor the archive; haltbox ls lists the heights that are"
    )]
    NoBlock(u64),
    /// The archive's file that holds it cannot be used: why.
    #[error("{0}")]
    Archive(String),
    /// The disk is full even for the block alone.
    #[error(
        "the disk of {} is full: only {written} bytes could be written. The ring keeps the \
         evidence; free disk space, then run: haltbox freeze",
        folder.shown()
    )]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// Bytes that could be written.
        written: u64,
    },
    /// The system said no.
    #[error("cannot {doing} {}: {error}", path.shown())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl FreezeError {
    /// Whether a later try may succeed without any change to the ring.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Io { .. })
    }
}

/// Writes the box. If the disk is full, writes the block without its history.
///
/// # Errors
/// The ring cannot be read or does not have the attempt, or the box cannot be
/// written.
pub fn freeze(ring: &File, plan: &Plan) -> Result<Frozen, FreezeError> {
    freeze_beside(ring, plan, None, &Progress::default())
}

/// As [`freeze`], with the marks and log lines of an attached recorder.
///
/// `told` holds the marks, and the lines are beside the ring at `path`. They
/// change the block's state and add to the box. The HASH comes from the ring's
/// records alone.
///
/// # Errors
/// As [`freeze`].
pub fn freeze_attached(
    ring: &File,
    plan: &Plan,
    path: &Path,
    told: &AttachedState,
) -> Result<Frozen, FreezeError> {
    freeze_beside(ring, plan, Some((path, told)), &Progress::default())
}

/// Path of a ring, and the marks of the recorder attached to it.
pub type Beside<'a> = Option<(&'a Path, &'a AttachedState)>;

/// As [`freeze_attached`], with `progress` for a thread that waits for the freeze
/// or wants it to end soon.
///
/// # Errors
/// As [`freeze`].
pub fn freeze_beside(
    ring: &File,
    plan: &Plan,
    beside: Beside<'_>,
    progress: &Progress,
) -> Result<Frozen, FreezeError> {
    let everything = freeze_scope(ring, plan, Scope::Everything, beside, progress);
    if !matches!(everything, Err(FreezeError::NoSpace { .. })) {
        return everything;
    }
    // The disk filled up while the answers of the node were written. Try again
    // without them: history ranks above answers.
    let unasked = Plan {
        ask: None,
        ..plan.clone()
    };
    let again = |scope| {
        progress.reads_ring();
        freeze_scope(ring, &unasked, scope, beside, progress)
    };
    let had_room = progress.is_copied();
    let frozen = match had_room.then(|| again(Scope::Everything)) {
        None | Some(Err(FreezeError::NoSpace { .. })) => again(Scope::Block(plan.of)),
        Some(other) => other,
    };
    frozen.map(|frozen| Frozen {
        unanswered: plan.no_room_for_answers(&frozen),
        ..frozen
    })
}

fn freeze_scope(
    ring: &File,
    plan: &Plan,
    scope: Scope,
    beside: Beside<'_>,
    progress: &Progress,
) -> Result<Frozen, FreezeError> {
    let view = RingView::read(ring).map_err(FreezeError::Ring)?;
    let mut history = History::read(ring, &view).map_err(|e| FreezeError::Ring(e.into()))?;
    let id = view.superblock.map(|superblock| RingId(superblock.uuid));
    let beside = beside.filter(|(_, told)| told.is_of(id));
    if let Some((_, told)) = beside {
        history.life.apply_attached(told, id, history.last.at);
    }
    let subject = history
        .life
        .block(plan.of)
        .ok_or(FreezeError::NoBlock(plan.of.height))?
        .clone();
    // The node answers while the ring is copied.
    let asked = plan.ask_node(&subject);
    let folder = folder_of(&plan.boxes)?;
    let file = folder
        .temporary()
        .map_err(|error| FreezeError::of_io("create a file in", &plan.boxes, error))?;
    let writer = writer_into(&file, identity(plan, &subject, None), &plan.boxes)?;
    let reading = Reading {
        file: ring,
        view: &view,
        history: &history,
        profile: &plan.profile,
    };
    let host = machine::fingerprint(plan.node_program.as_deref());
    let copied = ring_copy::copy(reading, scope, Some(plan.of), host, writer);
    let mut copied = copied.map_err(|error| copy_error(&plan.boxes, error))?;
    if let Some((path, _)) = beside {
        let lines = attached::lines(path, |line, terminated| {
            copied.writer.node(line, terminated)
        });
        lines.map_err(|error| FreezeError::of_box(&plan.boxes, error))?;
    }
    // The node may be slow. From here on the ring may be closed or replaced.
    progress.has_copied();
    let answered = asked.map(|asked| asked.take(&|| progress.is_hurried()));
    for line in answered.iter().flat_map(|answered| &answered.lines) {
        let kept = copied.writer.evidence(line);
        kept.map_err(|error| FreezeError::of_box(&plan.boxes, error))?;
    }
    let identity = Identity {
        evidence: Some(copied.evidence),
        ..identity(plan, &subject, copied.hash)
    };
    let summary = copied.writer.finish(identity.clone(), copied.fields);
    let summary = summary.map_err(|error| FreezeError::of_box(&plan.boxes, error))?;
    let (path, existed) = publish(file, &folder, &plan.boxes, &identity)?;
    Ok(Frozen {
        of: plan.of,
        path,
        bytes: summary.bytes,
        existed,
        reach: Reach::of(scope),
        reason: plan.reason.clone(),
        app_hash: subject.app_hash,
        network: subject.network,
        state: subject.state,
        finding: subject.finding(),
        inputs: copied.inputs,
        unanswered: answered.and_then(|answered| answered.cut),
    })
}

impl Plan {
    fn no_room_for_answers(&self, frozen: &Frozen) -> Option<String> {
        let diverged = frozen.state == State::Diverged;
        let node = self.ask.as_ref().filter(|_| diverged)?;
        Some(format!("the disk has no room for the answers of {node}"))
    }

    /// Begins to ask the node, if the block diverged.
    fn ask_node(&self, subject: &Block) -> Option<Box<dyn Asking>> {
        let diverged = subject.state == State::Diverged;
        let node = self.ask.as_ref().filter(|_| diverged)?;
        Some(node.ask(self.of.height))
    }
}

/// Starts the writer of a box in a file that has no name yet. `boxes` is for
/// error messages.
fn writer_into(
    file: &blackbox::Unpublished<'_>,
    draft: Identity,
    boxes: &Path,
) -> Result<BoxWriter<File>, FreezeError> {
    let options = Options {
        draft,
        ..Options::default()
    };
    let out = file.file().try_clone();
    let out = out.map_err(|error| FreezeError::of_io("write a box in", boxes, error))?;
    BoxWriter::with_thread(out, &options).map_err(|error| FreezeError::of_box(boxes, error))
}

/// Opens the folder of boxes, and creates it if it is missing.
///
/// # Errors
/// The folder cannot be created or opened.
pub fn folder_of(boxes: &Path) -> Result<BoxFolder, FreezeError> {
    owner_only::folder(boxes).map_err(|e| FreezeError::of_io("create", boxes, e))?;
    BoxFolder::open(boxes).map_err(|error| FreezeError::of_io("open", boxes, error))
}

/// Publishes a box under the name in its identity. Returns its path, and
/// whether an equal box existed.
///
/// The same name means the same execution, so an existing box stays. The new
/// box gets the next number if it proves what the others only suspect, if it
/// reaches further back than all of them, or if its AppHashes differ from
/// theirs.
pub(crate) fn publish(
    file: blackbox::Unpublished<'_>,
    folder: &BoxFolder,
    boxes: &Path,
    identity: &Identity,
) -> Result<(PathBuf, bool), FreezeError> {
    let failed = |error| FreezeError::of_io("publish a box in", boxes, error);
    let name = blackbox::FileStem::new(&identity.name);
    let name = name.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let published = publish_as(file, folder, &name, identity).map_err(failed)?;
    Ok(match published {
        Published::As(name) => (boxes.join(name), false),
        Published::AlreadyThere(name) => (boxes.join(name), true),
    })
}

fn publish_as(
    file: blackbox::Unpublished<'_>,
    folder: &BoxFolder,
    name: &blackbox::FileStem,
    identity: &Identity,
) -> io::Result<Published> {
    let there = folder.editions(name)?;
    let of = |edition: &u32| folder.identity(&name.edition(*edition));
    let told = there.iter().map(|edition| (edition, of(edition)));
    // The same execution with another AppHash is another finding. Do not count
    // such boxes.
    let same = told.filter(|(_, there)| there.as_ref().is_none_or(|there| agree(there, identity)));
    let weight = |there: &Option<Identity>| there.as_ref().map_or((None, 0), self::weight);
    match same.max_by_key(|(_, there)| weight(there)) {
        None if there.is_empty() => file.publish(name),
        Some((edition, there)) if self::weight(identity) <= weight(&there) => {
            Ok(Published::AlreadyThere(name.edition(*edition)))
        }
        None | Some(_) => file.publish_next(name),
    }
}

/// Whether no AppHash that both boxes state differs.
fn agree(a: &Identity, b: &Identity) -> bool {
    let agree = |a: Option<AppHash>, b: Option<AppHash>| a.zip(b).is_none_or(|(a, b)| a == b);
    agree(a.app_hash, b.app_hash) && agree(a.network_app_hash, b.network_app_hash)
}

/// Order among boxes of one execution: a settled finding first, then more
/// evidence.
fn weight(identity: &Identity) -> (Option<Finding>, u64) {
    let settled = Finding::of_box(identity).filter(|finding| finding.is_settled());
    (settled, identity.evidence.unwrap_or(0))
}

fn name_of(height: u64, hash: Option<BlockHash>) -> String {
    BoxName {
        height,
        hash,
        serial: NonZeroU32::MIN,
    }
    .to_string()
}

fn identity(plan: &Plan, subject: &Block, hash: Option<BlockHash>) -> Identity {
    Identity {
        name: name_of(plan.of.height, hash),
        height: Some(plan.of.height),
        attempt: Some(plan.of.attempt),
        reason: plan.reason.clone(),
        state: Some(subject.state),
        broken: subject.broken,
        app_hash: subject.app_hash,
        network_app_hash: subject.network,
        profile: plan.profile.name.clone(),
        profile_digest: plan
            .profile
            .slog
            .as_ref()
            .map(|slog| slog.canonical().name_digest()),
        created: clock::rfc3339(clock::now_ms()),
        ..Identity::default()
    }
}

impl FreezeError {
    /// Sorts a full disk or quota from other errors of the system, because
    /// freezing then gives up history.
    pub fn of_io(doing: &'static str, path: &Path, error: io::Error) -> FreezeError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FreezeError::NoSpace {
                folder: path.to_owned(),
                written: 0,
            },
            _ => FreezeError::Io {
                doing,
                path: path.to_owned(),
                error,
            },
        }
    }

    /// The error of a box writer, as an error of this folder.
    pub(crate) fn of_box(folder: &Path, error: BoxError) -> FreezeError {
        match error {
            BoxError::NoSpace { written, .. } => FreezeError::NoSpace {
                folder: folder.to_owned(),
                written,
            },
            other => FreezeError::Io {
                doing: "write a box in",
                path: folder.to_owned(),
                error: io::Error::other(other.to_string()),
            },
        }
    }
}

fn copy_error(folder: &Path, error: CopyError) -> FreezeError {
    match error {
        CopyError::Box(error) => FreezeError::of_box(folder, error),
        CopyError::Ring(error) => FreezeError::Ring(error.into()),
    }
}
