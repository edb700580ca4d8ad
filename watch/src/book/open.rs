//! One open message, packed: if finality is slow, hundreds of thousands are open.

use std::sync::Arc;

use alloy_primitives::{Address, B256};

use super::{Executed, Site, Standing};
use crate::finder::Declaration;
use crate::message::{ChainId, Malformed, Message, Place};

/// The block that executes messages, shared by all of them.
#[derive(Debug)]
pub(super) struct ExecutingBlock {
    pub(super) chain: ChainId,
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) timestamp: u64,
}

/// A message, or the reason why the log is not one.
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

/// An unsettled message.
pub(super) struct Open {
    executing: Arc<ExecutingBlock>,
    log: u32,
    transaction: B256,
    packed: Packed,
    pub(super) declared: Declaration,
    /// Standing by the rules alone.
    pub(super) by_rules: Standing,
    /// Standing with the blocks that it depends on, as reported last.
    pub(super) standing: Standing,
    /// Last known validity.
    pub(super) held: Option<bool>,
}

impl Open {
    /// `chain` returns the shared ID of the message's chain.
    pub(super) fn new(
        executing: &Arc<ExecutingBlock>,
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
            executing: Arc::clone(executing),
            log: found.log,
            transaction: found.transaction,
            packed,
            declared: found.declared,
            by_rules: Standing::Unknown,
            standing: Standing::Unknown,
            held,
        }
    }

    pub(super) fn site(&self) -> Site {
        Site {
            chain: self.executing.chain,
            number: self.executing.number,
            block: self.executing.hash,
            log: self.log,
            transaction: self.transaction,
        }
    }

    /// Timestamp of the block that executes it.
    pub(super) fn timestamp(&self) -> u64 {
        self.executing.timestamp
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
        (self.executing.chain, named, self.standing.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fifteen minutes of 500 messages a block must fit into 128 MiB.
    #[test]
    fn a_message_is_small() {
        assert!(
            size_of::<Option<Open>>() <= 176,
            "{}",
            size_of::<Option<Open>>()
        );
    }
}
