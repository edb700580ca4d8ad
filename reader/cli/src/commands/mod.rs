//! The commands. Each has a file with its arguments and what it does.

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

/// What `--profile` takes in `diff`, `compare` and `fingerprint`, as their help shows it: names
/// of built-in profiles, among them all that read entries, or a file.
pub(crate) const PROFILE_NAMES: &str = "agoric|cosmos|host|messages|FILE.json";

/// How a command ended. The exit codes are those of `diff` and `cmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// 0: equal, intact, done.
    Fine,
    /// 1: different, damaged.
    Damaged,
    /// 2: error, or undecided.
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

/// The profile to read a source with. The order of preference: the one that the user asked
/// for; the one that the source names, if it is built in or a file beside the source; for a
/// fingerprint, the built-in one with its rules; Agoric's.
///
/// The profile names blocks by the rules with which the source names them.
///
/// # Errors
/// The profile that the user asked for cannot be read.
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

/// The built-in profile with whose rules a fingerprint was made.
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

/// The profile of this name that a recorder left in its folder: in the source itself if that
/// is a folder, beside a ring, or one folder above a box.
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

/// Checks that the source was recorded with this profile. With the rules of another one, two
/// recordings may seem to differ or to agree when they do not.
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

/// The one source that a path stands for. A folder stands for its archive and ring together,
/// for its ring, or for its only member.
///
/// # Errors
/// The folder cannot be read, or holds several sources.
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
        // The files of single blocks are one source.
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

/// Opens a source. Prints on standard error what a waiting user should know.
pub(crate) fn open(path: &Path) -> Result<Source, SourceError> {
    source::open_saying(path, &output::say)
}

/// Opens a source for a comparison. A folder stands for its ring.
///
/// # Errors
/// The source cannot be opened, or was recorded with another profile.
pub fn recording(path: &Path, asked: Option<&str>) -> anyhow::Result<Recording> {
    let path = single(path)?;
    let source = open(&path)?;
    let profile = profile_for(asked, &source, &path)?;
    if asked.is_none() {
        check_known(&source, &profile, &path)?;
    }
    Ok(Recording::new(path, source, profile))
}

/// A path as users see it.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_profile_that_reads_entries() {
        let named: Vec<&str> = PROFILE_NAMES.split('|').collect();
        let builtin: Vec<Profile> = Profile::builtins().collect();
        for profile in builtin.iter().filter(|profile| profile.slog.is_some()) {
            assert!(named.contains(&profile.name.as_str()), "{}", profile.name);
        }
        let (file, names) = named.split_last().expect("a list of names");
        assert_eq!(*file, "FILE.json");
        let is_builtin = |name: &&str| Profile::is_builtin(name);
        assert!(names.iter().all(is_builtin), "{names:?}");
    }
}
