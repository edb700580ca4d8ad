//! Why a source cannot be opened.

use std::io;
use std::path::PathBuf;

use haltbox_format::ring::RingError;
use haltbox_model::ShowPath;
use thiserror::Error;

use crate::blackbox::OpenError;
use crate::source_kind::UnsupportedFormat;

/// Why a source cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system could not read it.
    #[error("cannot read {}: {error}", .0.shown(), error = .1)]
    Io(PathBuf, io::Error),
    /// It is not a source.
    #[error("{} {why}", .0.shown(), why = .1)]
    UnsupportedFormat(PathBuf, NoSource),
}

/// What is found where a source should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NoSource {
    /// An empty file.
    #[error("is empty: nothing was recorded in it")]
    Empty,
    /// A folder without a source.
    #[error("contains no ring, box or slog")]
    NoMembers,
    /// A box that cannot be read.
    #[error(transparent)]
    Box(#[from] OpenError),
    /// A ring that cannot be read.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A fingerprint that cannot be read.
    #[error(transparent)]
    Fingerprint(#[from] io::Error),
    /// A file of another program.
    #[error("{0}")]
    Foreign(UnsupportedFormat),
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io::ErrorKind;

    use super::*;
    use crate::source::open;

    #[test]
    fn what_is_wrong_with_a_source_has_a_type_and_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let missing = open(&folder.path().join("missing")).err().unwrap();
        let empty = open(&file("empty", b"")).err().unwrap();
        let foreign = open(&file("foreign", b"SQLite format 3\0")).err().unwrap();
        let ring = open(&file("ring", b"HALTBOX\x01")).err().unwrap();
        let fingerprint = open(&file("print", b"HBXFPRT")).err().unwrap();
        let kind = ErrorKind::NotFound;
        assert!(matches!(&missing, SourceError::Io(_, error) if error.kind() == kind));
        for (error, expected) in [
            (&empty, "Empty"),
            (&foreign, "Foreign"),
            (&ring, "Ring"),
            (&fingerprint, "Fingerprint"),
        ] {
            let SourceError::UnsupportedFormat(_, why) = error else {
                panic!("{error:?}");
            };
            assert!(format!("{why:?}").starts_with(expected), "{why:?}");
        }
        for error in [missing, empty, foreign, ring, fingerprint] {
            assert!(error.source().is_none(), "{error:?}");
        }
    }
}
