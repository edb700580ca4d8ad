// The queue in memory, its thread, and those that wait for it.

use crate::{Bounds, play, thread};

fn started() -> (File, Queued) {
    let file = tempfile::tempfile().expect("a file");
    file.set_len(96).expect("its length");
    let queued = Queued::start(file.try_clone().expect("a handle"), 96, ()).expect("a thread");
    (file, queued)
}

fn holds(file: &File, records: u64) {
    crate::stand_in::written::touch();
    for place in 0..records {
        let mut bytes = [0; 24];
        file.read_exact_at(&mut bytes, place * 32).expect("bytes");
        let right = [(place + 1).to_le_bytes(), 7_u64.to_le_bytes(), *b"payload!"].concat();
        assert_eq!(bytes[..], right[..], "record {place} is not in the file");
    }
}

fn put(queued: &mut Queued, place: u64) {
    assert!(queued.put_record(place as usize * 32, [place + 1, 7], b"", b"payload!"));
}

/// Whoever waited finds in the file all that was put before; so does whoever closed.
pub fn settled(bounds: Bounds) {
    play("settle", bounds, || {
        let (file, mut queued) = started();
        put(&mut queued, 0);
        put(&mut queued, 1);
        assert!(queued.queue().settle(Duration::from_secs(600)));
        holds(&file, 2);
        put(&mut queued, 2);
        drop(queued);
        holds(&file, 3);
    });
}

/// The thread sleeps, or is about to, when something is put. It wakes without anybody who
/// waits for it.
pub fn woken(bounds: Bounds) {
    play("wake", bounds, || {
        let (file, mut queued) = started();
        put(&mut queued, 0);
        // Let the thread end behind the record below. A sleeping thread does not hear this.
        let queue = queued.queue();
        {
            let mut state = queue.lock();
            while !state.waiting.parts.is_empty() || state.writing {
                state = queue.written.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        put(&mut queued, 1);
        queue.lock().ending = true;
        let thread = queued.thread.take().expect("the thread");
        std::mem::forget(queued);
        thread.join().expect("the thread ends");
        holds(&file, 2);
    });
}
