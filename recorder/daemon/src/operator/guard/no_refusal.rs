//! Why the guard refuses no start.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use haltbox_format::Digest;
use haltbox_format::blackbox::IndexError;
use haltbox_format::ring::RingError;
use haltbox_model::{Outside, ShowPath};
use thiserror::Error;

use super::RELEASED;

/// The ring of a node says nothing that the guard could use.
#[derive(Debug, Error)]
#[error("{}: {why}", ring.shown())]
pub struct NoFacts {
    /// The ring.
    pub ring: PathBuf,
    /// What is wrong with it.
    pub why: Unusable,
}

/// What is wrong with the ring.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its hashes say nothing about a node of this machine.
    #[error("it was made on another machine")]
    OtherMachine,
}

/// Why a block that differs refuses no start. `name` is the name of its box.
#[derive(Debug, Error)]
pub(super) enum NoHold {
    #[error("the chain has continued after height {height}: height {next} was committed since")]
    WentOn { height: u64, next: u64 },
    #[error("height {height} was executed again since, with another result")]
    Again { height: u64 },
    #[error("this node's AppHash of height {height} equals the network's")]
    Equal { height: u64 },
    #[error("no box holds height {height} yet")]
    NoBox { height: u64 },
    #[error("cannot read {RELEASED} beside the ring: {0}")]
    Released(Arc<io::Error>),
    #[error("{} was released", Outside::text(name))]
    Allowed { name: String },
    #[error("{}: {why}", Outside::text(name))]
    Manifest { name: String, why: NoManifest },
    #[error(
        "{} does not contain the digest of the node's executable",
        Outside::text(name)
    )]
    NoBuild { name: String },
}

/// Why the manifest of a box cannot be read.
#[derive(Debug, Error)]
pub(super) enum NoManifest {
    #[error("it is not a valid box name")]
    Name,
    #[error(transparent)]
    Open(#[from] io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Why the executable to start is not known to be the one of the box `name`.
#[derive(Debug, Error)]
pub(super) enum NotTheBuild {
    #[error(
        "{} is of the build {}, but the build that is to be started is unknown: give --exe PATH",
        Outside::text(name),
        short(build)
    )]
    Unknown { name: String, build: Digest },
    #[error("{}: {error}", program.shown())]
    Io { program: PathBuf, error: io::Error },
    #[error(
        "{} is another build ({}) than the one of {} ({})",
        program.shown(),
        short(found),
        Outside::text(name),
        short(build)
    )]
    Another {
        program: PathBuf,
        found: Digest,
        name: String,
        build: Digest,
    },
    #[error(
        "{} was installed while the node of {} was running, so that node may have been another \
         build",
        program.shown(),
        Outside::text(name)
    )]
    Installed { program: PathBuf, name: String },
}

/// Why boxes of a height are not released.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The ring cannot be read.
    #[error(transparent)]
    Ring(#[from] NoFacts),
    /// No box of this height refuses a start.
    #[error(
        "height {height} is no reason to refuse a start; heights that are: {}",
        listed(others)
    )]
    NoReason {
        /// The height.
        height: u64,
        /// Heights whose boxes refuse a start.
        others: Vec<u64>,
    },
    /// The release cannot be saved.
    #[error("{}: {error}", path.shown())]
    Save {
        /// The file of releases.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn listed(heights: &[u64]) -> String {
    let heights: Vec<String> = heights.iter().map(u64::to_string).collect();
    match heights.is_empty() {
        true => "none".to_owned(),
        false => heights.join(", "),
    }
}

/// The beginning of a digest.
pub(super) fn short(digest: &Digest) -> impl fmt::Display {
    digest.to_string().chars().take(16).collect::<String>()
}
