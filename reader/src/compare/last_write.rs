//! Who wrote a key of a store last, and whether every read gave what was written.

use std::collections::HashMap;
use std::io;

use haltbox_format::json;
use memchr::memmem;
use serde::Serialize;

use super::cutter::{self, Depth};
use super::party::Party;
use crate::tape::{BlockTape, Finds, Turn};
use crate::values;
use crate::vocabulary::{Role, Vocabulary};

/// Keys whose last value is remembered while reads are checked: 48 bytes each.
const KEYS: usize = 1 << 22;
/// Wrong reads that are told one by one.
const TOLD: usize = 100;

/// A key of a store: a vat's, or a chain's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKey {
    /// The vat, or the store's name.
    pub store: String,
    /// The key as it stands in the entry, escapes and all.
    raw: Vec<u8>,
}

impl StoreKey {
    /// The key that a read is about, or a request for one.
    pub fn of_read(vocabulary: &dyn Vocabulary, line: &[u8]) -> Option<StoreKey> {
        let (store, key) = vocabulary.asked_key(line)?;
        let raw = key.to_vec();
        Some(StoreKey { store, raw })
    }

    /// The key that an entry writes.
    pub fn of_write(vocabulary: &dyn Vocabulary, line: &[u8]) -> Option<StoreKey> {
        let (store, key, _) = vocabulary.written(line)?;
        let raw = key.to_vec();
        Some(StoreKey { store, raw })
    }

    /// As people are told.
    pub fn text(&self) -> String {
        let key = json::read_str(&self.raw).unwrap_or_default();
        format!("{} {key}", self.store)
    }
}

/// A write as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Height it was made at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Crank it was made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Number of the slog line.
    pub line_number: u64,
    /// The value; absent if the key was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What was written, where that was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// The last write of `key` before a slog line, as far as the source goes back.
/// Writes of cranks that were thrown away do not count.
///
/// # Errors
/// What reading gives.
pub fn find(party: &Party, key: &StoreKey, before: u64) -> io::Result<Option<Write>> {
    let mut search = Search {
        vocabulary: party.vocabulary,
        key,
        // Another JSON writer may have written the key otherwise.
        needle: (!party.is_by_value()).then(|| memmem::Finder::new(&key.raw)),
        before,
        over: false,
        pending: Vec::new(),
        aborted: false,
        last: None,
        at: None,
        durable: None,
    };
    cutter::read(party, Depth::Places, &mut search)?;
    Ok(search.last)
}

struct Search<'a> {
    vocabulary: &'static dyn Vocabulary,
    key: &'a StoreKey,
    needle: Option<memmem::Finder<'a>>,
    before: u64,
    /// The line was reached: what becomes of writes later says nothing of them there.
    over: bool,
    /// Writes of the crank or transaction, which may still be thrown away.
    pending: Vec<Pending>,
    aborted: bool,
    last: Option<Write>,
    /// Execution that `last` stands in, until its height is known.
    at: Option<u64>,
    /// The last write that was committed.
    durable: Option<Write>,
}

struct Pending {
    write: Write,
    /// The execution it stands in.
    ordinal: u64,
    tx: Option<u64>,
}

impl Finds for Search<'_> {
    fn block(&mut self, block: BlockTape) -> bool {
        if self.at == Some(block.ordinal)
            && let Some(last) = &mut self.last
        {
            last.height = Some(block.height);
            self.at = None;
        }
        true
    }

    fn turn(&mut self, turn: Turn) {
        if self.over {
            return;
        }
        match turn {
            Turn::Committed => self.durable.clone_from(&self.last),
            Turn::ThrownAway => self.last.clone_from(&self.durable),
            Turn::Unknown => (self.last, self.durable) = (None, None),
        }
        if turn != Turn::Committed {
            self.pending.clear();
            self.aborted = false;
            self.at = None;
        }
    }

    fn line(&mut self, ordinal: u64, _unit: usize, line: &[u8], number: u64) {
        if number >= self.before {
            // The crank or transaction that reads sees its own writes.
            self.keep_pending();
            self.over = true;
            return;
        }
        let vocabulary = self.vocabulary;
        if vocabulary.settles_writes(line) {
            if std::mem::take(&mut self.aborted) {
                self.pending.clear();
            }
            self.keep_pending();
        }
        self.aborted |= vocabulary.aborts(line);
        if let Some((tx, true)) = vocabulary.outcome(line) {
            self.pending.retain(|pending| pending.tx != Some(tx));
        }
        let sighted = |needle: &memmem::Finder<'_>| needle.find(line).is_some();
        if self.needle.as_ref().is_none_or(sighted)
            && let Some((store, key, value)) = vocabulary.written(line)
            && store == self.key.store
            && values::normal_string(key) == values::normal_string(&self.key.raw)
        {
            let crank = vocabulary.numbers(line).crank;
            let value = value.map(|value| String::from_utf8_lossy(value).into_owned());
            let write = Write {
                height: None,
                crank,
                line_number: number,
                value,
                kept: vocabulary.kept_value(line),
            };
            let tx = vocabulary.transaction(line);
            self.pending.push(Pending { write, ordinal, tx });
        }
    }
}

impl Search<'_> {
    fn keep_pending(&mut self) {
        if let Some(newest) = self.pending.drain(..).next_back() {
            self.last = Some(newest.write);
            self.at = Some(newest.ordinal);
        }
    }
}

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
    /// Reads that gave something else; at most a hundred.
    pub wrong: Vec<WrongRead>,
    /// How many.
    pub wrong_count: u64,
}

/// Checks that every vatstoreGet, or read of a chain's store, gave the last
/// recorded value. A read of a key
/// that nothing is known of makes it known.
///
/// # Errors
/// What reading gives.
pub fn check_reads(party: &Party) -> io::Result<Reads> {
    let mut check = Check::new(party.vocabulary);
    cutter::read(party, Depth::Places, &mut check)?;
    if check.reads.wrong_count == 0 || party.is_by_value() {
        return Ok(check.reads);
    }
    // Another writer may have written a height so that its block was not known to
    // begin again.
    party.read_by_value();
    check_reads(party)
}

struct Check {
    vocabulary: &'static dyn Vocabulary,
    known: HashMap<[u8; 16], Known>,
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

/// A key, and what was known of it before.
type Undo = ([u8; 16], Option<Known>);

#[derive(Clone, Copy)]
struct Known {
    value: [u8; 16],
    line: u64,
    /// The transaction that wrote it and may have failed. What another one reads
    /// meanwhile proves nothing.
    unsettled: Option<u64>,
}

impl Finds for Check {
    fn block(&mut self, _block: BlockTape) -> bool {
        true
    }

    /// A node that starts again goes on from its last commit: what it wrote since
    /// then is gone, and reading the older value proves nothing against it.
    fn turn(&mut self, turn: Turn) {
        self.uncommitted.append(&mut self.undo);
        match turn {
            Turn::Committed => self.settled = true,
            // What was read of an execution that is gone may be its own write, which
            // nobody saw.
            Turn::ThrownAway if !self.settled => self.known.clear(),
            Turn::ThrownAway => undo(&mut self.known, std::mem::take(&mut self.uncommitted)),
            Turn::Unknown => {
                self.known.clear();
                self.settled = false;
            }
        }
        self.uncommitted.clear();
        self.aborted = false;
        self.asked = None;
    }

    fn line(&mut self, _ordinal: u64, _unit: usize, line: &[u8], number: u64) {
        let vocabulary = self.vocabulary;
        if vocabulary.settles_writes(line) {
            self.settle();
        }
        self.aborted |= vocabulary.aborts(line);
        if let Some((tx, failed)) = vocabulary.outcome(line) {
            self.settle_transaction(tx, failed);
        }
        if let Some((store, key, value)) = vocabulary.written(line) {
            let known = Known {
                value: digest(&[&values::normal_string(value.unwrap_or(b"null"))]),
                line: number,
                unsettled: vocabulary.transaction(line),
            };
            self.write(
                digest(&[store.as_bytes(), &values::normal_string(key)]),
                known,
            );
        }
        match vocabulary.role_of(line) {
            Role::Syscall => self.asked = StoreKey::of_read(vocabulary, line),
            Role::SyscallResult => self.answer(line, number),
            Role::Read => {
                let read = StoreKey::of_read(vocabulary, line).zip(vocabulary.answer(line));
                if let Some((asked, value)) = read {
                    self.compare(&asked, value, line, number);
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
            known: HashMap::new(),
            undo: Vec::new(),
            uncommitted: Vec::new(),
            settled: false,
            aborted: false,
            asked: None,
            reads: Reads::default(),
        }
    }

    /// A write, which may still be thrown away.
    fn write(&mut self, key: [u8; 16], known: Known) {
        self.undo.push((key, self.known.get(&key).copied()));
        self.learn(key, known);
    }

    fn learn(&mut self, key: [u8; 16], known: Known) {
        if self.known.len() < KEYS || self.known.contains_key(&key) {
            self.known.insert(key, known);
        }
    }

    /// What a failed transaction wrote is gone, but for what was written before
    /// its messages ran: nothing is known of these keys any more.
    fn settle_transaction(&mut self, tx: u64, failed: bool) {
        for (key, _) in &self.undo {
            let Some(known) = self.known.get_mut(key) else {
                continue;
            };
            if known.unsettled == Some(tx) && failed {
                self.known.remove(key);
            } else if known.unsettled == Some(tx) {
                known.unsettled = None;
            }
        }
    }

    fn settle(&mut self) {
        let mut done = std::mem::take(&mut self.undo);
        for (key, _) in &done {
            if let Some(known) = self.known.get_mut(key) {
                known.unsettled = None;
            }
        }
        match std::mem::take(&mut self.aborted) {
            true => undo(&mut self.known, done),
            false => self.uncommitted.append(&mut done),
        }
    }

    fn answer(&mut self, line: &[u8], number: u64) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let Some(value) = self.vocabulary.answer(line) else {
            return;
        };
        self.compare(&asked, value, line, number);
    }

    fn compare(&mut self, asked: &StoreKey, value: &[u8], line: &[u8], number: u64) {
        let key = digest(&[asked.store.as_bytes(), &values::normal_string(&asked.raw)]);
        let read = Known {
            value: digest(&[&values::normal_string(value)]),
            line: number,
            unsettled: None,
        };
        let reader = self.vocabulary.transaction(line);
        let known = self.known.get(&key).copied();
        match known.filter(|known| known.unsettled.is_none() || known.unsettled == reader) {
            None => {
                self.reads.unknown += 1;
                self.learn(key, read);
            }
            Some(known) if known.value == read.value => self.reads.checked += 1,
            Some(known) => {
                self.reads.checked += 1;
                self.reads.wrong_count += 1;
                self.learn(key, read);
                self.tell(asked, value, line, number, known.line);
            }
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

fn undo(known: &mut HashMap<[u8; 16], Known>, done: Vec<Undo>) {
    for (key, before) in done.into_iter().rev() {
        match before {
            Some(value) => known.insert(key, value),
            None => known.remove(&key),
        };
    }
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
