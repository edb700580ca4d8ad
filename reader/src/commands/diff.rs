//! `haltbox diff`.

use std::path::PathBuf;

use clap::Args;

use super::{Outcome, profile_for};
use crate::compare::diff::{self, Party};
use crate::compare::document::Document;
use crate::compare::text::{self, Colour};
use crate::source;

/// Name the first step at which two recordings part, and the class of the fault
#[derive(Args)]
pub struct DiffArgs {
    /// A ring, box, slog or fingerprint of one node.
    a: PathBuf,
    /// The same of another node.
    b: PathBuf,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// How the entries are to be read, where the sources do not say.
    #[arg(long, value_name = "agoric|cosmos|FILE.json")]
    profile: Option<String>,
}

/// Runs the command.
pub fn run(args: &DiffArgs) -> anyhow::Result<Outcome> {
    let document = compare(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print!("{}", text::text(&document, Colour::of_stdout()));
    }
    Ok(match document.exit {
        0 => Outcome::Fine,
        1 => Outcome::Damaged,
        _ => Outcome::Trouble,
    })
}

fn compare(args: &DiffArgs) -> anyhow::Result<Document> {
    let open = |path: &PathBuf| -> anyhow::Result<_> {
        let source = source::open(path)?;
        let profile = profile_for(args.profile.as_deref(), &source)?;
        Ok((source, profile))
    };
    let ((source_a, profile_a), (source_b, profile_b)) = (open(&args.a)?, open(&args.b)?);
    let (path_a, path_b) = (&args.a, &args.b);
    let a = Party {
        path: path_a,
        source: source_a,
        profile: profile_a,
    };
    let b = Party {
        path: path_b,
        source: source_b,
        profile: profile_b,
    };
    Ok(diff::diff(&a, &b)?)
}
