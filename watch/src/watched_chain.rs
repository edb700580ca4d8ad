//! The watcher's state about one chain.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_recorder::host::HostError;

use crate::alert::Alerts;
use crate::book::{Change, Standing};
use crate::chain::{Header, Heads};
use crate::finder::{Found, FoundMessage};
use crate::incident::{Incidents, Record, Shape, Step, identity};
use crate::message::{ChainId, Site};
use crate::tape::{Cursor, Opened, Recalled, Tape};

/// Time between two cursors.
const CURSOR: Duration = Duration::from_secs(2);

pub(crate) struct WatchedChain {
    pub(crate) id: ChainId,
    pub(crate) tape: Tape,
    pub(crate) incidents: Incidents,
    /// State of the last session that this one has not reached yet.
    pub(crate) recalled: Recalled,
    /// Standing of messages in the last session, until this one judges them.
    known: BTreeMap<(u64, B256, u32), (String, Option<String>)>,
    pub(crate) heads: Option<Heads>,
    pub(crate) tip: Option<Header>,
    pub(crate) up: bool,
    /// The highest block that the node reported before it went back, and when it did.
    reset: Option<(u64, Instant)>,
    cursor_at: Option<Instant>,
}

impl WatchedChain {
    pub(crate) fn new(id: ChainId, opened: Opened) -> WatchedChain {
        let Opened { tape, recalled, .. } = opened;
        let mut known = BTreeMap::new();
        for ((number, hash), block) in &recalled.blocks {
            for (log, told) in &block.messages {
                known.insert((*number, *hash, *log), told.clone());
            }
        }
        WatchedChain {
            id,
            tape,
            incidents: Incidents::recalled(recalled.incidents.clone()),
            recalled,
            known,
            heads: None,
            tip: None,
            up: false,
            reset: None,
            cursor_at: None,
        }
    }

    /// Whether no earlier session recorded the block.
    pub(crate) fn is_new(&self, found: &Found) -> bool {
        let header = found.block.header;
        let logs = found.messages.first().map(|message| message.log);
        let of = |log| (header.number, header.hash, log);
        logs.is_none_or(|log| !self.known.contains_key(&of(log)))
    }

    /// Handles a block from the finder. Blocks of an earlier session at its height, or
    /// below it and not seen again, are no longer part of the chain. Returns their
    /// number.
    pub(crate) fn met(&mut self, found: &Found, at: u64) -> Result<usize, HostError> {
        let header = found.block.header;
        self.tip = Some(header);
        let own = (header.number, header.hash);
        self.recalled.blocks.remove(&own);
        let passed = self.recalled.blocks.keys().copied();
        let passed: Vec<(u64, B256)> = passed.take_while(|of| of.0 <= header.number).collect();
        for (number, hash) in &passed {
            self.recalled.blocks.remove(&(*number, *hash));
            let why = "another block was at this height when the watcher was restarted";
            self.tape.orphan(*number, *hash, why, at)?;
        }
        Ok(passed.len())
    }

    /// Whether a message was valid in an earlier session, if that was known.
    pub(crate) fn held(&self, site: &Site) -> Option<bool> {
        let (is, _) = self.known.get(&(site.number, site.block, site.log))?;
        match is.as_str() {
            "valid" => Some(true),
            "invalid" => Some(false),
            _ => None,
        }
    }

    /// Whether no earlier session reported the same change.
    pub(crate) fn is_news(&self, change: &Change) -> bool {
        let site = change.site;
        let known = self.known.get(&(site.number, site.block, site.log));
        let why = match &change.to {
            Standing::Invalid(fault) => Some(fault.word()),
            Standing::Valid | Standing::Unknown => None,
        };
        known.is_none_or(|(is, known)| is != change.to.word() || known.as_deref() != why)
    }

    /// Whether an earlier session reported the same change. From here on this session's
    /// state counts.
    pub(crate) fn forget_recalled(&mut self, change: &Change) -> bool {
        let recalled = !self.is_news(change);
        let site = change.site;
        self.known.remove(&(site.number, site.block, site.log));
        recalled
    }

    /// The identities of all messages in a block.
    pub(crate) fn identities(&self, found: &Found) -> Vec<B256> {
        let messages = found.messages.iter();
        let ids = messages.map(|message| identity(&message.message, &self.site(found, message)));
        ids.collect()
    }

    pub(crate) fn site(&self, found: &Found, message: &FoundMessage) -> Site {
        Site {
            chain: self.id,
            number: found.block.header.number,
            block: found.block.header.hash,
            log: message.log,
            transaction: message.transaction,
        }
    }

    /// Updates the heads. A node that goes back rewinds: until it is back at its earlier
    /// block, its answers prove nothing.
    pub(crate) fn heads(&mut self, heads: &Heads, alerts: &mut Alerts) {
        let was = self.heads.as_ref().map(|heads| heads.latest.number);
        let is = heads.latest.number;
        match (self.reset, was) {
            (None, Some(was)) if is < was => {
                self.reset = Some((was, Instant::now()));
                let chain = self.id;
                alerts.note(&format!(
                    "chain {chain}: the node went back from block {was} to {is}: no conclusion is \
                     drawn until it is back at the earlier block"
                ));
            }
            (Some((until, since)), _) if is >= until => {
                self.reset = None;
                let (chain, took) = (self.id, since.elapsed().as_secs_f64());
                alerts.note(&format!(
                    "chain {chain}: the node is at block {is} again, after {took:.1} s"
                ));
            }
            _ => {}
        }
        self.heads = Some(*heads);
    }

    pub(crate) fn is_resetting(&self) -> bool {
        self.reset.is_some()
    }

    /// Handles incidents whose height has no block: the chain was rewound below it and is
    /// not that high again. A node that merely lags has a lower head too; then the block
    /// is still held.
    pub(crate) fn null_above(
        &mut self,
        latest: u64,
        is_held: impl Fn(u64) -> bool,
        at: u64,
    ) -> Vec<(Record, Step)> {
        let heights = self.incidents.open().flat_map(|record| &record.heights);
        let above: Vec<u64> = heights
            .map(|height| height.block)
            .filter(|block| *block > latest && !is_held(*block))
            .collect();
        let mut steps = Vec::new();
        for block in above {
            steps.extend(self.incidents.stands(block, None, Shape::Null, &[], at));
        }
        steps
    }

    pub(crate) fn gap(&mut self, from: u64, to: u64, why: &str, at: u64) -> Result<(), HostError> {
        self.tape.gap(from, to, why, at)?;
        let lost = self.recalled.blocks.keys().copied();
        let lost: Vec<(u64, B256)> = lost.filter(|of| (from..=to).contains(&of.0)).collect();
        for (number, hash) in lost {
            self.recalled.blocks.remove(&(number, hash));
            self.tape.orphan(number, hash, why, at)?;
        }
        Ok(())
    }

    pub(crate) fn node(&mut self, up: bool, why: &str, at: u64) -> Result<(), HostError> {
        self.up = up;
        self.tape.node(up, why, at)
    }

    /// `from`: all messages below it are settled.
    pub(crate) fn cursor_if_due(&mut self, from: Option<u64>, at: u64) -> Result<(), HostError> {
        if self.cursor_at.is_some_and(|last| last.elapsed() < CURSOR) {
            return Ok(());
        }
        self.cursor(from, at)
    }

    pub(crate) fn cursor(&mut self, from: Option<u64>, at: u64) -> Result<(), HostError> {
        let (Some(tip), Some(from)) = (self.tip, from) else {
            return Ok(());
        };
        self.cursor_at = Some(Instant::now());
        let finalized = self.heads.and_then(|heads| heads.finalized);
        self.tape.cursor(Cursor {
            block: tip.number,
            hash: tip.hash,
            finalized: finalized.map(|block| block.number),
            from,
            at,
        })
    }
}
