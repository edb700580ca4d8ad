//! The reference model: what was appended, and what docs/format.md and docs/architecture.md
//! say that must be found of it. Vectors and loops, nothing else.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use haltbox_format::Lane;
use haltbox_format::mark::State;

use crate::lines::Meaning;
use crate::reference;

/// What became of an entry when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the ring.
    Kept,
    /// Its beginning is.
    Cut,
    /// There was no room for it.
    Dropped,
    /// It never came to the recorder, and this was told.
    NeverCame,
    /// It was the last of its lane, and the power took it: its place may be taken by another.
    Lost,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its bytes.
    pub line: Rc<[u8]>,
    /// Its lane.
    pub lane: Lane,
    /// It is a line of the node's log.
    pub node: bool,
    /// See [`Fate`].
    pub fate: Fate,
    /// It went by age, or with a power cut.
    pub gone: bool,
    /// It stood in a segment that was being reused when its block was pinned.
    pub loose: bool,
}

impl Entry {
    /// It took a place in its lane.
    pub fn was_there(&self) -> bool {
        matches!(self.fate, Fate::Kept | Fate::Cut)
    }

    /// Bytes that it takes in its lane, at least.
    pub fn size(&self) -> u64 {
        let kept = match self.fate {
            Fate::Cut => self.line.len().min(64 << 10),
            _ => self.line.len(),
        };
        16 + kept.next_multiple_of(16) as u64
    }
}

/// An attempt at a height: which.
pub type Of = (u64, u32);

/// One attempt at a height.
#[derive(Clone, Debug)]
pub struct Block {
    /// Which.
    pub of: Of,
    /// Where it stands.
    pub state: State,
    /// Every state it had.
    pub states: Vec<State>,
    /// Its first entry.
    pub from: usize,
    /// Behind its last.
    pub end: Option<usize>,
    /// From here on nothing belongs to it.
    pub until: Option<usize>,
    /// Nothing of it was missing when it was recorded.
    pub whole: bool,
    /// It may lack its beginning, and a recorder need not give it a HASH.
    pub may_lack_name: bool,
    /// It executed something.
    pub executed: bool,
    /// Its end was told.
    pub ended: bool,
    /// Its commit was told.
    pub committed: bool,
    /// This node's hash.
    pub app_hash: Option<Vec<u8>>,
    /// The network's.
    pub network: Option<Vec<u8>>,
    /// The box that holds it.
    pub frozen: Option<String>,
}

impl Block {
    fn new(of: Of, from: usize, whole: bool) -> Block {
        Block {
            of,
            state: State::Open,
            states: vec![State::Open],
            from,
            end: None,
            until: None,
            whole,
            may_lack_name: false,
            executed: false,
            ended: false,
            committed: false,
            app_hash: None,
            network: None,
            frozen: None,
        }
    }

    fn become_state(&mut self, state: State) {
        self.state = state;
        self.states.push(state);
    }

    /// Something is wrong with it, and no box holds it: nothing makes room of it.
    pub fn is_pinned(&self) -> bool {
        matches!(self.state, State::Pinned | State::Diverged) && self.frozen.is_none()
    }

    /// Its entries must stay.
    pub fn is_protected(&self) -> bool {
        self.is_pinned() || matches!(self.state, State::Open | State::Committed)
    }

    fn is_undecided(&self) -> bool {
        matches!(self.state, State::Open | State::Committed | State::Pinned)
    }

    fn is_executed(&self) -> bool {
        self.executed && self.end.is_some()
    }

    /// An entry belongs to it, or may.
    pub fn reaches(&self, index: usize) -> bool {
        self.from <= index && self.until.is_none_or(|until| index < until)
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Step {
    /// An entry was given.
    Append {
        /// Its bytes.
        line: Rc<[u8]>,
        /// The lane it belongs to.
        lane: Lane,
        /// It is a line of the node's log.
        node: bool,
        /// What it means.
        meaning: Meaning,
        /// What became of it.
        fate: Fate,
    },
    /// The network decided; without a hash somebody else did.
    Confirm(u64, Option<Vec<u8>>),
    /// It is proved that a height differs.
    Diverged(u64, Vec<u8>, Vec<u8>, bool),
    /// The host tells its hash.
    LocalHash(u64, Vec<u8>),
    /// The execution is thrown away, without an entry.
    Aborted(u64),
    /// A box holds an attempt.
    Frozen(Of, String),
}

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Every entry, in the order of all lanes.
    pub log: Vec<Entry>,
    /// Every attempt, in the order of their beginnings.
    pub blocks: Vec<Block>,
    /// The next entry behind this one belongs to the next block, and whether none before it
    /// can be missing.
    boundary: Option<(usize, bool)>,
    prelude: Option<usize>,
    /// An attempt that was over was ended or discarded since the boundary. If entries are
    /// missing, that may have been another attempt, and the next block begins behind it.
    over_already: bool,
    /// Where the process died.
    pub deaths: BTreeSet<usize>,
    /// Bytes of what was being written when the process died, and where.
    pub torn: Vec<(usize, u64)>,
    /// Where the power went.
    pub cuts: BTreeSet<usize>,
    hashes: HashMap<(usize, usize, u64), Rc<str>>,
}

impl Model {
    /// Takes one step.
    pub fn apply(&mut self, step: &Step) {
        let at = self.log.len();
        match step {
            Step::Append {
                line,
                lane,
                node,
                meaning,
                fate,
            } => {
                self.log.push(Entry {
                    line: Rc::clone(line),
                    lane: *lane,
                    node: *node,
                    fate: *fate,
                    gone: false,
                    loose: false,
                });
                if !node {
                    self.slog(line, *lane, meaning, *fate);
                }
            }
            Step::Confirm(height, hash) => self.confirm(*height, hash.as_ref()),
            Step::Diverged(height, local, network, of_app_hash) => {
                self.diverge(*height, local, network, *of_app_hash);
            }
            Step::LocalHash(height, hash) => self.local_hash(*height, hash, at),
            Step::Aborted(height) => self.abort(*height, at),
            Step::Frozen(of, name) => {
                if let Some(block) = self.block_mut(*of) {
                    block.frozen = Some(name.clone());
                }
            }
        }
    }

    fn slog(&mut self, line: &[u8], lane: Lane, meaning: &Meaning, fate: Fate) {
        let index = self.log.len() - 1;
        if lane == Lane::Main && fate != Fate::Kept {
            self.lose(index, fate);
        }
        if fate == Fate::NeverCame {
            return;
        }
        if self.prelude.is_none() && self.open().is_none() && reference::is_canonical(line) {
            self.prelude = Some(index);
        }
        let at = index + 1;
        match meaning {
            Meaning::Plain => {}
            Meaning::Start => self.start(at),
            Meaning::Begin(height) => self.begin(*height, index),
            Meaning::End(height, hash) => {
                self.end(*height, at);
                hash.iter()
                    .for_each(|hash| self.local_hash(*height, hash, at));
            }
            Meaning::Commit(height, hash) => {
                hash.iter()
                    .for_each(|hash| self.local_hash(*height, hash, at));
                self.commit(*height, at);
            }
            Meaning::Abort(height) => self.abort(*height, at),
        }
    }

    /// An entry is missing, or a part of it: of every block that it may belong to.
    fn lose(&mut self, index: usize, fate: Fate) {
        let touched = |b: &&mut Block| b.from <= index && b.end.is_none_or(|end| end > index);
        let blocks = self.blocks.iter_mut().filter(touched);
        blocks.for_each(|block| block.whole = false);
        if let Some((at, whole)) = &mut self.boundary {
            *whole = false;
            if fate != Fate::Cut {
                *at = index + 1;
            }
        }
        if fate != Fate::Cut {
            self.prelude = None;
        }
    }

    /// The block that is being executed.
    pub fn open(&self) -> Option<&Block> {
        let last = self.blocks.last();
        last.filter(|block| !block.ended && block.until.is_none())
    }

    /// The newest attempt at a height.
    pub fn latest(&self, height: u64) -> Option<&Block> {
        let of_height = self.blocks.iter().filter(|b| b.of.0 == height);
        of_height.max_by_key(|b| b.of.1)
    }

    /// The attempt that a failure at a height is about.
    pub fn subject(&self, height: u64) -> Option<&Block> {
        let of_height = self.blocks.iter().filter(|b| b.of.0 == height);
        of_height.max_by_key(|b| (b.is_executed(), b.end.is_some(), b.of.1))
    }

    /// The block that is meant where none is named.
    pub fn default_subject(&self) -> Option<&Block> {
        let newest = |wanted: &dyn Fn(&Block) -> bool| self.blocks.iter().rev().find(|b| wanted(b));
        newest(&|b| b.state == State::Diverged && b.frozen.is_none())
            .or_else(|| newest(&Block::is_pinned))
            .or_else(|| newest(&|b| b.committed))
            .or(self.blocks.last())
    }

    /// An attempt.
    pub fn block(&self, of: Of) -> Option<&Block> {
        self.blocks.iter().rev().find(|block| block.of == of)
    }

    /// An attempt, to change it.
    pub fn block_mut(&mut self, of: Of) -> Option<&mut Block> {
        self.blocks.iter_mut().rev().find(|block| block.of == of)
    }

    fn start(&mut self, at: usize) {
        for block in &mut self.blocks {
            if block.state == State::Open {
                block.become_state(State::Pinned);
            }
            block.until.get_or_insert(at);
        }
        (self.boundary, self.prelude) = (Some((at, true)), None);
        self.over_already = false;
    }

    fn begin(&mut self, height: u64, index: usize) {
        let from = self.prelude.unwrap_or(index);
        let whole = self.boundary.is_some_and(|(_, whole)| whole)
            || self.open().is_some_and(|open| open.whole);
        self.over_already |= self.open().is_some_and(|open| open.may_lack_name);
        self.leave_open();
        let attempt = self.latest(height).map_or(1, |latest| latest.of.1 + 1);
        self.supersede(height, attempt);
        self.push((height, attempt), from, whole);
        for block in &mut self.blocks {
            if block.state == State::Open && block.ended && block.of.0 < height {
                block.committed = true;
                block.become_state(State::Committed);
            }
        }
        if let Some(block) = self.blocks.last_mut() {
            block.executed = true;
        }
    }

    fn push(&mut self, of: Of, from: usize, whole: bool) {
        for block in &mut self.blocks {
            block.until.get_or_insert(from);
        }
        let mut block = Block::new(of, from, whole);
        let is_missing = |entry: &Entry| entry.fate != Fate::Kept;
        let gaps = !self.cuts.is_empty() || self.log.iter().any(is_missing);
        block.may_lack_name = std::mem::take(&mut self.over_already) && gaps;
        self.blocks.push(block);
        (self.boundary, self.prelude) = (None, None);
    }

    fn leave_open(&mut self) {
        let Some(of) = self.open().filter(|b| b.state == State::Open).map(|b| b.of) else {
            return;
        };
        if let Some(block) = self.block_mut(of) {
            block.become_state(State::Pinned);
        }
    }

    /// Of several attempts the first, the last that was executed and the newest stay.
    fn supersede(&mut self, height: u64, newest: u32) {
        let subject = self
            .subject(height)
            .filter(|b| b.is_executed())
            .map(|b| b.of);
        for block in &mut self.blocks {
            let between = block.of.0 == height && block.of.1 > 1 && block.of.1 < newest;
            if between && Some(block.of) != subject && block.is_undecided() {
                block.become_state(State::Superseded);
            }
        }
    }

    fn end(&mut self, height: u64, at: usize) {
        let of = match self.latest(height) {
            Some(block) if block.ended => {
                self.over_already = true;
                return;
            }
            Some(block) => Some(block.of),
            None => self.attach(height, at),
        };
        let Some(of) = of else { return };
        let is_current = self.open().is_none_or(|open| open.of == of);
        if let Some(block) = self.block_mut(of) {
            (block.ended, block.end) = (true, Some(at));
        }
        (self.boundary, self.prelude) = (Some((at, is_current)), None);
        self.over_already = false;
    }

    /// A block whose beginning was never told.
    fn attach(&mut self, height: u64, at: usize) -> Option<Of> {
        if self.open().is_some_and(|open| open.of.0 > height) {
            return None;
        }
        self.leave_open();
        let behind = |b: &Block| b.until.or(b.end).unwrap_or(at);
        let unclaimed = self.blocks.last().map_or(0, behind);
        let from = self.prelude.unwrap_or(unclaimed);
        self.push((height, 1), from, false);
        Some((height, 1))
    }

    fn local_hash(&mut self, height: u64, hash: &[u8], at: usize) {
        let of = self.latest(height).map(|block| block.of);
        let of = of.or_else(|| self.attach(height, at));
        if let Some(block) = of.and_then(|of| self.block_mut(of)) {
            block.app_hash = Some(hash.to_vec());
        }
    }

    fn commit(&mut self, height: u64, at: usize) {
        let of = self.latest(height).map(|block| block.of);
        let of = of.or_else(|| self.attach(height, at));
        if let Some(block) = of.and_then(|of| self.block_mut(of))
            && !block.committed
        {
            block.committed = true;
            block.until.get_or_insert(at);
            if block.state == State::Open {
                block.become_state(State::Committed);
            }
            self.boundary.get_or_insert((at, false));
        }
        self.release(height - 1, None);
    }

    /// Agreement on a height is agreement on every height below it.
    fn release(&mut self, height: u64, network: Option<&Vec<u8>>) {
        for block in &mut self.blocks {
            if block.of.0 <= height && block.is_undecided() {
                block.become_state(State::Confirmed);
                if block.of.0 == height && network.is_some() {
                    block.network = network.cloned();
                }
            }
        }
    }

    fn confirm(&mut self, height: u64, network: Option<&Vec<u8>>) {
        let unlike =
            |b: &&Block| network.is_some_and(|n| b.app_hash.as_ref().is_some_and(|l| l != n));
        let Some(of) = self.subject(height).filter(unlike).map(|b| b.of) else {
            return self.release(height, network);
        };
        let Some(block) = self.block_mut(of) else {
            return;
        };
        match block.state {
            State::Open | State::Committed => block.become_state(State::Pinned),
            State::Pinned if block.network.is_none() => {}
            _ => return,
        }
        block.network = network.cloned();
    }

    fn abort(&mut self, height: u64, at: usize) {
        let Some(block) = self.latest(height) else {
            return;
        };
        let (of, is_over) = (block.of, block.until.is_some());
        let is_current = self.open().is_none_or(|open| open.of == of);
        if let Some(block) = self.block_mut(of) {
            let is_decided = block.state != State::Open;
            if block.state == State::Open {
                block.become_state(State::Pinned);
            }
            if !is_over && !is_decided {
                block.end = None;
            }
            block.until.get_or_insert(at);
        }
        if is_over {
            self.over_already = true;
            return;
        }
        (self.boundary, self.prelude) = (Some((at, is_current)), None);
        self.over_already = true;
    }

    /// Nothing can pin what the segment that is written has left of its earlier filling: among
    /// the oldest bytes that nothing protects.
    pub fn loosen(&mut self, bytes: u64) {
        let protects = |b: &&Block, index: usize| b.is_protected() && b.reaches(index);
        let mut left = bytes;
        for index in 0..self.log.len() {
            let entry = &self.log[index];
            let there = entry.lane == Lane::Main && entry.was_there() && !entry.gone;
            if left == 0 || !there || self.blocks.iter().any(|b| protects(&b, index)) {
                continue;
            }
            left = left.saturating_sub(entry.size());
            self.log[index].loose = true;
        }
    }

    fn diverge(&mut self, height: u64, local: &[u8], network: &[u8], of_app_hash: bool) {
        let of = self.subject(height).map(|block| block.of);
        let Some(block) = of.and_then(|of| self.block_mut(of)) else {
            return;
        };
        if block.state == State::Diverged {
            return;
        }
        block.become_state(State::Diverged);
        block.frozen = None;
        if of_app_hash {
            block.app_hash = Some(local.to_vec());
            block.network = Some(network.to_vec());
        }
    }

    /// HASH that a block has, or must not have.
    pub fn hash(&mut self, of: Of) -> Option<Rc<str>> {
        let block = self.block(of)?;
        let (from, end, height) = (block.from, block.end?, block.of.0);
        // What came behind the beginning of another block does not end this one.
        let late = block.until.is_some_and(|until| until < end);
        if !block.whole || !block.ended || late {
            return None;
        }
        let entries = self.log.get(from..end)?;
        let main = || entries.iter().filter(|e| e.lane == Lane::Main);
        if main().any(|entry| entry.gone || entry.fate != Fate::Kept) {
            return None;
        }
        let hash = self.hashes.entry((from, end, height)).or_insert_with(|| {
            let lines = main().filter(|entry| !entry.node);
            reference::hash(height, lines.map(|entry| &entry.line[..])).into()
        });
        Some(Rc::clone(hash))
    }

    /// The process dies. A file that took nothing took no word of what was dropped either,
    /// unless something was written behind it.
    pub fn die(&mut self) {
        self.deaths.insert(self.log.len());
        let main = self.log.iter_mut().rev().filter(|e| e.lane == Lane::Main);
        let dropped = main.take_while(|entry| entry.fate == Fate::Dropped);
        dropped.for_each(|entry| entry.fate = Fate::Lost);
    }

    /// Whether all entries of a block are left.
    pub fn is_kept(&self, block: &Block) -> bool {
        let entries = block.end.and_then(|end| self.log.get(block.from..end));
        let kept = |entry: &Entry| !entry.gone && entry.fate == Fate::Kept;
        entries.is_some_and(|entries| entries.iter().filter(|e| e.lane == Lane::Main).all(kept))
    }

    /// HASH that a block had, whatever is left of it.
    pub fn hash_before(&self, block: &Block) -> Option<String> {
        let entries = self.log.get(block.from..block.end?)?;
        let slog = entries.iter().filter(|e| e.lane == Lane::Main && !e.node);
        let lines = slog.map(|entry| &entry.line[..]);
        Some(reference::hash(block.of.0, lines))
    }

    /// The highest height there is.
    pub fn highest(&self) -> u64 {
        self.blocks
            .iter()
            .map(|block| block.of.0)
            .max()
            .unwrap_or(0)
    }
}
