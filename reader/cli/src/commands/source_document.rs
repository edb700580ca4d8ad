//! What `info` and `ls` share: their arguments, and the document that they and `verify` print.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

/// The arguments: a source, and how to read and print it.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// A box, ring, folder, flight-recorder.bin or slog; - reads standard input.
    pub source: PathBuf,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    pub json: bool,
    /// Profile to read the lines with: agoric, cosmos, host, another builtin one, or a file.
    /// Default: the one that the source names, else agoric.
    #[arg(long)]
    pub profile: Option<String>,
}

/// The document: one entry per source, because a folder has several.
#[derive(Serialize)]
pub struct Document<T> {
    version: u32,
    pub sources: Vec<T>,
}

impl<T: Serialize> Document<T> {
    pub fn new() -> Document<T> {
        Document {
            version: 1,
            sources: Vec::new(),
        }
    }

    pub fn print_json(&self) -> anyhow::Result<()> {
        super::output::json(self)
    }
}
