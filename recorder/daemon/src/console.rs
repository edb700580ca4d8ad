//! What this process prints. Foreign text is made visible first.

use std::io::{self, Write};
use std::sync::Arc;

use haltbox_model::outside::{self, visible, visible_json};
use haltbox_recorder::voice::{Speaker, Voice};
use thiserror::Error;

/// Standard error, as the library's voice.
struct StandardError;

impl Voice for StandardError {
    fn say(&self, sentence: &str) {
        say(sentence);
    }

    fn tell(&self, message: &str) {
        tell(message);
    }
}

/// A voice that prints on standard error.
pub fn voice() -> Speaker {
    Arc::new(StandardError)
}

/// Prints a sentence for the operator on standard error.
pub fn say(text: &str) {
    tell(&format!("haltbox: {text}\n"));
}

/// Prints text on standard error. Ignores errors, because a closed output has
/// no reader.
pub fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(visible(text).as_bytes());
}

/// Standard output cannot be written.
#[derive(Debug, Error)]
#[error("cannot write to standard output: {error}")]
pub struct PrintError {
    /// What the system said.
    pub error: io::Error,
}

/// Prints an answer on standard output.
///
/// # Errors
/// [`PrintError`]. A closed pipe is no error, because its reader has seen
/// enough.
pub fn print(text: &str) -> Result<(), PrintError> {
    answer(&visible(text))
}

/// Prints one JSON document.
///
/// # Errors
/// As [`print()`].
pub fn print_json(document: &impl serde::Serialize) -> Result<(), PrintError> {
    let text = serde_json::to_string_pretty(document);
    let text = text.map_err(|error| PrintError {
        error: error.into(),
    })?;
    answer(&format!("{}\n", visible_json(&text)))
}

fn answer(text: &str) -> Result<(), PrintError> {
    outside::print(&mut std::io::stdout().lock(), text).map_err(|error| PrintError { error })
}
