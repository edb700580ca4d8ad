//! The only way in which commands print. Text of a recording cannot control the terminal. A
//! closed pipe ends quietly and keeps the exit code of the result. A full device is an error.

use std::io::{self, Write};

use haltbox_model::outside::{self, visible, visible_json};
use serde::Serialize;

/// Prints text on standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    unchanged(&visible(text))
}

/// Prints text that holds the program's own colours.
pub(crate) fn painted(text: &str) -> io::Result<()> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let (before, style) = rest.split_at(at);
        let end = style.find('m').filter(|end| {
            style[2..*end]
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b';')
        });
        let (style, behind) = style.split_at(end.map_or(2, |end| end + 1));
        out += &visible(before);
        match end {
            Some(_) => out += style,
            None => out += &visible(style),
        }
        rest = behind;
    }
    out += &visible(rest);
    unchanged(&out)
}

/// Prints text without making it safe. Only for text of the program itself.
pub(super) fn unchanged(text: &str) -> io::Result<()> {
    outside::print(&mut io::stdout().lock(), text)
}

/// Prints one JSON document.
pub(crate) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    Ok(unchanged(&format!("{}\n", visible_json(&text)))?)
}

/// Prints text of more than one line on standard error.
pub fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(visible(text).as_bytes());
}

/// Prints a sentence on standard error. If that is closed, the sentence is dropped.
pub fn say(text: &str) {
    let line = format!("haltbox: {}\n", visible(text));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
