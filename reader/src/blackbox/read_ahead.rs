//! Proves and decompresses frames in a thread of its own, while their lines are used. A long
//! stream then takes as long as the slower of the two.

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::frames::{Frames, Part, Parts};

/// Limit of the parts that wait to be used. A chunk has at most 256 KiB.
const WAITING: usize = 4;
/// Frames from which a thread is worth its start. A frame of the slog has about 1 MiB.
const FRAMES: usize = 4;
/// Stack of the thread in bytes. The decompressor's memory is not on it.
const STACK: usize = 512 << 10;

/// The threads that read ahead in this process.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The parts of a stream that a thread makes. Dropping it ends the thread.
pub(super) struct ReadAhead {
    /// `None` while it is dropped: the thread must see that nobody takes its parts.
    parts: Option<Receiver<Made>>,
    /// Chunks that were used, for the thread to fill again.
    spent: Sender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
    /// The rest of the current frame is not wanted.
    skipping: bool,
    _counted: Counted,
}

/// A part, and the chunk that holds its bytes.
type Made = (io::Result<Part>, Vec<u8>);

/// A thread that counts as one of [`THREADS`].
pub(super) struct Counted;

impl Counted {
    /// `None` if there are as many as `limit`.
    pub(super) fn within(limit: usize) -> Option<Counted> {
        let more = |threads| (threads < limit).then_some(threads + 1);
        let counted = THREADS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.ok().map(|_| Counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ReadAhead {
    /// Starts a thread for frames that one would make faster.
    pub(super) fn of_many(frames: Frames) -> Option<ReadAhead> {
        if frames.count() < FRAMES {
            return None;
        }
        // A thread and who uses its parts take two cores.
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        ReadAhead::start(frames, Counted::within(cores / 2)?).ok()
    }

    /// # Errors
    /// The system starts no more threads.
    pub(super) fn start(frames: Frames, counted: Counted) -> io::Result<ReadAhead> {
        let (sender, parts) = sync_channel(WAITING);
        let (spent, empty) = channel();
        let thread = thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn(move || make(frames, &sender, &empty))?;
        Ok(ReadAhead {
            parts: Some(parts),
            spent,
            thread: Some(thread),
            skipping: false,
            _counted: counted,
        })
    }

    fn take(&mut self, chunk: &mut Vec<u8>) -> io::Result<Part> {
        let made = self.parts.as_ref().and_then(|parts| parts.recv().ok());
        let (part, full) = made.ok_or_else(|| {
            io::Error::other("the thread that decompresses the box ended before the box did")
        })?;
        // The thread may have ended, and then needs no more chunks.
        let _ = self.spent.send(std::mem::replace(chunk, full));
        part
    }
}

impl Parts for ReadAhead {
    fn next(&mut self, chunk: &mut Vec<u8>) -> io::Result<Part> {
        loop {
            let part = self.take(chunk)?;
            match part {
                Part::Chunk(_) if self.skipping => {}
                Part::End | Part::Hole { .. } if std::mem::take(&mut self.skipping) => {}
                part => return Ok(part),
            }
        }
    }

    fn skip_frame(&mut self) {
        self.skipping = true;
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.parts = None;
        // A panic of the thread was reported as an error.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Makes parts until the stream is over, or nobody takes them.
fn make(mut frames: Frames, parts: &SyncSender<Made>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut chunk = empty.try_recv().unwrap_or_default();
        let part = frames.next(&mut chunk);
        let last = matches!(part, Ok(Part::Over) | Err(_));
        if parts.send((part, chunk)).is_err() || last {
            return;
        }
    }
}
