//! One message, packed: hundreds of thousands are open where finality is slow.

use std::sync::Arc;

use alloy_primitives::{Address, B256};

use super::{Executed, Site, Standing};
use crate::finder::Declaration;
use crate::message::{ChainId, Malformed, Message, Place};

/// The block that executes messages, held once for all of them.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) chain: ChainId,
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) timestamp: u64,
}

/// A message, or why it is none.
enum Packed {
    Message {
        chain: Arc<ChainId>,
        block: u64,
        timestamp: u64,
        log: u32,
        origin: Address,
        payload: B256,
    },
    Malformed(Box<Malformed>),
}

/// A message that is not settled.
pub(super) struct Open {
    seat: Arc<Seat>,
    log: u32,
    transaction: B256,
    packed: Packed,
    pub(super) declared: Declaration,
    /// By the rules alone.
    pub(super) alone: Standing,
    /// With what it stands on.
    pub(super) told: Standing,
    /// Whether it held when that was known last.
    pub(super) held: Option<bool>,
}

impl Open {
    /// `chain`: that of the message, shared with others.
    pub(super) fn new(
        seat: &Arc<Seat>,
        found: &crate::finder::FoundMessage,
        chain: impl FnOnce(ChainId) -> Arc<ChainId>,
        held: Option<bool>,
    ) -> Open {
        let packed = match found.message {
            Ok(message) => Packed::Message {
                chain: chain(message.place.chain),
                block: message.place.block,
                timestamp: message.place.timestamp,
                log: message.place.log,
                origin: message.origin,
                payload: message.payload,
            },
            Err(malformed) => Packed::Malformed(Box::new(malformed)),
        };
        Open {
            seat: Arc::clone(seat),
            log: found.log,
            transaction: found.transaction,
            packed,
            declared: found.declared,
            alone: Standing::Unknown,
            told: Standing::Unknown,
            held,
        }
    }

    pub(super) fn site(&self) -> Site {
        Site {
            chain: self.seat.chain,
            number: self.seat.number,
            block: self.seat.hash,
            log: self.log,
            transaction: self.transaction,
        }
    }

    /// Of the block that executes it.
    pub(super) fn timestamp(&self) -> u64 {
        self.seat.timestamp
    }

    pub(super) fn executed(&self) -> Executed {
        match &self.packed {
            Packed::Message {
                chain,
                block,
                timestamp,
                log,
                origin,
                payload,
            } => Ok(Message {
                place: Place {
                    chain: **chain,
                    block: *block,
                    timestamp: *timestamp,
                    log: *log,
                },
                origin: *origin,
                payload: *payload,
            }),
            Packed::Malformed(malformed) => Err(**malformed),
        }
    }

    pub(super) fn counted_as(&self) -> (ChainId, Option<ChainId>, &'static str) {
        let named = self.executed().ok().map(|message| message.place.chain);
        (self.seat.chain, named, self.told.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fifteen minutes of 500 messages a block have to fit 128 MiB.
    #[test]
    fn a_message_is_small() {
        assert!(
            size_of::<Option<Open>>() <= 176,
            "{}",
            size_of::<Option<Open>>()
        );
    }
}
