//! Why a node is not run.

use std::io;
use std::path::PathBuf;

use haltbox_model::ShowPath;
use thiserror::Error;

use super::output::OutputError;
use super::pump::PumpError;

/// Reasons why a node is not run to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The signals to forward cannot be caught.
    #[error("cannot catch signals: {error}")]
    Signals {
        /// What the system said.
        error: io::Error,
    },
    /// The recorder's folder cannot be made.
    #[error("cannot make {}: {error}", path.shown())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no pipe or memory that a recorder could inherit.
    #[error("cannot prepare the link to the recorder: {error}")]
    Link {
        /// What the system said.
        error: io::Error,
    },
    /// The node's FIFO cannot be read.
    #[error(transparent)]
    Pump(#[from] PumpError),
    /// The node's output cannot be kept.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The node cannot get the file for its output.
    #[error(transparent)]
    OutputFile(io::Error),
    /// No command was given.
    #[error("nothing to run: give the node's command after --")]
    NoCommand,
    /// The node cannot be started.
    #[error("cannot start {}: {error}", program.shown())]
    Start {
        /// Its executable.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// How the node ended is not known.
    #[error("cannot wait for the node: {error}")]
    Wait {
        /// What the system said.
        error: io::Error,
    },
}
