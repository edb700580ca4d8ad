//! Asking a running recorder: a socket in its folder, one JSON line each way.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The socket's name in the recorder's folder.
pub const SOCKET: &str = "control";
/// Longest request or reply that is read.
const LONGEST: u64 = 64 << 10;
/// A caller that sends nothing must not hold the recorder up.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Freeze a height, by default the one an operator means.
    Freeze {
        /// The height.
        height: Option<u64>,
        /// Another folder for the box.
        boxes: Option<PathBuf>,
    },
    /// Whether a recorder is there.
    Hello,
    /// The node's process ended; whoever started it saw how.
    NodeEnded {
        /// In words.
        how: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// The text for the operator.
    Done(String),
    /// Why not.
    Failed(String),
}

/// The recorder's end.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in `folder`. The caller holds the ring's lock, so that a socket
    /// found there is one that a dead recorder left.
    pub fn listen(folder: &Path) -> io::Result<Control> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = through(folder, |short| UnixListener::bind(short))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Control { listener, path })
    }

    /// The listening socket, to wait on.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// A request that has come, and whom to answer.
    pub fn accept(&self) -> Option<(Request, UnixStream)> {
        let (stream, _) = self.listener.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        let mut line = String::new();
        BufReader::new((&stream).take(LONGEST))
            .read_line(&mut line)
            .ok()?;
        match serde_json::from_str(&line) {
            Ok(request) => Some((request, stream)),
            Err(error) => {
                answer(
                    &stream,
                    &Reply::Failed(format!("the request is not understood: {error}")),
                );
                None
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Sends a reply; a caller that is gone does not matter.
pub fn answer(mut stream: &UnixStream, reply: &Reply) {
    if let Ok(mut line) = serde_json::to_vec(reply) {
        line.push(b'\n');
        let _ = stream.write_all(&line);
    }
}

/// Asks the recorder that works in `folder`, and waits as long as it takes to
/// write a box. `None` if none listens there.
pub fn ask(folder: &Path, request: &Request) -> io::Result<Option<Reply>> {
    ask_within(folder, request, None)
}

/// Asks, and waits no longer than this for the answer.
pub fn ask_within(
    folder: &Path,
    request: &Request,
    patience: Option<Duration>,
) -> io::Result<Option<Reply>> {
    let stream = match through(folder, |short| UnixStream::connect(short)) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(_) => return Ok(None),
    };
    stream.set_read_timeout(patience)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut reply = String::new();
    BufReader::new((&stream).take(LONGEST)).read_line(&mut reply)?;
    serde_json::from_str(&reply)
        .map(Some)
        .map_err(io::Error::other)
}

/// Names the socket through an open folder: the path of a socket may have only
/// 108 bytes, the path of a folder many more.
fn through<T>(folder: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let open = std::fs::File::open(folder)?;
    call(&PathBuf::from(format!(
        "/proc/self/fd/{}/{SOCKET}",
        open.as_raw_fd()
    )))
}
