//! Metrics for Prometheus: the statistics of the monitoring document, and whether the
//! watcher works at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use haltbox_daemon::exposition::{Exposition, Kind, label, labels};
use haltbox_recorder::clock::now_ms;

use crate::book::{Book, Change, Left, Standing};
use crate::bridge::Moved;
use crate::finder::{Declaration, Found};
use crate::incident::{Record, Step};
use crate::message::ChainId;
use crate::watched_chain::WatchedChain;

/// An unjudged message of this age, in seconds, is a backlog that needs attention.
const LATE: u64 = 30;

/// Names of the counters. Each is on the page from the start, so that an alert rule finds
/// it.
const COUNTERS: [&str; 21] = [
    "access_list_violations_total",
    "blocks_total",
    "executing_messages_total",
    "gap_blocks_total",
    "gaps_total",
    "incident_steps_total",
    "invalid_messages_total",
    "orphaned_blocks_total",
    "recalled_messages_total",
    "rewinds_total",
    "settled_messages_total",
    "validity_flips_total",
    "boxes_total",
    "opinion_divergence_total",
    "opinion_dropped_total",
    "opinions_total",
    "super_root_divergence_total",
    "node_forks_total",
    "reset_loops_total",
    "eth_sent_gwei_total",
    "eth_relayed_gwei_total",
];

/// Names of the gauges of endpoints and nodes. Each is on the page even if no endpoint
/// fills it, so that an alert rule finds it.
const GAUGES: [&str; 10] = [
    "endpoint_up",
    "level_block",
    "node_fork",
    "opinion_backlog",
    "opinion_backlog_age_seconds",
    "opinion_divergences",
    "opinion_failsafe",
    "opinion_round_seconds",
    "reset_window",
    "reset_window_seconds",
];

/// Counts since the watcher started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Chains that have their own label. All others share one, because anyone may invent
    /// chain IDs.
    known: BTreeSet<ChainId>,
    counters: BTreeMap<(&'static str, String), u64>,
    gauges: BTreeMap<(&'static str, String), u64>,
    /// Concerns from outside the chains and the book.
    pub(crate) concerns: Vec<String>,
    /// Metrics of other programs' checks.
    pub(crate) checks: Exposition,
}

impl Metrics {
    /// Metrics for the chains of a dependency set.
    pub(crate) fn of(chains: impl Iterator<Item = ChainId>) -> Metrics {
        Metrics {
            known: chains.collect(),
            ..Metrics::default()
        }
    }

    pub(crate) fn add(&mut self, name: &'static str, labels: String, count: usize) {
        self.count(name, labels, count as u64);
    }

    fn count(&mut self, name: &'static str, labels: String, count: u64) {
        debug_assert!(COUNTERS.contains(&name), "{name} is on no page");
        let known = self.counters.entry((name, labels)).or_default();
        *known = known.saturating_add(count);
    }

    /// Labels of an executing chain and the chain that it takes something from.
    fn both(&self, executing: ChainId, named: Option<ChainId>) -> String {
        let named = named.map_or("none".to_owned(), |named| self.shown(named));
        labels(&[
            ("executing_chain_id", &executing),
            ("initiating_chain_id", &named),
        ])
    }

    fn shown(&self, chain: ChainId) -> String {
        match self.known.contains(&chain) {
            true => chain.to_string(),
            false => "other".to_owned(),
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, labels: String, value: u64) {
        debug_assert!(GAUGES.contains(&name), "{name} is on no page");
        self.gauges.insert((name, labels), value);
    }

    pub(crate) fn block(&mut self, chain: ChainId, found: &Found, is_new: bool, orphans: usize) {
        self.add("blocks_total", of(chain), 1);
        self.add("orphaned_blocks_total", of(chain), orphans);
        if !is_new {
            return self.add("recalled_messages_total", of(chain), found.messages.len());
        }
        for message in &found.messages {
            let named = message.message.ok().map(|message| message.place.chain);
            self.add("executing_messages_total", self.both(chain, named), 1);
        }
        for moved in found
            .block
            .logs
            .iter()
            .filter_map(|log| Moved::by(&log.log))
        {
            self.moved(chain, moved);
        }
    }

    fn moved(&mut self, chain: ChainId, moved: Moved) {
        match moved {
            Moved::Sent { to, gwei } => {
                let to = self.shown(to);
                let labels =
                    labels(&[("initiating_chain_id", &chain), ("executing_chain_id", &to)]);
                self.count("eth_sent_gwei_total", labels, gwei);
            }
            Moved::Relayed { from, gwei } => {
                let labels = self.both(chain, Some(from));
                self.count("eth_relayed_gwei_total", labels, gwei);
            }
        }
    }

    pub(crate) fn undeclared(&mut self, chain: ChainId, declared: Declaration) {
        let labels = format!("{},{}", of(chain), label("kind", declared.word()));
        self.add("access_list_violations_total", labels, 1);
    }

    pub(crate) fn rewound(&mut self, chain: ChainId, left: &[Left]) {
        self.add("rewinds_total", of(chain), 1);
        self.add("orphaned_blocks_total", of(chain), left.len());
    }

    pub(crate) fn gap(&mut self, chain: ChainId, from: u64, to: u64) {
        self.add("gaps_total", of(chain), 1);
        let blocks = usize::try_from(to.saturating_sub(from) + 1).unwrap_or(usize::MAX);
        self.add("gap_blocks_total", of(chain), blocks);
    }

    pub(crate) fn settled(&mut self, chain: ChainId, settled: &[Left]) {
        let messages = settled.iter().flat_map(|left| &left.messages);
        for (_, executed, standing) in messages {
            let named = executed.ok().map(|message| message.place.chain);
            let labels = self.both(chain, named);
            let labels = format!("{labels},{}", label("status", standing.word()));
            self.add("settled_messages_total", labels, 1);
        }
    }

    pub(crate) fn judged(&mut self, change: &Change, recalled: bool) {
        let named = change.executed.ok().map(|message| message.place.chain);
        let labels = self.both(change.site.chain, named);
        if change.flip {
            self.add("validity_flips_total", labels.clone(), 1);
        }
        if let (Standing::Invalid(fault), false) = (&change.to, recalled) {
            let labels = format!("{labels},{}", label("why", fault.word()));
            self.add("invalid_messages_total", labels, 1);
        }
    }

    pub(crate) fn step(&mut self, chain: ChainId, record: &Record, step: &Step) {
        let what = match step {
            Step::Opened => "opened",
            Step::Rose => "rose",
            Step::CameBack => "came-back",
            Step::Changed(_) => "block-changed",
            Step::Ended(_) => "ended",
            Step::NotReplaced => "not-replaced",
        };
        let labels = labels(&[
            ("executing_chain_id", &chain),
            ("step", &what),
            ("level", &record.level.word()),
        ]);
        self.add("incident_steps_total", labels, 1);
    }

    pub(crate) fn frozen(&mut self, chain: ChainId) {
        self.add("boxes_total", of(chain), 1);
    }

    fn text<'a>(
        &self,
        book: &Book,
        chains: impl Iterator<Item = &'a WatchedChain> + Clone,
    ) -> String {
        let mut page = Exposition::default();
        for name in COUNTERS {
            values(&mut page, Kind::Counter, name, &self.counters);
        }
        for name in GAUGES {
            values(&mut page, Kind::Gauge, name, &self.gauges);
        }
        put(
            &mut page,
            Kind::Gauge,
            "message_status",
            self.standings(book),
        );
        of_chains(&mut page, book, chains);
        page.append(&self.checks);
        page.to_string()
    }

    /// Number of open messages by their labels.
    fn standings(&self, book: &Book) -> BTreeMap<String, u64> {
        let mut standings: BTreeMap<String, u64> = BTreeMap::new();
        for ((chain, named, status), count) in book.tally() {
            let labels = format!("{},{}", self.both(*chain, *named), label("status", status));
            *standings.entry(labels).or_default() += count;
        }
        standings
    }
}

fn of(chain: ChainId) -> String {
    label("executing_chain_id", chain)
}

/// All values of one name.
fn values(
    page: &mut Exposition,
    kind: Kind,
    name: &'static str,
    values: &BTreeMap<(&'static str, String), u64>,
) {
    let own = values.range((name, String::new())..);
    let own = own.take_while(|((other, _), _)| *other == name);
    let own = own.map(|((_, labels), value)| (labels.clone(), *value));
    put(page, kind, name, own);
}

/// One metric and all its values.
fn put(
    page: &mut Exposition,
    kind: Kind,
    name: &str,
    values: impl IntoIterator<Item = (String, u64)>,
) {
    page.head(format_args!("haltbox_watch_{name}"), kind, "");
    for (labels, value) in values {
        page.sample(format_args!("haltbox_watch_{name}"), &labels, value);
    }
}

/// A metric of a chain, if the chain has a value.
type OfChain = (&'static str, Kind, fn(&WatchedChain) -> Option<u64>);

const OF_CHAINS: [OfChain; 10] = [
    ("node_up", Kind::Gauge, |w| Some(w.up.into())),
    ("read_block", Kind::Gauge, |w| Some(w.tip?.number)),
    ("read_timestamp", Kind::Gauge, |w| Some(w.tip?.timestamp)),
    ("head_block", Kind::Gauge, |w| Some(w.heads?.latest.number)),
    ("safe_block", Kind::Gauge, |w| Some(w.heads?.safe?.number)),
    ("finalized_block", Kind::Gauge, |w| {
        Some(w.heads?.finalized?.number)
    }),
    ("resetting", Kind::Gauge, |w| Some(w.is_resetting().into())),
    ("incidents_open", Kind::Gauge, |w| {
        Some(w.incidents.open().count() as u64)
    }),
    ("dropped_entries", Kind::Counter, |w| Some(w.tape.dropped())),
    ("tape_short", Kind::Gauge, |w| {
        Some(w.tape.is_short().into())
    }),
];

fn of_chains<'a>(
    page: &mut Exposition,
    book: &Book,
    chains: impl Iterator<Item = &'a WatchedChain> + Clone,
) {
    for (name, kind, value) in OF_CHAINS {
        let known = |watched: &WatchedChain| Some((of(watched.id), value(watched)?));
        put(page, kind, name, chains.clone().filter_map(known));
    }
    for (name, value) in [
        ("unjudged_messages", book.unjudged() as u64),
        ("oldest_unjudged_seconds", oldest(book)),
        ("heartbeat_timestamp", now_ms() / 1000),
    ] {
        put(page, Kind::Gauge, name, [(String::new(), value)]);
    }
}

fn oldest(book: &Book) -> u64 {
    let oldest = book.oldest_unjudged();
    oldest.map_or(0, |oldest| (now_ms() / 1000).saturating_sub(oldest))
}

/// What needs attention, in sentences.
fn concerns<'a>(
    others: &[String],
    book: &Book,
    chains: impl Iterator<Item = &'a WatchedChain>,
) -> Vec<String> {
    let mut concerns = others.to_vec();
    for watched in chains {
        let chain = watched.id;
        if !watched.up {
            concerns.push(format!("chain {chain}: no node answers"));
        }
        if watched.incidents.open().count() > 0 {
            concerns.push(format!("chain {chain}: an incident is open"));
        }
        if watched.tape.dropped() > 0 || watched.tape.is_short() {
            concerns.push(format!(
                "chain {chain}: the ring is too small for the open blocks, use a larger --size"
            ));
        }
    }
    let age = oldest(book);
    if age > LATE {
        concerns.push(format!("a message of {age} s ago is not judged yet"));
    }
    concerns
}

/// The page that the server shows. The watcher writes it.
#[derive(Clone, Default)]
pub struct Shown(Arc<Mutex<Page>>);

/// The two pages.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Text for Prometheus.
    pub metrics: String,
    /// What needs attention.
    pub concerns: Vec<String>,
    /// Time of writing, milliseconds since 1970.
    pub at: u64,
}

impl Shown {
    pub(crate) fn set<'a>(
        &self,
        metrics: &Metrics,
        book: &Book,
        chains: impl Iterator<Item = &'a WatchedChain> + Clone,
    ) {
        let page = Page {
            metrics: metrics.text(book, chains.clone()),
            concerns: concerns(&metrics.concerns, book, chains),
            at: now_ms(),
        };
        if let Ok(mut shown) = self.0.lock() {
            *shown = page;
        }
    }

    /// The page as it was written last.
    pub fn page(&self) -> Page {
        self.0
            .lock()
            .map_or_else(|_| Page::default(), |page| page.clone())
    }
}
