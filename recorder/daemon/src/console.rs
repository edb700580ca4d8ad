//! What this process prints. Everything foreign in it is made visible first.

use std::io::Write;
use std::sync::Arc;

use haltbox_model::outside::{self, visible, visible_json};
use haltbox_recorder::voice::{Speaker, Voice};

/// Standard error, for the recorder's library to speak through.
struct StandardError;

impl Voice for StandardError {
    fn say(&self, sentence: &str) {
        say(sentence);
    }

    fn tell(&self, message: &str) {
        tell(message);
    }
}

/// The voice of a program.
pub fn voice() -> Speaker {
    Arc::new(StandardError)
}

/// Says a sentence to the operator.
pub fn say(text: &str) {
    tell(&format!("haltbox: {text}\n"));
}

/// Prints text on standard error. Where that is closed nobody listens.
pub fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(visible(text).as_bytes());
}

/// Prints an answer on standard output.
///
/// # Errors
/// In words. A closed pipe is none: whoever closed it has seen enough.
pub fn print(text: &str) -> Result<(), String> {
    answer(&visible(text))
}

/// Prints one JSON document.
///
/// # Errors
/// As [`print()`].
pub fn print_json(document: &impl serde::Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(document).map_err(|error| error.to_string())?;
    answer(&format!("{}\n", visible_json(&text)))
}

fn answer(text: &str) -> Result<(), String> {
    outside::print(&mut std::io::stdout().lock(), text)
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
