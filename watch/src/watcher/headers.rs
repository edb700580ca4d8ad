//! Records the full headers of blocks in an incident. The roots show which of two blocks
//! at one height is right, and one of the two soon disappears from every node.

use std::collections::VecDeque;

use alloy_primitives::B256;
use haltbox_recorder::host::HostError;

use super::Watcher;
use crate::chain::FullHeader;
use crate::finder::NoHeader;
use crate::incident::Record;
use crate::message::ChainId;
use crate::tape::Entry;
use haltbox_recorder::clock::now_ms;

/// Number of remembered hashes, so that each header is requested once.
const REMEMBERED: usize = 256;

/// Headers that were requested.
#[derive(Default)]
pub(super) struct Headers {
    asked: VecDeque<B256>,
}

impl Headers {
    /// Whether the hash was not requested before; remembers it.
    fn is_new(&mut self, hash: B256) -> bool {
        if self.asked.contains(&hash) {
            return false;
        }
        if self.asked.len() == REMEMBERED {
            self.asked.pop_front();
        }
        self.asked.push_back(hash);
        true
    }
}

impl Watcher {
    /// Requests the header of a block for the chain's tape.
    pub(super) fn want_header(&mut self, chain: ChainId, number: u64, hash: B256) {
        if let Some(finder) = self.finders.get(&chain)
            && self.headers.is_new(hash)
        {
            finder.ask_header(number, hash);
        }
    }

    /// Requests the headers of every block that stood at the heights of an incident.
    pub(super) fn want_headers(&mut self, chain: ChainId, record: &Record) {
        for height in &record.heights {
            for hash in height.seen.iter().filter_map(|seen| seen.hash) {
                self.want_header(chain, height.block, hash);
            }
        }
    }

    pub(super) fn header(
        &mut self,
        chain: ChainId,
        number: u64,
        hash: B256,
        told: Result<FullHeader, NoHeader>,
    ) -> Result<(), HostError> {
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        let (header, text) = match told {
            Ok(header) => (Some(header), None),
            Err(why) => (None, Some(why.to_string())),
        };
        watched.tape.put(&Entry::Header {
            block: number,
            hash,
            header,
            text,
            at: now_ms(),
        })
    }
}
