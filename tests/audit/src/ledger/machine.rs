//! The machine under a host's entries.

use std::collections::BTreeMap;

use super::{Block, KEYS, Op, Place, STORES, Tx};
use crate::fault::{Fault, Kind, Trigger};
use crate::random::Random;

type State = BTreeMap<Place, u64>;

/// Executes blocks.
pub struct Machine {
    chain: u64,
    size: u64,
    trigger: Trigger,
    fault: Option<Fault>,
    state: State,
    roots: [String; 3],
    /// What the open branch wrote.
    branch: Option<BTreeMap<Place, Option<u64>>>,
    left: BTreeMap<Place, Option<u64>>,
    before: State,
    ops: Vec<Op>,
    branches: u64,
    height: u64,
}

fn hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl Machine {
    /// Before its first block.
    pub fn new(chain: u64, size: u64, fault: Option<Fault>) -> Machine {
        let mut random = Random::at(chain, &[1]);
        let mut state = State::new();
        for store in 0..STORES.len() {
            for key in 0..KEYS {
                if random.percent(80) {
                    state.insert((store, key), random.below(900));
                }
            }
        }
        Machine {
            chain,
            size,
            trigger: Trigger::new(fault),
            fault,
            before: state.clone(),
            state,
            roots: [(); 3].map(|()| hex("genesis")),
            branch: None,
            left: BTreeMap::new(),
            ops: Vec::new(),
            branches: 0,
            height: 0,
        }
    }

    /// Executes so many blocks.
    pub fn run(mut self, blocks: u64) -> BTreeMap<u64, Block> {
        let mut made = BTreeMap::new();
        for height in 1..=blocks {
            self.height = height;
            let block = self.block();
            made.insert(height, block);
        }
        made
    }

    fn fires(&mut self, kind: Kind) -> bool {
        self.trigger.fires(kind, self.height)
    }

    fn is(&self, kind: Kind) -> Option<u64> {
        let fault = self.fault?;
        (fault.kind == kind && fault.height == self.height).then_some(fault.at)
    }

    fn block(&mut self) -> Block {
        let height = self.height;
        let mut random = Random::at(self.chain, &[2, height]);
        if let Some(at) = self.is(Kind::Row) {
            *self.state.entry((at as usize % 3, at % KEYS)).or_default() += 1000;
        }
        (self.left, self.branches) = (BTreeMap::new(), 0);
        self.before = self.state.clone();
        let time = 1_795_784_000 + 6 * height + u64::from(self.fires(Kind::Time));
        let mut txs = self.inputs(&mut random);
        self.begin(&mut random);
        for (number, tx) in txs.iter_mut().enumerate() {
            self.transaction(number as u64, tx);
        }
        self.end(&mut random);
        let updates = hex(&format!(
            "params {} {}",
            height / 3,
            self.fires(Kind::Updates)
        ));
        let (roots, app_hash) = self.hashes();
        self.lose();
        Block {
            time,
            txs,
            ops: std::mem::take(&mut self.ops),
            updates,
            left: std::mem::take(&mut self.left),
            roots,
            app_hash,
        }
    }

    /// What the block brings: transactions by their digests.
    fn inputs(&mut self, random: &mut Random) -> Vec<Tx> {
        let mut txs = Vec::new();
        for number in 0..random.below(2 + self.size) {
            if self.fires(Kind::InputLess) {
                continue;
            }
            let other = if self.fires(Kind::Input) { "other" } else { "" };
            txs.push(Tx {
                digest: hex(&format!("{other}{} {} {number}", self.chain, self.height)),
                code: 0,
                gas: 0,
                data: "null".to_owned(),
            });
        }
        txs
    }

    /// The roots follow from what was written, as those of a tree do: a row that somebody
    /// alters on the disk changes none.
    fn hashes(&mut self) -> ([String; 3], String) {
        for store in 0..STORES.len() {
            let left = self.left.range((store, 0)..(store + 1, 0));
            let left: Vec<_> = left.collect();
            if !left.is_empty() {
                self.roots[store] = hex(&format!("{} {left:?}", self.roots[store]));
            }
        }
        let hidden = if self.is(Kind::Hidden).is_some() {
            "hidden"
        } else {
            ""
        };
        if self.is(Kind::Hidden).is_some() {
            // A store that nobody traces.
            self.roots[2] = hex(&format!("{hidden}{}", self.roots[2]));
        }
        (self.roots.clone(), hex(&self.roots.concat()))
    }

    /// What was written is not there.
    fn lose(&mut self) {
        let Some(at) = self.is(Kind::LostWrite) else {
            return;
        };
        let places: Vec<Place> = self.left.keys().copied().collect();
        if places.is_empty() {
            return;
        }
        let place = places[at as usize % places.len()];
        match self.before.get(&place) {
            Some(before) => self.state.insert(place, *before),
            None => self.state.remove(&place),
        };
    }

    fn begin(&mut self, random: &mut Random) {
        self.ops.push(Op::Branch(0, None));
        self.ops.push(Op::Phase("BeginBlock"));
        let store = random.place(STORES.len());
        let rows = self.rows(store, 0);
        self.ops.push(Op::Fresh(store, rows));
        let value = self.read((1, 0)).unwrap_or(0);
        if random.percent(60) {
            self.write((0, random.below(KEYS)), value + self.height);
        }
    }

    fn end(&mut self, random: &mut Random) {
        self.ops.push(Op::Phase("EndBlock"));
        let sum = self.iterate(random.place(STORES.len()), random.below(3));
        self.write((1, random.below(KEYS)), sum % 9973);
        let places: Vec<Place> = (0..3).map(|key| (2, key)).collect();
        let told: Vec<_> = places
            .iter()
            .map(|place| (*place, self.state.get(place).copied()))
            .collect();
        let total: u64 = told.iter().map(|(_, value)| value.unwrap_or(1)).sum();
        self.ops.push(Op::Unordered(told));
        if random.percent(50) {
            self.write((2, 3), total % 997);
        }
        if random.percent(60) {
            self.ordered(random);
        }
    }

    /// A list that is made of rows in their order.
    fn ordered(&mut self, random: &mut Random) {
        let mut keys = [0, 1, 2].map(|key| (key + random.below(3)) % KEYS);
        keys.sort_unstable();
        if keys[0] == keys[2] {
            return;
        }
        if self.fires(Kind::Order) {
            keys.reverse();
        }
        let mut sum = 7;
        for key in keys {
            sum = sum * 31 + self.read((0, key)).unwrap_or(3);
        }
        self.write((1, 5), sum % 99_991);
    }

    fn transaction(&mut self, number: u64, tx: &mut Tx) {
        let seed = u64::from_str_radix(&tx.digest[..15], 16).unwrap_or(0);
        let mut random = Random::at(self.chain, &[4, seed]);
        self.ops.push(Op::TxBegin(number));
        self.branches += 1;
        let branch = self.branches;
        self.ops.push(Op::Branch(branch, Some(0)));
        self.branch = Some(BTreeMap::new());
        tx.gas = 1000;
        for _ in 0..1 + random.below(2 + self.size) {
            tx.gas += self.operation(&mut random);
        }
        let fails = random.percent(15) ^ self.fires(Kind::Outcome);
        tx.code = if fails { 5 } else { 0 };
        tx.gas += u64::from(self.fires(Kind::Cost));
        let written = self.branch.take().unwrap_or_default();
        if !fails {
            tx.data = format!("\"{}\"", hex(&format!("{written:?}")));
            self.ops.push(Op::Written(branch));
            for (place, value) in written {
                self.apply(place, value);
            }
        }
        self.ops.push(Op::Branch(0, None));
        self.ops.push(Op::TxEnd(number));
    }

    fn operation(&mut self, random: &mut Random) -> u64 {
        let one = (random.place(STORES.len()), random.below(KEYS));
        let other = (random.place(STORES.len()), random.below(KEYS));
        match random.below(10) {
            0..=4 => {
                let value = self.read(one).unwrap_or(0);
                if random.percent(30) {
                    self.read(one);
                }
                let more = self.read(other).unwrap_or(2);
                self.write(other, (value + 3 * more + 1) % 9973);
                value % 7
            }
            5 => {
                self.has(one);
                3
            }
            6 => self.iterate(one.0, one.1) % 5,
            7 => {
                self.delete(one);
                1
            }
            _ => {
                let value = self.read(one).unwrap_or(9);
                self.write(one, value + 1);
                2
            }
        }
    }

    fn seen(&self, place: Place) -> Option<u64> {
        let written = self.branch.as_ref().and_then(|branch| branch.get(&place));
        match written {
            Some(value) => *value,
            None => self.state.get(&place).copied(),
        }
    }

    fn rows(&self, store: usize, from: u64) -> Vec<(u64, u64)> {
        let keys = from..KEYS;
        keys.filter_map(|key| Some((key, self.seen((store, key))?)))
            .collect()
    }

    fn read(&mut self, place: Place) -> Option<u64> {
        let mut value = self.seen(place);
        if self.fires(Kind::Read) {
            value = Some(value.unwrap_or(0) + 5000);
        }
        self.ops.push(Op::Read(place, value));
        value
    }

    fn has(&mut self, place: Place) {
        let found = self.seen(place).is_some();
        self.ops.push(Op::Has(place, found));
    }

    fn iterate(&mut self, store: usize, from: u64) -> u64 {
        let rows = self.rows(store, from);
        let sum = rows.iter().map(|(key, value)| key * 7 + value).sum();
        self.ops.push(Op::Iterate(store, from, rows));
        sum
    }

    fn write(&mut self, place: Place, value: u64) {
        if self.fires(Kind::Skipped) {
            return;
        }
        let value = value + u64::from(self.fires(Kind::Write));
        self.ops.push(Op::Write(place, value));
        self.put(place, Some(value));
        if self.fires(Kind::Extra) {
            let place = (place.0, (place.1 + 1) % KEYS);
            self.ops.push(Op::Write(place, value + 77));
            self.put(place, Some(value + 77));
        }
    }

    fn delete(&mut self, place: Place) {
        self.ops.push(Op::Delete(place));
        self.put(place, None);
    }

    fn put(&mut self, place: Place, value: Option<u64>) {
        match &mut self.branch {
            Some(branch) => {
                branch.insert(place, value);
            }
            None => self.apply(place, value),
        }
    }

    fn apply(&mut self, place: Place, value: Option<u64>) {
        match value {
            Some(value) => self.state.insert(place, value),
            None => self.state.remove(&place),
        };
        self.left.insert(place, value);
    }
}
