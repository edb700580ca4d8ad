//! `haltbox manual`: writes the manual, for packages.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::sibling::Sibling;
use super::{Outcome, output};

/// Write the manual's pages into a folder.
#[derive(Args, Debug)]
pub struct ManualArgs {
    /// The folder.
    folder: PathBuf,
}

/// Runs the command. `program` has all commands.
pub fn run(args: ManualArgs, program: clap::Command) -> anyhow::Result<Outcome> {
    clap_mangen::generate_to(program, &args.folder)?;
    // The sibling programs write the pages of their own commands.
    let arguments: [OsString; 2] = ["manual".into(), args.folder.into()];
    match Sibling::Watch.run(&arguments) {
        Ok(true) => {}
        Ok(false) => return Ok(Outcome::Trouble),
        // A package may leave this program out.
        Err(error) => output::say(&format!(
            "cannot write the manual pages of check and watch: {error:#}"
        )),
    }
    Err(Sibling::Record.exec(&arguments))
}
