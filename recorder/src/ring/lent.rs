//! A part of the main lane in which a host writes records itself.
//!
//! A call for each entry costs more than the entry if the host's language must
//! leave its runtime for it, as Go must. So the ring lends the free rest of the
//! segment being filled. The host writes records there as the recorder would,
//! the commit word last, and a kill leaves them like all others. The recorder
//! takes over these records before it does anything else. The lending ends when
//! the recorder appends to the lane itself.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use haltbox_format::Lane;
use haltbox_format::ring::{HEADER_SIZE, LaneKey, Seq, padded};

use super::{LaneWriter, RingWriter};

/// Most bytes lent at once. Their pages are made present, which costs time.
const MOST: usize = 64 << 10;
/// Fewest bytes worth lending.
const LEAST: usize = 1 << 10;

/// What a host needs to write records.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Where the first record begins.
    pub start: NonNull<u8>,
    /// Lent bytes from there on.
    pub length: usize,
    /// Sequence number of the first record.
    pub first: Seq,
    /// Checksum key of the main lane.
    pub key: LaneKey,
}

/// The lent part.
pub(super) struct Lent {
    /// File offset of its beginning.
    from: usize,
    length: usize,
    /// Bytes that the recorder has taken over.
    taken: usize,
    /// Bytes that the host has written, as the host reports.
    laid: &'static AtomicU64,
}

/// A record that the host wrote.
pub struct Laid {
    /// Counter of the record in the main lane.
    pub counter: u64,
    /// File offset of its payload.
    at: usize,
    /// Bytes of its payload.
    pub length: usize,
}

impl RingWriter {
    /// Lends the free bytes behind the newest record. The host stores in `laid`
    /// how many bytes it has written.
    ///
    /// `None` if the ring is not mapped, if the kernel cannot make pages
    /// present, or if too little of the segment is left.
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

    /// Whether this ring can lend a part: it is mapped, and the kernel can make
    /// pages present.
    pub fn may_lend(&self) -> bool {
        self.surface.map().is_some() && !self.never_lent
    }

    /// Whether a part is lent now.
    #[inline]
    pub fn is_lending(&self) -> bool {
        self.lent.is_some()
    }

    /// Ends the lending. The caller must take over the host's records before.
    #[inline]
    pub fn end_lending(&mut self) {
        self.lent = None;
    }

    /// Takes over the next record that the host wrote. `None` if there is none.
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
            // The host broke the protocol. End the lending; the lane writes
            // over these bytes.
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
    /// Continues behind a record that stands where the next one would.
    pub(super) fn go_over(&mut self, length: usize) {
        self.next += 1;
        self.at += HEADER_SIZE + padded(length);
    }
}

impl Drop for RingWriter {
    /// Keeps the map if a part is still lent: the host may still write there.
    fn drop(&mut self) {
        if self.is_lending() {
            std::mem::forget(self.pages());
        }
    }
}
