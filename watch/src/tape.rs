//! The recording of one chain, in a ring.
//!
//! There is one ring for each executing chain, because the blocks of a ring belong to one
//! chain and are protected by height. Only blocks that execute messages are in the ring.
//! A block is released when all its messages are settled. Released blocks are overwritten
//! first.
//!
//! Open messages survive every end of the process. The cursor has the height below which
//! all messages are settled, and the chain is read again from there. The ring's entries
//! about these blocks say what was known of them, and what was reported to the operator.
//!
//! The entries are lines of JSON, so that `zstd -dc BOX` prints them and every command of
//! the reader reads them. Cursors, gaps and incidents are such lines too, and not marks,
//! so the ring's format does not change. `docs/op-stack.md` lists them.

mod entry;
mod opinions;
mod recall;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::B256;
use haltbox_format::mark::Attempt;
use haltbox_model::{Profile, ProfileError, ShowPath};
use haltbox_recorder::host::{HostError, HostRecorder, Kept, Options};
use haltbox_recorder::recorder_dir::RecorderDir;
use thiserror::Error;

use crate::book::{Change, Left};
use crate::finder::Found;
use crate::incident::Record;

pub use entry::{Cursor, Entry, RootTold};
pub use opinions::{Divergence, RecalledOpinions};
pub use recall::{Recalled, RecalledBlock};

/// The profile of the ring.
const PROFILE: &str = "messages";

/// The ring of one chain.
pub struct Tape {
    recorder: Arc<HostRecorder>,
    /// The attempt of each unsettled block, even of one that was removed from the chain:
    /// a removal may be the reason to freeze its box.
    attempts: BTreeMap<(u64, B256), Attempt>,
    /// Number of dropped entries.
    dropped: u64,
    is_short: bool,
}

/// An opened tape.
pub struct Opened {
    /// The tape.
    pub tape: Tape,
    /// Its open state.
    pub recalled: Recalled,
    /// Notices for the operator.
    pub notices: Vec<String>,
}

/// Reasons why a tape cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TapeError {
    /// The ring belongs to another program, or cannot be read.
    #[error("{}: {error}", ring.shown())]
    Recall {
        /// The ring.
        ring: PathBuf,
        /// What was found.
        error: io::Error,
    },
    /// The tape's own profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The ring cannot be opened or written.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Tape {
    /// Opens or creates the ring in a folder, and reads its open state.
    ///
    /// # Errors
    /// [`TapeError`].
    pub fn open(dir: &Path, size: u64) -> Result<Opened, TapeError> {
        let ring = RecorderDir::at(dir).ring();
        let recalled = recall::of_ring(&ring).map_err(|error| TapeError::Recall { ring, error })?;
        let profile = Profile::builtin(PROFILE)?;
        let mut options = Options::new(dir, profile);
        options.size = size;
        let (recorder, notices) = HostRecorder::open(options)?;
        let mut tape = Tape {
            recorder: Arc::new(recorder),
            attempts: recalled.attempts.clone(),
            dropped: 0,
            is_short: false,
        };
        if recalled.is_empty() {
            let haltbox = env!("CARGO_PKG_VERSION").to_owned();
            tape.put(&Entry::TapeStart { haltbox })?;
        }
        Ok(Opened {
            tape,
            recalled,
            notices,
        })
    }

    /// The folder of ring and boxes.
    pub fn dir(&self) -> PathBuf {
        self.recorder.dir().to_owned()
    }

    /// Number of entries that the ring dropped: their content is lost.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The recorder, for the thread that writes boxes.
    pub fn recorder(&self) -> Arc<HostRecorder> {
        Arc::clone(&self.recorder)
    }

    /// The ring's attempt of an unsettled block.
    pub fn attempt(&self, number: u64, block: B256) -> Option<Attempt> {
        self.attempts.get(&(number, block)).copied()
    }

    /// Records a block that executes messages.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn block(&mut self, found: &Found) -> Result<(), HostError> {
        let header = found.block.header;
        self.put(&Entry::seen(&header))?;
        for message in &found.messages {
            self.put(&Entry::of_message(message))?;
        }
        self.put(&Entry::BlockRead {
            block: header.number,
        })?;
        if let Some(attempt) = self.recorder.attempt(header.number)? {
            self.attempts.insert((header.number, header.hash), attempt);
        }
        Ok(())
    }

    /// Records changes of messages. Messages of a block with the same verdict share one
    /// entry.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn changes(&mut self, changes: &[Change], at: u64) -> Result<(), HostError> {
        for entry in entry::statuses(changes, at) {
            self.put(&entry)?;
        }
        Ok(())
    }

    /// Records that a block with messages is no longer part of the chain.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn orphan(&mut self, block: u64, hash: B256, why: &str, at: u64) -> Result<(), HostError> {
        let why = why.to_owned();
        self.put(&Entry::Orphan {
            block,
            hash,
            why,
            at,
        })
    }

    /// Records and releases settled blocks, oldest first.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn settled(&mut self, settled: &[Left], at: u64) -> Result<(), HostError> {
        let Some(last) = settled.last() else {
            return Ok(());
        };
        self.put(&Entry::Settled {
            block: last.number,
            at,
        })?;
        self.attempts.retain(|(number, _), _| *number > last.number);
        self.recorder.release(last.number)
    }

    /// Records how far the chain was read.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn cursor(&mut self, cursor: Cursor) -> Result<(), HostError> {
        let oldest = self.attempts.keys().next().map(|(number, _)| *number);
        let held = self.recorder.stats()?.oldest;
        self.is_short = oldest.is_some_and(|oldest| oldest < held);
        self.put(&Entry::Cursor(cursor))
    }

    /// Whether the ring is too small for the open blocks: entries of the oldest open
    /// blocks were overwritten.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// Records heights whose blocks no node has.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn gap(&mut self, from: u64, to: u64, why: &str, at: u64) -> Result<(), HostError> {
        let why = why.to_owned();
        self.put(&Entry::Gap { from, to, why, at })
    }

    /// Records that the chain's nodes went away, or came back.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn node(&mut self, up: bool, why: &str, at: u64) -> Result<(), HostError> {
        let why = why.to_owned();
        self.put(&Entry::Node { up, why, at })
    }

    /// Records the state of an incident.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn incident(&mut self, record: &Record, at: u64) -> Result<(), HostError> {
        self.put(&Entry::Incident {
            incident: Box::new(record.clone()),
            at,
        })
    }

    pub(crate) fn put(&mut self, entry: &Entry) -> Result<(), HostError> {
        if self.recorder.record(&entry.line())? == Kept::Dropped {
            self.dropped += 1;
        }
        Ok(())
    }
}
