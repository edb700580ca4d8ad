//! What can be said of an entry whatever host wrote it.

use std::borrow::Cow;

use haltbox_model::json;

use super::{Role, Vocabulary};

/// An entry and the role of its type.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its bytes.
    pub line: &'a [u8],
    /// Its role.
    pub role: Role,
    /// The type if the line begins with it, as hosts write it, and the bytes behind it.
    pub(super) written: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Entry<'a> {
    /// Reads the type of the line.
    pub fn new(vocabulary: &dyn Vocabulary, line: &'a [u8]) -> Entry<'a> {
        let written = written_type(line);
        Entry {
            line,
            role: match written {
                Some((name, _)) => vocabulary.role(name),
                None => vocabulary.role(any_type(line).as_bytes()),
            },
            written,
        }
    }
}

/// Members with hashes: of what a crank wrote, and of all cranks so far.
pub const HASHES: [&str; 2] = ["crankhash", "activityhash"];

/// The entry's type; empty if it has none.
pub fn type_of(line: &[u8]) -> Cow<'_, str> {
    let written = written_type(line).and_then(|(name, _)| str::from_utf8(name).ok());
    written.map_or_else(|| any_type(line), Cow::Borrowed)
}

fn any_type(line: &[u8]) -> Cow<'_, str> {
    json::find(line, b"type")
        .and_then(json::read_str)
        .unwrap_or_default()
}

/// The type if a line begins with it, as hosts write it, and the bytes behind it.
pub(super) fn written_type(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = line.strip_prefix(b"{\"type\":\"")?;
    let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (name, rest) = text.split_at_checked(end)?;
    Some((name, rest.strip_prefix(b"\"")?))
}

/// Whether an entry is of this type.
pub fn is_type(line: &[u8], name: &str) -> bool {
    match line.strip_prefix(b"{\"type\":\"") {
        Some(rest) => rest
            .strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"\"")),
        None => type_of(line) == name,
    }
}

/// Whether a line begins as hosts write it: with its type, without a space.
pub fn opens_as_written(line: &[u8]) -> bool {
    line.starts_with(b"{\"type\":\"")
}

/// Whether another entry begins inside this line, behind an entry that is cut off. A kill leaves such
/// a line in a file: the next process writes behind half an entry. Objects inside an entry begin
/// alike, but behind a colon, a bracket or a comma.
pub fn is_torn(line: &[u8]) -> bool {
    if !line.starts_with(b"{") {
        return false;
    }
    let inside = line.get(1..).unwrap_or_default();
    let mut found = memchr::memmem::find_iter(inside, b"{\"type\":\"").peekable();
    let is_cut = || json::members(line).any(|member| member.is_err());
    found.peek().is_some()
        && (found.any(|at| !matches!(line.get(at), Some(b':' | b'[' | b',' | b' '))) || is_cut())
}

/// Whether no space is behind its type. Other JSON writers put one there.
pub fn is_compact(line: &[u8]) -> bool {
    let mut rest = line.strip_prefix(b"{\"type\":\"").unwrap_or_default();
    let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
    rest = rest.get(end..).unwrap_or_default();
    rest.starts_with(b"\",\"") || rest == b"\"}"
}

/// Replaces the value of a member by 0, in the entry that begins at `from` in `text`. The text
/// stays JSON, and an absent member still differs from a present one.
pub fn drop_value(text: &mut Vec<u8>, from: usize, member: &str) {
    let Some(entry) = text.get(from..) else {
        return;
    };
    if let Some(value) = json::find(entry, member.as_bytes()) {
        let begin = from + (value.as_ptr().addr() - entry.as_ptr().addr());
        let end = begin + value.len();
        text.splice(begin..end, *b"0");
    }
}

/// Removes the hashes of a crank's end, so that an absent hash does not differ from a present
/// one. Also removes spaces between members.
pub fn without_hashes(entry: &[u8]) -> Vec<u8> {
    let kept = json::members(entry).flatten();
    let kept = kept.filter(|member| !HASHES.iter().any(|name| name.as_bytes() == member.key));
    let texts: Vec<&[u8]> = kept.map(|member| member.text).collect();
    [b"{".as_slice(), &texts.join(&b','), b"}"].concat()
}
