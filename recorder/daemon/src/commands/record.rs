//! `haltbox record`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, CommandFactory};
use haltbox_daemon::intake::Place;
use haltbox_daemon::run::link::Handed;
use haltbox_daemon::{attach, serve};
use haltbox_model::Profile;
use thiserror::Error;

use super::recording_options::RecordingArgs;
use super::{absolute, load_profile};
use crate::Cli;

/// Options that an attached recorder does not have, because it writes no ring.
const ATTACHED_HAS_NO: [&str; 8] = [
    "dir",
    "slog",
    "wrapped_fifo",
    "of_run",
    "give_back",
    "size",
    "metrics",
    "max_block_age",
];

#[derive(Args)]
pub(crate) struct RecordArgs {
    /// Folder for the ring and the boxes. Must not be under the node's data/.
    #[arg(long, required_unless_present = "attach")]
    dir: Option<PathBuf>,
    /// Freeze and archive for a host that writes its ring itself. If the host does not
    /// record the AppHash, give --node-log, --journal or --rpc too.
    #[arg(long, value_name = "RING", conflicts_with_all = ATTACHED_HAS_NO)]
    attach: Option<PathBuf>,
    /// The host's slog: a file to follow, a folder in which the node writes a file for
    /// each block, a FIFO, - for standard input, or systemd for the FIFO that systemd
    /// passes (fd:NAME if it passes several).
    #[arg(long, value_name = "-|PATH|systemd|fd:NAME")]
    slog: Option<String>,
    /// Standard input is the slog, and comes from `haltbox run`, which reads
    /// this FIFO.
    #[arg(long, value_name = "PATH", hide = true, conflicts_with = "slog")]
    wrapped_fifo: Option<PathBuf>,
    /// What `haltbox run` leaves to its recorder: numbers of descriptors.
    #[arg(long, value_name = "end=N,...", hide = true)]
    of_run: Option<Handed>,
    /// Node log; accepts the same values as --slog, except a folder. With --attach, a
    /// file to follow.
    #[arg(long, value_name = "-|PATH|systemd|fd:NAME")]
    node_log: Option<String>,
    /// Node log from systemd's journal: what this unit prints.
    #[arg(long, value_name = "UNIT", conflicts_with = "node_log", value_parser = parse_unit)]
    journal: Option<String>,
    /// Free the disk blocks of the recorded part of the followed slog. The file keeps its
    /// length, but takes only some megabytes, however long the node writes.
    #[arg(long)]
    give_back: bool,
    #[command(flatten)]
    recording: RecordingArgs,
}

pub(super) fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    check_attached(args);
    match (&args.attach, &args.dir) {
        (Some(ring), _) => attach_to(ring, args),
        (None, Some(dir)) => record_into(dir, args),
        (None, None) => bail!("nowhere to record: give --dir"),
    }
}

/// Refuses options that an attached recorder cannot use without a log or a node
/// to ask.
fn check_attached(args: &RecordArgs) {
    let asks = args.recording.rpc.is_some() || !args.recording.peer_rpc.is_empty();
    let hears = args.node_log.is_some() || args.journal.is_some() || asks;
    let refused = match args.attach.is_some() {
        true if args.recording.persist_rounds.is_some() && !hears => "--persist-rounds",
        true if args.recording.rpc_seconds.is_some() && !asks => "--rpc-seconds",
        _ => return,
    };
    let text = format!(
        "the argument '--attach <RING>' cannot be used with '{refused}' without a source that it \
         applies to: give --node-log, --journal or --rpc"
    );
    let kind = clap::error::ErrorKind::ArgumentConflict;
    Cli::command().error(kind, text).exit()
}

fn attach_to(ring: &Path, given: &RecordArgs) -> anyhow::Result<ExitCode> {
    let args = &given.recording;
    let node_log = given.node_log.as_deref().map(Place::from);
    let node_log = node_log.or(given.journal.clone().map(Place::Journal));
    attach::attach(attach::Options {
        node_log,
        rpc: args.rpc()?,
        ring: absolute(ring)?,
        profile: args.profile.as_deref().map(load_profile).transpose()?,
        node_program: args.node_program.clone(),
        triggers: args.triggers(),
        after_freeze: args.after_freeze(),
        signer: args.signer()?,
        archive_bytes: args.archive_bytes,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn record_into(dir: &Path, args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let wrapped = args.wrapped_fifo.clone().map(Place::Wrapped);
    let slog = args.slog.as_deref().map(Place::from).or(wrapped);
    let node_log = args.node_log.as_deref().map(Place::from);
    let node_log = node_log.or(args.journal.clone().map(Place::Journal));
    if slog.is_none() && node_log.is_none() {
        bail!("nothing to record: give --slog, and --node-log or --journal");
    }
    let takes_stdin = matches!(slog, Some(Place::Stdin | Place::Wrapped(_)));
    if takes_stdin && node_log == Some(Place::Stdin) {
        bail!("only one of --slog and --node-log can be standard input");
    }
    let profile = args.recording.profile();
    serve::serve(serve::Options {
        dir: absolute(dir)?,
        size: args.recording.size,
        slog,
        node_log,
        give_back: args.give_back,
        profile: load_profile(profile)?,
        profile_text: (!Profile::is_builtin(profile))
            .then(|| std::fs::read(profile).ok())
            .flatten(),
        node_program: args.recording.node_program.clone(),
        triggers: args.recording.triggers(),
        after_freeze: args.recording.after_freeze(),
        signer: args.recording.signer()?,
        archive_bytes: args.recording.archive_bytes,
        rpc: args.recording.rpc()?,
        metrics: args.recording.metrics,
        max_block_age: args.recording.max_block_age.map(Duration::from_secs),
        of_run: args.of_run,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A text that is no unit's name.
#[derive(Debug, Error)]
#[error("expected a unit's name such as agd.service, found {text:?}")]
struct NoUnit {
    text: String,
}

/// Reads a unit's name. Refuses a pattern, because it would let lines of other
/// units in.
fn parse_unit(text: &str) -> Result<String, NoUnit> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let sound = !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed);
    let unit = || match text.contains('.') {
        true => text.to_owned(),
        false => format!("{text}.service"),
    };
    let text = text.to_owned();
    sound.then(unit).ok_or(NoUnit { text })
}
