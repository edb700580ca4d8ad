//! Where words for the operator go. The library prints nothing: the owner of a recorder
//! decides.

use std::sync::Arc;

/// What an owner does with words for the operator.
pub trait Voice: Send + Sync {
    /// Takes one sentence about the recording.
    fn say(&self, sentence: &str);

    /// Takes a message about a box, or about one that could not be written: whole lines.
    fn tell(&self, message: &str);
}

/// Says nothing.
pub struct Silence;

impl Voice for Silence {
    fn say(&self, _: &str) {}

    fn tell(&self, _: &str) {}
}

/// A voice that threads share.
pub type Speaker = Arc<dyn Voice>;
