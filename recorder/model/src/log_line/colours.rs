//! Removes colour codes: `ESC [ ... m`. Consoles also print them between a key and its
//! value, and collectors write the ESC in several ways.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;

/// Spellings of ESC: raw, by rsyslog, by `cat -v`, by programs that quote what they
/// print. The empty one is for collectors that leave ESC out.
const ESCAPES: [&[u8]; 8] = [
    b"\x1b", b"#033", b"^[", b"\\x1b", b"\\x1B", b"\\u001b", b"\\033", b"",
];

/// Every coloured line resets the colours.
static RESET: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"[0m"));

/// Whether the text may contain codes. Each begins with ESC, in any spelling, and `[`.
pub(super) fn are_in(text: &[u8]) -> bool {
    memchr::memchr(0x1b, text).is_some() || RESET.find(text).is_some()
}

/// Removes the codes. A code between two letters or digits stays, because removing it
/// would join two values into one.
pub(super) fn taken_out(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let Some(escape) = RESET.find(&text).and_then(|at| escape_before(&text, at)) else {
        return without(text, ESCAPES[0]);
    };
    without(text, escape)
}

fn escape_before(text: &[u8], at: usize) -> Option<&'static [u8]> {
    let before = text.get(..at)?;
    ESCAPES.into_iter().find(|escape| before.ends_with(escape))
}

fn without<'a>(text: Cow<'a, [u8]>, escape: &[u8]) -> Cow<'a, [u8]> {
    let start = [escape, b"["].concat();
    let finder = memmem::Finder::new(&start);
    if finder.find(&text).is_none() {
        return text;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest: &[u8] = &text;
    while let Some(at) = finder.find(rest) {
        let (before, code) = rest.split_at(at);
        plain.extend_from_slice(before);
        let mut after = code;
        while let Some(next) = after_colour(after, &start) {
            after = next;
        }
        if is_word(plain.last()) && is_word(after.first()) || after.len() == code.len() {
            let (kept, behind) = code.split_at(start.len());
            plain.extend_from_slice(kept);
            after = behind;
        }
        rest = after;
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

fn after_colour<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let codes = text.strip_prefix(start)?;
    let end = codes.iter().take(16).position(|b| *b == b'm')?;
    let (codes, rest) = codes.split_at(end);
    let numbers = codes.iter().all(|b| b.is_ascii_digit() || *b == b';');
    (end > 0 && numbers).then(|| rest.get(1..).unwrap_or_default())
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_alphanumeric)
}
