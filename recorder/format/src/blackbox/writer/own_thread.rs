//! Frames written in a thread of their own.

use std::io::{self, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::frames::{Frame, Frames};
use crate::blackbox::sink::BoxError;

/// Frames that may wait while one is compressed: more would be memory, fewer
/// would make the two threads wait for each other.
const WAITING: usize = 1;

/// Bytes of a thread's stack. Rust's own default, which it would look up in the
/// environment: a host's environment is none of a recorder's business.
pub const THREAD_STACK: usize = 2 << 20;

/// The thread and the way to it. Dropped, it waits for the thread's end, so
/// that nothing is written to the file afterwards.
pub(super) struct OwnThread<W: Write + Seek> {
    frames: Option<SyncSender<Frame<'static>>>,
    thread: Option<JoinHandle<Result<Box<Frames<W>>, BoxError>>>,
    written: Arc<AtomicU64>,
}

impl<W: Write + Seek + Send + 'static> OwnThread<W> {
    /// Gives the frames back if the system has no thread to give.
    pub(super) fn start(frames: Box<Frames<W>>) -> Result<OwnThread<W>, Box<Frames<W>>> {
        let written = Arc::new(AtomicU64::new(frames.written()));
        let (way, received) = sync_channel(WAITING);
        // The frames are sent once the thread is there: one that could not be
        // started would take them with it.
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
    /// Hands a frame over; waits while one waits already. An error of the
    /// thread is told at the first frame behind it.
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

    /// Waits until every frame is written.
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
