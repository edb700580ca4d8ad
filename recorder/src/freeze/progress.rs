//! Signals between a freeze and the thread that waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far a freeze is, and whether it should hurry. Clones share one state.
#[derive(Clone, Default)]
pub struct Progress(Arc<Flags>);

#[derive(Default)]
struct Flags {
    copied: AtomicBool,
    hurried: AtomicBool,
}

impl Progress {
    /// Whether the freeze no longer needs the ring.
    pub fn is_copied(&self) -> bool {
        self.0.copied.load(Ordering::Acquire)
    }

    pub(super) fn has_copied(&self) {
        self.0.copied.store(true, Ordering::Release);
    }

    /// The freeze reads the ring, perhaps for a second time.
    pub(super) fn reads_ring(&self) {
        self.0.copied.store(false, Ordering::Release);
    }

    /// Tells the freeze not to wait for the node any more, because the recorder
    /// is told to end.
    pub fn hurry(&self) {
        self.0.hurried.store(true, Ordering::Release);
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.0.hurried.load(Ordering::Acquire)
    }
}
