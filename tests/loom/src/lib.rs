//! The ring's protocols, played by loom in every order of their steps.
//!
//! `build.rs` takes the writer, the lending, the queue and the populating thread from the
//! recorder's sources and gives them loom's atomics, locks and threads. The readers are the
//! format crate's own. What cannot be real is in [`stand_in`]: mapped memory, and `pread`.

pub mod stand_in;

/// The recorder's sources, sound and broken, each with its model.
pub mod product {
    include!(concat!(env!("OUT_DIR"), "/product.rs"));
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a model goes.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Most times that a thread is stopped in favour of another one, in one order. `None` sets
    /// no bound.
    pub preemptions: Option<usize>,
    /// How many records the writer appends, where that says more than one does.
    pub records: usize,
}

impl Bounds {
    /// Every order.
    pub const ALL: Bounds = Bounds {
        preemptions: None,
        records: 1,
    };

    /// Orders with so many preemptions.
    #[must_use]
    pub fn few(preemptions: usize) -> Bounds {
        Bounds {
            preemptions: Some(preemptions),
            records: 1,
        }
    }
}

/// Plays `model` in every order of its steps, and prints how many there were.
pub fn play(name: &str, bounds: Bounds, model: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bounds.preemptions;
    builder.max_branches = 20_000;
    let begun = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!(
        "{name}: {} orders, preemptions {:?}, {:.1} s",
        orders.load(Ordering::Relaxed),
        bounds.preemptions,
        begun.elapsed().as_secs_f64()
    );
}

/// Starts a thread of a model. The readers need more stack than loom gives.
pub fn thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> loom::thread::JoinHandle<T> {
    let builder = loom::thread::Builder::new().stack_size(32 << 10);
    let started = builder.spawn(work);
    started.unwrap_or_else(|error| panic!("loom starts no thread: {error}"))
}
