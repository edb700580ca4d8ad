//! Reads the requests of a socket's callers without waiting for any of them.
//!
//! A caller that sends slowly, or nothing, or without end costs one of a few
//! places and some bytes until its time is over. No other caller waits for it.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Bytes read from one caller before the next one has its turn.
const CHUNK: usize = 8 << 10;

/// Limits for callers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most callers that are connected without a whole request.
    pub(crate) callers: usize,
    /// Most bytes of a request.
    pub(crate) bytes: usize,
    /// Time for a whole request, from the connection on.
    pub(crate) patience: Duration,
}

/// The bytes of a caller so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether no more will be read: the caller sent everything, or too much.
    pub(crate) is_all: bool,
}

struct Caller<S> {
    stream: S,
    until: Instant,
    heard: Vec<u8>,
}

/// Callers without a whole request, in the order in which they came.
pub(crate) struct Callers<S> {
    limits: Limits,
    callers: Vec<Caller<S>>,
}

impl<S: Read + AsFd> Callers<S> {
    pub(crate) fn new(limits: Limits) -> Callers<S> {
        Callers {
            limits,
            callers: Vec::new(),
        }
    }

    /// Takes callers from `accept` until it returns `None`. Their streams must
    /// be non-blocking.
    ///
    /// One call takes at most as many as may be connected, so that a caller
    /// that connects again and again does not stop the loop. If there is no
    /// place, the oldest caller is disconnected.
    pub(crate) fn admit(&mut self, mut accept: impl FnMut() -> Option<S>) {
        for _ in 0..self.limits.callers {
            let Some(stream) = accept() else { return };
            if self.callers.len() >= self.limits.callers {
                self.callers.remove(0);
            }
            self.callers.push(Caller {
                stream,
                until: Instant::now() + self.limits.patience,
                heard: Vec::new(),
            });
        }
    }

    /// Reads from all callers. Returns the requests that `parse` finds whole,
    /// with their streams. Disconnects callers whose time is over.
    pub(crate) fn requests<R>(&mut self, parse: impl Fn(Heard<'_>) -> Option<R>) -> Vec<(R, S)> {
        let now = Instant::now();
        let mut whole = Vec::new();
        for mut caller in std::mem::take(&mut self.callers) {
            match caller.read(self.limits.bytes) {
                Turn::Heard { is_all } => {
                    let bytes = &caller.heard;
                    match parse(Heard { bytes, is_all }) {
                        Some(request) => whole.push((request, caller.stream)),
                        None if is_all || caller.until <= now => {}
                        None => self.callers.push(caller),
                    }
                }
                Turn::Quiet if caller.until > now => self.callers.push(caller),
                Turn::Quiet | Turn::Gone => {}
            }
        }
        whole
    }

    /// Descriptors to wait on.
    pub(crate) fn wait_on(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.callers.iter().map(|caller| caller.stream.as_fd())
    }

    /// When the time of the next caller is over.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.callers.iter().map(|caller| caller.until).min()
    }

    /// Disconnects all of them.
    pub(crate) fn clear(&mut self) {
        self.callers.clear();
    }
}

enum Turn {
    Heard { is_all: bool },
    Quiet,
    Gone,
}

impl<S: Read> Caller<S> {
    fn read(&mut self, longest: usize) -> Turn {
        let mut chunk = [0; CHUNK];
        let room = longest.saturating_sub(self.heard.len()).min(CHUNK);
        match self.stream.read(chunk.get_mut(..room).unwrap_or_default()) {
            Ok(count) => {
                self.heard
                    .extend_from_slice(chunk.get(..count).unwrap_or_default());
                let is_all = count == 0 || self.heard.len() >= longest;
                Turn::Heard { is_all }
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Turn::Quiet,
                _ => Turn::Gone,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    const LIMITS: Limits = Limits {
        callers: 3,
        bytes: 16,
        patience: Duration::from_millis(100),
    };

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (ours, theirs)
    }

    fn line(heard: Heard<'_>) -> Option<Result<usize, usize>> {
        let at = heard.bytes.iter().position(|byte| *byte == b'\n');
        match at {
            Some(at) => Some(Ok(at)),
            None => heard.is_all.then_some(Err(heard.bytes.len())),
        }
    }

    #[test]
    fn the_oldest_makes_room_and_nobody_waits() {
        let mut callers = Callers::new(LIMITS);
        let pairs: Vec<_> = (0..5).map(|_| pair()).collect();
        let (ours, mut theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let mut ours = ours.into_iter();
        callers.admit(|| ours.next());
        callers.admit(|| ours.next());
        theirs[4].write_all(b"hello\n").unwrap();
        theirs[3].write_all(b"hel").unwrap();
        let whole = callers.requests(line);
        assert_eq!(whole.iter().map(|(r, _)| *r).collect::<Vec<_>>(), [Ok(5)]);
        assert_eq!(callers.wait_on().count(), 2, "two mute ones had to go");
        theirs[3].write_all(b"lo!\n").unwrap();
        assert_eq!(callers.requests(line).len(), 1);
    }

    #[test]
    fn a_caller_s_time_and_bytes_are_bounded_as_a_whole() {
        let mut callers = Callers::new(LIMITS);
        let ((dripping, mut drips), (endless, mut floods)) = (pair(), pair());
        let mut ours = [dripping, endless].into_iter();
        callers.admit(|| ours.next());
        floods.write_all(&[b'A'; 1000]).unwrap();
        let whole = callers.requests(line);
        assert_eq!(whole.iter().map(|(r, _)| *r).collect::<Vec<_>>(), [Err(16)]);
        let begun = Instant::now();
        while callers.next_end().is_some() {
            let _ = drips.write_all(b".");
            assert!(callers.requests(line).is_empty());
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "it drips for ever"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
