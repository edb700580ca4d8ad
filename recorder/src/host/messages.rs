//! Messages for the operator that wait until the host asks for them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::voice::Voice;

/// Most messages that wait. A host that never asks must not run out of memory.
const MOST: usize = 16;

/// Waiting messages, oldest first.
#[derive(Default)]
pub(super) struct Messages(Mutex<VecDeque<String>>);

/// Keeps only messages. Drops other output, because the host owns standard
/// error.
impl Voice for Messages {
    fn say(&self, _: &str) {}

    fn tell(&self, message: &str) {
        self.put(message.to_owned());
    }
}

impl Messages {
    /// Adds a message. Removes the oldest if too many wait: the newest is about
    /// a node that is still in trouble.
    pub(super) fn put(&self, message: String) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST {
            waiting.pop_front();
        }
        waiting.push_back(message);
    }

    pub(super) fn take(&self) -> Option<String> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }
}
