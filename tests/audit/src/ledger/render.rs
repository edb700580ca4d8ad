//! A host's entries as a process records them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Block, Ledger, Level, Op, Place, STORES, Tracing};
use crate::random::Random;
use crate::tape::{Digest, Line};

/// One process, as far as its entries tell of it.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What it records.
    pub tracing: Tracing,
    /// It did not execute a block yet.
    pub fresh: bool,
    /// Orders that are its own.
    pub random: Random,
}

fn hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// How the execution of a block began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// When it was decided.
    Decision,
    /// On its proposal.
    Proposal,
    /// On another proposal of the height, that was not decided.
    OtherProposal(u64),
}

struct Writer<'b> {
    block: &'b Block,
    tracing: Tracing,
    branches: bool,
    lines: Vec<String>,
    named: blake3::Hasher,
    tx: Option<u64>,
    op: u64,
    /// Of operations outside transactions.
    outside: u64,
    cached: BTreeMap<Place, Option<u64>>,
}

impl Ledger {
    /// A process starts.
    pub fn start(begun: &Begun) -> Vec<Line> {
        let pid = 1 + begun.random.clone().below(9000);
        vec![Line::of(
            0,
            format!(r#"{{"type":"host-start","pid":{pid},"haltbox":"0.1.0"}}"#),
        )]
    }

    /// A block as a process records it, and what its name stands on.
    pub fn lines(&self, height: u64, from: Beginning, begun: &mut Begun) -> (Vec<Line>, Digest) {
        let Some(block) = self.blocks.get(&height) else {
            return (Vec::new(), [0; 32]);
        };
        let mut writer = Writer {
            block,
            tracing: begun.tracing,
            branches: self.habits.branches,
            lines: Vec::new(),
            named: blake3::Hasher::new(),
            tx: None,
            op: 0,
            outside: 0,
            cached: BTreeMap::new(),
        };
        writer.begin(self, height, from);
        writer.operations(self, begun);
        writer.end(self, height);
        begun.fresh = false;
        let mut lines: Vec<Line> = writer
            .lines
            .into_iter()
            .map(|text| Line::of(height, text))
            .collect();
        if let Some(first) = lines.first_mut() {
            first.begins = true;
        }
        if let Some(last) = lines.last_mut() {
            last.behind = true;
        }
        (lines, *writer.named.finalize().as_bytes())
    }
}

impl Writer<'_> {
    /// An entry that counts for the name.
    fn counts(&mut self, text: String) {
        self.named.update(text.as_bytes());
        self.named.update(b"\n");
        self.lines.push(text);
    }

    fn begin(&mut self, ledger: &Ledger, height: u64, from: Beginning) {
        let other = if let Beginning::OtherProposal(other) = from {
            other
        } else {
            0
        };
        let time = self.block.time + other;
        let digests: Vec<&str> = self.block.txs.iter().map(|tx| tx.digest.as_str()).collect();
        let input = hex(&format!("{height} {time} {digests:?}"));
        self.counts(format!(
            r#"{{"type":"begin-block","height":{height},"time":"{time}.000000000","input":"{input}"}}"#
        ));
        if ledger.habits.inputs {
            let local = match from {
                Beginning::Decision => r#","local":{"params":"0a"}"#,
                _ => r#","local":{"proposal":true}"#,
            };
            let text = format!(
                r#"{{"type":"step-input","txs":{},"txsDigest":"{}","lastCommit":"{}","misbehavior":null"#,
                digests.len(),
                hex(&format!("{digests:?}")),
                hex(&format!("commit {height}")),
            );
            self.named.update(text.as_bytes());
            self.lines.push(format!("{text}{local}}}"));
        }
        for (number, tx) in self.block.txs.iter().enumerate() {
            let text = format!(
                r#"{{"type":"tx-input","tx":{number},"digest":"{}","bytes":9}}"#,
                tx.digest
            );
            self.named.update(text.as_bytes());
            self.lines.push(text);
        }
        if self.tracing.own_steps {
            self.counts(format!(r#"{{"type":"step-own","at":{height}}}"#));
        }
    }

    fn traces(&self, store: usize) -> bool {
        self.tracing.level == Level::Operations && self.tracing.stores[store]
    }

    fn operations(&mut self, ledger: &Ledger, begun: &mut Begun) {
        let block = self.block;
        let traced = self.tracing.level == Level::Operations && self.tracing.stores.contains(&true);
        for op in &block.ops {
            match op {
                Op::TxEnd(number) => {
                    self.tx = None;
                    if !ledger.habits.results_behind {
                        self.result(*number);
                    }
                }
                Op::Unordered(_) | Op::Fresh(..) if !traced => {}
                Op::Unordered(reads) => self.unordered(reads, ledger.habits.shuffled, begun),
                Op::Fresh(store, rows) if begun.fresh => self.iterate(*store, 0, rows),
                Op::Fresh(..) => {}
                Op::Phase(phase) if ledger.habits.phases && traced => {
                    self.counts(format!(r#"{{"type":"step-phase","phase":"{phase}"}}"#));
                }
                _ if traced => self.operation(op),
                _ => {}
            }
        }
        if ledger.habits.results_behind {
            (0..block.txs.len()).for_each(|number| self.result(number as u64));
        }
    }

    fn result(&mut self, number: u64) {
        let tx = &self.block.txs[number as usize];
        let space = if tx.code == 0 { "" } else { "sdk" };
        self.counts(format!(
            r#"{{"type":"tx-result","tx":{number},"code":{},"codespace":"{space}","gasWanted":90000,"gasUsed":{},"data":{}}}"#,
            tx.code, tx.gas, tx.data
        ));
    }

    fn unordered(&mut self, reads: &[(Place, Option<u64>)], shuffled: bool, begun: &mut Begun) {
        let mut reads = reads.to_vec();
        if shuffled {
            for at in (1..reads.len()).rev() {
                reads.swap(at, begun.random.place(at + 1));
            }
        }
        for (place, value) in reads {
            self.read(place, value);
        }
    }

    fn operation(&mut self, op: &Op) {
        match op {
            Op::TxBegin(number) => {
                (self.tx, self.op) = (Some(*number), 0);
                self.cached.clear();
                let digest = &self.block.txs[*number as usize].digest;
                let head =
                    format!(r#"{{"type":"tx-begin","tx":{number},"digest":"{digest}","bytes":9"#);
                self.named.update(head.as_bytes());
                self.lines
                    .push(head + r#","local":{"messages":["/a.Msg"]}}"#);
            }
            Op::Branch(branch, of) if self.branches => {
                let of = of.map_or(String::new(), |of| format!(r#","of":{of}"#));
                self.lines
                    .push(format!(r#"{{"type":"branch","branch":{branch}{of}}}"#));
            }
            Op::Written(branch) if self.branches => {
                self.lines
                    .push(format!(r#"{{"type":"branch-written","branch":{branch}}}"#));
            }
            Op::Read(place, value) => self.read(*place, *value),
            Op::Has(place, found) => {
                self.entry("has", *place, &format!(r#","found":{found}"#), None);
            }
            Op::Iterate(store, from, rows) => self.iterate(*store, *from, rows),
            Op::Write(place, value) => {
                self.cached.insert(*place, Some(*value));
                self.entry("write", *place, r#","bytes":8"#, Some(Some(*value)));
            }
            Op::Delete(place) => {
                self.cached.insert(*place, None);
                self.entry("delete", *place, "", None);
            }
            _ => {}
        }
    }

    fn read(&mut self, place: Place, value: Option<u64>) {
        let known = self.cached.insert(place, value) == Some(value);
        if !(known && self.tracing.caches) {
            self.entry("read", place, "", Some(value));
        }
    }

    fn number(&mut self) -> (String, u64) {
        let next = if self.tx.is_some() {
            &mut self.op
        } else {
            &mut self.outside
        };
        let number = *next;
        *next += 1;
        let tx = self.tx.map_or(String::new(), |tx| format!(r#""tx":{tx},"#));
        (tx, number)
    }

    fn shown(&self, value: Option<Option<u64>>) -> String {
        match value {
            None => String::new(),
            Some(None) => r#","value":null"#.to_owned(),
            Some(Some(value)) => {
                let local = match self.tracing.values {
                    true => format!(r#","local":{{"value":"{value:08x}"}}"#),
                    false => String::new(),
                };
                format!(r#","value":"{value:064x}"{local}"#)
            }
        }
    }

    fn entry(&mut self, kind: &str, (store, key): Place, rest: &str, value: Option<Option<u64>>) {
        if !self.traces(store) {
            return;
        }
        let (tx, op) = self.number();
        let name = STORES[store];
        let shown = self.shown(value);
        self.lines.push(format!(
            r#"{{"type":"op-{kind}",{tx}"op":{op},"store":"{name}","key":"{key:02x}"{rest}{shown}}}"#
        ));
        if matches!(kind, "write" | "delete") {
            self.named
                .update(format!("{kind} {tx} {name} {key} {value:?}\n").as_bytes());
        }
    }

    fn iterate(&mut self, store: usize, from: u64, rows: &[(u64, u64)]) {
        if !self.traces(store) {
            return;
        }
        let (tx, of) = self.number();
        let name = STORES[store];
        self.lines.push(format!(
            r#"{{"type":"op-iterate",{tx}"op":{of},"store":"{name}","start":"{from:02x}","end":"ff","reverse":false}}"#
        ));
        for (key, value) in rows {
            let (tx, op) = self.number();
            let shown = self.shown(Some(Some(*value)));
            self.lines.push(format!(
                r#"{{"type":"op-next",{tx}"op":{op},"store":"{name}","of":{of},"key":"{key:02x}"{shown}}}"#
            ));
        }
        let (tx, op) = self.number();
        self.lines.push(format!(
            r#"{{"type":"op-next",{tx}"op":{op},"store":"{name}","of":{of},"key":null}}"#
        ));
    }

    fn end(&mut self, ledger: &Ledger, height: u64) {
        let block = self.block;
        if ledger.habits.events {
            let digest = hex(&format!("events {:?}", block.txs));
            self.counts(format!(r#"{{"type":"step-events","digest":"{digest}"}}"#));
        }
        self.counts(format!(
            r#"{{"type":"step-updates","validators":null,"params":"{}"}}"#,
            block.updates
        ));
        if self.tracing.level == Level::Writes {
            self.writes();
        }
        if ledger.habits.roots {
            for (name, root) in STORES.iter().zip(&block.roots) {
                self.counts(format!(
                    r#"{{"type":"step-store-root","store":"{name}","hash":"{root}"}}"#
                ));
            }
        }
        let hash = block.app_hash.to_uppercase();
        let early = match ledger.habits.early_hash {
            true => format!(r#","appHash":"{hash}""#),
            false => String::new(),
        };
        self.named.update(format!("end {height}").as_bytes());
        self.lines.push(format!(
            r#"{{"type":"end-block","height":{height}{early}}}"#
        ));
        self.lines.push(format!(
            r#"{{"type":"commit-block","height":{height},"appHash":"{hash}"}}"#
        ));
    }

    fn writes(&mut self) {
        let mut told = BTreeSet::new();
        for ((store, key), value) in &self.block.left {
            if !self.tracing.stores[*store] || !told.insert((*store, *key)) {
                continue;
            }
            let name = STORES[*store];
            let text = match value {
                Some(value) => format!(
                    r#"{{"type":"step-set","store":"{name}","key":"{key:02x}","bytes":8,"value":"{value:064x}"}}"#
                ),
                None => format!(r#"{{"type":"step-unset","store":"{name}","key":"{key:02x}"}}"#),
            };
            self.named.update(text.as_bytes());
            self.lines.push(text);
        }
    }
}

impl Ledger {
    /// Entries of a node's own that may stand anywhere.
    pub(crate) fn own_entry(&self, random: &mut Random) -> String {
        let number = random.below(100) + self.chain % 3;
        random
            .pick(&[
                r#"{"type":"local-note","ms":"#,
                r#"{"type":"mempool","size":"#,
            ])
            .to_owned()
            + &format!("{number}}}")
    }
}
