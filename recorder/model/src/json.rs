//! Finds members and values in raw JSON as spans, without building a tree.
//!
//! Entries are kept and hashed as the host wrote them, so a value taken from one is
//! always a span of its own bytes. The walk looks at structure alone:
//!
//! - a string ends at the first quote that an even number of backslashes
//!   precedes;
//! - an object or array ends at the bracket that closes as many as were opened,
//!   of either kind, those in strings aside;
//! - anything else ends before the next comma, closing bracket or white space.
//!
//! Keys are compared as raw bytes: a key written with escapes is another key. Of
//! duplicate keys, the first counts. Every walk takes time in proportion to the text,
//! whatever the text is, and allocates nothing.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The text is not JSON at the place that a walk has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// One member of an object, as spans of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name between its quotes, with escapes as written.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// From the opening quote of the name to the end of the value.
    pub text: &'a [u8],
}

/// Iterates over the members of an object. `text` must be the object, with optional white
/// space around it. The iteration ends after an error.
pub fn members(text: &[u8]) -> Members<'_> {
    Members(Items::new(text, b'{', b'}'))
}

/// Iterates over the elements of an array. See [`members`].
pub fn elements(text: &[u8]) -> Elements<'_> {
    Elements(Items::new(text, b'[', b']'))
}

/// The value of the first member named `key`, if the walk reaches it.
pub fn find<'a>(object: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let [value] = pick(object, [key]);
    value
}

/// The values of the first members with these names, found in one walk that ends at the
/// last of them. A member that the walk does not reach is `None`.
pub fn pick<'a, const N: usize>(object: &'a [u8], keys: [&[u8]; N]) -> [Option<&'a [u8]>; N] {
    let mut found = [None; N];
    let mut missing = N;
    for member in members(object).map_while(Result::ok) {
        let wanted = keys.iter().zip(&mut found);
        for (_, place) in wanted.filter(|(key, place)| place.is_none() && **key == member.key) {
            *place = Some(member.value);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    found
}

/// Parses an unsigned number, written as a number or as a string of digits (hosts write
/// 64-bit numbers as strings where JavaScript would round them).
pub fn read_u64(value: &[u8]) -> Option<u64> {
    let digits = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value);
    let digits = str::from_utf8(digits).ok()?;
    // `parse` accepts a leading plus sign.
    digits
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(())?;
    digits.parse().ok()
}

/// The bytes between the quotes of a string, with escapes as written. For values without
/// escapes.
pub fn read_plain(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Parses a string; borrowed unless it has escapes.
pub fn read_str(value: &[u8]) -> Option<Cow<'_, str>> {
    let raw = read_plain(value)?;
    if memchr(b'\\', raw).is_some() {
        return serde_json::from_slice(value).ok().map(Cow::Owned);
    }
    str::from_utf8(raw).ok().map(Cow::Borrowed)
}

/// `true` or `false`.
pub fn read_bool(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A member's name that JSON writes without escapes, so that comparing raw bytes compares
/// names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// The name's bytes, as they stand between the quotes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A name that JSON does not write as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a name without quotes, backslashes and control characters, found {0:?}")]
pub struct KeyError(String);

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(name: String) -> Result<Key, KeyError> {
        let escaped = |c: char| matches!(c, '"' | '\\' | '\0'..='\x1f');
        if name.is_empty() || name.contains(escaped) {
            return Err(KeyError(name));
        }
        Ok(Key(name))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The members of one object; see [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a>(Items<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(Walk::member)
    }
}

/// The elements of one array; see [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a>(Items<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(Walk::value)
    }
}

/// Common part of objects and arrays: items between brackets, with commas.
#[derive(Clone, Debug)]
struct Items<'a> {
    walk: Walk<'a>,
    open: u8,
    close: u8,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    BeforeOpen,
    AfterItem,
    Over,
}

impl<'a> Items<'a> {
    fn new(text: &'a [u8], open: u8, close: u8) -> Items<'a> {
        Items {
            walk: Walk { text, at: 0 },
            open,
            close,
            place: Place::BeforeOpen,
        }
    }

    fn next_with<T>(
        &mut self,
        item: impl FnOnce(&mut Walk<'a>) -> Result<T, Malformed>,
    ) -> Option<Result<T, Malformed>> {
        let next = match self.advance() {
            Ok(true) => item(&mut self.walk),
            Ok(false) => return None,
            Err(malformed) => Err(malformed),
        };
        self.place = if next.is_ok() {
            Place::AfterItem
        } else {
            Place::Over
        };
        Some(next)
    }

    /// Moves to the start of the next item; `false` if there is none.
    fn advance(&mut self) -> Result<bool, Malformed> {
        self.walk.skip_space();
        match self.place {
            Place::Over => return Ok(false),
            Place::BeforeOpen => self.walk.eat(self.open)?,
            Place::AfterItem if self.walk.peek() == Some(b',') => self.walk.at += 1,
            Place::AfterItem => return self.end(),
        }
        self.walk.skip_space();
        match self.place {
            Place::BeforeOpen if self.walk.peek() == Some(self.close) => self.end(),
            _ => Ok(true),
        }
    }

    fn end(&mut self) -> Result<bool, Malformed> {
        self.place = Place::Over;
        self.walk.eat(self.close)?;
        self.walk.skip_space();
        match self.walk.peek() {
            None => Ok(false),
            Some(_) => Err(Malformed),
        }
    }
}

#[derive(Clone, Debug)]
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> Result<(), Malformed> {
        if self.peek() != Some(wanted) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn member(&mut self) -> Result<Member<'a>, Malformed> {
        let start = self.at;
        self.eat(b'"')?;
        self.at = string_end(self.text, self.at)?;
        let key = self.text.get(start + 1..self.at - 1).unwrap_or_default();
        self.skip_space();
        self.eat(b':')?;
        self.skip_space();
        let value = self.value()?;
        Ok(Member {
            key,
            value,
            text: self.since(start),
        })
    }

    fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.at = value_end(self.text, start)?;
        Ok(self.since(start))
    }
}

/// Index behind the value that begins at `start`.
pub(crate) fn value_end(text: &[u8], start: usize) -> Result<usize, Malformed> {
    match text.get(start) {
        Some(b'"') => string_end(text, start + 1),
        Some(b'{' | b'[') => composite_end(text, start),
        _ => scalar_end(text, start),
    }
}

/// Index behind the closing quote of a string; `start` is inside the string.
fn string_end(text: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut at = start;
    loop {
        let rest = text.get(at..).ok_or(Malformed)?;
        at += find_quote(rest).ok_or(Malformed)?;
        let before = text.get(start..at).unwrap_or_default();
        at += 1;
        if !ends_in_escape(before) {
            return Ok(at);
        }
    }
}

/// Whether the byte behind `text` is escaped. The count of backslashes ends at the last
/// quote at the latest, so all counts in a string together are no longer than the string.
fn ends_in_escape(text: &[u8]) -> bool {
    text.last() == Some(&b'\\')
        && text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Index behind the bracket that closes the one at `start`.
fn composite_end(text: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut at = start;
    let mut depth = 0_usize;
    loop {
        let byte = text.get(at).ok_or(Malformed)?;
        at += 1;
        match byte {
            b'"' => at = string_end(text, at)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

fn scalar_end(text: &[u8], start: usize) -> Result<usize, Malformed> {
    let ends = |&byte: &u8| matches!(byte, b',' | b'}' | b']') || is_space(byte);
    let rest = text.get(start..).unwrap_or_default();
    match rest.iter().position(ends).unwrap_or(rest.len()) {
        0 => Err(Malformed),
        length => Ok(start + length),
    }
}

/// Index of the first quote. Most strings are names and single words: reading eight bytes
/// at a time finds their end before a call of `memchr` would begin.
fn find_quote(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    for start in [0, 8, 16] {
        let Some((word, tail)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let at = first_quote(u64::from_le_bytes(*word));
        if at < 8 {
            return Some(start + at);
        }
        rest = tail;
    }
    let skipped = text.len() - rest.len();
    memchr(b'"', rest).map(|at| skipped + at)
}

/// Index of the first quote among the bytes of a little-endian word; 8 if there is none.
/// The XOR turns quotes into zero bytes. The lowest zero byte is the lowest byte that
/// borrows when 1 is subtracted from each.
fn first_quote(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let others = word ^ (ONES * b'"' as u64);
    let borrowed = others.wrapping_sub(ONES) & !others & (ONES << 7);
    (borrowed.trailing_zeros() / 8) as usize
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests;
