// The number of a process, which its threads take at the same time.

use crate::{Bounds, play, thread};

/// All threads of a process get one number, and another process another one.
pub fn numbers(bounds: Bounds) {
    play("births", bounds, || {
        let processes = [(); 2].map(|()| std::sync::Arc::new(AtomicU32::new(0)));
        let [parent, child] = &processes;
        let same = std::sync::Arc::clone(parent);
        let other = thread(move || number_here(&same));
        let own = number_here(parent);
        assert_eq!(other.join().expect("a number"), own);
        assert_eq!(number_here(parent), own);
        assert_ne!(number_here(child), own);
    });
}
