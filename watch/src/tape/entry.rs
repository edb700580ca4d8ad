//! The entries of a tape.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::book::{Change, Standing};
use crate::chain::{FullHeader, Header};
use crate::finder::FoundMessage;
use crate::incident::Record;
use crate::opinion::{Opinion, Question, Says};

/// One entry. The order of the members is that in which they stand in the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    /// A new tape begins: nothing before its first block can be missing.
    TapeStart {
        /// The version that writes it.
        haltbox: String,
    },
    /// A block that executes messages begins.
    BlockSeen {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The hash of the block below it.
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
        /// What its access list says of the message.
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
    /// A log of the inbox that is no message.
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
    /// Messages of a block are judged.
    Status {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The executing logs.
        logs: Vec<u32>,
        /// `unknown`, `valid` or `invalid`.
        is: String,
        /// The rule that they break, in a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// The same in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// They were known to be otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        flip: bool,
        /// The hash of the block that they name, where what stands in it decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named_hash: Option<B256>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// A block with messages is not the chain's any more.
    Orphan {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// How that is known.
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
    /// Heights that nobody can tell of.
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
        /// What was told.
        why: String,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// How an incident stands.
    Incident {
        /// The incident.
        incident: Box<Record>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// An endpoint that is asked for a second opinion, or for levels, is in another state.
    Endpoint {
        /// Its kind and where it is.
        endpoint: String,
        /// `answers`, `failsafe`, `not-ready`, `refuses` or `down`.
        is: String,
        /// What it told, or how that is known.
        text: String,
        /// The number of its error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
        /// Microseconds from the question to the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_us: Option<u64>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// An endpoint says otherwise of a message than the watcher, or the same again.
    Opinion {
        /// Height of the block that executes it.
        block: u64,
        /// The block's hash.
        hash: B256,
        /// The executing log.
        log: u32,
        /// The transaction.
        tx: B256,
        /// Who says so.
        endpoint: String,
        /// The watcher's own verdict: `valid` or `invalid`.
        own: String,
        /// The endpoint's.
        other: String,
        /// The number of its error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
        /// Its error in its own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// So often it disagreed.
        asks: u32,
        /// Microseconds from the question to the answer.
        took_us: u64,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// A window in which nothing is concluded begins or ends.
    Reset {
        /// What rewinds.
        source: String,
        /// It begins.
        open: bool,
        /// Why.
        why: String,
        /// Milliseconds that it was open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_ms: Option<u64>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// A node of the chain follows another fork, or the chain again.
    Fork {
        /// Where it is.
        node: String,
        /// It follows another fork.
        differs: bool,
        /// The lowest height that was compared and at which it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<u64>,
        /// The header of the block there that the watcher follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own_header: Option<FullHeader>,
        /// That of the node's block.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other_header: Option<FullHeader>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// The header of a block in which an invalid message stood, or that took its place, or
    /// that somebody tells of in place of the chain's own.
    Header {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: B256,
        /// The header, as a node told it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<FullHeader>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Supernodes tell two roots of a timestamp that all of them have finalized, or one again.
    SuperRoots {
        /// That timestamp, in seconds.
        timestamp: u64,
        /// They are not the same.
        differ: bool,
        /// What each told.
        answers: Vec<RootTold>,
        /// Milliseconds since 1970.
        at: u64,
    },
}

/// What a supernode told of a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootTold {
    /// Where it is.
    pub endpoint: String,
    /// The root, if it told one.
    pub super_root: Option<String>,
    /// Its answer, cut off where it is long.
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
    /// Height of the newest finalized block, if the node told.
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

    /// The entry as it stands in the ring.
    pub(super) fn line(&self) -> Vec<u8> {
        // Nothing in it can fail to be written: names are text, numbers are whole.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None`: a line of another version, or no entry.
    pub(super) fn read(line: &[u8]) -> Option<Entry> {
        serde_json::from_slice(line).ok()
    }
}

/// Changes of a block that say the same become one entry.
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

/// The logs of an entry, if it says of another block's messages what this one does.
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
