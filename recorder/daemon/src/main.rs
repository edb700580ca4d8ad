//! `haltbox-record`: the program that runs beside a validator.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{collect, doctor, freeze, guard, record, run, status};
use haltbox_daemon::console;

/// Records what a blockchain node executes, and freezes a black box when its
/// AppHash turns out to differ from the network's.
#[derive(Parser)]
#[command(name = "haltbox", version, bin_name = "haltbox")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record a slog and a node log until they end.
    Record(record::RecordArgs),
    /// Run a node with a recorder beside it. The node's slog goes into a file or FIFO of the
    /// folder, and its exit code is passed on.
    Run(run::RunArgs),
    /// Freeze a black box now.
    Freeze(freeze::FreezeArgs),
    /// Collect by RPC what a node still knows about a height, and write it as a box for
    /// haltbox diff: for a node without a recorder, or a healthy node to compare with.
    ///
    /// Exit code 0 if the node returned the block, its results and its AppHash; 1 if only a
    /// part of these; 2 if nothing could be written.
    Collect(collect::CollectArgs),
    /// Show what a recorder holds and whether anything needs attention.
    Status(status::StatusArgs),
    /// Check the setup: find what would prevent a recording at a halt, and how to fix it.
    Doctor(doctor::DoctorArgs),
    /// Decide whether the node may start. Refuse to start the same build again if a box
    /// proves that it diverged and the chain has not moved on.
    ///
    /// For ExecStartPre= of the node's unit. Exit code 1 refuses the start; in every other
    /// case, doubts and errors included, the exit code is 0.
    Guard(guard::GuardArgs),
    /// Write the manual pages of these commands into a folder.
    #[command(hide = true)]
    Manual {
        /// The folder.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    commands::run(cli.command).unwrap_or_else(|error| {
        console::tell(&format!("haltbox: {error:#}\n"));
        ExitCode::from(2)
    })
}

/// Prints help, or what is wrong with the arguments. They may have text of
/// others, so control characters are made visible.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    console::tell(&error.render().to_string());
    let given = || std::env::args_os().skip(1);
    let releases = || given().any(|given| given.to_string_lossy().starts_with("--release"));
    if given().next().is_some_and(|command| command == "guard") && !releases() {
        console::tell(
            "haltbox guard: invalid arguments, nothing was checked: the node may start\n",
        );
        return ExitCode::SUCCESS;
    }
    ExitCode::from(2)
}
