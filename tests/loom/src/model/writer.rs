// The ring's writer against readers, and the lending against its host. Included behind the
// writer's own text, so that it reaches what is private there.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Mutex;

use haltbox_format::ring::{
    FIRST_SEGMENT, Found, Gap, MIN_SEGMENT, Record, RecordCursor, SUPERBLOCK_SIZE, SlotState, Superblock,
    padded,
};
use loom::sync::atomic::{AtomicU64, Ordering as Order};

use crate::stand_in::{Image, Reading, Source, Stores};
use crate::{Bounds, play, thread};

/// Payload of the short records.
const SHORT: usize = 8;
/// Such a record with its header and padding.
const RECORD: usize = HEADER_SIZE + padded(SHORT);
/// Payload of a record that two short ones overwrite.
const LONG: usize = 40;

/// An empty ring with so many segments in its lanes.
fn empty([spine, local, main]: [u32; 3], length: usize) -> Vec<u8> {
    let geometry = Geometry {
        segment_size: MIN_SEGMENT as u32,
        spine,
        local,
        main,
    };
    let superblock = Superblock {
        geometry,
        revision: 1,
        uuid: [7; 16],
        salt: 0x5EED,
        file_size: geometry.file_size(),
        epoch: 1,
        machine: [0; 32],
        boot: [0; 16],
        created_ms: 0,
    };
    let mut file = vec![0; length];
    file[..SUPERBLOCK_SIZE].copy_from_slice(&superblock.encode());
    file
}

/// Payload of the record with this counter.
fn payload(counter: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![b'a' + counter as u8; length];
    bytes[..8].copy_from_slice(&(counter | 0x6161_6161_6161_0000).to_le_bytes());
    bytes
}

/// The file after `work` on it, by a writer that nobody reads meanwhile. Loom's atomics exist
/// in a model alone, so this is one too, of one thread.
fn after(file: Vec<u8>, work: fn(&mut RingWriter)) -> Arc<Vec<u8>> {
    let view = RingView::read(&file).expect("a ring");
    let file = Arc::new(Mutex::new(file));
    let written = Arc::clone(&file);
    loom::model(move || {
        let (view, surface) = (view.clone(), Surface::Plain(Arc::clone(&written)));
        let writing = thread(move || work(&mut RingWriter::resume(surface, &view, 1)));
        writing.join().expect("the writer ends");
    });
    Arc::new(file.lock().expect("no panic").clone())
}

fn add(writer: &mut RingWriter, lane: Lane, length: usize) {
    let bytes = payload(writer.next_counter(lane), length);
    let appended = writer.append(lane, Flags::default(), &[], &bytes);
    assert!(matches!(appended, Appended::Kept { .. }), "{appended:?}");
}

/// A segment is reused while a reader reads it. Nothing torn, nothing of another filling,
/// nothing called lost.
///
/// Before: segment 0 is filling 1 with the records 0 and 1, segment 1 is filling 2 with 2 and
/// 3. The writer begins filling 3 in segment 0 and puts records 4 and 5 there. They overwrite
/// the long record 0, one half each.
pub fn reuse(bounds: Bounds, stores: Stores, reading: Reading) {
    let two = FIRST_SEGMENT as usize + 2 * MIN_SEGMENT as usize;
    let file = after(empty([2, 1, 1], two), |writer| {
        add(writer, Lane::Spine, LONG);
        add(writer, Lane::Spine, SHORT);
        leave_segment(writer);
        (0..2).for_each(|_| add(writer, Lane::Spine, SHORT));
    });
    let view = RingView::read_marks(&*file).expect("a ring");
    assert_eq!(view.lane(Lane::Spine).runs.len(), 2, "{view:?}");
    // The header's words that change: generation, first sequence number, checksum.
    let header = [0, 24, 56].map(|at| FIRST_SEGMENT as usize + at);
    let record = |at: usize| FIRST_SEGMENT as usize + SEGMENT_HEADER_SIZE + at * RECORD;
    let words = (0..bounds.records).flat_map(|at| (0..3).map(move |word| record(at) + 8 * word));
    let hot: Vec<_> = header.into_iter().chain(words).map(|at| at..at + 8).collect();
    let records = bounds.records;
    play("reuse", bounds, move || {
        let image = Image::new(&file, &hot, stores);
        let mut writer = RingWriter::resume(Surface::played(&image), &view, 2);
        leave_segment(&mut writer);
        let writing = thread(move || {
            (0..records).for_each(|_| add(&mut writer, Lane::Spine, SHORT));
        });
        let reading = thread(move || look(&Source::new(&image, reading)));
        writing.join().expect("the writer ends");
        reading.join().expect("the reader ends");
    });
}

/// Takes the segment for full. A segment that is full in truth has 256 KiB, which a reader
/// would look through in each order.
fn leave_segment(writer: &mut RingWriter) {
    writer.spine.end = writer.spine.at;
}

/// Reads as every reader of a ring does, and holds what it says to what is true.
fn look(source: &Source) {
    let ring = RingView::read_marks(source).expect("a ring");
    let view = ring.lane(Lane::Spine);
    let fillings = [0..0, 0..2, 2..4, 4..6];
    for run in &view.runs {
        if let Some(filling) = run.generation {
            let held = &fillings[filling as usize];
            assert!(held.contains(&run.first) && held.contains(&run.last), "{run:?} is of another filling");
        }
    }
    let damaged = view.slots.iter().find(|slot| slot.state == SlotState::Damaged);
    assert_eq!(damaged, None, "a sound header counts as damaged");
    assert!(view.holds(2, 4), "what nobody changed is not there: {:?}", view.runs);
    let lost = view.gaps().into_iter().find(|gap| gap.2 == Gap::Missing);
    assert_eq!(lost, None, "a live ring lost records");
    let before = view.gap_before_first();
    assert!(view.moved || before != Some(Gap::Missing), "a live ring lost its first records");
    read_on(source, &ring);
}

fn read_on(source: &Source, ring: &RingView) {
    let mut cursor = RecordCursor::new(source, ring, Lane::Spine);
    let mut seen = HashSet::new();
    while let Some(found) = cursor.next().expect("memory can be read") {
        match found {
            Found::Record(Record { counter, payload: bytes, .. }) => {
                assert!(seen.insert(counter), "record {counter} comes twice");
                assert_eq!(bytes, payload(counter, bytes.len()), "record {counter} is torn");
            }
            Found::Gap { why: Gap::Evicted, .. } | Found::Overrun { .. } => {}
            Found::Gap { .. } | Found::Torn { .. } => panic!("{found:?} in a live ring"),
        }
    }
    assert!((2..4).all(|counter| seen.contains(&counter)), "{seen:?}");
}

/// A mark stands behind the records that it is about. Whoever sees the mark sees them.
pub fn marks(bounds: Bounds, stores: Stores, reading: Reading) {
    let whole = FIRST_SEGMENT as usize + 5 * MIN_SEGMENT as usize;
    let file = after(empty([2, 1, 2], whole), |writer| {
        [Lane::Main, Lane::Spine].map(|lane| add(writer, lane, SHORT));
    });
    let view = RingView::read(&*file).expect("a ring");
    let hot = [0, 3].map(|segment| {
        let first = FIRST_SEGMENT as usize + segment * MIN_SEGMENT as usize + 64 + RECORD;
        first..first + bounds.records * RECORD
    });
    play("marks", bounds, move || {
        let image = Image::new(&file, &hot, stores);
        let mut writer = RingWriter::resume(Surface::played(&image), &view, 2);
        let writing = thread(move || {
            for _ in 0..bounds.records {
                [Lane::Main, Lane::Spine].map(|lane| add(&mut writer, lane, SHORT));
            }
        });
        let reading = thread(move || {
            let ring = RingView::read(&Source::new(&image, reading)).expect("a ring");
            let [marks, records] = [Lane::Spine, Lane::Main].map(|lane| ring.lane(lane).next_recorded());
            assert!(records >= marks, "{marks} marks, but {records} records");
        });
        writing.join().expect("the writer ends");
        reading.join().expect("the reader ends");
    });
}

/// A host that lays records: as `Span` of ffi/go/internal/api/ring_records.go does, and as
/// the comment of `haltbox_lend` tells hosts to.
struct Host {
    image: Arc<Image>,
    laid: &'static AtomicU64,
    span: lent::Span,
    at: usize,
}

impl Host {
    fn lay(&mut self, bytes: &[u8]) {
        let counter = self.span.first.counter() + (self.at / RECORD) as u64;
        let seq = Seq::new(self.span.first.epoch(), counter);
        let header = Header { part: Part::Full, flags: Flags::default() };
        let record = self.span.start.as_ptr() as usize + self.at;
        self.image.copy(record + HEADER_SIZE, bytes);
        self.image.store(record, self.span.key.mask(seq), Order::Relaxed);
        let word = self.span.key.commit_word(seq, header, &[], bytes);
        self.image.store(record + 8, word, Order::Release);
        self.at += HEADER_SIZE + padded(bytes.len());
        self.laid.store(self.at as u64, Order::Release);
    }
}

/// The writer behind the lock that every call of a host takes, and what was taken over.
struct Locked {
    writer: RingWriter,
    taken: Vec<u64>,
}

impl Locked {
    /// As each call begins: `Recorder::take_over`.
    fn take_over(&mut self) {
        while let Some(laid) = self.writer.next_laid() {
            let bytes = self.writer.bytes_of(&laid);
            assert_eq!(bytes, payload(laid.counter, SHORT), "record {} is half-written", laid.counter);
            self.taken.push(laid.counter);
        }
    }
}

/// A host lays records while another thread's call takes them over. Then the host records by
/// a call, which ends the lending, and borrows again.
///
/// Each record is taken once, whole and in order, and the ring holds all of them.
pub fn lending(bounds: Bounds) {
    let whole = FIRST_SEGMENT as usize + 5 * MIN_SEGMENT as usize;
    let file = after(empty([2, 1, 2], whole), |writer| add(writer, Lane::Main, SHORT));
    let view = RingView::read(&*file).expect("a ring");
    let first = FIRST_SEGMENT as usize + 3 * MIN_SEGMENT as usize + 64 + RECORD;
    play("lending", bounds, move || {
        let image = Image::new(&file, &[first..first + 5 * RECORD], Stores::REAL);
        let writer = RingWriter::resume(Surface::played(&image), &view, 2);
        let locked = Locked { writer, taken: Vec::new() };
        let locked = Arc::new(loom::sync::Mutex::new(locked));
        let laid: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
        let (other, file) = (Arc::clone(&locked), Arc::clone(&image));
        let calling = thread(move || {
            other.lock().expect("no panic").take_over();
            other.lock().expect("no panic").take_over();
        });
        host(&locked, image, laid);
        calling.join().expect("the other call ends");
        let mut locked = locked.lock().expect("no panic");
        locked.take_over();
        assert_eq!(locked.taken, [1, 2, 4], "taken over");
        assert_eq!(locked.writer.next_counter(Lane::Main), 5);
        let mut bytes = vec![0; 5 * RECORD];
        file.load(first - RECORD, &mut bytes);
        let held = (0..5).map(|at| {
            let fragment = view_key(&view).fragment_at(&bytes, at * RECORD, 2)?;
            Some((fragment.seq.counter(), fragment.payload.to_vec()))
        });
        let right = (0..5).map(|counter| Some((counter, payload(counter, SHORT))));
        assert!(held.eq(right), "the ring has other records");
    });
}

fn view_key(view: &RingView) -> LaneKey {
    LaneKey::new(view.salt, Lane::Main)
}

fn host(locked: &loom::sync::Mutex<Locked>, image: Arc<Image>, laid: &'static AtomicU64) {
    let mut host = borrow(locked, image, laid);
    host.lay(&payload(1, SHORT));
    host.lay(&payload(2, SHORT));
    {
        let mut locked = locked.lock().expect("no panic");
        locked.take_over();
        locked.writer.end_lending();
        add(&mut locked.writer, Lane::Main, SHORT);
    }
    let mut host = borrow(locked, host.image, laid);
    host.lay(&payload(4, SHORT));
}

fn borrow(locked: &loom::sync::Mutex<Locked>, image: Arc<Image>, laid: &'static AtomicU64) -> Host {
    let mut locked = locked.lock().expect("no panic");
    locked.take_over();
    let span = locked.writer.lend(laid).expect("a part");
    Host { image, laid, span, at: 0 }
}

/// A host that breaks its promise: it still lays a record while another thread's call ends
/// the lending. What comes behind the end is not taken over.
pub fn late_host(bounds: Bounds) {
    let whole = FIRST_SEGMENT as usize + 5 * MIN_SEGMENT as usize;
    let file = after(empty([2, 1, 2], whole), |writer| add(writer, Lane::Main, SHORT));
    let view = RingView::read(&*file).expect("a ring");
    let first = FIRST_SEGMENT as usize + 3 * MIN_SEGMENT as usize + 64 + RECORD;
    play("late host", bounds, move || {
        let image = Image::new(&file, &[first..first + 2 * RECORD], Stores::REAL);
        let writer = RingWriter::resume(Surface::played(&image), &view, 2);
        let locked = Locked { writer, taken: Vec::new() };
        let locked = Arc::new(loom::sync::Mutex::new(locked));
        let laid: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
        let mut host = borrow(&locked, image, laid);
        let other = Arc::clone(&locked);
        let ending = thread(move || {
            let mut locked = other.lock().expect("no panic");
            locked.take_over();
            locked.writer.end_lending();
            locked.taken.len()
        });
        host.lay(&payload(1, SHORT));
        host.lay(&payload(2, SHORT));
        let at_end = ending.join().expect("the call ends");
        let mut locked = locked.lock().expect("no panic");
        locked.take_over();
        assert_eq!(locked.taken.len(), at_end, "taken over behind the end");
        assert_eq!(locked.writer.next_counter(Lane::Main), 1 + at_end as u64);
    });
}

impl Heads {
    /// As a segment switch does.
    pub fn told(&self, head: usize, next: usize) {
        self.set(Lane::Main, head, next);
    }

    /// As an append does.
    pub fn moved(&self, head: usize) {
        self.advance(Lane::Main, head);
    }
}
