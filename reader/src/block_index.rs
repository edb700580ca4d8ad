//! What a source says about its blocks before its lines are read.

use haltbox_format::blackbox::{BlockEntry, Identity};
use haltbox_format::mark::{Attempt, Position, State};
use haltbox_format::{AppHash, Digest};
use haltbox_model::lifecycle::Block;

/// A block as the marks of a ring or the index of a box describe it.
#[derive(Clone, Debug)]
pub struct IndexedBlock {
    /// Its height and attempt.
    pub attempt: Attempt,
    /// Position of its first line.
    pub from: Position,
    /// Position from which on entries no longer belong to it.
    pub until: Option<Position>,
    /// Its state.
    pub state: Option<State>,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network: Option<AppHash>,
    /// Why it is pinned, or what diverged; `None` from an index, which does not record it.
    pub why: Option<String>,
    /// Its execution is recorded from the first entry to the last, as far as the source says.
    pub whole: bool,
    /// The HASH in an index.
    pub promised: Option<IndexedHash>,
    /// Number of its lines, from an index. It shows whether the beginning of the block is in a
    /// hole.
    pub lines: Option<u64>,
}

/// A HASH in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedHash {
    /// The HASH as the index has it.
    pub hash: String,
    /// The digest of the rules with which it was computed, if recorded.
    pub by: Option<Digest>,
}

impl From<&Block> for IndexedBlock {
    fn from(block: &Block) -> IndexedBlock {
        IndexedBlock {
            attempt: block.of,
            from: block.from,
            until: block.until,
            state: Some(block.state),
            app_hash: block.app_hash,
            network: block.network,
            why: block.why.clone(),
            whole: block.is_complete(),
            promised: None,
            lines: None,
        }
    }
}

impl IndexedBlock {
    /// A block as the entries of a recording alone describe it. The begin of the next block
    /// confirms nothing if no AppHash of the network was compared.
    pub fn by_lines(block: &Block) -> IndexedBlock {
        let known = IndexedBlock {
            // What a log shipper sends again may begin behind the block's own first entry.
            whole: block.is_complete() && !block.early,
            ..IndexedBlock::from(block)
        };
        match (block.state, block.network) {
            (State::Confirmed, None) => IndexedBlock {
                state: Some(State::Committed),
                ..known
            },
            _ => known,
        }
    }

    /// A block of which nothing else is known.
    pub fn unknown(attempt: Attempt) -> IndexedBlock {
        IndexedBlock {
            attempt,
            from: Position::default(),
            until: None,
            state: None,
            app_hash: None,
            network: None,
            why: None,
            whole: false,
            promised: None,
            lines: None,
        }
    }

    /// A block of the index of the box `of`, whose lines are counted from `first`. The index does
    /// not say where lines of other streams belong, so all of them count as before its beginning.
    pub fn of_entry(entry: &BlockEntry, first: u64, identity: &Identity) -> IndexedBlock {
        let at = |line: u64| Position {
            main: first.saturating_add(line),
            local: u64::MAX,
        };
        IndexedBlock {
            attempt: Attempt {
                height: entry.height,
                attempt: entry.attempt,
            },
            from: at(entry.first_line),
            until: Some(at(entry.first_line.saturating_add(entry.lines))),
            state: entry.state,
            app_hash: entry.app_hash,
            network: entry.network_app_hash,
            why: None,
            whole: entry.hash.is_some(),
            promised: entry.hash.clone().map(|hash| IndexedHash {
                hash,
                by: identity.profile_digest,
            }),
            lines: Some(entry.lines),
        }
    }
}
