//! `haltbox check`.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use anyhow::{anyhow, bail};
use clap::Args;
use haltbox_daemon::console::{print, print_json, say};
use haltbox_daemon::rpc::Endpoint;
use serde::Serialize;
use thiserror::Error;

use super::bench::{self, Indexed};
use super::server::{cannot_tell, serve};
use super::{Checker, Question, Verdict, shown};
use crate::access_list::{self, Declared};
use crate::arguments::{Nodes, by_chain, read_set};
use crate::checks::written::Samples;
use crate::message::ChainId;
use crate::validity::Descriptor;

/// Version of the JSON document.
const VERSION: u32 = 1;
/// Names of the check's method at other endpoints.
const METHODS: [&str; 2] = ["interop_checkAccessList", "supervisor_checkAccessList"];
/// Largest list on standard input.
const LARGEST: u64 = 16 << 20;

/// Check the messages that an access list declares, using receipts only: does each log
/// exist, and may it be executed at the given time?
///
/// Exit codes: 0 all are accepted; 1 one is refused; 2 undecided, or an error.
#[derive(Args)]
pub struct CheckArgs {
    /// The dependency set, in the format of op-node's file.
    #[arg(long, value_name = "FILE")]
    depset: PathBuf,
    /// A chain's nodes; the first that answers is used. Give this once for each chain.
    #[arg(long = "chain", value_name = "ID=RPC[,RPC]", required = true)]
    chains: Vec<Nodes>,
    /// Check a missing block or log once more after this many milliseconds; 0: never.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    retest_ms: u64,
    /// The chain that executes the messages.
    #[arg(long, value_name = "ID", required_unless_present = "serve")]
    executing_chain: Option<ChainId>,
    /// Timestamp of the earliest block that can execute the messages, in seconds.
    #[arg(long, value_name = "N", required_unless_present = "serve")]
    timestamp: Option<u64>,
    /// Seconds after that timestamp during which the messages must stay valid.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "serve")]
    timeout: u64,
    /// Required safety of the logs' blocks. Receipts cannot show more than unsafe.
    #[arg(
        long,
        value_name = "unsafe|cross-unsafe|safe",
        default_value = "unsafe"
    )]
    min_safety: Level,
    /// Print one JSON document (docs/json.md).
    #[arg(long, conflicts_with = "serve")]
    json: bool,
    /// Answer interop_checkAccessList and supervisor_checkAccessList at this address, and
    /// metrics at /metrics.
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["entries", "executing_chain", "timestamp"])]
    serve: Option<SocketAddr>,
    /// With --serve: append a line of JSON to this file for each answered call, for
    /// haltbox watch --checks.
    #[arg(long, value_name = "FILE", requires = "serve")]
    samples: Option<PathBuf>,
    /// Run checks for this many seconds and print how long they took: with one declaration
    /// in each request, then with all in one request. The exit code is 0 whatever the
    /// verdicts are.
    #[arg(long, value_name = "SECONDS", conflicts_with = "serve", value_parser = clap::value_parser!(u64).range(1..=3600))]
    bench: Option<u64>,
    /// With --bench: another endpoint to measure as well, such as an op-interop-filter.
    #[arg(long, value_name = "URL", requires = "bench")]
    indexed: Option<Endpoint>,
    /// The method's name at that endpoint.
    #[arg(long, value_name = "METHOD", requires = "indexed", default_value = METHODS[0], value_parser = METHODS)]
    indexed_method: String,
    /// Entries of the access list, in their order; - reads them from standard input, one
    /// a line or as a JSON array.
    #[arg(value_name = "ENTRY", required_unless_present = "serve")]
    entries: Vec<String>,
}

/// The required safety of a block.
#[derive(Clone)]
enum Level {
    Unsafe,
    /// A level that receipts cannot show.
    Other(String),
}

/// A word that is no level of safety.
#[derive(Debug, Error)]
#[error("expected unsafe, cross-unsafe or safe")]
struct NoLevel;

impl FromStr for Level {
    type Err = NoLevel;

    fn from_str(text: &str) -> Result<Level, NoLevel> {
        match text {
            "unsafe" => Ok(Level::Unsafe),
            "cross-unsafe" | "local-safe" | "safe" | "finalized" => {
                Ok(Level::Other(text.to_owned()))
            }
            _ => Err(NoLevel),
        }
    }
}

#[derive(Serialize)]
struct Document {
    version: u32,
    verdict: &'static str,
    declarations: Vec<Row>,
    milliseconds: u64,
}

#[derive(Serialize)]
struct Times {
    version: u32,
    seconds: u64,
    rows: Vec<bench::Row>,
}

#[derive(Serialize)]
struct Row {
    chain: String,
    block: u64,
    timestamp: u64,
    log: u32,
    checksum: B256,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
}

impl Row {
    fn of(declared: &Declared, verdict: &Verdict) -> Row {
        let place = declared.place;
        Row {
            chain: place.chain.to_string(),
            block: place.block,
            timestamp: place.timestamp,
            log: place.log,
            checksum: declared.checksum,
            verdict: verdict.word(),
            reason: verdict.reason(),
            what: verdict.what(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What to print.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if let Level::Other(level) = &args.min_safety {
        bail!("--min-safety {level}: {}", cannot_tell(level));
    }
    let set = read_set(&args.depset)?;
    let nodes = by_chain(&args.chains, &set)?;
    let checker = Checker::new(set, nodes, Duration::from_millis(args.retest_ms));
    match args.serve {
        Some(address) => serve_at(address, checker, args.samples.as_deref()),
        None => check(args, &checker),
    }
}

fn serve_at(
    address: SocketAddr,
    checker: Checker,
    samples: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(address)
        .map_err(|error| anyhow!("--serve {address}: {error}; give an address that is free"))?;
    let at = listener.local_addr().unwrap_or(address);
    let name = format!("haltbox check {at}");
    let samples = samples.map(|path| Samples::start(path, name)).transpose()?;
    say(&format!(
        "checks at http://{at}/, metrics at http://{at}/metrics"
    ));
    serve(&listener, checker, samples)
}

fn check(args: &CheckArgs, checker: &Checker) -> anyhow::Result<ExitCode> {
    let entries = entries(&args.entries)?;
    let question = Question {
        declared: access_list::read(&entries)?,
        descriptor: Descriptor {
            chain: args.executing_chain,
            timestamp: args.timestamp.unwrap_or_default(),
            timeout: args.timeout,
        },
    };
    if let Some(seconds) = args.bench {
        return measure(args, checker, &question, seconds);
    }
    let begun = Instant::now();
    let verdicts = checker.check(std::slice::from_ref(&question)).concat();
    let worst = Verdict::of_all(&verdicts);
    let both = question.declared.iter().zip(&verdicts);
    if args.json {
        print_json(&Document {
            version: VERSION,
            verdict: worst.word(),
            declarations: both
                .map(|(declared, verdict)| Row::of(declared, verdict))
                .collect(),
            milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        })?;
    } else {
        let lines = both.map(|(declared, verdict)| line(declared, verdict));
        print(&lines.collect::<String>())?;
    }
    Ok(ExitCode::from(match worst {
        Verdict::Accepted => 0,
        Verdict::Refused(_) => 1,
        Verdict::Undecided(_) => 2,
    }))
}

fn measure(
    args: &CheckArgs,
    checker: &Checker,
    question: &Question,
    seconds: u64,
) -> anyhow::Result<ExitCode> {
    let method = METHODS
        .into_iter()
        .find(|method| *method == args.indexed_method);
    let indexed = args.indexed.clone().zip(method);
    let indexed = indexed.map(|(endpoint, method)| Indexed { endpoint, method });
    let time = Duration::from_secs(seconds);
    let rows = bench::run(checker, question, indexed.as_ref(), time)?;
    if args.json {
        print_json(&Times {
            version: VERSION,
            seconds,
            rows,
        })?;
    } else {
        print(&bench::text(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(declared: &Declared, verdict: &Verdict) -> String {
    let what = verdict
        .what()
        .map_or_else(String::new, |what| format!(": {what}"));
    let word = verdict.word();
    format!("{word:<9}  {}{what}\n", shown(&declared.place))
}

/// Reasons why entries cannot be read.
#[derive(Debug, Error)]
enum EntriesError {
    #[error("cannot read standard input: {error}")]
    Stdin { error: io::Error },
    #[error("standard input is not a JSON array of entries: {error}")]
    NoArray { error: serde_json::Error },
    #[error("expected an entry of 32 bytes, as 0x and 64 hexadecimal digits, found {text:?}")]
    NoEntry { text: String },
}

fn entries(given: &[String]) -> Result<Vec<B256>, EntriesError> {
    match given {
        [only] if only == "-" => {
            let mut text = String::new();
            let input = io::stdin().lock().take(LARGEST).read_to_string(&mut text);
            input.map_err(|error| EntriesError::Stdin { error })?;
            listed(&text)
        }
        given => given.iter().map(|entry| read_entry(entry)).collect(),
    }
}

fn listed(text: &str) -> Result<Vec<B256>, EntriesError> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| EntriesError::NoArray { error });
    }
    text.split_whitespace().map(read_entry).collect()
}

fn read_entry(text: &str) -> Result<B256, EntriesError> {
    let text = text.to_owned();
    text.parse().map_err(|_| EntriesError::NoEntry { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_either_way() {
        let entry = format!("0x{}", "01".repeat(32));
        let expected = vec![B256::repeat_byte(1); 2];
        let of = |text: &str| listed(text).unwrap();
        assert_eq!(of(&format!("{entry}\n  {entry}\n")), expected);
        assert_eq!(of(&format!("\n[\"{entry}\", \"{entry}\"]")), expected);
        assert_eq!(of(""), Vec::<B256>::new());
        let wrong = |text: &str| listed(text).unwrap_err().to_string();
        assert!(wrong("[1]").contains("JSON array"));
        assert!(wrong("0x01").contains("32 bytes"));
    }
}
