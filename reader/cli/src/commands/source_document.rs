//! What `info` and `ls` share: their arguments, and the document that they and `verify` print.

use std::path::{Path, PathBuf};

use clap::Args;
use haltbox_model::Outside;
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
    /// Sources that could not be read, beside others that could.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Unreadable {
    path: String,
    why: String,
}

impl<T: Serialize> Document<T> {
    pub fn new() -> Document<T> {
        Document {
            version: 1,
            sources: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    /// Reads each of these sources. One that cannot be read does not hide the others.
    ///
    /// # Errors
    /// The only source cannot be read.
    pub fn of_each(
        paths: &[PathBuf],
        read: impl Fn(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<Document<T>> {
        let mut document = Document::new();
        for path in paths {
            match read(path) {
                Ok(source) => document.sources.push(source),
                Err(error) if paths.len() == 1 => return Err(error),
                Err(error) => document.unreadable.push(Unreadable {
                    path: super::shown(path),
                    why: format!("{error:#}"),
                }),
            }
        }
        Ok(document)
    }

    /// Whether sources could not be read.
    pub fn has_unreadable(&self) -> bool {
        !self.unreadable.is_empty()
    }

    /// A line for each source that could not be read.
    pub fn unreadable_lines(&self) -> impl Iterator<Item = String> {
        let line = |unread: &Unreadable| {
            let (path, why) = (Outside::text(&unread.path), Outside::text(&unread.why));
            format!("NOT READ: {path}: {why}\n")
        };
        self.unreadable.iter().map(line)
    }

    pub fn print_json(&self) -> anyhow::Result<()> {
        super::output::json(self)
    }
}
