//! How to record, wherever entries come from: what `record` and `run` have in common.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use haltbox_daemon::rpc;
use haltbox_recorder::after_freeze::{AfterFreeze, Budget};
use haltbox_recorder::size::parse_size;
use haltbox_recorder::triggers::Policy;

/// Sightings that freeze a block by default.
const ROUNDS: u32 = 8;
/// Seconds between two questions by default.
const RPC_SECONDS: u64 = 2;

/// How to record, wherever entries come from.
#[derive(Args)]
pub(crate) struct RecordingArgs {
    /// Size of the ring, allocated at once: 4MiB to 1TiB.
    #[arg(long, default_value = "100MiB", value_parser = parse_size)]
    pub(super) size: u64,
    /// How to read them: agoric (the default), cosmos, host, op-node, op-geth,
    /// op-supernode, op-supervisor, op-interop-filter, proxyd, or a profile file.
    /// With --attach the host's own is the default.
    #[arg(long, value_name = "NAME|FILE.json")]
    pub(super) profile: Option<String>,
    /// The node's executable (agd, or the chain's binary): its SHA-256 goes
    /// into the boxes, so that builds can be told apart.
    #[arg(long, value_name = "PATH")]
    pub(super) node_program: Option<PathBuf>,
    /// Sightings of the same mismatch, one a round, that freeze its block; by default 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) persist_rounds: Option<u32>,
    /// Seconds that the same mismatch, or trouble without progress, has to last.
    #[arg(long, value_name = "N", default_value = "60")]
    pub(super) persist_seconds: u64,
    /// Boxes kept; beyond that the oldest go, those that prove a divergence last.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_boxes: u32,
    /// Bytes of boxes kept.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = parse_size)]
    pub(super) max_bytes: u64,
    /// Bytes of the archive: released blocks, compressed, the oldest go first;
    /// 0 for none.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    pub(super) archive_bytes: u64,
    /// Shell command to run when a box was frozen by itself: HALTBOX_BOX, _NAME,
    /// _HEIGHT, _STATE, _REASON, _APP_HASH and _NETWORK_APP_HASH tell it of what.
    #[arg(long, value_name = "CMD")]
    pub(super) on_freeze: Option<String>,
    /// The node's RPC: confirms heights, and shows a proposal with another AppHash
    /// where a height stands still.
    #[arg(long, value_name = "URL")]
    pub(super) rpc: Option<rpc::Endpoint>,
    /// The RPC of a node you trust, to compare AppHashes with; may be given again.
    #[arg(long, value_name = "URL")]
    pub(super) peer_rpc: Vec<rpc::Endpoint>,
    /// Seconds between two questions to one of them; by default 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) rpc_seconds: Option<u64>,
    /// Serve metrics for Prometheus at http://ADDR/metrics, for example at
    /// 127.0.0.1:9464.
    #[arg(long, value_name = "ADDR")]
    pub(super) metrics: Option<SocketAddr>,
    /// Seconds since the last block after which metrics say that it needs
    /// attention; by default 60, or ten times the chain's own interval.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_block_age: Option<u64>,
    /// Where a black box is to be uploaded, for the halt message.
    #[arg(long, value_name = "TEXT")]
    pub(super) upload_hint: Option<String>,
}

impl RecordingArgs {
    pub(super) fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("agoric")
    }

    pub(super) fn rpc(&self) -> Result<rpc::Options, String> {
        let options = rpc::Options {
            own: self.rpc.clone(),
            peers: self.peer_rpc.clone(),
            every: Duration::from_secs(self.rpc_seconds.unwrap_or(RPC_SECONDS)),
        };
        options.check()?;
        Ok(options)
    }

    pub(super) fn triggers(&self) -> Policy {
        Policy {
            rounds: self.persist_rounds.unwrap_or(ROUNDS),
            time: Duration::from_secs(self.persist_seconds),
        }
    }

    pub(super) fn after_freeze(&self) -> AfterFreeze {
        AfterFreeze {
            budget: Budget {
                boxes: self.max_boxes as usize,
                bytes: self.max_bytes,
            },
            on_freeze: self.on_freeze.clone(),
            upload_hint: self.upload_hint.clone(),
        }
    }
}
