//! Why there is no source.

use std::fmt;
use std::io;
use std::path::PathBuf;

use haltbox_model::ShowPath;

/// Why there is no source.
#[derive(Debug)]
pub enum SourceError {
    /// The system said no.
    Io(PathBuf, io::Error),
    /// It is no source, and why.
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
