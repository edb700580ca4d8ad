//! The commands: one file each, with its arguments and what it does.

pub mod cat;
pub mod compare;
pub mod completions;
mod copying;
pub mod demo;
pub mod diff;
pub mod extract;
pub mod fingerprint;
pub mod info;
pub mod ls;
pub mod manual;
mod new_file;
pub mod output;
mod progress;
pub mod redact;
pub mod report;
mod selected;
pub mod sibling;
mod source_document;
pub mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use haltbox_model::Profile;
pub(crate) use haltbox_model::size::human_bytes;

use haltbox_reader::compare::recording::Recording;
use haltbox_reader::folder::archive_files;
use haltbox_reader::source::{self, Source, SourceError};

/// How a command ended; exit codes as `diff` and `cmp` have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// 0: intact, the same, done.
    Fine,
    /// 1: damaged, different.
    Damaged,
    /// 2: could not be done or decided.
    Trouble,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Damaged => 1,
            Outcome::Trouble => 2,
        })
    }
}

/// The profile a source is to be read with: the one asked for, else the one it
/// names if that is a builtin one or stands beside it, else Agoric's.
///
/// It names blocks by the rules that the source's were named by.
pub fn profile_for(asked: Option<&str>, source: &Source, path: &Path) -> anyhow::Result<Profile> {
    let profile = match asked {
        Some(name) => Profile::named(name, |file| std::fs::read(file))?,
        None => {
            let known = |name| Profile::builtin(name).ok().or_else(|| beside(path, name));
            let named = source.profile().and_then(known);
            let named = named.or_else(|| of_digests(source));
            named.map_or_else(|| Profile::builtin("agoric"), Ok)?
        }
    };
    Ok(profile.naming_by(source.named_by()))
}

/// The builtin profile by whose rules a fingerprint was made.
fn of_digests(source: &Source) -> Option<Profile> {
    let Source::Fingerprint(print) = source else {
        return None;
    };
    let mut builtin = Profile::builtins();
    builtin.find(|profile| {
        let rules = profile.slog.as_ref();
        rules.is_some_and(|rules| rules.canonical().digest() == print.profile)
    })
}

/// The profile of this name that a recorder left in its folder: the source
/// itself, that of a ring, or above that of a box.
fn beside(path: &Path, name: &str) -> Option<Profile> {
    let above = usize::from(!path.is_dir());
    let folders = path.ancestors().skip(above).take(2);
    let read = |folder: &Path| {
        let file = folder.join(Profile::BESIDE_RING);
        Profile::parse(&std::fs::read(&file).ok()?, &shown(&file)).ok()
    };
    folders
        .filter_map(read)
        .find(|profile| profile.name == name)
}

/// Read by the rules of another profile, two recordings seem to differ or to
/// agree where they do not.
fn check_known(source: &Source, profile: &Profile, path: &Path) -> anyhow::Result<()> {
    match source.profile() {
        Some(name) if name != profile.name && !name.is_empty() => anyhow::bail!(
            "{} was recorded with the profile {name}, which is neither builtin nor beside the \
             source; pass its file: --profile FILE",
            shown(path)
        ),
        _ => Ok(()),
    }
}

/// A folder means its archive and its ring as one, its ring, or its only member.
pub fn single(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    if !archive_files(path)?.is_empty() {
        return Ok(path.to_owned());
    }
    let ring = path.join("ring");
    if ring.is_file() {
        return Ok(ring);
    }
    match source::members(path)?.as_slice() {
        // The files of its blocks, as one.
        [own, ..] if own == path => Ok(path.to_owned()),
        [only] => Ok(only.clone()),
        many => {
            let names: Vec<String> = many.iter().map(|member| shown(member)).collect();
            anyhow::bail!(
                "{} contains {} sources; name one of them: {}",
                shown(path),
                many.len(),
                names.join(" ")
            )
        }
    }
}

/// Opens a source, and says on standard error what whoever waits should know.
pub(crate) fn open(path: &Path) -> Result<Source, SourceError> {
    source::open_saying(path, &output::say)
}

/// A source that is to be compared, opened. A folder stands for its ring.
pub fn recording(path: &Path, asked: Option<&str>) -> anyhow::Result<Recording> {
    let path = single(path)?;
    let source = open(&path)?;
    let profile = profile_for(asked, &source, &path)?;
    if asked.is_none() {
        check_known(&source, &profile, &path)?;
    }
    Ok(Recording::new(path, source, profile))
}

/// A path as people are shown it.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
