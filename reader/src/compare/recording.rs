//! One source of a comparison: where it is, and how it is read.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use haltbox_format::Digest;
use haltbox_model::Profile;

use crate::source::Source;
use crate::vocabulary::{self, Vocabulary};

/// A source, how its lines are read, and how far the reading is.
pub struct Recording {
    /// Its path, as the user gave it.
    pub path: PathBuf,
    /// The source.
    pub source: Source,
    /// The profile that reads its lines.
    pub profile: Profile,
    /// What its entries mean.
    pub vocabulary: &'static dyn Vocabulary,
    /// The attempt to compare at heights with several, if the user asked for one.
    pub attempt: Option<u32>,
    /// The heights to compare.
    pub range: RangeInclusive<u64>,
    /// The prefix of the chain's addresses, if the user gave one.
    pub address_prefix: Option<String>,
    /// Bytes of all lines in one reading, if known beforehand.
    size: Option<u64>,
    taken: AtomicU64,
    by_value: AtomicBool,
    by_sender: AtomicBool,
}

/// How far the reading of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of finished readings. A comparison reads a source up to four times.
    pub passes: u64,
    /// Bytes read in the current reading.
    pub taken: u64,
    /// Bytes of a whole reading, if known.
    pub size: Option<u64>,
}

/// Which form of the entries is compared; by default their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    by_value: bool,
    by_sender: bool,
}

impl Recording {
    /// A recording that has not been read yet.
    pub fn new(path: PathBuf, source: Source, profile: Profile) -> Recording {
        Recording {
            size: source.size().filter(|size| *size > 0),
            taken: AtomicU64::new(0),
            by_value: AtomicBool::new(false),
            by_sender: AtomicBool::new(false),
            path,
            source,
            vocabulary: vocabulary::of(&profile),
            profile,
            attempt: None,
            range: 0..=u64::MAX,
            address_prefix: None,
        }
    }

    /// Digest of the canonical rules with which its digests are made.
    pub fn rules(&self) -> Option<Digest> {
        match &self.source {
            Source::Fingerprint(print) => Some(print.profile),
            _ => {
                let slog = self.profile.slog.as_ref();
                slog.map(|slog| slog.canonical().digest())
            }
        }
    }

    /// Whether entries are compared by their JSON values and not by their bytes. That is slower,
    /// so it is used only where bytes differ and values may not.
    pub fn is_by_value(&self) -> bool {
        self.by_value.load(Ordering::Relaxed)
    }

    /// Reads by value from here on.
    pub fn read_by_value(&self) {
        self.by_value.store(true, Ordering::Relaxed);
    }

    /// Reads by bytes from here on. A comparison with the digests of another source needs that.
    pub fn read_by_bytes(&self) {
        self.read_as(Reading::default());
    }

    /// How it is read now.
    pub fn reading(&self) -> Reading {
        Reading {
            by_value: self.is_by_value(),
            by_sender: self.is_by_sender(),
        }
    }

    /// Reads in this way from here on.
    pub fn read_as(&self, reading: Reading) {
        self.by_value.store(reading.by_value, Ordering::Relaxed);
        self.by_sender.store(reading.by_sender, Ordering::Relaxed);
    }

    /// Whether it is compared as the output of a slog sender that removes members from entries and
    /// drops entries.
    pub fn is_by_sender(&self) -> bool {
        self.by_sender.load(Ordering::Relaxed)
    }

    /// Reads as the output of such a sender from here on, and by value, because a sender does not
    /// keep the order of members.
    pub fn read_by_sender(&self) {
        self.by_sender.store(true, Ordering::Relaxed);
        self.read_by_value();
    }

    /// Counts a line that was read.
    pub fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Ends a reading, possibly before the source's end.
    pub fn end_pass(&self) {
        if let Some(size) = self.size {
            let taken = self.taken.load(Ordering::Relaxed);
            self.taken
                .store(taken.next_multiple_of(size), Ordering::Relaxed);
        }
    }

    /// How far the reading is.
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
