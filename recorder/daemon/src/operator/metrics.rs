//! Serves the metrics of [`crate::operator::prometheus`] over HTTP.
//!
//! It runs in its own thread and waits for no scraper. A slow scraper takes one
//! place among [`LIMITS`], and never slows the recorder. Reading a ring's state
//! is expensive, so one result is served for a while: however often somebody
//! scrapes, reading takes at most a fiftieth of one core.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::console::say;
use crate::exposition::CONTENT_TYPE;
use crate::operator::callers::{Callers, Heard, Limits};
use crate::operator::concern::Judging;
use crate::operator::control::ALIVE;
use crate::operator::inspect::{self, LookError};
use crate::operator::prometheus;
use crate::service::Pulse;

/// A result is served for at least this long ...
const FRESH: Duration = Duration::from_secs(5);
/// ... and for at least this many times as long as it took to read.
const REST: u32 = 50;
/// A request's head comes at once, in one packet.
const LIMITS: Limits = Limits {
    callers: 64,
    bytes: 8 << 10,
    patience: Duration::from_secs(2),
};
/// Pause after accepting failed for lack of a descriptor. It would fail again
/// at once.
const NO_DESCRIPTOR: Duration = Duration::from_millis(200);
/// Most headers of a request.
const HEADERS: usize = 64;
/// Pause before a port that is in use is tried again.
const AGAIN: Duration = Duration::from_secs(10);
const PLAIN: &str = "text/plain; charset=utf-8";

/// Serves the metrics of a recorder's folder at `address` until the process
/// ends. If the port is in use, says so and tries again, because recording must
/// not depend on it.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(
    address: SocketAddr,
    dir: PathBuf,
    max_block_age: Option<Duration>,
    pulse: Pulse,
) -> io::Result<()> {
    let work = move || {
        let listener = listen(address);
        let mut look = Look {
            dir,
            max_block_age,
            pulse,
            seen: None,
        };
        let mut callers = Callers::new(LIMITS);
        loop {
            serve(&listener, &mut callers, &mut look);
        }
    };
    let thread = std::thread::Builder::new().name("haltbox-metrics".to_owned());
    thread.spawn(work).map(drop)
}

fn listen(address: SocketAddr) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => {
                let at = listener.local_addr().unwrap_or(address);
                // A blocking accept would wait for the next scraper if this one
                // disconnects between poll and accept.
                let _ = listener.set_nonblocking(true);
                say(&format!("metrics at http://{at}/metrics"));
                return listener;
            }
            Err(error) if !told => {
                told = true;
                say(&format!(
                    "cannot serve metrics at {address} yet: {error}; recording continues; \
                     retrying every {} s",
                    AGAIN.as_secs()
                ));
            }
            Err(_) => {}
        }
        std::thread::sleep(AGAIN);
    }
}

/// The last result, and how to read the next one.
struct Look {
    dir: PathBuf,
    max_block_age: Option<Duration>,
    /// Shows whether the recorder's loop goes on. This thread does not wait for
    /// its answer.
    pulse: Pulse,
    seen: Option<Seen>,
}

struct Seen {
    text: Result<String, Arc<LookError>>,
    /// Until when the text is served.
    until: Instant,
}

impl Look {
    fn text(&mut self) -> Result<String, Arc<LookError>> {
        let still = |seen: &&Seen| Instant::now() < seen.until;
        if let Some(seen) = self.seen.as_ref().filter(still) {
            return seen.text.clone();
        }
        let begun = Instant::now();
        let judging = Judging {
            max_block_age: self.max_block_age,
            answers: Some(self.pulse.is_felt(ALIVE)),
        };
        let status = inspect::judge(&self.dir, &judging);
        let text = status.map(|status| prometheus::text(&status));
        let text = text.map_err(Arc::new);
        let rest = FRESH.max(begun.elapsed().saturating_mul(REST));
        self.seen = Some(Seen {
            text: text.clone(),
            until: Instant::now() + rest,
        });
        text
    }
}

/// One turn: answers every caller that sent a whole request.
fn serve(listener: &TcpListener, callers: &mut Callers<TcpStream>, look: &mut Look) {
    wait(listener, callers);
    let mut failed = false;
    callers.admit(|| match accept(listener) {
        Ok(stream) => Some(stream),
        Err(error) => {
            failed = error.kind() != io::ErrorKind::WouldBlock;
            None
        }
    });
    if failed {
        callers.clear();
        std::thread::sleep(NO_DESCRIPTOR);
    }
    for (request, stream) in callers.requests(read_head) {
        // An error means that the scraper is gone.
        let _ = reply(&stream, &request, || look.text());
    }
}

fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Waits for a scraper, for its bytes, or for the end of a scraper's time.
fn wait(listener: &TcpListener, callers: &Callers<TcpStream>) {
    let all = std::iter::once(listener.as_fd()).chain(callers.wait_on());
    let mut all: Vec<PollFd<'_>> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let left = callers.next_end().map(|end| {
        let left = end.saturating_duration_since(Instant::now());
        // Wait a millisecond longer: poll rounds down, and would return too
        // early again and again.
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO)
    });
    let _ = poll(&mut all, left.unwrap_or(PollTimeout::NONE));
}

/// Sends the answer. It fits into the buffer of an empty connection, so this
/// does not wait for a scraper that does not read.
fn reply(
    mut stream: &TcpStream,
    request: &Request,
    text: impl FnOnce() -> Result<String, Arc<LookError>>,
) -> io::Result<()> {
    let answer = match request {
        Request::Metrics { body } => match text() {
            Ok(text) => answer("200 OK", CONTENT_TYPE, &text, *body),
            Err(error) => answer(
                "503 Service Unavailable",
                PLAIN,
                &format!("{error}\n"),
                *body,
            ),
        },
        Request::Elsewhere => answer("404 Not Found", PLAIN, "metrics are at /metrics\n", true),
        Request::Otherwise => answer("405 Method Not Allowed", PLAIN, "GET or HEAD\n", true),
        Request::Nonsense => answer("400 Bad Request", PLAIN, "not an HTTP request\n", true),
    };
    stream.write_all(answer.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

/// A parsed request.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Metrics {
        /// Whether the answer has a body. Not for `HEAD`.
        body: bool,
    },
    Elsewhere,
    Otherwise,
    Nonsense,
}

/// Parses a head. One that can never become whole is nonsense: its caller is
/// gone, or it is too long.
fn read_head(heard: Heard<'_>) -> Option<Request> {
    parse(heard.bytes).or(heard.is_all.then_some(Request::Nonsense))
}

/// `None` while the head is not whole.
fn parse(head: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some(Request::Nonsense),
    }
    let path = request.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or(path);
    Some(match (request.method.unwrap_or_default(), path) {
        ("GET", "/metrics") => Request::Metrics { body: true },
        ("HEAD", "/metrics") => Request::Metrics { body: false },
        ("GET" | "HEAD", _) => Request::Elsewhere,
        _ => Request::Otherwise,
    })
}

fn answer(status: &str, kind: &str, text: &str, body: bool) -> String {
    let length = text.len();
    let text = if body { text } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let rows = [
            (
                "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                Some(Request::Metrics { body: true }),
            ),
            (
                "GET /metrics?x=1 HTTP/1.0\r\n\r\n",
                Some(Request::Metrics { body: true }),
            ),
            (
                "HEAD /metrics HTTP/1.1\r\n\r\n",
                Some(Request::Metrics { body: false }),
            ),
            ("GET / HTTP/1.1\r\n\r\n", Some(Request::Elsewhere)),
            ("POST /metrics HTTP/1.1\r\n\r\n", Some(Request::Otherwise)),
            ("\u{16}\u{3}\u{1}", Some(Request::Nonsense)),
            ("GET /metrics HTTP/1.1\r\nHost", None),
            ("", None),
        ];
        for (head, expected) in rows {
            assert_eq!(parse(head.as_bytes()), expected, "{head:?}");
        }
        let many = "A: b\r\n".repeat(HEADERS + 1);
        let head = format!("GET /metrics HTTP/1.1\r\n{many}\r\n");
        assert_eq!(parse(head.as_bytes()), Some(Request::Nonsense));
    }

    #[test]
    fn a_look_is_served_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut look = Look {
            dir: folder.path().to_owned(),
            max_block_age: None,
            pulse: Pulse::new(),
            seen: None,
        };
        let text = |look: &mut Look| look.text().map_err(|error| error.to_string());
        let first = text(&mut look);
        assert!(first.is_err());
        let until = look.seen.as_ref().map(|seen| seen.until);
        assert_eq!(text(&mut look), first);
        assert_eq!(look.seen.as_ref().map(|seen| seen.until), until);
    }
}
