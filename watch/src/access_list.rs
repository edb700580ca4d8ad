//! The declarations in a transaction's access list: storage keys of the inbox.
#![expect(
    clippy::big_endian_bytes,
    reason = "words of the EVM are big-endian on every machine"
)]

use alloy_primitives::{B256, U256};
use thiserror::Error;

use crate::message::{CHECKSUM, ChainId, Message, Place};

/// First byte of the entry that has the place of a log.
const LOOKUP: u8 = 1;
/// First byte of the entry that has the upper bytes of a chain ID of more than 64 bits.
const CHAIN: u8 = 2;

/// One message as an access list declares it. The checksum covers what the list does not
/// have: the contract and the log's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declared {
    /// Place of the log.
    pub place: Place,
    /// Checksum of the whole message.
    pub checksum: B256,
}

/// Reasons why entries are not declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadEntry {
    /// The first byte is unknown, or bytes that must be zero are not.
    #[error("entry {at} of the access list is of an unknown kind")]
    Unknown {
        /// Its number in the list, from 0.
        at: usize,
    },
    /// The entry cannot stand at this place.
    #[error(
        "entry {at} of the access list is out of order: expected a lookup entry, then the chain's \
         upper bytes if there are any, then a checksum"
    )]
    OutOfOrder {
        /// Its number in the list, from 0.
        at: usize,
    },
    /// The list ends inside a declaration.
    #[error("the access list ends inside a declaration")]
    Cut,
}

impl Declared {
    /// The declaration that a transaction must make to execute the message.
    pub fn of(message: &Message) -> Declared {
        Declared {
            place: message.place,
            checksum: message.checksum(),
        }
    }

    /// The declaration as entries of an access list.
    pub fn entries(&self) -> Vec<B256> {
        let chain = self.place.chain.0.to_be_bytes::<32>();
        let (upper, lower) = chain.split_at(24);
        let mut lookup = self.place.word();
        lookup[0] = LOOKUP;
        lookup[4..12].copy_from_slice(lower);
        let mut entries = vec![lookup];
        if upper.iter().any(|byte| *byte != 0) {
            let mut entry = B256::ZERO;
            entry[0] = CHAIN;
            entry[8..].copy_from_slice(upper);
            entries.push(entry);
        }
        entries.push(self.checksum);
        entries
    }
}

/// Parses the declarations of a list, in order.
///
/// # Errors
/// The first entry that is not a declaration.
pub fn read(entries: &[B256]) -> Result<Vec<Declared>, BadEntry> {
    let mut declared = Vec::new();
    let mut open: Option<Place> = None;
    let mut widened = false;
    for (at, entry) in entries.iter().enumerate() {
        match (entry[0], &mut open) {
            (LOOKUP, None) => open = Some(lookup(entry).ok_or(BadEntry::Unknown { at })?),
            (CHAIN, Some(place)) if !widened => {
                place.chain = widen(place.chain, entry).ok_or(BadEntry::Unknown { at })?;
                widened = true;
            }
            (CHECKSUM, Some(place)) => {
                declared.push(Declared {
                    place: *place,
                    checksum: *entry,
                });
                (open, widened) = (None, false);
            }
            (LOOKUP | CHAIN | CHECKSUM, _) => return Err(BadEntry::OutOfOrder { at }),
            _ => return Err(BadEntry::Unknown { at }),
        }
    }
    match open {
        None => Ok(declared),
        Some(_) => Err(BadEntry::Cut),
    }
}

fn lookup(entry: &B256) -> Option<Place> {
    let (head, rest) = entry.split_first_chunk::<4>()?;
    let (chain, rest) = rest.split_first_chunk()?;
    let (block, rest) = rest.split_first_chunk()?;
    let (timestamp, log) = rest.split_first_chunk()?;
    (head[1..] == [0; 3]).then_some(Place {
        chain: u64::from_be_bytes(*chain).into(),
        block: u64::from_be_bytes(*block),
        timestamp: u64::from_be_bytes(*timestamp),
        log: u32::from_be_bytes(*log.first_chunk()?),
    })
}

fn widen(lower: ChainId, entry: &B256) -> Option<ChainId> {
    let (head, upper) = entry.split_first_chunk::<8>()?;
    let upper = U256::from_be_slice(upper);
    (head[1..] == [0; 7]).then_some(ChainId(upper << 64 | lower.0))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;
    use crate::message::tests::hello;

    fn wide() -> Declared {
        let (mut message, _) = hello();
        message.place.chain = ChainId(U256::from(7) << 200 | U256::from(902));
        Declared::of(&message)
    }

    #[test]
    fn a_declaration_is_what_the_chains_own_tools_say() {
        let (message, _) = hello();
        assert_eq!(
            Declared::of(&message).entries(),
            [
                b256!("0100000000000000000003850000000000000030000000006b00dc6700000000"),
                b256!("036d8b154667ca4df524e881ff3962964cc9e4fd312ef642835c95ca263a3875"),
            ]
        );
    }

    #[test]
    fn lists_come_back_as_they_were_declared() {
        let (message, _) = hello();
        let one = Declared::of(&message);
        for declared in [
            vec![],
            vec![one],
            vec![one, wide(), one],
            vec![wide(), wide()],
        ] {
            let entries: Vec<B256> = declared.iter().flat_map(Declared::entries).collect();
            assert_eq!(read(&entries), Ok(declared));
        }
    }

    #[test]
    fn what_is_no_declaration_is_named() {
        let entries = wide().entries();
        let [lookup, chain, checksum] = entries[..] else {
            panic!("{entries:?}");
        };
        let mut filled = lookup;
        filled[2] = 1;
        let mut over = chain;
        over[1] = 1;
        let out = |at| Err(BadEntry::OutOfOrder { at });
        let unknown = |at| Err(BadEntry::Unknown { at });
        for (list, expected) in [
            (vec![checksum], out(0)),
            (vec![chain, checksum], out(0)),
            (vec![lookup, lookup], out(1)),
            (vec![lookup, chain, chain], out(2)),
            (vec![lookup, checksum, checksum], out(2)),
            (vec![lookup, chain], Err(BadEntry::Cut)),
            (vec![B256::ZERO], unknown(0)),
            (vec![filled, checksum], unknown(0)),
            (vec![lookup, over, checksum], unknown(1)),
        ] {
            assert_eq!(read(&list), expected, "{list:?}");
        }
    }
}
