//! Parses fields as `key=value`: go-kit's logfmt and zerolog's console.
//!
//! Values with spaces are quoted, or are JSON. Text inside quotes or braces is never a
//! field. Some consoles quote nothing: there a value ends at the next `key=`, or at the
//! head of a next line whose newline was lost.

use std::borrow::Cow;

use super::{End, Field, MAX_FIELDS, Value, head, prefix};

const MAX_KEY: usize = 64;
/// Most bytes of an unquoted value behind its first word, such as an error's text.
const MAX_UNQUOTED: usize = 4096;

/// Splits text into the message and the fields behind it.
pub(super) fn split_message(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if rest.is_empty() || starts_with_field(rest) {
            let message = text.get(..at).unwrap_or_default();
            return (message.trim_ascii_end(), rest);
        }
        at += next_word(rest);
    }
}

fn next_word(text: &[u8]) -> usize {
    let word = memchr::memchr2(b' ', b'\t', text).unwrap_or(text.len());
    let rest = text.get(word..).unwrap_or_default();
    let space = rest.iter().take_while(|b| is_space(b)).count();
    word + space
}

/// Whether the text begins with `key=`.
pub(super) fn starts_with_field(text: &[u8]) -> bool {
    split_key(text).is_some()
}

fn split_key(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_key = |b: &&u8| b.is_ascii_alphanumeric() || b"_-./".contains(b);
    let len = text.iter().take(MAX_KEY).take_while(is_key).count();
    let (key, rest) = text.split_at_checked(len)?;
    let letter = key
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    letter.then_some((key, rest.strip_prefix(b"=")?))
}

/// Parses the fields that `text` begins with. Returns what follows them: nothing, or the
/// next line if its newline was lost.
pub(super) fn fields(text: &[u8], end: End) -> (Vec<Field<'_>>, &[u8]) {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some((key, after)) = split_key(rest)
        && fields.len() < MAX_FIELDS
    {
        let (value, after) = value(after, end);
        let key = Cow::Borrowed(key);
        fields.push(Field { key, value });
        rest = after.trim_ascii_start();
    }
    if head::level(rest).is_some() {
        // The time before this level was printed directly behind the last value.
        fields.pop();
    }
    (fields, rest)
}

fn value(text: &[u8], end: End) -> (Option<Value<'_>>, &[u8]) {
    match text.first() {
        Some(b'"') => quoted(text),
        Some(b'{' | b'[') => (None, after_json(text)),
        _ => bare(text, end),
    }
}

fn quoted(text: &[u8]) -> (Option<Value<'_>>, &[u8]) {
    let Some(len) = string_len(text) else {
        return (None, &[]);
    };
    let (string, rest) = text.split_at(len);
    let inside = string.get(1..len - 1).unwrap_or_default();
    (Some(closed(inside)), rest)
}

/// Length of the quoted string that `text` begins with; `None` if it does not end.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The text behind the JSON value; empty if the value does not end.
fn after_json(text: &[u8]) -> &[u8] {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(byte) = rest.first() {
        let mut len = 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => match string_len(rest) {
                Some(string) => len = string,
                None => return &[],
            },
            _ => {}
        }
        rest = rest.get(len..).unwrap_or_default();
        if depth == 0 {
            return rest;
        }
    }
    &[]
}

fn bare(text: &[u8], end: End) -> (Option<Value<'_>>, &[u8]) {
    let len = text.iter().position(is_space).unwrap_or(text.len());
    let (word, _) = text.split_at(len);
    if let Some(glued) = next_line(text, word) {
        return (None, glued);
    }
    let (word, rest) = text.split_at(len + unquoted(text.get(len..).unwrap_or_default()));
    let end = if rest.is_empty() { end } else { End::Closed };
    let value = Value {
        end,
        ..closed(word.trim_ascii_end())
    };
    ((end != End::Cut).then_some(value), rest)
}

/// Bytes of an unquoted value behind its first word. It ends at the next field, or where
/// another line begins whose newline was lost.
fn unquoted(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let next = rest.trim_ascii_start();
        let over = next.is_empty() || at > MAX_UNQUOTED;
        if over || starts_with_field(next) || prefix::is_headed(next) {
            return at;
        }
        at += rest.len() - next.len();
        at += next.iter().position(is_space).unwrap_or(next.len());
    }
}

/// `height=18I[2022-10-18|16:19:56.128] ...`: a cut value and the next line.
fn next_line<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let bracket = memchr::memrchr(b'[', word)?;
    let line = text.get(bracket.checked_sub(1)?..)?;
    head::native(line).map(|_| line)
}

fn closed(text: &[u8]) -> Value<'_> {
    Value {
        text: Cow::Borrowed(text),
        end: End::Closed,
    }
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
