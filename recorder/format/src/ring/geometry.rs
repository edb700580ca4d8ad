use std::ops::Range;

use crate::stream::Lane;

/// Alignment of everything outside segments.
pub const PAGE: u64 = 4096;
/// Offsets of the two superblock copies.
pub const SUPERBLOCK_OFFSETS: [u64; 2] = [0, PAGE];
/// Offset of the page of hints. No reader trusts it.
pub const HINTS_OFFSET: u64 = 2 * PAGE;
/// Offset of segment 0.
pub const FIRST_SEGMENT: u64 = 64 << 10;
/// Smallest segment.
pub const MIN_SEGMENT: u64 = 256 << 10;
/// Largest segment.
pub const MAX_SEGMENT: u64 = 4 << 20;
/// Smallest ring. A smaller file has too few segments for three lanes.
pub const MIN_RING: u64 = 4 << 20;
/// Largest ring.
pub const MAX_RING: u64 = 1 << 40;

/// Spine bytes that one block's marks take: begin, executed, end, local hash,
/// commit and release, with their record headers.
const BLOCK_MARKS: u64 = 512;
/// Spine bytes that one crank's mark takes.
const CRANK_MARK: u64 = 112;
/// Target size of the spine: the marks of 14,400 blocks and 100,000 cranks.
const SPINE_TARGET: u64 = 14_400 * BLOCK_MARKS + 100_000 * CRANK_MARK;

/// How a ring's file is divided into segments and lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of every segment.
    pub segment_size: u32,
    /// Segments of the spine lane, first in the file.
    pub spine: u32,
    /// Segments of the local lane, behind the spine.
    pub local: u32,
    /// Segments of the main lane, behind the local lane.
    pub main: u32,
}

impl Geometry {
    /// The division of a file of `size` bytes ([`MIN_RING`] to [`MAX_RING`]).
    pub fn for_size(size: u64) -> Option<Geometry> {
        if !(MIN_RING..=MAX_RING).contains(&size) {
            return None;
        }
        let segment = (size / 256).clamp(MIN_SEGMENT, MAX_SEGMENT) / PAGE * PAGE;
        let total = (size - FIRST_SEGMENT) / segment;
        let spine = (SPINE_TARGET.min(size / 6) / segment).max(2);
        let local = (total / 4).max(2);
        Some(Geometry {
            segment_size: u32::try_from(segment).ok()?,
            spine: u32::try_from(spine).ok()?,
            local: u32::try_from(local).ok()?,
            main: u32::try_from(total.checked_sub(spine + local)?).ok()?,
        })
    }

    /// Whether a ring can have these numbers. Other numbers read from a file are damage.
    /// They must not decide how much memory a reader allocates.
    pub fn is_sound(&self) -> bool {
        let segment = u64::from(self.segment_size);
        let counts = [self.spine, self.local, self.main];
        (MIN_SEGMENT..=MAX_SEGMENT).contains(&segment)
            && segment.is_multiple_of(PAGE)
            && counts.iter().all(|count| (1..=1 << 22).contains(count))
            && self.file_size() <= MAX_RING
    }

    /// Number of segments of all lanes.
    pub fn segments(&self) -> u32 {
        self.spine
            .saturating_add(self.local)
            .saturating_add(self.main)
    }

    /// Indices of a lane's segments.
    pub fn lane(&self, lane: Lane) -> Range<u32> {
        let local = self.spine.saturating_add(self.local);
        match lane {
            Lane::Spine => 0..self.spine,
            Lane::Local => self.spine..local,
            Lane::Main => local..self.segments(),
        }
    }

    /// Offset of a segment in the file.
    pub fn offset(&self, index: u32) -> u64 {
        FIRST_SEGMENT + u64::from(index) * u64::from(self.segment_size)
    }

    /// Bytes from the start of the file to the end of the last segment.
    pub fn file_size(&self) -> u64 {
        self.offset(self.segments())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gives_a_sound_division_that_fits() {
        for size in [
            MIN_RING,
            8 << 20,
            64 << 20,
            100 << 20,
            1 << 30,
            10 << 30,
            MAX_RING,
        ] {
            let geometry = Geometry::for_size(size).unwrap();
            assert!(geometry.is_sound(), "{size}: {geometry:?}");
            assert!(geometry.file_size() <= size, "{size}: {geometry:?}");
            assert!(size - geometry.file_size() < u64::from(geometry.segment_size));
            assert!(geometry.main > geometry.local && geometry.main > geometry.spine);
        }
        assert_eq!(Geometry::for_size(MIN_RING - 1), None);
        assert_eq!(Geometry::for_size(MAX_RING + 1), None);
    }

    #[test]
    fn the_lanes_follow_each_other() {
        let geometry = Geometry::for_size(100 << 20).unwrap();
        assert_eq!(
            geometry.lane(Lane::Spine).end,
            geometry.lane(Lane::Local).start
        );
        assert_eq!(
            geometry.lane(Lane::Local).end,
            geometry.lane(Lane::Main).start
        );
        assert_eq!(geometry.lane(Lane::Main).end, geometry.segments());
    }
}
