//! Compares the nodes of one chain with the chain that is followed. A node that keeps its
//! fork after a block was replaced looks healthy: only its hashes show it.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_daemon::exposition::{label, labels};
use haltbox_recorder::host::HostError;

use super::{Input, Watcher};
use crate::chain::{FullHeader, Node};
use crate::message::ChainId;
use crate::metrics::Metrics;
use crate::tape::Entry;
use haltbox_recorder::clock::now_ms;

/// Number of comparisons in a row that must find another block before it is a fork: nodes
/// replace a block at different times.
const LOOKS: u32 = 3;
/// Distance below the tip that is compared if no node reports a safe block.
const DEEP: u64 = 16;
/// Most heights of incidents in one comparison.
const HEIGHTS: usize = 8;

/// The headers of one node at the requested heights. `None` if it did not answer.
type Held = Option<BTreeMap<u64, FullHeader>>;

/// The headers of all nodes of a chain, in the order of the arguments.
pub(super) struct Look {
    nodes: Vec<Held>,
}

/// Chains with several nodes.
#[derive(Default)]
pub(super) struct Forks {
    chains: BTreeMap<ChainId, Compared>,
    every: Duration,
}

struct Compared {
    /// Requests for heights. Dropping it ends the thread.
    asked: Sender<Vec<u64>>,
    /// Time of the last request, and whether its answer has not come yet.
    asked_at: Option<Instant>,
    waits: bool,
    nodes: Vec<ComparedNode>,
}

/// A node and the result of its comparisons.
struct ComparedNode {
    name: String,
    /// Number of comparisons in a row that found another block.
    looks: u32,
    is_reported: bool,
}

/// The result of comparing a node.
enum Seen {
    /// It has the chain's blocks.
    Chain,
    /// It has another block.
    Fork(Fork),
}

/// A height at which a node has another block.
struct Fork {
    number: u64,
    own: B256,
    other: FullHeader,
}

impl Forks {
    /// Starts a thread for each chain with several nodes.
    pub(super) fn start(
        chains: &BTreeMap<ChainId, Vec<Node>>,
        every: Duration,
        sender: &SyncSender<Input>,
    ) -> io::Result<Forks> {
        let several = chains.iter().filter(|(_, nodes)| nodes.len() > 1);
        let started = several.map(|(chain, nodes)| {
            let compared = Compared::start(*chain, nodes.clone(), sender.clone());
            Ok((*chain, compared?))
        });
        Ok(Forks {
            chains: started.collect::<io::Result<_>>()?,
            every,
        })
    }

    /// Nodes that follow another fork, as sentences.
    pub(super) fn concerns(&self) -> Vec<String> {
        let mut concerns = Vec::new();
        for (chain, compared) in &self.chains {
            for node in compared.nodes.iter().filter(|node| node.is_reported) {
                let name = &node.name;
                concerns.push(format!("chain {chain}: {name} follows another fork"));
            }
        }
        concerns
    }

    pub(super) fn show(&self, metrics: &mut Metrics) {
        for (chain, compared) in &self.chains {
            for node in &compared.nodes {
                let name = &node.name;
                let labels = labels(&[("executing_chain_id", chain), ("node", name)]);
                metrics.set("node_fork", labels, node.is_reported.into());
            }
        }
    }
}

impl Compared {
    fn start(chain: ChainId, nodes: Vec<Node>, sender: SyncSender<Input>) -> io::Result<Compared> {
        let (asked, wanted) = channel();
        let named = nodes.iter().map(|node| ComparedNode {
            name: node.endpoint().to_string(),
            looks: 0,
            is_reported: false,
        });
        let named = named.collect();
        let thread = std::thread::Builder::new().name(format!("forks-{chain}"));
        thread.spawn(move || look(chain, &nodes, &wanted, &sender))?;
        Ok(Compared {
            asked,
            asked_at: None,
            waits: false,
            nodes: named,
        })
    }

    /// Whether the next comparison is due.
    fn is_due(&self, every: Duration) -> bool {
        !self.waits && self.asked_at.is_none_or(|at| at.elapsed() >= every)
    }

    fn ask(&mut self, heights: Vec<u64>) {
        self.asked_at = Some(Instant::now());
        // If the thread has ended, the watcher ends anyway.
        self.waits = self.asked.send(heights).is_ok();
    }
}

fn look(chain: ChainId, nodes: &[Node], wanted: &Receiver<Vec<u64>>, sender: &SyncSender<Input>) {
    for heights in wanted {
        let nodes = nodes.iter();
        let nodes = nodes.map(|node| node.headers_of(chain, &heights).ok());
        let look = Look {
            nodes: nodes.collect(),
        };
        // An error means that the watcher ends.
        let _ = sender.send(Input::Look(chain, look));
    }
}

impl ComparedNode {
    /// Adds the result of a comparison. Returns it if it must be reported: a node is on a
    /// fork for some time, once, or is back.
    fn found(&mut self, seen: Seen) -> Option<Seen> {
        let is_reported = match seen {
            Seen::Fork(_) => {
                self.looks = self.looks.saturating_add(1);
                self.looks >= LOOKS
            }
            Seen::Chain => {
                self.looks = 0;
                false
            }
        };
        let was = std::mem::replace(&mut self.is_reported, is_reported);
        (was != is_reported).then_some(seen)
    }
}

impl Watcher {
    /// Starts the comparisons that are due.
    pub(super) fn look_at_forks(&mut self) {
        let every = self.forks.every;
        let due = self.forks.chains.iter();
        let due = due.filter(|(_, compared)| compared.is_due(every));
        let due: Vec<ChainId> = due.map(|(chain, _)| *chain).collect();
        for chain in due {
            let heights = self.heights_to_compare(chain);
            if let Some(compared) = self.forks.chains.get_mut(&chain)
                && !heights.is_empty()
            {
                compared.ask(heights);
            }
        }
        self.forks.show(&mut self.metrics);
    }

    /// The heights to compare: the safe block, or one some way below the tip, and those
    /// of open incidents.
    fn heights_to_compare(&self, chain: ChainId) -> Vec<u64> {
        let Some(watched) = self.chains.get(&chain) else {
            return Vec::new();
        };
        let safe = watched.heads.and_then(|heads| heads.safe);
        let safe = safe.map(|safe| safe.number);
        let deep = watched.tip.map(|tip| tip.number.saturating_sub(DEEP));
        let common = safe.filter(|safe| *safe > 0).or(deep);
        let open = watched.incidents.open().flat_map(|record| &record.heights);
        let open = open.map(|height| height.block).take(HEIGHTS);
        let mut heights: Vec<u64> = common.into_iter().chain(open).collect();
        heights.sort_unstable();
        heights.dedup();
        heights
    }

    /// Handles the headers of all nodes of a chain.
    pub(super) fn looked(&mut self, chain: ChainId, look: Look) -> Result<(), HostError> {
        let rewinds = self.chains.get(&chain).is_none_or(|it| it.is_resetting());
        let rewinds = rewinds || self.sources.is_resetting(chain);
        let Some(compared) = self.forks.chains.get_mut(&chain) else {
            return Ok(());
        };
        compared.waits = false;
        if rewinds {
            return Ok(());
        }
        let mut news = Vec::new();
        for (at, node) in compared.nodes.iter_mut().enumerate() {
            let seen = look.of(at, |number| self.book.hash(chain, number));
            if let Some(seen) = seen.and_then(|seen| node.found(seen)) {
                news.push((node.name.clone(), seen));
            }
        }
        for (name, seen) in news {
            self.forked(chain, name, seen, &look)?;
        }
        Ok(())
    }

    fn forked(
        &mut self,
        chain: ChainId,
        node: String,
        seen: Seen,
        look: &Look,
    ) -> Result<(), HostError> {
        match &seen {
            Seen::Fork(Fork { number, own, other }) => {
                let text = format!(
                    "chain {chain}: node {node} follows ANOTHER FORK: at block {number} it has \
                     {}, the watched chain has {own}. This happens if a node keeps its fork after \
                     a block was replaced: ask a third node which one is right, then resync the \
                     other",
                    other.hash()
                );
                self.alerts.alert(chain, "node-fork", &text);
                let labels = label("executing_chain_id", chain);
                self.metrics.add("node_forks_total", labels, 1);
            }
            Seen::Chain => self.alerts.note(&format!(
                "chain {chain}: node {node} follows the chain again"
            )),
        }
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        let fork = match seen {
            Seen::Fork(fork) => Some(fork),
            Seen::Chain => None,
        };
        watched.tape.put(&Entry::Fork {
            node,
            differs: fork.is_some(),
            block: fork.as_ref().map(|fork| fork.number),
            own_header: fork
                .as_ref()
                .and_then(|fork| look.header(fork.number, fork.own)),
            other_header: fork.map(|fork| fork.other),
            at: now_ms(),
        })
    }
}

impl Look {
    /// Compares a node with the chain. `None` if nothing can be compared.
    fn of(&self, node: usize, own: impl Fn(u64) -> Option<B256>) -> Option<Seen> {
        let held = self.nodes.get(node)?.as_ref()?;
        let known = held
            .iter()
            .filter_map(|(number, other)| Some((*number, own(*number)?, other)));
        let mut seen = None;
        for (number, own, other) in known {
            if other.hash() != own {
                let other = other.clone();
                return Some(Seen::Fork(Fork { number, own, other }));
            }
            seen = Some(Seen::Chain);
        }
        seen
    }

    /// The header of the chain's own block, from a node that has it.
    fn header(&self, number: u64, own: B256) -> Option<FullHeader> {
        let mut held = self.nodes.iter().flatten();
        let holds = |header: &&FullHeader| header.hash() == own;
        held.find_map(|held| held.get(&number).filter(holds).cloned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header(byte: u8) -> FullHeader {
        let header = json!({"hash": B256::repeat_byte(byte), "number": "0x7"});
        FullHeader::of(header).unwrap()
    }

    fn look(held: &[&[(u64, u8)]]) -> Look {
        let nodes = held.iter().map(|held| {
            let held = held.iter();
            Some(
                held.map(|(number, byte)| (*number, header(*byte)))
                    .collect(),
            )
        });
        Look {
            nodes: nodes.collect(),
        }
    }

    /// The height of the fork, or 0.
    fn height(seen: Seen) -> u64 {
        match seen {
            Seen::Fork(fork) => fork.number,
            Seen::Chain => 0,
        }
    }

    #[test]
    fn a_node_is_compared_where_both_hold_a_block() {
        type Row = (&'static [(u64, u8)], Option<u64>);
        let own = |number| (number < 9).then(|| B256::repeat_byte(1));
        let table: [Row; 5] = [
            (&[], None),
            (&[(9, 2)], None),
            (&[(7, 1), (9, 2)], Some(0)),
            (&[(7, 1), (8, 2)], Some(8)),
            (&[(7, 2), (8, 1)], Some(7)),
        ];
        for (held, expected) in table {
            let found = look(&[held]).of(0, own);
            assert_eq!(found.map(height), expected, "{held:?}");
        }
        assert!(look(&[]).of(0, own).is_none());
        let both = look(&[&[(7, 2)], &[(7, 1)]]);
        assert_eq!(both.header(7, B256::repeat_byte(1)), Some(header(1)));
    }

    #[test]
    fn a_fork_is_told_once_it_lasts_and_once_it_ends() {
        let mut node = ComparedNode {
            name: "a".to_owned(),
            looks: 0,
            is_reported: false,
        };
        let mut told = |is_fork: bool| {
            let fork = Fork {
                number: 7,
                own: B256::ZERO,
                other: header(2),
            };
            let seen = if is_fork {
                Seen::Fork(fork)
            } else {
                Seen::Chain
            };
            node.found(seen).map(height)
        };
        // A node that takes the replacement a little later is no fork.
        assert_eq!([true, true, false].map(&mut told), [None; 3]);
        let told = [true, true, true, true, false, false].map(told);
        assert_eq!(told, [None, None, Some(7), None, Some(0), None]);
    }
}
