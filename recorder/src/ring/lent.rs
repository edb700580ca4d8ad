//! A part of the main lane in which a host lays records itself.
//!
//! A call for each entry costs more than the entry where a host's language has to leave its
//! own runtime for it, as Go has. So the free rest of the segment that is being filled can be
//! lent: the host lays records there as the recorder would, the commit word last, and a kill
//! leaves them as it leaves all others. The recorder takes over what was laid before it does
//! anything else, and the lending ends where it appends to the lane itself.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use haltbox_format::Lane;
use haltbox_format::ring::{HEADER_SIZE, LaneKey, Seq, padded};

use super::{LaneWriter, RingWriter};

/// As much is lent at once: what is lent has its pages made present.
const MOST: usize = 64 << 10;
/// Less is not worth it.
const LEAST: usize = 1 << 10;

/// What a host needs to know to lay records.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Where the first record begins.
    pub start: NonNull<u8>,
    /// Bytes from there.
    pub length: usize,
    /// Sequence number of the first record.
    pub first: Seq,
    /// Of the main lane.
    pub key: LaneKey,
}

/// What is lent.
pub(super) struct Lent {
    /// Bytes, from the place in the file where they begin.
    from: usize,
    length: usize,
    /// Bytes that were taken over.
    taken: usize,
    /// Bytes that were laid, as the host tells.
    laid: &'static AtomicU64,
}

/// A record that was laid.
pub struct Laid {
    /// Its counter.
    pub counter: u64,
    /// Where its payload stands in the file.
    at: usize,
    /// Bytes of its payload.
    pub length: usize,
}

impl RingWriter {
    /// Lends what is free behind the newest record. The host tells in `laid` how many bytes it
    /// laid. `None`: the ring is not mapped, the kernel cannot make pages present, or too little
    /// is left of the segment.
    pub fn lend(&mut self, laid: &'static AtomicU64) -> Option<Span> {
        self.end_lending();
        let length = self.main.left().min(MOST);
        let start = Some(length).filter(|length| *length >= LEAST);
        let start = start.and_then(|length| {
            let start = self.surface.map()?.lend(self.main.at, length);
            self.never_lent = start.is_none();
            start
        })?;
        laid.store(0, Ordering::Relaxed);
        self.lent = Some(Lent {
            from: self.main.at,
            length,
            taken: 0,
            laid,
        });
        Some(Span {
            start,
            length,
            first: Seq::new(self.epoch, self.main.next),
            key: self.main.key,
        })
    }

    /// Whether a ring of this kind can be lent of at all, by a kernel of this kind.
    pub fn may_lend(&self) -> bool {
        self.surface.map().is_some() && !self.never_lent
    }

    /// Whether something is lent.
    #[inline]
    pub fn is_lending(&self) -> bool {
        self.lent.is_some()
    }

    /// Nothing more is taken over. What was laid must have been before.
    #[inline]
    pub fn end_lending(&mut self) {
        self.lent = None;
    }

    /// Takes over the next record that was laid.
    pub fn next_laid(&mut self) -> Option<Laid> {
        let lent = self.lent.as_mut()?;
        let laid = usize::try_from(lent.laid.load(Ordering::Acquire)).ok()?;
        let left = laid.min(lent.length).checked_sub(lent.taken)?;
        if left < HEADER_SIZE {
            return None;
        }
        let (at, seq) = (lent.from + lent.taken, Seq::new(self.epoch, self.main.next));
        let header = self.surface.map()?.laid(at, HEADER_SIZE)?;
        let length = self.main.key.whole_slog_record(header, seq);
        let size = |length| HEADER_SIZE + padded(length);
        let Some(length) = length.filter(|length| size(*length) <= left) else {
            // The host does not keep to it: the lane goes on over what it laid.
            self.end_lending();
            return None;
        };
        lent.taken += size(length);
        let counter = self.main.next;
        self.main.go_over(length);
        self.heads.advance(Lane::Main, self.main.at);
        Some(Laid {
            counter,
            at: at + HEADER_SIZE,
            length,
        })
    }

    /// The payload of a record that was taken over.
    pub fn bytes_of(&self, laid: &Laid) -> &[u8] {
        let map = self.surface.map();
        let bytes = map.and_then(|map| map.laid(laid.at, laid.length));
        bytes.unwrap_or_default()
    }
}

impl LaneWriter {
    /// Goes on behind a record that stands where the next one would.
    pub(super) fn go_over(&mut self, length: usize) {
        self.next += 1;
        self.at += HEADER_SIZE + padded(length);
    }
}

impl Drop for RingWriter {
    /// A host that did not give back what was lent may still write there.
    fn drop(&mut self) {
        if self.is_lending() {
            std::mem::forget(self.pages());
        }
    }
}
