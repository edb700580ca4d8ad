//! `haltbox diff`.

use std::io::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;

use super::new_file::NewFile;
use super::progress::watched;
use super::{Outcome, PROFILE_NAMES, output, recording};
use crate::confinement::Needs;
use haltbox_reader::compare::diff;
use haltbox_reader::compare::finding::Finding;
use haltbox_reader::report::diff_document::Document;
use haltbox_reader::report::html;
use haltbox_reader::report::text::{self, Colour};

/// Find the first step at which two recordings diverge, and the class of the fault
#[derive(Args)]
pub struct DiffArgs {
    /// A ring, box, slog or fingerprint of one node.
    a: PathBuf,
    /// A ring, box, slog or fingerprint of another node.
    b: PathBuf,
    /// Attempt to compare at a height that A executed more than once.
    #[arg(long, value_name = "N")]
    attempt_a: Option<u32>,
    /// Attempt to compare at a height that B executed more than once.
    #[arg(long, value_name = "N")]
    attempt_b: Option<u32>,
    /// Compare only this height.
    #[arg(long, value_name = "H", conflicts_with_all = ["from_height", "to_height"])]
    height: Option<u64>,
    /// First height to compare.
    #[arg(long, value_name = "H")]
    from_height: Option<u64>,
    /// Last height to compare.
    #[arg(long, value_name = "H")]
    to_height: Option<u64>,
    /// Prefix of the chain's addresses, such as cosmos: print the addresses in keys as cosmos1...
    #[arg(long, value_name = "PREFIX")]
    address_prefix: Option<String>,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// Also write the result to FILE, as one HTML page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Profile to read the entries with. Default: the one that each source names, else agoric.
    #[arg(long, value_name = PROFILE_NAMES)]
    profile: Option<String>,
}

impl DiffArgs {
    fn range(&self) -> anyhow::Result<RangeInclusive<u64>> {
        let from = self.height.or(self.from_height).unwrap_or(0);
        let to = self.height.or(self.to_height).unwrap_or(u64::MAX);
        anyhow::ensure!(
            from <= to,
            "--from-height {from} is greater than --to-height {to}: the range is empty"
        );
        Ok(from..=to)
    }
}

impl DiffArgs {
    /// What it does besides reading.
    pub fn needs(&self) -> Needs<'_> {
        Needs::writing(self.html.as_deref())
    }
}

/// Runs the command.
pub fn run(args: &DiffArgs) -> anyhow::Result<Outcome> {
    let page = args.html.as_deref().map(NewFile::page).transpose()?;
    let finding = compare(args)?;
    if args.json {
        output::json(&Document::of(&finding))?;
    } else {
        output::painted(&text::text(&finding, Colour::of_stdout()))?;
    }
    if let Some(page) = page {
        page.file().write_all(html::html(&finding).as_bytes())?;
        page.publish()?;
    }
    Ok(match finding.exit() {
        0 => Outcome::Fine,
        1 => Outcome::Damaged,
        _ => Outcome::Trouble,
    })
}

fn compare(args: &DiffArgs) -> anyhow::Result<Finding> {
    let open = |path| recording(path, args.profile.as_deref());
    let (mut a, mut b) = (open(&args.a)?, open(&args.b)?);
    (a.attempt, b.attempt) = (args.attempt_a, args.attempt_b);
    a.address_prefix.clone_from(&args.address_prefix);
    let range = args.range()?;
    (a.range, b.range) = (range.clone(), range);
    Ok(watched(&[&a, &b], || diff::diff(&a, &b))?)
}
