//! Checks whether every read of a recording returned what was written last.

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

/// Limit of the keys whose last value is remembered: about 100 bytes each.
const KEYS: usize = 1 << 22;
/// Limit of the values that a key may have while it is unknown which one applies.
const VALUES: usize = 8;
/// Limit of the writes of one block that can be rolled back, and of its transactions: about
/// 100 bytes each.
const WRITES: usize = 1 << 21;
/// Limit of the stores of one block whose roots are remembered, and of the stores without a
/// root.
const STORES: usize = 4096;
/// Limit of the wrong reads that are listed.
const LIST_LIMIT: usize = 100;

/// A read that did not return what was written last.
#[derive(Clone, Debug, Serialize)]
pub struct WrongRead {
    /// Number of the answer's slog line.
    pub line_number: u64,
    /// Number of the crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Store and key, as text.
    pub key: String,
    /// The value that was read; absent if the key had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Number of the slog line of the last recorded write or read of the key.
    pub known_from: u64,
}

/// The result of checking all reads of one source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reads {
    /// Number of reads whose key was known.
    pub checked: u64,
    /// Number of reads of keys without an earlier record.
    pub unknown: u64,
    /// Number of reads that cannot be judged: earlier writes may have been discarded.
    pub untold: u64,
    /// Reads that returned something else; at most 100.
    pub wrong: Vec<WrongRead>,
    /// Number of reads that returned something else.
    pub wrong_count: u64,
    /// How often all known values were dropped, because one block wrote more than can be
    /// remembered for a rollback.
    pub forgotten: u64,
}

/// Checks that every vatstoreGet, or read of a chain's store, returned the last recorded
/// value. The first read of a key makes its value known.
///
/// # Errors
/// An error from reading the source.
pub fn check_reads(recording: &Recording) -> io::Result<Reads> {
    let mut check = Check::new(recording.vocabulary);
    cutter::read(recording, Depth::Places, &mut check)?;
    if check.reads.wrong_count == 0 || recording.is_by_value() {
        return Ok(check.reads);
    }
    // Another JSON writer may have formatted a height so that the start of a repeated execution
    // was not recognised. So the reads are checked by value before anything is called wrong.
    recording.read_by_value();
    check_reads(recording)
}

struct Check {
    vocabulary: &'static dyn Vocabulary,
    known: Keys,
    branches: Branches<Known>,
    /// Transactions that wrote directly on the execution's own branch, until the execution ends.
    /// If such a transaction fails, its writes on other branches are discarded too.
    direct: HashSet<u64>,
    /// The writes of each transaction whose result is not known yet.
    by_tx: HashMap<u64, Vec<KeyDigest>>,
    /// Line that began the execution; 0 if it is missing.
    begun: u64,
    /// Stores whose root the block records.
    rooted: HashSet<[u8; 16]>,
    /// Stores without a root in a block that has roots of other stores. A key written up to this
    /// line may have another value.
    rootless: HashMap<[u8; 16], u64>,
    /// If the block records no roots: every store may have been emptied at this line. Else 0.
    unrooted: u64,
    /// The last line that was read.
    line: u64,
    /// The execution wrote more than can be rolled back, or it is unknown what is discarded if one
    /// of its transactions fails. Then no read is judged until the execution is over.
    overrun: bool,
    /// The limit of what can be rolled back.
    most: usize,
    /// Values that the current crank overwrote.
    undo: Vec<Undo>,
    /// Values that were overwritten since the last commit.
    uncommitted: Vec<Undo>,
    /// A commit was seen since the recording began, or since something was missing.
    settled: bool,
    aborted: bool,
    asked: Option<StoreKey>,
    reads: Reads,
}

/// The known keys of all stores.
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
    /// The transaction that wrote it and may still fail. A read of another transaction meanwhile
    /// proves nothing.
    unsettled: Option<u64>,
    /// Line at which it took effect; 0 if it was read.
    effect: u64,
    /// Other values that the key has if writes were discarded.
    others: OtherValues,
}

/// Other values that a key may have.
#[derive(Clone)]
enum OtherValues {
    None,
    /// These, during the execution with this ordinal. A later execution sees one value.
    These(u64, Vec<Value>),
    /// Any value, during the execution with this ordinal.
    Any(u64),
}

impl OtherValues {
    fn may_be(&self, value: &Value) -> bool {
        match self {
            OtherValues::None => false,
            OtherValues::These(_, values) => values.contains(value),
            OtherValues::Any(_) => true,
        }
    }

    /// Whether the execution that left it open is over.
    fn is_decided(&self, ordinal: u64) -> bool {
        match self {
            OtherValues::None => true,
            OtherValues::These(at, _) | OtherValues::Any(at) => *at < ordinal,
        }
    }

    /// The values that a key may have besides the one that this execution writes.
    fn behind(before: Option<&Known>, ordinal: u64) -> OtherValues {
        let Some(before) = before else {
            return OtherValues::Any(ordinal);
        };
        let mut values = match &before.others {
            OtherValues::Any(_) => return OtherValues::Any(ordinal),
            OtherValues::None => Vec::new(),
            OtherValues::These(_, values) => values.clone(),
        };
        if !values.contains(&before.value) {
            values.push(before.value);
        }
        match values.len() <= VALUES {
            true => OtherValues::These(ordinal, values),
            false => OtherValues::Any(ordinal),
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

    /// A node that restarts continues from its last commit. Its writes since then are gone, so a
    /// read of the older value proves nothing against it.
    fn durability(&mut self, durability: Durability) {
        self.uncommitted.append(&mut self.undo);
        match durability {
            Durability::Committed => self.commit(),
            // A value that was read in a discarded execution may be a write of that execution which
            // was not recorded.
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
        let Some(branching) = self.vocabulary.branching(line) else {
            return;
        };
        match self.branches.take(branching, number) {
            Effect::Writes(writes) => {
                for (place, known) in writes {
                    let effect = number;
                    let known = Known { effect, ..known };
                    self.write(place, known);
                }
            }
            Effect::Unknown => {
                self.undo.clear();
                self.by_tx.clear();
                self.known.clear();
                // Other transactions may read what these wrote, and it is gone if they fail.
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

    /// A store without a root, in a block that has roots of others, is not part of the state. The
    /// commit may empty it or keep it; the recording does not say which. So the store is
    /// remembered, and a read that returns something else proves nothing. If the block records no
    /// roots at all, every store may be such a one.
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

    /// A store that is not part of the state may exist only in memory, and is lost with its
    /// process.
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

    /// The block grows past the limit. Its writes can no longer be rolled back, so nothing is
    /// known until it is over.
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

    /// Notes what an entry writes, if it writes.
    fn note_write(&mut self, ordinal: u64, line: &[u8], number: u64) {
        let vocabulary = self.vocabulary;
        let Some((store, key, value)) = vocabulary.written(line) else {
            return;
        };
        let place = place(&store, key);
        let leaves = vocabulary.leaves(line);
        let is_branch_known =
            leaves || self.branches.is_branch_known() || !vocabulary.has_branches();
        let transaction = vocabulary.transaction(line);
        let known = Known {
            value: value_of(value.unwrap_or(b"null")),
            line: number,
            unsettled: transaction,
            effect: number,
            others: match is_branch_known {
                true => OtherValues::None,
                false => OtherValues::behind(self.known.get(&place), ordinal),
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

    /// Notes a write that may still be discarded.
    fn write(&mut self, place: KeyDigest, known: Known) {
        if let Some(tx) = known.unsettled {
            self.by_tx.entry(tx).or_default().push(place);
        }
        self.undo.push((place, self.known.get(&place).cloned()));
        self.known.insert(place, known);
    }

    /// Settles the writes of a transaction. The writes of a failed one are discarded, except those
    /// before its messages ran. The recording does not tell them apart, so these keys become
    /// unknown. A transaction that wrote only on branches has already discarded what is gone.
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

    /// What a read must return; `Err` if the recording does not show it.
    fn expected(&self, place: &KeyDigest, reader: Option<u64>) -> Result<Option<Known>, ()> {
        let known = match self.branches.see(place) {
            Visible::Written(known) => Some(known),
            Visible::Unknown => return Err(()),
            Visible::Own(since) => match self.known.get(place) {
                // The branch may have cached the older value.
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
            others: OtherValues::None,
        };
        // The value may be a write of this execution itself, and be discarded.
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
        let decides = known.others.is_decided(ordinal);
        let emptied = self.rootless.get(&place.store);
        let may_be_gone = emptied.is_some_and(|since| known.line <= *since)
            || (value == b"null" && known.line <= self.unrooted);
        if may_be_gone && known.value != read.value {
            self.reads.untold += 1;
        } else if known.value == read.value {
            self.reads.checked += 1;
            if !decides || matches!(known.others, OtherValues::None) {
                return;
            }
        } else if self.vocabulary.is_of_iterator(line) && known.line > self.begun {
            // An iterator may return what was there when it was created.
            self.reads.untold += 1;
            return;
        } else if known.others.may_be(&read.value) {
            self.reads.untold += 1;
            if !decides {
                return;
            }
        } else {
            self.reads.checked += 1;
            self.reads.wrong_count += 1;
            self.list_wrong(asked, value, line, number, known.line);
        }
        self.known.insert(place, read);
    }

    /// Notes a read of an unknown key. Where writes go through branches, the value may be an
    /// unrecorded write of this execution, so it is rolled back with the others.
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
        // A write of a transaction that may fail stays known as its own.
        if self.known.get(&place).is_none() {
            self.write(place, read);
        }
    }

    fn list_wrong(
        &mut self,
        asked: &StoreKey,
        value: &[u8],
        line: &[u8],
        number: u64,
        known_from: u64,
    ) {
        if self.reads.wrong.len() < LIST_LIMIT {
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
        // A write of the execution itself may be discarded with it.
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
