//! `haltbox manual`, for packages.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use haltbox_model::ShowPath;

use crate::Cli;

/// Writes a page for each command of this program. The reader writes the page
/// of `haltbox` itself, because it knows all commands.
pub(super) fn run(folder: &Path) -> anyhow::Result<ExitCode> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    for command in program.get_subcommands().filter(|c| !c.is_hide_set()) {
        clap_mangen::Man::new(command.clone())
            .generate_to(folder)
            .with_context(|| format!("cannot write into {}", folder.shown()))?;
    }
    Ok(ExitCode::SUCCESS)
}
