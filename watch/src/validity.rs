//! Whether a message holds, by what the chain that it names tells of the log.
//!
//! The rules are those of op-supernode and op-core in 2026. A message is valid if all of
//! them hold; the first that does not is the reason, in the order in which an operator
//! looks: is there such a log, is it this one, may it be executed then.

use std::fmt;

use alloy_primitives::{Address, B256};

use crate::dependency_set::DependencySet;
use crate::message::{ChainId, Digested, Message};

/// The block that executes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executing {
    /// Its chain.
    pub chain: ChainId,
    /// Its timestamp, in seconds.
    pub timestamp: u64,
}

/// What the chain that a message names tells of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A block stands there.
    Block {
        /// Its timestamp, in seconds.
        timestamp: u64,
        /// Logs that it has.
        logs: u32,
        /// The one at the message's place.
        log: Option<Digested>,
    },
    /// The chain is not that high yet.
    Ahead {
        /// Timestamp of its newest block, in seconds.
        head: u64,
    },
    /// Nothing: no node answers, or none has that block any more.
    Nothing,
}

/// What is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// All rules hold.
    Valid,
    /// A rule does not.
    Invalid(Broken),
    /// Nobody can tell yet; time or another answer does.
    Unknown,
}

/// The rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It names a chain, or stands on one, that is not in the dependency set.
    UnknownChain(ChainId),
    /// The block has no log of that number.
    NoLog {
        /// Logs that the block has.
        logs: u32,
    },
    /// The block does not exist, and its time has passed.
    NoBlock {
        /// Timestamp of the chain's newest block.
        head: u64,
    },
    /// Another contract emitted the log.
    Origin {
        /// That contract.
        found: Address,
    },
    /// The block has another timestamp.
    Timestamp {
        /// That timestamp.
        found: u64,
    },
    /// The log has other topics or data.
    Payload {
        /// Their digest.
        found: B256,
    },
    /// It names a time behind that of the block that executes it.
    Future,
    /// It is older than a message may be.
    Expired {
        /// Seconds that it was too old.
        by: u64,
    },
    /// Messages are not active yet on this chain.
    Inactive(ChainId),
    /// Blocks of one timestamp execute messages of one another in a circle.
    Cycle,
    /// It holds, but stands on a block that does not: that one will be replaced, and the
    /// log that it names goes with it.
    Doomed {
        /// The chain of that block.
        chain: ChainId,
        /// Its height.
        block: u64,
    },
}

impl Broken {
    /// One word for metrics and records.
    pub fn word(&self) -> &'static str {
        match self {
            Broken::UnknownChain(_) => "unknown-chain",
            Broken::NoLog { .. } => "no-log",
            Broken::NoBlock { .. } => "no-block",
            Broken::Origin { .. } => "other-origin",
            Broken::Timestamp { .. } => "other-timestamp",
            Broken::Payload { .. } => "other-payload",
            Broken::Future => "future",
            Broken::Expired { .. } => "expired",
            Broken::Inactive(_) => "inactive",
            Broken::Cycle => "cycle",
            Broken::Doomed { .. } => "doomed",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::UnknownChain(chain) => write!(f, "chain {chain} is not in the dependency set"),
            Broken::NoLog { logs } => {
                write!(f, "the block has {logs} logs and none of that number")
            }
            Broken::NoBlock { head } => write!(
                f,
                "there is no such block, and the chain's newest one has timestamp {head}"
            ),
            Broken::Origin { found } => write!(f, "contract {found} emitted that log"),
            Broken::Timestamp { found } => write!(f, "the block has timestamp {found}"),
            Broken::Payload { found } => write!(f, "that log's payload has the digest {found}"),
            Broken::Future => write!(
                f,
                "it names a time behind that of the block that executes it"
            ),
            Broken::Expired { by } => write!(f, "it expired {by} s before it was executed"),
            Broken::Inactive(chain) => write!(f, "messages are not active yet on chain {chain}"),
            Broken::Cycle => write!(
                f,
                "blocks of one timestamp execute messages of one another in a circle"
            ),
            Broken::Doomed { chain, block } => write!(
                f,
                "block {block} of chain {chain}, on which its log stands, holds an invalid message"
            ),
        }
    }
}

/// Judges a message.
pub fn judge(
    message: &Message,
    executing: Executing,
    told: &Told,
    set: &DependencySet,
) -> Validity {
    if let Some(broken) = outside(message, executing, set) {
        return Validity::Invalid(broken);
    }
    match by_log(message, told) {
        Validity::Invalid(broken) => Validity::Invalid(broken),
        // What breaks a rule without its log breaks it with any.
        otherwise => by_time(message, executing, set).map_or(otherwise, Validity::Invalid),
    }
}

fn outside(message: &Message, executing: Executing, set: &DependencySet) -> Option<Broken> {
    let both = [message.place.chain, executing.chain];
    let unknown = both.into_iter().find(|chain| set.chain(*chain).is_none());
    unknown.map(Broken::UnknownChain)
}

/// By the log that stands where the message says.
fn by_log(message: &Message, told: &Told) -> Validity {
    let place = message.place;
    let broken = match told {
        Told::Nothing => return Validity::Unknown,
        // The block may still come, with this timestamp or an earlier one.
        Told::Ahead { head } if *head < place.timestamp => return Validity::Unknown,
        Told::Ahead { head } => Broken::NoBlock { head: *head },
        Told::Block {
            log: None, logs, ..
        } => Broken::NoLog { logs: *logs },
        Told::Block { log: Some(log), .. } if log.address != message.origin => {
            Broken::Origin { found: log.address }
        }
        Told::Block { timestamp, .. } if *timestamp != place.timestamp => {
            Broken::Timestamp { found: *timestamp }
        }
        Told::Block { log: Some(log), .. } => {
            if log.payload == message.payload {
                return Validity::Valid;
            }
            Broken::Payload { found: log.payload }
        }
    };
    Validity::Invalid(broken)
}

/// By what the message says of itself.
fn by_time(message: &Message, executing: Executing, set: &DependencySet) -> Option<Broken> {
    let place = message.place;
    let sides = [
        (place.chain, place.timestamp),
        (executing.chain, executing.timestamp),
    ];
    if let Some((chain, _)) = sides.into_iter().find(|(chain, timestamp)| {
        set.chain(*chain)
            .is_some_and(|chain| *timestamp < chain.first)
    }) {
        return Some(Broken::Inactive(chain));
    }
    // Two blocks of one timestamp may send each other messages.
    let Some(age) = executing.timestamp.checked_sub(place.timestamp) else {
        return Some(Broken::Future);
    };
    // A message of exactly that age is valid: the code says so, the specification both.
    let by = age.checked_sub(set.expiry).filter(|by| *by > 0)?;
    Some(Broken::Expired { by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::hello;
    use crate::message::{INBOX, Place};

    const SECOND: u64 = 1;

    fn set() -> DependencySet {
        let json = r#"{"dependencies": {"901": {"activationTime": 1000}, "902": {"activationTime": 1000}},
                       "overrideMessageExpiryWindow": 100}"#;
        DependencySet::read(json.as_bytes()).unwrap()
    }

    /// Judges a message that is changed before, against the block that it named.
    fn judged(change: impl Fn(&mut Message, &mut Executing)) -> Validity {
        let (mut message, log) = hello();
        let timestamp = message.place.timestamp;
        let mut executing = Executing {
            chain: 902.into(),
            timestamp: timestamp + 50,
        };
        change(&mut message, &mut executing);
        let log = (message.place.log == 0).then_some(&log);
        let told = Told::Block {
            timestamp,
            logs: 1,
            log: log.map(Digested::from),
        };
        judge(&message, executing, &told, &set())
    }

    fn word(validity: &Validity) -> &'static str {
        match validity {
            Validity::Valid => "valid",
            Validity::Invalid(broken) => broken.word(),
            Validity::Unknown => "unknown",
        }
    }

    #[test]
    fn each_rule_has_a_reason_of_its_own() {
        type Change = fn(&mut Message, &mut Executing);
        let table: [(&str, Change); 14] = [
            ("valid", |_, _| {}),
            ("unknown-chain", |m, _| m.place.chain = 903.into()),
            ("unknown-chain", |_, e| e.chain = 903.into()),
            ("no-log", |m, _| m.place.log = 1),
            ("other-origin", |m, _| m.origin = INBOX),
            ("other-timestamp", |m, _| m.place.timestamp -= 1),
            ("other-payload", |m, _| m.payload = B256::ZERO),
            ("future", |m, e| e.timestamp = m.place.timestamp - 1),
            ("valid", |m, e| e.timestamp = m.place.timestamp),
            ("valid", |m, e| e.timestamp = m.place.timestamp + 100),
            ("expired", |m, e| e.timestamp = m.place.timestamp + 101),
            // A message that claims to be old is not expired if its block is not that old.
            ("other-timestamp", |m, _| m.place.timestamp -= 1000),
            // The first thing that an operator asks is whether there is such a log.
            ("no-log", |m, e| (m.place.log, e.timestamp) = (1, 0)),
            ("other-origin", |m, e| (m.origin, e.timestamp) = (INBOX, 0)),
        ];
        for (at, (expected, change)) in table.into_iter().enumerate() {
            assert_eq!(word(&judged(change)), expected, "row {at}");
        }
        let expired = judged(|m, e| e.timestamp = m.place.timestamp + 103);
        assert_eq!(expired, Validity::Invalid(Broken::Expired { by: 3 }));
    }

    #[test]
    fn nothing_holds_before_both_chains_are_active() {
        let (mut message, log) = hello();
        let at = |sent: u64, executed: u64| {
            message.place.timestamp = sent;
            let executing = Executing {
                chain: 902.into(),
                timestamp: executed,
            };
            let told = Told::Block {
                timestamp: sent,
                logs: 1,
                log: Some(Digested::from(&log)),
            };
            judge(&message, executing, &told, &set())
        };
        let mut at = at;
        assert_eq!(
            at(1001, 1001),
            Validity::Invalid(Broken::Inactive(901.into()))
        );
        assert_eq!(
            at(1002, 1002),
            Validity::Valid,
            "a block time behind the activation"
        );
    }

    #[test]
    fn what_nobody_tells_yet_is_unknown_unless_no_answer_can_help() {
        let (message, _) = hello();
        let Place { timestamp, .. } = message.place;
        let by = |told: &Told, executed: u64, of: &Message| {
            let executing = Executing {
                chain: 902.into(),
                timestamp: executed,
            };
            judge(of, executing, told, &set())
        };
        let head = |head| Told::Ahead { head };
        assert_eq!(word(&by(&Told::Nothing, timestamp, &message)), "unknown");
        assert_eq!(
            word(&by(&head(timestamp - SECOND), timestamp, &message)),
            "unknown"
        );
        assert_eq!(word(&by(&head(timestamp), timestamp, &message)), "no-block");
        assert_eq!(
            word(&by(&Told::Nothing, timestamp - SECOND, &message)),
            "future"
        );
        assert_eq!(
            word(&by(&Told::Nothing, timestamp + 101, &message)),
            "expired"
        );
        let mut elsewhere = message;
        elsewhere.place.chain = 903.into();
        assert_eq!(
            word(&by(&Told::Nothing, timestamp, &elsewhere)),
            "unknown-chain"
        );
    }
}
