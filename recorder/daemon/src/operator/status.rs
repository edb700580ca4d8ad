//! What a ring holds and whether somebody writes it, for `haltbox status`.

use haltbox_model::{Outside, ShowPath};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use haltbox_format::mark::State;
use haltbox_format::mark::{Loss, SourceMark, Unread};
use haltbox_format::ring::RingView;
use haltbox_format::{AppHash, Lane, RingId, Stream};
use haltbox_model::Profile;
use haltbox_model::history::History;
use haltbox_model::lifecycle::Block;
use serde::Serialize;

use crate::intake::journal::shown_path;
use crate::operator::attached::Attached;
use crate::operator::block_folder::unread_behind;
use crate::operator::concerns::{self, Concern, Judging};
use crate::operator::guard::{self, Hold};
use haltbox_recorder::archive::files_in;
use haltbox_recorder::attached;
use haltbox_recorder::clock;
use haltbox_recorder::held_boxes::Held;
use haltbox_recorder::machine;
use haltbox_recorder::open_regular;
use haltbox_recorder::recorder::resume_points;
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::ring::file::is_held;
use haltbox_recorder::ring_profile::of_ring;
use haltbox_recorder::size::human_bytes;

/// The state of a recorder's folder. docs/json.md has the schema.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Version of this document.
    pub version: u32,
    /// The ring.
    pub ring: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Something needs the operator: exit code 1.
    pub needs_attention: bool,
    /// What that is, beside blocks.
    pub concerns: Vec<Concern>,
    /// When the last new block was told of, or the last one agreed, UTC, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_block: Option<String>,
    #[serde(skip)]
    pub(crate) last_block_ms: Option<u64>,
    /// The profile knows what tells of blocks; one that keeps a program's lines alone
    /// does not.
    #[serde(skip)]
    pub(crate) looks_for_blocks: bool,
    /// How long ago that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_block_seconds: Option<u64>,
    /// How long ago it may be.
    pub max_block_seconds: u64,
    /// A recorder, or the host that writes the ring itself, holds it now.
    pub recording: bool,
    /// The last session was closed in order.
    pub closed: bool,
    /// Sessions that the spine remembers.
    pub sessions: usize,
    /// Process of the last recorder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When something was last told of a block or a source, UTC, RFC 3339.
    pub last_mark: String,
    #[serde(skip)]
    pub(crate) last_mark_ms: u64,
    /// Newest height told of.
    pub head: Option<u64>,
    /// Newest height that the network agreed with.
    pub confirmed: Option<u64>,
    /// Lowest height in the main lane.
    pub oldest: Option<u64>,
    /// Lowest height that can still be had, out of the ring or the archive.
    pub obtainable: Option<u64>,
    #[serde(skip)]
    pub(crate) archived: Option<u64>,
    /// Files of the archive.
    pub archive_files: u64,
    /// Their bytes.
    pub archive_bytes: u64,
    /// Blocks that need attention.
    pub attention: Vec<Attention>,
    /// The box over which `haltbox guard` does not let its build start again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Hold>,
    /// Records in the main lane.
    pub records: u64,
    /// Records dropped or overwritten, as far as the spine remembers.
    pub lost: u64,
    /// Of these, records that were never in the ring.
    pub dropped: u64,
    /// Heights in the main lane.
    pub blocks: u64,
    /// When the newest box was written, in seconds since 1970.
    pub last_frozen: Option<u64>,
    /// Boxes in the folder.
    pub boxes: Vec<String>,
    /// Where entries come from.
    pub sources: Vec<SourceState>,
    /// Who stands beside a ring that its host writes; absent where nobody ever did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attached>,
    /// The ring itself tells no AppHash of its blocks.
    #[serde(skip)]
    pub(crate) lacks_app_hash: bool,
}

/// How far a source was read.
#[derive(Debug, Serialize)]
pub struct SourceState {
    /// The stream it feeds.
    pub stream: String,
    /// Its path, `-` for a pipe.
    pub path: String,
    /// The file that is read, if the path is a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes of it that are recorded.
    pub offset: u64,
    /// Bytes of the file that are not; absent where it is no file, or another
    /// one by now. Of a folder those of the files behind the one that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Why the recorder cannot read it, and since when; absent where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<SourceTrouble>,
    /// The last session follows it, as far as that is known.
    #[serde(skip)]
    pub(crate) is_followed: bool,
    /// The profile has rules for it, or there is no telling.
    #[serde(skip)]
    pub(crate) is_read: bool,
}

impl SourceState {
    /// Its path is, or may be, a folder with a file for each block.
    pub(crate) fn is_folder(&self) -> bool {
        let is_new = self.offset == 0 && self.stream == Stream::Slog.name();
        self.file.is_some() || is_new
    }
}

/// What the recorder says of a source that it cannot read.
#[derive(Debug, Serialize)]
pub struct SourceTrouble {
    /// What reading fails with.
    pub why: String,
    /// Since when, UTC, RFC 3339.
    pub since: String,
}

/// A block that is pinned or diverged.
#[derive(Debug, Serialize)]
pub struct Attention {
    /// Its height.
    pub height: u64,
    /// Which attempt.
    pub attempt: u32,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub why: Option<String>,
    /// The box that holds it.
    pub frozen: Option<String>,
    /// What the operator quotes of it: its name, and both AppHashes if they are known, or the
    /// other field that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// This node's AppHash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_app_hash: Option<AppHash>,
}

/// The ring that `path` means: itself, or the one in the folder.
pub fn ring_path(path: &Path) -> PathBuf {
    if path.is_dir() {
        RecorderDir::at(path).ring()
    } else {
        path.to_owned()
    }
}

/// Looks at a ring, which may be written meanwhile.
///
/// # Errors
/// There is no ring that can be read.
pub fn look(path: &Path) -> Result<Status, String> {
    judge(path, &Judging::default())
}

/// Looks at a ring, and judges what it finds in this way.
///
/// # Errors
/// There is no ring that can be read.
pub fn judge(path: &Path, judging: &Judging) -> Result<Status, String> {
    let ring = ring_path(path);
    let cannot = |error: &dyn std::fmt::Display| format!("{} {error}", ring.shown());
    let file = open_regular::open(&ring).map_err(|error| cannot(&not_opened(&error)))?;
    let view = RingView::read(&file).map_err(|error| cannot(&error))?;
    let mut history = History::read(&file, &view).map_err(|error| cannot(&error))?;
    let lacks_app_hash = lacks_app_hash(&history);
    let told = attached::told(&ring);
    if let Some(told) = &told {
        let id = view.superblock.map(|superblock| RingId(superblock.uuid));
        history.life.apply_told(told, id, history.last.at);
    }
    let profile = of_ring(&ring, &history).ok();
    let blocks = history.life.blocks();
    let folder = ring.parent().unwrap_or(Path::new("."));
    let in_boxes = in_boxes(folder, &view, &history);
    let first = view.lane(Lane::Main).first_counter().unwrap_or(0);
    let heights = |wanted: &dyn Fn(&Block) -> bool| {
        blocks
            .iter()
            .filter(|b| wanted(b))
            .map(|b| b.of.height)
            .collect::<Vec<_>>()
    };
    let newest = |wanted: &dyn Fn(&Block) -> bool| heights(wanted).into_iter().max();
    let confirmed = newest(&|b| b.state == State::Confirmed);
    let runs = &view.lane(Lane::Main).runs;
    let archive = files_in(&RecorderDir::at(folder).archive()).map_err(|error| cannot(&error))?;
    let oldest = heights(&|b| b.from.main >= first).into_iter().min();
    let archived = archive.iter().map(|file| file.name.first).min();
    let (sources, _) =
        resume_points(&file, &view, &history, &machine::boot()).map_err(|error| cannot(&error))?;
    let mut status = Status {
        needs_attention: false,
        concerns: Vec::new(),
        last_block: None,
        last_block_ms: history.pace.progress_ms(),
        looks_for_blocks: profile.as_ref().is_none_or(Profile::tells_of_blocks),
        last_block_seconds: None,
        max_block_seconds: 0,
        archived: archive.iter().map(|file| file.name.last).max(),
        sources: source_states(sources, &history, profile.as_ref()),
        attached: told.map(|told| Attached::of(&ring, &told, profile.as_ref())),
        lacks_app_hash,
        version: 1,
        bytes: view.length,
        recording: is_held(file),
        closed: history.closed,
        sessions: history.sessions.len(),
        pid: history.sessions.last().map(|(_, session)| session.pid),
        last_mark: clock::rfc3339(history.last.time_ms),
        last_mark_ms: history.last.time_ms,
        head: newest(&|_| true),
        confirmed,
        oldest,
        obtainable: archived.into_iter().chain(oldest).min(),
        archive_files: archive.len() as u64,
        archive_bytes: archive.iter().map(|file| file.bytes).sum(),
        attention: in_boxes
            .iter()
            .filter(|b| needs_attention(b, confirmed))
            .map(attention)
            .collect(),
        guard: guard::holds(folder, &in_boxes).next(),
        records: runs.iter().map(|run| run.last - run.first + 1).sum(),
        lost: lost(&history, |_| true),
        dropped: lost(&history, |loss| loss.dropped),
        blocks: heights(&|b| b.from.main >= first)
            .into_iter()
            .collect::<BTreeSet<_>>()
            .len() as u64,
        last_frozen: last_frozen(folder),
        boxes: RecorderDir::at(folder).box_names(),
        ring: ring.clone(),
    };
    status.judge_by(&history, judging);
    Ok(status)
}

fn not_opened(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "does not exist: nothing was recorded here yet; start the \
                                recorder: systemctl start haltbox, or haltbox record --dir ..."
            .to_owned(),
        _ => format!("cannot be opened: {error}"),
    }
}

/// `haltbox run` offers a slog to every node: one whose profile has no rules for it
/// misses nothing.
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
        ..source_state(mark)
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

/// A box is never written to again, so its time is that of its freeze.
fn last_frozen(folder: &Path) -> Option<u64> {
    let dir = RecorderDir::at(folder);
    let times = dir.box_names().into_iter().filter_map(|name| {
        let found = std::fs::metadata(dir.boxes().join(name)).ok()?;
        u64::try_from(found.mtime()).ok()
    });
    times.max()
}

pub(crate) fn source_state(mark: SourceMark) -> SourceState {
    let found = std::fs::metadata(&mark.path).ok();
    let same = found.filter(|found| found.is_file() && found.ino() == mark.inode);
    SourceState {
        stream: mark.stream.name().to_owned(),
        lag: match &mark.file {
            Some(name) => unread_behind(Path::new(&mark.path), name),
            None => same.map(|found| found.len().saturating_sub(mark.offset)),
        },
        path: shown_path(&mark.path).to_owned(),
        file: mark.file,
        offset: mark.offset,
        trouble: mark.trouble.map(SourceTrouble::from),
        is_followed: true,
        is_read: true,
    }
}

/// Blocks were committed, and the ring tells of none what AppHash it has.
fn lacks_app_hash(history: &History) -> bool {
    let blocks = || history.life.blocks().iter();
    blocks().any(|block| block.committed.any()) && blocks().all(|block| block.app_hash.is_none())
}

/// The blocks, each with its box.
pub(crate) fn in_boxes(folder: &Path, view: &RingView, history: &History) -> Vec<Block> {
    let held = Held::look(&RecorderDir::at(folder).boxes(), view.superblock.as_ref());
    let blocks = history.life.blocks().iter();
    blocks.map(|block| held_in(&held, block, history)).collect()
}

/// The block, with the box that holds it if somebody froze it who could not note
/// that in the ring.
fn held_in(held: &Held, block: &Block, history: &History) -> Block {
    let mut block = block.clone();
    if block.frozen.is_none() {
        let name = held.name_of(&block, history.last.at.main);
        block.frozen = name.map(str::to_owned);
    }
    block
}

impl From<Unread> for SourceTrouble {
    fn from(Unread { why, since }: Unread) -> SourceTrouble {
        let since = clock::rfc3339(since);
        SourceTrouble { why, since }
    }
}

/// A divergence that a box holds is history once the network agreed with a
/// later block: the node has recovered.
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

impl Status {
    fn judge_by(&mut self, history: &History, judging: &Judging) {
        let age = |then| clock::now_ms().saturating_sub(then) / 1000;
        self.last_block = self.last_block_ms.map(clock::rfc3339);
        self.last_block_seconds = self.last_block_ms.map(age);
        let longest = judging.max_block_age;
        let longest = longest.unwrap_or_else(|| concerns::max_block_age(history));
        self.max_block_seconds = longest.as_secs();
        self.concerns = concerns::of(self, history, judging);
        self.needs_attention = !(self.attention.is_empty() && self.concerns.is_empty());
    }

    /// Something of this kind needs attention.
    pub(crate) fn has_concern(&self, word: &str) -> bool {
        self.concerns.iter().any(|concern| concern.word == word)
    }

    /// Something needs the operator: exit code 1.
    pub fn needs_attention(&self) -> bool {
        self.needs_attention
    }

    /// The folder of the ring, its boxes and the archive.
    pub fn folder(&self) -> &Path {
        RecorderDir::of_ring(&self.ring).path()
    }

    /// A host that links the recorder writes the ring: it has no sources.
    pub fn is_linked(&self) -> bool {
        self.sessions > 0 && self.sources.is_empty()
    }

    /// One line: whether anything needs attention, whether somebody records, and
    /// how long ago the last block was.
    fn verdict(&self) -> String {
        let verdict = match (self.attention.len(), self.concerns.len()) {
            (0, 0) => "nothing needs attention".to_owned(),
            (1, 0) => "1 block needs attention".to_owned(),
            (blocks, 0) => format!("{blocks} blocks need attention"),
            (0, 1) => "1 thing needs attention".to_owned(),
            (0, things) => format!("{things} things need attention"),
            (blocks, things) => format!("{} things need attention", blocks + things),
        };
        let recording = match self.recording {
            true => "recording",
            false => "not recording",
        };
        let last = match self.last_block_seconds {
            Some(age) => format!("last block {age} s ago"),
            None => "no block seen".to_owned(),
        };
        format!("{verdict}, {recording}, {last}")
    }

    /// The status as text; the verdict first.
    pub fn text(&self) -> String {
        let mut lines = vec![self.verdict()];
        lines.extend(self.attention.iter().map(Attention::text));
        let told = |concern: &Concern| format!("  {}\n    {}", concern.what, concern.mend);
        lines.extend(self.concerns.iter().map(told));
        let held =
            |hold: &Hold| format!("guard      {}\n           {}", hold.sentence(), hold.mend());
        lines.extend(self.guard.as_ref().map(held));
        let height = |value: Option<u64>| value.map_or("none".to_owned(), |h| h.to_string());
        lines.push(format!(
            "ring       {} ({})",
            self.ring.shown(),
            human_bytes(self.bytes)
        ));
        lines.push(format!(
            "heights    newest {}, confirmed {}, oldest in the ring {}, oldest in ring or archive \
             {}",
            height(self.head),
            height(self.confirmed),
            height(self.oldest),
            height(self.obtainable)
        ));
        lines.extend(self.attached.as_ref().map(Attached::text));
        lines.push(match self.archive_files {
            0 => "archive    none".to_owned(),
            1 => format!("archive    1 file, {}", human_bytes(self.archive_bytes)),
            files => format!(
                "archive    {files} files, {}",
                human_bytes(self.archive_bytes)
            ),
        });
        lines.push(format!(
            "records    {} held, {} lost",
            self.records, self.lost
        ));
        lines.push(format!(
            "boxes      {}",
            if self.boxes.is_empty() {
                "none".to_owned()
            } else {
                Outside::text(&self.boxes.join(" ")).to_string()
            }
        ));
        lines.join("\n") + "\n"
    }
}

/// What the operator quotes beside the name, if the hashes are known.
fn hashes(block: &Block) -> String {
    let short = |hash: Option<AppHash>| hash.map_or("unknown".to_owned(), |hash| hash.short());
    // Of another field than the AppHash the box tells both values.
    let field = block.why.as_deref().filter(|why| *why != "AppHash");
    if let (State::Diverged, Some(field), None) = (block.state, field, block.network) {
        return format!(" {field} differs");
    }
    match (block.app_hash, block.network) {
        (None, None) => String::new(),
        (own, network) => format!(" app={}/{}", short(own), short(network)),
    }
}

impl Attention {
    fn text(&self) -> String {
        let why = self.why.as_deref().unwrap_or("");
        let frozen = match &self.quote {
            Some(quote) => format!("; box {quote}"),
            None => "; not frozen yet, run: haltbox freeze".to_owned(),
        };
        format!(
            "  {} (attempt {}) {}: {}{}",
            self.height,
            self.attempt,
            self.state.name(),
            Outside::text(why),
            Outside::text(&frozen)
        )
    }
}
