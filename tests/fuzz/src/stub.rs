//! A server on this machine that answers what a target tells it to: readers of answers are
//! reached by the connections that they make themselves.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The body of the answer to a request for this path.
type Answer = Box<dyn FnMut(&str) -> Vec<u8> + Send>;

/// A running server.
pub struct Stub {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
}

impl Stub {
    /// Starts one, which answers nothing yet.
    pub fn start() -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let nothing: Answer = Box::new(|_| Vec::new());
        let answer = Arc::new(Mutex::new(nothing));
        let shared = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Stub { address, answer }
    }

    /// A URL of it. Paths of requests begin with `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Answers like this from now on.
    pub fn says(&self, answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answer);
    }
}

/// Answers until the caller goes away.
fn serve(stream: &TcpStream, answer: &Mutex<Answer>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(path) = request(&mut reader)? {
        let body = (answer.lock().unwrap_or_else(PoisonError::into_inner))(&path);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = stream;
        writer.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

/// Reads a whole request. Returns its path; `None` at the end.
fn request(reader: &mut impl BufRead) -> Result<Option<String>> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    Ok(Some(first.split(' ').nth(1).unwrap_or_default().to_owned()))
}
