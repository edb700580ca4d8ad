//! `haltbox report`: shows the incidents of a recording, as the operator on duty needs them.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::new_file::NewFile;
use super::{Outcome, output, recording, shown};
use crate::confinement::Needs;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::report::incident::{self, Report};
use haltbox_reader::report::text::Colour;
use haltbox_reader::source::{Item, Source};
use haltbox_reader::vocabulary::messages::Checked;

/// Show the incidents of a recording: what happened, how far it got, what to do
#[derive(Args)]
pub struct ReportArgs {
    /// A box or ring that haltbox watch wrote.
    source: PathBuf,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// Also write the result to FILE, as one HTML page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Profile to read the entries with. Default: the one that the source names.
    #[arg(long, value_name = "messages|FILE.json")]
    profile: Option<String>,
}

impl ReportArgs {
    /// What it does besides reading.
    pub fn needs(&self) -> Needs<'_> {
        Needs::writing(self.html.as_deref())
    }
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> anyhow::Result<Outcome> {
    let page = args.html.as_deref().map(NewFile::page).transpose()?;
    let report = read(&recording(&args.source, args.profile.as_deref())?)?;
    if args.json {
        output::json(&report)?;
    } else {
        output::painted(&incident::text(&report, Colour::of_stdout()))?;
    }
    if let Some(page) = page {
        page.file().write_all(incident::html(&report).as_bytes())?;
        page.publish()?;
    }
    Ok(match report.is_open() {
        true => Outcome::Damaged,
        false => Outcome::Fine,
    })
}

fn read(recording: &Recording) -> anyhow::Result<Report> {
    let mut report = Report::of(shown(&recording.path), recording.source.kind());
    if let Source::BlackBox(bx) = &recording.source
        && let Some(identity) = bx.identity()
    {
        report.of_box(&identity.name, identity.height);
    }
    recording
        .source
        .read(&recording.profile, &mut |item| -> io::Result<bool> {
            match item {
                Item::Line(line) => {
                    let reported = recording.vocabulary.incident(line.bytes);
                    reported
                        .into_iter()
                        .for_each(|(incident, at)| report.take(incident, at));
                }
                Item::Hole(hole) if hole.of_blocks => report.hole(&hole.text),
                Item::Hole(_) => {}
            }
            Ok(true)
        })?;
    if report.is_empty() {
        anyhow::bail!(
            "{} contains no incident (read with the profile {}); only haltbox watch records \
             incidents; haltbox info shows what the source contains",
            shown(&recording.path),
            recording.profile.name
        );
    }
    checks(recording, &mut report)?;
    report.end();
    Ok(report)
}

/// Reads the checks. They come before the incidents whose transactions they saw, so they are
/// read once the incidents are known.
fn checks(recording: &Recording, report: &mut Report) -> io::Result<()> {
    recording
        .source
        .read(&recording.profile, &mut |item| -> io::Result<bool> {
            if let Item::Line(line) = item {
                match recording.vocabulary.checked(line.bytes) {
                    Some(Checked::Check(check)) => report.check(&check),
                    Some(Checked::Missing(missing)) => report.hole(&missing.words()),
                    None => {}
                }
            }
            Ok(true)
        })
}
