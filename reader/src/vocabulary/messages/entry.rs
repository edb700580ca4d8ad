//! The entries of a tape. Unknown words and members, of a later version, are no error.

use crate::count::counted;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// An entry of the tape that `haltbox watch` writes of one chain.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum WatchEntry {
    /// A new tape begins.
    TapeStart {
        /// The version that writes it.
        haltbox: String,
    },
    /// A block that executes messages begins.
    BlockSeen {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: String,
        /// Its timestamp, in seconds.
        timestamp: u64,
    },
    /// A message that the block executes.
    Message(Message),
    /// A log of the inbox that is not a message.
    Malformed {
        /// Its number among all logs of the block.
        log: u64,
        /// The transaction.
        tx: String,
        /// Why it is not one.
        why: String,
    },
    /// The block ends.
    BlockRead {
        /// Its height.
        block: u64,
    },
    /// A verdict on messages of a block.
    Status(Status),
    /// A block is no longer on the chain.
    Orphan {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: String,
        /// How the watcher knows.
        why: String,
    },
    /// All verdicts up to a height are final.
    Settled {
        /// That height.
        block: u64,
    },
    /// How far the watcher has read the chain.
    Cursor {
        /// Height of the newest block.
        block: u64,
        /// Its hash.
        hash: String,
        /// Height of the newest finalized block, if it is known.
        finalized: Option<u64>,
    },
    /// Heights whose blocks are unknown.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// Why.
        why: String,
    },
    /// The chain's nodes became unreachable, or reachable again.
    Node {
        /// Whether one answers.
        up: bool,
        /// What a node answered.
        why: String,
    },
    /// The state of an incident changed.
    Incident {
        /// The incident.
        incident: Box<Incident>,
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// The state of an endpoint changed. The watcher asks it for a second opinion or for safety
    /// levels.
    Endpoint {
        /// Its kind and address.
        endpoint: String,
        /// `answers`, `failsafe`, `not-ready`, `refuses` or `down`.
        is: String,
        /// What it answered, or how its state is known.
        text: String,
    },
    /// An endpoint disagrees with the watcher about a message, or agrees again.
    Opinion {
        /// Height of the block that executes it.
        block: u64,
        /// Number of the executing log.
        log: u64,
        /// The endpoint.
        endpoint: String,
        /// The watcher's verdict.
        own: String,
        /// The endpoint's verdict.
        other: String,
        /// The endpoint's error message.
        error: Option<String>,
    },
    /// A period begins or ends in which the watcher concludes nothing.
    Reset {
        /// What rewinds.
        source: String,
        /// Whether it begins.
        open: bool,
        /// Why.
        why: String,
        /// How long it lasted, in milliseconds.
        took_ms: Option<u64>,
    },
    /// A node of the chain follows another fork, or follows the chain again.
    Fork {
        /// Its address.
        node: String,
        /// Whether it follows another fork.
        differs: bool,
        /// A height at which it differs.
        block: Option<u64>,
    },
    /// The header of a block that an incident involves.
    Header {
        /// Its height.
        block: u64,
        /// Its hash.
        hash: String,
        /// Why there is no header.
        text: Option<String>,
    },
    /// Supernodes report different roots for a timestamp, or the same again.
    SuperRoots {
        /// The timestamp, in seconds.
        timestamp: u64,
        /// Whether the roots differ.
        differ: bool,
    },
    /// A transaction's access list was checked.
    Check(Check),
    /// Checks may be missing from the tape.
    ChecksMissing(ChecksMissing),
    /// An entry of a later version.
    #[serde(other)]
    Other,
}

/// A message that a block executes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Number of the executing log among all logs of the block.
    pub log: u64,
    /// The transaction.
    pub tx: String,
    /// The checksum that the transaction's access list declares for it.
    pub declared: String,
    /// The chain of the initiating log, in decimal.
    pub chain: String,
    /// Height of the block of the initiating log.
    pub named: u64,
    /// Number of the initiating log among all logs of its block.
    pub index: u64,
}

/// A check of a transaction's access list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Check {
    /// The stage at which the transaction was checked.
    pub stage: String,
    /// The endpoint that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// It is the answer of one backend only. The whole check has an entry of its own.
    #[serde(default)]
    pub part: bool,
    /// The transaction, if the checker knew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<String>,
    /// The messages that it declares, as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declares: Vec<Declared>,
    /// `accepted`, `refused`, `undecided` or `malformed`.
    pub verdict: String,
    /// Why, in the checker's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Microseconds from the question to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// When it was answered, in milliseconds since 1970, by the checker's clock.
    pub at: u64,
}

/// A message that an access list declares.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Declared {
    /// The chain of the initiating log, in decimal.
    pub chain: String,
    /// Height of the block of the initiating log.
    pub block: u64,
    /// Number of the initiating log.
    pub log: u64,
    /// Checksum of the whole message.
    pub checksum: String,
}

/// Checks may be missing from the tape.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ChecksMissing {
    /// Why.
    pub why: String,
    /// How many, if known.
    pub count: Option<u64>,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// A verdict on messages of a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// Its height.
    pub block: u64,
    /// Its hash.
    pub hash: String,
    /// Numbers of the executing logs.
    pub logs: Vec<u64>,
    /// `unknown`, `valid` or `invalid`.
    pub is: String,
    /// The rule that they break, as a word ...
    pub why: Option<String>,
    /// ... and in words.
    pub text: Option<String>,
    /// An earlier verdict was different.
    #[serde(default)]
    pub flip: bool,
    /// The hash of the block of the initiating log, if the contents of that block decided.
    #[serde(default)]
    pub named_hash: Option<String>,
}

/// An invalid message, from its first block to the end of the incident.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// The transaction.
    pub transaction: String,
    /// The chain that executes it, in decimal.
    pub chain: String,
    /// The message, in words.
    pub message: String,
    /// The checksum that its transaction declares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Why it is invalid, as a word ...
    pub why: String,
    /// ... and in words.
    pub text: String,
    /// The highest safety level that it reached: `unsafe`, `local-safe` or `cross-safe`.
    pub level: String,
    /// The heights at which it was, in order.
    pub heights: Vec<Height>,
    /// When it was first seen, in milliseconds since 1970.
    pub opened: u64,
    /// How often the transaction came back.
    pub returns: u64,
    /// Name of the box that was frozen for it.
    pub frozen: Option<String>,
    /// How it ended: `replaced` or `holds`.
    pub ended: Option<String>,
    /// Messages that depend on its block and are removed with it; the first 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
}

/// A message of another block that depends on an invalid one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Child {
    /// The chain that executes it, in decimal.
    pub chain: String,
    /// Height of its block.
    pub block: u64,
    /// Number of the executing log.
    pub log: u64,
    /// The transaction.
    pub transaction: String,
}

/// All blocks at one height, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Height {
    /// The height.
    pub block: u64,
    /// The blocks, in order.
    pub seen: Vec<BlockSighting>,
    /// When its replacement was cross-safe, in milliseconds since 1970.
    pub closed: Option<u64>,
}

/// A block that held the message, or replaced one that did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct BlockSighting {
    /// Its hash; `None` if there was no block.
    pub hash: Option<String>,
    /// `holds`, `null`, `deposits-only` or `other`.
    pub shape: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

impl WatchEntry {
    /// Reads an entry of a tape; `None` if it is not one.
    pub fn read(line: &[u8]) -> Option<WatchEntry> {
        serde_json::from_slice(line).ok()
    }

    /// The entry in words; `None` if the entry is unknown.
    pub fn words(&self) -> Option<String> {
        Some(match self {
            WatchEntry::TapeStart { haltbox } => {
                format!("a new recording starts, haltbox {haltbox}")
            }
            WatchEntry::BlockSeen {
                block,
                hash,
                timestamp,
            } => format!("block {block} {}, timestamp {timestamp}", short(hash)),
            WatchEntry::Message(message) => format!(
                "log {} executes {}, tx {}",
                message.log,
                message.names(),
                short(&message.tx)
            ),
            WatchEntry::Malformed { log, tx, why } => {
                format!("log {log} is not a message: {why}, tx {}", short(tx))
            }
            WatchEntry::BlockRead { block } => format!("block {block} was read completely"),
            WatchEntry::Status(status) => status.words(),
            WatchEntry::Orphan { block, hash, why } => {
                format!(
                    "block {block} {} is no longer in the chain: {why}",
                    short(hash)
                )
            }
            WatchEntry::Settled { block } => {
                format!("all messages up to block {block} are settled")
            }
            WatchEntry::Cursor {
                block,
                hash,
                finalized,
            } => {
                let finalized = finalized.map_or("unknown".to_owned(), |at| at.to_string());
                format!(
                    "read to block {block} {}, finalized {finalized}",
                    short(hash)
                )
            }
            WatchEntry::Gap { from, to, why } => {
                format!("blocks {from} to {to} are unknown: {why}")
            }
            WatchEntry::Node { up: true, .. } => "a node answers".to_owned(),
            WatchEntry::Node { up: false, why } => format!("no node answers: {why}"),
            WatchEntry::Incident { incident, .. } => incident.words(),
            others => return others.words_of_others(),
        })
    }

    /// Words of entries about others than the chain's own node.
    fn words_of_others(&self) -> Option<String> {
        Some(match self {
            WatchEntry::Endpoint { endpoint, is, text } => format!("{endpoint}: {is}: {text}"),
            WatchEntry::Opinion {
                block,
                log,
                endpoint,
                own,
                other,
                error,
            } => {
                let error = error
                    .as_ref()
                    .map_or(String::new(), |why| format!(": {why}"));
                format!(
                    "block {block} log {log}: {endpoint} says {other}, own verdict {own}{error}"
                )
            }
            WatchEntry::Reset {
                source,
                open,
                why,
                took_ms,
            } => match (open, took_ms) {
                (true, _) => format!("{source} is not reliable for now: {why}"),
                (false, Some(ms)) => format!("{source} is reliable again after {ms} ms: {why}"),
                (false, None) => format!("{source} is reliable again: {why}"),
            },
            WatchEntry::Fork {
                node,
                differs: true,
                block,
            } => {
                let at = block.map_or(String::new(), |block| format!(" at block {block}"));
                format!("node {node} follows another fork{at}")
            }
            WatchEntry::Fork { node, .. } => format!("node {node} follows the chain again"),
            WatchEntry::Header { block, hash, text } => {
                let hash = short(hash);
                let why = text.as_ref();
                why.map_or(format!("header of block {block} {hash}"), |why| {
                    format!("no header of block {block} {hash}: {why}")
                })
            }
            WatchEntry::SuperRoots {
                timestamp,
                differ: true,
            } => format!("supernodes report different roots for timestamp {timestamp}"),
            WatchEntry::SuperRoots { timestamp, .. } => {
                format!("supernodes report the same root again, at timestamp {timestamp}")
            }
            WatchEntry::Check(check) => format!("{} ({})", check.words(), check.of()),
            WatchEntry::ChecksMissing(missing) => missing.words(),
            _ => return None,
        })
    }
}

impl Message {
    /// The initiating log, in words.
    pub fn names(&self) -> String {
        let Message {
            chain,
            named,
            index,
            declared,
            ..
        } = self;
        format!("log {index} of block {named} of chain {chain} ({declared})")
    }
}

impl Check {
    /// The checker, its verdict and how long it took, in words.
    pub fn words(&self) -> String {
        let mut words = self.who();
        let _ = write!(words, " {}", self.verb());
        if let Some(took) = self.took_us {
            let _ = write!(words, " in {}.{:03} ms", took / 1000, took % 1000);
        }
        if let Some(error) = &self.error {
            let _ = write!(words, ": {error}");
        }
        words
    }

    /// The stage, and the endpoint that it asked.
    pub fn who(&self) -> String {
        match &self.backend {
            Some(backend) => format!("{} ({backend})", self.stage),
            None => self.stage.clone(),
        }
    }

    /// What the checker did with the transaction, in words.
    pub fn verb(&self) -> &str {
        match self.verdict.as_str() {
            "accepted" => "accepted it",
            "refused" => "refused it",
            "undecided" => "gave no verdict",
            "malformed" => "could not read what it declares",
            other => other,
        }
    }

    fn of(&self) -> String {
        match (&self.tx, self.declares.as_slice()) {
            (Some(tx), _) => format!("tx {}", short(tx)),
            (None, []) => "an unknown transaction".to_owned(),
            (None, [one]) => format!(
                "a transaction that declares log {} of block {} of chain {}",
                one.log, one.block, one.chain
            ),
            (None, all) => format!("a transaction that declares {} messages", all.len()),
        }
    }

    /// How the check is known to concern the incident's transaction; `None` if it does not.
    pub fn joins(&self, incident: &Incident) -> Option<Joined> {
        match &self.tx {
            Some(tx) => (*tx == incident.transaction).then_some(Joined::Transaction),
            None => {
                let checksum = incident.checksum.as_ref()?;
                let mut declares = self.declares.iter();
                let is_same = declares.any(|declared| declared.checksum == *checksum);
                is_same.then_some(Joined::Message)
            }
        }
    }
}

/// How a check is known to concern a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Joined {
    /// It names the transaction.
    Transaction,
    /// It names no transaction, but declares the same message. Another transaction may declare
    /// that too.
    Message,
}

impl ChecksMissing {
    /// The entry in words.
    pub fn words(&self) -> String {
        match self.count {
            Some(count) => format!("not recorded: {}: {}", counted(count, "check"), self.why),
            None => format!("checks may be missing: {}", self.why),
        }
    }
}

impl Status {
    fn words(&self) -> String {
        let logs: Vec<String> = self.logs.iter().map(u64::to_string).collect();
        let now = if self.flip { " now" } else { "" };
        format!(
            "block {} {} logs {}: {}{now}",
            self.block,
            short(&self.hash),
            logs.join(", "),
            self.verdict()
        )
    }

    /// The verdict and its reason, in words.
    pub fn verdict(&self) -> String {
        match (&self.why, &self.text) {
            (Some(why), Some(text)) => format!("{} ({why}: {text})", self.is),
            (Some(why), None) => format!("{} ({why})", self.is),
            _ => self.is.clone(),
        }
    }
}

impl Incident {
    fn words(&self) -> String {
        let ended = self.ended.as_ref();
        let ended = ended.map_or(String::new(), |how| format!(", ended: {how}"));
        format!(
            "incident of tx {}: {} ({}), {}, came back {}{ended}",
            short(&self.transaction),
            self.message,
            self.why,
            self.level,
            counted(self.returns, "time")
        )
    }
}

/// What an operator should do at a safety level; `None` if the level is unknown.
pub fn what_to_do(level: &str) -> Option<&'static str> {
    Some(match level {
        "unsafe" => {
            "call the operator on duty; block executing messages at proxyd and remove them \
             from the builders' pools; consider submitting the batch sooner, which makes the \
             reorg smaller; warn the chains that execute messages of this one"
        }
        "local-safe" => {
            "page the operator; check that a deposits-only block replaces it and that the message \
             is no longer canonical"
        }
        "cross-safe" => {
            "all hands on deck: this is never harmless; engage the failsafe, escalate to the \
             engineering manager, keep the boxes of every watcher"
        }
        _ => return None,
    })
}

/// The first ten characters of a hash: enough to distinguish those of one list.
pub fn short(hash: &str) -> &str {
    hash.get(..10).unwrap_or(hash)
}
