//! What entries mean to a comparison.
//!
//! A host's entries have names and members of their own. A [`Vocabulary`] says of each
//! what it is to a comparison: its [`Role`], its numbers, what it reads and writes, its
//! words for people. The profile chooses it ([`of`]). No other module knows a host's
//! types and members; a new host's entries are one more folder here.

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

/// All that are known.
const ALL: [&dyn Vocabulary; 3] = [
    &swingset::SwingSet,
    &transactions::Transactions,
    &messages::Messages,
];

/// That of a profile's host: the one whose blocks begin as its blocks do, else one of
/// whose entries it knows, else that of transactions, which asks least of a host.
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

/// Store, key and value of a write; no value if it deletes. The key stands as in the
/// entry, escapes and all.
pub type Written<'a> = (String, &'a [u8], Option<&'a [u8]>);

/// What an entry tells of branches: caches of an execution whose writes take effect when
/// they are written to the one they were made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branching {
    /// The operations that follow are made on this branch, which was made of that one. 0 is
    /// the execution's own.
    On(u64, Option<u64>),
    /// Nobody tells on which branch they are made.
    Untold,
    /// This branch was written to the one it was made of.
    Written(u64),
}

/// Two types of entries that only come in pairs.
#[derive(Debug)]
pub struct Span {
    /// The first of the two.
    pub opening: &'static str,
    /// The second.
    pub closing: &'static str,
    /// Before its block begins a sender may leave out both.
    pub of_begun: bool,
}

/// What a recording tells of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The digest of its bytes, in capitals as explorers show it.
    pub hash: Option<String>,
    /// The types of its messages.
    pub messages: Vec<String>,
}

impl Transaction {
    /// What else is told of it.
    pub fn add(&mut self, other: Transaction) {
        self.hash = other.hash.or(self.hash.take());
        if !other.messages.is_empty() {
            self.messages = other.messages;
        }
    }
}

/// What is counted of a block, in a table of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Cranks, of a host whose blocks run them.
    Cranks,
    /// Cranks, of a host that may have some.
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

    /// It is left out where it is 0 everywhere.
    pub fn may_be_empty(self) -> bool {
        self == Column::OwnCranks
    }
}

/// How much of two recordings was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparedAmount {
    /// Cranks.
    pub cranks: u64,
    /// Inputs.
    pub inputs: u64,
    /// Reads and writes outside cranks.
    pub steps: u64,
}

/// What a request to the host or the kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// It reads a store.
    Read,
    /// It asks a device, and so the host.
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

    /// The numbers that place an entry.
    fn numbers(&self, line: &[u8]) -> Numbers;

    /// An entry in one line for people.
    fn brief(&self, line: &str) -> String;

    /// The role of an entry.
    fn role_of(&self, line: &[u8]) -> Role {
        self.role(entry::type_of(line).as_bytes())
    }

    // ---- numbers ----

    /// Members that number an entry, and what follows from its numbers: they shift when
    /// something before it is moved, inserted or left out.
    fn own_numbers(&self) -> &'static [&'static str];

    /// An entry without the numbers of objects that shift in the same way.
    fn without_references(&self, entry: Vec<u8>) -> Vec<u8> {
        entry
    }

    /// The member that says where an input came in, not what it is.
    fn input_number(&self) -> &'static str;

    /// The number an input came with, for people.
    fn input_name(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// Whether the numbers of such entries tell where in their crank they belong.
    fn is_numbered(&self, _role: Role) -> bool {
        false
    }

    // ---- stores ----

    /// The store and the key that an entry asks for, or reads by itself.
    fn asked_key<'a>(&self, line: &'a [u8]) -> Option<(String, &'a [u8])>;

    /// The value that an entry tells of what was asked for, or that it read by itself.
    fn answer<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]>;

    /// What an entry writes.
    fn written<'a>(&self, line: &'a [u8]) -> Option<Written<'a>>;

    /// The entry tells what its block leaves under a key, and not how it came to that.
    fn leaves(&self, _line: &[u8]) -> bool {
        false
    }

    /// The part of the state whose root an entry tells.
    fn root_of(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The part of the state whose roots a stream of this name has.
    fn rooted<'a>(&self, _stream: &'a str) -> Option<&'a str> {
        None
    }

    /// What was written before stands from here on, unless it was thrown away.
    fn settles_writes(&self, line: &[u8]) -> bool;

    /// What its crank or block wrote is thrown away.
    fn aborts(&self, _line: &[u8]) -> bool {
        false
    }

    /// What an entry tells of branches.
    fn branching(&self, _line: &[u8]) -> Option<Branching> {
        None
    }

    /// A host may write on branches without a word of it.
    fn has_branches(&self) -> bool {
        false
    }

    /// The transaction that an entry is of.
    fn transaction(&self, _line: &[u8]) -> Option<u64> {
        None
    }

    /// The transaction that ended here, and whether it failed.
    fn outcome(&self, _line: &[u8]) -> Option<(u64, bool)> {
        None
    }

    /// What an entry tells of a transaction: its number in the block, and the rest.
    fn transaction_facts(&self, _line: &[u8]) -> Option<(u64, Transaction)> {
        None
    }

    /// The phase of the block that begins with an entry.
    fn phase(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// What the key of an entry is, in words; `prefix` is that of the chain's addresses.
    fn key_words(&self, _line: &[u8], _prefix: Option<&str>) -> Option<String> {
        None
    }

    /// The value that an entry read or wrote, where it was kept whole.
    fn kept_value(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// What the request of an entry, or of its answer, is for.
    fn asked(&self, _line: &[u8]) -> RequestTarget {
        RequestTarget::Other
    }

    /// The same read, which gave something else.
    fn is_same_read(&self, _a: &[u8], _b: &[u8]) -> bool {
        false
    }

    /// A read of an iterator, which gives what stood there when it was made.
    fn is_of_iterator(&self, _line: &[u8]) -> bool {
        false
    }

    /// What of a step its replay must repeat.
    fn repeated<'a>(&self, _line: &'a [u8], _role: Role) -> Vec<&'a [u8]> {
        Vec::new()
    }

    // ---- how entries follow one another ----

    /// Follows the entries of a recording.
    fn entry_order(&self) -> Box<dyn EntryOrder> {
        Box::new(entry_order::Any)
    }

    /// Follows entries outside cranks that a recording may lack, or that do not decide
    /// what came of their block.
    fn step_tracker(&self) -> Option<Box<dyn StepTracker>> {
        None
    }

    /// Why the entries of one crank cannot all be there as they were written: the
    /// index of the first that does not follow.
    fn structure_fault(&self, _lines: &[&[u8]]) -> Option<(usize, String)> {
        None
    }

    /// What it means that something else came from outside at the same place, where that
    /// is always the same.
    fn other_trigger(&self) -> Option<&'static str> {
        None
    }

    /// Entries that a sender writes in pairs or not at all.
    fn spans(&self) -> &'static [Span] {
        &[]
    }

    /// A sender that leaves entries out may leave out this one without a trace.
    fn leaves_no_trace(&self, _entry: &[u8], _begun: bool, _in_crank: bool) -> bool {
        false
    }

    // ---- who wrote it ----

    /// Whether a line can be as its host wrote it, and not as another JSON writer did
    /// behind it; `origin`: who answers for its bytes.
    fn is_as_written(&self, _line: &[u8], _origin: Origin) -> bool {
        true
    }

    /// Whether no version of the host that is known here writes such entries, or this
    /// member into them.
    fn is_of_unknown_version(&self, _kind: &str, _member: Option<&str>) -> bool {
        false
    }

    // ---- the chain and its blocks ----

    /// How much there is beside whole blocks, in words behind these.
    fn amount(&self, amount: ComparedAmount) -> String {
        match self.has_cranks() {
            true => format!(", {}", crate::count::counted(amount.cranks, "crank")),
            false => String::new(),
        }
    }

    /// What tells more where a block's entries are equal and its AppHashes are not.
    fn outside(&self) -> &'static [&'static str] {
        &[]
    }

    /// What runs its blocks, for people.
    fn runner(&self) -> &'static str {
        "host"
    }

    /// Its blocks run cranks.
    fn has_cranks(&self) -> bool {
        true
    }

    /// What is counted of its blocks, for people.
    fn columns(&self) -> &'static [Column] {
        match self.has_cranks() {
            true => &[Column::Cranks],
            false => &[],
        }
    }

    /// What an entry counts as, beside cranks.
    fn counts_as(&self, _line: &[u8]) -> Option<Column> {
        None
    }

    /// Its blocks have AppHashes, which say whether a network agrees.
    fn has_app_hashes(&self) -> bool {
        true
    }

    /// Heights between two that are recorded are recorded too.
    fn records_every_height(&self) -> bool {
        true
    }

    /// The chain may put another block in the place of one, so that two recordings with
    /// other blocks at a height do not contradict one another.
    fn replaces_blocks(&self) -> bool {
        false
    }

    /// An entry says that its block is a proposal, which the network has not decided yet.
    fn is_proposal(&self, _line: &[u8]) -> bool {
        false
    }

    /// Gathers what entries say that are not canonical and yet can be compared.
    fn judging(&self) -> Option<Box<dyn Judging>> {
        None
    }

    /// What an entry tells of an incident, and when, in milliseconds since 1970.
    fn incident(&self, _line: &[u8]) -> Option<(messages::entry::Incident, u64)> {
        None
    }

    /// What an entry tells of checks of a transaction, before a block had it.
    fn checked(&self, _line: &[u8]) -> Option<messages::Checked> {
        None
    }

    // ---- the kernel's state ----

    /// A chain's very first block begins with its bootstrap.
    fn begins_chain(&self, _line: &[u8]) -> bool {
        false
    }

    /// The chain a source is of, if the entry tells.
    fn chain_id(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The vat whose state a process loads here.
    fn loaded(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// The member that names a snapshot by its content.
    fn snapshot_id(&self) -> Option<&'static str> {
        None
    }

    /// What an entry tells of a snapshot, in words.
    fn snapshot(&self, _line: &[u8]) -> String {
        String::new()
    }
}

impl dyn Vocabulary {
    /// An entry without its own numbers.
    pub fn without_own_numbers(&self, canonical: &[u8]) -> Vec<u8> {
        let mut text = canonical.to_vec();
        for member in self.own_numbers() {
            entry::drop_value(&mut text, 0, member);
        }
        text
    }

    /// An entry without its own numbers and those of objects.
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
