//! Why a source cannot be opened.

use std::io;
use std::path::PathBuf;

use haltbox_format::Stream;
use haltbox_model::ShowPath;
use thiserror::Error;

use crate::sources::systemd_fifo::{NotPassed, Passed};

/// Reasons why a source cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Standard input.
    #[error("cannot read standard input: {error}")]
    Stdin {
        /// What the system said.
        error: io::Error,
    },
    /// The service manager passed no FIFO that can be used.
    #[error(transparent)]
    NotPassed(#[from] NotPassed),
    /// The FIFO that it passed.
    #[error(
        "cannot open {}, passed as {}: {error}; set SocketUser= to the recorder's user",
        passed.shown(),
        passed.name()
    )]
    Passed {
        /// The FIFO.
        passed: Passed,
        /// What the system said.
        error: io::Error,
    },
    /// The FIFO of the node that `haltbox run` started.
    #[error("cannot open {}: {error}", path.shown())]
    Wrapped {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file, folder or FIFO.
    #[error("cannot open the {} source {name}: {error}", stream.name())]
    Path {
        /// The stream that it feeds.
        stream: Stream,
        /// Its path, as the operator gave it.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// A folder is given for a stream that is no slog.
    #[error("{name} is a folder, not a file or FIFO")]
    Folder {
        /// Its path, as the operator gave it.
        name: String,
    },
}
