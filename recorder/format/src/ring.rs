//! Bytes of the ring: one preallocated file of self-describing segments.
//!
//! ```text
//! superblock A | superblock B | hints | spine lane | local lane | main lane
//! ```
//!
//! A reader trusts nothing that a writer left behind. A record proves itself by its
//! checksum, which is seeded with its sequence number and the file's salt. Everything
//! else is derived from the records. `docs/format.md` is the authority for every offset
//! in this module.

mod cursor;
#[cfg(test)]
mod format_doc;
mod geometry;
mod lane_scan;
mod lane_view;
mod record;
mod segment;
mod superblock;
#[cfg(test)]
mod tests;
mod timeline;
mod view;

pub use cursor::{Found, Record, RecordCursor};
pub use geometry::{
    FIRST_SEGMENT, Geometry, HINTS_OFFSET, MAX_RING, MAX_SEGMENT, MIN_RING, MIN_SEGMENT, PAGE,
    SUPERBLOCK_OFFSETS,
};
pub use lane_view::{Gap, LaneView, Run, Slot, SlotState};
pub use record::{
    ALIGN, CUT_HEADER_SIZE, CutHeader, FRAGMENT, Flags, Fragment, HEADER_SIZE, Header,
    LOCAL_PREFIX, LaneKey, MAX_EPOCH, MIN_FIRST, Part, Seq, padded,
};
pub use segment::{SEGMENT_HEADER_SIZE, SEGMENT_MAGIC, SegmentHeader};
pub use superblock::{RING_MAGIC, RING_VERSION, SUPERBLOCK_SIZE, Superblock, SuperblockError};
pub use timeline::{Entry, Hole, HoleKind, Line, Marked, Timeline, holes};
pub use view::{RingError, RingView};
