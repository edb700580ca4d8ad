//! `haltbox redact`: writes a box without its values that can still be compared.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use haltbox_model::{KEY_MIN, Profile, RedactKey, Redactor};

use super::copying::{self, Making};
use super::{Outcome, output, profile_for, shown, single};
use crate::confinement::Needs;
use haltbox_reader::selection::Selection;

/// Limit of a key file, in bytes. A larger file was named by mistake.
const KEY_MAX: u64 = 64 << 10;

/// Write a source to a black box whose values are replaced by keyed digests, and print the
/// name of the box. Boxes redacted with the same key can still be compared. The node's log is
/// not included.
#[derive(Args, Debug)]
pub struct RedactArgs {
    /// A box, ring, recorder folder, flight-recorder.bin or slog; - reads standard input.
    source: PathBuf,
    /// File to write; an existing file is not overwritten.
    #[arg(short, long)]
    output: PathBuf,
    /// File with the secret key: at least 16 bytes, and every byte counts. Create one with
    /// `head -c 32 /dev/urandom > FILE`.
    #[arg(long)]
    key_file: PathBuf,
    /// Profile to read the lines with: agoric, cosmos, host, another builtin one, or a file.
    /// Default: the one that the source names, else agoric.
    #[arg(long)]
    profile: Option<String>,
}

impl RedactArgs {
    /// What it does besides reading.
    pub fn needs(&self) -> Needs<'_> {
        Needs::writing(Some(&self.output))
    }
}

/// Runs the command.
pub fn run(args: &RedactArgs) -> anyhow::Result<Outcome> {
    let key = read_key(&args.key_file)?;
    let path = single(&args.source)?;
    let source = super::open(&path)?;
    let profile = profile_for(args.profile.as_deref(), &source, &path)?;
    let id = key.id();
    let making = Making {
        selection: &Selection::default(),
        node: false,
        redactor: Some(redactor(&profile, key)?),
        verb: "redacted from",
        details: format!("key {id}"),
    };
    let done = copying::make(&path, &source, &profile, &making, &args.output)?;
    output::print(&format!("{}\n", done.name))?;
    if done.not_json > 0 {
        output::say(&format!(
            "replaced lines that are not JSON by one token each: {} of {}",
            done.not_json, done.lines
        ));
    }
    Ok(done.outcome())
}

fn redactor(profile: &Profile, key: RedactKey) -> anyhow::Result<Redactor> {
    let rules = profile.slog.as_ref().and_then(|slog| slog.redact());
    let Some(rules) = rules else {
        bail!(
            "the profile {} has no slog.redact section, which lists what may stay readable; add \
             one (docs/profile.md)",
            profile.name
        );
    };
    Ok(Redactor::new(rules.clone(), key))
}

fn read_key(path: &Path) -> anyhow::Result<RedactKey> {
    let doing = || format!("cannot read the key file {}", shown(path));
    let file = File::open(path).with_context(doing)?;
    let mut secret = Vec::new();
    file.take(KEY_MAX + 1)
        .read_to_end(&mut secret)
        .with_context(doing)?;
    if secret.len() as u64 > KEY_MAX {
        bail!(
            "{} has more than {KEY_MAX} bytes, expected a key file",
            shown(path)
        );
    }
    RedactKey::derive(&secret).with_context(|| {
        format!(
            "the key file {} has {} bytes, expected at least {KEY_MIN}; make one: head -c 32 \
             /dev/urandom > FILE",
            shown(path),
            secret.len()
        )
    })
}
