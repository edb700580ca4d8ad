//! Finds who wrote a key of a store last.

use std::collections::HashSet;
use std::io;

use haltbox_model::json;
use memchr::memmem;
use serde::Serialize;

use super::branches::{Branches, Effect, KeyDigest, Visible};
use super::cutter::{self, Depth};
use super::recording::Recording;
use crate::trace::{BlockTrace, Durability, TraceSink};
use crate::values;
use crate::vocabulary::{Role, Vocabulary};

/// The digest that stands for the one key that is searched for.
const SEARCHED: KeyDigest = KeyDigest {
    store: [0; 16],
    key: [0; 16],
};

/// Limit of the writes of the key that may still be discarded, and of the transactions that
/// are remembered.
const PENDING: usize = 1 << 16;

/// A key of a store: of a vat's store, or of a chain's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKey {
    /// The vat, or the name of the store.
    pub store: String,
    /// The key as the entry has it, with its escapes.
    pub(super) raw: Vec<u8>,
}

impl StoreKey {
    /// The key of a read, or of a request for one.
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

    /// Store and key as users see them.
    pub fn text(&self) -> String {
        let key = json::read_str(&self.raw).unwrap_or_default();
        format!("{} {key}", self.store)
    }
}

/// A write as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Height of the block that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Number of the crank that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Number of the slog line.
    pub line_number: u64,
    /// The value; absent if the key was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The whole value, where the host recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The recording does not show whether the write took effect, or was discarded with its cache.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
}

/// The last writes of a key on both sides.
#[derive(Clone, Debug)]
pub struct LastWrite {
    /// The key.
    pub key: StoreKey,
    /// The step at the place reads the key. If false, it writes it.
    pub is_read: bool,
    /// The last write before that, by side; `None` if the recording does not go back to it.
    pub writes: [Option<Write>; 2],
}

/// Finds the last write of `key` before the slog line `before`, as far as the source goes
/// back. Writes of cranks and branches that were discarded do not count.
///
/// # Errors
/// An error from reading the source.
pub fn find(recording: &Recording, key: &StoreKey, before: u64) -> io::Result<Option<Write>> {
    // Another JSON writer may have escaped the key differently, so its bytes cannot be searched
    // for.
    let needle = (!recording.is_by_value()).then(|| memmem::Finder::new(&key.raw));
    let mut search = Search::new(recording.vocabulary, key, needle, before);
    cutter::read(recording, Depth::Places, &mut search)?;
    Ok(search.last)
}

struct Search<'a> {
    vocabulary: &'static dyn Vocabulary,
    key: &'a StoreKey,
    needle: Option<memmem::Finder<'a>>,
    before: u64,
    /// The line `before` was reached. What happens to writes later does not matter there.
    over: bool,
    /// Writes of the current crank or transaction, which may still be discarded.
    pending: Vec<Pending>,
    branches: Branches<Pending>,
    /// Transactions that wrote directly on the execution's own branch.
    direct: HashSet<u64>,
    /// There are too many such transactions to remember, so it is unknown which writes are
    /// discarded with them.
    crowded: bool,
    /// Whether the block records a root of the store.
    roots: Roots,
    aborted: bool,
    last: Option<Write>,
    /// Ordinal of the execution of `last`, until its height is known.
    at: Option<u64>,
    /// Ordinal of the execution that made `last`.
    written_in: u64,
    /// The last write that was committed.
    durable: Option<Write>,
}

/// The roots that a block records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Roots {
    Untold,
    /// Only roots of other stores. This store is not part of the state, and the commit may empty
    /// it.
    OfOthers,
    /// A root of this store too.
    Told,
}

struct Pending {
    write: Write,
    /// Ordinal of the execution that made it.
    ordinal: u64,
    tx: Option<u64>,
    /// It was made on a branch that may be discarded.
    inner: bool,
}

impl TraceSink for Search<'_> {
    fn block(&mut self, block: BlockTrace) -> bool {
        if self.at == Some(block.ordinal)
            && let Some(last) = &mut self.last
        {
            last.height = Some(block.height);
            self.at = None;
        }
        true
    }

    fn durability(&mut self, durability: Durability) {
        if self.over {
            return;
        }
        self.branches.forget();
        self.forget_direct();
        let emptied = std::mem::replace(&mut self.roots, Roots::Untold) == Roots::OfOthers;
        match durability {
            Durability::Committed => {
                if emptied {
                    self.doubt();
                }
                self.durable.clone_from(&self.last);
            }
            Durability::Discarded => self.last.clone_from(&self.durable),
            Durability::Unknown => (self.last, self.durable) = (None, None),
        }
        if durability != Durability::Committed {
            self.pending.clear();
            self.aborted = false;
            self.at = None;
        }
    }

    fn any_line(&mut self, line: &[u8], number: u64) {
        if self.over {
            return;
        }
        let Some(branching) = self.vocabulary.branching(line) else {
            return;
        };
        match self.branches.take(branching, number) {
            Effect::Writes(writes) => self.hold(writes.into_iter().map(|(_, pending)| pending)),
            Effect::Unknown => self.doubt(),
        }
    }

    fn line(&mut self, ordinal: u64, _unit: usize, line: &[u8], number: u64) {
        if number >= self.before {
            self.reach();
            return;
        }
        let vocabulary = self.vocabulary;
        if vocabulary.settles_writes(line) {
            if std::mem::take(&mut self.aborted) {
                self.pending.clear();
            }
            self.keep_pending();
            self.branches.forget();
            self.forget_direct();
        }
        if vocabulary.role_of(line) == Role::Begin {
            self.branches.begins();
        }
        self.note_direct(line);
        self.aborted |= vocabulary.aborts(line);
        if let Some((tx, true)) = vocabulary.outcome(line) {
            let gone = |pending: &Pending| {
                pending.tx == Some(tx) && (!pending.inner || self.direct.contains(&tx))
            };
            self.pending.retain(|pending| !gone(pending));
        }
        if let Some(store) = vocabulary.root_of(line) {
            let is_own = store == self.key.store || self.roots == Roots::Told;
            self.roots = if is_own { Roots::Told } else { Roots::OfOthers };
        }
        let mentions_key = |needle: &memmem::Finder<'_>| needle.find(line).is_some();
        if self.needle.as_ref().is_none_or(mentions_key) {
            self.look_at(ordinal, line, number);
        }
    }
}

impl<'a> Search<'a> {
    fn new(
        vocabulary: &'static dyn Vocabulary,
        key: &'a StoreKey,
        needle: Option<memmem::Finder<'a>>,
        before: u64,
    ) -> Search<'a> {
        Search {
            vocabulary,
            key,
            needle,
            before,
            over: false,
            pending: Vec::new(),
            branches: Branches::new(),
            direct: HashSet::new(),
            crowded: false,
            roots: Roots::Untold,
            aborted: false,
            last: None,
            at: None,
            written_in: 0,
            durable: None,
        }
    }
}

impl Search<'_> {
    /// Notes a transaction that writes directly on the execution's own branch, whatever key it
    /// writes.
    fn note_direct(&mut self, line: &[u8]) {
        if self.branches.is_branch_known()
            && !self.branches.is_inner()
            && self.vocabulary.written(line).is_some()
        {
            self.direct.extend(self.vocabulary.transaction(line));
        }
        if self.direct.len() > PENDING {
            self.direct = HashSet::new();
            self.crowded = true;
            self.doubt();
        }
    }

    fn forget_direct(&mut self) {
        self.direct.clear();
        self.crowded = false;
    }

    /// Holds writes that may still be discarded. If there are too many, it keeps only the newest
    /// of the earlier ones, as unsure.
    fn hold(&mut self, writes: impl IntoIterator<Item = Pending>) {
        if self.pending.len() >= PENDING {
            self.doubt();
        }
        self.pending.extend(writes);
    }

    /// Takes a line that may be about the key.
    fn look_at(&mut self, ordinal: u64, line: &[u8], number: u64) {
        let vocabulary = self.vocabulary;
        let is_key = |(store, key): &(String, &[u8])| {
            *store == self.key.store
                && values::normal_string(key) == values::normal_string(&self.key.raw)
        };
        if let Some((store, key, value)) = vocabulary.written(line) {
            if is_key(&(store, key)) {
                self.write(ordinal, line, value, number);
            }
        } else if vocabulary.asked_key(line).as_ref().is_some_and(is_key) {
            self.confirm(ordinal, vocabulary.answer(line));
        }
    }

    fn write(&mut self, ordinal: u64, line: &[u8], value: Option<&[u8]>, number: u64) {
        let vocabulary = self.vocabulary;
        let leaves = vocabulary.leaves(line);
        let is_certain = leaves || self.branches.is_branch_known();
        let write = Write {
            height: None,
            crank: vocabulary.numbers(line).crank,
            line_number: number,
            value: value.map(|value| String::from_utf8_lossy(value).into_owned()),
            kept: vocabulary.kept_value(line),
            unsure: self.crowded || (!is_certain && vocabulary.has_branches()),
        };
        let pending = Pending {
            write,
            ordinal,
            tx: vocabulary.transaction(line),
            inner: self.branches.is_inner(),
        };
        let effect = match leaves {
            true => Some(pending),
            false => self.branches.write(SEARCHED, number, pending),
        };
        self.hold(effect);
    }

    /// A read in a later block that returns the value proves that the write took effect.
    fn confirm(&mut self, ordinal: u64, answer: Option<&[u8]>) {
        if let (Some(last), Some(answer)) = (&mut self.last, answer)
            && self.written_in < ordinal
            && self.pending.is_empty()
            && matches!(self.branches.see(&SEARCHED), Visible::Own(_))
        {
            let answer = Some(answer).filter(|answer| *answer != b"null");
            let answer = answer.map(String::from_utf8_lossy);
            last.unsure &= answer.as_deref() != last.value.as_deref();
        }
    }

    /// Reaches the line. The crank, transaction or branch that reads there sees its own writes.
    fn reach(&mut self) {
        if self.over {
            return;
        }
        self.over = true;
        self.keep_pending();
        match self.branches.see(&SEARCHED) {
            Visible::Written(own) => {
                (self.last, self.at) = (Some(own.write.clone()), Some(own.ordinal));
            }
            Visible::Own(_) => {}
            Visible::Unknown => self.doubt(),
        }
    }

    /// Marks the last write as unsure: there may be a later one.
    fn doubt(&mut self) {
        self.keep_pending();
        if let Some(last) = &mut self.last {
            last.unsure = true;
        }
    }

    fn keep_pending(&mut self) {
        if let Some(newest) = self.pending.drain(..).next_back() {
            self.last = Some(newest.write);
            self.at = Some(newest.ordinal);
            self.written_in = newest.ordinal;
        }
    }
}

#[cfg(test)]
mod tests {
    use haltbox_model::Profile;

    use super::*;
    use crate::vocabulary;

    #[test]
    fn a_block_without_an_end_is_bounded_and_its_writes_are_unsure() {
        let profile = Profile::builtin("host").expect("a profile");
        let key = StoreKey {
            store: "a".to_owned(),
            raw: br#""01""#.to_vec(),
        };
        let mut search = Search::new(vocabulary::of(&profile), &key, None, u64::MAX);
        let mut number = 0;
        let mut line = |search: &mut Search<'_>, text: &str| {
            number += 1;
            search.any_line(text.as_bytes(), number);
            search.line(0, 0, text.as_bytes(), number);
        };
        line(&mut search, r#"{"type":"branch","branch":0}"#);
        for tx in 0..2 * PENDING {
            let write = format!(
                r#"{{"type":"op-write","tx":{tx},"op":0,"store":"a","key":"01","value":"02"}}"#
            );
            line(&mut search, &write);
            assert!(search.pending.len() <= PENDING && search.direct.len() <= PENDING);
        }
        assert!(search.last.is_some_and(|last| last.unsure));
    }
}
