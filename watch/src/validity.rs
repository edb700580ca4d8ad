//! Judges whether a message is valid, by the log on the chain that it names.
//!
//! The rules are those of op-supernode and op-core in 2026. A message is valid if all of
//! them hold. The first broken rule is the reason. Their order is the order in which an
//! operator looks: does the log exist, is it this log, may it be executed at that time?
//!
//! A declaration is judged before its block is built, by the same rules and two more: see
//! [`refused_at_once`]. Its own members are checked first: each look-up costs a node
//! work, and anyone may send declarations.

use std::fmt;

use alloy_primitives::{Address, B256};

use crate::access_list::Declared;
use crate::dependency_set::DependencySet;
use crate::message::{ChainId, Digested, Message, Place};

/// The block that executes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executing {
    /// Its chain.
    pub chain: ChainId,
    /// Its timestamp, in seconds.
    pub timestamp: u64,
}

/// The block that will execute a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The executing chain, if the caller gives it. Without it the rules about it are
    /// skipped.
    pub chain: Option<ChainId>,
    /// Timestamp of the earliest possible block, in seconds.
    pub timestamp: u64,
    /// Seconds after that timestamp during which it must stay valid.
    pub timeout: u64,
}

/// What the named chain has at the place of a message. `L` is the whole log, or its
/// checksum for a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<L = Digested> {
    /// There is a block.
    Block {
        /// Its timestamp, in seconds.
        timestamp: u64,
        /// Number of its logs.
        logs: u32,
        /// The log at the message's place.
        log: Option<L>,
    },
    /// The chain is not that high yet.
    Ahead {
        /// Timestamp of its newest block, in seconds.
        head: u64,
    },
    /// Nothing is known: no node answers, or none has that block any more.
    Nothing,
}

/// The verdict on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// All rules hold.
    Valid,
    /// A rule is broken.
    Invalid(Broken),
    /// Not known yet. Time or another answer will decide.
    Unknown,
}

/// The rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It names a chain, or is executed on one, that is not in the dependency set.
    UnknownChain(ChainId),
    /// The block has no log of that number.
    NoLog {
        /// Number of the block's logs.
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
    /// The log has another checksum: another contract emitted it, or it has other topics
    /// or data. A declaration does not show which.
    Checksum {
        /// That checksum.
        found: B256,
    },
    /// Its timestamp is later than that of the block that executes it.
    Future,
    /// It is too old.
    Expired {
        /// Seconds past its expiry.
        by: u64,
    },
    /// It is declared for the timestamp of its own log, which nobody can check in
    /// advance.
    SameTime,
    /// It expires before the declared timeout.
    ExpiresWithin {
        /// Seconds past its expiry at the end of the timeout.
        by: u64,
    },
    /// Messages are not active yet on this chain.
    Inactive(ChainId),
    /// Blocks with one timestamp execute messages of each other in a cycle.
    Cycle,
    /// It is valid, but depends on a block with an invalid message. That block will be
    /// replaced, and the log that it names with it.
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
            Broken::Checksum { .. } => "other-checksum",
            Broken::Future => "future",
            Broken::SameTime => "same-time",
            Broken::Expired { .. } => "expired",
            Broken::ExpiresWithin { .. } => "expires-within",
            Broken::Inactive(_) => "inactive",
            Broken::Cycle => "cycle",
            Broken::Doomed { .. } => "doomed",
        }
    }

    /// Whether the contents of the named block decide. Everyone with a block of that hash
    /// reaches the same verdict.
    pub fn is_of_named_block(&self) -> bool {
        match self {
            Broken::NoLog { .. }
            | Broken::Origin { .. }
            | Broken::Timestamp { .. }
            | Broken::Payload { .. }
            | Broken::Checksum { .. } => true,
            Broken::UnknownChain(_)
            | Broken::NoBlock { .. }
            | Broken::Future
            | Broken::Expired { .. }
            | Broken::SameTime
            | Broken::ExpiresWithin { .. }
            | Broken::Inactive(_)
            | Broken::Cycle
            | Broken::Doomed { .. } => false,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::UnknownChain(chain) => write!(f, "chain {chain} is not in the dependency set"),
            Broken::NoLog { logs } => {
                write!(
                    f,
                    "the log index is out of range: the number of logs in the block is {logs}"
                )
            }
            Broken::NoBlock { head } => write!(
                f,
                "the block does not exist, and the chain's newest block has timestamp {head}"
            ),
            Broken::Origin { found } => write!(f, "another contract emitted the log: {found}"),
            Broken::Timestamp { found } => write!(f, "the block has another timestamp: {found}"),
            Broken::Payload { found } => write!(f, "the log's payload has another digest: {found}"),
            Broken::Checksum { found } => {
                write!(f, "checksum mismatch: the log's checksum is {found}")
            }
            Broken::Future => write!(
                f,
                "its timestamp is later than that of the block that executes it"
            ),
            Broken::Expired { by } => write!(f, "it expired {by} s before it was executed"),
            Broken::SameTime => write!(
                f,
                "its timestamp equals that of the block that executes it, which cannot be checked \
                 in advance"
            ),
            Broken::ExpiresWithin { by } => {
                write!(f, "it expires {by} s before the declared timeout ends")
            }
            Broken::Inactive(chain) => write!(f, "messages are not active yet on chain {chain}"),
            Broken::Cycle => write!(
                f,
                "blocks with the same timestamp execute messages of each other in a cycle"
            ),
            Broken::Doomed { chain, block } => write!(
                f,
                "its log is in block {block} of chain {chain}, which contains an invalid message"
            ),
        }
    }
}

/// Judges a message.
pub fn judge(
    message: &Message,
    executing: Executing,
    told: &Lookup,
    set: &DependencySet,
) -> Validity {
    let place = &message.place;
    let Executing { chain, timestamp } = executing;
    if let Some(broken) = outside(place, Some(chain), set) {
        return Validity::Invalid(broken);
    }
    match of_log(place, told).and_then(|found| by_log(message, found)) {
        Err(Validity::Invalid(broken)) => Validity::Invalid(broken),
        // A message that breaks a time rule is invalid whatever its log is.
        Err(otherwise) => {
            by_time(place, Some(chain), timestamp, set).map_or(otherwise, Validity::Invalid)
        }
        Ok(()) => {
            by_time(place, Some(chain), timestamp, set).map_or(Validity::Valid, Validity::Invalid)
        }
    }
}

/// The rule that a declaration breaks whatever the chains contain. There are two more
/// rules than for a block. It must not have the timestamp of the block that executes it:
/// of two blocks with one timestamp nobody can check one before both exist. And it must
/// not expire before the timeout.
pub fn refused_at_once(
    declared: &Declared,
    descriptor: &Descriptor,
    set: &DependencySet,
) -> Option<Broken> {
    let place = &declared.place;
    let Descriptor {
        chain, timestamp, ..
    } = *descriptor;
    outside(place, chain, set)
        .or_else(|| by_time(place, chain, timestamp, set))
        .or_else(|| (timestamp == place.timestamp).then_some(Broken::SameTime))
        .or_else(|| {
            let until = timestamp.saturating_add(descriptor.timeout);
            too_old(place, until, set).map(|by| Broken::ExpiresWithin { by })
        })
}

/// Judges a declaration that is not [`refused_at_once`], by the checksum of the log at
/// its place.
pub fn judge_declared(declared: &Declared, told: &Lookup<B256>) -> Validity {
    let place = &declared.place;
    match of_log(place, told) {
        Err(otherwise) => otherwise,
        Ok((timestamp, _)) if timestamp != place.timestamp => {
            Validity::Invalid(Broken::Timestamp { found: timestamp })
        }
        Ok((_, found)) if found != declared.checksum => {
            Validity::Invalid(Broken::Checksum { found })
        }
        Ok(_) => Validity::Valid,
    }
}

fn outside(place: &Place, executing: Option<ChainId>, set: &DependencySet) -> Option<Broken> {
    let mut both = [Some(place.chain), executing].into_iter().flatten();
    let unknown = both.find(|chain| set.chain(*chain).is_none());
    unknown.map(Broken::UnknownChain)
}

/// The log at a place, and the timestamp of its block.
fn of_log<L: Copy>(place: &Place, told: &Lookup<L>) -> Result<(u64, L), Validity> {
    let broken = match told {
        Lookup::Block {
            log: Some(log),
            timestamp,
            ..
        } => return Ok((*timestamp, *log)),
        Lookup::Nothing => return Err(Validity::Unknown),
        // The block may still come, with this timestamp or an earlier one.
        Lookup::Ahead { head } if *head < place.timestamp => return Err(Validity::Unknown),
        Lookup::Ahead { head } => Broken::NoBlock { head: *head },
        Lookup::Block { logs, .. } => Broken::NoLog { logs: *logs },
    };
    Err(Validity::Invalid(broken))
}

/// Checks the message against the log at its place.
fn by_log(message: &Message, (timestamp, log): (u64, Digested)) -> Result<(), Validity> {
    let broken = |broken| Err(Validity::Invalid(broken));
    if log.address != message.origin {
        return broken(Broken::Origin { found: log.address });
    }
    if timestamp != message.place.timestamp {
        return broken(Broken::Timestamp { found: timestamp });
    }
    match log.payload {
        found if found == message.payload => Ok(()),
        found => broken(Broken::Payload { found }),
    }
}

/// Checks the message's own timestamp.
fn by_time(
    place: &Place,
    executing: Option<ChainId>,
    timestamp: u64,
    set: &DependencySet,
) -> Option<Broken> {
    let sides = [
        Some((place.chain, place.timestamp)),
        executing.map(|chain| (chain, timestamp)),
    ];
    let early = |(chain, timestamp): &(ChainId, u64)| {
        let chain = set.chain(*chain);
        chain.is_some_and(|chain| *timestamp < chain.first)
    };
    if let Some((chain, _)) = sides.into_iter().flatten().find(early) {
        return Some(Broken::Inactive(chain));
    }
    // Two blocks with one timestamp may send each other messages.
    if timestamp < place.timestamp {
        return Some(Broken::Future);
    }
    too_old(place, timestamp, set).map(|by| Broken::Expired { by })
}

/// Seconds by which a message is too old. A message of exactly the expiry age is valid:
/// the code says so, while the specification says both.
fn too_old(place: &Place, timestamp: u64, set: &DependencySet) -> Option<u64> {
    let age = timestamp.saturating_sub(place.timestamp);
    age.checked_sub(set.expiry).filter(|by| *by > 0)
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

    /// Judges a changed message against the block that it named.
    fn judged(change: impl Fn(&mut Message, &mut Executing)) -> Validity {
        let (mut message, log) = hello();
        let timestamp = message.place.timestamp;
        let mut executing = Executing {
            chain: 902.into(),
            timestamp: timestamp + 50,
        };
        change(&mut message, &mut executing);
        let log = (message.place.log == 0).then_some(&log);
        let told = Lookup::Block {
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
            // An operator first asks whether the log exists.
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
            let told = Lookup::Block {
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
        let by = |told: &Lookup, executed: u64, of: &Message| {
            let executing = Executing {
                chain: 902.into(),
                timestamp: executed,
            };
            judge(of, executing, told, &set())
        };
        let head = |head| Lookup::Ahead { head };
        assert_eq!(word(&by(&Lookup::Nothing, timestamp, &message)), "unknown");
        assert_eq!(
            word(&by(&head(timestamp - SECOND), timestamp, &message)),
            "unknown"
        );
        assert_eq!(word(&by(&head(timestamp), timestamp, &message)), "no-block");
        assert_eq!(
            word(&by(&Lookup::Nothing, timestamp - SECOND, &message)),
            "future"
        );
        assert_eq!(
            word(&by(&Lookup::Nothing, timestamp + 101, &message)),
            "expired"
        );
        let mut elsewhere = message;
        elsewhere.place.chain = 903.into();
        assert_eq!(
            word(&by(&Lookup::Nothing, timestamp, &elsewhere)),
            "unknown-chain"
        );
    }

    fn declared_for(change: impl Fn(&mut Place, &mut Descriptor)) -> Option<Broken> {
        let (message, _) = hello();
        let mut declared = Declared::of(&message);
        let mut descriptor = Descriptor {
            chain: Some(902.into()),
            timestamp: message.place.timestamp + 50,
            timeout: 0,
        };
        change(&mut declared.place, &mut descriptor);
        refused_at_once(&declared, &descriptor, &set())
    }

    #[test]
    fn a_declaration_is_refused_by_what_it_says_of_itself() {
        type Change = fn(&mut Place, &mut Descriptor);
        let table: [(Option<&str>, Change); 14] = [
            (None, |_, _| {}),
            (Some("unknown-chain"), |p, _| p.chain = 903.into()),
            (Some("unknown-chain"), |_, d| d.chain = Some(903.into())),
            (Some("inactive"), |p, _| p.timestamp = 1001),
            (Some("inactive"), |_, d| d.timestamp = 1001),
            (Some("future"), |p, d| d.timestamp = p.timestamp - 1),
            (Some("same-time"), |p, d| d.timestamp = p.timestamp),
            (None, |p, d| d.timestamp = p.timestamp + 100),
            (Some("expired"), |p, d| d.timestamp = p.timestamp + 101),
            (None, |_, d| d.timeout = 50),
            (Some("expires-within"), |_, d| d.timeout = 51),
            (Some("expires-within"), |_, d| d.timeout = u64::MAX),
            // Without an executing chain, only its own members are checked.
            (None, |_, d| d.chain = None),
            (Some("expired"), |_, d| {
                (d.chain, d.timestamp) = (None, u64::MAX)
            }),
        ];
        for (at, (expected, change)) in table.into_iter().enumerate() {
            let broken = declared_for(change);
            assert_eq!(broken.as_ref().map(Broken::word), expected, "row {at}");
        }
    }

    #[test]
    fn a_declaration_is_judged_by_its_checksum() {
        let (message, _) = hello();
        let declared = Declared::of(&message);
        let timestamp = message.place.timestamp;
        let by = |timestamp, log: Option<B256>| {
            let logs = 1;
            let told = Lookup::Block {
                timestamp,
                logs,
                log,
            };
            word(&judge_declared(&declared, &told))
        };
        assert_eq!(by(timestamp, Some(declared.checksum)), "valid");
        assert_eq!(by(timestamp, Some(B256::ZERO)), "other-checksum");
        assert_eq!(by(timestamp + 1, Some(B256::ZERO)), "other-timestamp");
        assert_eq!(by(timestamp, None), "no-log");
        let ahead = |head| word(&judge_declared(&declared, &Lookup::Ahead { head }));
        assert_eq!(ahead(timestamp - 1), "unknown");
        assert_eq!(ahead(timestamp), "no-block");
        assert_eq!(
            word(&judge_declared(&declared, &Lookup::Nothing)),
            "unknown"
        );
    }
}
