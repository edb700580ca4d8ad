//! Texts of a node in trouble, or of one that stops on purpose.
//!
//! Anybody can make a node print them: in a memo, a contract's log, a name. They count
//! only where the node itself speaks: as a message, as the last words of a dying process,
//! or as the reason of a failure.

use memchr::memmem;
use serde::Deserialize;

/// Prefixes of the last words of a dying process.
const DYING: [&[u8]; 8] = [
    b"panic: ",
    b"Error: ",
    b"ERROR: ",
    b"error: ",
    b"fatal error: ",
    b"Fatal: ",
    b"FATAL: ",
    b"(Error",
];
/// CometBFT's prefix before the application's own words.
const APPLYING: &[u8] = b"failed to apply block; error ";
/// Bytes of a panic in which a text counts. Others may have chosen what is quoted further
/// on.
const NEAR: usize = 96;
/// Largest distance between an announced height and the newest block.
const BESIDE: u64 = 2;

/// Some texts and their meaning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notice {
    pub(super) texts: Vec<String>,
    /// Prefixes of a message or reason that has one of the texts further on. Without them
    /// the texts are prefixes themselves.
    #[serde(default)]
    pub(super) begins: Vec<String>,
    /// Prefixes of the names of modules that may say it, even if they log text that
    /// others chose.
    #[serde(default)]
    pub(super) modules: Vec<String>,
    pub(super) why: String,
}

impl Notice {
    /// Whether one of the texts stands anywhere in `text`.
    pub(super) fn stands_in(&self, text: &[u8]) -> bool {
        let mut texts = self.texts.iter();
        texts.any(|known| memmem::find(text, known.as_bytes()).is_some())
    }

    /// Whether a message says it.
    pub(super) fn is_message(&self, message: &[u8], newest: Option<u64>) -> bool {
        self.begins(message) && self.is_of_now(message, newest)
    }

    /// Whether the reason of a failure says it. Others may have chosen the later parts of
    /// a reason; those count only if the node itself `announced` it before.
    pub(super) fn is_reason(&self, reason: &[u8], newest: Option<u64>, announced: bool) -> bool {
        let own = reason.strip_prefix(APPLYING).unwrap_or(reason);
        let parts = memmem::find_iter(reason, b": ").map(|at| at + 2);
        let mut parts = parts.filter_map(|at| reason.get(at..));
        self.is_message(own, newest) || announced && parts.any(|part| self.is_message(part, newest))
    }

    /// Whether a dying process says it.
    pub(super) fn is_in_last_words(&self, line: &[u8], newest: Option<u64>) -> bool {
        let dying = DYING.iter().find_map(|start| line.strip_prefix(*start));
        dying.is_some_and(|rest| match self.begins.is_empty() {
            true => {
                let near = rest.get(..NEAR).unwrap_or(rest);
                self.stands_in(near) && self.is_of_now(rest, newest)
            }
            false => self.is_message(rest, newest),
        })
    }

    /// Whether a line without a head says it: the line itself, or a dying process.
    pub(super) fn is_said_without_head(&self, line: &[u8]) -> bool {
        self.begins(line) || self.is_in_last_words(line, None)
    }

    fn begins(&self, text: &[u8]) -> bool {
        match self.begins.is_empty() {
            true => {
                let mut texts = self.texts.iter();
                texts.any(|known| text.starts_with(known.as_bytes()))
            }
            false => {
                let mut begins = self.begins.iter();
                begins.any(|begin| text.starts_with(begin.as_bytes())) && self.stands_in(text)
            }
        }
    }

    /// Whether the height behind the text is near the newest block, if both are known.
    fn is_of_now(&self, text: &[u8], newest: Option<u64>) -> bool {
        let height = self.texts.iter().find_map(|known| {
            let at = memmem::find(text, known.as_bytes())?;
            height_behind(text.get(at + known.len()..)?)
        });
        match (height, newest) {
            (Some(height), Some(newest)) => height.abs_diff(newest) <= BESIDE,
            _ => true,
        }
    }
}

/// ` height 6915785`, `: 322000:`
fn height_behind(text: &[u8]) -> Option<u64> {
    let text = text.strip_prefix(b" height").unwrap_or(text);
    let start = text.iter().take(3).position(u8::is_ascii_digit)?;
    let digits = text.get(start..)?;
    let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(digits.get(..len)?).ok()?.parse().ok()
}
