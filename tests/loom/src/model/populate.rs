// The thread that makes pages present, against a writer that moves its heads.

use crate::{Bounds, play, thread};

/// A writer moves on and into another segment while the thread looks. All that the thread
/// touches lies in the file, and it ends when it is told to.
pub fn heads(bounds: Bounds) {
    const SEGMENT: usize = 256 << 10;
    let first = haltbox_format::ring::FIRST_SEGMENT as usize;
    // A segment's beginning may be told of before the place of the next one: then the next
    // one's is still 0, the place of the superblocks.
    let file = 0..first + 4 * SEGMENT;
    play("heads", bounds, move || {
        let heads: Arc<Heads> = Arc::default();
        let pages = Pages::default();
        let populating = start(pages.clone(), Arc::clone(&heads), SEGMENT).expect("a thread");
        heads.told(first + 64, first + SEGMENT);
        heads.moved(first + SEGMENT);
        heads.told(first + SEGMENT + 64, first + 3 * SEGMENT);
        drop(populating);
        for (offset, length) in pages.0.lock().expect("no panic").iter() {
            assert!(file.start <= *offset && offset + length <= file.end, "{offset} {length}");
        }
    });
}
