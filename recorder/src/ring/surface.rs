//! What a ring's writer writes on: the file, by one of the engines.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::map::{Map, Pages, start_writeback};
use super::queue::{Queue, Queued};
use super::written::Written;

/// The file.
pub(super) enum Surface {
    /// Mapped.
    Mapped(Map),
    /// Written by each call.
    Written(Written),
    /// Written by a thread.
    Queued(Queued),
}

/// What is not in the file yet.
pub(crate) struct Waiting(Option<Arc<Queue>>);

impl Waiting {
    /// Waits until what was there before is in the file; false if it is not within `patience`.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.settle(patience))
    }

    /// Has the kernel begin to write `file` to the disk. Waits only where the disk's queue is
    /// full, and never where a thread writes.
    pub(crate) fn start_writeback(&self, file: &File) {
        match &self.0 {
            Some(queue) => queue.start_writeback(),
            None => start_writeback(file),
        }
    }
}

impl Surface {
    /// Opens `file`, of `length` bytes, by an engine. A thread that writes holds `held` as long
    /// as it has something to write.
    pub(super) fn open<H: Send + 'static>(
        engine: Engine,
        file: &File,
        length: u64,
        held: H,
    ) -> io::Result<Surface> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        Ok(match engine {
            Engine::Map => Surface::Mapped(Map::new(file)?),
            Engine::Write => Surface::Written(Written::new(file.try_clone()?, length)?),
            Engine::Queue => Surface::Queued(Queued::start(file.try_clone()?, length, held)?),
        })
    }

    /// How it is written.
    pub(super) fn engine(&self) -> Engine {
        match self {
            Surface::Mapped(_) => Engine::Map,
            Surface::Written(_) => Engine::Write,
            Surface::Queued(_) => Engine::Queue,
        }
    }

    /// This process is the child of the one that opened it.
    pub(super) fn is_forked(&self) -> bool {
        match self {
            Surface::Mapped(map) => map.is_forked(),
            Surface::Written(written) => written.is_forked(),
            Surface::Queued(queued) => queued.is_forked(),
        }
    }

    /// For the thread that makes pages present.
    pub(super) fn pages(&self) -> Option<Pages> {
        match self {
            Surface::Mapped(map) => Some(map.pages()),
            Surface::Written(_) | Surface::Queued(_) => None,
        }
    }

    /// The map, where the file is mapped.
    pub(super) fn map(&self) -> Option<&Map> {
        match self {
            Surface::Mapped(map) => Some(map),
            Surface::Written(_) | Surface::Queued(_) => None,
        }
    }

    /// What waits to be written.
    pub(super) fn waiting(&self) -> Waiting {
        match self {
            Surface::Mapped(_) | Surface::Written(_) => Waiting(None),
            Surface::Queued(queued) => Waiting(Some(queued.queue())),
        }
    }

    /// Writes `bytes` at `offset`; false if it does not fit or the file takes nothing.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        match self {
            Surface::Mapped(map) => map.write(offset, bytes),
            Surface::Written(written) => written.write(offset, bytes),
            Surface::Queued(queued) => queued.write(offset, bytes),
        }
    }

    /// Writes one word, seen after all that was written before it.
    pub(super) fn publish(&mut self, offset: usize, word: u64) -> bool {
        match self {
            Surface::Mapped(map) => map.publish(offset, word),
            Surface::Written(written) => written.write(offset, &word.to_le_bytes()),
            Surface::Queued(queued) => queued.write(offset, &word.to_le_bytes()),
        }
    }

    /// Writes a record, whole or so that its checksum fails.
    #[inline(always)]
    pub(super) fn put_record(
        &mut self,
        offset: usize,
        head: [u64; 2],
        prefix: &[u8],
        payload: &[u8],
    ) -> bool {
        match self {
            Surface::Mapped(map) => map.put_record(offset, head, prefix, payload),
            other => other.write_record(offset, head, prefix, payload),
        }
    }

    /// Apart, so that a store into the map does not carry what these need.
    #[cold]
    #[inline(never)]
    fn write_record(
        &mut self,
        offset: usize,
        head: [u64; 2],
        prefix: &[u8],
        payload: &[u8],
    ) -> bool {
        match self {
            Surface::Mapped(_) => false,
            Surface::Written(written) => written.put_record(offset, head, prefix, payload),
            Surface::Queued(queued) => queued.put_record(offset, head, prefix, payload),
        }
    }
}
