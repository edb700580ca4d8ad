//! Whether every read of a recording gave what was written.

use std::collections::{HashMap, HashSet};
use std::io;

use serde::Serialize;

use super::branches::{Branches, Effect, KeyDigest, Visible};
use super::cutter::{self, Depth};
use super::last_write::StoreKey;
use super::recording::Recording;
use crate::trace::{BlockTrace, Durability, TraceSink};
use crate::values;
use crate::vocabulary::{Role, Vocabulary};

/// Keys whose last value is remembered: some 100 bytes each.
const KEYS: usize = 1 << 22;
/// Values that a key may have, of which one is known to be there.
const VALUES: usize = 8;
/// Writes of one block that can be taken back, and its transactions: some 100 bytes each.
const WRITES: usize = 1 << 21;
/// Stores of one block whose roots are remembered, and those that are known to have none.
const STORES: usize = 4096;
/// Wrong reads that are told one by one.
const TOLD: usize = 100;

/// A read that did not give what was written last.
#[derive(Clone, Debug, Serialize)]
pub struct WrongRead {
    /// Slog line of the answer.
    pub line_number: u64,
    /// Crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Store and key.
    pub key: String,
    /// The value that was read; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Slog line of the last recorded write or read of the key.
    pub known_from: u64,
}

/// What checking all reads of one source told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reads {
    /// Reads whose key was known.
    pub checked: u64,
    /// Reads of keys of which nothing was recorded before.
    pub unknown: u64,
    /// Reads of which the recording does not tell whether they are right: what was
    /// written before may have been thrown away.
    pub untold: u64,
    /// Reads that gave something else; at most a hundred.
    pub wrong: Vec<WrongRead>,
    /// How many.
    pub wrong_count: u64,
    /// How often all that was known was forgotten, as one block wrote more than can be
    /// remembered to be taken back.
    pub forgotten: u64,
}

/// Checks that every vatstoreGet, or read of a chain's store, gave the last
/// recorded value. A read of a key
/// that nothing is known of makes it known.
///
/// # Errors
/// What reading gives.
pub fn check_reads(recording: &Recording) -> io::Result<Reads> {
    let mut check = Check::new(recording.vocabulary);
    cutter::read(recording, Depth::Places, &mut check)?;
    if check.reads.wrong_count == 0 || recording.is_by_value() {
        return Ok(check.reads);
    }
    // Another writer may have written a height so that its block was not known to
    // begin again.
    recording.read_by_value();
    check_reads(recording)
}

struct Check {
    vocabulary: &'static dyn Vocabulary,
    known: Keys,
    branches: Branches<Known>,
    /// Transactions that wrote on the execution's own branch, until it ends. What such a
    /// one wrote on others is gone as well if it fails.
    direct: HashSet<u64>,
    /// What each transaction wrote whose result is not known yet.
    by_tx: HashMap<u64, Vec<KeyDigest>>,
    /// Line that began the execution; 0 if that is not here.
    begun: u64,
    /// Stores of which the block tells a root.
    rooted: HashSet<[u8; 16]>,
    /// Stores that had none where others had one, and the line behind which their keys may
    /// have other values.
    rootless: HashMap<[u8; 16], u64>,
    /// Where no roots are told, the line behind which any store may have been emptied.
    unrooted: u64,
    /// The line that was read last.
    line: u64,
    /// Of the execution more was written than can be taken back, or it is not known what is
    /// gone if one of its transactions fails.
    overrun: bool,
    /// How much that is.
    most: usize,
    /// Values before the crank that is running wrote over them.
    undo: Vec<Undo>,
    /// Values before what was executed since the last commit wrote over them.
    uncommitted: Vec<Undo>,
    /// A commit was seen since the recording began, or since something was missing.
    settled: bool,
    aborted: bool,
    asked: Option<StoreKey>,
    reads: Reads,
}

/// What is known of the keys of all stores.
#[derive(Default)]
struct Keys {
    stores: HashMap<[u8; 16], HashMap<[u8; 16], Known>>,
    count: usize,
}

/// A key, and what was known of it before.
type Undo = (KeyDigest, Option<Known>);

type Value = [u8; 16];

#[derive(Clone)]
struct Known {
    value: Value,
    line: u64,
    /// The transaction that wrote it and may have failed. What another one reads
    /// meanwhile proves nothing.
    unsettled: Option<u64>,
    /// Line with which it took effect; 0 if it was read.
    effect: u64,
    /// What stands there if writes were thrown away.
    or: Or,
}

/// Other values that a key may have.
#[derive(Clone)]
enum Or {
    None,
    /// These, in the execution of this number; in a later one it has one value.
    These(u64, Vec<Value>),
    /// Any, in the same way.
    Any(u64),
}

impl Or {
    fn may_be(&self, value: &Value) -> bool {
        match self {
            Or::None => false,
            Or::These(_, values) => values.contains(value),
            Or::Any(_) => true,
        }
    }

    /// The execution that left it open is over.
    fn is_decided(&self, ordinal: u64) -> bool {
        match self {
            Or::None => true,
            Or::These(of, _) | Or::Any(of) => *of < ordinal,
        }
    }

    /// What may stand there beside what is written in this execution.
    fn behind(before: Option<&Known>, ordinal: u64) -> Or {
        let Some(before) = before else {
            return Or::Any(ordinal);
        };
        let mut values = match &before.or {
            Or::Any(_) => return Or::Any(ordinal),
            Or::None => Vec::new(),
            Or::These(_, values) => values.clone(),
        };
        if !values.contains(&before.value) {
            values.push(before.value);
        }
        match values.len() <= VALUES {
            true => Or::These(ordinal, values),
            false => Or::Any(ordinal),
        }
    }
}

impl Keys {
    fn get(&self, place: &KeyDigest) -> Option<&Known> {
        self.stores.get(&place.store)?.get(&place.key)
    }

    fn get_mut(&mut self, place: &KeyDigest) -> Option<&mut Known> {
        self.stores.get_mut(&place.store)?.get_mut(&place.key)
    }

    fn insert(&mut self, place: KeyDigest, known: Known) {
        if self.count >= KEYS && self.get(&place).is_none() {
            return;
        }
        let store = self.stores.entry(place.store).or_default();
        self.count += usize::from(store.insert(place.key, known).is_none());
    }

    fn remove(&mut self, place: &KeyDigest) {
        let store = self.stores.get_mut(&place.store);
        let removed = store.and_then(|store| store.remove(&place.key));
        self.count -= usize::from(removed.is_some());
    }

    fn clear(&mut self) {
        *self = Keys::default();
    }

    fn undo(&mut self, done: Vec<Undo>) {
        for (place, before) in done.into_iter().rev() {
            match before {
                Some(known) => self.insert(place, known),
                None => self.remove(&place),
            }
        }
    }
}

impl TraceSink for Check {
    fn block(&mut self, _block: BlockTrace) -> bool {
        true
    }

    /// A node that starts again goes on from its last commit: what it wrote since
    /// then is gone, and reading the older value proves nothing against it.
    fn durability(&mut self, durability: Durability) {
        self.uncommitted.append(&mut self.undo);
        match durability {
            Durability::Committed => self.commit(),
            // What was read of an execution that is gone may be its own write, which
            // nobody saw.
            Durability::Discarded if !self.settled => self.known.clear(),
            Durability::Discarded => {
                let done = std::mem::take(&mut self.uncommitted);
                self.known.undo(done);
                self.doubt_rootless();
            }
            Durability::Unknown => {
                self.known.clear();
                self.settled = false;
            }
        }
        self.uncommitted.clear();
        self.overrun = false;
        self.branches.forget();
        self.direct.clear();
        self.by_tx.clear();
        self.begun = 0;
        self.rooted.clear();
        self.aborted = false;
        self.asked = None;
    }

    fn any_line(&mut self, line: &[u8], number: u64) {
        self.line = number;
        let Some(told) = self.vocabulary.branching(line) else {
            return;
        };
        match self.branches.take(told, number) {
            Effect::Writes(writes) => {
                for (place, known) in writes {
                    let effect = number;
                    let told = Known { effect, ..known };
                    self.write(place, told);
                }
            }
            Effect::Unknown => {
                self.undo.clear();
                self.by_tx.clear();
                self.known.clear();
                // What they wrote may be read, and be gone when they fail.
                self.overrun |= !self.direct.is_empty();
            }
        }
    }

    fn line(&mut self, ordinal: u64, _unit: usize, line: &[u8], number: u64) {
        let vocabulary = self.vocabulary;
        if vocabulary.settles_writes(line) {
            self.settle();
        }
        self.aborted |= vocabulary.aborts(line);
        if let Some((tx, failed)) = vocabulary.outcome(line) {
            self.settle_transaction(tx, failed);
        }
        if let Some(store) = vocabulary.root_of(line) {
            self.note_root(&store);
        }
        self.note_write(ordinal, line, number);
        match vocabulary.role_of(line) {
            Role::Begin => {
                self.branches.begins();
                self.begun = number;
            }
            Role::Syscall => self.asked = StoreKey::of_read(vocabulary, line),
            Role::SyscallResult => self.answer(ordinal, line, number),
            Role::Read => {
                let read = StoreKey::of_read(vocabulary, line).zip(vocabulary.answer(line));
                if let Some((asked, value)) = read {
                    self.compare(ordinal, &asked, value, line, number);
                }
            }
            _ => {}
        }
    }
}

impl Check {
    fn new(vocabulary: &'static dyn Vocabulary) -> Check {
        Check {
            vocabulary,
            known: Keys::default(),
            branches: Branches::new(),
            direct: HashSet::new(),
            by_tx: HashMap::new(),
            begun: 0,
            rooted: HashSet::new(),
            rootless: HashMap::new(),
            unrooted: 0,
            line: 0,
            overrun: false,
            most: WRITES,
            undo: Vec::new(),
            uncommitted: Vec::new(),
            settled: false,
            aborted: false,
            asked: None,
            reads: Reads::default(),
        }
    }

    /// A store without a root, where others have one, is no part of the state. A commit
    /// empties it, or leaves it as it is: which of the two is not told. So it is remembered,
    /// and a read that gives something else proves nothing. Where no roots are told at all,
    /// any store may be such a one.
    fn commit(&mut self) {
        self.settled = true;
        let no_roots = self.rooted.is_empty() && self.vocabulary.has_branches();
        self.unrooted = if no_roots { self.line } else { 0 };
        if self.rooted.is_empty() {
            return;
        }
        let stores = self.known.stores.keys();
        let lacking = stores.filter(|store| !self.rooted.contains(*store));
        let lacking: Vec<[u8; 16]> = lacking.copied().collect();
        let since = self.line;
        self.rootless
            .extend(lacking.into_iter().map(|store| (store, since)));
        if self.rootless.len() > STORES {
            self.rootless.clear();
            self.known.clear();
        }
    }

    /// What stood in memory alone is gone with its process.
    fn doubt_rootless(&mut self) {
        let line = self.line;
        self.rootless.values_mut().for_each(|since| *since = line);
        if self.unrooted > 0 {
            self.unrooted = line;
        }
    }

    fn note_root(&mut self, store: &str) {
        if self.rooted.len() < STORES {
            self.rooted.insert(digest(&[store.as_bytes()]));
        }
    }

    /// The block goes on without an end: what it wrote cannot be taken back any more, so that
    /// nothing is known until it is over.
    fn bound(&mut self) {
        let held = [self.undo.len(), self.uncommitted.len(), self.direct.len()];
        if held.iter().sum::<usize>() < self.most {
            return;
        }
        self.undo = Vec::new();
        self.uncommitted = Vec::new();
        self.direct = HashSet::new();
        self.by_tx = HashMap::new();
        self.known.clear();
        self.branches.forget();
        self.overrun = true;
        self.reads.forgotten += 1;
    }

    /// What an entry writes, if it writes.
    fn note_write(&mut self, ordinal: u64, line: &[u8], number: u64) {
        let vocabulary = self.vocabulary;
        let Some((store, key, value)) = vocabulary.written(line) else {
            return;
        };
        let place = place(&store, key);
        let leaves = vocabulary.leaves(line);
        let is_told = leaves || self.branches.is_told() || !vocabulary.has_branches();
        let transaction = vocabulary.transaction(line);
        let known = Known {
            value: value_of(value.unwrap_or(b"null")),
            line: number,
            unsettled: transaction,
            effect: number,
            or: match is_told {
                true => Or::None,
                false => Or::behind(self.known.get(&place), ordinal),
            },
        };
        self.bound();
        if self.overrun {
            return;
        }
        if !self.branches.is_inner() {
            self.direct.extend(transaction);
        }
        let effect = match leaves {
            true => Some(known),
            false => self.branches.write(place, number, known),
        };
        if let Some(known) = effect {
            self.write(place, known);
        }
    }

    /// A write, which may still be thrown away.
    fn write(&mut self, place: KeyDigest, known: Known) {
        if let Some(tx) = known.unsettled {
            self.by_tx.entry(tx).or_default().push(place);
        }
        self.undo.push((place, self.known.get(&place).cloned()));
        self.known.insert(place, known);
    }

    /// What a failed transaction wrote is gone, but for what was written before
    /// its messages ran: nothing is known of these keys any more. One that wrote on
    /// branches alone has thrown away what is gone.
    fn settle_transaction(&mut self, tx: u64, failed: bool) {
        let failed = failed && self.direct.contains(&tx);
        for place in self.by_tx.remove(&tx).unwrap_or_default() {
            let Some(known) = self.known.get_mut(&place) else {
                continue;
            };
            if known.unsettled == Some(tx) && failed {
                self.known.remove(&place);
            } else if known.unsettled == Some(tx) {
                known.unsettled = None;
            }
        }
    }

    fn settle(&mut self) {
        self.branches.forget();
        self.direct.clear();
        self.by_tx.clear();
        let mut done = std::mem::take(&mut self.undo);
        for (place, _) in &done {
            if let Some(known) = self.known.get_mut(place) {
                known.unsettled = None;
            }
        }
        match std::mem::take(&mut self.aborted) {
            true => self.known.undo(done),
            false => self.uncommitted.append(&mut done),
        }
    }

    fn answer(&mut self, ordinal: u64, line: &[u8], number: u64) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let Some(value) = self.vocabulary.answer(line) else {
            return;
        };
        self.compare(ordinal, &asked, value, line, number);
    }

    /// What a read must give; `Err` if the recording does not tell.
    fn expected(&self, place: &KeyDigest, reader: Option<u64>) -> Result<Option<Known>, ()> {
        let known = match self.branches.see(place) {
            Visible::Written(known) => Some(known),
            Visible::Unknown => return Err(()),
            Visible::Own(since) => match self.known.get(place) {
                // The branch may still have what stood there before.
                Some(known) if known.effect > since => return Err(()),
                known => known,
            },
        };
        let is_settled = |known: &&Known| match known.unsettled {
            Some(tx) => Some(tx) == reader || !self.direct.contains(&tx),
            None => true,
        };
        Ok(known.filter(is_settled).cloned())
    }

    fn compare(&mut self, ordinal: u64, asked: &StoreKey, value: &[u8], line: &[u8], number: u64) {
        let place = place(&asked.store, &asked.raw);
        let read = Known {
            value: value_of(value),
            line: number,
            unsettled: None,
            effect: 0,
            or: Or::None,
        };
        // It may be what the execution wrote itself, and be thrown away.
        if self.overrun {
            self.reads.untold += 1;
            return;
        }
        let Ok(known) = self.expected(&place, self.vocabulary.transaction(line)) else {
            self.reads.untold += 1;
            return;
        };
        let Some(known) = known else {
            self.learn(place, read);
            return;
        };
        let decides = known.or.is_decided(ordinal);
        let emptied = self.rootless.get(&place.store);
        let may_be_gone = emptied.is_some_and(|since| known.line <= *since)
            || (value == b"null" && known.line <= self.unrooted);
        if may_be_gone && known.value != read.value {
            self.reads.untold += 1;
        } else if known.value == read.value {
            self.reads.checked += 1;
            if !decides || matches!(known.or, Or::None) {
                return;
            }
        } else if self.vocabulary.is_of_iterator(line) && known.line > self.begun {
            // An iterator may give what stood there when it was made.
            self.reads.untold += 1;
            return;
        } else if known.or.may_be(&read.value) {
            self.reads.untold += 1;
            if !decides {
                return;
            }
        } else {
            self.reads.checked += 1;
            self.reads.wrong_count += 1;
            self.tell(asked, value, line, number, known.line);
        }
        self.known.insert(place, read);
    }

    /// A read of a key of which nothing is known. Where writes go through branches it may be
    /// the execution's own write, which nobody saw: it is taken back with the others.
    fn learn(&mut self, place: KeyDigest, read: Known) {
        if !self.vocabulary.has_branches() {
            self.reads.unknown += 1;
            self.known.insert(place, read);
            return;
        }
        self.bound();
        if self.overrun {
            self.reads.untold += 1;
            return;
        }
        self.reads.unknown += 1;
        // What a transaction wrote that may fail stays known as its own.
        if self.known.get(&place).is_none() {
            self.write(place, read);
        }
    }

    fn tell(&mut self, asked: &StoreKey, value: &[u8], line: &[u8], number: u64, known_from: u64) {
        if self.reads.wrong.len() < TOLD {
            self.reads.wrong.push(WrongRead {
                line_number: number,
                crank: self.vocabulary.numbers(line).crank,
                key: asked.text(),
                read: (value != b"null").then(|| String::from_utf8_lossy(value).into_owned()),
                known_from,
            });
        }
    }
}

fn place(store: &str, key: &[u8]) -> KeyDigest {
    KeyDigest {
        store: digest(&[store.as_bytes()]),
        key: digest(&[&values::normal_string(key)]),
    }
}

fn value_of(value: &[u8]) -> Value {
    digest(&[&values::normal_string(value)])
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use haltbox_model::Profile;

    use super::*;
    use crate::vocabulary;

    fn write(key: u64) -> String {
        format!(r#"{{"type":"op-write","tx":{key},"op":0,"store":"a","key":"{key}","value":"01"}}"#)
    }

    fn read(key: u64, value: &str) -> String {
        format!(r#"{{"type":"op-read","op":0,"store":"a","key":"{key}","value":"{value}"}}"#)
    }

    #[test]
    fn a_block_without_an_end_is_bounded_and_nothing_of_it_is_checked() {
        let profile = Profile::builtin("host").expect("a profile");
        let mut check = Check::new(vocabulary::of(&profile));
        check.most = 8;
        let mut number = 0;
        let mut line = |check: &mut Check, text: &str| {
            number += 1;
            check.any_line(text.as_bytes(), number);
            check.line(0, 0, text.as_bytes(), number);
        };
        line(&mut check, r#"{"type":"branch","branch":0}"#);
        for key in 0..100 {
            line(&mut check, &write(key));
            let held = check.undo.len() + check.uncommitted.len() + check.direct.len();
            assert!(held <= 8 + 1, "{held}");
        }
        // What it wrote itself may be thrown away with it.
        line(&mut check, &read(1, "02"));
        line(&mut check, &read(200, "02"));
        let reads = &check.reads;
        assert_eq!((reads.forgotten, reads.untold, reads.checked), (1, 2, 0));
        check.durability(Durability::Discarded);
        line(&mut check, &read(200, "03"));
        line(&mut check, &read(200, "04"));
        let reads = &check.reads;
        assert_eq!((reads.unknown, reads.checked, reads.wrong_count), (1, 1, 1));
    }

    #[test]
    fn a_result_settles_what_its_transaction_wrote_and_nothing_else() {
        let profile = Profile::builtin("host").expect("a profile");
        let mut check = Check::new(vocabulary::of(&profile));
        let mut number = 0;
        let mut line = |check: &mut Check, text: &str| {
            number += 1;
            check.any_line(text.as_bytes(), number);
            check.line(0, 0, text.as_bytes(), number);
        };
        line(&mut check, r#"{"type":"branch","branch":0}"#);
        (0..8).for_each(|key| line(&mut check, &write(key)));
        for tx in 0..4 {
            let code = tx % 2;
            let result = format!(r#"{{"type":"tx-result","tx":{tx},"code":{code}}}"#);
            line(&mut check, &result);
        }
        let mut open: Vec<u64> = check.by_tx.keys().copied().collect();
        open.sort_unstable();
        assert_eq!(open, [4, 5, 6, 7]);
        let of = |key: u64| {
            let known = check
                .known
                .get(&place("a", format!("\"{key}\"").as_bytes()));
            known.map(|known| known.unsettled)
        };
        let known = [0, 1, 2, 3, 4].map(of);
        assert_eq!(known, [Some(None), None, Some(None), None, Some(Some(4))]);
        check.durability(Durability::Committed);
        assert!(check.by_tx.is_empty());
    }

    #[test]
    fn reads_of_unknown_keys_are_bounded_too() {
        let profile = Profile::builtin("host").expect("a profile");
        let mut check = Check::new(vocabulary::of(&profile));
        check.most = 8;
        for key in 0..100 {
            let text = read(key, "01");
            check.line(0, 0, text.as_bytes(), key);
            let held = check.undo.len() + check.uncommitted.len();
            assert!(held <= 8, "{held}");
        }
        let reads = &check.reads;
        assert_eq!((reads.forgotten, reads.unknown, reads.untold), (1, 8, 92));
    }
}
