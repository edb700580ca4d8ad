//! What a source tells of its blocks before its lines are read.

use haltbox_format::blackbox::{BlockEntry, Identity};
use haltbox_format::mark::{Attempt, Position, State};
use haltbox_format::{AppHash, Digest};
use haltbox_model::lifecycle::Block;

/// A block as a ring's marks or a box's index tell of it.
#[derive(Clone, Debug)]
pub struct IndexedBlock {
    /// Which attempt.
    pub of: Attempt,
    /// Its first line.
    pub from: Position,
    /// Where what follows no longer belongs to it.
    pub until: Option<Position>,
    /// Where it stands.
    pub state: Option<State>,
    /// This node's AppHash.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    pub network: Option<AppHash>,
    /// Why it is pinned, or what diverged; an index does not tell.
    pub why: Option<String>,
    /// Its execution is there from the first entry to the last, as far as is
    /// told.
    pub whole: bool,
    /// The HASH that an index promises.
    pub promised: Option<IndexedHash>,
    /// How many lines it has, by an index: a block may begin in a hole.
    pub lines: Option<u64>,
}

/// A HASH that an index tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedHash {
    /// As it stands there.
    pub hash: String,
    /// The digest of the rules it was made by, where that is told.
    pub by: Option<Digest>,
}

impl From<&Block> for IndexedBlock {
    fn from(block: &Block) -> IndexedBlock {
        IndexedBlock {
            of: block.of,
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
    /// A block as a recording's entries alone tell of it. That the next block
    /// began confirms nothing where no AppHash of the network was compared.
    pub fn by_lines(block: &Block) -> IndexedBlock {
        let known = IndexedBlock::from(block);
        match (block.state, block.network) {
            (State::Confirmed, None) => IndexedBlock {
                state: Some(State::Committed),
                ..known
            },
            _ => known,
        }
    }

    /// A block that nothing is told of.
    pub fn untold(of: Attempt) -> IndexedBlock {
        IndexedBlock {
            of,
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

    /// A block of the index of the box `of`, whose lines are counted from `first`. An index does
    /// not tell where lines of other streams belong: none is behind its
    /// beginning.
    pub fn of_entry(entry: &BlockEntry, first: u64, of: &Identity) -> IndexedBlock {
        let at = |line: u64| Position {
            main: first.saturating_add(line),
            local: u64::MAX,
        };
        IndexedBlock {
            of: Attempt {
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
                by: of.profile_digest,
            }),
            lines: Some(entry.lines),
        }
    }
}
