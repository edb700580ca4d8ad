//! [`Watch`](super::Watch) without its threads and pauses: each node is asked once, and the
//! answers are weighed at once. For fuzzing.

use std::sync::{Arc, Mutex, PoisonError};

use haltbox_model::lifecycle::Lifecycle;

use super::client::Client;
use super::peer_verdict::{Outcome, Witnesses};
use super::poll::{By, OwnNode, Peer, Said};
use super::{Endpoint, Options};

/// The nodes, and their answers so far.
pub struct AtOnce {
    own: Option<(Client, OwnNode)>,
    peers: Vec<(Client, Peer)>,
    wanted: Arc<Mutex<Vec<u64>>>,
    witnesses: Witnesses,
}

impl AtOnce {
    /// This makes no request.
    pub fn new(options: &Options) -> AtOnce {
        let wanted = Arc::new(Mutex::new(Vec::new()));
        let client = |endpoint: &Endpoint| Client::new(endpoint.clone());
        let peer = |endpoint| (client(endpoint), Peer::new(Arc::clone(&wanted)));
        AtOnce {
            own: options
                .own
                .as_ref()
                .map(|own| (client(own), OwnNode::default())),
            peers: options.peers.iter().map(peer).collect(),
            witnesses: Witnesses::new(options),
            wanted,
        }
    }

    /// Asks each node, and says what follows.
    pub fn turn(&mut self, life: &Lifecycle) -> Vec<Outcome> {
        let wanted = self.witnesses.wanted(life);
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        let own = self
            .own
            .iter_mut()
            .map(|(client, node)| (By::Own, node.poll(client)));
        let peers = self.peers.iter_mut().enumerate();
        let peers = peers.map(|(index, (client, peer))| (By::Peer(index), peer.poll(client)));
        let polled: Vec<_> = own.chain(peers).collect();
        let said = polled.into_iter().flat_map(|(by, polled)| {
            let told = polled.told.into_iter();
            told.map(move |what| Said { by, what })
        });
        let mut outcomes: Vec<Outcome> = Vec::new();
        for said in said.collect::<Vec<_>>() {
            outcomes.extend(self.witnesses.take(said));
        }
        outcomes.extend(self.witnesses.weigh(life));
        outcomes
    }
}
