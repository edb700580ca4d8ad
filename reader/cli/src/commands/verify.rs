//! `haltbox verify`: finds damage, says where it is, and who signed a box.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use haltbox_model::{Outside, ShowPath};
use serde::Serialize;

use super::source_document::Document;
use super::{Outcome, output, profile_for, shown};
use crate::confinement::Needs;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::signature::{self, Signature, Signers};
use haltbox_reader::source;
use haltbox_reader::verify::{Finding, ReadsFound};

/// Check sources for damage; the exit code is 1 if there is any.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Boxes, rings, folders, flight-recorder.bin or slogs; - reads standard input.
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// Profile to read the lines with: agoric, cosmos, host, another builtin one, or a file.
    /// Default: the one that the source names, else agoric.
    #[arg(long)]
    profile: Option<String>,
    /// Also check, by ssh-keygen, that one of these signers signed each file: its signature
    /// is FILE.sig. A file of allowed signers has a line `NAME ssh-ed25519 KEY` for each.
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
    /// Also check that every vatstoreGet returned the value that was last recorded for its key.
    #[arg(long)]
    reads: bool,
}

#[derive(Serialize)]
struct Verified {
    path: String,
    kind: &'static str,
    /// Nothing is damaged or lost, and something was checked.
    intact: bool,
    findings: Vec<Finding>,
    /// What `--reads` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    reads: Option<ReadsFound>,
    /// What `--signers` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
}

impl VerifyArgs {
    /// What it does besides reading.
    pub fn needs(&self) -> Needs<'_> {
        Needs {
            output: None,
            programs: self.signers.is_some(),
        }
    }
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let signers = args.signers.as_deref().map(signers_of).transpose()?;
    let paths: Vec<PathBuf> = args
        .sources
        .iter()
        .flat_map(|named| members(named))
        .collect();
    let document = Document::of_each(&paths, |path| {
        source::members(path)?;
        verify(args, signers.as_ref(), path)
    })?;
    if args.json {
        document.print_json()?;
    } else {
        let texts = document.sources.iter().map(|v| text_of(v, args.reads));
        let texts: String = texts.chain(document.unreadable_lines()).collect();
        output::print(&texts)?;
    }
    let unread = document.has_unreadable().then_some(Outcome::Trouble);
    let outcomes = document.sources.iter().map(|v| v.outcome(args.reads));
    Ok(worst(outcomes.chain(unread)))
}

/// The sources that a path stands for. One that has none stands for itself: it is asked again
/// where the error is reported.
fn members(named: &Path) -> Vec<PathBuf> {
    source::members(named).unwrap_or_else(|_| vec![named.to_owned()])
}

fn signers_of(path: &Path) -> anyhow::Result<Signers> {
    Signers::open(path).with_context(|| format!("cannot read the signers in {}", path.shown()))
}

fn verify(args: &VerifyArgs, signers: Option<&Signers>, path: &Path) -> anyhow::Result<Verified> {
    let source = super::open(path)?;
    let profile = profile_for(args.profile.as_deref(), &source, path)?;
    let kind = source.kind();
    let mut findings = haltbox_reader::verify::verify(path, &source, &profile)?;
    let mut reads = None;
    if args.reads && !source.is_fingerprint() {
        let recording = Recording::new(path.to_owned(), source, profile);
        let mut found = haltbox_reader::verify::verify_reads(&recording)?;
        findings.append(&mut found.findings);
        reads = Some(found);
    }
    let sound = |found: &Finding| !(found.damage || found.lost || found.nothing);
    Ok(Verified {
        path: shown(path),
        kind,
        intact: findings.iter().all(sound),
        findings,
        reads,
        signature: signers.map(|signers| signers.check(path)),
    })
}

/// The worst outcome. Damage counts more than an undecided check.
fn worst(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Fine => 0,
        Outcome::Trouble => 1,
        Outcome::Damaged => 2,
    };
    outcomes.max_by_key(rank).unwrap_or(Outcome::Trouble)
}

impl Verified {
    /// The verdict in words, and how the command ends.
    fn verdict(&self, reads: bool) -> (&'static str, Outcome) {
        let checked = self.reads.as_ref().map_or(0, |found| found.checked);
        let differ = self.reads.as_ref().map_or(0, |found| found.differ);
        if self.findings.iter().any(|finding| finding.damage) {
            ("DAMAGED", Outcome::Damaged)
        } else if differ > 0 {
            ("READS DIFFER", Outcome::Damaged)
        } else if self.findings.iter().any(|finding| finding.lost) {
            ("INCOMPLETE", Outcome::Damaged)
        } else if !self.intact {
            ("NOTHING CHECKED", Outcome::Trouble)
        } else if reads && checked == 0 {
            ("NO READS CHECKED", Outcome::Trouble)
        } else {
            ("intact", Outcome::Fine)
        }
    }

    fn outcome(&self, reads: bool) -> Outcome {
        let signature = self
            .signature
            .as_ref()
            .map(|signature| told_by(signature).1);
        worst([self.verdict(reads).1].into_iter().chain(signature))
    }

    /// The word that the text begins with. What the file itself says comes
    /// before what its signature says.
    fn headline(&self, reads: bool) -> &'static str {
        match (self.verdict(reads), &self.signature) {
            ((_, Outcome::Fine), Some(signature)) => told_by(signature).0,
            ((word, _), _) => word,
        }
    }
}

/// A verdict on a signature in words, and how the command ends. `intact` is
/// said only of a file whose signer is known.
fn told_by(signature: &Signature) -> (&'static str, Outcome) {
    use signature::Verdict;
    match signature.verdict {
        Verdict::Signed => ("intact, signed", Outcome::Fine),
        Verdict::Unsigned => ("UNSIGNED", Outcome::Damaged),
        Verdict::Altered => ("ALTERED", Outcome::Damaged),
        Verdict::OtherKey => ("SIGNED BY ANOTHER KEY", Outcome::Damaged),
        Verdict::Undecided => ("SIGNATURE NOT CHECKED", Outcome::Trouble),
    }
}

/// The line about a signature.
fn line_of(signature: &Signature) -> String {
    use signature::Verdict;
    let key = signature.key.as_deref().unwrap_or("an unknown key");
    let mut text = match (signature.verdict, &signature.signer) {
        (Verdict::Signed, Some(signer)) => format!("by {signer}, {key}"),
        (Verdict::Unsigned, _) => "none".to_owned(),
        (Verdict::Altered, _) => "not of these bytes: the file or the signature was altered, or \
                                  the signature belongs to another file"
            .to_owned(),
        (Verdict::OtherKey, _) => format!("{key} may not sign, as the file of signers has it"),
        _ => "could not be checked".to_owned(),
    };
    if let Some(why) = &signature.why {
        text += &format!(" ({why})");
    }
    format!("  signature  {}\n", Outside::text(&text))
}

fn text_of(verified: &Verified, reads: bool) -> String {
    let verdict = verified.headline(reads);
    let path = Outside::text(&verified.path);
    let mut text = format!("{verdict}: {path} ({})\n", verified.kind);
    for finding in &verified.findings {
        let word = match (finding.damage, finding.lost) {
            (true, _) => "damage",
            (_, true) => "lost",
            (false, false) => "note",
        };
        let what = Outside::text(&finding.what);
        text += &format!("  {word}  {}: {what}\n", finding.place);
    }
    text += &verified.signature.as_ref().map(line_of).unwrap_or_default();
    text
}
