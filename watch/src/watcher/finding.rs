//! The thread of a finder.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use alloy_primitives::B256;

use super::Input;
use crate::finder::Finder;
use crate::message::ChainId;

/// Requests to a finder besides following its chain.
enum Request {
    /// The block at a finalized height.
    Old(u64),
    /// The header of a block.
    Header(u64, B256),
}

pub(super) struct FinderThread {
    /// Dropping it ends the thread.
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl FinderThread {
    pub(super) fn start(
        chain: ChainId,
        mut finder: Finder,
        every: Duration,
        sender: SyncSender<Input>,
    ) -> io::Result<FinderThread> {
        let (requests, requested) = channel();
        let tell = move |sighting| {
            // An error means that the watcher ends.
            let _ = sender.send(Input::Sighting(chain, sighting));
        };
        let work = move || {
            let mut rest = Duration::ZERO;
            loop {
                match requested.recv_timeout(rest) {
                    Ok(Request::Old(number)) => tell(finder.old(number)),
                    Ok(Request::Header(number, hash)) => tell(finder.header(number, hash)),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let more = finder.look(&mut |sighting| tell(sighting));
                        rest = if more { Duration::ZERO } else { every };
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("finder-{chain}"));
        Ok(FinderThread {
            requests,
            thread: thread.spawn(work)?,
        })
    }

    /// Requests the block at a finalized height.
    pub(super) fn ask(&self, number: u64) {
        // If the thread has ended, the watcher ends anyway.
        let _ = self.requests.send(Request::Old(number));
    }

    /// Requests the header of a block.
    pub(super) fn ask_header(&self, number: u64, hash: B256) {
        let _ = self.requests.send(Request::Header(number, hash));
    }

    /// Tells the thread to end, without waiting for it. It ends after its current poll: a
    /// node may delay that for some seconds, and the process does not wait.
    pub(super) fn end(self) {
        drop(self.requests);
        drop(self.thread);
    }
}
