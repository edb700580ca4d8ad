//! `haltbox watch`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use haltbox_format::ShowPath;
use haltbox_recorder::operator::size::parse_size;
use haltbox_recorder::rpc::Endpoint;

use super::Options;
use crate::alert::Alerts;
use crate::dependency_set::DependencySet;
use crate::message::ChainId;
use crate::metrics::Shown;
use crate::pages;

/// Largest file of a dependency set.
const SET: u64 = 4 << 20;

/// Watch cross-chain messages of OP Stack chains: judge each until it is finalized, keep
/// what was seen in a ring, and freeze a black box of one that is invalid and got past the
/// unsafe chain.
#[derive(Args)]
pub struct WatchArgs {
    /// Folder of the rings and boxes, one folder in it for each chain.
    #[arg(long)]
    dir: PathBuf,
    /// A chain and its nodes, the first that answers is asked; may be given again.
    #[arg(long, value_name = "ID=RPC[,RPC...]", required = true, value_parser = parse_chain)]
    chain: Vec<(ChainId, Vec<Endpoint>)>,
    /// The dependency set, as op-node's file has it.
    #[arg(long, value_name = "FILE")]
    depset: PathBuf,
    /// Size of each chain's ring, allocated at once: 4MiB to 1TiB.
    #[arg(long, default_value = "256MiB", value_parser = parse_size)]
    size: u64,
    /// Milliseconds between two looks at a chain.
    #[arg(long, value_name = "N", default_value = "500", value_parser = clap::value_parser!(u64).range(50..=60_000))]
    every_ms: u64,
    /// Blocks within which a block with an invalid message has to be replaced.
    #[arg(long, value_name = "N", default_value = "1800", value_parser = clap::value_parser!(u64).range(1..))]
    replace_within: u64,
    /// Serve metrics for Prometheus at http://ADDR/metrics, and whether anything needs
    /// attention at http://ADDR/health.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Shell command to run for each alert: HALTBOX_ALERT_KIND, _CHAIN, _LEVEL, _TEXT and
    /// _TRANSACTION tell it of what.
    #[arg(long, value_name = "CMD")]
    on_alert: Option<String>,
}

/// `901=http://a:1,http://b:2`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_chain(text: &str) -> Result<(ChainId, Vec<Endpoint>), String> {
    let expected = "expected ID=RPC[,RPC...], as in 901=http://127.0.0.1:8545";
    let (id, nodes) = text.split_once('=').ok_or(expected)?;
    let id: ChainId = id.parse()?;
    let nodes = nodes.split(',').map(str::parse);
    let nodes: Result<Vec<Endpoint>, String> = nodes.collect();
    Ok((id, nodes?))
}

/// Watches until SIGTERM or SIGINT.
///
/// # Errors
/// In words.
pub fn run(args: &WatchArgs) -> Result<ExitCode, String> {
    let set = read_set(&args.depset)?;
    let chains = chains(&args.chain, &set)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| format!("cannot hear signals: {error}"))?;
    }
    let mut alerts = Alerts::new(args.on_alert.clone())
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let shown = Shown::default();
    if let Some(address) = args.metrics {
        let at = pages::start(address, shown.clone())
            .map_err(|error| format!("cannot serve metrics at {address}: {error}"))?;
        alerts.note(&format!("metrics at http://{at}/metrics"));
    }
    let options = Options {
        dir: args.dir.clone(),
        chains,
        set,
        size: args.size,
        every: Duration::from_millis(args.every_ms),
        replace_within: args.replace_within,
    };
    super::run(options, alerts, &shown, &stop)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the file of a dependency set.
///
/// # Errors
/// In words, with the file's name.
pub fn read_set(path: &std::path::Path) -> Result<DependencySet, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.shown());
    let length = std::fs::metadata(path)
        .map_err(|error| named(&error))?
        .len();
    if length > SET {
        return Err(named(&format!("{length} bytes are no dependency set")));
    }
    let json = std::fs::read(path).map_err(|error| named(&error))?;
    DependencySet::read(&json).map_err(|error| named(&error))
}

/// Every chain is named once, and is in the set; a chain of the set that nobody watches is
/// said by the caller's log of its messages.
fn chains(
    given: &[(ChainId, Vec<Endpoint>)],
    set: &DependencySet,
) -> Result<BTreeMap<ChainId, Vec<Endpoint>>, String> {
    let mut chains = BTreeMap::new();
    for (id, nodes) in given {
        if set.chain(*id).is_none() {
            return Err(format!(
                "chain {id} is not in the dependency set; add it there, or leave out --chain {id}=..."
            ));
        }
        if chains.insert(*id, nodes.clone()).is_some() {
            return Err(format!(
                "--chain names {id} twice; name all its nodes at once"
            ));
        }
    }
    Ok(chains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_a_number_and_nodes() {
        let (id, nodes) = parse_chain("0x385=http://a:1,http://b:2").unwrap();
        assert_eq!((id, nodes.len()), (901.into(), 2));
        for (text, words) in [
            ("901", "expected ID=RPC"),
            ("base=http://a:1", "found \"base\""),
            ("901=a:1", "no scheme"),
            ("901=", "no scheme"),
        ] {
            let error = parse_chain(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
