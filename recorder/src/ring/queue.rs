//! The engine `queue`: a thread writes the ring's file. For hosts on file
//! systems where a mapped page can end the process and a write can wait for the
//! disk.
//!
//! Calls copy into a queue in memory, and the thread writes it in order. After
//! an error it tries the same bytes again, so the file never gets a hole. While
//! the queue is full, calls are refused. A kill loses what the thread did not
//! write yet: some milliseconds, or the whole queue if the disk takes no
//! writes.

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

/// Most bytes that wait.
const LIMIT: usize = 16 << 20;
/// Most parts that wait. A mark has about a hundred bytes.
const PARTS: usize = LIMIT / 128;
/// How long the thread waits for more bytes before it looks again, so that
/// calls need not wake it.
const GATHER: Duration = Duration::from_millis(1);
/// How many times in a row the thread finds nothing before it sleeps. The next
/// call then wakes it.
const QUIET: u32 = 20;
/// Time between two attempts to write the same bytes.
const AGAIN: Duration = Duration::from_millis(100);
/// How long closing waits for the queue. After that, the thread writes the rest
/// while the process lives.
const CLOSING: Duration = Duration::from_secs(1);
/// Bytes of memory that stay allocated after a batch.
const KEPT: usize = 1 << 20;
const STACK: usize = 256 << 10;

/// The writer's end of the queue.
pub(super) struct Queued {
    queue: Arc<Queue>,
    length: usize,
    thread: Option<JoinHandle<()>>,
    birth: Birth,
}

/// The queue, and the two sides that wait for each other.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Batch,
    /// Whether the thread sleeps until a call wakes it.
    asleep: bool,
    /// Whether the thread has bytes that are not written yet.
    writing: bool,
    /// Whether the kernel should begin writing the file to the disk once the
    /// queue is empty.
    flushing: bool,
    ending: bool,
}

/// Bytes to write, and their places in the file.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

struct Part {
    offset: usize,
    length: usize,
    /// Whether this is a record. Neighbouring records are written at once.
    /// Other words must be visible before what follows, so they are written
    /// alone.
    record: bool,
}

impl Queued {
    /// Starts the thread that writes into `file`, which has `length` bytes. The
    /// thread drops `held`, the lock against other writers, after it wrote
    /// everything.
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

    /// The shared queue. A caller can wait on it without stopping the host's
    /// calls.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// As [`super::map::Map::write`]. Also returns false if the queue is full.
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

    /// As [`super::map::Map::put_record`]. Also returns false if the queue is
    /// full.
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
        // A forked child has no such thread, and nobody may ever unlock its
        // queue.
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
    /// Waits until everything queued so far is in the file. False if that takes
    /// longer than `patience`.
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

    /// Asks the thread to call [`start_writeback`], which can wait.
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

    /// Waits for something to write. False once the queue ends.
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

    /// Writes all of it. Tries again until that works.
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
        // The bytes that the thread took are out of the queue and not in the file.
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
