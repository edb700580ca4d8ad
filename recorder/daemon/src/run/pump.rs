//! The FIFO of `haltbox run --fifo`. It is always read, whatever the recorder
//! does.
//!
//! A node that writes into a pipe depends on the reader: a full pipe stops it,
//! and a dead reader gives it EPIPE. So the wrapper itself holds the FIFO. A
//! thread that waits for nothing else reads it, and passes the lines to the
//! recorder through a pipe. The wrapper has both ends of that pipe, so a
//! recorder that dies leaves its unread lines to the next one.
//!
//! If neither pipe nor backlog has room, whole lines are left out, and a line
//! in their place says how many. After the node's end the backlog goes into
//! memory that the recorder has too ([`super::link`]), so nobody waits until it
//! is read. The recorder also holds the FIFO's reading end, and reads there
//! itself if the wrapper dies.

use haltbox_model::ShowPath;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use thiserror::Error;

use crate::sources::pipe::widen;
use haltbox_recorder::source_entry::LeftOut;

/// Most bytes read at once.
const CHUNK: usize = 128 << 10;
/// Longest wait for bytes before the thread looks for other work.
const LOOK: Duration = Duration::from_millis(50);
/// Lines on their way from the FIFO to the recorder.
struct Backlog {
    bytes: Vec<u8>,
    /// How many of these bytes the pipe took.
    sent: usize,
    /// End of the last whole line. Nothing behind it is sent, so that only
    /// whole lines are left out.
    whole: usize,
    limit: usize,
    /// Lines left out since the backlog was full. Goes on until the recorder
    /// has read everything before, so that there is one gap and not a thousand.
    leaving: Option<LeftOut>,
    /// Whether the last byte left out was a newline.
    at_end: bool,
    /// The last gap, until it is reported.
    was_left: Option<LeftOut>,
}

impl Backlog {
    fn new(limit: usize) -> Backlog {
        Backlog {
            bytes: Vec::new(),
            sent: 0,
            whole: 0,
            limit,
            leaving: None,
            at_end: true,
            was_left: None,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.end_leaving(false);
        let rest = self.leave_out(bytes);
        if self.leaving.is_some() {
            return;
        }
        if let Some(end) = memchr::memrchr(b'\n', rest) {
            self.whole = self.bytes.len() + end + 1;
        }
        self.bytes.extend_from_slice(rest);
        if self.bytes.len() - self.sent > self.limit {
            self.begin_leaving();
        }
    }

    /// Begins to leave lines out. The unsent beginning of a line goes with its
    /// rest.
    fn begin_leaving(&mut self) {
        let begun = self.bytes.split_off(self.whole);
        self.at_end = begun.is_empty();
        let mut left_out = LeftOut::default();
        left_out.count(&begun);
        self.leaving = Some(left_out);
    }

    /// Counts bytes that are left out. Returns those that are kept again: the
    /// lines behind the next newline, if everything before was sent.
    fn leave_out<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(left_out) = &mut self.leaving else {
            return bytes;
        };
        let end = match self.sent == self.bytes.len() {
            true => memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1),
            false => bytes.len(),
        };
        let (left, rest) = bytes.split_at(end);
        left_out.count(left);
        if let Some(last) = left.last() {
            self.at_end = *last == b'\n';
        }
        self.end_leaving(false);
        rest
    }

    /// Adds the line that counts the gap, once the recorder has read everything
    /// before it.
    fn end_leaving(&mut self, node_ended: bool) {
        let caught_up = self.sent == self.bytes.len() && self.at_end;
        if !caught_up && !node_ended {
            return;
        }
        if let Some(left_out) = self.leaving.take() {
            self.bytes.extend_from_slice(left_out.line().as_bytes());
            self.whole = self.bytes.len();
            self.was_left = Some(left_out);
        }
    }

    fn to_send(&self) -> &[u8] {
        self.bytes.get(self.sent..self.whole).unwrap_or_default()
    }

    fn was_sent(&mut self, count: usize) {
        self.sent += count;
        // Moving the rest costs no more than sending this much did.
        if self.sent * 2 >= self.bytes.len() {
            self.bytes.drain(..self.sent);
            self.whole -= self.sent;
            self.sent = 0;
            self.bytes.shrink_to(4 * CHUNK);
        }
    }

    /// Says that nothing more comes. The last line needs no newline.
    fn end(&mut self) {
        self.end_leaving(true);
        self.whole = self.bytes.len();
    }
}

/// The wrapper's handle of the thread that reads the FIFO.
pub struct Pump {
    path: PathBuf,
    reader: PipeReader,
    ending: Sender<()>,
    done: Receiver<()>,
}

/// The FIFO, the pipe or the thread cannot be created.
#[derive(Debug, Error)]
#[error("cannot {what}: {error}")]
pub struct PumpError {
    /// What was tried, in words.
    pub what: String,
    /// What the system said.
    pub error: io::Error,
}

impl Pump {
    /// Creates a new FIFO at `path` and begins to read it. At most `backlog`
    /// bytes wait for the recorder; at the end they go into `rest`. `say` gets
    /// the reports of lines left out.
    ///
    /// # Errors
    /// [`PumpError`].
    pub fn start(path: &Path, backlog: u64, rest: File, say: fn(&str)) -> Result<Pump, PumpError> {
        let cannot = |what: &str, error| PumpError {
            what: what.to_owned(),
            error,
        };
        let fifo = make_fifo(path)
            .map_err(|error| cannot(&format!("make the FIFO {}", path.shown()), error))?;
        let (reader, writer) = io::pipe().map_err(|error| cannot("make a pipe", error))?;
        widen(&writer);
        nonblocking(&writer).map_err(|error| cannot("set up a pipe", error.into()))?;
        let ((ending, asked), (told, done)) = (channel(), channel());
        let work = Work {
            fifo,
            pipe: writer,
            backlog: Backlog::new(usize::try_from(backlog).unwrap_or(usize::MAX)),
            rest,
            say,
        };
        std::thread::Builder::new()
            .name("haltbox-pump".to_owned())
            .spawn(move || work.run(&asked, &told))
            .map_err(|error| cannot("start a thread", error))?;
        Ok(Pump {
            path: path.to_owned(),
            reader,
            ending,
            done,
        })
    }

    /// The end of the pipe for a recorder to read.
    ///
    /// # Errors
    /// There is no descriptor.
    pub fn for_recorder(&self) -> io::Result<PipeReader> {
        self.reader.try_clone()
    }

    /// Says that the node ended, and saves what is still in the FIFO. Returns
    /// whether that was done in time, so that the recorder finds everything.
    pub fn drained(&self, within: Duration) -> bool {
        let _ = self.ending.send(());
        self.done.recv_timeout(within).is_ok()
    }
}

/// Removes the FIFO. A node that is started without a reader must fail to find
/// it, and not hang when it opens it.
impl Drop for Pump {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Creates a new FIFO for this run. A node that outlived its wrapper keeps its
/// own one, and its recorder reads that.
fn make_fifo(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_fifo() => fs::remove_file(path)?,
        Ok(_) => {
            return Err(io::Error::other(
                "there is a file of that name that is not a FIFO",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // Open it for writing too. Then it has a reader and a writer from the
    // start, and a node that ends, or that cosmovisor restarts, does not end
    // the FIFO.
    let fifo = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    widen(&fifo);
    Ok(fifo)
}

fn nonblocking(pipe: &PipeWriter) -> nix::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

struct Work {
    fifo: File,
    pipe: PipeWriter,
    backlog: Backlog,
    rest: File,
    say: fn(&str),
}

impl Work {
    /// Works until the wrapper drops its handle or says that the node ended.
    fn run(mut self, asked: &Receiver<()>, told: &Sender<()>) {
        let mut chunk = vec![0; CHUNK];
        let mut ending = false;
        loop {
            let was_leaving = self.backlog.leaving.is_some();
            let came = self.read(&mut chunk);
            let went = self.send();
            self.tell(was_leaving);
            if ending && !came {
                if self.put_down() {
                    let _ = told.send(());
                }
                return;
            }
            match asked.try_recv() {
                Ok(()) => ending = true,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if !came && !went => self.wait(),
                Err(TryRecvError::Empty) => {}
            }
        }
    }

    fn read(&mut self, chunk: &mut [u8]) -> bool {
        let count = self.fifo.read(chunk).unwrap_or(0);
        self.backlog.take(chunk.get(..count).unwrap_or_default());
        count > 0
    }

    fn send(&mut self) -> bool {
        self.backlog.end_leaving(false);
        if self.backlog.to_send().is_empty() {
            return false;
        }
        let count = self.pipe.write(self.backlog.to_send()).unwrap_or(0);
        self.backlog.was_sent(count);
        count > 0
    }

    /// Saves the rest after the node's end. What the pipe does not take at once
    /// goes into the memory behind it.
    fn put_down(&mut self) -> bool {
        self.backlog.end();
        self.send();
        let written = self.rest.write_all(self.backlog.to_send());
        if let Err(error) = &written {
            (self.say)(&format!(
                "the last {} bytes of the slog are lost: {error}",
                self.backlog.to_send().len()
            ));
        }
        written.is_ok()
    }

    fn tell(&mut self, was_leaving: bool) {
        if let Some(LeftOut { lines, bytes }) = self.backlog.was_left.take() {
            (self.say)(&format!(
                "lines of the slog dropped: {lines} ({bytes} bytes): the recorder was not running \
                 or too slow"
            ));
        }
        if self.backlog.leaving.is_some() && !was_leaving {
            (self.say)(
                "the recorder is not running or too slow: lines of the slog are dropped until it \
                 has caught up",
            );
        }
    }

    fn wait(&self) {
        let mut waiting = vec![PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
        if !self.backlog.to_send().is_empty() {
            waiting.push(PollFd::new(self.pipe.as_fd(), PollFlags::POLLOUT));
        }
        let _ = poll(
            &mut waiting,
            PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbered lines of different lengths, up to some dozens of bytes.
    fn stream(lines: usize) -> Vec<u8> {
        let line = |n: usize| format!("{n}:{}\n", "x".repeat(n * 7 % 40));
        (0..lines).map(line).collect::<String>().into_bytes()
    }

    /// What the recorder gets if it takes `takes` bytes for every `gives` that
    /// the node writes, and the rest at the end.
    fn through(limit: usize, stream: &[u8], gives: usize, takes: usize) -> Vec<u8> {
        let mut backlog = Backlog::new(limit);
        let mut got = Vec::new();
        let mut send = |backlog: &mut Backlog, most: usize| {
            backlog.end_leaving(false);
            let count = backlog.to_send().len().min(most);
            got.extend_from_slice(&backlog.to_send()[..count]);
            backlog.was_sent(count);
            count
        };
        for (number, piece) in stream.chunks(gives).enumerate() {
            backlog.take(piece);
            assert!(backlog.bytes.len() - backlog.sent <= limit + gives + 40);
            // The recorder falls behind and catches up by turns.
            let catching_up = number % 500 > 400;
            while send(&mut backlog, takes) > 0 && catching_up {}
        }
        backlog.end();
        while send(&mut backlog, takes) > 0 {}
        got
    }

    /// Each line arrives whole and in its place, or is counted in its place.
    #[test]
    fn each_line_is_handed_on_or_counted() {
        let stream = stream(20_000);
        let lines: Vec<&[u8]> = stream.split_inclusive(|b| *b == b'\n').collect();
        for (limit, gives, takes) in [(64, 7, 3), (500, 100, 11), (500, 13, 13), (3000, 777, 400)] {
            let got = through(limit, &stream, gives, takes);
            let (mut next, mut left) = (0, 0);
            for line in got.split_inclusive(|b| *b == b'\n') {
                match LeftOut::read(line.trim_ascii_end()) {
                    Some(left_out) => {
                        let these = &lines[next..next + left_out.lines as usize];
                        let bytes: usize = these.iter().map(|line| line.len()).sum();
                        assert_eq!(bytes as u64, left_out.bytes);
                        (next, left) = (next + these.len(), left + 1);
                    }
                    None => {
                        assert_eq!(line, lines[next], "limit {limit}");
                        next += 1;
                    }
                }
            }
            assert_eq!(next, lines.len(), "limit {limit}");
            assert!(gives <= takes || left > 3, "limit {limit}: {left} places");
        }
    }

    #[test]
    fn a_line_without_its_end_is_handed_on_when_the_node_ended() {
        let mut backlog = Backlog::new(100);
        backlog.take(b"whole\nbegun");
        assert_eq!(backlog.to_send(), b"whole\n");
        backlog.end();
        assert_eq!(backlog.to_send(), b"whole\nbegun");
    }
}
