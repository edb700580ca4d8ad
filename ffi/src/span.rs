//! The lent part of the ring, as C reads it.

use std::ptr;
use std::sync::atomic::AtomicU64;

use haltbox_recorder::host::Span;

/// A part of the ring that is lent to the host, which writes records into it itself. If nothing
/// is lent now, all fields but `struct_size` are 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct haltbox_span {
    /// In: `sizeof(haltbox_span)`.
    pub struct_size: usize,
    /// Where the first record begins, a multiple of 16.
    pub start: *mut u8,
    /// Bytes from `start`. A record may end at the end of the part, never beyond it.
    pub length: usize,
    /// Sequence number of the first record; each record after it has the next number.
    pub sequence: u64,
    /// Key of the lane.
    pub key: u64,
    /// Where the host stores how many bytes it wrote. Valid until the process ends.
    pub laid: *mut u64,
}

impl haltbox_span {
    pub fn of(span: Option<Span>, laid: &'static AtomicU64) -> haltbox_span {
        let Some(span) = span else {
            return haltbox_span {
                struct_size: 0,
                start: ptr::null_mut(),
                length: 0,
                sequence: 0,
                key: 0,
                laid: ptr::null_mut(),
            };
        };
        haltbox_span {
            struct_size: 0,
            start: span.start.as_ptr(),
            length: span.length,
            sequence: span.first.0,
            key: span.key.number(),
            laid: laid.as_ptr(),
        }
    }
}
