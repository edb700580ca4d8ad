//! The metrics of [`crate::operator::prometheus`] over HTTP, for a scraper.
//!
//! A thread of its own serves one connection at a time: whoever is slow holds
//! up other scrapers for a moment, never the recorder. Looking at a ring reads
//! all of it, so what was seen is served again for a while: however often one
//! scrapes, looking takes a fiftieth of one core at most.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::operator::message::say;
use crate::operator::{prometheus, status};

/// A look is served again at least this long ...
const FRESH: Duration = Duration::from_secs(5);
/// ... and at least this many times as long as it took.
const REST: u32 = 50;
/// For a whole request, and for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest head of a request.
const LONGEST: usize = 8 << 10;
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
pub fn start(address: SocketAddr, dir: PathBuf) -> io::Result<()> {
    let work = move || {
        let listener = listen(address);
        let mut look = Look { dir, seen: None };
        for stream in listener.incoming() {
            match stream {
                // A scraper that went away does not matter.
                Ok(stream) => drop(serve(&stream, || look.text())),
                // Without a descriptor to spare, accepting fails at once.
                Err(_) => std::thread::sleep(PATIENCE),
            }
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
                say(&format!("metrics at http://{at}/metrics"));
                return listener;
            }
            Err(error) if !told => {
                told = true;
                say(&format!(
                    "no metrics at {address} yet: {error}; recording goes on, and it is tried again every {} s",
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
        let text = look(&self.dir);
        let rest = FRESH.max(begun.elapsed().saturating_mul(REST));
        self.seen = Some(Seen {
            text: text.clone(),
            until: Instant::now() + rest,
        });
        text
    }
}

fn look(dir: &Path) -> Result<String, String> {
    status::look(dir).map(|status| prometheus::text(&status))
}

fn serve(stream: &TcpStream, text: impl FnOnce() -> Result<String, String>) -> io::Result<()> {
    let answer = match request(stream)? {
        Request::Metrics { body } => match text() {
            Ok(text) => answer("200 OK", METRICS, &text, body),
            Err(error) => answer(
                "503 Service Unavailable",
                PLAIN,
                &format!("{error}\n"),
                body,
            ),
        },
        Request::Elsewhere => answer("404 Not Found", PLAIN, "metrics are at /metrics\n", true),
        Request::Otherwise => answer("405 Method Not Allowed", PLAIN, "GET or HEAD\n", true),
        Request::Nonsense => answer("400 Bad Request", PLAIN, "no HTTP request\n", true),
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut to = stream;
    to.write_all(answer.as_bytes())?;
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

/// Reads a request's head, all of it within [`PATIENCE`].
fn request(mut stream: &TcpStream) -> io::Result<Request> {
    let deadline = Instant::now() + PATIENCE;
    let (mut head, mut length) = ([0; LONGEST], 0);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(head.get_mut(length..).unwrap_or_default())?;
        length += count;
        match parse(head.get(..length).unwrap_or_default()) {
            Some(request) => return Ok(request),
            // The client is gone, or the head is too long.
            None if count == 0 => return Ok(Request::Nonsense),
            None => {}
        }
    }
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
            seen: None,
        };
        let first = look.text();
        assert!(first.is_err());
        let until = look.seen.as_ref().map(|seen| seen.until);
        assert_eq!(look.text(), first);
        assert_eq!(look.seen.as_ref().map(|seen| seen.until), until);
    }
}
