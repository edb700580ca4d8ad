//! Joins lines that a collector cut into parts.
//!
//! containerd cuts at 16 KiB and marks each part (`P`, the last one `F`); docker
//! ends the last part alone with a newline.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;

/// Most bytes of one joined line. The rest of a longer line is lost.
const MAX_LINE: usize = 1 << 20;
/// containerd's head is a time and a few words.
const CRI_HEAD: usize = 96;

/// Parts of each stream whose last part has not come yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    out: Vec<u8>,
    err: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Parts {
    /// Returns the whole line that `line` completes; `None` if more parts will come.
    pub(crate) fn join<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if let Some(part) = Cri::read(line) {
            return self.join_cri(line, &part);
        }
        if line.starts_with(b"{\"log\":") && self.may_be_docker_part(line) {
            return self.join_docker(line);
        }
        Some(Cow::Borrowed(line))
    }

    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn join_cri<'a>(&mut self, line: &'a [u8], part: &Cri<'a>) -> Option<Cow<'a, [u8]>> {
        let kept = self.of(part.stream);
        if kept.is_empty() {
            if part.is_last {
                return Some(Cow::Borrowed(line));
            }
            // The joined line gets the mark of a last part.
            kept.extend_from_slice(part.head);
            kept.extend_from_slice(b"F ");
        }
        let room = MAX_LINE.saturating_sub(kept.len());
        kept.extend_from_slice(part.text.get(..room).unwrap_or(part.text));
        part.is_last.then(|| Cow::Owned(std::mem::take(kept)))
    }

    /// A whole line ends with an escaped newline, and needs no parsing.
    fn may_be_docker_part(&self, line: &[u8]) -> bool {
        let waits = !self.out.is_empty() || !self.err.is_empty();
        waits || memmem::find(line, br#"\n""#).is_none()
    }

    fn join_docker<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let whole = Some(Cow::Borrowed(line));
        let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(line) else {
            return whole;
        };
        let stream = match object.get("stream").and_then(Value::as_str) {
            Some("stdout") => Stream::Out,
            Some("stderr") => Stream::Err,
            _ => return whole,
        };
        let Some(text) = object.get("log").and_then(Value::as_str) else {
            return whole;
        };
        let kept = self.of(stream);
        if kept.is_empty() && text.ends_with('\n') {
            return whole;
        }
        let room = MAX_LINE.saturating_sub(kept.len());
        kept.extend_from_slice(text.as_bytes().get(..room).unwrap_or(text.as_bytes()));
        text.ends_with('\n').then_some(())?;
        let joined = std::mem::take(kept);
        let joined = String::from_utf8_lossy(&joined).trim_end().to_owned() + "\n";
        object.insert("log".to_owned(), Value::String(joined));
        Some(Cow::Owned(Value::Object(object).to_string().into_bytes()))
    }
}

/// `2025-10-02T13:00:00.123456789Z stderr P text`
struct Cri<'a> {
    /// Everything before the tag.
    head: &'a [u8],
    stream: Stream,
    is_last: bool,
    text: &'a [u8],
}

impl<'a> Cri<'a> {
    fn read(line: &'a [u8]) -> Option<Cri<'a>> {
        line.first()?.is_ascii_digit().then_some(())?;
        let start = line.get(..CRI_HEAD).unwrap_or(line);
        let space = memchr::memchr(b' ', start)?;
        let (_, rest) = line.split_at(space + 1);
        let (stream, rest) = match rest.get(..7)? {
            b"stdout " => (Stream::Out, rest.get(7..)?),
            b"stderr " => (Stream::Err, rest.get(7..)?),
            _ => return None,
        };
        let head = line.get(..line.len() - rest.len())?;
        let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let (tags, text) = rest.split_at(end);
        let is_last = match tags.split(|b| *b == b':').next()? {
            b"P" => false,
            b"F" => true,
            _ => return None,
        };
        Some(Cri {
            head,
            stream,
            is_last,
            text: text.get(1..).unwrap_or_default(),
        })
    }
}
