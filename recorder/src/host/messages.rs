//! What the operator is to hear, until the host asks for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::voice::Voice;

/// Messages that wait at most: a host that never asks must not pay for it.
const MOST: usize = 16;

/// What is waiting, the oldest first.
#[derive(Default)]
pub(super) struct Messages(Mutex<VecDeque<String>>);

/// What the background thread says beside its messages nobody hears: standard error is the
/// host's.
impl Voice for Messages {
    fn say(&self, _: &str) {}

    fn tell(&self, message: &str) {
        self.put(message.to_owned());
    }
}

impl Messages {
    /// The oldest gives way where too many wait: a later one is about a node
    /// that is still in trouble.
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
