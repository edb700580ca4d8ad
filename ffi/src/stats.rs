//! The state of the recording, as C reads it.

use haltbox_recorder::host::Stats;

/// The state of the recording. Later versions add fields at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct haltbox_stats {
    /// In: `sizeof(haltbox_stats)`. In a shorter struct, only the fields that fit are set; in a
    /// longer one, the rest is set to 0.
    pub struct_size: usize,
    /// Entries given since the recorder was opened, including dropped ones.
    pub records: u64,
    /// Bytes of these entries, without line ends.
    pub bytes: u64,
    /// Entries that were dropped.
    pub dropped: u64,
    /// The height that began last; 0 for none.
    pub head: u64,
    /// The highest height that the network agreed with; 0 for none.
    pub released: u64,
    /// The lowest height that has entries in the ring; 0 for none.
    pub oldest: u64,
    /// Blocks that must not be overwritten.
    pub pinned: u64,
    /// Pinned blocks that diverged and are in no box yet.
    pub diverged: u64,
}

impl haltbox_stats {
    pub fn of(stats: &Stats, struct_size: usize) -> haltbox_stats {
        haltbox_stats {
            struct_size,
            records: stats.records,
            bytes: stats.bytes,
            dropped: stats.dropped,
            head: stats.head,
            released: stats.released,
            oldest: stats.oldest,
            pinned: stats.pinned,
            diverged: stats.diverged,
        }
    }
}
