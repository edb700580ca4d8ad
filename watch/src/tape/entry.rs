//! The entries of a tape.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::book::{Change, Standing};
use crate::chain::{FullHeader, Header};
use crate::finder::FoundMessage;
use crate::incident::Record;
use crate::opinion::{Opinion, Question, Says};

/// One entry. The members are in the order of the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    /// A new tape begins: no block before its first one can be missing.
    TapeStart {
        /// The version of the writer.
        haltbox: String,
    },
    /// A block that executes messages begins.
    BlockSeen {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The hash of its parent.
        parent: B256,
        /// Its timestamp, in seconds.
        timestamp: u64,
    },
    /// A message that it executes.
    Message {
        /// Number of the executing log among all logs of the block.
        log: u32,
        /// The transaction.
        tx: B256,
        /// How its access list declares the message.
        declared: String,
        /// The chain of the log that it names, in decimal.
        chain: String,
        /// The height of that log's block.
        named: u64,
        /// The timestamp of that block.
        timestamp: u64,
        /// The log's number.
        index: u32,
        /// The contract that emitted it.
        origin: Address,
        /// Digest of its topics and data.
        payload: B256,
    },
    /// A log of the inbox that is not a message.
    Malformed {
        /// Its number among all logs of the block.
        log: u32,
        /// The transaction.
        tx: B256,
        /// Why.
        why: String,
    },
    /// The block ends.
    BlockRead {
        /// Its height.
        block: u64,
    },
    /// The standing of messages of a block.
    Status {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The executing logs.
        logs: Vec<u32>,
        /// `unknown`, `valid` or `invalid`.
        is: String,
        /// The broken rule, in a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// The reason, as a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Whether they changed from valid to invalid, or back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        flip: bool,
        /// The hash of the block that they name, if its contents decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named_hash: Option<B256>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// A block with messages is no longer part of the chain.
    Orphan {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The reason.
        why: String,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// All messages up to a height are settled.
    Settled {
        /// That height.
        block: u64,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// How far the chain was read.
    Cursor(Cursor),
    /// Heights whose blocks no node has.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// Why.
        why: String,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// The chain's nodes went away, or came back.
    Node {
        /// Whether one answers.
        up: bool,
        /// The reason.
        why: String,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// The state of an incident.
    Incident {
        /// The incident.
        incident: Box<Record>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// An endpoint for second opinions or levels changed its state.
    Endpoint {
        /// Its kind and address.
        endpoint: String,
        /// `answers`, `failsafe`, `not-ready`, `refuses` or `down`.
        is: String,
        /// Its answer, or the reason.
        text: String,
        /// Its error code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
        /// Microseconds from the question to the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_us: Option<u64>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// An endpoint begins or ends to disagree with the watcher about a message.
    Opinion {
        /// Height of the block that executes it.
        block: u64,
        /// The block's hash.
        hash: B256,
        /// The executing log.
        log: u32,
        /// The transaction.
        tx: B256,
        /// The endpoint.
        endpoint: String,
        /// The watcher's own verdict: `valid` or `invalid`.
        own: String,
        /// The endpoint's verdict.
        other: String,
        /// Its error code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
        /// Its error message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// How often it disagreed.
        asks: u32,
        /// Microseconds from the question to the answer.
        took_us: u64,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// A window in which no conclusion is drawn begins or ends.
    Reset {
        /// The source that rewinds.
        source: String,
        /// Whether the window begins.
        open: bool,
        /// Why.
        why: String,
        /// Length of the window, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_ms: Option<u64>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// A node of the chain follows another fork, or returned to the chain.
    Fork {
        /// Its address.
        node: String,
        /// Whether it follows another fork.
        differs: bool,
        /// The lowest compared height at which it differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<u64>,
        /// The header of the watcher's block there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own_header: Option<FullHeader>,
        /// The header of the node's block.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other_header: Option<FullHeader>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// The header of a block that contains an invalid message, that replaced such a
    /// block, or that a source reports in place of the chain's own.
    Header {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The header, as a node returned it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<FullHeader>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Supernodes begin or end to report different roots for a timestamp that all of them
    /// have finalized.
    SuperRoots {
        /// That timestamp, in seconds.
        timestamp: u64,
        /// Whether the roots differ.
        differ: bool,
        /// The answer of each supernode.
        answers: Vec<RootTold>,
        /// Milliseconds since 1970.
        at: u64,
    },
}

/// The answer of a supernode about a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootTold {
    /// Its address.
    pub endpoint: String,
    /// The root, if the answer has one.
    pub super_root: Option<String>,
    /// Its answer, cut if it is long.
    pub answer: String,
    /// Microseconds from the question to the answer.
    pub took_us: u64,
}

/// How far a chain was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Height of the newest block.
    pub block: u64,
    /// Its hash.
    pub hash: B256,
    /// Height of the newest finalized block, if the node reported it.
    pub finalized: Option<u64>,
    /// All messages below this height are settled.
    pub from: u64,
    /// Milliseconds since 1970.
    pub at: u64,
}

impl Entry {
    pub(super) fn seen(header: &Header) -> Entry {
        Entry::BlockSeen {
            block: header.number,
            hash: header.hash,
            parent: header.parent,
            timestamp: header.timestamp,
        }
    }

    pub(super) fn of_message(found: &FoundMessage) -> Entry {
        let (log, tx) = (found.log, found.transaction);
        match found.message {
            Ok(message) => Entry::Message {
                log,
                tx,
                declared: found.declared.word().to_owned(),
                chain: message.place.chain.to_string(),
                named: message.place.block,
                timestamp: message.place.timestamp,
                index: message.place.log,
                origin: message.origin,
                payload: message.payload,
            },
            Err(malformed) => Entry::Malformed {
                log,
                tx,
                why: malformed.to_string(),
            },
        }
    }

    pub(crate) fn opinion(
        question: &Question,
        opinion: &Opinion,
        endpoint: String,
        asks: u32,
        at: u64,
    ) -> Entry {
        let site = question.site;
        let other = opinion.says.map_or("nothing", Says::word);
        Entry::Opinion {
            block: site.number,
            hash: site.block,
            log: site.log,
            tx: site.transaction,
            endpoint,
            own: question.own.word().to_owned(),
            other: other.to_owned(),
            code: opinion.code,
            error: opinion.error.clone(),
            asks,
            took_us: u64::try_from(opinion.took.as_micros()).unwrap_or(u64::MAX),
            at,
        }
    }

    /// The entry as a line of the ring.
    pub(super) fn line(&self) -> Vec<u8> {
        // Serialising cannot fail: names are text, numbers are whole.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Parses a line. `None` for a line of another version, or of another kind.
    pub(super) fn read(line: &[u8]) -> Option<Entry> {
        serde_json::from_slice(line).ok()
    }
}

/// Joins equal changes of a block into one entry.
pub(super) fn statuses(changes: &[Change], at: u64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for change in changes {
        let one = status(change, at);
        match entries
            .iter_mut()
            .rev()
            .find_map(|entry| joined(entry, &one))
        {
            Some(logs) => logs.push(change.site.log),
            None => entries.push(one),
        }
    }
    entries
}

/// The logs of `entry`, if it equals `one` except for the logs.
fn joined<'a>(entry: &'a mut Entry, one: &Entry) -> Option<&'a mut Vec<u32>> {
    let without = |entry: &Entry| {
        let mut entry = entry.clone();
        if let Entry::Status { logs, .. } = &mut entry {
            logs.clear();
        }
        entry
    };
    let same = without(entry) == without(one);
    match entry {
        Entry::Status { logs, .. } if same => Some(logs),
        _ => None,
    }
}

fn status(change: &Change, at: u64) -> Entry {
    let fault = match &change.to {
        Standing::Invalid(fault) => Some(fault),
        Standing::Unknown | Standing::Valid => None,
    };
    Entry::Status {
        block: change.site.number,
        hash: change.site.block,
        logs: vec![change.site.log],
        is: change.to.word().to_owned(),
        why: fault.map(|fault| fault.word().to_owned()),
        text: fault.map(ToString::to_string),
        flip: change.flip,
        named_hash: change.named,
        at,
    }
}
