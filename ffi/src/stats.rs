//! How recording stands, as C reads it.

use haltbox_recorder::host::Stats;

/// How recording stands. Later versions add fields at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct haltbox_stats {
    /// In: `sizeof(haltbox_stats)`. A shorter struct gets the fields it has room
    /// for, and in a longer one the rest is set to 0.
    pub struct_size: usize,
    /// Entries given since the recorder was opened, dropped ones included.
    pub records: u64,
    /// Their bytes, without line ends.
    pub bytes: u64,
    /// Entries that were dropped.
    pub dropped: u64,
    /// The height begun last; 0 for none.
    pub head: u64,
    /// The greatest height that the network agreed with; 0 for none.
    pub released: u64,
    /// The least height that has entries in the ring; 0 for none.
    pub oldest: u64,
    /// Blocks that must not be overwritten.
    pub pinned: u64,
    /// Of these, blocks that diverged and are in no box yet.
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
