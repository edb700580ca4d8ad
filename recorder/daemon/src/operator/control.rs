//! The control socket in a recorder's folder: one JSON line each way.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use serde::{Deserialize, Serialize};

use crate::operator::callers::{Callers, Heard, Limits};

/// The socket's name in the recorder's folder.
pub const SOCKET: &str = "control";
/// Most bytes of a reply.
const LONGEST: usize = 64 << 10;
/// Limits for callers. The recorder's loop never waits for them.
const LIMITS: Limits = Limits {
    callers: 16,
    bytes: 64 << 10,
    patience: Duration::from_secs(2),
};
/// Time in which a running recorder answers everything but a freeze. Its loop
/// is busy for some seconds at most, while it reads the last lines of a node
/// that ended.
pub const ALIVE: Duration = Duration::from_secs(10);
/// Time between two checks that a recorder lives while it writes a box.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// Pause before connecting again to a socket whose queue is full.
const AGAIN: Duration = Duration::from_millis(20);

/// A request to a running recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Freeze a height, or the block that an operator most likely wants.
    Freeze {
        /// The height.
        height: Option<u64>,
        /// Another folder for the box than the recorder's.
        boxes: Option<PathBuf>,
    },
    /// Ask whether a recorder is there.
    Hello,
    /// Ask what the recorder records.
    Who {
        /// The arguments of another recorder that waits for the end of this
        /// one.
        waiting: Option<Vec<String>>,
    },
    /// Say that the node's process ended.
    NodeEnded {
        /// How it ended, in words.
        how: String,
    },
}

/// A reply of a recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// It is done. The text is for the operator.
    Done(String),
    /// A box is written, or was there before.
    Frozen {
        /// The text for the operator.
        told: String,
        /// Path of the box. `None` if it is no text.
        path: Option<String>,
    },
    /// It failed. The text says why.
    Failed(String),
    /// What the recorder records.
    AtWork {
        /// The recorder's process.
        pid: u32,
        /// Its arguments.
        arguments: Vec<String>,
        /// Whether another node is running whose recorder waits until this one
        /// ends.
        unrecorded: bool,
    },
}

/// The recorder's side of the socket.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    callers: Callers<UnixStream>,
}

impl Control {
    /// Listens in `folder`. The caller holds the ring's lock, so a socket that
    /// exists was left by a dead recorder, and is removed.
    ///
    /// # Errors
    /// An old socket cannot be removed, or the new one cannot be bound.
    pub fn listen(folder: &Path) -> io::Result<Control> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = through(folder, bind_for_owner)?;
        listener.set_nonblocking(true)?;
        Ok(Control {
            listener,
            path,
            callers: Callers::new(LIMITS),
        })
    }

    /// Descriptors to wait on.
    pub fn wait_on(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.callers.wait_on())
    }

    /// The whole requests so far, and the streams to answer on. Never waits.
    pub fn requests(&mut self) -> Vec<(Request, UnixStream)> {
        self.callers.admit(|| accept(&self.listener).ok());
        let whole = self.callers.requests(read_line).into_iter();
        whole
            .filter_map(|(line, stream)| understood(&line, stream))
            .collect()
    }
}

/// Binds a socket that nobody but its owner can ever use. Linux takes the mode
/// of the name in the file system from the socket, so it is set before.
fn bind_for_owner(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let made = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&made, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(made.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&made, Backlog::MAXALLOWABLE)?;
    Ok(UnixListener::from(made))
}

fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// The first line, or everything if the caller sent no newline.
fn read_line(heard: Heard<'_>) -> Option<Vec<u8>> {
    let end = heard.bytes.iter().position(|byte| *byte == b'\n');
    let end = end.or(heard.is_all.then_some(heard.bytes.len()))?;
    heard.bytes.get(..end).map(<[u8]>::to_vec)
}

fn understood(line: &[u8], stream: UnixStream) -> Option<(Request, UnixStream)> {
    match serde_json::from_slice(line) {
        Ok(request) => Some((request, stream)),
        Err(error) => {
            let why = format!("cannot parse the request: {error}");
            answer(&stream, &Reply::Failed(why));
            None
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Sends a reply. It fits into the buffer of an empty connection, so this does
/// not wait. Errors are ignored: the caller is gone.
pub fn answer(mut stream: &UnixStream, reply: &Reply) {
    if let Ok(mut line) = serde_json::to_vec(reply) {
        line.push(b'\n');
        let _ = stream.write_all(&line);
    }
}

/// Asks the recorder in `folder`, and waits as long as it takes to write a box.
/// Asks in between whether the recorder lives. `None` if no recorder listens.
///
/// # Errors
/// The recorder does not answer, or the answer is not understood.
pub fn ask(folder: &Path, request: &Request) -> io::Result<Option<Reply>> {
    if ask_within(folder, &Request::Hello, Some(ALIVE))?.is_none() {
        return Ok(None);
    }
    let Some(mut call) = Call::make(folder, request, Instant::now() + ALIVE)? else {
        return Ok(None);
    };
    loop {
        match call.reply(Instant::now() + ASK_AGAIN) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            reply => return reply.map(Some),
        }
        ask_within(folder, &Request::Hello, Some(ALIVE))?;
    }
}

/// As [`ask`], but waits no longer than `patience` for the whole answer.
///
/// # Errors
/// The recorder does not answer in time, or the answer is not understood.
pub fn ask_within(
    folder: &Path,
    request: &Request,
    patience: Option<Duration>,
) -> io::Result<Option<Reply>> {
    let Some(patience) = patience else {
        return ask(folder, request);
    };
    let until = Instant::now() + patience;
    let Some(mut call) = Call::make(folder, request, until)? else {
        return Ok(None);
    };
    call.reply(until).map(Some)
}

/// A request that was sent, and the bytes of the reply so far.
struct Call {
    stream: UnixStream,
    heard: Vec<u8>,
}

impl Call {
    /// Connects and sends the request. `None` if nobody listens.
    fn make(folder: &Path, request: &Request, until: Instant) -> io::Result<Option<Call>> {
        let stream = match through(folder, |path| connect_until(path, until)) {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::TimedOut => return Err(error),
                _ => return Ok(None),
            },
        };
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.set_write_timeout(Some(left(until)?))?;
        (&stream).write_all(&line).map_err(in_time)?;
        let heard = Vec::new();
        Ok(Some(Call { stream, heard }))
    }

    /// Reads the whole reply until `until`.
    fn reply(&mut self, until: Instant) -> io::Result<Reply> {
        let mut chunk = [0; 4096];
        while !self.heard.contains(&b'\n') {
            self.stream.set_read_timeout(Some(left(until)?))?;
            let count = self.stream.read(&mut chunk).map_err(in_time)?;
            self.heard
                .extend_from_slice(chunk.get(..count).unwrap_or_default());
            if count == 0 || self.heard.len() > LONGEST {
                break;
            }
        }
        serde_json::from_slice(&self.heard).map_err(io::Error::other)
    }
}

/// The time that is left. None left is an error, because a socket takes no
/// timeout of zero.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left).ok_or_else(too_late)
}

fn too_late() -> io::Error {
    let why = "it hangs or is suspended (no answer in time)";
    io::Error::new(io::ErrorKind::TimedOut, why)
}

fn in_time(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => too_late(),
        _ => error,
    }
}

/// Connects until `until`. The queue of a recorder that hangs fills up, and a
/// blocking connect would then wait without end.
fn connect_until(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    loop {
        match connect(stream.as_raw_fd(), &address) {
            Ok(()) => break,
            Err(Errno::EAGAIN) => std::thread::sleep(AGAIN.min(left(until)?)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let stream = UnixStream::from(stream);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Names the socket through its open folder. A socket's path can have only 108
/// bytes, and the path of a folder many more.
fn through<T>(folder: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let open = std::fs::File::open(folder)?;
    call(&PathBuf::from(format!(
        "/proc/self/fd/{}/{SOCKET}",
        open.as_raw_fd()
    )))
}
