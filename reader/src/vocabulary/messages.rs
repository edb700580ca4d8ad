//! Cross-chain messages and a watcher's verdicts on them: the entries of the `messages`
//! profile. docs/op-stack.md describes them.
//!
//! A tape holds the blocks of one chain that execute messages, and no others. The chain may
//! replace a block. The contents of a block are canonical. Whether its messages are valid
//! depends on other chains, and is recorded separately (`messages/judging.rs`).

pub mod entry;
mod judging;

use haltbox_model::json;

use super::entry as lines;
use super::{Judging, Numbers, Role, Vocabulary, Written};
use crate::carrier::Origin;
use crate::values;
use entry::{Check, ChecksMissing, Incident, WatchEntry};

/// What an entry says about checks.
#[derive(Clone, Debug)]
pub enum Checked {
    /// A check was made.
    Check(Box<Check>),
    /// Some checks are not recorded.
    Missing(ChecksMissing),
}

/// Entries of a watcher of one chain.
#[derive(Debug)]
pub struct Messages;

impl Vocabulary for Messages {
    fn block_begins(&self) -> &'static str {
        "block-seen"
    }

    /// The chain decides what a block holds, so a difference between two watchers is the fault of
    /// neither.
    fn role(&self, kind: &[u8]) -> Role {
        match kind {
            b"block-seen" => Role::Begin,
            b"message" | b"malformed" => Role::Trigger,
            b"block-read" => Role::End,
            _ => Role::Other,
        }
    }

    fn numbers(&self, line: &[u8]) -> Numbers {
        Numbers {
            log: json::find(line, b"log").and_then(values::read_u64),
            ..Numbers::default()
        }
    }

    fn brief(&self, line: &str) -> String {
        let words = WatchEntry::read(line.as_bytes()).and_then(|entry| entry.words());
        let kind = lines::type_of(line.as_bytes());
        words.map_or_else(|| line.to_owned(), |words| format!("{kind} {words}"))
    }

    /// The number of a log is its place in the block, which the chain decides.
    fn own_numbers(&self) -> &'static [&'static str] {
        &[]
    }

    fn input_number(&self) -> &'static str {
        "log"
    }

    fn asked_key<'a>(&self, _line: &'a [u8]) -> Option<(String, &'a [u8])> {
        None
    }

    fn answer<'a>(&self, _line: &'a [u8]) -> Option<&'a [u8]> {
        None
    }

    fn written<'a>(&self, _line: &'a [u8]) -> Option<Written<'a>> {
        None
    }

    fn settles_writes(&self, _line: &[u8]) -> bool {
        false
    }

    fn is_as_written(&self, line: &[u8], origin: Origin) -> bool {
        origin == Origin::Recorded || lines::is_compact(line) && values::has_usual_escapes(line)
    }

    fn other_trigger(&self) -> Option<&'static str> {
        Some(
            "the same block contains another message here: a node of the chain reported wrong \
             contents of the block to one of the two sides",
        )
    }

    fn has_cranks(&self) -> bool {
        false
    }

    fn has_app_hashes(&self) -> bool {
        false
    }

    fn records_every_height(&self) -> bool {
        false
    }

    fn replaces_blocks(&self) -> bool {
        true
    }

    fn incident(&self, line: &[u8]) -> Option<(Incident, u64)> {
        match WatchEntry::read(line).filter(|_| lines::is_type(line, "incident"))? {
            WatchEntry::Incident { incident, at } => Some((*incident, at)),
            _ => None,
        }
    }

    fn checked(&self, line: &[u8]) -> Option<Checked> {
        let kinds = ["check", "checks-missing"];
        let is_one = kinds.iter().any(|kind| lines::is_type(line, kind));
        match WatchEntry::read(line).filter(|_| is_one)? {
            WatchEntry::Check(check) => Some(Checked::Check(Box::new(check))),
            WatchEntry::ChecksMissing(missing) => Some(Checked::Missing(missing)),
            _ => None,
        }
    }

    fn judging(&self) -> Option<Box<dyn Judging>> {
        Some(Box::<judging::OfMessages>::default())
    }
}
