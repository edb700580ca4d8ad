//! A small HTTP server with limits on everything that a caller can choose: how many call,
//! how much each sends, and how long each may take.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Most connections at a time. Each has a thread.
pub(crate) const CALLERS: usize = 256;
/// Most bytes of a request's head.
const HEAD: usize = 16 << 10;
/// Most members of a request's head.
const MEMBERS: usize = 64;
/// Most bytes of a request's body: about fifteen thousand entries.
pub(crate) const BODY: usize = 1 << 20;
/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(90);
/// How long a request may take to arrive, or an answer to be read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long, and how many bytes, are read after a refusal. A caller that is cut off while
/// it writes would not read the reason.
const REST: Duration = Duration::from_secs(1);
const REST_BYTES: usize = 16 * BODY;
/// Pause after accept or thread start failed: without a free descriptor or thread, they
/// fail at once.
const NONE_TO_SPARE: Duration = Duration::from_millis(200);

/// A request.
pub(crate) struct Request {
    pub(crate) is_get: bool,
    /// Without the query.
    pub(crate) path: String,
    /// Value of the member `x-haltbox-stage`.
    pub(crate) stage: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Reasons why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not HTTP, or its head is too long.
    Nonsense,
    /// Its method is neither POST nor GET.
    Method,
    /// The length of its body is not in its head.
    Length,
    /// Its body is longer than [`BODY`].
    Size,
    /// Too many call at a time.
    Busy,
}

impl Refusal {
    pub(crate) fn what(self) -> String {
        match self {
            Refusal::Nonsense => "expected an HTTP/1 request".to_owned(),
            Refusal::Method => "expected POST, or GET for /metrics".to_owned(),
            Refusal::Length => {
                "expected a body with Content-Length, found none or a chunked one".to_owned()
            }
            Refusal::Size => format!("the body is too long: at most {BODY} bytes are allowed"),
            Refusal::Busy => format!("already serving {CALLERS} callers: try again"),
        }
    }

    pub(crate) fn status(self) -> &'static str {
        match self {
            Refusal::Nonsense => "400 Bad Request",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::Length => "411 Length Required",
            Refusal::Size => "413 Content Too Large",
            Refusal::Busy => "503 Service Unavailable",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// Answers requests.
pub(crate) trait Answers: Send + Sync + 'static {
    fn answer(&self, request: &Request) -> Reply;
    /// The body of a refusal, and its type.
    fn refuse(&self, refusal: Refusal) -> Reply;
}

/// Serves until the process ends.
pub(crate) fn serve(listener: &TcpListener, answers: Arc<impl Answers>) -> ! {
    let callers = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(NONE_TO_SPARE);
            continue;
        };
        let Some(place) = Place::take(&callers) else {
            let _ = turn_away(&stream, &*answers);
            continue;
        };
        let answers = Arc::clone(&answers);
        let work = move || {
            let _place = place;
            // An error means that the caller went away.
            let _ = Caller::new(stream).and_then(|mut caller| caller.serve(&*answers));
        };
        let thread = thread::Builder::new().name("caller".to_owned());
        if thread.spawn(work).is_err() {
            thread::sleep(NONE_TO_SPARE);
        }
    }
}

/// Sends a refusal. It fits into the send buffer of a new connection, so this does not
/// wait for the caller.
fn turn_away(stream: &TcpStream, answers: &impl Answers) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    write(stream, &refused(answers, Refusal::Busy), true)?;
    stream.shutdown(Shutdown::Write)
}

fn refused(answers: &impl Answers, refusal: Refusal) -> Reply {
    let reply = answers.refuse(refusal);
    Reply {
        status: refusal.status(),
        ..reply
    }
}

fn write(mut stream: &TcpStream, reply: &Reply, is_last: bool) -> io::Result<()> {
    let Reply { status, kind, body } = reply;
    let (length, last) = (body.len(), if is_last { "close" } else { "keep-alive" });
    let whole = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {last}\r\n\r\n{body}"
    );
    stream.write_all(whole.as_bytes())
}

/// One of the [`CALLERS`].
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(callers: &Arc<AtomicUsize>) -> Option<Place> {
        let place = Place(Arc::clone(callers));
        (callers.fetch_add(1, Ordering::Relaxed) < CALLERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Caller {
    stream: TcpStream,
    /// Bytes that were read and not consumed.
    bytes: Vec<u8>,
}

/// A complete head.
struct Head {
    request: Request,
    /// Its length in bytes.
    bytes: usize,
    body: Result<usize, Refusal>,
    waits: bool,
    is_last: bool,
}

impl Caller {
    fn new(stream: TcpStream) -> io::Result<Caller> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let bytes = Vec::new();
        Ok(Caller { stream, bytes })
    }

    fn serve(&mut self, answers: &impl Answers) -> io::Result<()> {
        loop {
            let Some(head) = self.head()? else {
                return Ok(());
            };
            let mut head = match head {
                Ok(head) => head,
                Err(refusal) => return self.refuse(answers, refusal),
            };
            match head.body {
                Ok(length) => head.request.body = self.body(length, head.waits)?,
                Err(refusal) => return self.refuse(answers, refusal),
            }
            write(&self.stream, &answers.answer(&head.request), head.is_last)?;
            if head.is_last {
                return Ok(());
            }
        }
    }

    /// The head of the next request; `None` if there is no next one.
    fn head(&mut self) -> io::Result<Option<Result<Head, Refusal>>> {
        let mut until = Instant::now() + IDLE;
        let mut begun = false;
        loop {
            if !self.bytes.is_empty() {
                if !begun {
                    (begun, until) = (true, Instant::now() + PATIENCE);
                }
                if let Some(head) = parse(&self.bytes) {
                    let taken = head.as_ref().map_or(0, |head| head.bytes);
                    self.bytes.drain(..taken);
                    return Ok(Some(head));
                }
                if self.bytes.len() > HEAD {
                    return Ok(Some(Err(Refusal::Nonsense)));
                }
            }
            if self.read(until)? == 0 {
                return Ok(None);
            }
        }
    }

    fn body(&mut self, length: usize, waits: bool) -> io::Result<Vec<u8>> {
        if waits && self.bytes.len() < length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let until = Instant::now() + PATIENCE;
        while self.bytes.len() < length {
            if self.read(until)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.bytes.drain(..length).collect())
    }

    fn read(&mut self, until: Instant) -> io::Result<usize> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 << 10];
        let read = self.stream.read(&mut buffer)?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    fn refuse(&mut self, answers: &impl Answers, refusal: Refusal) -> io::Result<()> {
        write(&self.stream, &refused(answers, refusal), true)?;
        self.stream.shutdown(Shutdown::Write)?;
        let until = Instant::now() + REST;
        let mut rest = 0;
        while rest < REST_BYTES {
            self.bytes.clear();
            match self.read(until)? {
                0 => break,
                read => rest += read,
            }
        }
        Ok(())
    }
}

/// Parses a head; `None` while it is incomplete.
fn parse(bytes: &[u8]) -> Option<Result<Head, Refusal>> {
    let mut members = [httparse::EMPTY_HEADER; MEMBERS];
    let mut head = httparse::Request::new(&mut members);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(length)) => length,
        Err(_) => return Some(Err(Refusal::Nonsense)),
    };
    let is_get = match head.method {
        Some("POST") => false,
        Some("GET") => true,
        _ => return Some(Err(Refusal::Method)),
    };
    let path = head.path.unwrap_or_default();
    let connection = member(head.headers, "connection").unwrap_or_default();
    let is_last = match head.version {
        Some(0) => !connection.eq_ignore_ascii_case("keep-alive"),
        _ => connection.eq_ignore_ascii_case("close"),
    };
    Some(Ok(Head {
        request: Request {
            is_get,
            path: path.split('?').next().unwrap_or(path).to_owned(),
            stage: member(head.headers, "x-haltbox-stage").map(str::to_owned),
            body: Vec::new(),
        },
        bytes: length,
        body: body_length(head.headers, is_get),
        waits: member(head.headers, "expect").is_some(),
        is_last,
    }))
}

/// Length of the body. A head with two lengths could be read in two ways, so it is
/// refused.
fn body_length(members: &[httparse::Header<'_>], is_get: bool) -> Result<usize, Refusal> {
    let mut lengths = named(members, "content-length").skip(1);
    if member(members, "transfer-encoding").is_some() || lengths.next().is_some() {
        return Err(Refusal::Length);
    }
    let Some(length) = member(members, "content-length") else {
        return is_get.then_some(0).ok_or(Refusal::Length);
    };
    let digits = length.bytes().all(|byte| byte.is_ascii_digit()) && !length.is_empty();
    if !digits {
        return Err(Refusal::Length);
    }
    // A number that does not even fit is too long as well.
    let length = length.parse().ok().filter(|length| *length <= BODY);
    length.ok_or(Refusal::Size)
}

fn named<'a>(
    members: &'a [httparse::Header<'a>],
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> {
    let of_name = move |member: &&httparse::Header<'_>| member.name.eq_ignore_ascii_case(name);
    members.iter().filter(of_name).map(|member| member.value)
}

fn member<'a>(members: &'a [httparse::Header<'a>], name: &'static str) -> Option<&'a str> {
    let first = named(members, name).next()?;
    std::str::from_utf8(first).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(members: &str) -> Result<usize, Refusal> {
        let head = format!("POST /builder?x=1 HTTP/1.1\r\n{members}\r\n\r\n");
        let head = parse(head.as_bytes()).unwrap().ok().unwrap();
        assert_eq!(head.request.path, "/builder");
        head.body
    }

    #[test]
    fn only_a_body_of_a_told_length_is_taken() {
        assert_eq!(body("Content-Length: 12"), Ok(12));
        assert_eq!(body("Host: a"), Err(Refusal::Length));
        assert_eq!(body("Transfer-Encoding: chunked"), Err(Refusal::Length));
        assert_eq!(
            body("Content-Length: 1\r\ncontent-length: 2"),
            Err(Refusal::Length)
        );
        assert_eq!(body("Content-Length: +1"), Err(Refusal::Length));
        assert_eq!(body("Content-Length:"), Err(Refusal::Length));
        assert_eq!(body(&format!("Content-Length: {BODY}")), Ok(BODY));
        assert_eq!(
            body(&format!("Content-Length: {}", BODY + 1)),
            Err(Refusal::Size)
        );
        let huge = format!("Content-Length: {}", "9".repeat(40));
        assert_eq!(body(&huge), Err(Refusal::Size));
    }

    #[test]
    fn heads_are_told_apart() {
        let words = |head: &str| parse(head.as_bytes()).map(|head| head.err());
        assert_eq!(words("GET / HTTP/1.1\r\nHost"), None);
        assert_eq!(words("GET / HTTP/1.1\r\n\r\n"), Some(None));
        assert_eq!(words("PUT / HTTP/1.1\r\n\r\n"), Some(Some(Refusal::Method)));
        assert_eq!(words("\u{16}\u{3}\u{1}"), Some(Some(Refusal::Nonsense)));
        let many = "A: b\r\n".repeat(MEMBERS + 1);
        let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
        assert_eq!(words(&many), Some(Some(Refusal::Nonsense)));
        let last = |head: &str| parse(head.as_bytes()).unwrap().ok().unwrap().is_last;
        assert!(last("GET / HTTP/1.0\r\n\r\n"));
        assert!(last("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"));
        assert!(!last("GET / HTTP/1.1\r\n\r\n"));
    }
}
