//! The status of a recorder: the document that `haltbox status` prints.
//! [`crate::operator::inspect`] fills it in.

use std::path::{Path, PathBuf};

use haltbox_format::AppHash;
use haltbox_format::mark::State;
use haltbox_model::{Outside, ShowPath};
use serde::Serialize;

use crate::operator::attached::Attached;
use crate::operator::concern::Concern;
use crate::operator::guard::Hold;
use crate::operator::source_state::SourceState;
use haltbox_model::size::human_bytes;
use haltbox_recorder::recorder_dir::RecorderDir;

/// The state of a recorder's folder. docs/json.md has the schema.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Version of this document's schema.
    pub version: u32,
    /// Path of the ring.
    pub ring: PathBuf,
    /// Size of the ring in bytes.
    pub bytes: u64,
    /// Whether something needs the operator. Exit code 1.
    pub needs_attention: bool,
    /// What needs the operator, beside blocks.
    pub concerns: Vec<Concern>,
    /// Time of the last new block, or of the last agreement on one: UTC, RFC
    /// 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_block: Option<String>,
    #[serde(skip)]
    pub(crate) last_block_ms: Option<u64>,
    /// Whether the profile looks for blocks. One that only keeps a program's
    /// lines does not.
    #[serde(skip)]
    pub(crate) looks_for_blocks: bool,
    /// Age of the last block in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_block_seconds: Option<u64>,
    /// Age in seconds that needs attention.
    pub max_block_seconds: u64,
    /// Whether a recorder, or the host that writes the ring itself, holds it
    /// now.
    pub recording: bool,
    /// Whether the last session was closed in order.
    pub closed: bool,
    /// Sessions in the spine.
    pub sessions: usize,
    /// Process id of the last recorder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Time of the last mark about a block or a source: UTC, RFC 3339.
    pub last_mark: String,
    #[serde(skip)]
    pub(crate) last_mark_ms: u64,
    /// Newest height recorded or reported.
    pub head: Option<u64>,
    /// Newest height that the network agreed with.
    pub confirmed: Option<u64>,
    /// Lowest height in the main lane.
    pub oldest: Option<u64>,
    /// Lowest height in the ring or the archive.
    pub obtainable: Option<u64>,
    #[serde(skip)]
    pub(crate) archived: Option<u64>,
    /// Number of files in the archive.
    pub archive_files: u64,
    /// Bytes of these files.
    pub archive_bytes: u64,
    /// Blocks that need attention.
    pub attention: Vec<Attention>,
    /// The box because of which `haltbox guard` refuses to start its build
    /// again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Hold>,
    /// Records in the main lane.
    pub records: u64,
    /// Records dropped or overwritten before their release, as far as the spine
    /// shows.
    pub lost: u64,
    /// Those of them that were never in the ring.
    pub dropped: u64,
    /// Heights in the main lane.
    pub blocks: u64,
    /// When the newest box was written, in seconds since 1970.
    pub last_frozen: Option<u64>,
    /// Names of the boxes in the folder.
    pub boxes: Vec<String>,
    /// The recorder's sources.
    pub sources: Vec<SourceState>,
    /// The recorder attached to a ring that its host writes. Absent if there
    /// never was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attached>,
    /// Whether the ring alone has no AppHash of any block.
    #[serde(skip)]
    pub(crate) lacks_app_hash: bool,
}

/// A pinned or diverged block.
#[derive(Debug, Serialize)]
pub struct Attention {
    /// Its height.
    pub height: u64,
    /// Which attempt.
    pub attempt: u32,
    /// Its state in the ring.
    pub state: State,
    /// The reason of that state.
    pub why: Option<String>,
    /// Name of the box that has it.
    pub frozen: Option<String>,
    /// Text for the operator to quote: the box's name, then both AppHashes if
    /// they are known, or the other field that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// This node's AppHash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_app_hash: Option<AppHash>,
}

impl Status {
    /// Whether there is a concern of this kind.
    pub(crate) fn has_concern(&self, word: &str) -> bool {
        self.concerns.iter().any(|concern| concern.word == word)
    }

    /// Whether something needs the operator. Exit code 1.
    pub fn needs_attention(&self) -> bool {
        self.needs_attention
    }

    /// The folder of the ring, its boxes and the archive.
    pub fn folder(&self) -> &Path {
        RecorderDir::of_ring(&self.ring).path()
    }

    /// Whether a host that links the recorder writes the ring. Such a ring has
    /// no sources.
    pub fn is_linked(&self) -> bool {
        self.sessions > 0 && self.sources.is_empty()
    }

    /// One line: whether anything needs attention, whether somebody records,
    /// and how old the last block is.
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

    /// The status as text, the verdict first.
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
