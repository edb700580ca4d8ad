//! `haltbox watch`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use haltbox_daemon::intake::Place;
use haltbox_daemon::rpc::Endpoint;
use haltbox_model::size::parse_size;
use haltbox_recorder::box_budget::Budget;
use thiserror::Error;

use super::Options;
use crate::alert::Alerts;
use crate::arguments::{ArgumentError, Nodes, by_chain, read_set};
use crate::chain::Node;
use crate::level::Source;
use crate::message::ChainId;
use crate::metrics::Shown;
use crate::opinion::{Asked, Kind};
use crate::pages;

/// Watch cross-chain messages of OP Stack chains: judge each message until it is
/// finalized, record what was seen in a ring, and freeze a black box if an invalid
/// message gets past the unsafe chain.
#[derive(Args)]
pub struct WatchArgs {
    /// Folder for the rings and boxes, with a subfolder for each chain.
    #[arg(long)]
    dir: PathBuf,
    /// A chain and its nodes; the first node that answers is used. Can be repeated.
    #[arg(long, value_name = "ID=RPC[,RPC...]", required = true)]
    chain: Vec<Nodes>,
    /// The dependency set, in the format of op-node's file.
    #[arg(long, value_name = "FILE")]
    depset: PathBuf,
    /// Size of each chain's ring, allocated at once: 4MiB to 1TiB.
    #[arg(long, default_value = "256MiB", value_parser = parse_size)]
    size: u64,
    /// Maximum number of boxes of each chain. The oldest are removed first.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..))]
    max_boxes: u32,
    /// Maximum total size of the boxes of each chain.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = parse_size)]
    max_bytes: u64,
    /// Milliseconds between two polls of a chain.
    #[arg(long, value_name = "N", default_value = "500", value_parser = clap::value_parser!(u64).range(50..=60_000))]
    every_ms: u64,
    /// Number of blocks within which a block with an invalid message must be replaced.
    #[arg(long, value_name = "N", default_value = "1800", value_parser = clap::value_parser!(u64).range(1..))]
    replace_within: u64,
    /// An op-node of a chain, which reports how far the chain is derived and cross-safe. Can
    /// be repeated.
    #[arg(long, value_name = "ID=URL", value_parser = parse_op_node)]
    op_node: Vec<(ChainId, Endpoint)>,
    /// A supernode, which reports the same for all chains. Several supernodes are compared
    /// with each other.
    #[arg(long, value_name = "URL")]
    supernode: Vec<Endpoint>,
    /// An op-interop-filter to ask about each message too. Can be repeated.
    #[arg(long, value_name = "URL")]
    filter: Vec<Endpoint>,
    /// An op-supervisor to ask about each message too. Can be repeated.
    #[arg(long, value_name = "URL")]
    supervisor: Vec<Endpoint>,
    /// Minimum safety level to ask filters and supervisors for; a filter accepts only the
    /// first two.
    #[arg(long, value_name = "LEVEL", default_value = "cross-unsafe",
          value_parser = ["unsafe", "cross-unsafe", "local-safe", "safe", "finalized"])]
    min_safety: String,
    /// Seconds until a filter or supervisor is asked about the same message again.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ask_again_seconds: u64,
    /// File with the checks of a chain's transactions: proxyd's log in JSON, or lines that
    /// other stages write (docs/op-stack.md). A file is followed across rotations; a pipe, or
    /// - for standard input, works too. Can be repeated.
    #[arg(long, value_name = "ID=FILE", value_parser = parse_checks)]
    checks: Vec<(ChainId, Place)>,
    /// Serve metrics for Prometheus at http://ADDR/metrics, and whether anything needs
    /// attention at http://ADDR/health.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Shell command to run for each alert. HALTBOX_ALERT_KIND, _CHAIN, _LEVEL, _TEXT and
    /// _TRANSACTION describe the alert.
    #[arg(long, value_name = "CMD")]
    on_alert: Option<String>,
}

/// `901=http://a:1`.
///
/// # Errors
/// The argument is not of the form `ID=URL`.
pub fn parse_op_node(text: &str) -> Result<(ChainId, Endpoint), ArgumentError> {
    let (id, node) = text.split_once('=').ok_or(ArgumentError::OpNode)?;
    Ok((id.parse()?, node.parse()?))
}

/// `902=/var/log/proxyd.log`.
///
/// # Errors
/// The argument is not of the form `ID=FILE`.
pub fn parse_checks(text: &str) -> Result<(ChainId, Place), ArgumentError> {
    let (id, file) = text.split_once('=').ok_or(ArgumentError::Checks)?;
    match file {
        "" => Err(ArgumentError::Checks),
        "-" => Ok((id.parse()?, Place::Stdin)),
        path => Ok((id.parse()?, Place::Path(path.into()))),
    }
}

/// Arguments that contradict each other.
#[derive(Debug, Error)]
enum Conflict {
    #[error(
        "--checks {id}=... names a chain that is not watched; add --chain {id}=..., or leave it out"
    )]
    UnwatchedChecks { id: ChainId },
    #[error("--checks {id}=... is given twice with the same file; leave one out")]
    ChecksTwice { id: ChainId },
    #[error(
        "--op-node {id}=... names a chain that is not watched; add --chain {id}=..., or leave it out"
    )]
    UnwatchedOpNode { id: ChainId },
    #[error("--min-safety {level} is not supported by --filter; give unsafe or cross-unsafe")]
    Level { level: String },
    #[error("{option} {one} is given twice; leave one out")]
    Twice { option: &'static str, one: Endpoint },
}

/// Checks the arguments: checks may be given only for watched chains, and standard input
/// only once.
fn checks(
    args: &WatchArgs,
    chains: &BTreeMap<ChainId, Vec<Node>>,
) -> Result<Vec<(ChainId, Place)>, Conflict> {
    for (at, (id, place)) in args.checks.iter().enumerate() {
        if !chains.contains_key(id) {
            return Err(Conflict::UnwatchedChecks { id: *id });
        }
        let before = &args.checks[..at];
        let twice = before.contains(&(*id, place.clone()));
        let shares_stdin = *place == Place::Stdin && before.iter().any(|(_, one)| one == place);
        if twice || shares_stdin {
            return Err(Conflict::ChecksTwice { id: *id });
        }
    }
    Ok(args.checks.clone())
}

/// The sources of levels.
fn sources(
    args: &WatchArgs,
    chains: &BTreeMap<ChainId, Vec<Node>>,
) -> Result<Vec<Source>, Conflict> {
    each_once("--supernode", &args.supernode)?;
    let mut sources = Vec::new();
    for (id, node) in &args.op_node {
        if !chains.contains_key(id) {
            return Err(Conflict::UnwatchedOpNode { id: *id });
        }
        sources.push(Source::OpNode(*id, node.clone()));
    }
    sources.extend(args.supernode.iter().cloned().map(Source::Supernode));
    Ok(sources)
}

/// The endpoints for second opinions.
fn asked(args: &WatchArgs, chains: &BTreeMap<ChainId, Vec<Node>>) -> Result<Vec<Asked>, Conflict> {
    each_once("--filter", &args.filter)?;
    each_once("--supervisor", &args.supervisor)?;
    let level = &args.min_safety;
    if !args.filter.is_empty() && !["unsafe", "cross-unsafe"].contains(&level.as_str()) {
        let level = level.clone();
        return Err(Conflict::Level { level });
    }
    let Some(chain) = chains.keys().next() else {
        return Ok(Vec::new());
    };
    let filters = args.filter.iter().map(|one| (Kind::Filter, one));
    let supervisors = args.supervisor.iter().map(|one| (Kind::Supervisor, one));
    let all = filters.chain(supervisors);
    let asked = all.map(|(kind, one)| Asked::new(kind, one.clone(), level.clone(), *chain));
    Ok(asked.collect())
}

/// Refuses an endpoint that is given twice: it would be compared with itself.
fn each_once(option: &'static str, endpoints: &[Endpoint]) -> Result<(), Conflict> {
    for (at, one) in endpoints.iter().enumerate() {
        if endpoints[..at].iter().any(|other| other.url() == one.url()) {
            let one = one.clone();
            return Err(Conflict::Twice { option, one });
        }
    }
    Ok(())
}

/// Watches until SIGTERM or SIGINT.
///
/// # Errors
/// What to print.
pub fn run(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let set = read_set(&args.depset)?;
    let chains = by_chain(&args.chain, &set)?;
    let sources = sources(args, &chains)?;
    let asked = asked(args, &chains)?;
    let checks = checks(args, &chains)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot catch signals")?;
    }
    let mut alerts = Alerts::new(args.on_alert.clone()).context("cannot start a thread")?;
    let shown = Shown::default();
    if let Some(address) = args.metrics {
        let at = pages::start(address, shown.clone())
            .with_context(|| format!("cannot serve metrics at {address}"))?;
        alerts.note(&format!("metrics at http://{at}/metrics"));
    }
    let options = Options {
        dir: args.dir.clone(),
        chains,
        set,
        size: args.size,
        budget: Budget {
            boxes: args.max_boxes as usize,
            bytes: args.max_bytes,
        },
        every: Duration::from_millis(args.every_ms),
        replace_within: args.replace_within,
        sources,
        asked,
        ask_again: Duration::from_secs(args.ask_again_seconds),
        checks,
    };
    super::run(options, alerts, &shown, &stop)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency_set::DependencySet;

    fn args(more: &[&str]) -> anyhow::Result<()> {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            args: WatchArgs,
        }
        let common = [
            "x",
            "--dir",
            "d",
            "--depset",
            "f",
            "--chain",
            "902=http://a:1",
        ];
        let program: Program = clap::Parser::try_parse_from(common.iter().chain(more))?;
        let set = DependencySet::read(br#"{"dependencies": {"902": {}}}"#);
        let chains = by_chain(&program.args.chain, &set.expect("a set"))?;
        sources(&program.args, &chains)?;
        checks(&program.args, &chains)?;
        asked(&program.args, &chains)?;
        Ok(())
    }

    #[test]
    fn whom_to_ask_is_checked_before_anything_starts() {
        let sound = [
            "--filter=http://f:1",
            "--supervisor=http://f:1",
            "--supernode=http://s:1",
            "--op-node=902=http://n:1",
            "--min-safety=unsafe",
            "--checks=902=-",
            "--checks=902=proxyd.log",
        ];
        args(&sound).unwrap();
        args(&["--supervisor=http://f:1", "--min-safety=safe"]).unwrap();
        for (more, words) in [
            (
                &["--filter=http://f:1", "--filter=http://f:1"],
                "given twice",
            ),
            (
                &["--supernode=http://f:1", "--supernode=http://f:1"],
                "given twice",
            ),
            (
                &["--filter=http://f:1", "--min-safety=safe"],
                "is not supported by --filter",
            ),
            (
                &["--op-node=901=http://n:1", "--min-safety=safe"],
                "not watched",
            ),
            (&["--op-node=902", "--min-safety=safe"], "expected ID=URL"),
            (&["--checks=902=", "--min-safety=safe"], "expected ID=FILE"),
            (&["--checks=901=x", "--min-safety=safe"], "not watched"),
            (&["--checks=902=-", "--checks=0x386=-"], "given twice"),
            (
                &["--filter=http://f:1", "--min-safety=none"],
                "invalid value",
            ),
        ] {
            let error = args(more).unwrap_err().to_string();
            assert!(error.contains(words), "{more:?}: {error}");
        }
    }
}
