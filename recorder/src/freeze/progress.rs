//! What a freeze and whoever waits for it tell each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far a freeze is, and how long it may take. Clones are the same.
#[derive(Clone, Default)]
pub struct Progress(Arc<Flags>);

#[derive(Default)]
struct Flags {
    copied: AtomicBool,
    hurried: AtomicBool,
}

impl Progress {
    /// All that is needed of the ring is in the box, or will not be.
    pub fn is_copied(&self) -> bool {
        self.0.copied.load(Ordering::Acquire)
    }

    pub(super) fn has_copied(&self) {
        self.0.copied.store(true, Ordering::Release);
    }

    /// The ring is read, once more maybe.
    pub(super) fn reads_ring(&self) {
        self.0.copied.store(false, Ordering::Release);
    }

    /// The recorder is told to end: no node is waited for any more.
    pub fn hurry(&self) {
        self.0.hurried.store(true, Ordering::Release);
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.0.hurried.load(Ordering::Acquire)
    }
}
