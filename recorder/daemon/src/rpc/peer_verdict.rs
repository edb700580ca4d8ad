//! Weighs the nodes' answers against the recorded blocks.
//!
//! ```text
//! own header H+1 has this node's AppHash(H)          H is confirmed
//! own header H+1 has another                         H is pinned: is it the same node, and execution?
//! a proposal differs at a height without progress    seen: pinned; frozen if it lasts (triggers)
//! peers' decided header H+1, all that answered ...
//!   equal, and more than half of the peers           H is confirmed
//!   differ in the same way, two or the only peer     proved: frozen
//!   differ, one of several                           seen: pinned; frozen if it lasts
//!   contradict each other                            pinned, no verdict
//! another chain id, or another block H               reported once, never compared
//! no answer, whatever the cause                      nothing
//! ```
//!
//! Only a block is compared that was executed to its end and whose AppHash on
//! this node is known. Blocks that the network agreed with are not reopened.

use std::collections::BTreeMap;

use haltbox_format::AppHash;
use haltbox_format::mark::State;
use haltbox_model::lifecycle::{Block, Lifecycle};
use haltbox_model::{Event, Mismatch, Weight};

use super::Options;
use super::poll::{By, Said, What};

/// Heights that are remembered.
const REMEMBERED: usize = 64;
/// Most heights that peers are asked about at once.
const WANTED: usize = 4;

/// What the recorder must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Tell the operator, and nothing else.
    Say(String),
    /// Take an event. The text, if any, is for the operator.
    Tell(Event, Option<String>),
    /// An earlier event continues. It lasts, and is no further sighting.
    Still(Event),
}

/// The answers so far, by node.
pub(super) struct Witnesses {
    own: Own,
    peers: Vec<Peer>,
    /// The last verdict of the peers on each attempt that led to an outcome.
    verdicts: BTreeMap<(u64, u32), Verdict>,
}

#[derive(Default)]
struct Own {
    name: String,
    chain: Option<String>,
    /// Hashes of its newest blocks, by height.
    blocks: BTreeMap<u64, AppHash>,
    /// Executed height and decided AppHash of its newest header, until weighed.
    header: Option<(u64, AppHash)>,
    /// Height and AppHash of its application, until weighed.
    application: Option<(u64, AppHash)>,
    proposal: Option<Proposal>,
    /// Proposals that were reported, each with the attempt it is about.
    told: Vec<(u32, Proposal)>,
    /// The header that contradicts the recording and was reported last.
    header_told: Option<(u64, AppHash)>,
    /// Whether it was asked and has not answered or become silent.
    awaited: bool,
    /// Heights at which the recording and the node's application disagree.
    unsure: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Proposal {
    height: u64,
    round: u64,
    app_hash: AppHash,
}

struct Peer {
    name: String,
    chain: Option<String>,
    decided: BTreeMap<u64, Decided>,
    /// Whether the operator was told that this peer cannot be compared.
    foreign_told: bool,
    /// Whether it answered since the last weighing.
    fresh: bool,
}

struct Decided {
    chain: String,
    block: AppHash,
    app_hash: AppHash,
}

/// What the headers of the peers say about a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Too few peers answered.
    Nothing,
    Agreed,
    Contradicted(AppHash, Weight),
    /// They contradict each other. This is one of their hashes that differs
    /// from ours.
    Split(AppHash),
}

fn tally(own: AppHash, answers: &[AppHash], configured: usize) -> Verdict {
    let Some(other) = answers.iter().find(|answer| **answer != own) else {
        return match answers.len() * 2 > configured {
            true => Verdict::Agreed,
            false => Verdict::Nothing,
        };
    };
    match answers.iter().all(|answer| answer == other) {
        true if answers.len() >= 2 || configured == 1 => {
            Verdict::Contradicted(*other, Weight::Proved)
        }
        true => Verdict::Contradicted(*other, Weight::Seen),
        false => Verdict::Split(*other),
    }
}

/// The block of a height, if it was executed to its end.
fn executed(life: &Lifecycle, height: u64) -> Option<&Block> {
    let ended = |block: &&Block| block.ended.any() || block.committed.any();
    life.subject(height).filter(ended)
}

/// Whether the network has not agreed with a block and nothing is proved about
/// it.
fn is_undecided(block: &Block) -> bool {
    matches!(block.state, State::Open | State::Committed | State::Pinned)
}

fn mismatch(block: &Block, local: AppHash, network: AppHash, weight: Weight) -> Event {
    Event::Mismatch(Mismatch {
        carried: None,
        round: None,
        height: Some(block.of.height),
        field: "AppHash".to_owned(),
        local,
        network,
        weight,
    })
}

impl Witnesses {
    pub(super) fn new(options: &Options) -> Witnesses {
        let peer = |endpoint: &super::Endpoint| Peer {
            name: endpoint.to_string(),
            chain: None,
            decided: BTreeMap::new(),
            foreign_told: false,
            fresh: false,
        };
        let own = options.own.as_ref();
        Witnesses {
            own: Own {
                name: own.map_or_else(String::new, ToString::to_string),
                awaited: own.is_some(),
                ..Own::default()
            },
            peers: options.peers.iter().map(peer).collect(),
            verdicts: BTreeMap::new(),
        }
    }

    /// Takes an answer. Returns what the operator must learn at once.
    pub(super) fn take(&mut self, said: Said) -> Option<Outcome> {
        let name = match said.by {
            By::Own => self.own.name.clone(),
            By::Peer(index) => self.peers.get(index)?.name.clone(),
        };
        match said.what {
            What::Answers => return Some(Outcome::Say(format!("the RPC of {name} answers"))),
            What::Silent(why) => {
                self.own.awaited &= said.by != By::Own;
                return Some(Outcome::Say(format!(
                    "the RPC of {name} does not answer (which does not mean that the chain has a \
                     problem): {why}"
                )));
            }
            what => match said.by {
                By::Own => self.own.take(what),
                By::Peer(index) => self.peers.get_mut(index)?.take(what),
            },
        }
        None
    }

    /// What follows for the blocks.
    pub(super) fn weigh(&mut self, life: &Lifecycle) -> Vec<Outcome> {
        let mut outcomes = self.own.weigh(life);
        outcomes.extend(self.weigh_peers(life));
        outcomes
    }

    /// Executed heights that peers can decide.
    pub(super) fn wanted(&self, life: &Lifecycle) -> Vec<u64> {
        let comparable = self.comparable(life);
        let mut heights: Vec<u64> = comparable.map(|(block, _)| block.of.height).collect();
        heights.sort_unstable();
        heights.dedup();
        heights.split_off(heights.len().saturating_sub(WANTED))
    }

    /// Blocks to compare, with this node's AppHash.
    fn comparable<'a>(
        &'a self,
        life: &'a Lifecycle,
    ) -> impl Iterator<Item = (&'a Block, AppHash)> + 'a {
        let blocks = life.blocks().iter().filter(|block| is_undecided(block));
        let subjects = blocks.filter_map(move |block| {
            executed(life, block.of.height).filter(|subject| subject.of == block.of)
        });
        subjects
            .filter(|block| !self.own.unsure.contains(&block.of.height))
            .filter_map(|block| Some((block, block.app_hash?)))
    }

    /// Weighs the peers' headers. Waits for the own node first, because it says
    /// which chain is recorded.
    fn weigh_peers(&mut self, life: &Lifecycle) -> Vec<Outcome> {
        if self.own.awaited || !self.peers.iter().any(|peer| peer.fresh) {
            return Vec::new();
        }
        let mut outcomes = self.tell_foreign();
        for (of, verdict, outcome) in self.verdicts_on(life) {
            remember(&mut self.verdicts, of, verdict);
            outcomes.push(outcome);
        }
        self.peers.iter_mut().for_each(|peer| peer.fresh = false);
        outcomes
    }

    fn verdicts_on(&self, life: &Lifecycle) -> Vec<((u64, u32), Verdict, Outcome)> {
        let weighed = self.comparable(life).filter_map(|(block, own)| {
            let of = (block.of.height, block.of.attempt);
            let answers = self.answers(block.of.height);
            let hashes: Vec<AppHash> = answers.iter().map(|(_, hash)| *hash).collect();
            let verdict = tally(own, &hashes, self.peers.len());
            let known = self.verdicts.get(&of) == Some(&verdict);
            let outcome = outcome_of(block, own, verdict, known, &answers)?;
            Some((of, verdict, outcome))
        });
        weighed.collect()
    }

    /// The AppHash of a height by each peer that can be compared, with its
    /// name.
    fn answers(&self, height: u64) -> Vec<(&str, AppHash)> {
        let peers = self
            .peers
            .iter()
            .filter(|peer| self.foreign(peer).is_none());
        peers
            .filter_map(|peer| Some((peer.name.as_str(), peer.decided.get(&height)?.app_hash)))
            .collect()
    }

    /// The recorded chain: the own node's, or the one that all peers name.
    fn chain(&self) -> Option<&str> {
        if let Some(chain) = &self.own.chain {
            return Some(chain);
        }
        let mut chains = self.peers.iter().filter_map(|peer| peer.chain.as_deref());
        let first = chains.next()?;
        chains.all(|chain| chain == first).then_some(first)
    }

    /// Why a peer cannot be compared. `None` if it can.
    fn foreign(&self, peer: &Peer) -> Option<String> {
        let named = peer.chain.as_deref()?;
        let Some(chain) = self.chain() else {
            return Some("the peers belong to different chains".to_owned());
        };
        let decided = peer.decided.values().map(|decided| decided.chain.as_str());
        if let Some(other) = decided.chain([named]).find(|named| *named != chain) {
            return Some(format!(
                "it belongs to the chain {other:?}, this node to {chain:?}"
            ));
        }
        let elsewhere = peer.decided.iter().find(|(height, decided)| {
            let own = self.own.blocks.get(height);
            own.is_some_and(|own| *own != decided.block)
        });
        elsewhere.map(|(height, _)| format!("its block {height} is not the one of this node"))
    }

    fn tell_foreign(&mut self) -> Vec<Outcome> {
        let whys: Vec<Option<String>> = self.peers.iter().map(|peer| self.foreign(peer)).collect();
        let mut outcomes = Vec::new();
        for (peer, why) in self.peers.iter_mut().zip(whys) {
            let Some(why) = why.filter(|_| !peer.foreign_told) else {
                continue;
            };
            peer.foreign_told = true;
            let text = format!("the peer {} is not used for comparison: {why}", peer.name);
            outcomes.push(Outcome::Say(text));
        }
        outcomes
    }
}

/// What follows from a verdict of the peers. `None` if it is neither new nor a
/// lasting contradiction.
fn outcome_of(
    block: &Block,
    own: AppHash,
    verdict: Verdict,
    known: bool,
    answers: &[(&str, AppHash)],
) -> Option<Outcome> {
    let height = block.of.height;
    let next = height.saturating_add(1);
    let app_hash = Some(own);
    Some(match verdict {
        Verdict::Nothing => return None,
        Verdict::Agreed => Outcome::Tell(Event::Confirm { height, app_hash }, None),
        Verdict::Contradicted(other, weight) if known => {
            Outcome::Still(mismatch(block, own, other, weight))
        }
        Verdict::Contradicted(other, weight) => {
            let names: Vec<&str> = answers.iter().map(|(name, _)| *name).collect();
            let words = format!(
                "height {height}: the decided header {next} of {} has AppHash {other}, this node has {own}",
                names.join(", ")
            );
            Outcome::Tell(mismatch(block, own, other, weight), Some(words))
        }
        Verdict::Split(_) if known => return None,
        Verdict::Split(other) => {
            let each = answers
                .iter()
                .map(|(name, hash)| format!("{name} has {hash}"));
            let each: Vec<String> = each.collect();
            let words = format!(
                "height {height}: the trusted peers contradict each other, so no conclusion is \
                 drawn: header {next} of {}; this node has {own}",
                each.join(", of ")
            );
            Outcome::Tell(mismatch(block, own, other, Weight::Quoted), Some(words))
        }
    })
}

impl Peer {
    fn take(&mut self, what: What) {
        self.fresh = true;
        match what {
            What::Chain(chain) => self.chain = Some(chain),
            What::Decided {
                height,
                chain,
                block,
                app_hash,
            } => {
                let decided = Decided {
                    chain,
                    block,
                    app_hash,
                };
                remember(&mut self.decided, height, decided);
            }
            _ => {}
        }
    }
}

impl Own {
    fn take(&mut self, what: What) {
        match what {
            What::Chain(chain) => {
                self.chain = Some(chain);
                self.awaited = false;
            }
            What::Head {
                height,
                block,
                app_hash,
            } => {
                remember(&mut self.blocks, height, block);
                self.header = height.checked_sub(1).map(|executed| (executed, app_hash));
            }
            What::Application { height, app_hash } => self.application = Some((height, app_hash)),
            What::Proposed {
                height,
                round,
                app_hash,
            } => {
                self.proposal = Some(Proposal {
                    height,
                    round,
                    app_hash,
                });
            }
            _ => {}
        }
    }

    fn weigh(&mut self, life: &Lifecycle) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        outcomes.extend(self.weigh_application(life));
        // An event about a block changes `life` only before the next call.
        if outcomes.is_empty() {
            outcomes.extend(self.weigh_header(life));
            outcomes.extend(self.weigh_proposal(life));
        }
        outcomes
    }

    /// Weighs this node's own AppHash. Keeps it until the recording reaches
    /// that height.
    fn weigh_application(&mut self, life: &Lifecycle) -> Option<Outcome> {
        let (height, found) = self.application?;
        let block = executed(life, height)?;
        self.application = None;
        match block.app_hash {
            None if life
                .latest(height)
                .is_some_and(|latest| latest.of == block.of) =>
            {
                let app_hash = found;
                Some(Outcome::Tell(Event::LocalHash { height, app_hash }, None))
            }
            Some(known) if known != found && !self.unsure.contains(&height) => {
                self.unsure.push(height);
                let surplus = self.unsure.len().saturating_sub(REMEMBERED);
                self.unsure.drain(..surplus);
                let words = format!(
                    "height {height}: the application behind {} has AppHash {found}, the \
                     recording says {known}: no conclusion is drawn; check that --rpc names the \
                     recorded node",
                    self.name
                );
                let event = mismatch(block, known, found, Weight::Quoted);
                Some(Outcome::Tell(event, Some(words)))
            }
            _ => None,
        }
    }

    fn weigh_header(&mut self, life: &Lifecycle) -> Option<Outcome> {
        let (height, decided) = self.header?;
        let block = executed(life, height)?;
        let own = block.app_hash?;
        self.header = None;
        let told = own != decided && self.header_told == Some((height, decided));
        if !is_undecided(block) || told || self.unsure.contains(&height) {
            return None;
        }
        let app_hash = Some(decided);
        let event = Event::Confirm { height, app_hash };
        if own == decided {
            return Some(Outcome::Tell(event, None));
        }
        self.header_told = Some((height, decided));
        let words = format!(
            "height {height}: header {} in the store of {} has AppHash {decided}, the recording \
             says {own}: check that --rpc names the recorded node, and that it is the same \
             execution",
            height.saturating_add(1),
            self.name
        );
        Some(Outcome::Tell(event, Some(words)))
    }

    fn weigh_proposal(&mut self, life: &Lifecycle) -> Option<Outcome> {
        let proposal = self.proposal.take()?;
        let block = executed(life, proposal.height).filter(|block| is_undecided(block))?;
        let own = block.app_hash.filter(|own| *own != proposal.app_hash)?;
        if self.unsure.contains(&proposal.height) {
            return None;
        }
        let event = mismatch(block, own, proposal.app_hash, Weight::Seen);
        let of = block.of.attempt;
        if self.told.contains(&(of, proposal)) {
            return Some(Outcome::Still(event));
        }
        let pair = |of: u32, told: &Proposal| (of, told.height, told.app_hash);
        let mut known = self.told.iter().map(|(of, told)| pair(*of, told));
        let first = !known.any(|told| told == pair(of, &proposal));
        let surplus = (self.told.len() + 1).saturating_sub(REMEMBERED);
        self.told.drain(..surplus);
        self.told.push((of, proposal));
        let words = first.then(|| {
            format!(
                "height {} makes no progress, and {} has a proposal with AppHash {}, this node \
                 has {own}",
                proposal.height, self.name, proposal.app_hash
            )
        });
        Some(Outcome::Tell(event, words))
    }
}

fn remember<K: Ord, T>(map: &mut BTreeMap<K, T>, key: K, value: T) {
    map.insert(key, value);
    while map.len() > REMEMBERED {
        map.pop_first();
    }
}

#[cfg(test)]
mod tests;
