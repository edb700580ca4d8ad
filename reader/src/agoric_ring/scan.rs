//! Recognises records.
//!
//! The format has no checksum. An intact record must satisfy all of this:
//! - its length fits the rest of the span, and its payload begins as the recorder begins it;
//! - the payload has no newline but the leading one, and no NUL: `JSON.stringify` writes
//!   neither. Every length prefix below 2^56 holds a NUL, so no intact record contains another
//!   one, and a scan for the next record reads each byte only a fixed number of times;
//! - the payload is valid UTF-8 and exactly one JSON value.
//!
//! A splice of two records that happens to be valid JSON of the right length passes. Nothing
//! in the file could distinguish it.

use std::io;

use memchr::{memchr_iter, memchr2};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Why;
use super::header::big_endian;
use super::window::{ReadAt, Window};

/// Length of a record's length prefix in bytes.
const PREFIX: u64 = 8;

/// What the recorder writes instead of an entry larger than the arena. Only this payload has
/// no leading newline.
const TOO_BIG: &[u8] = br#"{"type":"slog-record-too-big""#;

/// More than a prefix, a newline and `TOO_BIG` together, so that a record's beginning across
/// two chunks is not missed.
const BEGINNING: usize = 64;

/// The first step in which a long payload is fetched. Each later step doubles.
const FIRST_FETCH: usize = 1 << 20;

/// A record at a logical address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Address of the length prefix.
    pub at: u64,
    /// Bytes of payload, without the prefix.
    pub len: u64,
}

impl Placed {
    pub fn end(&self) -> u64 {
        self.at + PREFIX + self.len
    }
}

/// What is at an address.
pub(super) enum Step {
    Record(Placed),
    Gap { start: u64, end: u64, why: Why },
    End,
}

/// The intact record at `at`, or the gap up to the next intact one.
pub(super) fn step<S: ReadAt>(window: &mut Window<S>, at: u64) -> io::Result<Step> {
    if at >= window.span().end {
        return Ok(Step::End);
    }
    match record_at(window, at)? {
        Ok(record) => Ok(Step::Record(record)),
        Err(why) => gap(window, at, why),
    }
}

/// The intact record at `at`, or why there is none.
pub(super) fn record_at<S: ReadAt>(
    window: &mut Window<S>,
    at: u64,
) -> io::Result<Result<Placed, Why>> {
    let record = match framed_at(window, at)? {
        Ok(record) => record,
        Err(why) => return Ok(Err(why)),
    };
    if !is_clean(window, record)? || !is_json(line(window, record)?) {
        return Ok(Err(Why::NotJson { len: record.len }));
    }
    Ok(Ok(record))
}

/// The frame of a record: a length that fits, and a payload that begins like one.
pub(super) fn framed_at<S: ReadAt>(
    window: &mut Window<S>,
    at: u64,
) -> io::Result<Result<Placed, Why>> {
    let room = window.span().end.saturating_sub(at);
    let bytes = window.view(at, BEGINNING)?;
    let Some((prefix, payload)) = bytes.split_first_chunk::<8>() else {
        return Ok(Err(Why::Cut));
    };
    let (len, room) = (big_endian(*prefix), room - PREFIX);
    if len < 2 || len > room {
        return Ok(Err(Why::Length { found: len, room }));
    }
    if !begins_like_a_record(payload) {
        return Ok(Err(Why::NotJson { len }));
    }
    Ok(Ok(Placed { at, len }))
}

fn begins_like_a_record(payload: &[u8]) -> bool {
    payload.starts_with(b"\n{") || payload.starts_with(TOO_BIG)
}

/// Whether the payload has no NUL and no further newline. Fetches in doubling steps, so that a
/// false length takes memory only for text that is really there.
fn is_clean<S: ReadAt>(window: &mut Window<S>, record: Placed) -> io::Result<bool> {
    let len = usize::try_from(record.len).map_err(io::Error::other)?;
    let (mut checked, mut want) = (1, FIRST_FETCH.min(len));
    while checked < len {
        let bytes = window.view(record.at + PREFIX, want)?;
        let fresh = bytes.get(checked..bytes.len().min(len)).unwrap_or_default();
        if fresh.is_empty() || memchr2(0, b'\n', fresh).is_some() {
            return Ok(false);
        }
        checked += fresh.len();
        want = len.min(checked * 2);
    }
    Ok(true)
}

fn is_json(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// A record's JSON, without the leading newline.
pub(super) fn line<S: ReadAt>(window: &mut Window<S>, record: Placed) -> io::Result<&[u8]> {
    let len = usize::try_from(record.len).map_err(io::Error::other)?;
    let payload = window.view(record.at + PREFIX, len)?;
    let payload = payload.get(..len).unwrap_or(payload);
    Ok(payload.strip_prefix(b"\n").unwrap_or(payload))
}

/// The entry's `time` in seconds, if it has one.
pub(super) fn time_of<S: ReadAt>(
    window: &mut Window<S>,
    record: Placed,
) -> io::Result<Option<f64>> {
    #[derive(Deserialize)]
    struct Stamp {
        time: Option<f64>,
    }
    let stamp = serde_json::from_slice::<Stamp>(line(window, record)?);
    Ok(stamp.ok().and_then(|stamp| stamp.time))
}

fn gap<S: ReadAt>(window: &mut Window<S>, start: u64, why: Why) -> io::Result<Step> {
    let mut search = Search {
        from: start,
        blank: true,
    };
    loop {
        let end = search.next(window)?;
        if end >= window.span().end || record_at(window, end)?.is_ok() {
            let why = if search.blank { Why::Blank } else { why };
            return Ok(Step::Gap { start, end, why });
        }
        search.from = end + 1;
    }
}

/// A search for places where a record may begin.
struct Search {
    from: u64,
    /// It has seen only zeros so far.
    blank: bool,
}

impl Search {
    /// The next such place, or the span's end.
    fn next<S: ReadAt>(&mut self, window: &mut Window<S>) -> io::Result<u64> {
        let end = window.span().end;
        loop {
            let bytes = window.view(self.from, BEGINNING)?;
            let found = memchr_iter(b'{', bytes).find_map(|brace| beginning(bytes, brace));
            let passed = found.unwrap_or_else(|| pass(bytes, self.from, end));
            self.blank &= is_zero(bytes.get(..passed).unwrap_or(bytes));
            self.from += passed as u64;
            if found.is_some() || self.from >= end {
                return Ok(self.from);
            }
        }
    }
}

/// How far a search that found nothing may advance: to the end, or so far that a beginning
/// which the buffer cuts is seen again.
fn pass(bytes: &[u8], from: u64, end: u64) -> usize {
    if from + bytes.len() as u64 >= end {
        bytes.len()
    } else {
        bytes.len().saturating_sub(BEGINNING).max(1)
    }
}

/// Where the record of this brace would begin, if the bytes before it allow one.
fn beginning(bytes: &[u8], brace: usize) -> Option<usize> {
    let (before, rest) = bytes.split_at_checked(brace)?;
    if before.ends_with(b"\n") {
        return brace.checked_sub(9);
    }
    if rest.starts_with(TOO_BIG) {
        return brace.checked_sub(8);
    }
    None
}

fn is_zero(bytes: &[u8]) -> bool {
    // The compiler turns the fold of each block into wide instructions.
    bytes
        .chunks(4096)
        .all(|block| block.iter().fold(0, |all, b| all | b) == 0)
}
