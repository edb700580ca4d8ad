//! The ring's file, written by a thread: for hosts on file systems where a mapped page can end
//! the process and a write can wait for the disk.
//!
//! Calls copy into a queue in memory; the thread takes what is there and writes it, in order.
//! What cannot be written waits and is tried again: the file never gets a hole that way. Once
//! the queue is full, calls are refused until the disk takes writes again. A kill loses what the
//! thread had not written yet: some milliseconds, or all of the queue where the disk takes none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use haltbox_format::ring::{HEADER_SIZE, padded};

use super::map::{Birth, start_writeback};
use super::written::{encode, fits};
use crate::host_threads;

/// Bytes that may wait.
const LIMIT: usize = 16 << 20;
/// Parts that may wait: a mark has some hundred bytes.
const PARTS: usize = LIMIT / 128;
/// How long the thread waits for more, so that calls need not wake it.
const GATHER: Duration = Duration::from_millis(1);
/// So often in a row nothing came: from then on the next call wakes it.
const QUIET: u32 = 20;
/// Between two trials of what could not be written.
const AGAIN: Duration = Duration::from_millis(100);
/// For so long closing waits for what is queued. The thread goes on alone behind that.
const CLOSING: Duration = Duration::from_secs(1);
/// Room kept once it was needed.
const KEPT: usize = 1 << 20;
const STACK: usize = 256 << 10;

/// The writer's end.
pub(super) struct Queued {
    queue: Arc<Queue>,
    length: usize,
    thread: Option<JoinHandle<()>>,
    birth: Birth,
}

/// What waits, and the two who care.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Batch,
    /// The thread sleeps until it is woken.
    asleep: bool,
    /// The thread has something that is not written yet.
    writing: bool,
    /// The kernel is to begin writing the file to the disk, once all of it is there.
    flushing: bool,
    ending: bool,
}

/// Bytes, and where they belong.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

struct Part {
    offset: usize,
    length: usize,
    /// Records behind one another are written as one; a word that must be seen first is not.
    record: bool,
}

impl Queued {
    /// Starts the thread that writes into `file`, of `length` bytes. `held` is dropped when the
    /// last of it is written: the lock that keeps other writers away.
    pub(super) fn start<H: Send + 'static>(
        file: File,
        length: usize,
        held: H,
    ) -> io::Result<Queued> {
        let queue = Arc::new(Queue::default());
        let written = Arc::clone(&queue);
        let builder = std::thread::Builder::new()
            .name("haltbox-writer".to_owned())
            .stack_size(STACK);
        let thread = host_threads::spawn(builder, move || {
            written.run(&file);
            drop(held);
        })?;
        Ok(Queued {
            queue,
            length,
            thread: Some(thread),
            birth: Birth::here(),
        })
    }

    pub(super) fn is_forked(&self) -> bool {
        self.birth.is_elsewhere()
    }

    /// What waits can be waited for without holding up the calls.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// As [`super::map::Map::write`]; false too if the queue is full.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        if self.is_forked() || !fits(offset, bytes.len(), self.length) {
            return false;
        }
        self.queue.put(bytes.len(), |batch| {
            batch.bytes.extend_from_slice(bytes);
            batch.parts.push(Part {
                offset,
                length: bytes.len(),
                record: false,
            });
        })
    }

    /// As [`super::map::Map::put_record`]; false too if the queue is full.
    pub(super) fn put_record(
        &mut self,
        offset: usize,
        head: [u64; 2],
        prefix: &[u8],
        payload: &[u8],
    ) -> bool {
        let length = HEADER_SIZE + padded(prefix.len() + payload.len());
        if self.is_forked() || !fits(offset, length, self.length) {
            return false;
        }
        self.queue.put(length, |batch| {
            let end = batch.bytes.len() + length;
            encode(&mut batch.bytes, head, prefix, payload);
            batch.bytes.resize(end, 0);
            batch.add_record(offset, length);
        })
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let thread = self.thread.take();
        // A forked child has no such thread, and its lock may be held for ever.
        if self.is_forked() {
            std::mem::forget(thread);
            return;
        }
        self.queue.lock().ending = true;
        if self.queue.settle(CLOSING) {
            drop(thread.map(JoinHandle::join));
        }
    }
}

impl Queue {
    /// Waits until all that was put before is in the file; false if it is not within `patience`.
    pub(super) fn settle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        self.filled.notify_one();
        while state.writing || !state.waiting.parts.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.written.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Has the thread do what [`start_writeback`] does, which can wait.
    pub(super) fn start_writeback(&self) {
        self.lock().flushing = true;
        self.filled.notify_one();
    }

    fn put(&self, length: usize, fill: impl FnOnce(&mut Batch)) -> bool {
        let mut state = self.lock();
        if !state.waiting.has_room(length) {
            return false;
        }
        fill(&mut state.waiting);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        true
    }

    fn run(&self, file: &File) {
        let mut batch = Batch::default();
        while self.take(&mut batch) {
            batch.write(file);
            batch.clear();
            if self.is_to_flush() {
                start_writeback(file);
            }
        }
    }

    fn is_to_flush(&self) -> bool {
        let mut state = self.lock();
        state.waiting.parts.is_empty() && std::mem::take(&mut state.flushing)
    }

    /// Waits for something to write; false at the end.
    fn take(&self, batch: &mut Batch) -> bool {
        let mut state = self.lock();
        let mut nothing = 0;
        while state.waiting.parts.is_empty() && !state.flushing {
            state.writing = false;
            self.written.notify_all();
            if state.ending {
                return false;
            }
            nothing += 1;
            state = self.wait(state, nothing > QUIET);
        }
        std::mem::swap(batch, &mut state.waiting);
        state.writing = true;
        true
    }

    fn wait<'a>(&'a self, mut state: MutexGuard<'a, State>, asleep: bool) -> MutexGuard<'a, State> {
        state.asleep = asleep;
        let mut state = match asleep {
            true => self.filled.wait(state),
            false => self
                .filled
                .wait_timeout(state, GATHER)
                .map(|(state, _)| state)
                .map_err(|error| PoisonError::new(error.into_inner().0)),
        }
        .unwrap_or_else(PoisonError::into_inner);
        state.asleep = false;
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn has_room(&mut self, length: usize) -> bool {
        self.bytes.len() + length <= LIMIT
            && self.parts.len() < PARTS
            && self.bytes.try_reserve(length).is_ok()
            && self.parts.try_reserve(1).is_ok()
    }

    fn add_record(&mut self, offset: usize, length: usize) {
        match self.parts.last_mut() {
            Some(last) if last.record && last.offset + last.length == offset => {
                last.length += length;
            }
            _ => self.parts.push(Part {
                offset,
                length,
                record: true,
            }),
        }
    }

    /// Writes all of it, however long that takes.
    fn write(&self, file: &File) {
        let mut rest = self.bytes.as_slice();
        for part in &self.parts {
            let (bytes, behind) = rest.split_at(part.length.min(rest.len()));
            while file.write_all_at(bytes, part.offset as u64).is_err() {
                std::thread::sleep(AGAIN);
            }
            rest = behind;
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
        self.bytes.shrink_to(KEPT);
        self.parts.shrink_to(KEPT / 128);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(length: usize) -> (File, Queued) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length as u64).unwrap();
        let queued = Queued::start(file.try_clone().unwrap(), length, ()).unwrap();
        (file, queued)
    }

    #[test]
    fn all_that_was_put_is_in_the_file_once_it_is_closed() {
        let (file, mut queued) = started(1 << 20);
        for place in 0..1000_usize {
            assert!(queued.put_record(place * 32, [place as u64, 7], b"", b"payload"));
        }
        assert!(queued.write(40_000, b"behind"));
        drop(queued);
        let mut bytes = [0; 32];
        for place in 0..1000_u64 {
            file.read_exact_at(&mut bytes, place * 32).unwrap();
            assert_eq!(bytes[..8], place.to_le_bytes());
            assert_eq!(&bytes[16..], b"payload\0\0\0\0\0\0\0\0\0");
        }
        file.read_exact_at(&mut bytes[..6], 40_000).unwrap();
        assert_eq!(&bytes[..6], b"behind");
    }

    #[test]
    fn a_disk_that_takes_nothing_refuses_calls_once_the_queue_is_full() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut queued = Queued::start(full, usize::MAX, ()).unwrap();
        let begun = Instant::now();
        let accepted = (0..600).filter(|place| queued.write(place << 16, &[7; 64 << 10]));
        let accepted = accepted.count();
        // What the thread took is out of the queue, and not in the file.
        assert!((256..=512).contains(&accepted), "{accepted}");
        assert!(begun.elapsed() < Duration::from_secs(5), "a call waited");
        assert!(!queued.queue.settle(Duration::from_millis(50)));
    }

    #[test]
    fn nothing_outside_the_file_is_put() {
        let (file, mut queued) = started(64);
        assert!(!queued.put_record(48, [1, 1], b"", b"h") && !queued.write(60, b"haltbox"));
        drop(queued);
        assert_eq!(file.metadata().unwrap().len(), 64);
    }
}
