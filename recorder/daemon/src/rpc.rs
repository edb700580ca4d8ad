//! Asks CometBFT nodes by RPC: the recorder's own node, and peers that the
//! operator trusts.
//!
//! What the answers mean, from the sources of v0.34.35, v0.37.15, v0.38.17 and
//! v1.0.1:
//!
//! ```text
//! /status                 sync_info.latest_block_height L is the block store's, latest_app_hash the
//!                         one in header L: AppHash(L-1), not the node's state    rpc/core/status.go
//! /abci_info              last_block_height H and last_block_app_hash are the application's own:
//!                         AppHash(H) as this node computed it                    rpc/core/abci.go
//! /commit?height=H+1      signed_header.header.app_hash: AppHash(H) as +2/3 decided, without the
//!                         transactions that /block has                           rpc/core/blocks.go
//! /dump_consensus_state   round_state.proposal_block.header.app_hash: AppHash(H) of one proposer,
//!                         decided by nobody                       consensus/types/round_state.go
//! ```
//!
//! A node stores no block whose header it refuses: `finalizeCommit` and block
//! sync validate before they save. So its own store never contradicts it. A
//! node that diverged shows a height without progress, and a proposal.
//!
//! Reading the consensus state takes the node's lock, and takes longer with
//! every round. So it is asked for only if the height makes no progress, and
//! less often the longer that lasts. `/status` takes no such lock.
//!
//! Silence, errors and nonsense are never a verdict.

mod answers;
#[doc(hidden)]
pub mod at_once;
mod client;
mod peer_verdict;
mod poll;

use std::sync::Arc;
use std::time::{Duration, Instant};

use haltbox_model::lifecycle::Lifecycle;
use thiserror::Error;

use crate::console::say;
pub(crate) use answers::number;
pub(crate) use client::{CallError, Client, shown};
pub use client::{Endpoint, EndpointError};
use haltbox_recorder::freeze::AskNode;
pub use peer_verdict::Outcome;
use peer_verdict::Witnesses;
use poll::Pollers;

/// Time between two weighings of the answers. Blocks become known in the
/// meantime.
const WEIGH_EVERY: Duration = Duration::from_millis(100);
/// Most peers that are asked.
pub const MOST_PEERS: usize = 16;

/// The nodes to ask.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The recorder's own node.
    pub own: Option<Endpoint>,
    /// Peers that the operator trusts.
    pub peers: Vec<Endpoint>,
    /// Pause between two questions to one node.
    pub every: Duration,
}

/// Reasons why these nodes are not witnesses of their own.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// More than are asked.
    #[error("--peer-rpc is given {0} times, at most {MOST_PEERS} are allowed")]
    TooMany(usize),
    /// One is named twice.
    #[error("--peer-rpc {0} is given twice: leave one out")]
    Twice(Endpoint),
    /// One is the recorder's own node.
    #[error("--peer-rpc {0} is the node of --rpc: it cannot vouch for itself")]
    Own(Endpoint),
}

impl Options {
    /// The nodes that it asks, without secrets.
    pub(crate) fn asked(&self) -> Vec<String> {
        let all = self.own.iter().chain(&self.peers);
        all.map(Endpoint::to_string).collect()
    }

    /// The recorder's own node, for a freeze to ask.
    pub(crate) fn own_node(&self) -> Option<Arc<dyn AskNode>> {
        let own = self.own.clone()?;
        Some(Arc::new(own))
    }

    /// Checks that each node is a witness of its own. A node that is named
    /// twice would prove what only two nodes can.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.peers.len() > MOST_PEERS {
            return Err(OptionsError::TooMany(self.peers.len()));
        }
        for (index, peer) in self.peers.iter().enumerate() {
            if self
                .peers
                .iter()
                .skip(index + 1)
                .any(|other| other.is_at(peer))
            {
                return Err(OptionsError::Twice(peer.clone()));
            }
            if self.own.as_ref().is_some_and(|own| own.is_at(peer)) {
                return Err(OptionsError::Own(peer.clone()));
            }
        }
        Ok(())
    }
}

/// The nodes that are asked, and their answers so far.
pub struct Watch {
    pollers: Pollers,
    witnesses: Witnesses,
    weighed: Instant,
}

impl Watch {
    /// Begins to ask, each node in its own thread. `None` if there is no node
    /// to ask.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(options: &Options) -> std::io::Result<Option<Watch>> {
        if options.own.is_none() && options.peers.is_empty() {
            return Ok(None);
        }
        Ok(Some(Watch {
            pollers: Pollers::start(options)?,
            witnesses: Witnesses::new(options),
            weighed: Instant::now(),
        }))
    }

    /// As [`Watch::start`]. After an error it says so, and the recorder goes on
    /// without RPC.
    pub(crate) fn or_say(options: &Options) -> Option<Watch> {
        let started = Watch::start(options);
        let told = started.map_err(|error| say(&format!("RPC queries are off: {error}")));
        told.ok().flatten()
    }

    /// What follows from the answers since the last call.
    pub fn outcomes(&mut self, life: &Lifecycle) -> Vec<Outcome> {
        if self.weighed.elapsed() < WEIGH_EVERY {
            return Vec::new();
        }
        self.weighed = Instant::now();
        let mut outcomes = Vec::new();
        for said in self.pollers.heard() {
            outcomes.extend(self.witnesses.take(said));
        }
        outcomes.extend(self.witnesses.weigh(life));
        self.pollers.want(self.witnesses.wanted(life));
        outcomes
    }
}
