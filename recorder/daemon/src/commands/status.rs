//! `haltbox status`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use haltbox_daemon::console;
use haltbox_daemon::operator::concern::Judging;
use haltbox_daemon::operator::{inspect, prometheus};

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// The recorder's folder, or a ring.
    source: PathBuf,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// Print metrics for Prometheus' textfile collector. The exit code is 0 even if
    /// something needs attention.
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
    /// Report that the node needs attention if the last block is older than this many
    /// seconds; default 60, or ten times the chain's block interval.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_block_age: Option<u64>,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let judging = Judging {
        max_block_age: args.max_block_age.map(Duration::from_secs),
        answers: None,
    };
    let status = inspect::judge(&args.source, &judging)?;
    if args.prometheus {
        console::print(&prometheus::text(&status))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        console::print_json(&status)?;
    } else {
        console::print(&status.text())?;
    }
    Ok(ExitCode::from(u8::from(status.needs_attention())))
}
