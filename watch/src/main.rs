//! `haltbox-watch`: the program for chains that send messages to one another.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use haltbox_daemon::console;
use haltbox_model::ShowPath;
use haltbox_watch::check::command::{self as check, CheckArgs};
use haltbox_watch::watcher::command::{self as watch, WatchArgs};

/// Checks and watches cross-chain messages between OP Stack chains.
#[derive(Parser)]
#[command(name = "haltbox", version, bin_name = "haltbox")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(Box<CheckArgs>),
    Watch(Box<WatchArgs>),
    /// Write the manual pages of these commands into a folder.
    #[command(hide = true)]
    Manual {
        /// The folder.
        folder: PathBuf,
    },
}

/// Prints help, or the error in the arguments. An error goes through [`console`], because
/// it may contain names that others chose.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    console::tell(&error.render().to_string());
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let outcome = match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Manual { folder } => write_manual(&folder),
    };
    outcome.unwrap_or_else(|error| {
        console::tell(&format!("haltbox: {error:#}\n"));
        ExitCode::from(2)
    })
}

/// Writes one page for each command of this program. The page of `haltbox` itself is the
/// reader's, which knows all commands.
fn write_manual(folder: &Path) -> anyhow::Result<ExitCode> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    for command in program.get_subcommands().filter(|c| !c.is_hide_set()) {
        clap_mangen::Man::new(command.clone())
            .generate_to(folder)
            .with_context(|| format!("cannot write into {}", folder.shown()))?;
    }
    Ok(ExitCode::SUCCESS)
}
