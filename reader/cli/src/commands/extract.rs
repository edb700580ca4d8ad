//! `haltbox extract`: writes a part of a source to a new black box.

use std::path::PathBuf;

use clap::Args;

use super::copying::{self, Making};
use super::selected::Selected;
use super::{Outcome, output, profile_for, single};
use crate::confinement::Needs;

/// Write a part of a source to a new black box, and print the name of the box.
#[derive(Args, Debug)]
pub struct ExtractArgs {
    /// A box, ring, recorder folder, flight-recorder.bin or slog; - reads standard input.
    source: PathBuf,
    /// File to write; an existing file is not overwritten.
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    selected: Selected,
    /// Include the node's log. From a box, all of it is included, because a box does not record
    /// the heights of its lines.
    #[arg(long)]
    node: bool,
    /// Profile to read the lines with: agoric, cosmos, host, another builtin one, or a file.
    /// Default: the one that the source names, else agoric.
    #[arg(long)]
    profile: Option<String>,
}

impl ExtractArgs {
    /// What it does besides reading.
    pub fn needs(&self) -> Needs<'_> {
        Needs::writing(Some(&self.output))
    }
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
