//! Headers of the blocks that an affair is about, kept in full: which of two blocks of one
//! height is right shows in their roots, and one of the two is soon gone from every node.

use std::collections::VecDeque;

use alloy_primitives::B256;
use haltbox_recorder::host::HostError;

use super::Watcher;
use crate::chain::FullHeader;
use crate::incident::Record;
use crate::message::ChainId;
use crate::tape::Entry;
use haltbox_recorder::clock::now_ms;

/// Hashes that are remembered, so that each header is asked for once.
const REMEMBERED: usize = 256;

/// Headers that were asked for.
#[derive(Default)]
pub(super) struct Headers {
    asked: VecDeque<B256>,
}

impl Headers {
    /// Whether it is asked for the first time.
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
    /// Asks for the header of a block, which goes onto the chain's tape.
    pub(super) fn want_header(&mut self, chain: ChainId, number: u64, hash: B256) {
        if let Some(finding) = self.findings.get(&chain)
            && self.headers.is_new(hash)
        {
            finding.ask_header(number, hash);
        }
    }

    /// Of every block that stood where the message of an incident stands.
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
        told: Result<FullHeader, String>,
    ) -> Result<(), HostError> {
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        let (header, text) = match told {
            Ok(header) => (Some(header), None),
            Err(why) => (None, Some(why)),
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
