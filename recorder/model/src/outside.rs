//! Untrusted text: a file's name, a line of a log, a field of a box, a node's answer.
//! Anyone on the chain may have written it. So it must not control a terminal or reverse
//! the reading direction.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::Path;

/// Untrusted text within a line. Its control, direction and invisible characters are
/// printed as escapes: `\x1b`, `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a>(&'a [u8]);

impl<'a> Outside<'a> {
    /// From a string.
    pub fn text(text: &'a str) -> Outside<'a> {
        Outside(text.as_bytes())
    }

    /// From a path.
    pub fn path(path: &'a Path) -> Outside<'a> {
        Outside(path.as_os_str().as_encoded_bytes())
    }

    /// From bytes. Bytes that are not UTF-8 are escaped too.
    pub fn bytes(bytes: &'a [u8]) -> Outside<'a> {
        Outside(bytes)
    }
}

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| letter(f, c))?;
            let invalid = chunk.invalid().iter();
            invalid
                .copied()
                .try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

fn letter(out: &mut dyn fmt::Write, c: char) -> fmt::Result {
    match u32::from(c) {
        _ if !is_hidden(c) => out.write_char(c),
        code @ ..0x80 => write!(out, "\\x{code:02x}"),
        code => write!(out, "\\u{{{code:x}}}"),
    }
}

/// Display of paths in messages.
pub trait ShowPath {
    /// The path in a form that is safe to print.
    fn shown(&self) -> Outside<'_>;
}

impl ShowPath for Path {
    fn shown(&self) -> Outside<'_> {
        Outside::path(self)
    }
}

/// Whether a character is invisible and can change what is seen: control characters,
/// Unicode's format characters, line separators, and those that show as nothing.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text that is safe to print: it keeps its line ends, and all other hidden characters
/// become escapes.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |out, c| {
        let _ = letter(out, c);
    })
}

/// A JSON document that is safe to print. Hidden characters, which stand only in its
/// strings, become `\uXXXX`.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    replaced(json, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn replaced(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let goes = |c: char| c != '\n' && is_hidden(c);
    if !text.contains(goes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match goes(c) {
            true => escape(&mut out, c),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Prints an answer. A closed pipe is not an error: its reader has seen enough, and the
/// answer's exit code must stand.
///
/// # Errors
/// Errors of the system, such as a full device.
pub fn print(out: &mut dyn Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b[2J\u{9b}31m\u{202e}\u{2066}\u{7f}\r\u{200b}\u{e0041}\u{feff}é";

    #[test]
    fn nothing_hidden_is_printed() {
        let shown = Outside::text(HOSTILE).to_string();
        assert!(!shown.contains(is_hidden), "{shown:?}");
        assert!(shown.starts_with("a\\x1b[2J\\u{9b}31m\\u{202e}"), "{shown}");
        assert!(shown.ends_with('é'));
        assert_eq!(Outside::text("a\nb").to_string(), "a\\x0ab");
        assert_eq!(Outside::bytes(b"a\xffb").to_string(), "a\\xffb");
        assert_eq!(visible(&format!("{HOSTILE}\n")), format!("{shown}\n"));
    }

    #[test]
    fn json_keeps_its_meaning() {
        let json = serde_json::to_string_pretty(&[HOSTILE]).unwrap();
        let shown = visible_json(&json);
        assert!(!shown.contains(|c| c != '\n' && is_hidden(c)), "{shown:?}");
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [HOSTILE]);
    }
}
