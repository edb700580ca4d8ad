//! `haltbox doctor`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use haltbox_daemon::console;
use haltbox_daemon::operator::doctor::{self, Finding};
use haltbox_daemon::operator::try_log::Reading;
use haltbox_model::ShowPath;

use super::load_profile;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// The recorder's folder.
    #[arg(required_unless_present = "try_log")]
    dir: Option<PathBuf>,
    /// Show how a recorder reads a node log, and what it does about each failure in it;
    /// - reads standard input. Exit code 1 if the log is not understood.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    try_log: Option<PathBuf>,
    /// How to read that log: agoric, cosmos, host, op-node and the like, or a profile file.
    #[arg(long, value_name = "NAME|FILE", requires = "try_log")]
    profile: Option<String>,
}

pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let dir = match (&args.dir, &args.try_log) {
        (_, Some(log)) => return show_log(log, args.profile.as_deref()),
        (Some(dir), None) => dir,
        (None, None) => bail!("expected the recorder's folder, or --try-log FILE"),
    };
    let findings = doctor::examine(dir)?;
    let (mut wrong, mut text) = (false, String::new());
    for finding in findings {
        match finding {
            Finding::Good(what) => text += &format!("ok       {what}\n"),
            Finding::Wrong { what, mend } => {
                wrong = true;
                text += &format!("PROBLEM  {what}\n         {mend}\n");
            }
        }
    }
    console::print(&text)?;
    Ok(ExitCode::from(u8::from(wrong)))
}

fn show_log(log: &Path, profile: Option<&str>) -> anyhow::Result<ExitCode> {
    let profile = load_profile(profile.unwrap_or("cosmos"))?;
    let name = || log.shown().to_string();
    let mut input: Box<dyn BufRead> = match log == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => {
            let file = std::fs::File::open(log).with_context(name)?;
            Box::new(BufReader::new(file))
        }
    };
    let reading = Reading::of(&mut input, &profile).with_context(name)?;
    console::print(&reading.text())?;
    Ok(ExitCode::from(u8::from(!reading.is_understood())))
}
