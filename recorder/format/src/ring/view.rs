//! Recovery: what a ring holds, found by looking at every segment.
//!
//! One procedure serves a ring that was closed, killed, cut off by a power
//! failure, damaged, or is being written right now. Every segment is scanned
//! for records that prove themselves; runs of consecutive ones are sorted by
//! counter; what is missing between them is reported. Segment headers say in
//! which order segments were filled, but never which records may stand in
//! them: after a power cut a header page can be older than its records.

use std::fmt;
use std::io;

use super::geometry::{FIRST_SEGMENT, Geometry, PAGE, SUPERBLOCK_OFFSETS};
use super::lane_scan::LaneScan;
use super::lane_view::LaneView;
use super::segment::{SEGMENT_HEADER_SIZE, SegmentHeader};
use super::superblock::{RING_VERSION, SUPERBLOCK_SIZE, Superblock, SuperblockError};
use crate::read_at::ReadAt;
use crate::stream::Lane;

/// Why a file cannot be read as a ring.
#[derive(Debug)]
pub enum RingError {
    /// The file cannot be read.
    Io(io::Error),
    /// Nothing in it is a ring's.
    Foreign(SuperblockError),
    /// Only zeroes where a ring has its superblocks and segments.
    Zeroed,
    /// Made by another version of the format.
    Version(u32),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Foreign(why) => write!(f, "is not a Haltbox ring: its superblock {why}"),
            Self::Zeroed => write!(f, "contains only zeros where a ring has its superblocks"),
            Self::Version(found) => {
                write!(
                    f,
                    "has ring format version {found}, this program reads {RING_VERSION}"
                )
            }
        }
    }
}

impl std::error::Error for RingError {}

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
    /// The newer sound superblock; `None` if both are damaged and the ring was
    /// found again by its segments.
    pub superblock: Option<Superblock>,
    /// Copies of the superblock that do not prove themselves, and why.
    pub bad_superblocks: Vec<(u64, SuperblockError)>,
    /// Length of the file.
    pub length: u64,
    spine: LaneView,
    local: LaneView,
    main: LaneView,
}

impl RingView {
    /// Looks at every segment of a ring, which may be written meanwhile: what
    /// the writer adds after a lane was begun is left out.
    ///
    /// Reads each segment once, needs memory for one segment and for the
    /// positions of the runs.
    pub fn read(source: &dyn ReadAt) -> Result<RingView, RingError> {
        let mut view = RingView::read_marks(source)?;
        // Marks and local records carry main counters: reading the main lane
        // last makes sure that what they speak of is seen too.
        let scan = |lane| LaneScan::new(source, view.geometry, view.salt, lane).run();
        (view.local, view.main) = (scan(Lane::Local)?, scan(Lane::Main)?);
        Ok(view)
    }

    /// Looks at the spine alone, the other lanes left empty: enough for the
    /// marks, and cheap enough to be done every second.
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

    /// The highest epoch that the superblock or any record tells of.
    pub fn epoch(&self) -> u32 {
        let told = self.superblock.map_or(0, |superblock| superblock.epoch);
        Lane::ALL
            .iter()
            .map(|lane| self.lane(*lane).epoch)
            .fold(told, u32::max)
    }

    /// Bytes that the division of the file promises and the file lacks.
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

/// Both superblocks are gone: every segment header repeats what they said.
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
