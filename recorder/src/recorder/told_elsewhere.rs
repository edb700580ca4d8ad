//! How far the lanes had come, by what tells of it besides their own records and stamps. A
//! power cut takes any page: records of the main lane, and the marks that tell of them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use haltbox_format::blackbox::Manifest;
use haltbox_format::mark::Position;
use haltbox_format::ring::{Found, LOCAL_PREFIX, RecordCursor, RingView};
use haltbox_format::{ArchiveName, Lane, RingId};

use crate::open_regular;
use crate::recorder_dir::RecorderDir;

/// Fragments of a record of the local lane at most, and more.
const LOOKED_AT: u64 = 64;

/// Behind everything that the newest records of the local lane stand behind: each carries
/// the main counter of its time.
pub(super) fn by_local_records(file: &File, view: &RingView) -> io::Result<Position> {
    let newest = view.lane(Lane::Local).next_recorded();
    let mut cursor = RecordCursor::new(file, view, Lane::Local);
    cursor.skip_to(newest.saturating_sub(LOOKED_AT));
    let mut behind = Position::default();
    while let Some(found) = cursor.next()? {
        if let Found::Record(record) = found {
            let carried = record.payload.first_chunk::<LOCAL_PREFIX>();
            let main = carried.map_or(0, |bytes| u64::from_le_bytes(*bytes));
            behind.main = behind.main.max(main);
        }
    }
    Ok(behind)
}

/// Behind everything that the archive beside a ring has of it: its files are synced, the ring
/// is not. Records that took the same counters would never be archived.
pub(super) fn by_archive(ring: &Path, view: &RingView) -> Position {
    let id = view.superblock.map(|superblock| RingId(superblock.uuid));
    let folder = RecorderDir::of_ring(ring).archive();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_file = |name: &std::ffi::OsStr| name.to_string_lossy().parse::<ArchiveName>().is_ok();
    let files = entries.filter(|entry| is_file(&entry.file_name()));
    let manifests = files.filter_map(|entry| {
        let file = open_regular::open(&entry.path()).ok()?;
        Manifest::read(&file).ok()
    });
    let coverage = manifests.map(|manifest| manifest.coverage);
    let of_ring = coverage.filter(|coverage| id.is_some() && coverage.ring == id);
    of_ring.fold(Position::default(), |behind, coverage| {
        behind.max(Position {
            main: coverage.main.map_or(0, |span| span.to + 1),
            local: coverage.local.map_or(0, |span| span.to + 1),
        })
    })
}
