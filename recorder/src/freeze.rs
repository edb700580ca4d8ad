//! Freezing: copying what matters out of the ring into a black box.
//!
//! The ring is read through its file, as any reader does, so that recording
//! goes on meanwhile. What must not be lost is protected by then.

use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haltbox_format::blackbox::{
    BlockFacts, BoxError, BoxSummary, BoxWriter, Coverage, HostFingerprint, Identity,
    ManifestFields, Missing, Options, Span,
};
use haltbox_format::lifecycle::{Block, State};
use haltbox_format::mark::{Attempt, Mark, Stamp};
use haltbox_format::ring::{Entry, History, Hole, Line, RingError, RingView, Timeline};
use haltbox_format::{AppHash, BlockHash, BlockHasher, BoxName, Digest, Lane, Profile, Stream};
use sha2::{Digest as _, Sha256};

use crate::blackbox::{self, BoxFolder, Published};
use crate::clock;

/// What to freeze.
#[derive(Clone)]
pub struct Plan {
    /// The attempt the box is about.
    pub of: Attempt,
    /// Why, in words for the operator.
    pub reason: String,
    /// Folder the box goes to.
    pub boxes: PathBuf,
    /// How the streams are read.
    pub profile: Arc<Profile>,
    /// The node's executable, to be told apart from another validator's.
    pub node_program: Option<PathBuf>,
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
    /// Only the block itself fitted the disk.
    pub block_only: bool,
    /// Why it was frozen.
    pub reason: String,
    /// This node's AppHash.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    pub network: Option<AppHash>,
    /// The attempt's state in the ring.
    pub state: State,
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
        let short = |hash: Option<AppHash>| hash.map_or("unknown".to_owned(), |hash| hash.short());
        format!(
            "{} app={}/{}",
            self.name(),
            short(self.app_hash),
            short(self.network)
        )
    }
}

/// Why there is no box.
#[derive(Debug)]
pub enum FreezeError {
    /// The ring cannot be read.
    Ring(RingError),
    /// No such height in the ring.
    NoBlock(u64),
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
                "nothing of height {height} is in the ring; haltbox ls lists the heights that are"
            ),
            Self::NoSpace { folder, written } => write!(
                f,
                "the disk of {} is full: {written} bytes could be written. The ring keeps the \
                 evidence; free some room and run: haltbox freeze",
                folder.display()
            ),
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for FreezeError {}

/// How much of the ring goes into the box.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Block,
}

/// Writes the box. On a full disk first history is given up, never the block.
pub fn freeze(ring: &File, plan: &Plan) -> Result<Frozen, FreezeError> {
    match freeze_scope(ring, plan, Scope::Everything) {
        Err(FreezeError::NoSpace { .. }) => freeze_scope(ring, plan, Scope::Block),
        other => other,
    }
}

fn freeze_scope(ring: &File, plan: &Plan, scope: Scope) -> Result<Frozen, FreezeError> {
    let view = RingView::read(ring).map_err(FreezeError::Ring)?;
    let history = History::read(ring, &view).map_err(|e| FreezeError::Ring(e.into()))?;
    let subject = history
        .life
        .block(plan.of)
        .ok_or(FreezeError::NoBlock(plan.of.height))?
        .clone();
    let folder = open_folder(&plan.boxes)?;
    let file = folder
        .temporary()
        .map_err(|error| io_error("create a file in", &plan.boxes, error))?;
    let draft = identity(plan, &subject, None);
    let options = Options {
        draft,
        ..Options::default()
    };
    let out = file
        .file()
        .try_clone()
        .map_err(|error| io_error("write a box in", &plan.boxes, error))?;
    let writer = BoxWriter::with_thread(out, &options).map_err(|e| box_error(&plan.boxes, e))?;
    let copy = Copy::new(writer, plan, &view, &history, scope);
    let done = copy
        .run(ring, &view, &subject)
        .map_err(|error| match error {
            CopyError::Box(error) => box_error(&plan.boxes, error),
            CopyError::Ring(error) => FreezeError::Ring(error.into()),
        })?;
    let name = blackbox::BoxName::new(&name_of(plan.of.height, done.hash)).ok_or_else(|| {
        io_error(
            "name a box in",
            &plan.boxes,
            io::ErrorKind::InvalidInput.into(),
        )
    })?;
    let published = publish(file, &folder, &name, done.evidence)
        .map_err(|error| io_error("publish a box in", &plan.boxes, error))?;
    let (name, existed) = match published {
        Published::As(name) => (name, false),
        Published::AlreadyThere(name) => (name, true),
    };
    Ok(Frozen {
        of: plan.of,
        path: plan.boxes.join(name),
        bytes: done.summary.bytes,
        existed,
        block_only: scope == Scope::Block,
        reason: plan.reason.clone(),
        app_hash: subject.app_hash,
        network: subject.network,
        state: subject.state,
    })
}

fn open_folder(boxes: &Path) -> Result<BoxFolder, FreezeError> {
    std::fs::create_dir_all(boxes).map_err(|error| io_error("create", boxes, error))?;
    BoxFolder::open(boxes).map_err(|error| io_error("open", boxes, error))
}

/// The same name means the same execution, so what is there stays; a box that
/// reaches further back than every one there is stands beside them under the
/// next number.
fn publish(
    file: blackbox::Unpublished<'_>,
    folder: &BoxFolder,
    name: &blackbox::BoxName,
    evidence: u64,
) -> io::Result<Published> {
    let there = folder.editions(name)?;
    let evidence_of = |edition: &u32| folder.identity(&name.edition(*edition))?.evidence;
    let most = there
        .iter()
        .max_by_key(|edition| evidence_of(edition).unwrap_or(0));
    match most {
        None => file.publish(name),
        Some(edition) if evidence > evidence_of(edition).unwrap_or(0) => file.publish_next(name),
        Some(edition) => Ok(Published::AlreadyThere(name.edition(*edition))),
    }
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
        app_hash: subject.app_hash,
        network_app_hash: subject.network,
        profile: plan.profile.name.clone(),
        profile_digest: plan
            .profile
            .slog
            .as_ref()
            .map(|slog| slog.canonical().digest()),
        created: clock::rfc3339(clock::now_ms()),
        ..Identity::default()
    }
}

fn io_error(doing: &'static str, path: &Path, error: io::Error) -> FreezeError {
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

fn box_error(folder: &Path, error: BoxError) -> FreezeError {
    match error {
        BoxError::NoSpace { written, .. } => FreezeError::NoSpace {
            folder: folder.to_owned(),
            written,
        },
        other => {
            let error = io::Error::other(other.to_string());
            FreezeError::Io {
                doing: "write a box in",
                path: folder.to_owned(),
                error,
            }
        }
    }
}

enum CopyError {
    Box(BoxError),
    Ring(io::Error),
}

impl From<BoxError> for CopyError {
    fn from(error: BoxError) -> Self {
        CopyError::Box(error)
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        CopyError::Ring(error)
    }
}

/// One walk over the ring into a box.
struct Copy<'a> {
    writer: BoxWriter<File>,
    plan: &'a Plan,
    scope: Scope,
    /// Blocks in the order of their entries; those before `next` have begun.
    blocks: Vec<Block>,
    next: usize,
    open: Option<Open>,
    /// Counter of the oldest main record in the ring.
    oldest: u64,
    fields: ManifestFields,
    hash: Option<BlockHash>,
    /// Lines written.
    lines: u64,
    /// Lines written when the plan's block ended.
    evidence: Option<u64>,
    /// Main records that were written.
    main: Option<Span>,
}

/// The block whose entries are being copied.
struct Open {
    block: Block,
    hasher: Option<BlockHasher>,
}

struct Done {
    summary: BoxSummary,
    hash: Option<BlockHash>,
    evidence: u64,
}

impl<'a> Copy<'a> {
    fn new(
        writer: BoxWriter<File>,
        plan: &'a Plan,
        view: &RingView,
        history: &History,
        scope: Scope,
    ) -> Copy<'a> {
        let mut blocks = history.life.blocks().to_vec();
        blocks.retain(|block| block.begun.has(Stream::Slog) || plan.profile.slog.is_none());
        blocks.sort_by_key(|block| (block.from.main, block.from.local));
        let losses = history.losses.iter().map(|(stamp, loss)| Missing {
            lane: Some(loss.lane),
            from: stamp.at.main,
            to: stamp.at.main,
            bytes: Some(loss.bytes),
            why: format!("{} records: {}", loss.records, loss.why),
        });
        let fields = ManifestFields {
            losses: losses.collect(),
            host: host_fingerprint(plan.node_program.as_deref()),
            ..ManifestFields::default()
        };
        Copy {
            writer,
            plan,
            scope,
            blocks,
            next: 0,
            open: None,
            oldest: view.lane(Lane::Main).first_counter().unwrap_or(0),
            fields,
            hash: None,
            lines: 0,
            evidence: None,
            main: None,
        }
    }

    fn run(mut self, ring: &File, view: &RingView, subject: &Block) -> Result<Done, CopyError> {
        let mut timeline = Timeline::new(ring, view);
        while let Some(entry) = timeline.next()? {
            match entry {
                Entry::Line(line) => self.line(&line)?,
                Entry::Marks(stamp, marks, bytes) => self.marks(stamp, &marks, bytes)?,
                Entry::Hole(hole) => self.hole(hole),
            }
        }
        self.end_block();
        self.fields.coverage = self.coverage(view);
        let evidence = self.evidence.unwrap_or(self.lines);
        let identity = Identity {
            evidence: Some(evidence),
            ..identity(self.plan, subject, self.hash)
        };
        let summary = self.writer.finish(identity, self.fields)?;
        Ok(Done {
            summary,
            hash: self.hash,
            evidence,
        })
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), CopyError> {
        if line.stream == Stream::Node {
            self.cross_boundaries(line);
            self.lines += 1;
            return Ok(self.writer.node(line.bytes, line.terminated)?);
        }
        if line.context {
            if self.scope == Scope::Everything {
                self.writer.context(line.bytes, line.terminated)?;
            }
            return Ok(());
        }
        self.cross_boundaries(line);
        let wanted = self.scope == Scope::Everything
            || self
                .open
                .as_ref()
                .is_some_and(|open| open.block.of == self.plan.of);
        if !wanted {
            return Ok(());
        }
        if line.lane == Lane::Main {
            self.cover(line);
        }
        self.lines += 1;
        Ok(self.writer.slog(line.bytes, line.terminated)?)
    }

    /// Ends and begins blocks where the line crosses into another one.
    fn cross_boundaries(&mut self, line: &Line<'_>) {
        let is_behind = |at: haltbox_format::mark::Position| at.is_behind(line.lane, line.counter);
        let over = self
            .open
            .as_ref()
            .and_then(|open| open.block.until)
            .is_some_and(|until| line.lane == Lane::Main && !is_behind(until));
        if over {
            self.end_block();
        }
        while let Some(block) = self.blocks.get(self.next) {
            if line.lane != Lane::Main || is_behind(block.from) {
                break;
            }
            let block = block.clone();
            self.next += 1;
            self.end_block();
            self.begin_block(block);
        }
    }

    fn begin_block(&mut self, block: Block) {
        let whole = block.is_complete() && block.from.main >= self.oldest;
        let rules = self.plan.profile.slog.as_ref().filter(|_| whole);
        let hasher = rules.map(|slog| BlockHasher::new(slog.canonical(), block.of.height));
        self.writer.block_begin(block.of.height, block.of.attempt);
        self.open = Some(Open { block, hasher });
    }

    fn end_block(&mut self) {
        let Some(Open { block, hasher }) = self.open.take() else {
            return;
        };
        let hash = hasher.map(BlockHasher::finish);
        if block.of == self.plan.of {
            self.hash = hash;
            self.evidence = Some(self.lines);
        }
        self.writer.block_end(BlockFacts {
            state: Some(block.state),
            app_hash: block.app_hash,
            network_app_hash: block.network,
            hash: hash.map(|hash| hash.to_string()),
        });
    }

    /// Counts a main line as covered, and hashes it if it is of an execution.
    fn cover(&mut self, line: &Line<'_>) {
        let span = self.main.get_or_insert(Span {
            from: line.counter,
            to: line.counter,
        });
        span.to = line.counter;
        let Some(open) = &mut self.open else { return };
        let executing = open
            .block
            .end
            .is_none_or(|end| end.is_behind(Lane::Main, line.counter));
        if line.cut.is_some() {
            open.hasher = None;
        } else if let Some(hasher) = open.hasher.as_mut().filter(|_| executing) {
            hasher.line(line.bytes);
        }
    }

    /// Marks of cranks whose lines are in the box are left out: the lines say
    /// the same.
    fn marks(&mut self, stamp: Stamp, marks: &[Mark], bytes: &[u8]) -> Result<(), CopyError> {
        let in_box = stamp.at.main > self.oldest && self.scope == Scope::Everything;
        for mark in marks {
            if let (Mark::Crank(crank), true) = (mark, in_box) {
                self.writer.crank(crank.number, Some(crank.activityhash));
            }
        }
        let only_cranks = marks.iter().all(|mark| matches!(mark, Mark::Crank(_)));
        if !(only_cranks && in_box) {
            self.writer.marks(bytes)?;
        }
        Ok(())
    }

    /// Records that are missing in an execution leave it without a HASH.
    fn hole(&mut self, hole: Hole) {
        if hole.lane == Lane::Main
            && let Some(open) = &mut self.open
        {
            open.hasher = None;
        }
        if hole.lane == Lane::Main {
            let from = self.blocks.iter_mut().skip(self.next);
            from.filter(|b| (hole.from..=hole.to).contains(&b.from.main))
                .for_each(|block| block.whole = false);
        }
        self.fields.holes.push(Missing {
            lane: Some(hole.lane),
            from: hole.from,
            to: hole.to,
            bytes: None,
            why: hole.why.name().to_owned(),
        });
    }

    fn coverage(&self, view: &RingView) -> Coverage {
        let heights = || {
            self.blocks
                .iter()
                .take(self.next)
                .map(|block| block.of.height)
        };
        let runs = &view.lane(Lane::Local).runs;
        let local = runs.first().zip(runs.last());
        Coverage {
            main: self.main,
            local: local.map(|(first, last)| Span {
                from: first.first,
                to: last.last,
            }),
            first_height: heights().min(),
            last_height: heights().max(),
        }
    }
}

/// What can be said of the machine without asking the node.
fn host_fingerprint(node_program: Option<&Path>) -> HostFingerprint {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            line.split_once(':')
                .map(|(_, model)| model.trim().to_owned())
        });
    HostFingerprint {
        recorder: Some(env!("CARGO_PKG_VERSION").to_owned()),
        os: Some(format!(
            "{} {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        )),
        kernel: kernel.map(|text| text.trim().to_owned()),
        cpu,
        node_sha256: node_program.and_then(|path| sha256(path).ok()),
        ..HostFingerprint::default()
    }
}

/// A node's executable is a few hundred megabytes at most: a second of the
/// thread that writes the box.
fn sha256(path: &Path) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(Digest(hasher.finalize().into()))
}
