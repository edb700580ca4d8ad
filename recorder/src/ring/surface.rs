//! The ring's file behind its writer, by one of the engines.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::map::{Map, Pages, start_writeback};
use super::queue::{Queue, Queued};
use super::written::Written;

pub(super) enum Surface {
    /// The file is mapped.
    Mapped(Map),
    /// Each call writes to the file.
    Written(Written),
    /// A thread writes to the file.
    Queued(Queued),
}

/// Handle to wait for bytes that are not in the file yet.
pub(crate) struct Waiting(Option<Arc<Queue>>);

impl Waiting {
    /// Waits until everything appended so far is in the file. False if that
    /// takes longer than `patience`.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.settle(patience))
    }

    /// Asks the kernel to begin writing `file` to the disk. Waits only while
    /// the disk's queue is full, and never with the engine `queue`.
    pub(crate) fn start_writeback(&self, file: &File) {
        match &self.0 {
            Some(queue) => queue.start_writeback(),
            None => start_writeback(file),
        }
    }
}

impl Surface {
    /// Opens `file`, which has `length` bytes, with an engine. The thread of
    /// the engine `queue` keeps `held` until it wrote everything.
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

    /// Which engine it is.
    pub(super) fn engine(&self) -> Engine {
        match self {
            Surface::Mapped(_) => Engine::Map,
            Surface::Written(_) => Engine::Write,
            Surface::Queued(_) => Engine::Queue,
        }
    }

    /// Whether this process is a forked child of the one that opened the file.
    pub(super) fn is_forked(&self) -> bool {
        match self {
            Surface::Mapped(map) => map.is_forked(),
            Surface::Written(written) => written.is_forked(),
            Surface::Queued(queued) => queued.is_forked(),
        }
    }

    /// Pages for the populating thread. `None` if the file is not mapped.
    pub(super) fn pages(&self) -> Option<Pages> {
        match self {
            Surface::Mapped(map) => Some(map.pages()),
            Surface::Written(_) | Surface::Queued(_) => None,
        }
    }

    /// The map. `None` if the file is not mapped.
    pub(super) fn map(&self) -> Option<&Map> {
        match self {
            Surface::Mapped(map) => Some(map),
            Surface::Written(_) | Surface::Queued(_) => None,
        }
    }

    /// Handle to wait for bytes that are not in the file yet.
    pub(super) fn waiting(&self) -> Waiting {
        match self {
            Surface::Mapped(_) | Surface::Written(_) => Waiting(None),
            Surface::Queued(queued) => Waiting(Some(queued.queue())),
        }
    }

    /// Writes `bytes` at `offset`. False if they do not fit or the file takes
    /// no writes.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        match self {
            Surface::Mapped(map) => map.write(offset, bytes),
            Surface::Written(written) => written.write(offset, bytes),
            Surface::Queued(queued) => queued.write(offset, bytes),
        }
    }

    /// Writes one word. A reader that sees it sees everything written before.
    pub(super) fn publish(&mut self, offset: usize, word: u64) -> bool {
        match self {
            Surface::Mapped(map) => map.publish(offset, word),
            Surface::Written(written) => written.write(offset, &word.to_le_bytes()),
            Surface::Queued(queued) => queued.write(offset, &word.to_le_bytes()),
        }
    }

    /// Says that a record of `length` bytes comes at `offset`. Changes nothing.
    #[inline(always)]
    pub(super) fn request(&self, offset: usize, length: usize) {
        if let Surface::Mapped(map) = self {
            map.request(offset, length);
        }
    }

    /// Writes a record. If only a part is written, its checksum fails.
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

    /// A function of its own, so that a store into the map does not pay for the
    /// other engines.
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
