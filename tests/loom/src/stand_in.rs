//! What stands in the place of mapped memory, `pread`, and the parts of the recorder beside
//! the sources that are played.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use haltbox_format::ReadAt;
use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// Orders of the stores into the file, as `recorder/src/ring/map.rs` has them: the test
/// `the_map_stores_as_the_stand_in_does` reads them there.
#[derive(Clone, Copy)]
pub struct Stores {
    /// Of `Map::publish`.
    pub publish: Ordering,
    /// Of the commit word in `Map::put_record`.
    pub commit: Ordering,
}

impl Stores {
    /// The product's.
    pub const REAL: Stores = Stores {
        publish: Ordering::Release,
        commit: Ordering::Release,
    };
}

/// A ring's file in memory. Its words that change are loom's, all others are bytes.
///
/// A copy into the map is one relaxed store for each word: any part of it can be seen before
/// any other, as the language and every processor allow.
pub struct Image {
    cold: Arc<Vec<u8>>,
    hot: BTreeMap<usize, AtomicU64>,
    stores: Stores,
}

impl Image {
    /// The file `cold`, in which the words of `hot` can change. Offsets are multiples of 8.
    #[must_use]
    pub fn new(cold: &Arc<Vec<u8>>, hot: &[Range<usize>], stores: Stores) -> Arc<Image> {
        let places = hot.iter().flat_map(|range| range.clone().step_by(8));
        let hot = places.map(|at| (at, AtomicU64::new(word(cold, at))));
        Arc::new(Image {
            cold: Arc::clone(cold),
            hot: hot.collect(),
            stores,
        })
    }

    /// Stores one word. Nobody reads the hints, so they need not be loom's.
    pub fn store(&self, at: usize, value: u64, order: Ordering) {
        match self.hot.get(&at) {
            Some(word) => word.store(value, order),
            None if at < haltbox_format::ring::FIRST_SEGMENT as usize => {}
            None => assert_eq!(word(&self.cold, at), value, "the word at {at} changes"),
        }
    }

    /// Copies bytes, as `copy_nonoverlapping` does into the map.
    pub fn copy(&self, at: usize, bytes: &[u8]) {
        assert!(bytes.len().is_multiple_of(8), "models copy whole words");
        for (place, _) in bytes.chunks(8).enumerate() {
            self.store(at + 8 * place, word(bytes, 8 * place), Ordering::Relaxed);
        }
    }

    /// Bytes as this thread sees them now.
    pub fn load(&self, at: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.cold[at..at + into.len()]);
        for (place, word) in self.hot.range(at..at + into.len()) {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            let until = into.len().min(place - at + 8);
            into[place - at..until].copy_from_slice(&bytes[..until - (place - at)]);
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

/// Most bytes that a read gives. Behind them the segments of the models have nothing, and the
/// end of a file stands for that.
const READ: usize = 512;

/// How a reader reads the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the product: by system calls. Inside one, words come in any order. What a later one
    /// reads is not older than what an earlier one read.
    Calls,
    /// Without that order between calls.
    Unordered,
    /// By calls, but a header that was read once is not read again.
    Once,
    /// By calls, but a damaged header is not read again at once.
    Believing,
}

/// A reader's file.
pub struct Source {
    image: Arc<Image>,
    reading: Reading,
    headers: std::cell::RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl Source {
    /// Reads `image`.
    #[must_use]
    pub fn new(image: &Arc<Image>, reading: Reading) -> Source {
        Source {
            image: Arc::clone(image),
            reading,
            headers: Default::default(),
        }
    }
}

impl Source {
    /// Keeps what a reader that reads too little does not read again.
    fn keep(&self, offset: u64, bytes: &[u8], is_header: bool) {
        let mut headers = self.headers.borrow_mut();
        if self.reading == Reading::Believing {
            headers.clear();
        }
        if is_header && matches!(self.reading, Reading::Once | Reading::Believing) {
            headers.insert(offset, bytes.to_vec());
        }
    }
}

impl ReadAt for Source {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let most = self.image.cold.len().saturating_sub(at).min(READ);
        let count = buf.len().min(most);
        let into = &mut buf[..count];
        if is_behind(at) {
            return Ok(0);
        }
        let is_header = count == haltbox_format::ring::SEGMENT_HEADER_SIZE;
        let known = self.headers.borrow().get(&offset).cloned();
        match known.filter(|_| is_header) {
            Some(known) => into.copy_from_slice(&known),
            None => self.image.load(at, into),
        }
        self.keep(offset, into, is_header);
        if self.reading != Reading::Unordered {
            fence(Ordering::Acquire);
        }
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.image.cold.len() as u64)
    }
}

/// Whether a read goes on behind [`READ`] bytes of a segment.
fn is_behind(at: usize) -> bool {
    let first = haltbox_format::ring::FIRST_SEGMENT as usize;
    at >= first && (at - first) % haltbox_format::ring::MIN_SEGMENT as usize >= READ
}

/// Stands for `recorder/src/ring/engine.rs`.
pub mod engine {
    /// The engine that is played.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Engine {
        /// The mapped file.
        Map,
    }
}

/// Stands for `recorder/src/ring/map.rs`.
pub mod map {
    use std::ptr::NonNull;
    use std::sync::{Arc, Mutex};

    use super::Image;

    /// No process forks here.
    #[derive(Clone, Copy, Debug)]
    pub struct Birth;

    impl Birth {
        /// This process.
        #[must_use]
        pub fn here() -> Birth {
            Birth
        }

        /// Whether it is another one.
        #[must_use]
        pub fn is_elsewhere(self) -> bool {
            false
        }
    }

    /// The ranges that were made present.
    #[derive(Clone, Default)]
    pub struct Pages(pub Arc<Mutex<Vec<(usize, usize)>>>);

    impl Pages {
        /// Keeps the range.
        ///
        /// # Errors
        /// None.
        pub fn populate(&self, offset: usize, length: usize) -> std::io::Result<()> {
            if let Ok(mut ranges) = self.0.lock() {
                ranges.push((offset, length));
            }
            Ok(())
        }
    }

    /// Stands for the map where a host is lent a part of it.
    pub struct Map(pub(super) Arc<Image>);

    impl Map {
        /// The offset in the place of an address: [`Image::store`] takes offsets.
        #[must_use]
        pub fn lend(&self, offset: usize, _length: usize) -> Option<NonNull<u8>> {
            NonNull::new(std::ptr::without_provenance_mut(offset))
        }

        /// Bytes as this thread sees them. They stay allocated.
        #[must_use]
        pub fn laid(&self, offset: usize, length: usize) -> Option<&[u8]> {
            let mut bytes = vec![0; length];
            self.0.load(offset, &mut bytes);
            Some(Vec::leak(bytes))
        }
    }

    /// Does nothing.
    pub fn start_writeback(_file: &std::fs::File) {}
}

/// Stands for `recorder/src/ring/surface.rs` with the engine `map`.
pub mod surface {
    use std::sync::{Arc, Mutex};

    use super::Image;
    use super::engine::Engine;
    use super::map::{Map, Pages};
    use loom::sync::atomic::Ordering;

    /// The file behind the writer.
    pub enum Surface {
        /// Bytes without threads, to make what a model begins with.
        Plain(Arc<Mutex<Vec<u8>>>),
        /// Loom's words.
        Played(Map),
    }

    /// Nothing waits.
    pub struct Waiting;

    impl Surface {
        /// The file `image`.
        #[must_use]
        pub fn played(image: &Arc<Image>) -> Surface {
            Surface::Played(Map(Arc::clone(image)))
        }

        /// Which engine it is.
        #[must_use]
        pub fn engine(&self) -> Engine {
            Engine::Map
        }

        /// No process forks here.
        #[must_use]
        pub fn is_forked(&self) -> bool {
            false
        }

        /// The map's pages.
        #[must_use]
        pub fn pages(&self) -> Option<Pages> {
            None
        }

        /// The map.
        #[must_use]
        pub fn map(&self) -> Option<&Map> {
            match self {
                Surface::Plain(_) => None,
                Surface::Played(map) => Some(map),
            }
        }

        /// Nothing waits.
        #[must_use]
        pub fn waiting(&self) -> Waiting {
            Waiting
        }

        /// As `Map::write`.
        pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
            match self {
                Surface::Plain(file) => put(file, offset, bytes),
                Surface::Played(Map(image)) => image.copy(offset, bytes),
            }
            true
        }

        /// As `Map::publish`.
        pub fn publish(&mut self, offset: usize, word: u64) -> bool {
            match self {
                Surface::Plain(file) => put(file, offset, &word.to_le_bytes()),
                Surface::Played(Map(image)) => image.store(offset, word, image.stores.publish),
            }
            true
        }

        /// Does nothing.
        pub fn request(&self, _offset: usize, _length: usize) {}

        /// As `Map::put_record`: prefix, payload, sequence number, commit word.
        pub fn put_record(
            &mut self,
            offset: usize,
            [sequence, commit]: [u64; 2],
            prefix: &[u8],
            payload: &[u8],
        ) -> bool {
            match self {
                Surface::Plain(file) => {
                    let head = [sequence.to_le_bytes(), commit.to_le_bytes()].concat();
                    put(file, offset, &[&head, prefix, payload].concat());
                }
                Surface::Played(Map(image)) => {
                    image.copy(offset + 16, prefix);
                    image.copy(offset + 16 + prefix.len(), payload);
                    image.store(offset, sequence, Ordering::Relaxed);
                    image.store(offset + 8, commit, image.stores.commit);
                }
            }
            true
        }
    }

    fn put(file: &Mutex<Vec<u8>>, offset: usize, bytes: &[u8]) {
        if let Ok(mut file) = file.lock() {
            file[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }
}

/// Stands for `recorder/src/ring/written.rs`: its two functions that the queue uses.
pub mod written {
    /// Whether a range lies inside a file of `whole` bytes.
    #[must_use]
    pub fn fits(offset: usize, length: usize, whole: usize) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= whole)
    }

    /// Appends the bytes of a record.
    pub fn encode(into: &mut Vec<u8>, head: [u64; 2], prefix: &[u8], payload: &[u8]) {
        head.iter()
            .for_each(|word| into.extend_from_slice(&word.to_le_bytes()));
        into.extend_from_slice(prefix);
        into.extend_from_slice(payload);
    }

    loom::lazy_static! {
        /// Touched by all who use the file, so that loom tries both orders.
        static ref FILE: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
    }

    /// As the call of the same name.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_all_at(file: &std::fs::File, bytes: &[u8], at: u64) -> std::io::Result<()> {
        touch();
        std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
    }

    /// Says that this thread uses the file.
    pub fn touch() {
        FILE.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
    }
}

/// Stands for `recorder/src/host_threads.rs`.
pub mod host_threads {
    /// Starts a thread.
    ///
    /// # Errors
    /// Loom starts none.
    pub fn spawn<T: Send + 'static>(
        builder: loom::thread::Builder,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<loom::thread::JoinHandle<T>> {
        builder.stack_size(32 << 10).spawn(work)
    }
}

pub mod sync;
