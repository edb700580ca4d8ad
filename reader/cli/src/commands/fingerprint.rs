//! `haltbox fingerprint`.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use haltbox_format::BlockHash;
use haltbox_model::{Outside, ShowPath};

use super::new_file::NewFile;
use super::progress::watched;
use super::{Outcome, PROFILE_NAMES, human_bytes, output, recording, shown};
use crate::confinement::Needs;
use haltbox_reader::compare::pair;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::compare::version;
use haltbox_reader::fingerprint::Writer;
use haltbox_reader::source::Source;
use haltbox_reader::source_summary::SourceSummary;

/// Write the digests of a source to a file that can be published without the data
#[derive(Args)]
pub struct FingerprintArgs {
    /// A ring, box or slog.
    source: PathBuf,
    /// File to write. Default: the source's name with .fingerprint added, in the current folder.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Profile to read the entries with. Default: the one that the source names, else agoric.
    #[arg(long, value_name = PROFILE_NAMES)]
    profile: Option<String>,
}

impl FingerprintArgs {
    /// What it does besides reading.
    pub fn needs(&self) -> Needs<'_> {
        Needs::writing(Some(self.output.as_deref().unwrap_or(Path::new("."))))
    }
}

/// Runs the command.
pub fn run(args: &FingerprintArgs) -> anyhow::Result<Outcome> {
    let recording = recording(&args.source, args.profile.as_deref())?;
    if matches!(recording.source, Source::Fingerprint(_)) {
        anyhow::bail!("{} is already a fingerprint", shown(&args.source));
    }
    let output_path = args
        .output
        .clone()
        .unwrap_or_else(|| default_name(&args.source));
    let made = watched(&[&recording], || make(&recording))?;
    let file = NewFile::create(&output_path)?;
    file.file().write_all(&made.bytes)?;
    file.publish()?;
    let size = human_bytes(made.bytes.len() as u64);
    let inputs = made.given.map_or(String::new(), |(height, inputs)| {
        format!("inputs of height {height}: {}\n", Outside::text(&inputs))
    });
    output::print(&format!(
        "{}: blocks: {}, size: {size}\n{inputs}",
        output_path.shown(),
        made.blocks
    ))?;
    Ok(Outcome::Fine)
}

/// The fingerprint of a source.
#[derive(Debug)]
pub struct Made {
    /// The contents of the file.
    pub bytes: Vec<u8>,
    /// Number of blocks in it.
    pub blocks: usize,
    /// The last height whose inputs are recorded, and these in short form.
    pub given: Option<(u64, String)>,
}

fn default_name(source: &Path) -> PathBuf {
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{name}.fingerprint"))
}

/// Makes the fingerprint of a source.
///
/// # Errors
/// An error from reading, or why there is nothing to digest.
pub fn make(recording: &Recording) -> anyhow::Result<Made> {
    let Some(rules) = &recording.profile.slog else {
        anyhow::bail!(
            "the profile {} has no slog section, so there are no entries to make a fingerprint of",
            recording.profile.name
        );
    };
    refuse_redacted(recording)?;
    let mut writer = Writer::new(rules.canonical().digest());
    let hashes = hashes(recording)?;
    let newer = version::newer_heights(recording)?;
    let mut given = None;
    let (summary, _) = pair::each_height(recording, &mut |block| -> anyhow::Result<()> {
        let hash = hashes.get(&(block.height, block.attempt)).copied();
        let hash = hash.filter(|_| block.is_whole());
        writer.block(&block, hash, newer.contains(&block.height));
        let inputs = block.given.to_string();
        given = (!inputs.is_empty())
            .then_some((block.height, inputs))
            .or(given.take());
        Ok(())
    })?;
    if summary.rewritten {
        anyhow::bail!(
            "{} was rewritten by another JSON writer: digests of its bytes differ from those of \
             the node, so its fingerprint would show differences that do not exist; use the file \
             that the node wrote",
            shown(&recording.path)
        );
    }
    if summary.disorder.is_some() {
        writer.disordered();
    }
    let blocks = writer.blocks();
    if blocks == 0 {
        anyhow::bail!(
            "{} contains no block whose execution can be read: there is nothing to make a \
             fingerprint of",
            shown(&recording.path)
        );
    }
    let mut bytes = Vec::new();
    writer.finish(&mut bytes)?;
    Ok(Made {
        bytes,
        blocks,
        given,
    })
}

/// A redacted value has another digest than the node's, and a fingerprint does not say with
/// which key it was redacted.
fn refuse_redacted(recording: &Recording) -> anyhow::Result<()> {
    let keys = recording.source.redaction_keys();
    if keys.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "{} is redacted: digests of its values differ from those of the node, so its fingerprint \
         would show differences that do not exist; make it of the original",
        shown(&recording.path)
    )
}

/// The HASH of each whole execution, by height and attempt. The HASH of another attempt must
/// not be used.
fn hashes(recording: &Recording) -> anyhow::Result<HashMap<(u64, u32), BlockHash>> {
    let source_summary = SourceSummary::of(&recording.source, &recording.profile)?;
    if source_summary.wrapped > 0 {
        anyhow::bail!(
            "the slog sender of {} drops members and entries: digests of the rest differ from \
             those of the node, so its fingerprint would show differences that do not exist; use \
             the plain slog",
            shown(&recording.path)
        );
    }
    let whole = source_summary.blocks.iter();
    Ok(whole
        .filter_map(|row| Some(((row.height, row.attempt), row.hash?)))
        .collect())
}
