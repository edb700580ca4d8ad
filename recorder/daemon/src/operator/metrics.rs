//! The metrics of [`crate::operator::prometheus`] over HTTP, for a scraper.
//!
//! A thread of its own serves them. It waits for no scraper: one that is slow
//! costs a place among [`LIMITS`], and never touches the recorder. Looking at a
//! ring reads all of it, so what was seen is served again for a while: however
//! often one scrapes, looking takes a fiftieth of one core at most.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::console::say;
use crate::operator::callers::{Callers, Heard, Limits};
use crate::operator::concern::Judging;
use crate::operator::control::ALIVE;
use crate::operator::{inspect, prometheus};
use crate::service::Pulse;

/// A look is served again at least this long ...
const FRESH: Duration = Duration::from_secs(5);
/// ... and at least this many times as long as it took.
const REST: u32 = 50;
/// A request's head comes within one packet, at once.
const LIMITS: Limits = Limits {
    callers: 64,
    bytes: 8 << 10,
    patience: Duration::from_secs(2),
};
/// Without a descriptor to spare, accepting fails at once.
const NO_DESCRIPTOR: Duration = Duration::from_millis(200);
/// Members of a head that are looked at.
const HEADERS: usize = 64;
/// Before a port that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(10);
const PLAIN: &str = "text/plain; charset=utf-8";
/// The text exposition format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics of a recorder's folder at `address` until the process
/// ends. A port that is taken is told, and tried again: it is no reason not to
/// record.
///
/// # Errors
/// No thread can be started.
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
                // Only to be waited on: a scraper that goes away between the wait
                // and the accepting would hold up all others.
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

/// The last look at the ring.
struct Look {
    dir: PathBuf,
    max_block_age: Option<Duration>,
    /// Of the recorder: this thread does not wait until it answers.
    pulse: Pulse,
    seen: Option<Seen>,
}

struct Seen {
    text: Result<String, String>,
    /// Until when it is served.
    until: Instant,
}

impl Look {
    fn text(&mut self) -> Result<String, String> {
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
        let rest = FRESH.max(begun.elapsed().saturating_mul(REST));
        self.seen = Some(Seen {
            text: text.clone(),
            until: Instant::now() + rest,
        });
        text
    }
}

/// One turn: whoever has sent a whole request is answered.
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
        // A scraper that went away does not matter.
        let _ = reply(&stream, &request, || look.text());
    }
}

fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Waits for a scraper, for bytes of one, or for the end of one's time.
fn wait(listener: &TcpListener, callers: &Callers<TcpStream>) {
    let all = std::iter::once(listener.as_fd()).chain(callers.wait_on());
    let mut all: Vec<PollFd<'_>> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let left = callers.next_end().map(|end| {
        let left = end.saturating_duration_since(Instant::now());
        // A millisecond more, or the last one is spent turning round and round.
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO)
    });
    let _ = poll(&mut all, left.unwrap_or(PollTimeout::NONE));
}

/// The answer fits what the system keeps of an empty connection: a scraper that
/// does not read it holds up nobody.
fn reply(
    mut stream: &TcpStream,
    request: &Request,
    text: impl FnOnce() -> Result<String, String>,
) -> io::Result<()> {
    let answer = match request {
        Request::Metrics { body } => match text() {
            Ok(text) => answer("200 OK", METRICS, &text, *body),
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

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Metrics {
        /// Not only the head.
        body: bool,
    },
    Elsewhere,
    Otherwise,
    Nonsense,
}

/// A head that will not become whole is nonsense: its caller is gone, or it is
/// too long.
fn read_head(heard: Heard<'_>) -> Option<Request> {
    parse(heard.bytes).or(heard.is_all.then_some(Request::Nonsense))
}

/// `None` while the head is not complete.
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
        let first = look.text();
        assert!(first.is_err());
        let until = look.seen.as_ref().map(|seen| seen.until);
        assert_eq!(look.text(), first);
        assert_eq!(look.seen.as_ref().map(|seen| seen.until), until);
    }
}
