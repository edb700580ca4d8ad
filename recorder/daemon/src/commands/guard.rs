//! `haltbox guard`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haltbox_daemon::console;
use haltbox_daemon::operator::guard::{self, Verdict};

#[derive(Args)]
pub(crate) struct GuardArgs {
    /// The recorder's folder.
    dir: PathBuf,
    /// The executable that is to be started; default the one that the recorder or the host
    /// reported.
    #[arg(long, value_name = "PATH", conflicts_with = "release")]
    exe: Option<PathBuf>,
    /// From now on, allow a start in spite of the boxes of this height. Exit code 2 if no
    /// box of this height refuses a start.
    #[arg(long, value_name = "HEIGHT")]
    release: Option<u64>,
}

/// Runs the command. Ignores errors of printing: a closed output must not keep
/// a node down.
pub(super) fn run(args: &GuardArgs) -> anyhow::Result<ExitCode> {
    if let Some(height) = args.release {
        console::print(&guard::release(&args.dir, height)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (text, code) = match guard::judge(&args.dir, args.exe.as_deref()) {
        Verdict::Start(why) => (format!("haltbox guard: the node may start: {why}\n"), 0),
        Verdict::Refuse(screen) => (screen, 1),
    };
    let _ = console::print(&text);
    Ok(ExitCode::from(code))
}
