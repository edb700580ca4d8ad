//! Signs a box that is durable: an ssh signature beside it, made by
//! `ssh-keygen`.
//!
//! A signature is one more file. Whatever goes wrong here leaves the box as it
//! is, and the operator is told how to sign it by hand.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use haltbox_format::blackbox::{SIGNATURE_HEAD, SIGNATURE_MAX, SIGNATURE_NAMESPACE};
use haltbox_model::ShowPath;
use haltbox_signature::{Answer, CallError, path_of, patience_for};
use thiserror::Error;

use crate::blackbox::{BoxFolder, Published};
use crate::host_threads;
use crate::open_regular;

/// The key that signs boxes: a private one, or a public one whose private key
/// the ssh-agent has. Only `ssh-keygen` reads the file.
#[derive(Clone, Debug)]
pub struct Signer {
    key: PathBuf,
}

/// A box with a signature beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Path of the signature.
    pub path: PathBuf,
    /// A signature was there before, and is unchanged.
    pub existed: bool,
}

/// Why a box has no signature.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotSigned {
    /// `ssh-keygen` gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The key has a passphrase, and nobody is asked for it.
    #[error(
        "the key {} has a passphrase, and nobody is asked for it: load it into an ssh-agent \
         (ssh-add), and set SSH_AUTH_SOCK where haltbox runs",
        .0.shown()
    )]
    Passphrase(PathBuf),
    /// `ssh-keygen` refuses.
    #[error("ssh-keygen cannot sign with {}: {words}", key.shown())]
    Refused {
        /// The key.
        key: PathBuf,
        /// What it said.
        words: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {error}", path.shown())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another file has the signature's name.
    #[error("{} exists and is no signature of this box: move it away first", .0.shown())]
    OfOtherBytes(PathBuf),
    /// Somebody removed the box meanwhile.
    #[error("{} was removed meanwhile", .0.shown())]
    BoxGone(PathBuf),
}

impl NotSigned {
    fn of_io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> NotSigned + 'a {
        move |error| NotSigned::Io {
            doing,
            path: path.to_owned(),
            error,
        }
    }
}

impl Signer {
    /// Signs with the key at `key`. Opens nothing yet.
    pub fn new(key: PathBuf) -> Signer {
        Signer { key }
    }

    /// The key's path.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Signs a durable box, and leaves a signature that is there as it is.
    /// `hurried` says that there is no time left.
    ///
    /// # Errors
    /// [`NotSigned`]. The box is unchanged.
    pub fn sign(&self, path: &Path, hurried: &dyn Fn() -> bool) -> Result<Signed, NotSigned> {
        if path_of(path).symlink_metadata().is_ok() {
            return existing(path, hurried);
        }
        let file = open_regular::open(path).map_err(NotSigned::of_io("open", path))?;
        let bytes = file.metadata().map_or(0, |found| found.len());
        let signature = self.ask(file.into(), patience_for(bytes), hurried)?;
        let published = publish(path, &signature);
        let published = published.map_err(NotSigned::of_io("write the signature of", path))?;
        // A signature without its box would later stand beside another one.
        if path.symlink_metadata().is_err() {
            let _ = std::fs::remove_file(path_of(path));
            return Err(NotSigned::BoxGone(path.to_owned()));
        }
        match published {
            Published::As(_) => Ok(Signed {
                path: path_of(path),
                existed: false,
            }),
            Published::AlreadyThere(_) => existing(path, hurried),
        }
    }

    /// Checks that the key can sign, by a signature that nobody keeps. An
    /// operator learns of a passphrase then, and not on the night of a halt.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn try_out(&self, hurried: &dyn Fn() -> bool) -> Result<(), NotSigned> {
        let signed = self.ask(Stdio::null(), patience_for(0), hurried);
        signed.map(drop)
    }

    /// How to sign a box by hand.
    pub fn by_hand(&self, path: &Path) -> String {
        let (key, path) = (self.key.shown(), path.shown());
        format!("ssh-keygen -Y sign -n {SIGNATURE_NAMESPACE} -f {key} {path}")
    }

    fn ask(
        &self,
        message: Stdio,
        patience: Duration,
        hurried: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, NotSigned> {
        let call = host_threads::outside(|| haltbox_signature::sign(&self.key, message))?;
        let answer = call.end(patience, hurried)?;
        let out = answer.output();
        let sound = out.starts_with(SIGNATURE_HEAD) && out.len() as u64 <= SIGNATURE_MAX;
        match answer.is_done() && sound {
            true => Ok(out.to_vec()),
            false => Err(self.refused(&answer)),
        }
    }

    fn refused(&self, answer: &Answer) -> NotSigned {
        let key = self.key.clone();
        match answer
            .complaints()
            .any(|line| line.contains("incorrect passphrase"))
        {
            true => NotSigned::Passphrase(key),
            false => NotSigned::Refused {
                key,
                words: answer.words(),
            },
        }
    }
}

/// The signature that is there. One of other bytes would be taken for that of
/// this box.
fn existing(path: &Path, hurried: &dyn Fn() -> bool) -> Result<Signed, NotSigned> {
    let signature = path_of(path);
    let file = open_regular::open(path).map_err(NotSigned::of_io("open", path))?;
    let bytes = file.metadata().map_or(0, |found| found.len());
    let call = host_threads::outside(|| haltbox_signature::check(&signature, file.into()))?;
    match call.end(patience_for(bytes), hurried)?.is_done() {
        true => Ok(Signed {
            path: signature,
            existed: true,
        }),
        false => Err(NotSigned::OfOtherBytes(signature)),
    }
}

/// Gives the signature its name beside the box.
fn publish(path: &Path, signature: &[u8]) -> io::Result<Published> {
    let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = BoxFolder::open(parent.unwrap_or(Path::new(".")))?;
    let file = folder.temporary()?;
    file.file().write_all(signature)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    file.publish_signature(&name)
}
