//! Why a source cannot be opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

use haltbox_model::ShowPath;

/// Why a source cannot be opened.
#[derive(Debug)]
pub enum SourceError {
    /// The operating system could not read it.
    Io(PathBuf, io::Error),
    /// The file is not a source; the text says why.
    UnsupportedFormat(PathBuf, String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "cannot read {}: {error}", path.shown()),
            Self::UnsupportedFormat(path, why) => write!(f, "{} {why}", path.shown()),
        }
    }
}

impl std::error::Error for SourceError {}
