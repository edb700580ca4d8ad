//! The thread in which a finder looks at its chain.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use alloy_primitives::B256;

use super::Input;
use crate::finder::Finder;
use crate::message::ChainId;

/// What a finder is asked for besides following its chain.
enum Wanted {
    /// What stands at a finalized height.
    Old(u64),
    /// The header of a block.
    Header(u64, B256),
}

pub(super) struct Finding {
    /// Closed: the thread ends.
    asked: Sender<Wanted>,
    thread: JoinHandle<()>,
}

impl Finding {
    pub(super) fn start(
        chain: ChainId,
        mut finder: Finder,
        every: Duration,
        told: SyncSender<Input>,
    ) -> io::Result<Finding> {
        let (asked, wanted) = channel();
        let tell = move |sighting| {
            // Nobody listens: the watcher ends.
            let _ = told.send(Input::Sighting(chain, sighting));
        };
        let work = move || {
            let mut rest = Duration::ZERO;
            loop {
                match wanted.recv_timeout(rest) {
                    Ok(Wanted::Old(number)) => tell(finder.old(number)),
                    Ok(Wanted::Header(number, hash)) => tell(finder.header(number, hash)),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let more = finder.look(&mut |sighting| tell(sighting));
                        rest = if more { Duration::ZERO } else { every };
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("finder-{chain}"));
        Ok(Finding {
            asked,
            thread: thread.spawn(work)?,
        })
    }

    /// Asks for what stands at a finalized height.
    pub(super) fn ask(&self, number: u64) {
        // A thread that is not there any more ends the watcher anyway.
        let _ = self.asked.send(Wanted::Old(number));
    }

    /// Asks for the header of a block.
    pub(super) fn ask_header(&self, number: u64, hash: B256) {
        let _ = self.asked.send(Wanted::Header(number, hash));
    }

    /// Lets go of the thread. It ends with its present look: a node may hold it up for
    /// some seconds, and the process does not wait for that.
    pub(super) fn end(self) {
        drop(self.asked);
        drop(self.thread);
    }
}
