//! The functions of an opened recorder.

use std::cell::{BorrowMutError, Cell, RefCell};

use haltbox_recorder::host::{HostError, HostRecorder, Kept, Stats};
use thiserror::Error;

use crate::js::{Env, Receiver, Unread, Value};

/// A buffer that one huge entry made larger than this is freed.
const BUFFER_KEPT: usize = 1 << 20;

/// A recorder and the buffer for its entries. One JavaScript thread owns it, and only
/// that thread may call its functions.
pub(crate) struct Sender {
    recorder: HostRecorder,
    buffer: RefCell<Vec<u8>>,
    broken: Cell<bool>,
}

impl Receiver for Sender {
    fn break_off(&self) {
        self.broken.set(true);
    }
}

/// Why an entry is not in the ring.
#[derive(Debug, Error)]
enum NotKept {
    #[error("the recorder failed and is off")]
    Broken,
    #[error("no entry was given")]
    NoEntry,
    /// JavaScript called this function inside itself.
    #[error(transparent)]
    Buffer(#[from] BorrowMutError),
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Sender {
    pub(crate) fn new(recorder: HostRecorder) -> Sender {
        Sender {
            recorder,
            buffer: RefCell::default(),
            broken: Cell::new(false),
        }
    }

    /// `record(text)`: returns nothing, or the reason why the entry is not in the ring.
    pub(crate) fn record(&self, env: &Env, arguments: &[Value]) -> Option<Value> {
        let told = match self.put(env, arguments) {
            Ok(Kept::Whole) => return None,
            Ok(Kept::Dropped) => {
                "the ring has no room that may be overwritten: entries are dropped".to_owned()
            }
            Err(why) => why.to_string(),
        };
        env.text(&told)
    }

    fn put(&self, env: &Env, arguments: &[Value]) -> Result<Kept, NotKept> {
        if self.broken.get() {
            return Err(NotKept::Broken);
        }
        let text = arguments.first().ok_or(NotKept::NoEntry)?;
        let mut buffer = self.buffer.try_borrow_mut()?;
        env.read_text(*text, &mut buffer)?;
        let kept = self.recorder.record(&buffer);
        if buffer.capacity() > BUFFER_KEPT {
            *buffer = Vec::new();
        }
        Ok(kept?)
    }

    /// `close()`: ends recording.
    pub(crate) fn close(&self, _: &Env, _: &[Value]) -> Option<Value> {
        self.recorder.close();
        None
    }

    /// `stats()`: returns an object of numbers; nothing after close.
    pub(crate) fn stats(&self, env: &Env, _: &[Value]) -> Option<Value> {
        let stats: Result<Stats, HostError> = self.recorder.stats();
        let stats = stats.ok()?;
        let object = env.object()?;
        let numbers = [
            ("records", stats.records),
            ("bytes", stats.bytes),
            ("dropped", stats.dropped),
            ("head", stats.head),
            ("released", stats.released),
            ("oldest", stats.oldest),
            ("pinned", stats.pinned),
            ("diverged", stats.diverged),
        ];
        for (name, number) in numbers {
            env.set(object, name, env.number(number)?)?;
        }
        Some(object)
    }
}
