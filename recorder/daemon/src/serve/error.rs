//! Why a recorder does not begin.

use std::io;
use std::path::PathBuf;

use haltbox_model::ShowPath;
use haltbox_recorder::ring::file;
use thiserror::Error;

use crate::intake;

/// Reasons why a recorder does not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The terminal would stop a recorder in the background.
    #[error("cannot block SIGTTOU: {error}")]
    Terminal {
        /// What the system said.
        error: io::Error,
    },
    /// The signals that end it cannot be caught.
    #[error("cannot catch signals: {error}")]
    Signals {
        /// What the system said.
        error: io::Error,
    },
    /// A folder cannot be made.
    #[error("cannot make the folder {}: {error}", path.shown())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The ring cannot be opened.
    #[error(transparent)]
    Ring(#[from] file::OpenError),
    /// A source cannot be opened.
    #[error(transparent)]
    Source(#[from] intake::OpenError),
    /// The link to `haltbox run` cannot be opened.
    #[error("cannot open the link to haltbox run: {error}")]
    Link {
        /// What the system said.
        error: io::Error,
    },
}
