//! One source of a comparison: where it is, and how it is read.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use haltbox_format::Digest;
use haltbox_model::Profile;

use crate::source::Source;
use crate::vocabulary::{self, Vocabulary};

/// A source, how its lines are read, and how far they were.
pub struct Recording {
    /// Its path, as it was given.
    pub path: PathBuf,
    /// The source.
    pub source: Source,
    /// How it is read.
    pub profile: Profile,
    /// What its entries mean.
    pub vocabulary: &'static dyn Vocabulary,
    /// The execution that is compared of heights with more than one, if one is asked
    /// for.
    pub attempt: Option<u32>,
    /// The heights that are compared, if not all.
    pub range: RangeInclusive<u64>,
    /// What the chain's addresses begin with, if that was told.
    pub address_prefix: Option<String>,
    /// Bytes of lines that one reading gives, where that is known beforehand.
    size: Option<u64>,
    taken: AtomicU64,
    by_value: AtomicBool,
    told: AtomicBool,
}

/// How far the reading of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Readings that are done: a comparison reads a source up to four times.
    pub passes: u64,
    /// Bytes read in this one.
    pub taken: u64,
    /// Bytes that it will be.
    pub size: Option<u64>,
}

/// What of entries is compared; by default their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    by_value: bool,
    told: bool,
}

impl Recording {
    /// A source that nothing was read of yet.
    pub fn new(path: PathBuf, source: Source, profile: Profile) -> Recording {
        Recording {
            size: source.size().filter(|size| *size > 0),
            taken: AtomicU64::new(0),
            by_value: AtomicBool::new(false),
            told: AtomicBool::new(false),
            path,
            source,
            vocabulary: vocabulary::of(&profile),
            profile,
            attempt: None,
            range: 0..=u64::MAX,
            address_prefix: None,
        }
    }

    /// The canonical rules its digests are made by.
    pub fn rules(&self) -> Option<Digest> {
        match &self.source {
            Source::Fingerprint(print) => Some(print.profile),
            _ => {
                let slog = self.profile.slog.as_ref();
                slog.map(|slog| slog.canonical().digest())
            }
        }
    }

    /// Entries are compared by their values, not by their bytes: slower, and asked
    /// for only where bytes differ and values do not.
    pub fn is_by_value(&self) -> bool {
        self.by_value.load(Ordering::Relaxed)
    }

    /// From here on it is read so.
    pub fn read_by_value(&self) {
        self.by_value.store(true, Ordering::Relaxed);
    }

    /// From here on it is read as its bytes are: what is compared with digests of others
    /// has to be.
    pub fn read_by_bytes(&self) {
        self.read_as(Reading::default());
    }

    /// How it is read.
    pub fn reading(&self) -> Reading {
        Reading {
            by_value: self.is_by_value(),
            told: self.is_told(),
        }
    }

    /// From here on it is read so.
    pub fn read_as(&self, reading: Reading) {
        self.by_value.store(reading.by_value, Ordering::Relaxed);
        self.told.store(reading.told, Ordering::Relaxed);
    }

    /// It is compared by what a sender tells that takes members out of entries and
    /// leaves entries out.
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// From here on it is read so, and by value: where the members stood is not told.
    pub fn read_as_told(&self) {
        self.told.store(true, Ordering::Relaxed);
        self.read_by_value();
    }

    /// A line was read.
    pub fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A reading is over, perhaps before the source's end.
    pub fn end_pass(&self) {
        if let Some(size) = self.size {
            let taken = self.taken.load(Ordering::Relaxed);
            self.taken
                .store(taken.next_multiple_of(size), Ordering::Relaxed);
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let (taken, size) = (self.taken.load(Ordering::Relaxed), self.size);
        let of = size.unwrap_or(u64::MAX);
        Progress {
            passes: taken / of,
            taken: taken % of,
            size,
        }
    }
}
