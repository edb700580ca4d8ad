//! Options that `record` and `run` share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use haltbox_daemon::rpc;
use haltbox_model::size::parse_size;
use haltbox_recorder::after_freeze::AfterFreeze;
use haltbox_recorder::box_budget::Budget;
use haltbox_recorder::signing::Signer;
use haltbox_recorder::triggers::Policy;

use super::absolute;

/// Sightings of a mismatch that freeze a block, by default.
const ROUNDS: u32 = 8;
/// Seconds between two questions to one node, by default.
const RPC_SECONDS: u64 = 2;

/// How to record, wherever entries come from.
#[derive(Args)]
pub(crate) struct RecordingArgs {
    /// Size of the ring, allocated at once: 4MiB to 1TiB.
    #[arg(long, default_value = "100MiB", value_parser = parse_size)]
    pub(super) size: u64,
    /// How to read slog and node log: agoric (the default), cosmos, host, op-node, op-geth,
    /// op-supernode, op-supervisor, op-interop-filter, proxyd, or a profile file. With
    /// --attach, the default is the host's own profile.
    #[arg(long, value_name = "NAME|FILE.json")]
    pub(super) profile: Option<String>,
    /// The node's executable (agd, or the chain's binary). Its SHA-256 is stored in the
    /// boxes, to tell builds apart.
    #[arg(long, value_name = "PATH")]
    pub(super) node_program: Option<PathBuf>,
    /// Freeze a block when the same mismatch is seen in this many rounds; default 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) persist_rounds: Option<u32>,
    /// Freeze a block when the same mismatch, or trouble without progress, has lasted for
    /// this many seconds.
    #[arg(long, value_name = "N", default_value = "60")]
    pub(super) persist_seconds: u64,
    /// Maximum number of boxes. The oldest are removed first, those that prove a
    /// divergence last.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_boxes: u32,
    /// Maximum total size of the boxes.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = parse_size)]
    pub(super) max_bytes: u64,
    /// Maximum size of the archive of released blocks, compressed. The oldest are removed
    /// first; 0 for no archive.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    pub(super) archive_bytes: u64,
    /// Shell command to run after a box was frozen automatically. HALTBOX_BOX, _NAME,
    /// _HEIGHT, _STATE, _REASON, _APP_HASH and _NETWORK_APP_HASH describe the box.
    #[arg(long, value_name = "CMD")]
    pub(super) on_freeze: Option<String>,
    /// Sign each box by ssh-keygen: a private key without a passphrase, or a public one that
    /// the ssh-agent at SSH_AUTH_SOCK has. The signature is BOX.sig, and --on-freeze gets
    /// its path in HALTBOX_SIGNATURE.
    #[arg(long, value_name = "KEY")]
    pub(super) sign: Option<PathBuf>,
    /// RPC endpoint of the node. It confirms heights, and shows a proposal with another
    /// AppHash when a height makes no progress.
    #[arg(long, value_name = "URL")]
    pub(super) rpc: Option<rpc::Endpoint>,
    /// RPC endpoint of a node you trust, to compare AppHashes with. Can be repeated.
    #[arg(long, value_name = "URL")]
    pub(super) peer_rpc: Vec<rpc::Endpoint>,
    /// Seconds between two queries to the same RPC endpoint; default 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) rpc_seconds: Option<u64>,
    /// Serve metrics for Prometheus at http://ADDR/metrics, for example at
    /// 127.0.0.1:9464.
    #[arg(long, value_name = "ADDR")]
    pub(super) metrics: Option<SocketAddr>,
    /// Metrics report that the node needs attention if the last block is older than this
    /// many seconds; default 60, or ten times the chain's block interval.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_block_age: Option<u64>,
    /// Where to upload a black box, such as a URL; shown in the halt message.
    #[arg(long, value_name = "TEXT")]
    pub(super) upload_hint: Option<String>,
}

impl RecordingArgs {
    pub(super) fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("agoric")
    }

    pub(super) fn rpc(&self) -> anyhow::Result<rpc::Options> {
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

    pub(super) fn signer(&self) -> anyhow::Result<Option<Signer>> {
        let key = self.sign.as_deref().map(absolute).transpose()?;
        Ok(key.map(Signer::new))
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
