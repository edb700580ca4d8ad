//! All unsettled messages: the standing of each, and what changes it.
//!
//! ```text
//! block, rewind, head, old block --> messages that this can change --> judged again
//! ```
//!
//! A message is judged again only when something that it depends on changed: the block
//! that it names came, went or was fetched, the head of that chain passed its time, or a
//! block below it became bad. So an open message costs memory and no work.
//!
//! A message is settled when the block that executes it and the block that it names are
//! both finalized.

mod asked;
mod chain;
mod cycle;
mod doom;
mod open;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy_primitives::B256;

use crate::chain::Heads;
use crate::dependency_set::DependencySet;
use crate::finder::{Declaration, Found};
use crate::message::{ChainId, Digested, Malformed, Message, Site};
use crate::validity::{Broken, Executing, Lookup, Validity, judge};
use chain::{Chain, Held};
use doom::Doom;
use open::{ExecutingBlock, Open};

/// A log of the inbox, parsed.
pub type Executed = Result<Message, Malformed>;

/// A message whose standing changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where it is executed.
    pub site: Site,
    /// The message, or the reason why the log is not one.
    pub executed: Executed,
    /// How its transaction declares it.
    pub declared: Declaration,
    /// Standing before.
    pub from: Standing,
    /// Standing now.
    pub to: Standing,
    /// Whether it changed from valid to invalid or back, maybe over unknown.
    pub flip: bool,
    /// Hash of the block that it names, if that block's contents decided.
    pub named: Option<B256>,
}

/// The standing of a message. A malformed log counts as an invalid message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not known yet.
    Unknown,
    /// All rules hold.
    Valid,
    /// A rule is broken.
    Invalid(Box<Fault>),
}

/// Why a message is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks a rule.
    Broken(Broken),
    /// The log of the inbox is no message.
    Malformed(Malformed),
}

impl Standing {
    /// One word for metrics and records.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Unknown => "unknown",
            Standing::Valid => "valid",
            Standing::Invalid(_) => "invalid",
        }
    }

    fn holds(&self) -> Option<bool> {
        match self {
            Standing::Unknown => None,
            Standing::Valid => Some(true),
            Standing::Invalid(_) => Some(false),
        }
    }

    fn is_of_named_block(&self) -> bool {
        match self {
            Standing::Unknown => false,
            Standing::Valid => true,
            Standing::Invalid(fault) => match &**fault {
                Fault::Broken(broken) => broken.is_of_named_block(),
                Fault::Malformed(_) => false,
            },
        }
    }
}

impl Fault {
    fn stands(self) -> Standing {
        Standing::Invalid(Box::new(self))
    }

    /// One word for metrics and records.
    pub fn word(&self) -> &'static str {
        match self {
            Fault::Broken(broken) => broken.word(),
            Fault::Malformed(_) => "malformed",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Broken(broken) => broken.fmt(f),
            Fault::Malformed(malformed) => malformed.fmt(f),
        }
    }
}

/// Most finalized heights requested at a time. A transaction that names thousands of old
/// blocks must not delay requests for new ones.
const ASKED: usize = 64;

/// Index of a message in the book.
type Id = u32;

/// Number of open messages by executing chain, named chain (`None` if the log is not a
/// message) and standing.
pub type Tally = BTreeMap<(ChainId, Option<ChainId>, &'static str), u64>;

/// All unsettled messages.
pub struct Book {
    set: DependencySet,
    chains: BTreeMap<ChainId, Chain>,
    open: Vec<Option<Open>>,
    free: Vec<Id>,
    /// Messages by the block that they name.
    by_named: BTreeMap<(ChainId, u64), BTreeSet<Id>>,
    /// Messages of unknown standing, by the chain that they name.
    waiting: BTreeSet<(ChainId, Id)>,
    /// Messages that name a log of the same timestamp, by that timestamp.
    same_time: BTreeMap<u64, BTreeSet<Id>>,
    /// Messages that are in a cycle, or depend on one.
    in_cycle: BTreeSet<Id>,
    doom: Doom,
    /// Open messages by executing chain, named chain and standing.
    tally: Tally,
    /// Messages to judge again.
    dirty: BTreeSet<Id>,
    /// Finalized heights to request.
    wanted: BTreeSet<(ChainId, u64)>,
}

/// Messages of a block that is settled or was removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// Height of the block.
    pub number: u64,
    /// Its hash.
    pub block: B256,
    /// Its messages and their last standing.
    pub messages: Vec<(Site, Executed, Standing)>,
}

impl Book {
    /// A book for the chains that are followed.
    pub fn new(set: DependencySet, chains: impl IntoIterator<Item = ChainId>) -> Book {
        let chains = chains.into_iter().map(|id| (id, Chain::new(id)));
        Book {
            set,
            chains: chains.collect(),
            open: Vec::new(),
            free: Vec::new(),
            by_named: BTreeMap::new(),
            waiting: BTreeSet::new(),
            same_time: BTreeMap::new(),
            in_cycle: BTreeSet::new(),
            doom: Doom::default(),
            tally: Tally::new(),
            dirty: BTreeSet::new(),
            wanted: BTreeSet::new(),
        }
    }

    /// The rules in force.
    pub fn set(&self) -> &DependencySet {
        &self.set
    }

    /// Number of open messages.
    pub fn len(&self) -> usize {
        self.open.len() - self.free.len()
    }

    /// Whether no message is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash at a height of a chain, if the book has it.
    pub fn hash(&self, chain: ChainId, number: u64) -> Option<B256> {
        let held = self.chains.get(&chain)?.blocks.get(&number)?;
        Some(held.hash)
    }

    /// The oldest height of a chain in the book. All messages below it are settled.
    pub fn first(&self, chain: ChainId) -> Option<u64> {
        let held = self.chains.get(&chain)?.blocks.first_key_value()?;
        Some(*held.0)
    }

    /// Adds the next block of a chain. `held`: whether a message was valid in an earlier
    /// session, if that is known.
    pub fn block(&mut self, chain: ChainId, found: &Found, held: impl Fn(&Site) -> Option<bool>) {
        let header = found.block.header;
        let executing = Arc::new(ExecutingBlock {
            chain,
            number: header.number,
            hash: header.hash,
            timestamp: header.timestamp,
        });
        let mut messages = Vec::with_capacity(found.messages.len());
        for message in &found.messages {
            let site = Site {
                chain,
                number: header.number,
                block: header.hash,
                log: message.log,
                transaction: message.transaction,
            };
            let open = Open::new(&executing, message, |chain| self.shared(chain), held(&site));
            messages.push(self.insert(open));
        }
        let logs = found.block.logs.iter();
        let held = Held {
            hash: header.hash,
            timestamp: header.timestamp,
            logs: Some(logs.map(|log| Digested::from(&log.log)).collect()),
            messages,
        };
        if let Some(known) = self.chains.get_mut(&chain) {
            known.push(header.number, held);
        }
        self.touch(chain, header.number);
        self.ask_again(chain);
    }

    fn insert(&mut self, open: Open) -> Id {
        let (executed, timestamp) = (open.executed(), open.timestamp());
        *self.tally.entry(open.counted_as()).or_default() += 1;
        let id = match self.free.pop() {
            Some(id) => {
                self.open[id as usize] = Some(open);
                id
            }
            None => {
                self.open.push(Some(open));
                // Four billion messages do not fit any memory.
                (self.open.len() - 1) as Id
            }
        };
        if let Ok(message) = executed {
            let named = (message.place.chain, message.place.block);
            self.by_named.entry(named).or_default().insert(id);
            if message.place.timestamp == timestamp {
                self.same_time.entry(timestamp).or_default().insert(id);
                self.look_for_cycle(timestamp);
            }
        }
        self.dirty.insert(id);
        id
    }

    /// The chain's ID, shared by all messages that name it. A chain outside the set is
    /// not shared, so that invented IDs do not fill the memory for good.
    fn shared(&self, chain: ChainId) -> Arc<ChainId> {
        let known = self.chains.get(&chain);
        known.map_or_else(|| Arc::new(chain), |known| Arc::clone(&known.id))
    }

    /// Removes the blocks of a chain above a height. Returns their messages, newest block
    /// last.
    pub fn rewound(&mut self, chain: ChainId, to: u64) -> Vec<Left> {
        let Some(known) = self.chains.get_mut(&chain) else {
            return Vec::new();
        };
        let gone = known.rewind(to);
        let mut left = Vec::new();
        for (number, held) in gone {
            self.touch(chain, number);
            left.push(self.leave(number, held));
        }
        self.doom.rewound(chain, to);
        left.retain(|left| !left.messages.is_empty());
        left
    }

    fn leave(&mut self, number: u64, held: Held) -> Left {
        let messages = held.messages.iter().filter_map(|id| {
            let open = self.remove(*id)?;
            Some((open.site(), open.executed(), open.standing))
        });
        Left {
            number,
            block: held.hash,
            messages: messages.collect(),
        }
    }

    fn remove(&mut self, id: Id) -> Option<Open> {
        let open = self.open.get_mut(id as usize)?.take()?;
        self.free.push(id);
        uncount(&mut self.tally, open.counted_as());
        self.dirty.remove(&id);
        self.doom.forget(id, open.site().chain, open.site().number);
        if let Ok(message) = open.executed() {
            let named = (message.place.chain, message.place.block);
            if let Some(ids) = self.by_named.get_mut(&named) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_named.remove(&named);
                }
            }
            self.waiting.remove(&(message.place.chain, id));
            self.leave_time(id, open.timestamp());
        }
        Some(open)
    }

    fn leave_time(&mut self, id: Id, timestamp: u64) {
        if let Some(ids) = self.same_time.get_mut(&timestamp)
            && ids.remove(&id)
        {
            if ids.is_empty() {
                self.same_time.remove(&timestamp);
            }
            self.in_cycle.remove(&id);
            self.look_for_cycle(timestamp);
        }
    }

    /// Updates the heads of a chain.
    pub fn heads(&mut self, chain: ChainId, heads: &Heads) {
        let Some(known) = self.chains.get_mut(&chain) else {
            return;
        };
        let finalized = heads.finalized.filter(|block| known.stands(block));
        known.finalized = known.finalized.max(finalized.map(|block| block.number));
        if let (None, Some(finalized)) = (known.tip, heads.finalized) {
            // Blocks up to there can be requested before the first block comes.
            known.tip = Some((finalized.number, finalized.timestamp));
            self.ask_again(chain);
        }
    }

    /// Adds the block at a finalized height of a chain, after a request.
    pub fn old(&mut self, chain: ChainId, number: u64, block: Option<&crate::chain::Block>) {
        // A block that is missing now may come later; the next block requests it again.
        let Some(block) = block else { return };
        let held = Held {
            hash: block.header.hash,
            timestamp: block.header.timestamp,
            logs: Some(block.logs.iter().map(|log| (&log.log).into()).collect()),
            messages: Vec::new(),
        };
        if let Some(known) = self.chains.get_mut(&chain) {
            known.remember(number, held);
        }
        self.touch(chain, number);
    }

    /// Marks all messages that name this block, to be judged again.
    fn touch(&mut self, chain: ChainId, number: u64) {
        if let Some(ids) = self.by_named.get(&(chain, number)) {
            self.dirty.extend(ids);
        }
    }

    /// Marks all messages of unknown standing that name this chain, because it advanced.
    fn ask_again(&mut self, chain: ChainId) {
        let waiting = self.waiting.range((chain, 0)..=(chain, Id::MAX));
        self.dirty.extend(waiting.map(|(_, id)| *id));
    }

    /// Takes heights whose logs are needed and missing, at most 64. The others
    /// come back with the next block.
    pub fn take_wanted(&mut self) -> Vec<(ChainId, u64)> {
        let wanted = std::mem::take(&mut self.wanted);
        wanted.into_iter().take(ASKED).collect()
    }

    /// Judges the marked messages. Returns the changes, in the order of the blocks.
    pub fn judge(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut looked = dirty.clone();
        for id in dirty {
            self.judge_by_rules(id);
        }
        looked.extend(self.spread_doom());
        let mut changes: Vec<Change> = looked
            .into_iter()
            .filter_map(|id| self.update_standing(id))
            .collect();
        changes.sort_by_key(|change| change.site);
        changes
    }

    /// Judges one message by the rules, and notes whether it makes its block bad.
    fn judge_by_rules(&mut self, id: Id) {
        let Some(open) = self.open.get(id as usize).and_then(Option::as_ref) else {
            return;
        };
        let (site, executed, timestamp) = (open.site(), open.executed(), open.timestamp());
        let alone = match executed {
            Err(malformed) => Fault::Malformed(malformed).stands(),
            Ok(_) if self.in_cycle.contains(&id) => Fault::Broken(Broken::Cycle).stands(),
            Ok(message) => self.apply_rules(&message, site.chain, timestamp),
        };
        match alone {
            Standing::Invalid(_) => self.doom.blame(id, site.chain, site.number),
            Standing::Valid | Standing::Unknown => {
                self.doom.forget(id, site.chain, site.number);
            }
        }
        if let Ok(message) = executed {
            let named = message.place.chain;
            match alone {
                Standing::Unknown => self.waiting.insert((named, id)),
                Standing::Valid | Standing::Invalid(_) => self.waiting.remove(&(named, id)),
            };
            if alone == Standing::Valid && self.doom.of(&message).is_some() {
                self.doom.spreads(site.chain, site.number);
            }
        }
        if let Some(open) = self.open.get_mut(id as usize).and_then(Option::as_mut) {
            let was = std::mem::replace(&mut open.by_rules, alone);
            // It may have doomed its block before, and no longer does.
            if was == Standing::Valid && open.by_rules != was {
                self.doom.recompute();
            }
        }
    }

    fn apply_rules(&mut self, message: &Message, chain: ChainId, timestamp: u64) -> Standing {
        let executing = Executing { chain, timestamp };
        let place = message.place;
        let told = match self.chains.get(&place.chain) {
            Some(known) => known.lookup(place),
            None => Some(Lookup::Nothing),
        };
        let told = told.unwrap_or_else(|| {
            self.wanted.insert((place.chain, place.block));
            Lookup::Nothing
        });
        match judge(message, executing, &told, &self.set) {
            Validity::Unknown => Standing::Unknown,
            Validity::Valid => Standing::Valid,
            Validity::Invalid(broken) => Fault::Broken(broken).stands(),
        }
    }

    /// Updates the standing of a message from the rules and from the blocks that it
    /// depends on. Returns the change, if any.
    fn update_standing(&mut self, id: Id) -> Option<Change> {
        let open = self.open.get_mut(id as usize)?.as_mut()?;
        let doomed = match (&open.by_rules, open.executed()) {
            (Standing::Valid, Ok(message)) => self.doom.of(&message),
            _ => None,
        };
        let to = match doomed {
            Some(broken) => Fault::Broken(broken).stands(),
            None => open.by_rules.clone(),
        };
        if to == open.standing {
            return None;
        }
        uncount(&mut self.tally, open.counted_as());
        let from = std::mem::replace(&mut open.standing, to.clone());
        *self.tally.entry(open.counted_as()).or_default() += 1;
        let named = open.executed().ok().filter(|_| to.is_of_named_block());
        let named = named.and_then(|message| {
            let chain = self.chains.get(&message.place.chain)?;
            chain.hash(message.place.block)
        });
        let holds = to.holds();
        let flip = matches!((open.held, holds), (Some(was), Some(is)) if was != is);
        open.held = holds.or(open.held);
        Some(Change {
            site: open.site(),
            executed: open.executed(),
            declared: open.declared,
            from,
            to,
            flip,
            named,
        })
    }

    /// Removes the blocks of a chain whose messages are settled, from the oldest on, and
    /// returns them.
    pub fn settled(&mut self, chain: ChainId) -> Vec<Left> {
        let mut settled = Vec::new();
        while let Some(number) = self.next_settled(chain) {
            let known = self.chains.get_mut(&chain);
            let Some(held) = known.and_then(|known| known.blocks.remove(&number)) else {
                break;
            };
            let left = self.leave(number, held);
            if !left.messages.is_empty() {
                settled.push(left);
            }
        }
        settled
    }

    /// The oldest block, if all its messages are settled. The newest finalized block
    /// stays.
    fn next_settled(&self, chain: ChainId) -> Option<u64> {
        let known = self.chains.get(&chain)?;
        let (number, held) = known.blocks.first_key_value()?;
        let finalized = known.finalized?;
        let is_settled = |id: &Id| {
            let open = self.open.get(*id as usize).and_then(Option::as_ref);
            open.is_none_or(|open| self.is_settled(open))
        };
        (*number < finalized && held.messages.iter().all(is_settled)).then_some(*number)
    }

    fn is_settled(&self, open: &Open) -> bool {
        let Ok(message) = open.executed() else {
            return true;
        };
        // A message that names a chain which nobody follows never changes.
        let Some(named) = self.chains.get(&message.place.chain) else {
            return true;
        };
        let finalized = named.finalized.is_some_and(|at| at >= message.place.block);
        finalized && open.standing != Standing::Unknown
            || open.timestamp() < message.place.timestamp
    }

    /// All messages of a block, with their standing.
    pub fn of_block(&self, chain: ChainId, number: u64) -> Vec<(Site, Standing)> {
        let known = self.chains.get(&chain);
        let held = known.and_then(|known| known.blocks.get(&number));
        let ids = held.map_or(&[][..], |held| &held.messages);
        let open = ids
            .iter()
            .filter_map(|id| self.open.get(*id as usize)?.as_ref());
        open.map(|open| (open.site(), open.standing.clone()))
            .collect()
    }

    /// Open messages, counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Number of messages of unknown standing.
    pub fn unjudged(&self) -> usize {
        self.waiting.len()
    }

    /// The lowest timestamp of a block with a message of unknown standing.
    pub fn oldest_unjudged(&self) -> Option<u64> {
        let waiting = self.waiting.iter();
        let open = waiting.filter_map(|(_, id)| self.open.get(*id as usize)?.as_ref());
        open.map(Open::timestamp).min()
    }
}

fn uncount(tally: &mut Tally, key: (ChainId, Option<ChainId>, &'static str)) {
    if let Some(count) = tally.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            tally.remove(&key);
        }
    }
}
