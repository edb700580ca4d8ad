//! `haltbox verify`: finds damage, and says where it is.

use clap::Args;
use haltbox_model::Outside;
use serde::Serialize;

use super::source_document::{Document, SourceArgs};
use super::{Outcome, output, profile_for, shown};
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::source;
use haltbox_reader::verify::{Finding, ReadsFound};

/// Check a source for damage; the exit code is 1 if there is any.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    common: SourceArgs,
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
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let mut document = Document::new();
    for path in source::members(&args.common.source)? {
        let source = super::open(&path)?;
        let profile = profile_for(args.common.profile.as_deref(), &source, &path)?;
        let kind = source.kind();
        let mut findings = haltbox_reader::verify::verify(&path, &source, &profile)?;
        let mut reads = None;
        if args.reads && !source.is_fingerprint() {
            let recording = Recording::new(path.clone(), source, profile);
            let mut found = haltbox_reader::verify::verify_reads(&recording)?;
            findings.append(&mut found.findings);
            reads = Some(found);
        }
        let sound = |found: &Finding| !(found.damage || found.lost || found.nothing);
        let intact = findings.iter().all(sound);
        document.sources.push(Verified {
            path: shown(&path),
            kind,
            intact,
            findings,
            reads,
        });
    }
    if args.common.json {
        document.print_json()?;
    } else {
        let texts = document.sources.iter().map(|v| text_of(v, args.reads));
        let texts: String = texts.collect();
        output::print(&texts)?;
    }
    let outcomes = document.sources.iter().map(|v| v.verdict(args.reads).1);
    Ok(worst(outcomes))
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
}

fn text_of(verified: &Verified, reads: bool) -> String {
    let verdict = verified.verdict(reads).0;
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
    text
}
