//! `haltbox extract`: a part of a source as a black box of its own.

use std::path::PathBuf;

use clap::Args;

use super::copying::{self, Making};
use super::selected::Selected;
use super::{Outcome, output, profile_for, single};

/// Write a part of a source as a black box of its own, and print its name.
#[derive(Args, Debug)]
pub struct ExtractArgs {
    /// A box, a ring, a recorder's folder, a flight-recorder.bin, a slog, or -.
    source: PathBuf,
    /// The file to write; one that exists is left as it is.
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    selected: Selected,
    /// With the node's log. Of a box all of it: a box does not tell the heights
    /// of those lines.
    #[arg(long)]
    node: bool,
    /// How to read the lines: agoric, cosmos, host, or a profile file.
    #[arg(long)]
    profile: Option<String>,
}

/// Runs the command.
pub fn run(args: &ExtractArgs) -> anyhow::Result<Outcome> {
    let path = single(&args.source)?;
    let mut source = super::open(&path)?;
    let selection = args.selected.selection();
    source.narrow(&selection.heights());
    let profile = profile_for(args.profile.as_deref(), &source, &path)?;
    let making = Making {
        selection: &selection,
        node: args.node,
        redactor: None,
        verb: "extract of",
        details: selection.words(),
    };
    let done = copying::make(&path, &source, &profile, &making, &args.output)?;
    output::print(&format!("{}\n", done.name))?;
    Ok(done.outcome())
}
