//! Where messages for the operator go. The library prints nothing; the owner of
//! a recorder decides.

use std::sync::Arc;

/// What an owner does with messages for the operator.
pub trait Voice: Send + Sync {
    /// Takes one sentence about the recording.
    fn say(&self, sentence: &str);

    /// Takes whole lines: the message of a box, or why there is none.
    fn tell(&self, message: &str);
}

/// Drops all messages.
pub struct Silence;

impl Voice for Silence {
    fn say(&self, _: &str) {}

    fn tell(&self, _: &str) {}
}

/// A voice that threads share.
pub type Speaker = Arc<dyn Voice>;
