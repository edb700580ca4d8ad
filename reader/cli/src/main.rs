//! `haltbox`: the command people type.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use haltbox_cli::commands::{
    Outcome, cat, compare, completions, demo, diff, extract, fingerprint, info, ls, manual, output,
    redact, report, sibling::Sibling, verify,
};
use haltbox_cli::confinement::{Needs, confine};

/// A flight recorder for consensus failures: records what a node executes, freezes a black
/// box when the node's AppHash differs from the network's, and reads and compares boxes.
///
/// Exit codes: 0 equal, intact or done; 1 different, damaged or needs attention; 2 error or
/// undecided.
#[derive(Parser)]
#[command(name = "haltbox", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record a slog and a node log until they end.
    #[command(disable_help_flag = true)]
    Record(Forwarded),
    /// Run a node with a recorder beside it.
    #[command(disable_help_flag = true)]
    Run(Forwarded),
    /// Freeze a black box now.
    #[command(disable_help_flag = true)]
    Freeze(Forwarded),
    /// Write a box of what a node's RPC reports about a height.
    #[command(disable_help_flag = true)]
    Collect(Forwarded),
    /// Show what a recorder holds and whether anything needs attention.
    #[command(disable_help_flag = true)]
    Status(Forwarded),
    /// Check the setup: find what would prevent a recording at a halt, and how to fix it.
    #[command(disable_help_flag = true)]
    Doctor(Forwarded),
    /// Check whether the node may be started again after a divergence.
    #[command(disable_help_flag = true)]
    Guard(Forwarded),
    /// Check the messages that an access list declares, using only receipts.
    #[command(disable_help_flag = true)]
    Check(Forwarded),
    /// Watch the cross-chain messages of OP Stack chains, and record them.
    #[command(disable_help_flag = true)]
    Watch(Forwarded),
    Cat(cat::CatArgs),
    Info(info::InfoArgs),
    Ls(ls::LsArgs),
    Verify(verify::VerifyArgs),
    Diff(diff::DiffArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Fingerprint(fingerprint::FingerprintArgs),
    Extract(extract::ExtractArgs),
    Redact(redact::RedactArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Manual(manual::ManualArgs),
}

/// Arguments that another program reads.
#[derive(clap::Args)]
struct Forwarded {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Prints the help, or what is wrong with the arguments. Arguments may be names that others
/// chose, as when a shell expands the files of a folder, so they are printed safely.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    output::tell(&error.render().to_string());
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    match run(cli.command) {
        Ok(outcome) => outcome.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<Outcome> {
    if let Some(Err(error)) = needs(&command).map(|needs| confine(&needs)) {
        output::say(&format!(
            "reads with all rights of its user, because it cannot give them up: {error}"
        ));
    }
    match command {
        Command::Record(_)
        | Command::Run(_)
        | Command::Freeze(_)
        | Command::Collect(_)
        | Command::Status(_)
        | Command::Doctor(_)
        | Command::Guard(_) => Err(Sibling::Record.exec(&arguments())),
        Command::Check(_) | Command::Watch(_) => Err(Sibling::Watch.exec(&arguments())),
        Command::Cat(args) => cat::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Ls(args) => ls::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Fingerprint(args) => fingerprint::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Redact(args) => redact::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Manual(args) => manual::run(args, Cli::command()),
    }
}

/// What a command that reads does besides. `None` for one that records, watches, or makes up
/// what it shows.
fn needs(command: &Command) -> Option<Needs<'_>> {
    Some(match command {
        Command::Cat(_) | Command::Info(_) | Command::Ls(_) | Command::Compare(_) => {
            Needs::default()
        }
        Command::Verify(args) => args.needs(),
        Command::Diff(args) => args.needs(),
        Command::Report(args) => args.needs(),
        Command::Fingerprint(args) => args.needs(),
        Command::Extract(args) => args.needs(),
        Command::Redact(args) => args.needs(),
        Command::Record(_)
        | Command::Run(_)
        | Command::Freeze(_)
        | Command::Collect(_)
        | Command::Status(_)
        | Command::Doctor(_)
        | Command::Guard(_)
        | Command::Check(_)
        | Command::Watch(_)
        | Command::Demo(_)
        | Command::Completions(_)
        | Command::Manual(_) => return None,
    })
}

/// The arguments as the user gave them, for the program that runs the command.
fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// Whether the reader of the output closed it. That is success: the reader has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}
