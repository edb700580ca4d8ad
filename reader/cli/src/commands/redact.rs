//! `haltbox redact`: a box without its values, which still compares.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use haltbox_format::{KEY_MIN, Profile, RedactKey, Redactor};

use super::copying::{self, Making};
use super::{Outcome, output, profile_for, shown, single};
use haltbox_reader::selecting::Selection;

/// More is no key but a file named by mistake.
const KEY_MAX: u64 = 64 << 10;

/// Write a source as a black box whose values are replaced by keyed digests,
/// and print its name. Whoever has the same key can still compare; the node's
/// log is left out.
#[derive(Args, Debug)]
pub struct RedactArgs {
    /// A box, a ring, a recorder's folder, a flight-recorder.bin, a slog, or -.
    source: PathBuf,
    /// The file to write; one that exists is left as it is.
    #[arg(short, long)]
    output: PathBuf,
    /// The secret: at least 16 bytes, every one of which counts. Make it with
    /// `head -c 32 /dev/urandom > FILE`.
    #[arg(long)]
    key_file: PathBuf,
    /// How to read the lines: agoric, cosmos, host, or a profile file.
    #[arg(long)]
    profile: Option<String>,
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
            "{} of {} lines are no JSON: each became one token",
            done.not_json, done.lines
        ));
    }
    Ok(done.outcome())
}

fn redactor(profile: &Profile, key: RedactKey) -> anyhow::Result<Redactor> {
    let rules = profile.slog.as_ref().and_then(|slog| slog.redact());
    let Some(rules) = rules else {
        bail!(
            "the profile {} has no slog.redact section, so what may stay is not known; add one \
             (docs/profile.md)",
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
            "{} has more than {KEY_MAX} bytes: expected a key file",
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
