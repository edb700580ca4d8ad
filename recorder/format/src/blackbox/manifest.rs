//! The manifest: what the box covers, what it lacks, and where everything is.
//!
//! Every field may be absent, unknown fields are ignored, and a value of the wrong kind
//! counts as absent. So later versions can add fields, and damage costs only the value
//! that it hits. A reader checks the manifest against the file before it believes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frame::{FrameHead, FrameKind, Tag};
use super::identity::{FORMAT_VERSION, Identity};
use super::lenient;
use crate::mark::{Counters, Loss, Position, State};
use crate::{AppHash, Digest, Lane, RingId};

/// Largest manifest body that is read or written, in bytes.
pub const MANIFEST_MAX: usize = 64 << 20;
/// Most entries of one list that are read or written.
pub const LIST_MAX: usize = 1 << 16;

/// The index and the context of a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Version of the box format.
    #[serde(deserialize_with = "lenient::value")]
    pub format: u32,
    /// A second copy of the identity, in case the first page is damaged.
    #[serde(deserialize_with = "lenient::value")]
    pub identity: Identity,
    /// What the box covers.
    #[serde(deserialize_with = "lenient::value")]
    pub coverage: Coverage,
    /// Records that the recorder reported as dropped or overwritten.
    #[serde(deserialize_with = "lenient::list::<LIST_MAX, _, _>")]
    pub losses: Vec<Missing>,
    /// Records that are missing, for any reason.
    #[serde(deserialize_with = "lenient::list::<LIST_MAX, _, _>")]
    pub holes: Vec<Missing>,
    /// Blocks, in the order of their lines.
    #[serde(deserialize_with = "lenient::list::<LIST_MAX, _, _>")]
    pub blocks: Vec<BlockEntry>,
    /// Frames before the manifest, identity excepted, in file order.
    #[serde(deserialize_with = "lenient::list::<LIST_MAX, _, _>")]
    pub frames: Vec<FrameEntry>,
    /// The machine and the builds.
    #[serde(deserialize_with = "lenient::value")]
    pub host: HostFingerprint,
    /// Source of this file if that is not a ring; free text.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub origin: Option<String>,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            format: FORMAT_VERSION,
            identity: Identity::default(),
            coverage: Coverage::default(),
            losses: Vec::new(),
            holes: Vec::new(),
            blocks: Vec::new(),
            frames: Vec::new(),
            host: HostFingerprint::default(),
            origin: None,
        }
    }
}

impl Manifest {
    /// Encodes the frame; `None` if it would exceed what a reader accepts.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let body = serde_json::to_vec(self).ok()?;
        (body.len() <= MANIFEST_MAX).then_some(())?;
        let head = FrameHead::new(Tag::Manifest, &body)?;
        Some([head.to_bytes().as_slice(), &body].concat())
    }

    /// Parses the JSON of a body whose digest was checked. `None` if it is not a JSON
    /// object.
    pub fn parse(body: &[u8]) -> Option<Manifest> {
        lenient::object(body).ok()
    }

    /// The version of the box, if this code does not know it.
    pub fn newer_version(&self) -> Option<u32> {
        let told = self.format.max(self.identity.format);
        (told > FORMAT_VERSION).then_some(told)
    }
}

/// A range of sequence numbers, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    /// The first.
    #[serde(deserialize_with = "lenient::value")]
    pub from: u64,
    /// The last.
    #[serde(deserialize_with = "lenient::value")]
    pub to: u64,
}

/// What a box covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// Ring of the sequence numbers. In another ring the same numbers mean other records.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub ring: Option<RingId>,
    /// Sequence numbers of the main lane.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub main: Option<Span>,
    /// Sequence numbers of the local lane.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub local: Option<Span>,
    /// The first height with a line in the box.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub first_height: Option<u64>,
    /// The last one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub last_height: Option<u64>,
}

/// Records that are not in the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Missing {
    /// Their lane.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub lane: Option<Lane>,
    /// The first missing sequence number.
    #[serde(deserialize_with = "lenient::value")]
    pub from: u64,
    /// The last one.
    #[serde(deserialize_with = "lenient::value")]
    pub to: u64,
    /// Their bytes, if known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub bytes: Option<u64>,
    /// Number of the slog line in the box before which they are missing. `None` in files
    /// of older recorders.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub line: Option<u64>,
    /// Reason.
    #[serde(deserialize_with = "lenient::value")]
    pub why: String,
}

impl Missing {
    /// The entry for a Loss mark at position `at`. `line` as in the field: it is kept
    /// only if the lane itself does not show the loss.
    pub fn of_loss(loss: &Loss, at: Position, line: Option<u64>) -> Missing {
        let here = Counters {
            from: at.main,
            until: at.main,
        };
        let counters = loss.counters.unwrap_or(here);
        let why = match loss.records {
            0 => loss.why.clone(),
            records => format!("{records} records: {}", loss.why),
        };
        Missing {
            lane: Some(loss.lane),
            from: counters.from,
            to: counters.until.saturating_sub(1).max(counters.from),
            bytes: Some(loss.bytes),
            line: line.filter(|_| !loss.shows_as_gap()),
            why,
        }
    }
}

/// One execution of one height.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockEntry {
    /// Height that was executed.
    #[serde(deserialize_with = "lenient::value")]
    pub height: u64,
    /// Which execution of it, counted from 1.
    #[serde(deserialize_with = "lenient::value")]
    pub attempt: u32,
    /// State of the execution.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub state: Option<State>,
    /// This node's AppHash after it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub network_app_hash: Option<AppHash>,
    /// `HEIGHT-HASH`, the name of a box of this block alone.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub name: Option<String>,
    /// HASH of the execution; absent if the execution is not complete.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub hash: Option<String>,
    /// Number of its first line, counted from 0 in this box.
    #[serde(deserialize_with = "lenient::value")]
    pub first_line: u64,
    /// Lines.
    #[serde(deserialize_with = "lenient::value")]
    pub lines: u64,
    /// Offset of its first line, in uncompressed slog bytes.
    #[serde(deserialize_with = "lenient::value")]
    pub offset: u64,
    /// Uncompressed slog bytes.
    #[serde(deserialize_with = "lenient::value")]
    pub bytes: u64,
    /// Cranks.
    #[serde(deserialize_with = "lenient::value")]
    pub cranks: u64,
    /// Number of the first crank.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub first_crank: Option<u64>,
    /// Number of the last crank.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub last_crank: Option<u64>,
    /// Activityhash after the last crank.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub activityhash: Option<Digest>,
}

/// One frame of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameEntry {
    /// Its content; absent if a later version wrote a kind that this one does not know.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub kind: Option<FrameKind>,
    /// Offset in the file.
    #[serde(deserialize_with = "lenient::value")]
    pub offset: u64,
    /// Size in the file, in bytes.
    #[serde(deserialize_with = "lenient::value")]
    pub compressed: u64,
    /// Size of its content, in bytes.
    #[serde(deserialize_with = "lenient::value")]
    pub decompressed: u64,
    /// Number of its first line in its stream, counted from 0.
    #[serde(deserialize_with = "lenient::value")]
    pub first_line: u64,
    /// Number of lines, or of marks.
    #[serde(deserialize_with = "lenient::value")]
    pub lines: u64,
    /// BLAKE3 of its bytes in the file.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub blake3: Option<Digest>,
}

/// The machine and the builds of a recording, to tell apart what ran on two nodes. It has
/// no host name, address or user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFingerprint {
    /// Version of the recorder.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub recorder: Option<String>,
    /// Operating system.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub os: Option<String>,
    /// Kernel release.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub kernel: Option<String>,
    /// CPU model.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub cpu: Option<String>,
    /// SHA-256 of the node's executable.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub node_sha256: Option<Digest>,
    /// Versions of the node's components, by name.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::words::<1024, _>"
    )]
    pub versions: BTreeMap<String, String>,
}
