//! `haltbox collect`: writes what a node answered about a height as a box.

use std::io;
use std::path::PathBuf;

use haltbox_format::BoxName;
use haltbox_format::blackbox::{
    BlockFacts, BoxError, BoxWriter, Coverage, HostFingerprint, Identity, ManifestFields,
    Options as BoxOptions,
};
use haltbox_model::{Profile, ProfileError, ShowPath};
use std::num::NonZeroU32;
use thiserror::Error;

use super::ask::{AnswersError, Asker, Bounds};
use super::block::{Abci, HeightAnswers};
use super::entries::NoLines;
use crate::rpc::Endpoint;
use haltbox_recorder::blackbox::{self, Published};
use haltbox_recorder::clock;
use haltbox_recorder::freeze::{FreezeError, folder_of};

/// Where answers come from.
pub enum From {
    /// A node, asked by RPC.
    Rpc(Endpoint),
    /// Lines of `haltbox cat --stream evidence`.
    Answers(Vec<u8>),
}

/// What to collect, and from where.
pub struct Options {
    /// The node, or its answers of an earlier time.
    pub from: From,
    /// The height that was executed.
    pub height: u64,
    /// The folder for the box.
    pub out: PathBuf,
    /// Names of stores to ask for beside [`STORES`](super::STORES).
    pub stores: Vec<String>,
}

/// The written box, and what it lacks.
pub struct Collected {
    /// Path of the box.
    pub path: PathBuf,
    /// What the box has, one phrase each.
    pub tells: Vec<String>,
    /// What the node did not answer, one phrase each.
    pub lacks: Vec<String>,
    /// Whether the box has the block, its results and its AppHash.
    pub whole: bool,
}

/// Reasons why no box is written of a node's answers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// A name of a store that is none.
    #[error("--store: expected a store's name such as bank, found {name:?}")]
    Store {
        /// The name.
        name: String,
    },
    /// The answers of an earlier time cannot be read.
    #[error(transparent)]
    Answers(#[from] AnswersError),
    /// The answers are not enough.
    #[error("height {height} of {from}: {why}{}", behind(first))]
    NoLines {
        /// The height that was asked for.
        height: u64,
        /// The node, without its secrets.
        from: String,
        /// What is missing.
        why: NoLines,
        /// The first call that failed, and why.
        first: Option<String>,
    },
    /// The folder for the box cannot be opened.
    #[error(transparent)]
    Folder(#[from] FreezeError),
    /// The builtin profile cannot be read.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The folder takes no file.
    #[error("cannot write a box in {}: {error}", out.shown())]
    File {
        /// The folder.
        out: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The box cannot be written.
    #[error("cannot write a box in {}: {error}", out.shown())]
    Box {
        /// The folder.
        out: PathBuf,
        /// What the writer said.
        error: BoxError,
    },
    /// The name for the box is none.
    #[error("{name:?} is not a valid box name")]
    Name {
        /// The name.
        name: String,
    },
    /// There is no number left for another box of the name.
    #[error("{} already contains too many boxes of the name {name}", out.shown())]
    Full {
        /// The folder.
        out: PathBuf,
        /// The name.
        name: String,
    },
}

fn behind(first: &Option<String>) -> String {
    let first = first.as_ref();
    first.map_or(String::new(), |first| format!("; {first}"))
}

/// Asks a node, and writes a box.
///
/// # Errors
/// [`CollectError`].
pub fn collect(options: &Options) -> Result<Collected, CollectError> {
    check_names(&options.stores)?;
    let mut asker = match &options.from {
        From::Rpc(node) => Asker::new(node.clone(), Bounds::COLLECT),
        From::Answers(lines) => Asker::of_lines(lines, Bounds::COLLECT)?,
    };
    let told = super::ask_all(&mut asker, options.height, &options.stores);
    let lines = told.lines().map_err(|why| CollectError::NoLines {
        height: options.height,
        from: asker.from().to_owned(),
        why,
        first: asker.failures().into_iter().next(),
    })?;
    let path = write(options, &told, &lines, &asker)?;
    Ok(Collected {
        path,
        tells: told.tells(),
        lacks: told.lacks(options, &asker),
        whole: told.results.is_some() && told.app_hash.is_some(),
    })
}

/// Checks the names, because they become a part of a URL.
fn check_names(stores: &[String]) -> Result<(), CollectError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let sound = |name: &&String| !name.is_empty() && name.chars().all(allowed);
    match stores.iter().find(|name| !sound(name)) {
        Some(name) => Err(CollectError::Store { name: name.clone() }),
        None => Ok(()),
    }
}

fn write(
    options: &Options,
    told: &HeightAnswers,
    lines: &[String],
    asker: &Asker,
) -> Result<PathBuf, CollectError> {
    let out = &options.out;
    let cannot = |error| CollectError::File {
        out: out.clone(),
        error,
    };
    let folder = folder_of(out)?;
    let file = folder.temporary().map_err(cannot)?;
    let identity = identity(options, told, asker)?;
    let draft = BoxOptions {
        draft: identity.clone(),
        ..BoxOptions::default()
    };
    let clone = file.file().try_clone().map_err(cannot)?;
    let writer = BoxWriter::new(clone, &draft);
    let written = writer.and_then(|mut writer| {
        writer.block_begin(told.height, 1);
        lines
            .iter()
            .try_for_each(|line| writer.slog(line.as_bytes(), true))?;
        writer.block_end(BlockFacts {
            app_hash: told.app_hash,
            network_app_hash: told.network,
            ..BlockFacts::default()
        });
        asker
            .lines()
            .iter()
            .try_for_each(|line| writer.evidence(line))?;
        writer.finish(identity.clone(), fields(told, &identity, asker))
    });
    let out = || out.clone();
    written.map_err(|error| CollectError::Box { out: out(), error })?;
    let Some(name) = blackbox::FileStem::new(&identity.name) else {
        let name = identity.name;
        return Err(CollectError::Name { name });
    };
    match file.publish_next(&name).map_err(cannot)? {
        Published::As(name) => Ok(out().join(name)),
        Published::AlreadyThere(name) => Err(CollectError::Full { out: out(), name }),
    }
}

/// Identity of the box. Its name says `incomplete`: a HASH is only for recorded
/// lines.
fn identity(
    options: &Options,
    told: &HeightAnswers,
    asker: &Asker,
) -> Result<Identity, ProfileError> {
    let name = BoxName {
        height: options.height,
        hash: None,
        serial: NonZeroU32::MIN,
    };
    let profile = Profile::builtin("host")?;
    let origin = format!("collected by RPC from {}, and not recorded", asker.from());
    Ok(Identity {
        name: name.to_string(),
        height: Some(options.height),
        attempt: Some(1),
        reason: format!("collected by RPC from {}", asker.from()),
        app_hash: told.app_hash,
        network_app_hash: told.network,
        profile_digest: profile
            .slog
            .as_ref()
            .map(|slog| slog.canonical().name_digest()),
        profile: profile.name,
        created: clock::rfc3339(clock::now_ms()),
        origin: Some(origin),
        ..Identity::default()
    })
}

fn fields(told: &HeightAnswers, identity: &Identity, asker: &Asker) -> ManifestFields {
    ManifestFields {
        coverage: Coverage {
            first_height: Some(told.height),
            last_height: Some(told.height),
            ..Coverage::default()
        },
        losses: Vec::new(),
        holes: Vec::new(),
        host: HostFingerprint {
            recorder: Some(env!("CARGO_PKG_VERSION").to_owned()),
            versions: super::block::versions(asker.told("status"), asker.told("abci_info")),
            ..HostFingerprint::default()
        },
        origin: identity.origin.clone(),
    }
}

impl HeightAnswers {
    fn tells(&self) -> Vec<String> {
        let count = |count: usize, what: &str| format!("{count} {what}");
        let txs = self
            .block
            .as_ref()
            .and_then(|block| block.txs())
            .unwrap_or_default();
        let mut tells = vec![count(txs.len(), "transactions")];
        tells.extend(self.results.as_ref().map(|_| "their results".to_owned()));
        tells.extend(
            self.app_hash
                .map(|hash| format!("AppHash {}", hash.short())),
        );
        let other = self
            .network
            .filter(|network| Some(*network) != self.app_hash);
        tells.extend(
            other.map(|hash| format!("a different AppHash in the next header: {}", hash.short())),
        );
        tells.push(count(self.roots.len(), "proved store roots"));
        let before = self.roots_before.len();
        tells.extend((before > 0).then(|| {
            count(
                before,
                "store roots of the previous height (as answers only)",
            )
        }));
        tells
    }

    fn lacks(&self, options: &Options, asker: &Asker) -> Vec<String> {
        let proved = |name: &&String| self.roots.iter().any(|root| root.store == **name);
        let unproved = options.stores.iter().filter(|name| !proved(name));
        let unproved = unproved.map(|name| format!("a proved root of store {name}"));
        let none = self.roots.is_empty().then(|| {
            "proved store roots: the node is not a Cosmos SDK application, or has pruned the height"
                .to_owned()
        });
        let taken = (self.results.is_none() && self.abci == Some(Abci::Two)).then(|| {
            "the CometBFT release that executed the block (only its results would show it); its \
             inputs are written as for 0.38 or later"
                .to_owned()
        });
        asker
            .failures()
            .into_iter()
            .chain(taken)
            .chain(unproved)
            .chain(none)
            .collect()
    }
}
