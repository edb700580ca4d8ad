//! `haltbox verify`: finds damage and says where it is.

use clap::Args;
use serde::Serialize;

use super::document::{Asked, Document};
use super::{Outcome, profile_for, shown};
use crate::compare::party::Party;
use crate::source;
use crate::verify::Finding;

/// Check a source for damage: exit code 1 if there is any.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    asked: Asked,
    /// Also check that every vatstoreGet gave the last recorded value.
    #[arg(long)]
    reads: bool,
}

#[derive(Serialize)]
struct Verified {
    path: String,
    kind: &'static str,
    intact: bool,
    findings: Vec<Finding>,
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let mut document = Document::new();
    for path in source::members(&args.asked.source)? {
        let source = source::open(&path)?;
        let profile = profile_for(args.asked.profile.as_deref(), &source, &path)?;
        let kind = source.kind();
        let mut findings = crate::verify::verify(&path, &source, &profile)?;
        if args.reads {
            let party = Party::new(path.clone(), source, profile);
            findings.extend(crate::verify::verify_reads(&party)?);
        }
        let intact = !findings
            .iter()
            .any(|finding| finding.damage || finding.lost);
        document.sources.push(Verified {
            path: shown(&path),
            kind,
            intact,
            findings,
        });
    }
    let intact = document.sources.iter().all(|verified| verified.intact);
    if args.asked.json {
        document.print_json()?;
    } else {
        document.sources.iter().for_each(print_text);
    }
    Ok(if intact {
        Outcome::Fine
    } else {
        Outcome::Damaged
    })
}

fn print_text(verified: &Verified) {
    let damaged = verified.findings.iter().any(|finding| finding.damage);
    let verdict = match (verified.intact, damaged) {
        (true, _) => "intact",
        (false, true) => "DAMAGED",
        (false, false) => "INCOMPLETE",
    };
    println!("{verdict}: {} ({})", verified.path, verified.kind);
    for finding in &verified.findings {
        let word = match (finding.damage, finding.lost) {
            (true, _) => "damage",
            (_, true) => "lost",
            (false, false) => "note",
        };
        println!("  {word}  {}: {}", finding.place, finding.what);
    }
}
