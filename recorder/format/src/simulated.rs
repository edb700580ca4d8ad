//! Where the simulator (`tests/sim`) gets between the instructions of the recorder: it looks
//! at the ring between two stores.
//!
//! Only builds with debug assertions have this. In a release build [`stored`] is an empty
//! constant function, and no code can turn it on.

/// A store into the ring's file was made.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn stored() {}

#[cfg(debug_assertions)]
pub use watched::{stored, watch_stores};

#[cfg(debug_assertions)]
mod watched {
    use std::cell::Cell;

    thread_local! {
        static WATCH: Cell<Option<fn()>> = const { Cell::new(None) };
    }

    /// A store into the ring's file was made.
    #[inline]
    pub fn stored() {
        if let Some(watch) = WATCH.get() {
            watch();
        }
    }

    /// Calls this behind every store of this thread into a ring's file.
    pub fn watch_stores(watch: Option<fn()>) {
        WATCH.set(watch);
    }
}
