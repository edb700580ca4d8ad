//! An invalid message, from the block that executes it to the end of the incident.
//!
//! The identity of an incident does not change when the transaction comes back: it is the
//! named log, the message's digest and the transaction. However often a sequencer takes
//! the transaction from its pool again, it is one incident and one box; each return is
//! counted.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::book::{Change, Executed, Standing};
use crate::message::{ChainId, Site};

/// How far an invalid message got, in the order of the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Only in the sequencer's block. The batcher may still be stopped.
    Unsafe,
    /// Derived from L1: a deposits-only block must replace it.
    LocalSafe,
    /// Cross-safe, with the hash of the block that contains it: consensus is broken.
    CrossSafe,
}

impl Level {
    /// One word for metrics and records.
    pub fn word(self) -> &'static str {
        match self {
            Level::Unsafe => "unsafe",
            Level::LocalSafe => "local-safe",
            Level::CrossSafe => "cross-safe",
        }
    }

    /// What the operator must do, from the monitoring document.
    pub fn what_to_do(self) -> &'static str {
        match self {
            Level::Unsafe => {
                "call the operator on duty; block executing messages at proxyd and remove them \
                 from the builders' pools; consider submitting the batch sooner, which makes the \
                 reorg smaller; warn the chains that execute messages of this one"
            }
            Level::LocalSafe => {
                "page the operator; check that a deposits-only block replaces it and that the \
                 message is no longer canonical"
            }
            Level::CrossSafe => {
                "all hands on deck: this is never harmless; engage the failsafe, escalate to the \
                 engineering manager, keep the boxes of every watcher"
            }
        }
    }
}

/// A block that contained the message, or replaced one that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its hash. `None`: there was no block at that height for a while.
    pub hash: Option<B256>,
    /// Its kind.
    pub shape: Shape,
    /// Milliseconds since 1970.
    pub at: u64,
}

/// The kind of block at the height of an invalid message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A block with the message.
    Holds,
    /// No block.
    Null,
    /// A deposits-only block: the replacement that the protocol makes.
    DepositsOnly,
    /// Another block without the message.
    Other,
}

/// The blocks that stood at one height, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Height {
    /// The height.
    pub block: u64,
    /// The blocks, oldest first.
    pub seen: Vec<Seen>,
    /// Time at which a deposits-only block was cross-safe there, milliseconds since 1970.
    pub closed: Option<u64>,
}

impl Height {
    fn holds(&self) -> bool {
        let last = self.seen.last();
        last.is_some_and(|seen| seen.shape == Shape::Holds)
    }
}

/// An incident, as the tape stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its identity: a digest of what does not change when the transaction comes back.
    pub id: B256,
    /// The transaction.
    pub transaction: B256,
    /// The executing chain, in decimal.
    pub chain: String,
    /// The message, in words.
    pub message: String,
    /// The message's checksum, as a transaction declares it. `None` if the log is not a
    /// message. Checks without a transaction are matched by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<B256>,
    /// The broken rule, in a word.
    pub why: String,
    /// The reason, as a sentence.
    pub text: String,
    /// How far it got.
    pub level: Level,
    /// The heights at which it stood, in order.
    pub heights: Vec<Height>,
    /// Time of the first sighting, milliseconds since 1970.
    pub opened: u64,
    /// How often the transaction came back.
    pub returns: u64,
    /// Name of its box.
    pub frozen: Option<String>,
    /// How it ended; `None` while it is open.
    pub ended: Option<End>,
    /// Messages that depend on its block, and are removed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
}

/// A message of another block that depends on an invalid one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The chain that executes it, in decimal.
    pub chain: String,
    /// Height of its block.
    pub block: u64,
    /// The executing log.
    pub log: u32,
    /// The transaction.
    pub transaction: B256,
}

impl From<&Site> for Child {
    fn from(site: &Site) -> Child {
        Child {
            chain: site.chain.to_string(),
            block: site.number,
            log: site.log,
            transaction: site.transaction,
        }
    }
}

/// Most dependent messages in a record: each one makes the whole record be written again.
const CHILDREN: usize = 16;

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Deposits-only blocks are cross-safe at all its heights.
    Replaced,
    /// The message became valid.
    Holds,
}

/// A step of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It began.
    Opened,
    /// It got further.
    Rose,
    /// The transaction came back in another block.
    CameBack,
    /// Another block, or none, replaced its block.
    Changed(Shape),
    /// It ended.
    Ended(End),
    /// No block replaced its block in time.
    NotReplaced,
}

/// The incidents of one executing chain.
#[derive(Debug, Default)]
pub struct Incidents {
    open: BTreeMap<B256, Record>,
    /// Incidents that were reported as not replaced in time.
    overdue: std::collections::BTreeSet<B256>,
}

/// The identity of a message in one transaction.
pub fn identity(executed: &Executed, site: &Site) -> B256 {
    let message = match executed {
        Ok(message) => format!("{message:?}"),
        Err(malformed) => format!("{malformed:?}"),
    };
    keccak256(format!("{} {message} {}", site.chain, site.transaction))
}

/// A message in words.
pub fn words(executed: &Executed) -> String {
    match executed {
        Ok(message) => {
            let place = message.place;
            format!(
                "log {} of block {} of chain {}",
                place.log, place.block, place.chain
            )
        }
        Err(_) => "a log of the inbox that is not a message".to_owned(),
    }
}

impl Incidents {
    /// The open incidents of a tape.
    pub fn recalled(records: BTreeMap<B256, Record>) -> Incidents {
        let open = records
            .into_iter()
            .filter(|(_, record)| record.ended.is_none());
        Incidents {
            open: open.collect(),
            ..Incidents::default()
        }
    }

    /// All open incidents.
    pub fn open(&self) -> impl Iterator<Item = &Record> {
        self.open.values()
    }

    /// Handles a change of a message's standing.
    pub fn judged(&mut self, change: &Change, at: u64) -> Option<(Record, Step)> {
        match &change.to {
            Standing::Invalid(fault) => {
                let (why, text) = (fault.word().to_owned(), fault.to_string());
                self.invalid(&change.site, &change.executed, (why, text), at)
            }
            Standing::Valid => self.holds(&change.site, &change.executed, at),
            Standing::Unknown => None,
        }
    }

    /// Handles a message that is invalid, or not declared as required.
    pub fn invalid(
        &mut self,
        site: &Site,
        executed: &Executed,
        (why, text): (String, String),
        at: u64,
    ) -> Option<(Record, Step)> {
        let id = identity(executed, site);
        let seen = Seen {
            hash: Some(site.block),
            shape: Shape::Holds,
            at,
        };
        if let Some(record) = self.open.get_mut(&id) {
            let step = record.again(site.number, seen)?;
            return Some((record.clone(), step));
        }
        let record = Record {
            id,
            transaction: site.transaction,
            chain: site.chain.to_string(),
            message: words(executed),
            checksum: executed.ok().map(|message| message.checksum()),
            why,
            text,
            level: Level::Unsafe,
            heights: vec![Height {
                block: site.number,
                seen: vec![seen],
                closed: None,
            }],
            opened: at,
            returns: 0,
            frozen: None,
            ended: None,
            children: Vec::new(),
        };
        self.open.insert(id, record.clone());
        Some((record, Step::Opened))
    }

    fn holds(&mut self, site: &Site, executed: &Executed, _at: u64) -> Option<(Record, Step)> {
        let id = identity(executed, site);
        let mut record = self.open.remove(&id)?;
        record.ended = Some(End::Holds);
        Some((record, Step::Ended(End::Holds)))
    }

    /// Handles another block at a height. `hash`: `None` if there is no block. `holds`:
    /// the identities of all messages in it.
    pub fn stands(
        &mut self,
        block: u64,
        hash: Option<B256>,
        shape: Shape,
        holds: &[B256],
        at: u64,
    ) -> Vec<(Record, Step)> {
        let records = self.open.values_mut();
        let without = records.filter(|record| !holds.contains(&record.id));
        let changed = without.filter_map(|record| {
            let height = record
                .heights
                .iter_mut()
                .find(|known| known.block == block)?;
            let last = height.seen.last();
            if last.is_some_and(|last| last.hash == hash) {
                return None;
            }
            height.seen.push(Seen { hash, shape, at });
            Some((record.clone(), Step::Changed(shape)))
        });
        changed.collect()
    }

    /// Handles a head: `level` is at `head`. `canonical` returns the chain's hash at a
    /// height, if it is known.
    pub fn reached(
        &mut self,
        level: Level,
        head: u64,
        canonical: impl Fn(u64) -> Option<B256>,
        at: u64,
    ) -> Vec<(Record, Step)> {
        let mut steps = Vec::new();
        for record in self.open.values_mut() {
            let stands = |height: &Height| {
                let last = height.seen.last();
                let own = last.and_then(|seen| seen.hash);
                height.block <= head && own.is_some() && canonical(height.block) == own
            };
            if record.level < level
                && record
                    .heights
                    .iter()
                    .any(|height| height.holds() && stands(height))
            {
                record.level = level;
                steps.push((record.clone(), Step::Rose));
            }
            if level == Level::CrossSafe {
                steps.extend(record.close(stands, at).map(|step| (record.clone(), step)));
            }
        }
        self.open.retain(|_, record| record.ended.is_none());
        steps
    }

    /// Incidents whose block still stands more than `within` blocks below the tip. Each
    /// is returned once.
    pub fn overdue(&mut self, tip: u64, within: u64) -> Vec<(Record, Step)> {
        let late = |height: &Height| height.holds() && height.block.saturating_add(within) < tip;
        let open = self.open.values();
        let late = open.filter(|record| record.heights.iter().any(late));
        let late: Vec<Record> = late.cloned().collect();
        let news = late
            .into_iter()
            .filter(|record| self.overdue.insert(record.id));
        news.map(|record| (record, Step::NotReplaced)).collect()
    }

    /// Adds a message that depends on the block at this height to the incident that dooms
    /// it. `None` if that changes nothing.
    pub fn dooms(&mut self, block: u64, child: Child) -> Option<Record> {
        let dooms = |height: &Height| height.block == block && height.holds();
        let mut open = self.open.values_mut();
        let record = open.find(|record| record.heights.iter().any(dooms))?;
        if record.children.len() >= CHILDREN || record.children.contains(&child) {
            return None;
        }
        record.children.push(child);
        Some(record.clone())
    }

    /// Stores the name of an incident's box.
    pub fn frozen(&mut self, id: B256, name: String) -> Option<Record> {
        let record = self.open.get_mut(&id)?;
        record.frozen = Some(name);
        Some(record.clone())
    }
}

impl Record {
    /// The message is in a block again, maybe in the same one.
    fn again(&mut self, block: u64, seen: Seen) -> Option<Step> {
        let mut known = self.heights.iter().flat_map(|height| &height.seen);
        if known.any(|known| known.hash == seen.hash) {
            return self.stands_again(block, seen);
        }
        self.returns += 1;
        match self.heights.iter_mut().find(|height| height.block == block) {
            Some(height) => height.seen.push(seen),
            None => self.heights.push(Height {
                block,
                seen: vec![seen],
                closed: None,
            }),
        }
        Some(Step::CameBack)
    }

    /// A known block stands at its height again, maybe after another or none.
    fn stands_again(&mut self, block: u64, seen: Seen) -> Option<Step> {
        let height = self
            .heights
            .iter_mut()
            .find(|height| height.block == block)?;
        if height
            .seen
            .last()
            .is_some_and(|last| last.hash == seen.hash)
        {
            return None;
        }
        height.closed = None;
        height.seen.push(seen);
        Some(Step::Changed(Shape::Holds))
    }

    /// Closes heights at which a deposits-only block is cross-safe. If all are closed,
    /// the incident ends.
    fn close(&mut self, stands: impl Fn(&Height) -> bool, at: u64) -> Option<Step> {
        let replaced = |height: &Height| {
            let last = height.seen.last();
            last.is_some_and(|seen| seen.shape == Shape::DepositsOnly) && stands(height)
        };
        for height in &mut self.heights {
            if height.closed.is_none() && replaced(height) {
                height.closed = Some(at);
            }
        }
        if self.heights.iter().all(|height| height.closed.is_some()) {
            self.ended = Some(End::Replaced);
            return Some(Step::Ended(End::Replaced));
        }
        None
    }

    /// The first block with the message.
    pub fn first(&self) -> Option<(u64, B256)> {
        let height = self.heights.first()?;
        let seen = height.seen.first()?;
        Some((height.block, seen.hash?))
    }
}

/// A message about a step, in one line.
pub fn tell(chain: ChainId, record: &Record, step: &Step) -> String {
    let Record {
        transaction, text, ..
    } = record;
    let block = record.heights.last().map_or(0, |height| height.block);
    let what = format!(
        "chain {chain} block {block} tx {transaction}: {}: {text}",
        record.message
    );
    match step {
        Step::Opened => format!("INVALID MESSAGE in an unsafe block: {what}"),
        Step::Rose if record.level == Level::CrossSafe => {
            format!("CRITICAL, an invalid message is CROSS-SAFE: {what}")
        }
        Step::Rose => format!("an invalid message is {}: {what}", record.level.word()),
        Step::CameBack => format!(
            "the transaction came back ({} so far): drop it, engage the failsafe: {what}",
            record.returns
        ),
        Step::Changed(Shape::Null) => format!("the block of an invalid message is gone: {what}"),
        Step::Changed(Shape::DepositsOnly) => {
            format!("a deposits-only block replaced the block of an invalid message: {what}")
        }
        Step::Changed(Shape::Holds) => format!("the block of an invalid message is back: {what}"),
        Step::Changed(Shape::Other) => {
            format!("a block without the invalid message replaced its block: {what}")
        }
        Step::Ended(End::Replaced) => format!(
            "the block of an invalid message was replaced, and the new one is cross-safe: {what}"
        ),
        Step::Ended(End::Holds) => format!("an invalid message is valid now: {what}"),
        Step::NotReplaced => {
            format!("CRITICAL, nothing replaced the block of an invalid message: {what}")
        }
    }
}
