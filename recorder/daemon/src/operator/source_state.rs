//! How far a source was read, for the status.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use haltbox_format::Stream;
use haltbox_format::mark::{SourceMark, Unread};
use serde::Serialize;

use crate::operator::block_folder::unread_behind;
use crate::sources::journald::shown_path;
use haltbox_recorder::clock;

/// How far a source was read.
#[derive(Debug, Serialize)]
pub struct SourceState {
    /// The stream that it feeds.
    pub stream: String,
    /// Its path. `-` for a pipe.
    pub path: String,
    /// Name of the file that is read, if the path is a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes of it that are recorded.
    pub offset: u64,
    /// Bytes that are not recorded yet. For a folder, the bytes of the files
    /// behind the one that is read. Absent if it is no file, or if another file
    /// has the path now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Why the recorder cannot read it. Absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<SourceTrouble>,
    /// Whether the last session follows it. True if that is not known.
    #[serde(skip)]
    pub(crate) is_followed: bool,
    /// Whether the profile has rules for it. True if that is not known.
    #[serde(skip)]
    pub(crate) is_read: bool,
}

impl SourceState {
    /// The state that a source mark shows.
    pub(crate) fn of(mark: SourceMark) -> SourceState {
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
    /// Whether its path is, or may be, a folder with a file for each block.
    pub(crate) fn is_folder(&self) -> bool {
        let is_new = self.offset == 0 && self.stream == Stream::Slog.name();
        self.file.is_some() || is_new
    }
}

/// What the recorder reports about a source that it cannot read.
#[derive(Debug, Serialize)]
pub struct SourceTrouble {
    /// The error of reading.
    pub why: String,
    /// Time of the first error: UTC, RFC 3339.
    pub since: String,
}

impl From<Unread> for SourceTrouble {
    fn from(Unread { why, since }: Unread) -> SourceTrouble {
        let since = clock::rfc3339(since);
        SourceTrouble { why, since }
    }
}
