//! Executing messages: a log of the inbox on one chain names a log on another.
#![expect(
    clippy::big_endian_bytes,
    reason = "words of the EVM are big-endian on every machine"
)]

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, LogData, U256, address, keccak256};
use alloy_sol_types::{SolEvent, sol};
use thiserror::Error;

/// The contract whose logs are executing messages, on every chain.
pub const INBOX: Address = address!("4200000000000000000000000000000000000022");

/// First byte of a checksum. No other entry of an access list begins with it.
pub const CHECKSUM: u8 = 3;

/// Bytes of the log's data: five words.
const DATA: usize = 5 * 32;

sol! {
    struct RawIdentifier {
        address origin;
        uint256 blockNumber;
        uint256 logIndex;
        uint256 timestamp;
        uint256 chainId;
    }

    event ExecutingMessage(bytes32 indexed msgHash, RawIdentifier identifier);
}

/// A chain ID. It may exceed 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub U256);

impl From<u64> for ChainId {
    fn from(id: u64) -> ChainId {
        ChainId(U256::from(id))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no number of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a chain's number, such as 901 or 0x385, found {0:?}")]
pub struct BadChainId(String);

/// As `901` or `0x385`.
impl FromStr for ChainId {
    type Err = BadChainId;

    fn from_str(text: &str) -> Result<ChainId, BadChainId> {
        // An empty text would be 0.
        let id = text.parse().ok().filter(|_| !text.is_empty());
        id.map(ChainId).ok_or_else(|| BadChainId(text.to_owned()))
    }
}

/// The place of a log. It has no block hash, so another block may stand there tomorrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The chain.
    pub chain: ChainId,
    /// Height of its block.
    pub block: u64,
    /// The block's timestamp, in seconds.
    pub timestamp: u64,
    /// Its number among all logs of the block.
    pub log: u32,
}

impl Place {
    /// Block, timestamp and log, packed into the last 20 bytes of a word.
    pub(crate) fn word(&self) -> B256 {
        let mut word = B256::ZERO;
        word[12..20].copy_from_slice(&self.block.to_be_bytes());
        word[20..28].copy_from_slice(&self.timestamp.to_be_bytes());
        word[28..].copy_from_slice(&self.log.to_be_bytes());
        word
    }
}

/// A message, as the executing chain identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Place of the log that it names.
    pub place: Place,
    /// The contract that emitted that log.
    pub origin: Address,
    /// Digest of that log's topics and data.
    pub payload: B256,
}

/// A log of any contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// Topics and data.
    pub data: LogData,
}

/// The parts of a log that a message identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digested {
    /// The contract.
    pub address: Address,
    /// Digest of topics and data.
    pub payload: B256,
}

impl From<&Log> for Digested {
    fn from(log: &Log) -> Digested {
        Digested {
            address: log.address,
            payload: log.payload(),
        }
    }
}

/// Reasons why a log of the inbox is not a message. A contract that follows the standard
/// emits no such log, so each is worth an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It does not have two topics and 160 bytes.
    #[error(
        "the inbox's log has {topics} topics and {data} bytes, expected 2 topics and {DATA} bytes"
    )]
    Shape {
        /// Topics found.
        topics: usize,
        /// Bytes found.
        data: usize,
    },
    /// A member does not fit its type.
    #[error("{0} of the inbox's log is out of range")]
    TooLarge(&'static str),
    /// The words of its data are not an identifier.
    #[error("the data of the inbox's log is not an identifier")]
    Words,
}

impl Log {
    /// Digest of its topics and data. It does not cover the contract, which a message has
    /// separately.
    pub fn payload(&self) -> B256 {
        let topics = self.data.topics().iter().flatten();
        let bytes: Vec<u8> = topics.chain(self.data.data.iter()).copied().collect();
        keccak256(bytes)
    }
}

impl Message {
    /// Parses the message in a log. `None` for the log of another contract, or of another
    /// event of the inbox.
    ///
    /// # Errors
    /// A log of this event that is not a message.
    pub fn read(log: &Log) -> Result<Option<Message>, Malformed> {
        let topics = log.data.topics();
        let executes = topics.first() == Some(&ExecutingMessage::SIGNATURE_HASH);
        if log.address != INBOX || !executes {
            return Ok(None);
        }
        let [_, payload] = topics else {
            return Err(shape(log));
        };
        if log.data.data.len() != DATA {
            return Err(shape(log));
        }
        let event = ExecutingMessage::decode_raw_log_validate(topics, &log.data.data);
        let raw = event.map_err(|_| Malformed::Words)?.identifier;
        Ok(Some(Message {
            place: Place {
                chain: ChainId(raw.chainId),
                block: fits(raw.blockNumber, "blockNumber")?,
                timestamp: fits(raw.timestamp, "timestamp")?,
                log: fits(raw.logIndex, "logIndex")?,
            },
            origin: raw.origin,
            payload: *payload,
        }))
    }

    /// The log that the inbox emits when the message is executed.
    pub fn emitted(&self) -> Log {
        let event = ExecutingMessage {
            msgHash: self.payload,
            identifier: RawIdentifier {
                origin: self.origin,
                blockNumber: U256::from(self.place.block),
                logIndex: U256::from(self.place.log),
                timestamp: U256::from(self.place.timestamp),
                chainId: self.place.chain.0,
            },
        };
        Log {
            address: INBOX,
            data: event.encode_log_data(),
        }
    }

    /// The entry that a transaction must declare to execute it: [`CHECKSUM`], and 31
    /// bytes of a digest of all its members.
    pub fn checksum(&self) -> B256 {
        let log_hash = keccak256([self.origin.as_slice(), self.payload.as_slice()].concat());
        let id_hash = keccak256([log_hash, self.place.word()].concat());
        let chain = self.place.chain.0.to_be_bytes::<32>();
        let mut checksum = keccak256([id_hash.as_slice(), &chain].concat());
        checksum[0] = CHECKSUM;
        checksum
    }
}

fn shape(log: &Log) -> Malformed {
    Malformed::Shape {
        topics: log.data.topics().len(),
        data: log.data.data.len(),
    }
}

fn fits<T: TryFrom<U256>>(value: U256, member: &'static str) -> Result<T, Malformed> {
    T::try_from(value).map_err(|_| Malformed::TooLarge(member))
}

/// The place where a message is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The chain.
    pub chain: ChainId,
    /// Height of the block.
    pub number: u64,
    /// Its hash.
    pub block: B256,
    /// Number of the executing log among all logs of the block.
    pub log: u32,
    /// The transaction.
    pub transaction: B256,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Site {
            chain,
            number,
            log,
            transaction,
            ..
        } = self;
        write!(f, "chain {chain} block {number} log {log} tx {transaction}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use alloy_primitives::{Bytes, b256, bytes};

    use super::*;

    /// A message that was checked with supersim's own tools.
    pub(crate) fn hello() -> (Message, Log) {
        let log = Log {
            address: address!("5FbDB2315678afecb367f032d93F642f64180aa3"),
            data: LogData::new_unchecked(vec![keccak256("Hello(bytes)")], bytes!("deadbeef")),
        };
        let message = Message {
            place: Place {
                chain: 901.into(),
                block: 48,
                timestamp: 1_795_218_535,
                log: 0,
            },
            origin: log.address,
            payload: log.payload(),
        };
        (message, log)
    }

    #[test]
    fn digests_are_those_that_the_chains_compute() {
        let (message, log) = hello();
        assert_eq!(
            ExecutingMessage::SIGNATURE_HASH,
            b256!("5c37832d2e8d10e346e55ad62071a6a2f9fa5130614ef2ec6617555c6f467ba7")
        );
        assert_eq!(
            log.payload(),
            b256!("95b960236c7c97f3d650eb23316569d4c41c6e5ad8a78136f592ccc6663e0b95")
        );
        assert_eq!(
            message.checksum(),
            b256!("036d8b154667ca4df524e881ff3962964cc9e4fd312ef642835c95ca263a3875")
        );
    }

    #[test]
    fn every_member_is_in_the_checksum() {
        let (message, _) = hello();
        let place = message.place;
        let others = [
            Place {
                chain: 902.into(),
                ..place
            },
            Place { block: 49, ..place },
            Place {
                timestamp: 1_795_218_536,
                ..place
            },
            Place { log: 1, ..place },
        ];
        let others = others.map(|place| Message { place, ..message });
        let others = others.into_iter().chain([
            Message {
                origin: INBOX,
                ..message
            },
            Message {
                payload: B256::ZERO,
                ..message
            },
        ]);
        for other in others {
            assert_ne!(other.checksum(), message.checksum(), "{other:?}");
            assert_eq!(other.checksum()[0], CHECKSUM);
        }
    }

    #[test]
    fn what_the_inbox_emits_is_read_as_it_was_meant() {
        let (message, own) = hello();
        assert_eq!(Message::read(&message.emitted()), Ok(Some(message)));
        assert_eq!(Message::read(&own), Ok(None), "the log of another contract");
        let other = LogData::new_unchecked(vec![B256::ZERO], Bytes::new());
        let other = Log {
            address: INBOX,
            data: other,
        };
        assert_eq!(
            Message::read(&other),
            Ok(None),
            "another event of the inbox"
        );
    }

    #[test]
    fn a_log_of_the_inbox_that_is_no_message_says_why() {
        let (message, _) = hello();
        let sound = message.emitted().data;
        let read = |topics: Vec<B256>, data: Vec<u8>| {
            let data = LogData::new_unchecked(topics, data.into());
            Message::read(&Log {
                address: INBOX,
                data,
            })
        };
        let topics = sound.topics().to_vec();
        let with = |at: usize, byte: u8| {
            let mut data = sound.data.to_vec();
            data[at] = byte;
            read(topics.clone(), data)
        };
        let shape = |topics, data| Err(Malformed::Shape { topics, data });
        assert_eq!(
            read(topics.clone(), sound.data[..96].to_vec()),
            shape(2, 96)
        );
        assert_eq!(
            read(topics.clone(), [&sound.data[..], &[0]].concat()),
            shape(2, 161)
        );
        assert_eq!(
            read(topics[..1].to_vec(), sound.data.to_vec()),
            shape(1, 160)
        );
        assert_eq!(with(0, 1), Err(Malformed::Words), "an address of 32 bytes");
        assert_eq!(with(32, 1), Err(Malformed::TooLarge("blockNumber")));
        assert_eq!(with(64 + 27, 1), Err(Malformed::TooLarge("logIndex")));
        assert_eq!(with(96 + 23, 1), Err(Malformed::TooLarge("timestamp")));
        assert!(
            with(128, 1).is_ok_and(|read| read.is_some()),
            "a chain of 256 bits"
        );
    }
}
