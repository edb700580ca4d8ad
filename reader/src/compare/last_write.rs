//! Who wrote a key of a store last.

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

/// The key that is searched for: there is but one.
const SEARCHED: KeyDigest = KeyDigest {
    store: [0; 16],
    key: [0; 16],
};

/// Writes of the key that may still be thrown away, and transactions that are remembered.
const PENDING: usize = 1 << 16;

/// A key of a store: a vat's, or a chain's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKey {
    /// The vat, or the store's name.
    pub store: String,
    /// The key as it stands in the entry, escapes and all.
    pub(super) raw: Vec<u8>,
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
    /// The recording does not tell whether it took effect, or was thrown away with the
    /// cache that it went into.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
}

/// The last writes of a key on both sides.
#[derive(Clone, Debug)]
pub struct LastWrite {
    /// The key.
    pub key: StoreKey,
    /// It was read at the place; else it is written there.
    pub is_read: bool,
    /// The last write before that; none if the recording does not go back to it.
    pub writes: [Option<Write>; 2],
}

/// The last write of `key` before a slog line, as far as the source goes back.
/// Writes of cranks and branches that were thrown away do not count.
///
/// # Errors
/// What reading gives.
pub fn find(recording: &Recording, key: &StoreKey, before: u64) -> io::Result<Option<Write>> {
    // Another JSON writer may have written the key otherwise.
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
    /// The line was reached: what becomes of writes later says nothing of them there.
    over: bool,
    /// Writes of the crank or transaction, which may still be thrown away.
    pending: Vec<Pending>,
    branches: Branches<Pending>,
    /// Transactions that wrote on the execution's own branch.
    direct: HashSet<u64>,
    /// There are more of them than are remembered: what is gone with them is not known.
    crowded: bool,
    /// Whether the store has a root in the block.
    roots: Roots,
    aborted: bool,
    last: Option<Write>,
    /// Execution that `last` stands in, until its height is known.
    at: Option<u64>,
    /// Execution that it stands in.
    written_in: u64,
    /// The last write that was committed.
    durable: Option<Write>,
}

/// What a block tells of the roots of stores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Roots {
    Untold,
    /// Of other stores alone: this one is no part of the state, and may be emptied.
    OfOthers,
    /// Of this one too.
    Told,
}

struct Pending {
    write: Write,
    /// The execution it stands in.
    ordinal: u64,
    tx: Option<u64>,
    /// It was made on a branch, which may be thrown away by itself.
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
        let Some(told) = self.vocabulary.branching(line) else {
            return;
        };
        match self.branches.take(told, number) {
            Effect::Writes(writes) => self.hold(writes.into_iter().map(|(_, of)| of)),
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
            let own = store == self.key.store || self.roots == Roots::Told;
            self.roots = if own { Roots::Told } else { Roots::OfOthers };
        }
        let sighted = |needle: &memmem::Finder<'_>| needle.find(line).is_some();
        if self.needle.as_ref().is_none_or(sighted) {
            self.sight(ordinal, line, number);
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
    /// A transaction that writes on the execution's own branch, whatever it writes.
    fn note_direct(&mut self, line: &[u8]) {
        if self.branches.is_told()
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

    /// Writes that may still be thrown away. Where there are too many, only the newest
    /// before them is kept, and whether it took effect is not known.
    fn hold(&mut self, writes: impl IntoIterator<Item = Pending>) {
        if self.pending.len() >= PENDING {
            self.doubt();
        }
        self.pending.extend(writes);
    }

    /// A line that may be of the key.
    fn sight(&mut self, ordinal: u64, line: &[u8], number: u64) {
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
        let told = leaves || self.branches.is_told();
        let write = Write {
            height: None,
            crank: vocabulary.numbers(line).crank,
            line_number: number,
            value: value.map(|value| String::from_utf8_lossy(value).into_owned()),
            kept: vocabulary.kept_value(line),
            unsure: self.crowded || (!told && vocabulary.has_branches()),
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

    /// What a later block reads took effect.
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

    /// The crank, transaction or branch that reads sees its own writes.
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

    /// Something may have been written behind what is known.
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
