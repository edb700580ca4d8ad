//! `haltbox-record`: the program that runs beside a validator.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{collect, doctor, freeze, guard, record, run, status};
use haltbox_recorder::console;

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
    /// Run a node with a recorder beside it: its slog goes into a file or FIFO of
    /// the folder, its exit code comes back.
    Run(run::RunArgs),
    /// Freeze a black box now.
    Freeze(freeze::FreezeArgs),
    /// Ask a node by RPC what it still tells of a height, and write that as a box that
    /// diff takes: for nodes without a recorder, and for healthy ones beside them.
    ///
    /// Exit code 0 if the block, its results and its AppHash are told, 1 if a part of
    /// them is, 2 if nothing can be written.
    Collect(collect::CollectArgs),
    /// Say what a recorder holds and whether anything needs attention.
    Status(status::StatusArgs),
    /// Say what keeps a recorder from helping at a halt, and how to mend it.
    Doctor(doctor::DoctorArgs),
    /// Say whether the node may be started: not the same build again over a block at
    /// which a box proves that it diverged.
    ///
    /// For ExecStartPre= of the node's unit. Exit code 1 refuses the start; 0 is given in
    /// every other case, doubts and errors included.
    Guard(guard::GuardArgs),
    /// Write the manual's pages of these commands into a folder.
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
        console::tell(&format!("haltbox: {error}\n"));
        ExitCode::from(2)
    })
}

/// Help, or what is wrong with the arguments: names that others chose may be among
/// them.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    console::tell(&error.render().to_string());
    let given = || std::env::args_os().skip(1);
    let releases = || given().any(|given| given.to_string_lossy().starts_with("--release"));
    if given().next().is_some_and(|command| command == "guard") && !releases() {
        console::tell("haltbox guard: nothing was looked at: the node may start\n");
        return ExitCode::SUCCESS;
    }
    ExitCode::from(2)
}
