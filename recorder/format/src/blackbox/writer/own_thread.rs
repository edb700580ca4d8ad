//! Writes frames in a thread.

use std::io::{self, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::frames::{Frame, Frames};
use crate::blackbox::sink::BoxError;

/// Capacity of the queue, in frames. The thread compresses one frame while one waits.
/// More would cost memory; fewer would make the two threads wait for each other.
const WAITING: usize = 1;

/// Stack of the thread, in bytes. This is Rust's default. Without it, Rust looks for a
/// size in the environment, and a recorder does not read its host's environment.
pub const THREAD_STACK: usize = 2 << 20;

/// The thread and its queue. Drop waits for the end of the thread, so that it writes
/// nothing to the file afterwards.
pub(super) struct OwnThread<W: Write + Seek> {
    frames: Option<SyncSender<Frame<'static>>>,
    thread: Option<JoinHandle<Result<Box<Frames<W>>, BoxError>>>,
    written: Arc<AtomicU64>,
}

impl<W: Write + Seek + Send + 'static> OwnThread<W> {
    /// Returns the frames if the system cannot start a thread.
    pub(super) fn start(frames: Box<Frames<W>>) -> Result<OwnThread<W>, Box<Frames<W>>> {
        let written = Arc::new(AtomicU64::new(frames.written()));
        let (way, received) = sync_channel(WAITING);
        // Send the frames after the thread started: a thread that cannot be started would
        // take them with it.
        let (first, start) = sync_channel::<Box<Frames<W>>>(1);
        let told = Arc::clone(&written);
        let run = move || match start.recv() {
            Ok(frames) => work(frames, &received, &told),
            Err(_) => Err(stopped(0)),
        };
        let builder = Builder::new()
            .name("haltbox-box".to_owned())
            .stack_size(THREAD_STACK);
        let Ok(thread) = builder.spawn(run) else {
            return Err(frames);
        };
        first.send(frames).map_err(|unsent| unsent.0)?;
        Ok(OwnThread {
            frames: Some(way),
            thread: Some(thread),
            written,
        })
    }
}

impl<W: Write + Seek> OwnThread<W> {
    /// Queues a frame; blocks while the queue is full. After a write error in the thread,
    /// a later call or [`OwnThread::join`] returns that error.
    pub(super) fn put(&mut self, frame: Frame<'static>) -> Result<(), BoxError> {
        let sent = self
            .frames
            .as_ref()
            .is_some_and(|way| way.send(frame).is_ok());
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    /// Bytes in the file so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Waits until every frame is written, and returns the writer.
    pub(super) fn join(mut self) -> Result<Box<Frames<W>>, BoxError> {
        self.end()
    }

    fn failure(&mut self) -> BoxError {
        let written = self.written();
        self.end().err().unwrap_or_else(|| stopped(written))
    }

    fn end(&mut self) -> Result<Box<Frames<W>>, BoxError> {
        self.frames = None;
        let written = self.written();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) | None => Err(stopped(written)),
        }
    }
}

impl<W: Write + Seek> Drop for OwnThread<W> {
    fn drop(&mut self) {
        drop(self.end());
    }
}

fn work<W: Write + Seek>(
    mut frames: Box<Frames<W>>,
    given: &Receiver<Frame<'static>>,
    written: &AtomicU64,
) -> Result<Box<Frames<W>>, BoxError> {
    for frame in given {
        let put = frames.put(&frame);
        written.store(frames.written(), Ordering::Relaxed);
        put?;
    }
    Ok(frames)
}

fn stopped(written: u64) -> BoxError {
    let again = io::Error::other("an earlier write to this box failed");
    BoxError::at(written, again)
}
