//! `haltbox ls`: lists one line per block, or per file of a folder.

use std::path::Path;

use clap::Args;
use haltbox_model::Outside;
use serde::Serialize;

use super::source_document::{Document, SourceArgs};
use super::{Outcome, human_bytes, output, profile_for, shown};
use haltbox_reader::signature;
use haltbox_reader::source;
use haltbox_reader::source_summary::{Row, SourceSummary};
use haltbox_reader::vocabulary::{self, Column};

/// List the blocks of a source, or the sources in a folder. In a recorder's folder: the blocks
/// of the ring, then the boxes and the archive files.
#[derive(Args, Debug)]
pub struct LsArgs {
    #[command(flatten)]
    common: SourceArgs,
}

#[derive(Serialize)]
struct Listed {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    blocks: Vec<Row>,
    /// Path of the signature beside it, which is not checked here.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    /// The columns of its table.
    #[serde(skip)]
    columns: &'static [Column],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Runs the command.
pub fn run(args: &LsArgs) -> anyhow::Result<Outcome> {
    let members = source::members(&args.common.source)?;
    let alone = members.len() == 1;
    let mut listing = Document::new();
    for path in &members {
        let listed = match list(path, args.common.profile.as_deref()) {
            Ok(listed) => listed,
            Err(error) if alone => return Err(error),
            Err(error) => Listed {
                path: shown(path),
                kind: None,
                blocks: Vec::new(),
                signature: signature_of(path),
                columns: &[],
                error: Some(error.to_string()),
            },
        };
        listing.sources.push(listed);
    }
    let failed = listing.sources.iter().any(|listed| listed.error.is_some());
    if args.common.json {
        listing.print_json()?;
    } else if alone {
        let sources = listing.sources.iter();
        let tables = sources.map(|listed| table(&listed.blocks, listed.columns));
        output::print(&tables.collect::<String>())?;
    } else {
        let ring = args.common.source.join("ring");
        let (ring, others): (Vec<&Listed>, Vec<&Listed>) = listing
            .sources
            .iter()
            .partition(|listed| listed.error.is_none() && Path::new(&listed.path) == ring);
        let tables = ring
            .iter()
            .map(|ring| table(&ring.blocks, ring.columns) + "\n");
        let lines = others.iter().map(|listed| line_of(listed));
        output::print(&tables.chain(lines).collect::<String>())?;
    }
    Ok(if failed {
        Outcome::Trouble
    } else {
        Outcome::Fine
    })
}

fn list(path: &Path, profile: Option<&str>) -> anyhow::Result<Listed> {
    let source = super::open(path)?;
    let profile = profile_for(profile, &source, path)?;
    let source_summary = SourceSummary::of(&source, &profile)?;
    Ok(Listed {
        path: shown(path),
        kind: Some(source.kind()),
        blocks: source_summary.blocks,
        signature: signature_of(path),
        columns: vocabulary::of(&profile).columns(),
        error: None,
    })
}

fn signature_of(path: &Path) -> Option<String> {
    signature::beside(path).map(|path| shown(&path))
}

fn line_of(listed: &Listed) -> String {
    let heights = listed.blocks.first().zip(listed.blocks.last());
    let covers = heights.map_or("no blocks".to_owned(), |(first, last)| {
        format!("heights {} to {}", first.height, last.height)
    });
    let what = listed.error.clone().unwrap_or(covers);
    let (path, what) = (Outside::text(&listed.path), Outside::text(&what));
    let signed = match listed.signature {
        Some(_) => "  (signature not checked)",
        None => "",
    };
    format!("{path}  {}  {what}{signed}\n", listed.kind.unwrap_or("?"))
}

/// A table of blocks. A column that may be empty is left out if it is 0 in every row.
pub fn table(rows: &[Row], columns: &[Column]) -> String {
    let any =
        |column: &&Column| !column.may_be_empty() || rows.iter().any(|row| row.count(**column) > 0);
    let columns: Vec<&Column> = columns.iter().filter(any).collect();
    let counts = |of: &dyn Fn(Column) -> String| -> String {
        let texts = columns.iter().map(|column| format!(" {:>7}", of(**column)));
        texts.collect()
    };
    let mut text = format!(
        "{:>10} {:>3} {:<10} {:>9} {:>10}{}  {}\n",
        "HEIGHT",
        "ATT",
        "STATE",
        "RECORDS",
        "BYTES",
        counts(&|column| column.name().to_owned()),
        "NAME"
    );
    for row in rows {
        let state = row.state.map_or("", |state| state.name());
        let bytes = human_bytes(row.bytes);
        text += &format!(
            "{:>10} {:>3} {:<10} {:>9} {:>10}{}  {}\n",
            row.height,
            row.attempt,
            state,
            row.records,
            bytes,
            counts(&|column| row.count(column).to_string()),
            Outside::text(&row.name)
        );
    }
    text
}
