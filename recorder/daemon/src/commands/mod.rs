//! The commands: one file each, with its arguments and its work.

pub(crate) mod collect;
pub(crate) mod doctor;
pub(crate) mod freeze;
pub(crate) mod guard;
pub(crate) mod manual;
pub(crate) mod record;
mod recording_options;
pub(crate) mod run;
mod signing_args;
pub(crate) mod status;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use haltbox_model::{Profile, ShowPath};

use crate::Command;

/// Runs a command. Returns the exit code, or the error to print.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Record(args) => record::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Freeze(args) => freeze::run(&args),
        Command::Collect(args) => collect::run(args),
        Command::Status(args) => status::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Guard(args) => guard::run(&args),
        Command::Manual { folder } => manual::run(&folder),
    }
}

/// Makes a path absolute. Messages name it, and people use it in other shells
/// and in the command of `--on-freeze`.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.shown().to_string())
}

fn load_profile(name: &str) -> anyhow::Result<Profile> {
    Ok(Profile::named(name, |file| std::fs::read(file))?)
}
