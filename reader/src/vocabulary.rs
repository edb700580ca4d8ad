//! What entries mean to a comparison.
//!
//! Each host names its entries and their members in its own way. A [`Vocabulary`] says what an
//! entry is to a comparison: its [`Role`], its numbers, what it reads and writes, and its
//! words for people. The profile selects the vocabulary ([`of`]). No other module knows the
//! types and members of a host. A new host's entries are one more folder here.

pub mod entry;
pub mod entry_order;
pub mod judging;
pub mod messages;
mod role;
pub mod step_tracker;
mod swingset;
mod syscall_order;
mod transactions;

use std::fmt;

use haltbox_model::Profile;

use crate::carrier::Origin;

pub use entry::Entry;
pub use entry_order::{EntryOrder, Fault};
pub use judging::{Judged, Judgement, Judging};
pub use role::{Numbers, Role};
pub use step_tracker::{StepTracker, TrackedStep};
pub use syscall_order::Steps;

/// All vocabularies.
const ALL: [&dyn Vocabulary; 3] = [
    &swingset::SwingSet,
    &transactions::Transactions,
    &messages::Messages,
];

/// Selects the vocabulary of a profile. The order of preference: the one whose blocks begin
/// with the same entry, one that knows some entry of the profile, the one of transactions,
/// which demands least of a host.
pub fn of(profile: &Profile) -> &'static dyn Vocabulary {
    let rules = profile.slog.as_ref();
    let begins = |vocabulary: &&dyn Vocabulary| {
        rules.is_some_and(|rules| rules.begins_with(vocabulary.block_begins()))
    };
    let knows = |vocabulary: &&dyn Vocabulary| {
        rules.is_some_and(|rules| rules.knows(vocabulary.block_begins()))
    };
    let found = ALL.into_iter().find(begins);
    found
        .or_else(|| ALL.into_iter().find(knows))
        .unwrap_or(&transactions::Transactions)
}

/// Store, key and value of a write. The value is `None` if the write deletes the key. The key
/// is as the entry has it, with its escapes.
pub type Written<'a> = (String, &'a [u8], Option<&'a [u8]>);

/// What an entry says about branches: caches of an execution whose writes take effect when the
/// branch is written to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branching {
    /// The following operations are made on this branch, whose parent is the second one if the
    /// entry names it. 0 is the execution itself.
    On(u64, Option<u64>),
    /// It is unknown on which branch the following operations are made.
    Untold,
    /// This branch was written to its parent.
    Written(u64),
}

/// Two types of entries that come only in pairs.
#[derive(Debug)]
pub struct Span {
    /// Type of the first entry.
    pub opening: &'static str,
    /// Type of the second entry.
    pub closing: &'static str,
    /// The pair counts only inside a block: before the block begins, a sender may drop both
    /// entries.
    pub of_begun: bool,
}

/// What a recording says about a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The digest of its bytes in upper-case hex, as explorers show it.
    pub hash: Option<String>,
    /// The types of its messages.
    pub messages: Vec<String>,
}

impl Transaction {
    /// Adds what another entry says about it.
    pub fn add(&mut self, other: Transaction) {
        self.hash = other.hash.or(self.hash.take());
        if !other.messages.is_empty() {
            self.messages = other.messages;
        }
    }
}

/// A column in a table of blocks: what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Cranks, for a host whose blocks always run them.
    Cranks,
    /// Cranks, for a host that may run some.
    OwnCranks,
    /// Transactions.
    Txs,
    /// Reads and writes of stores.
    Ops,
}

impl Column {
    /// Its head.
    pub fn name(self) -> &'static str {
        match self {
            Column::Cranks | Column::OwnCranks => "CRANKS",
            Column::Txs => "TXS",
            Column::Ops => "OPS",
        }
    }

    /// Whether the column is left out if it is 0 in every row.
    pub fn may_be_empty(self) -> bool {
        self == Column::OwnCranks
    }
}

/// How much of two recordings was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparedAmount {
    /// Number of cranks.
    pub cranks: u64,
    /// Number of inputs.
    pub inputs: u64,
    /// Number of reads and writes outside cranks.
    pub steps: u64,
}

/// What a request of a vat is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// It reads a store.
    Read,
    /// It calls a device, and so the host.
    Device,
    /// Anything else.
    Other,
}

/// What the entries of one kind of host mean.
pub trait Vocabulary: fmt::Debug + Sync {
    /// Type of the entry that begins a block.
    fn block_begins(&self) -> &'static str;

    /// The role of entries of a type.
    fn role(&self, kind: &[u8]) -> Role;

    /// The numbers that locate an entry.
    fn numbers(&self, line: &[u8]) -> Numbers;

    /// An entry in one line of text for people.
    fn brief(&self, line: &str) -> String;

    /// The role of an entry.
    fn role_of(&self, line: &[u8]) -> Role {
        self.role(entry::type_of(line).as_bytes())
    }

    // ---- numbers ----

    /// Members that number an entry, or follow from its numbers. They shift if something before
    /// the entry is moved, inserted or left out.
    fn own_numbers(&self) -> &'static [&'static str];

    /// Removes from an entry the numbers of objects, which shift in the same way.
    fn without_references(&self, entry: Vec<u8>) -> Vec<u8> {
        entry
    }

    /// The member that says where an input came in, and not what it is.
    fn input_number(&self) -> &'static str;

    /// The number that an input came with, as text.
    fn input_name(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The height that an entry bears.
    fn height(&self, _line: &[u8]) -> Option<u64> {
        None
    }

    /// Whether entries of this role have numbers that locate them in their crank.
    fn is_numbered(&self, _role: Role) -> bool {
        false
    }

    // ---- stores ----

    /// The store and the key that an entry reads, or requests.
    fn asked_key<'a>(&self, line: &'a [u8]) -> Option<(String, &'a [u8])>;

    /// The value that an entry returned for a request, or that it read itself.
    fn answer<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]>;

    /// What an entry writes.
    fn written<'a>(&self, line: &'a [u8]) -> Option<Written<'a>>;

    /// Whether the entry is a value that its block leaves under a key, and not a step on the way
    /// to it.
    fn leaves(&self, _line: &[u8]) -> bool {
        false
    }

    /// The store whose root an entry records.
    fn root_of(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The store whose roots a stream of this name holds.
    fn rooted<'a>(&self, _stream: &'a str) -> Option<&'a str> {
        None
    }

    /// Whether all earlier writes are settled from this entry on, unless they were discarded.
    fn settles_writes(&self, line: &[u8]) -> bool;

    /// Whether the writes of the entry's crank or block are discarded.
    fn aborts(&self, _line: &[u8]) -> bool {
        false
    }

    /// What an entry says about branches.
    fn branching(&self, _line: &[u8]) -> Option<Branching> {
        None
    }

    /// Whether the host may write on branches without recording them.
    fn has_branches(&self) -> bool {
        false
    }

    /// Number of the transaction that an entry belongs to.
    fn transaction(&self, _line: &[u8]) -> Option<u64> {
        None
    }

    /// The transaction that ended with this entry, and whether it failed.
    fn outcome(&self, _line: &[u8]) -> Option<(u64, bool)> {
        None
    }

    /// What an entry says about a transaction: its number in the block, and its facts.
    fn transaction_facts(&self, _line: &[u8]) -> Option<(u64, Transaction)> {
        None
    }

    /// The phase of the block that begins with an entry.
    fn phase(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// What the key of an entry is, in words. `prefix` is the prefix of the chain's addresses.
    fn key_words(&self, _line: &[u8], _prefix: Option<&str>) -> Option<String> {
        None
    }

    /// The whole value that an entry read or wrote, where the host recorded it.
    fn kept_value(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// What the request of an entry, or of its answer, is addressed to.
    fn asked(&self, _line: &[u8]) -> RequestTarget {
        RequestTarget::Other
    }

    /// Whether both entries are the same read with another result.
    fn is_same_read(&self, _a: &[u8], _b: &[u8]) -> bool {
        false
    }

    /// Whether an entry is a read of an iterator. An iterator may return what was there when it
    /// was created.
    fn is_of_iterator(&self, _line: &[u8]) -> bool {
        false
    }

    /// The members of a step that its replay must repeat.
    fn repeated<'a>(&self, _line: &'a [u8], _role: Role) -> Vec<&'a [u8]> {
        Vec::new()
    }

    // ---- how entries follow one another ----

    /// A check of the order of a recording's entries.
    fn entry_order(&self) -> Box<dyn EntryOrder> {
        Box::new(entry_order::Any)
    }

    /// A tracker for entries outside cranks that a recording may lack, or that do not decide the
    /// outcome of their block. `None` if the host has no such entries.
    fn step_tracker(&self) -> Option<Box<dyn StepTracker>> {
        None
    }

    /// Why the entries of one crank cannot be complete and in order: the index of the first wrong
    /// one, and the reason.
    fn structure_fault(&self, _lines: &[&[u8]]) -> Option<(usize, String)> {
        None
    }

    /// What it means if another entry came from outside at the same place, if that always means
    /// the same.
    fn other_trigger(&self) -> Option<&'static str> {
        None
    }

    /// Types of entries that a sender writes in pairs or not at all.
    fn spans(&self) -> &'static [Span] {
        &[]
    }

    /// Whether a sender that drops entries may drop this one without a trace.
    fn leaves_no_trace(&self, _entry: &[u8], _begun: bool, _in_crank: bool) -> bool {
        false
    }

    // ---- who wrote it ----

    /// Whether the host can have written these bytes, and not another JSON writer after it.
    /// `origin` says where the bytes come from.
    fn is_as_written(&self, _line: &[u8], _origin: Origin) -> bool {
        true
    }

    /// Whether no known version of the host writes entries of this type, or this member in them.
    fn is_of_unknown_version(&self, _kind: &str, _member: Option<&str>) -> bool {
        false
    }

    // ---- the chain and its blocks ----

    /// How much was compared besides whole blocks, as words to append.
    fn amount(&self, amount: ComparedAmount) -> String {
        match self.has_cranks() {
            true => format!(", {}", crate::count::counted(amount.cranks, "crank")),
            false => String::new(),
        }
    }

    /// What helps to find the cause if a block's entries are equal and its AppHashes differ, in
    /// words.
    fn outside(&self) -> &'static [&'static str] {
        &[]
    }

    /// What runs its blocks, in a word.
    fn runner(&self) -> &'static str {
        "host"
    }

    /// Whether its blocks run cranks.
    fn has_cranks(&self) -> bool {
        true
    }

    /// The columns of a table of its blocks.
    fn columns(&self) -> &'static [Column] {
        match self.has_cranks() {
            true => &[Column::Cranks],
            false => &[],
        }
    }

    /// The column that counts an entry; `None` for cranks and everything that is not counted.
    fn counts_as(&self, _line: &[u8]) -> Option<Column> {
        None
    }

    /// Whether its blocks have AppHashes, which show whether the network agrees.
    fn has_app_hashes(&self) -> bool {
        true
    }

    /// Whether a recording has every height between its lowest and its highest.
    fn records_every_height(&self) -> bool {
        true
    }

    /// Whether the chain may replace a block by another one. If so, two recordings with different
    /// blocks at a height do not contradict each other.
    fn replaces_blocks(&self) -> bool {
        false
    }

    /// Whether an entry says that its block is a proposal which the network has not decided yet.
    fn is_proposal(&self, _line: &[u8]) -> bool {
        false
    }

    /// Collects the verdicts of a recorder: entries that are not canonical but can be compared.
    fn judging(&self) -> Option<Box<dyn Judging>> {
        None
    }

    /// The incident that an entry reports, and when, in milliseconds since 1970.
    fn incident(&self, _line: &[u8]) -> Option<(messages::entry::Incident, u64)> {
        None
    }

    /// What an entry says about checks of a transaction before it got into a block.
    fn checked(&self, _line: &[u8]) -> Option<messages::Checked> {
        None
    }

    // ---- the kernel's state ----

    /// Whether an entry is the bootstrap, which begins a chain's first block.
    fn begins_chain(&self, _line: &[u8]) -> bool {
        false
    }

    /// The chain that the source belongs to, if the entry says.
    fn chain_id(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The vat whose state the process loads with this entry.
    fn loaded(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The member that names a snapshot by its content.
    fn snapshot_id(&self) -> Option<&'static str> {
        None
    }

    /// What an entry says about a snapshot, in words.
    fn snapshot(&self, _line: &[u8]) -> String {
        String::new()
    }
}

impl dyn Vocabulary {
    /// Replaces the entry's own numbers by 0.
    pub fn without_own_numbers(&self, canonical: &[u8]) -> Vec<u8> {
        let mut text = canonical.to_vec();
        for member in self.own_numbers() {
            entry::drop_value(&mut text, 0, member);
        }
        text
    }

    /// Replaces the entry's own numbers by 0 and removes the numbers of objects.
    pub fn without_numbers(&self, canonical: &[u8]) -> Vec<u8> {
        self.without_references(self.without_own_numbers(canonical))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_vocabulary_of_its_host() {
        let of_builtin = |name: &str| {
            let profile = Profile::builtin(name).expect("a builtin profile");
            of(&profile).block_begins()
        };
        assert_eq!(of_builtin("agoric"), "cosmic-swingset-begin-block");
        assert_eq!(of_builtin("host"), "begin-block");
        assert_eq!(of_builtin("messages"), "block-seen");
        assert_eq!(of_builtin("cosmos"), "begin-block", "there is no slog");
        let own = |begin: &str, types: &str| {
            let text = format!(
                r#"{{"profile":1,"name":"mine","slog":{{"type":"type","events":{{{begin}}},
                    "canonical":{{"types":[{types}],"cut":[]}}}}}}"#
            );
            let profile = Profile::parse(text.as_bytes(), "mine").expect("a profile");
            of(&profile).block_begins()
        };
        let begin = r#""begin":[{"type":"cosmic-swingset-begin-block","height":"blockHeight"}]"#;
        assert_eq!(own(begin, r#""*""#), "cosmic-swingset-begin-block");
        let known = r#""cosmic-swingset-*","crank-*""#;
        assert_eq!(own("", known), "cosmic-swingset-begin-block");
        assert_eq!(own("", r#""begin-*","step-*""#), "begin-block");
    }
}
