//! Recovery: finds out what a ring holds by reading every segment.
//!
//! One procedure serves a ring that was closed, killed, cut off by a power failure,
//! damaged, or is being written. It scans every segment for records that prove
//! themselves, sorts runs of consecutive counters, and reports what is missing between
//! them. Segment headers give the order in which segments were filled. They never limit
//! which records may stand in a segment: after a power cut a header page can be older
//! than its records.

use std::io;

use thiserror::Error;

use super::geometry::{FIRST_SEGMENT, Geometry, PAGE, SUPERBLOCK_OFFSETS};
use super::lane_scan::LaneScan;
use super::lane_view::LaneView;
use super::segment::{SEGMENT_HEADER_SIZE, SegmentHeader};
use super::superblock::{RING_VERSION, SUPERBLOCK_SIZE, Superblock, SuperblockError};
use crate::read_at::ReadAt;
use crate::stream::Lane;

/// Reasons why a file cannot be read as a ring. Exhaustive: a recorder sets such a file aside
/// under a name for each reason.
#[derive(Debug, Error)]
pub enum RingError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file has no sound superblock and no segment header.
    #[error("is not a Haltbox ring: its superblock {0}")]
    Foreign(SuperblockError),
    /// The file has only zeros where a ring has superblocks and segments.
    #[error("contains only zeros where a ring has its superblocks")]
    Zeroed,
    /// The file has another format version.
    #[error("has ring format version {0}, this program reads {RING_VERSION}")]
    Version(u32),
}

// By hand: `#[from]` would make it a source too, and its text stands in the message.
impl From<io::Error> for RingError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a ring holds.
#[derive(Clone, Debug)]
pub struct RingView {
    /// How the file is divided.
    pub geometry: Geometry,
    /// The ring's salt.
    pub salt: u64,
    /// The newer sound superblock. `None` if both are damaged and the segment headers
    /// gave the geometry.
    pub superblock: Option<Superblock>,
    /// Damaged copies of the superblock: their offset and the reason.
    pub bad_superblocks: Vec<(u64, SuperblockError)>,
    /// Length of the file.
    pub length: u64,
    spine: LaneView,
    local: LaneView,
    main: LaneView,
}

impl RingView {
    /// Scans every segment of a ring. A program may be writing the ring: the view leaves
    /// out what the writer adds after the scan of a lane began.
    ///
    /// Reads each segment at least once. Needs memory for one segment and for the
    /// positions of the runs.
    pub fn read(source: &dyn ReadAt) -> Result<RingView, RingError> {
        let mut view = RingView::read_marks(source)?;
        // Marks and local records carry main counters. The main lane comes last, so that
        // the view has the main records that they refer to.
        let scan = |lane| LaneScan::new(source, view.geometry, view.salt, lane).run();
        (view.local, view.main) = (scan(Lane::Local)?, scan(Lane::Main)?);
        Ok(view)
    }

    /// Scans the spine alone and leaves the other lanes empty. That is enough for the
    /// marks, and cheap enough for every second.
    ///
    /// # Errors
    /// As [`RingView::read`].
    pub fn read_marks(source: &dyn ReadAt) -> Result<RingView, RingError> {
        let length = source.length()?;
        let (superblock, bad_superblocks) = read_superblocks(source)?;
        let (geometry, salt) = match &superblock {
            Some(superblock) => (superblock.geometry, superblock.salt),
            None => find_by_segments(source, length, &bad_superblocks)?,
        };
        Ok(RingView {
            geometry,
            salt,
            superblock,
            bad_superblocks,
            length,
            spine: LaneScan::new(source, geometry, salt, Lane::Spine).run()?,
            local: LaneView::empty(Lane::Local),
            main: LaneView::empty(Lane::Main),
        })
    }

    /// What one lane holds.
    pub fn lane(&self, lane: Lane) -> &LaneView {
        match lane {
            Lane::Main => &self.main,
            Lane::Spine => &self.spine,
            Lane::Local => &self.local,
        }
    }

    /// The highest epoch in the superblock or in any record.
    pub fn epoch(&self) -> u32 {
        let told = self.superblock.map_or(0, |superblock| superblock.epoch);
        Lane::ALL
            .iter()
            .map(|lane| self.lane(*lane).epoch)
            .fold(told, u32::max)
    }

    /// Bytes by which the file is shorter than its geometry says.
    pub fn missing_bytes(&self) -> u64 {
        self.geometry.file_size().saturating_sub(self.length)
    }
}

type Superblocks = (Option<Superblock>, Vec<(u64, SuperblockError)>);

fn read_superblocks(source: &dyn ReadAt) -> Result<Superblocks, RingError> {
    let mut best: Option<Superblock> = None;
    let mut bad = Vec::new();
    for offset in SUPERBLOCK_OFFSETS {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        let got = source.read_full(offset, &mut bytes)?;
        match Superblock::decode(&bytes[..got]) {
            Ok(found) if best.is_none_or(|best| found.revision > best.revision) => {
                best = Some(found);
            }
            Ok(_) => {}
            Err(SuperblockError::Version(found)) => return Err(RingError::Version(found)),
            Err(error) => bad.push((offset, error)),
        }
    }
    Ok((best, bad))
}

/// Both superblocks are damaged: takes geometry and salt from the first sound segment
/// header.
fn find_by_segments(
    source: &dyn ReadAt,
    length: u64,
    bad: &[(u64, SuperblockError)],
) -> Result<(Geometry, u64), RingError> {
    let mut bytes = [0; SEGMENT_HEADER_SIZE];
    let mut zeroed = true;
    let mut offset = FIRST_SEGMENT;
    while offset < length {
        let got = source.read_full(offset, &mut bytes)?;
        if let Some(header) = SegmentHeader::decode(&bytes[..got]) {
            return Ok((header.geometry, header.salt));
        }
        zeroed &= bytes.iter().all(|byte| *byte == 0);
        offset += PAGE;
    }
    let first = bad
        .first()
        .map_or(SuperblockError::Short(0), |(_, error)| *error);
    let empty = matches!(first, SuperblockError::Magic([0, 0, 0, 0, 0, 0, 0, 0]));
    Err(if zeroed && empty {
        RingError::Zeroed
    } else {
        RingError::Foreign(first)
    })
}
