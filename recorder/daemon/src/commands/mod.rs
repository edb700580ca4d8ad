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

use haltbox_model::{Profile, ShowPath};

use crate::Command;

/// Runs a command. Returns the exit code, or the error in words.
pub(crate) fn run(command: Command) -> Result<ExitCode, String> {
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
fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.shown()))
}

fn load_profile(name: &str) -> Result<Profile, String> {
    Profile::named(name, |file| std::fs::read(file)).map_err(|error| error.to_string())
}
