//! A host that runs transactions, executed by many nodes: each was started at other
//! heights, traces other stores, and was killed or not. Some did otherwise at one height.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use haltbox_model::Profile;
use haltbox_reader::SourceSummary;
use haltbox_reader::compare::diff;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::report::summary;
use haltbox_tests::*;

const STORES: [&str; 3] = ["bank", "staking", "gov"];
/// Blocks of a recording.
const BLOCKS: u64 = 6;
/// Keys of a store.
const KEYS: u64 = 6;

/// What a node does otherwise at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row was altered on its disk.
    Row,
    /// A write of a transaction has another value.
    Write,
    /// A write is left out.
    Skipped,
    /// A transaction used other gas, and the state is the same.
    Gas,
    /// Writes at the block's end came in another order, and left another state.
    Order,
}

/// Every kind of it.
pub const FAULTS: [Fault; 5] = [
    Fault::Row,
    Fault::Write,
    Fault::Skipped,
    Fault::Gas,
    Fault::Order,
];

/// What one process records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tracing {
    stores: [bool; 3],
    own_steps: bool,
    /// It keeps what it read.
    caches: bool,
}

/// One node, as its recording tells.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its recording is.
    pub path: PathBuf,
    /// What it did otherwise, and where.
    pub fault: Option<(Fault, u64)>,
    /// What it is, in words.
    pub words: String,
    /// State and results, by height.
    outcomes: BTreeMap<u64, String>,
    /// What the process recorded that executed a height last.
    tracings: BTreeMap<u64, Tracing>,
}

/// What the name of a block stands on beside what was executed: height, stores, own steps.
pub type Recorded = (u64, [bool; 3], bool);

impl Node {
    /// The names of its whole blocks.
    pub fn names(&self) -> BTreeMap<Recorded, String> {
        let profile = Profile::builtin("host").expect("a profile");
        let source = haltbox_reader::open(&self.path).expect("a recording");
        let survey = SourceSummary::of(&source, &profile).expect("its blocks");
        let whole = survey.blocks.into_iter().filter(|row| row.complete);
        let named = whole.map(|row| {
            let by = self.tracings[&row.height];
            ((row.height, by.stores, by.own_steps), row.name)
        });
        named.collect()
    }

    /// Its last block has another name than one that executed it rightly and recorded
    /// as much: a row that was altered may be read alone.
    pub fn shows_in_its_name(&self) -> bool {
        let shown = [Fault::Write, Fault::Skipped, Fault::Gas, Fault::Order];
        let fault = self.fault.filter(|(fault, _)| shown.contains(fault));
        fault.is_some_and(|(_, height)| self.tracings[&height].stores == [true; 3])
    }
}

struct Ledger<'r> {
    chain: u64,
    random: &'r mut Random,
    fault: Option<(Fault, u64)>,
    state: BTreeMap<(&'static str, u64), u64>,
    tracing: Tracing,
    /// The process has not executed a block yet.
    fresh: bool,
    lines: String,
    /// Of the block's transactions.
    results: String,
    tx: Option<u64>,
    op: u64,
    cached: BTreeMap<(&'static str, u64), u64>,
}

fn tracing(random: &mut Random) -> Tracing {
    let all = random.below(2) == 0;
    let none = !all && random.below(2) == 0;
    Tracing {
        stores: STORES.map(|_| all || !none && random.below(2) == 0),
        own_steps: random.below(3) == 0,
        caches: random.below(3) == 0,
    }
}

/// What a chain decides by itself: the same of all nodes.
fn chosen(chain: u64, place: &[u64], below: u64) -> u64 {
    let text = format!("{chain} {place:?}");
    let digest = blake3::hash(text.as_bytes());
    u64::from(digest.as_bytes()[0]) % below
}

fn hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl Ledger<'_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.lines, "{text}");
    }

    fn traces(&self, store: &str) -> bool {
        let at = STORES.iter().position(|one| *one == store);
        at.is_some_and(|at| self.tracing.stores[at])
    }

    fn operation(&mut self, store: &'static str, kind: &str, rest: &str) {
        if self.traces(store) {
            let tx = self.tx.map_or(String::new(), |tx| format!("\"tx\":{tx},"));
            let op = self.op;
            self.op += 1;
            self.line(&format!(
                r#"{{"type":"op-{kind}",{tx}"op":{op},"store":"{store}",{rest}}}"#
            ));
        }
    }

    fn read(&mut self, store: &'static str, key: u64) -> u64 {
        let value = self.state.get(&(store, key)).copied().unwrap_or(0);
        let known = self.cached.insert((store, key), value) == Some(value);
        if !(known && self.tracing.caches) {
            self.operation(
                store,
                "read",
                &format!(r#""key":"{key:02}","value":"{value:064x}""#),
            );
        }
        value
    }

    fn write(&mut self, store: &'static str, key: u64, value: u64) {
        self.state.insert((store, key), value);
        self.cached.insert((store, key), value);
        self.operation(
            store,
            "write",
            &format!(r#""key":"{key:02}","value":"{value:064x}","bytes":8"#),
        );
    }

    /// Goes through a store: what it finds decides what is written then.
    fn iterate(&mut self, store: &'static str) -> u64 {
        let of = self.op;
        self.operation(
            store,
            "iterate",
            r#""start":"00","end":"99","reverse":false"#,
        );
        let rows: Vec<(u64, u64)> = self
            .state
            .iter()
            .filter(|((of, _), _)| *of == store)
            .map(|((_, key), value)| (*key, *value))
            .collect();
        for (key, value) in &rows {
            self.operation(
                store,
                "next",
                &format!(r#""of":{of},"key":"{key:02}","value":"{value:064x}""#),
            );
        }
        self.operation(
            store,
            "next",
            &format!(r#""of":{of},"key":null,"value":null"#),
        );
        rows.iter().map(|(key, value)| key * 7 + value).sum()
    }

    fn is(&self, fault: Fault, height: u64) -> bool {
        self.fault == Some((fault, height))
    }

    fn app_hash(&self) -> String {
        hex(&format!("{:?}", self.state))
    }

    fn transaction(&mut self, height: u64, tx: u64, faulty: bool) {
        let at = |what: u64, below| chosen(self.chain, &[height, tx, what], below);
        let (one, other) = (STORES[at(0, 3) as usize], STORES[at(1, 3) as usize]);
        let (from, to, again) = (at(2, KEYS), at(3, KEYS), at(4, 2) == 0);
        self.tx = Some(tx);
        self.op = 0;
        self.cached.clear();
        if self.tracing.stores.contains(&true) {
            self.line(&format!(
                r#"{{"type":"tx-begin","tx":{tx},"digest":"{tx:064x}","bytes":9}}"#
            ));
        }
        let value = self.read(one, from);
        if again {
            self.read(one, from);
        }
        let more = self.read(other, to);
        let wrong = u64::from(faulty && self.is(Fault::Write, height));
        if !(faulty && self.is(Fault::Skipped, height)) {
            self.write(other, to, value + more + tx + 1 + wrong);
        }
        let gas = 100 + value % 3 + u64::from(faulty && self.is(Fault::Gas, height));
        let _ = write!(self.results, "{gas} ");
        self.line(&format!(
            r#"{{"type":"tx-result","tx":{tx},"code":0,"codespace":"","gasWanted":200,"gasUsed":{gas},"data":null}}"#
        ));
        self.tx = None;
    }

    /// A block, or the part of it that stands before a kill.
    fn block(&mut self, height: u64, killed: bool) {
        let before = self.state.clone();
        let from = self.lines.len();
        self.results.clear();
        self.cached.clear();
        self.op = 0;
        let input = hex(&format!("{} {height}", self.chain));
        self.line(&format!(
            r#"{{"type":"begin-block","height":{height},"time":"{height}.000000000","input":"{input}"}}"#
        ));
        let txs = 1 + chosen(self.chain, &[height], 3);
        for tx in 0..txs {
            self.line(&format!(
                r#"{{"type":"tx-input","tx":{tx},"digest":"{tx:064x}","bytes":9}}"#
            ));
        }
        if self.tracing.own_steps {
            self.line(&format!(r#"{{"type":"step-own","at":{height}}}"#));
        }
        if std::mem::take(&mut self.fresh) {
            self.iterate("gov");
            self.read("staking", 1);
        }
        self.read("gov", 0);
        if self.is(Fault::Row, height) {
            let row = (
                STORES[chosen(self.chain, &[height, 90], 3) as usize],
                chosen(self.chain, &[height, 91], KEYS),
            );
            *self.state.entry(row).or_default() += 1000;
        }
        for tx in 0..txs {
            self.transaction(height, tx, tx + 1 == txs);
        }
        self.op = 50;
        let sum = self.iterate("bank");
        let mut writes = [
            ("staking", 0, sum),
            ("staking", 1, sum / 2),
            ("gov", 2, height),
        ];
        if self.is(Fault::Order, height) {
            writes.swap(0, 1);
            self.state.insert(("bank", 77), 1);
        }
        for (store, key, value) in writes {
            self.write(store, key, value);
        }
        let hash = self.app_hash();
        self.line(&format!(
            r#"{{"type":"end-block","height":{height},"appHash":"{hash}"}}"#
        ));
        if killed {
            let block: Vec<&str> = self.lines[from..].lines().collect();
            let kept = 1 + self.random.below(block.len() as u64 - 1) as usize;
            let kept = format!("{}\n", block[..kept].join("\n"));
            self.lines.truncate(from);
            self.lines += &kept;
            self.state = before;
            return;
        }
        self.line(&format!(
            r#"{{"type":"commit-block","height":{height},"appHash":"{hash}"}}"#
        ));
    }

    fn starts(&mut self) {
        self.tracing = tracing(self.random);
        self.fresh = true;
        self.line(r#"{"type":"host-start","pid":7,"haltbox":"0.1.0"}"#);
    }
}

impl Node {
    /// Executes a chain, and writes what it recorded.
    pub fn execute(
        chain: u64,
        fault: Option<(Fault, u64)>,
        path: PathBuf,
        random: &mut Random,
    ) -> Node {
        let (mut words, mut outcomes) = (String::new(), BTreeMap::new());
        let mut tracings = BTreeMap::new();
        let from = 1 + random.below(2);
        let last = fault.map_or(BLOCKS, |(_, height)| height);
        let mut ledger = Ledger {
            chain,
            tracing: tracing(random),
            random,
            fault,
            state: BTreeMap::new(),
            fresh: false,
            lines: String::new(),
            results: String::new(),
            tx: None,
            op: 0,
            cached: BTreeMap::new(),
        };
        ledger.starts();
        for height in 1..=last {
            if height == from {
                // What it recorded before went by age.
                let start = ledger.lines.lines().next().unwrap_or_default();
                ledger.lines = match height {
                    1 => format!("{start}\n"),
                    _ => String::new(),
                };
            }
            let killed = ledger.random.below(6) == 0;
            if killed {
                let _ = write!(words, "killed in {height}; ");
                ledger.block(height, true);
            }
            if killed || height > 1 && ledger.random.below(4) == 0 {
                let _ = write!(words, "starts before {height}; ");
                ledger.starts();
            }
            ledger.block(height, false);
            let outcome = format!("{:?} {}", ledger.state, ledger.results);
            outcomes.insert(height, hex(&outcome));
            tracings.insert(height, ledger.tracing);
        }
        let _ = write!(words, "traces {:?} at its end", ledger.tracing);
        std::fs::write(&path, &ledger.lines).expect("a recording");
        Node {
            path,
            fault,
            words,
            outcomes,
            tracings,
        }
    }
}

/// What `diff` says of two: its exit code, its verdict and the height.
pub fn asked(a: &Path, b: &Path) -> (u8, String, Option<u64>) {
    let profile = Profile::builtin("host").expect("a profile");
    let recording = |path: &Path| {
        let source = haltbox_reader::open(path).expect("a recording");
        Recording::new(path.to_owned(), source, profile.clone())
    };
    let finding = diff::diff(&recording(a), &recording(b)).expect("an answer");
    let height = finding.location().map(|place| place.height);
    (
        finding.exit(),
        format!("{}: {}", finding.verdict().name(), summary::words(&finding)),
        height,
    )
}

/// The height at which an honest node and another one part, if what the other did
/// otherwise had an effect.
pub fn parting(honest: &Node, other: &Node) -> Option<u64> {
    let (_, height) = other.fault?;
    (honest.outcomes[&height] != other.outcomes[&height]).then_some(height)
}
