//! `haltbox run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use haltbox_model::size::parse_size;

use super::recording_options::RecordingArgs;
use super::{absolute, load_profile};

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Folder for the ring, the boxes and the slog. Must not be under the node's data/.
    #[arg(long)]
    dir: PathBuf,
    /// Write the node's output also to node.log in the folder. The recorder reads it there
    /// as the node log.
    #[arg(long)]
    tee: bool,
    /// Give the node a FIFO instead of a file. It never blocks the node, but what is still
    /// unread when both this process and the recorder die is lost.
    #[arg(long)]
    fifo: bool,
    /// Memory for lines from the FIFO while the recorder is not running. Further lines are
    /// dropped and counted.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    backlog: u64,
    /// Seconds to wait, after the node has ended, for the recorder to write its boxes. After
    /// that it continues alone.
    #[arg(long, value_name = "N", default_value = "2")]
    wait_seconds: u64,
    #[command(flatten)]
    recording: RecordingArgs,
    /// The node and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    // Check these here: a recorder that ends over them leaves the node running.
    load_profile(args.recording.profile())?;
    args.recording.rpc()?;
    let options = haltbox_daemon::run::Options {
        dir: absolute(&args.dir)?,
        record: handed_on(std::env::args_os().skip(2)),
        tee: args.tee,
        fifo: args.fifo.then_some(args.backlog),
        patience: Duration::from_secs(args.wait_seconds),
        command: args.command.clone(),
    };
    Ok(ExitCode::from(haltbox_daemon::run::run(&options)?))
}

/// Options of `run` that the recorder does not get, or gets with another value.
const OF_WRAPPER: [&str; 3] = ["--dir=", "--backlog=", "--wait-seconds="];

/// The options that go on to the recorder, as they were given.
fn handed_on(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--tee" | "--fifo") => {}
            Some("--dir" | "--backlog" | "--wait-seconds") => drop(arguments.next()),
            Some(option) if OF_WRAPPER.iter().any(|own| option.starts_with(own)) => {}
            _ => kept.push(argument),
        }
    }
    kept
}
