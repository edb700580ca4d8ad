//! Follows one chain block by block.
//!
//! A [`Finder`] holds the chain's blocks from the newest finalized one to the tip, each
//! the child of the one below it. If a node has another block at a height, the finder
//! walks back to the newest block that both have, and reports that the chain was rewound.
//! It requests every block from its start on. A block that no node has any more is
//! reported as a gap.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use thiserror::Error;

use crate::access_list::Declared;
use crate::chain::{Block, Declares, FullHeader, Header, Heads, Node};
use crate::message::{ChainId, Malformed, Message};
use crate::rpc::Trouble;

/// Blocks in one request.
const AT_ONCE: u64 = 16;
/// How long a node may be behind its earlier head before the chain counts as cut. A load
/// balancer may have several nodes behind one address.
const BEHIND: Duration = Duration::from_millis(1500);
/// Requests for a missing finalized block before it counts as a gap.
const TRIES: u32 = 5;

/// What a finder reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    /// The next block of the chain.
    Block(Box<Found>),
    /// The blocks above this height are no longer part of the chain.
    Rewound {
        /// Highest height that stays.
        to: u64,
    },
    /// The heads of the chain.
    Heads(Box<Heads>),
    /// Heights whose blocks no node has.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// Reason.
        why: String,
    },
    /// The block at a finalized height, after a request.
    Old {
        /// The height.
        number: u64,
        /// `None` if no node has that block any more.
        block: Option<Box<Block>>,
    },
    /// The header of a block with all its roots, after a request.
    Header {
        /// Its height.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The header, or the reason why no node returned it.
        told: Result<FullHeader, NoHeader>,
    },
    /// No node answers.
    Down(String),
    /// A node answers again.
    Up,
}

/// Why no node returned a header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoHeader {
    /// No node has the block.
    #[error("no node has that block")]
    Nowhere,
    /// The last node that was asked did not answer.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// A block, and the messages that it executes.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The block.
    pub block: Block,
    /// Logs of the inbox that execute messages, or should.
    pub messages: Vec<FoundMessage>,
}

/// A log of the inbox that executes a message, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMessage {
    /// Its number among all logs of the block.
    pub log: u32,
    /// The transaction that emitted it.
    pub transaction: B256,
    /// The message.
    pub message: Result<Message, Malformed>,
    /// How the transaction declares it.
    pub declared: Declaration,
}

/// How a transaction's access list declares a message that it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declaration {
    /// The list declares the message.
    Declared,
    /// The list declares the message more often than the transaction executes it.
    Duplicate,
    /// The list has no entry of the inbox.
    Missing,
    /// The list declares other messages only.
    Other,
}

impl Declaration {
    /// `times`: how often the transaction executes the message.
    fn of(message: &Message, keys: &[B256], times: usize) -> Declaration {
        let checksum = Declared::of(message).checksum;
        match keys.iter().filter(|key| **key == checksum).count() {
            0 if keys.is_empty() => Declaration::Missing,
            0 => Declaration::Other,
            // One entry is enough for all executions.
            declared if declared <= times => Declaration::Declared,
            _ => Declaration::Duplicate,
        }
    }

    /// One word for metrics and records.
    pub fn word(self) -> &'static str {
        match self {
            Declaration::Declared => "declared",
            Declaration::Duplicate => "duplicate",
            Declaration::Missing => "missing",
            Declaration::Other => "other",
        }
    }
}

/// Height and hash of a block on the finder's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    number: u64,
    hash: B256,
}

impl From<Header> for Step {
    fn from(header: Header) -> Step {
        Step {
            number: header.number,
            hash: header.hash,
        }
    }
}

/// Follows one chain.
pub struct Finder {
    chain: ChainId,
    nodes: Vec<Node>,
    /// Whether each node follows this chain. A node of another chain would make every
    /// message look forged.
    is_ours: Vec<bool>,
    /// The node that answered last.
    current: usize,
    /// Height to start at: below the blocks that were not finalized when the tape ended.
    from: Option<u64>,
    /// Blocks from the newest finalized one to the tip.
    path: VecDeque<Step>,
    behind_since: Option<Instant>,
    up: Option<bool>,
    tries: u32,
}

impl Finder {
    /// A finder of one chain. `from`: the height to start at, if it lies below the newest
    /// finalized block.
    pub fn new(chain: ChainId, nodes: Vec<Node>, from: Option<u64>) -> Finder {
        Finder {
            chain,
            is_ours: vec![false; nodes.len()],
            nodes,
            current: 0,
            from,
            path: VecDeque::new(),
            behind_since: None,
            up: None,
            tries: 0,
        }
    }

    /// Polls the chain once. `told` gets the sightings in order. Returns whether there is
    /// more to read at once.
    pub fn look(&mut self, told: &mut dyn FnMut(Sighting)) -> bool {
        let heads = match self.heads() {
            Ok(heads) => heads,
            Err(trouble) => {
                self.report(Some(&trouble), told);
                return false;
            }
        };
        self.report(None, told);
        told(Sighting::Heads(Box::new(heads)));
        // The chain changed between the requests, or the node went away. The next poll
        // finds out.
        self.follow(&heads, told).unwrap_or(false)
    }

    /// Requests the block at a finalized height.
    pub fn old(&self, number: u64) -> Sighting {
        let mut found = self.nodes.iter().map(|node| node.block(number));
        let block = found.find_map(|told| told.ok().flatten()).map(Box::new);
        Sighting::Old { number, block }
    }

    /// Requests the header of a block, which may have been replaced.
    pub fn header(&self, number: u64, hash: B256) -> Sighting {
        let mut why = NoHeader::Nowhere;
        for node in &self.nodes {
            match node.full_header(hash) {
                Ok(Some(header)) => {
                    let told = Ok(header);
                    return Sighting::Header { number, hash, told };
                }
                Ok(None) => {}
                Err(trouble) => why = trouble.into(),
            }
        }
        let told = Err(why);
        Sighting::Header { number, hash, told }
    }

    fn report(&mut self, trouble: Option<&Trouble>, told: &mut dyn FnMut(Sighting)) {
        let up = trouble.is_none();
        if self.up != Some(up) {
            told(trouble.map_or(Sighting::Up, |why| Sighting::Down(why.to_string())));
        }
        self.up = Some(up);
    }

    /// The heads from the first node that answers, beginning with the one that did last.
    fn heads(&mut self) -> Result<Heads, Trouble> {
        let mut last = Trouble::Unreached("no node is configured".to_owned());
        for turn in 0..self.nodes.len() {
            let at = (self.current + turn) % self.nodes.len();
            match self.heads_of(at) {
                Ok(heads) => {
                    self.current = at;
                    return Ok(heads);
                }
                Err(trouble) => {
                    // When it comes back, it may be another node.
                    self.is_ours[at] = false;
                    last = trouble;
                }
            }
        }
        Err(last)
    }

    fn heads_of(&mut self, at: usize) -> Result<Heads, Trouble> {
        let node = &self.nodes[at];
        if !self.is_ours[at] {
            let found = node.chain_id()?;
            if found != self.chain {
                let (endpoint, expected) = (node.endpoint(), self.chain);
                return Err(Trouble::Shape(format!(
                    "{endpoint} follows chain {found}, expected chain {expected}: check --chain"
                )));
            }
            self.is_ours[at] = true;
        }
        node.heads()
    }

    fn node(&self) -> &Node {
        &self.nodes[self.current]
    }

    fn follow(&mut self, heads: &Heads, told: &mut dyn FnMut(Sighting)) -> Result<bool, Trouble> {
        if self.path.is_empty() {
            self.begin(heads, told)?;
        }
        if !self.stand(heads, told)? {
            return Ok(false);
        }
        let more = self.advance(heads, told)?;
        self.forget(heads);
        Ok(more)
    }

    /// Starts at the newest finalized block, or below it.
    fn begin(&mut self, heads: &Heads, told: &mut dyn FnMut(Sighting)) -> Result<(), Trouble> {
        let finalized = heads.finalized.unwrap_or(heads.latest);
        let from = self.from.unwrap_or(finalized.number).min(finalized.number);
        let first = match self.node().header(from)? {
            Some(header) => header,
            None => {
                told(lost(from, finalized.number));
                finalized
            }
        };
        self.path.push_back(first.into());
        Ok(())
    }

    /// Makes sure that the tip is a block that the node has too. `false`: not yet.
    fn stand(&mut self, heads: &Heads, told: &mut dyn FnMut(Sighting)) -> Result<bool, Trouble> {
        let Some(tip) = self.path.back().copied() else {
            return Ok(false);
        };
        let latest = heads.latest;
        if latest.number > tip.number {
            self.behind_since = None;
            // The next block shows it by its parent.
            return Ok(true);
        }
        if self.at(latest.number) == Some(latest.hash) {
            return Ok(self.may_cut(latest.number, tip.number, told));
        }
        self.walk_back(heads, told)?;
        Ok(true)
    }

    /// Handles a node with a lower head on the same chain: it is slow, or the chain was
    /// cut.
    fn may_cut(&mut self, latest: u64, tip: u64, told: &mut dyn FnMut(Sighting)) -> bool {
        if latest == tip {
            self.behind_since = None;
            return true;
        }
        let since = *self.behind_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= BEHIND {
            self.cut(latest, told);
        }
        false
    }

    fn at(&self, number: u64) -> Option<B256> {
        let at = self.path.binary_search_by_key(&number, |step| step.number);
        at.ok().map(|at| self.path[at].hash)
    }

    fn cut(&mut self, to: u64, told: &mut dyn FnMut(Sighting)) {
        self.behind_since = None;
        self.path.retain(|step| step.number <= to);
        told(Sighting::Rewound { to });
    }

    /// Finds the newest block of the path that the node has. Blocks agree up to a height
    /// and differ above it, so a binary search finds that height.
    fn walk_back(&mut self, heads: &Heads, told: &mut dyn FnMut(Sighting)) -> Result<(), Trouble> {
        let (mut agree, mut differ) = (0, self.path.len());
        while agree < differ {
            let middle = (agree + differ) / 2;
            let step = self.path[middle];
            let header = self.node().header(step.number)?;
            match header.is_some_and(|header| header.hash == step.hash) {
                true => agree = middle + 1,
                false => differ = middle,
            }
        }
        match agree.checked_sub(1).map(|at| self.path[at].number) {
            Some(to) => self.cut(to, told),
            None => self.begin_again(heads, told),
        }
        Ok(())
    }

    /// Starts again: the node has no block of the path, not even the finalized one.
    fn begin_again(&mut self, heads: &Heads, told: &mut dyn FnMut(Sighting)) {
        let first = self.path.front().map_or(0, |step| step.number);
        let to = first.saturating_sub(1);
        self.cut(to, told);
        let finalized = heads.finalized.unwrap_or(heads.latest);
        if finalized.number > first {
            told(lost(first, finalized.number));
        }
        let other = finalized.number.min(first);
        told(Sighting::Gap {
            from: other,
            to: first,
            why: "the node now has another finalized block at this height than before".to_owned(),
        });
        self.path.push_back(finalized.into());
    }

    fn advance(&mut self, heads: &Heads, told: &mut dyn FnMut(Sighting)) -> Result<bool, Trouble> {
        let Some(tip) = self.path.back().copied() else {
            return Ok(false);
        };
        let to = heads.latest.number.min(tip.number + AT_ONCE);
        if to <= tip.number {
            return Ok(false);
        }
        let blocks = self.node().blocks(tip.number + 1, to)?;
        if blocks.is_empty() {
            self.missing(tip.number + 1, heads, told);
            return Ok(false);
        }
        self.tries = 0;
        for block in blocks {
            if !self.take(block, heads, told)? {
                return Ok(true);
            }
        }
        Ok(to < heads.latest.number)
    }

    /// Appends the next block. `false` if it is not a child of the tip.
    fn take(
        &mut self,
        block: Block,
        heads: &Heads,
        told: &mut dyn FnMut(Sighting),
    ) -> Result<bool, Trouble> {
        let header = block.header;
        if self
            .path
            .back()
            .is_some_and(|tip| tip.hash != header.parent)
        {
            self.walk_back(heads, told)?;
            return Ok(false);
        }
        let messages = self.messages(&block)?;
        self.path.push_back(header.into());
        told(Sighting::Block(Box::new(Found { block, messages })));
        Ok(true)
    }

    /// Reads the messages of a block. Transactions are requested only if one executes a
    /// message.
    fn messages(&self, block: &Block) -> Result<Vec<FoundMessage>, Trouble> {
        let read = |emitted: &crate::chain::Emitted| match Message::read(&emitted.log) {
            Ok(None) => None,
            Ok(Some(message)) => Some((emitted.index, emitted.transaction, Ok(message))),
            Err(malformed) => Some((emitted.index, emitted.transaction, Err(malformed))),
        };
        let found: Vec<_> = block.logs.iter().filter_map(read).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut declares = self.node().declared(block.header.hash)?;
        declares.sort_by_key(|declares| declares.transaction);
        let mut times: HashMap<(B256, Message), usize> = HashMap::new();
        for (_, transaction, message) in &found {
            if let Ok(message) = message {
                *times.entry((*transaction, *message)).or_default() += 1;
            }
        }
        let found = found.into_iter().map(|(log, transaction, message)| {
            let keys = keys_of(&declares, transaction);
            let declared = match &message {
                Ok(own) => Declaration::of(own, keys, times[&(transaction, *own)]),
                Err(_) if keys.is_empty() => Declaration::Missing,
                Err(_) => Declaration::Other,
            };
            FoundMessage {
                log,
                transaction,
                message,
                declared,
            }
        });
        Ok(found.collect())
    }

    /// Counts a missing block. A finalized block that no node has will not come: after
    /// some tries it is a gap.
    fn missing(&mut self, number: u64, heads: &Heads, told: &mut dyn FnMut(Sighting)) {
        let Some(finalized) = heads.finalized.filter(|block| block.number > number) else {
            return;
        };
        self.tries += 1;
        if self.tries >= TRIES {
            self.tries = 0;
            told(lost(number, finalized.number));
            self.path.clear();
            self.path.push_back(finalized.into());
        }
    }

    /// Removes blocks below the newest finalized one, which cannot be replaced any more.
    fn forget(&mut self, heads: &Heads) {
        let Some(finalized) = heads.finalized else {
            return;
        };
        if self.at(finalized.number) == Some(finalized.hash) {
            self.path.retain(|step| step.number >= finalized.number);
        }
    }
}

/// The declarations of a transaction. `declares` is sorted by transaction.
fn keys_of(declares: &[Declares], transaction: B256) -> &[B256] {
    let at = declares.binary_search_by_key(&transaction, |declares| declares.transaction);
    at.map_or(&[], |at| &declares[at].keys)
}

/// A gap: no node has the blocks below the finalized one any more.
fn lost(from: u64, finalized: u64) -> Sighting {
    Sighting::Gap {
        from,
        to: finalized.saturating_sub(1),
        why: "the node no longer has these blocks".to_owned(),
    }
}
