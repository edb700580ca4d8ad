//! Makes the ring's pages present ahead of the writer.
//!
//! Without this thread, an append into a page that was written back stops in a
//! page fault. On ext4 that can wait for the journal. The 99.9th percentile of
//! an append is then ten times that of a ring in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::host_threads;
use crate::ring::Heads;
use crate::ring::map::{Birth, Pages};

/// Bytes made present by one call of the kernel.
const STEP: usize = 256 << 10;
/// Bytes ahead of the head that are kept present. A new next segment is made
/// present as a whole: a block of thousands of entries can end before this
/// thread looks again, and its host would stop in every page fault.
const AHEAD: usize = 3 * STEP;
const BUSY: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(20);

/// Handle of the thread. Dropping it ends the thread and waits for that.
pub struct Populating {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    birth: Birth,
}

/// Starts the thread. It works only while a head moves. It ends silently on
/// kernels without `MADV_POPULATE_WRITE`, before 5.14.
///
/// # Errors
/// The thread cannot be started.
pub fn start(pages: Pages, heads: Arc<Heads>, segment_size: usize) -> std::io::Result<Populating> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("haltbox-pages".to_owned());
    let work = move || run(&pages, &heads, segment_size, &stopped);
    let thread = host_threads::spawn(thread, work)?;
    Ok(Populating {
        stop,
        thread: Some(thread),
        birth: Birth::here(),
    })
}

impl Drop for Populating {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            // A forked child has no such thread to wait for.
            Some(thread) if self.birth.is_elsewhere() => std::mem::forget(thread),
            Some(thread) => drop(thread.join()),
            None => {}
        }
    }
}

fn run(pages: &Pages, heads: &Heads, segment_size: usize, stop: &AtomicBool) {
    // What was made present last, for each lane.
    let mut done = [(0, 0); 3];
    let mut pause = BUSY;
    while !stop.load(Ordering::Relaxed) {
        let mut moved = false;
        for (lane, (head, next)) in heads.read().into_iter().enumerate() {
            let at = (head / STEP, next);
            if head == 0 || done[lane] == at {
                continue;
            }
            moved = true;
            let is_other = done[lane].1 != next;
            done[lane] = at;
            let ahead = if is_other { segment_size * 2 } else { AHEAD };
            if populate(pages, head, next, segment_size, ahead).is_err() {
                return;
            }
        }
        pause = if moved { BUSY } else { (pause * 2).min(IDLE) };
        std::thread::sleep(pause);
    }
}

/// Makes the rest of this segment and the beginning of the next one present,
/// `ahead` bytes at most.
fn populate(
    pages: &Pages,
    head: usize,
    next: usize,
    segment_size: usize,
    ahead: usize,
) -> std::io::Result<()> {
    let first = haltbox_format::ring::FIRST_SEGMENT as usize;
    let begun = head.saturating_sub(first) % segment_size;
    let here = (segment_size - begun).min(ahead);
    let from = head / 4096 * 4096;
    let rest = pieces(from, here + (head - from));
    let beginning = pieces(next, (ahead - here).min(segment_size));
    rest.chain(beginning)
        .try_for_each(|(offset, length)| pages.populate(offset, length))
}

/// Cuts a range into offsets and lengths of pieces. While the kernel makes one
/// piece present, it locks the process's memory map, and every thread of the
/// host that maps memory or faults must wait.
fn pieces(from: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length)
        .step_by(STEP)
        .map(move |at| (from + at, STEP.min(length - at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_made_present_in_pieces_that_cover_it() {
        for length in [0, 1, STEP - 1, STEP, STEP + 1, 7 * STEP + 4096] {
            let mut reached = 4096;
            for (offset, piece) in pieces(4096, length) {
                assert_eq!(offset, reached, "of {length} bytes");
                assert!((1..=STEP).contains(&piece), "{piece} of {length} bytes");
                reached += piece;
            }
            assert_eq!(reached, 4096 + length);
        }
    }
}
