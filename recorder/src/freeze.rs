//! Freezing: copying what matters out of the ring into a black box.
//!
//! The ring is read through its file, as any reader does, so that recording
//! goes on meanwhile. What must not be lost is protected by then.

mod asking;
pub mod progress;
pub mod reserve;
pub(crate) mod ring_copy;

use haltbox_model::{ShowPath, quote};
use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haltbox_format::attached::Told;
use haltbox_format::blackbox::{BoxError, BoxWriter, Identity, Options};
use haltbox_format::mark::{Attempt, State};
use haltbox_format::ring::{RingError, RingView};
use haltbox_format::{AppHash, BlockHash, BoxName, RingId};
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Block, Finding};
use haltbox_model::{Inputs, Profile};

use crate::attached;
use crate::blackbox::{self, BoxFolder, Published};
use crate::clock;
use crate::machine;
use crate::owner_only;
pub use asking::{Answered, AskNode, Asking};
use progress::Progress;
use ring_copy::{CopyError, Reading, Scope};

/// What to freeze.
#[derive(Clone)]
pub struct Plan {
    /// The attempt the box is about.
    pub of: Attempt,
    /// Why, in words for the operator.
    pub reason: String,
    /// Folder to write the box to.
    pub boxes: PathBuf,
    /// How the streams are read.
    pub profile: Arc<Profile>,
    /// The node's executable, to be told apart from another validator's.
    pub node_program: Option<PathBuf>,
    /// The node, which is asked about a block that diverged.
    pub ask: Option<Arc<dyn AskNode>>,
}

/// A box that is durable.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// The attempt it is about.
    pub of: Attempt,
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// The file was there already and was left as it was.
    pub existed: bool,
    /// How much is in it.
    pub reach: Reach,
    /// Why it was frozen.
    pub reason: String,
    /// This node's AppHash.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    pub network: Option<AppHash>,
    /// The attempt's state in the ring.
    pub state: State,
    /// What was known against it when the box was begun.
    pub finding: Finding,
    /// What it was given, in short.
    pub inputs: Inputs,
    /// Why not everything is in it that its node was to be asked, in words.
    pub unanswered: Option<String>,
}

/// How much a box holds beside the block it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All that the ring held.
    History,
    /// Nothing: the disk had no room for more.
    NoRoom,
    /// Nothing: the block came out of the archive, where its history is.
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

    /// What the operator quotes: `HEIGHT-HASH app=LOCAL8/NET8`.
    pub fn quote(&self) -> String {
        quote(&self.name(), &self.reason, self.app_hash, self.network)
    }
}

/// Why there is no box.
#[derive(Debug)]
pub enum FreezeError {
    /// The ring cannot be read.
    Ring(RingError),
    /// No such height in the ring.
    NoBlock(u64),
    /// The archive's file that holds it cannot be used: why.
    Archive(String),
    /// The disk is full even for the block alone.
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// Bytes that could be written.
        written: u64,
    },
    /// The system said no.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(error) => write!(f, "the ring {error}"),
            Self::NoBlock(height) => write!(
                f,
                "height {height} is in neither the ring nor the archive; haltbox ls lists the \
                 heights that are"
            ),
            Self::Archive(why) => f.write_str(why),
            Self::NoSpace { folder, written } => write!(
                f,
                "the disk of {} is full: only {written} bytes could be written. The ring keeps \
                 the evidence; free disk space, then run: haltbox freeze",
                folder.shown()
            ),
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.shown())
            }
        }
    }
}

impl std::error::Error for FreezeError {}

impl FreezeError {
    /// It may work later, without anybody having changed the ring.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Io { .. })
    }
}

/// Writes the box. On a full disk first history is given up, never the block.
pub fn freeze(ring: &File, plan: &Plan) -> Result<Frozen, FreezeError> {
    freeze_beside(ring, plan, None, &Progress::default())
}

/// The same, with what is told beside the ring at `path`: judged by it, and with the
/// lines of the node's log that are kept there. The HASH is of the ring's records
/// alone.
pub fn freeze_told(
    ring: &File,
    plan: &Plan,
    path: &Path,
    told: &Told,
) -> Result<Frozen, FreezeError> {
    freeze_beside(ring, plan, Some((path, told)), &Progress::default())
}

/// A ring's path, and what is told beside it.
pub type Beside<'a> = Option<(&'a Path, &'a Told)>;

/// The same, while somebody follows how far it is.
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
    // What a node answers must not cost the history.
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
        history.life.apply_told(told, id, history.last.at);
    }
    let subject = history
        .life
        .block(plan.of)
        .ok_or(FreezeError::NoBlock(plan.of.height))?
        .clone();
    // It answers while the ring is copied.
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
    // A node may let itself be waited for: the ring is not needed for that.
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

    /// Where a block diverged, its node is asked what it still tells.
    fn ask_node(&self, subject: &Block) -> Option<Box<dyn Asking>> {
        let diverged = subject.state == State::Diverged;
        let node = self.ask.as_ref().filter(|_| diverged)?;
        Some(node.ask(self.of.height))
    }
}

/// A writer of a box that is not published yet, which goes into `boxes`.
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

/// The folder of boxes, made if it is not there.
pub fn folder_of(boxes: &Path) -> Result<BoxFolder, FreezeError> {
    owner_only::folder(boxes).map_err(|e| FreezeError::of_io("create", boxes, e))?;
    BoxFolder::open(boxes).map_err(|error| FreezeError::of_io("open", boxes, error))
}

/// Publishes a box under the name in its identity; gives the file, and whether
/// one was there already.
///
/// The same name means the same execution, so what is there stays; a box that
/// proves what the others doubt, or that reaches further back than every one there
/// is, stands beside them under the next number.
pub(crate) fn publish(
    file: blackbox::Unpublished<'_>,
    folder: &BoxFolder,
    boxes: &Path,
    identity: &Identity,
) -> Result<(PathBuf, bool), FreezeError> {
    let failed = |error| FreezeError::of_io("publish a box in", boxes, error);
    let name = blackbox::BoxName::new(&identity.name);
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
    name: &blackbox::BoxName,
    identity: &Identity,
) -> io::Result<Published> {
    let there = folder.editions(name)?;
    let of = |edition: &u32| folder.identity(&name.edition(*edition));
    let told = there.iter().map(|edition| (edition, of(edition)));
    // What was executed twice alike and gave other AppHashes is another finding.
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

/// Neither tells another AppHash than the other.
fn agree(a: &Identity, b: &Identity) -> bool {
    let agree = |a: Option<AppHash>, b: Option<AppHash>| a.zip(b).is_none_or(|(a, b)| a == b);
    agree(a.app_hash, b.app_hash) && agree(a.network_app_hash, b.network_app_hash)
}

/// What is known for good weighs more than a doubt, and then the one that reaches
/// further back.
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
    /// A full disk has its own way out.
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

    /// What kept a box from being written into a folder.
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
