//! A set of heights as ranges. It stays small where heights follow one another, so it can hold
//! what decides, which must not depend on the length of a list.

/// Limit of the ranges of a set.
const LIMIT: usize = 1 << 20;

/// A set of heights, filled in ascending order.
#[derive(Clone, Debug, Default)]
pub struct HeightRanges {
    ranges: Vec<(u64, u64)>,
    /// The first height that found no room.
    more: Option<u64>,
}

impl HeightRanges {
    /// Adds a height.
    pub fn add(&mut self, height: u64) {
        self.add_range(height, height);
    }

    /// Adds the heights from `first` to `last`; nothing if `last` is lower.
    pub fn add_range(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let has_room = self.ranges.len() < LIMIT && self.more.is_none();
        match self.ranges.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ if has_room => self.ranges.push((first, last)),
            _ => {
                self.more.get_or_insert(first);
            }
        }
    }

    /// Whether it has the height.
    pub fn contains(&self, height: u64) -> bool {
        let behind = self.ranges.partition_point(|(first, _)| *first <= height);
        let before = behind.checked_sub(1).and_then(|at| self.ranges.get(at));
        before.is_some_and(|(_, last)| height <= *last)
    }

    /// The lowest height that meets `wanted`. A height that found no room counts as one.
    pub fn first(&self, wanted: &dyn Fn(u64) -> bool) -> Option<u64> {
        let mut heights = self.ranges.iter().flat_map(|(first, last)| *first..=*last);
        heights.find(|height| wanted(*height)).or(self.more)
    }

    /// The first height that found no room.
    pub fn left_out(&self) -> Option<u64> {
        self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_that_follow_one_another_are_one_range() {
        let mut heights = HeightRanges::default();
        for height in [1, 2, 3, 7] {
            heights.add(height);
        }
        heights.add_range(8, 9);
        heights.add_range(12, 11);
        assert_eq!(heights.ranges, [(1, 3), (7, 9)]);
        let had: Vec<u64> = (0..12).filter(|height| heights.contains(*height)).collect();
        assert_eq!(had, [1, 2, 3, 7, 8, 9]);
        assert_eq!(heights.first(&|height| height > 3), Some(7));
        assert_eq!(heights.first(&|height| height > 9), None);
    }

    #[test]
    fn a_height_that_found_no_room_is_not_forgotten() {
        let mut heights = HeightRanges::default();
        for height in 0..=LIMIT as u64 {
            heights.add(height * 2);
        }
        let left_out = LIMIT as u64 * 2;
        assert_eq!(heights.left_out(), Some(left_out));
        assert_eq!(heights.first(&|_| false), Some(left_out));
        assert!(!heights.contains(left_out));
    }
}
