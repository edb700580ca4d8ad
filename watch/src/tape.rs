//! What a watcher saw of one chain, in a ring.
//!
//! One ring for each executing chain: a ring's blocks are of one chain, and what protects
//! them is their height. A block that executes messages is a block of the ring. It is
//! released when all its messages are settled; until then what is released goes first.
//!
//! What is open survives every end of the process: the cursor has the height below which
//! all is settled, and the chain is read again from there. What the ring holds of these
//! blocks tells what was known of them, and what the operator was told.
//!
//! The entries are lines of JSON, so that `zstd -dc BOX` shows them and every command of
//! the reader reads them. Cursors, gaps and incidents are such lines too, and no marks: the
//! ring's format stays what it is. `docs/op-stack.md` lists them.

mod entry;
mod opinions;
mod recall;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::B256;
use haltbox_format::mark::Attempt;
use haltbox_model::{Profile, ShowPath};
use haltbox_recorder::host::{HostError, HostRecorder, Kept, Options};
use haltbox_recorder::recorder_dir::RecorderDir;

use crate::book::{Change, Left};
use crate::finder::Found;
use crate::incident::Record;

pub use entry::{Cursor, Entry, RootTold};
pub use opinions::{Divergence, RecalledOpinions};
pub use recall::{Recalled, RecalledBlock};

/// The profile by which the ring is read.
const PROFILE: &str = "messages";

/// The ring of one chain.
pub struct Tape {
    recorder: Arc<HostRecorder>,
    /// The attempt of each block that is not settled; of one that is gone too, for a box of
    /// it may be asked for because it went.
    attempts: BTreeMap<(u64, B256), Attempt>,
    /// Entries that found no room.
    dropped: u64,
    is_short: bool,
}

/// A tape that was opened.
pub struct Opened {
    /// The tape.
    pub tape: Tape,
    /// What it held.
    pub recalled: Recalled,
    /// Sentences for the operator.
    pub notices: Vec<String>,
}

impl Tape {
    /// Opens or makes the ring in a folder, and reads what is open in it.
    ///
    /// # Errors
    /// In words: the ring is another program's, or cannot be had.
    pub fn open(dir: &Path, size: u64) -> Result<Opened, String> {
        let ring = RecorderDir::at(dir).ring();
        let recalled =
            recall::of_ring(&ring).map_err(|error| format!("{}: {error}", ring.shown()))?;
        let profile = Profile::builtin(PROFILE).map_err(|error| error.to_string())?;
        let mut options = Options::new(dir, profile);
        options.size = size;
        let (recorder, notices) = HostRecorder::open(options).map_err(|error| error.to_string())?;
        let mut tape = Tape {
            recorder: Arc::new(recorder),
            attempts: recalled.attempts.clone(),
            dropped: 0,
            is_short: false,
        };
        if recalled.is_empty() {
            let haltbox = env!("CARGO_PKG_VERSION").to_owned();
            let started = tape.put(&Entry::TapeStart { haltbox });
            started.map_err(|error| error.to_string())?;
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

    /// Entries that found no room: nothing that they tell of survives.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The recorder, for whoever writes a box beside the watcher.
    pub fn recorder(&self) -> Arc<HostRecorder> {
        Arc::clone(&self.recorder)
    }

    /// What the ring calls a block that is not settled.
    pub fn attempt(&self, number: u64, block: B256) -> Option<Attempt> {
        self.attempts.get(&(number, block)).copied()
    }

    /// A block that executes messages.
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

    /// Messages that are judged otherwise than before: those of a block that are judged
    /// alike stand in one entry.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn changes(&mut self, changes: &[Change], at: u64) -> Result<(), HostError> {
        for entry in entry::statuses(changes, at) {
            self.put(&entry)?;
        }
        Ok(())
    }

    /// A block with messages that is not the chain's any more.
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

    /// Blocks whose messages are settled, the oldest first.
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

    /// How far the chain was read.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn cursor(&mut self, cursor: Cursor) -> Result<(), HostError> {
        let oldest = self.attempts.keys().next().map(|(number, _)| *number);
        let held = self.recorder.stats()?.oldest;
        self.is_short = oldest.is_some_and(|oldest| oldest < held);
        self.put(&Entry::Cursor(cursor))
    }

    /// The ring is too small for what is open: entries of the oldest open blocks are
    /// overwritten.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// Heights that nobody can tell of.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn gap(&mut self, from: u64, to: u64, why: &str, at: u64) -> Result<(), HostError> {
        let why = why.to_owned();
        self.put(&Entry::Gap { from, to, why, at })
    }

    /// The chain's nodes went away, or came back.
    ///
    /// # Errors
    /// The recorder is off.
    pub fn node(&mut self, up: bool, why: &str, at: u64) -> Result<(), HostError> {
        let why = why.to_owned();
        self.put(&Entry::Node { up, why, at })
    }

    /// How an incident stands.
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
