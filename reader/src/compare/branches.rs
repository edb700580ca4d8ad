//! Branches of an execution: caches of writes. The writes of a branch take effect when the
//! branch is written to its parent, and never if it is discarded.

use std::collections::HashMap;

use crate::vocabulary::Branching;

/// Limit of the branches of one execution that are remembered, and of the writes on them.
const BRANCHES: usize = 1 << 16;
const WRITES: usize = 1 << 20;
/// Number of the branch that is the execution itself.
const OWN: u64 = 0;

/// A key of a store, as two digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest {
    /// Digest of the store's name.
    pub store: [u8; 16],
    /// Digest of the key.
    pub key: [u8; 16],
}

/// Writes on branches that have not taken effect yet.
#[derive(Debug)]
pub struct Branches<V> {
    /// The branch of the current operations, if the recording shows it.
    current: Option<u64>,
    branches: HashMap<u64, Branch<V>>,
    writes: usize,
    /// All branches since the begin of the execution are known. If not, a branch that seems to
    /// begin may be an older one.
    whole: bool,
}

#[derive(Debug)]
struct Branch<V> {
    parent: u64,
    /// It may have cached reads since this line: its begin, or its last write to the parent.
    since: u64,
    /// The last write of each key, and the line at which it reached this branch.
    written: HashMap<KeyDigest, (u64, V)>,
}

/// What an operation on the current branch sees of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Visible<'a, V> {
    /// A write on a branch.
    Written(&'a V),
    /// The value of the execution itself. The branch may have cached an older value, read at or
    /// after this line.
    Own(u64),
    /// Unknown.
    Unknown,
}

/// The effect of writing a branch to its parent.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect<V> {
    /// These writes took effect.
    Writes(Vec<(KeyDigest, V)>),
    /// Some writes may have taken effect, and it is unknown which.
    Unknown,
}

impl<V> Branches<V> {
    /// Branches of which nothing is known.
    pub fn new() -> Branches<V> {
        Branches {
            current: None,
            branches: HashMap::new(),
            writes: 0,
            whole: false,
        }
    }

    /// Begins an execution: all its branches will be seen.
    pub fn begins(&mut self) {
        *self = Branches {
            whole: true,
            ..Branches::new()
        };
    }

    /// Whether the recording shows the branch of the current operations.
    pub fn is_branch_known(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the current operations are on a branch that may be discarded.
    pub fn is_inner(&self) -> bool {
        self.current.is_some_and(|branch| branch != OWN)
    }

    /// Forgets everything: the execution is over, or something is missing.
    pub fn forget(&mut self) {
        *self = Branches::new();
    }

    /// Takes what an entry says about branches.
    pub fn take(&mut self, branching: Branching, line: u64) -> Effect<V> {
        match branching {
            Branching::On(branch, parent) => {
                self.current = Some(branch);
                self.begin(branch, parent, line);
            }
            Branching::Untold => self.current = None,
            Branching::Written(branch) => return self.written(branch, line),
        }
        Effect::Writes(Vec::new())
    }

    fn begin(&mut self, branch: u64, parent: Option<u64>, line: u64) {
        // A branch has a higher number than its parent.
        let Some(parent) = parent.filter(|parent| *parent < branch) else {
            self.whole &= branch == OWN;
            return;
        };
        if self.branches.contains_key(&branch) {
            return;
        }
        self.whole &= self.branches.len() < BRANCHES;
        if self.whole {
            let written = HashMap::new();
            self.branches.insert(
                branch,
                Branch {
                    parent,
                    since: line,
                    written,
                },
            );
        }
    }

    fn written(&mut self, branch: u64, line: u64) -> Effect<V> {
        match self.hand_up(branch, line).filter(|_| self.whole) {
            Some(writes) => Effect::Writes(writes),
            None => {
                self.forget_branches();
                Effect::Unknown
            }
        }
    }

    /// Drops all branches: nothing more is known of them in this execution.
    fn forget_branches(&mut self) {
        (self.whole, self.writes) = (false, 0);
        self.branches.clear();
    }

    /// Moves the writes of a branch to its parent. Returns `None` if either of the two is unknown.
    fn hand_up(&mut self, branch: u64, line: u64) -> Option<Vec<(KeyDigest, V)>> {
        let done = self.branches.remove(&branch)?;
        if self.current == Some(branch) {
            self.begin(branch, Some(done.parent), line);
        }
        if done.parent == OWN {
            self.writes -= done.written.len();
            let writes = done.written.into_iter();
            return Some(writes.map(|(place, (_, value))| (place, value)).collect());
        }
        let parent = self.branches.get_mut(&done.parent)?;
        for (place, (_, value)) in done.written {
            let replaced = parent.written.insert(place, (line, value));
            self.writes -= usize::from(replaced.is_some());
        }
        Some(Vec::new())
    }

    /// Writes on the current branch. Returns the value if it takes effect at once.
    pub fn write(&mut self, place: KeyDigest, line: u64, value: V) -> Option<V> {
        let Some(number) = self.current.filter(|branch| *branch != OWN) else {
            // It is unknown on which branch the write is.
            if self.current.is_none() && !self.branches.is_empty() {
                self.forget_branches();
            }
            return Some(value);
        };
        if self.writes >= WRITES {
            self.forget_branches();
        }
        if let Some(branch) = self.branches.get_mut(&number) {
            let replaced = branch.written.insert(place, (line, value));
            self.writes += usize::from(replaced.is_none());
        }
        None
    }

    /// What an operation on the current branch sees.
    pub fn see(&self, place: &KeyDigest) -> Visible<'_, V> {
        // One of the branches may have written the key, and it is unknown which one.
        if self.current.is_none() && !self.branches.is_empty() {
            return Visible::Unknown;
        }
        let (mut at, mut since) = (self.current.unwrap_or(OWN), u64::MAX);
        while at != OWN {
            let Some(branch) = self.branches.get(&at) else {
                return Visible::Unknown;
            };
            match branch.written.get(place) {
                // The branch may have read the key before this write came.
                Some((line, _)) if *line > since => return Visible::Unknown,
                Some((_, value)) => return Visible::Written(value),
                None => {}
            }
            since = since.min(branch.since);
            at = branch.parent;
        }
        Visible::Own(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyDigest = KeyDigest {
        store: [1; 16],
        key: [2; 16],
    };

    fn on(branches: &mut Branches<u8>, branch: u64, parent: u64, line: u64) {
        let parent = (branch != OWN).then_some(parent);
        branches.take(Branching::On(branch, parent), line);
    }

    #[test]
    fn a_write_takes_effect_with_the_branches_it_stands_on() {
        let mut branches = Branches::new();
        branches.begins();
        assert_eq!(branches.write(KEY, 1, 1), Some(1), "nobody tells");
        on(&mut branches, 0, 0, 2);
        assert_eq!(branches.write(KEY, 3, 2), Some(2));
        on(&mut branches, 1, 0, 4);
        on(&mut branches, 2, 1, 5);
        assert_eq!(branches.write(KEY, 6, 3), None);
        assert_eq!(branches.see(&KEY), Visible::Written(&3));
        on(&mut branches, 1, 0, 7);
        assert_eq!(branches.see(&KEY), Visible::Own(4));
        let none = Effect::Writes(Vec::new());
        assert_eq!(branches.take(Branching::Written(2), 8), none);
        assert_eq!(branches.see(&KEY), Visible::Written(&3));
        on(&mut branches, 0, 0, 9);
        assert_eq!(branches.see(&KEY), Visible::Own(u64::MAX));
        let effect = Effect::Writes(vec![(KEY, 3)]);
        assert_eq!(branches.take(Branching::Written(1), 10), effect);
        assert_eq!(branches.writes, 0);
        let again = branches.take(Branching::Written(1), 11);
        assert_eq!(again, Effect::Unknown, "it was not begun again");
    }

    #[test]
    fn what_a_branch_may_have_cached_is_not_known() {
        let mut branches = Branches::new();
        branches.begins();
        on(&mut branches, 1, 0, 1);
        on(&mut branches, 2, 1, 2);
        on(&mut branches, 1, 0, 3);
        branches.write(KEY, 4, 1);
        on(&mut branches, 2, 1, 5);
        assert_eq!(branches.see(&KEY), Visible::Unknown);
        // A branch that begins behind the write has cached nothing.
        on(&mut branches, 3, 1, 6);
        assert_eq!(branches.see(&KEY), Visible::Written(&1));
    }

    #[test]
    fn a_branch_whose_beginning_is_missing_may_hold_anything() {
        let mut branches: Branches<u8> = Branches::new();
        for (branch, parent) in [(5, 3), (1, 0), (4, 9)] {
            on(&mut branches, branch, parent, 1);
            assert_eq!(branches.see(&KEY), Visible::Unknown, "{branch}");
            let effect = branches.take(Branching::Written(branch), 2);
            assert_eq!(effect, Effect::Unknown, "{branch}");
        }
        on(&mut branches, 0, 0, 3);
        assert_eq!(branches.see(&KEY), Visible::Own(u64::MAX));
    }

    #[test]
    fn a_write_that_no_branch_is_told_of_may_be_on_any() {
        let mut branches = Branches::new();
        branches.begins();
        on(&mut branches, 1, 0, 1);
        branches.write(KEY, 2, 1);
        branches.take(Branching::Untold, 3);
        assert_eq!(branches.see(&KEY), Visible::Unknown);
        assert_eq!(branches.write(KEY, 4, 2), Some(2));
        on(&mut branches, 1, 0, 5);
        assert_eq!(branches.see(&KEY), Visible::Unknown);
        assert_eq!(branches.take(Branching::Written(1), 6), Effect::Unknown);
    }

    #[test]
    fn memory_is_bounded_and_what_it_does_not_hold_is_unknown() {
        let mut branches: Branches<u8> = Branches::new();
        branches.begins();
        for number in 0..2 * BRANCHES as u64 {
            on(&mut branches, number + 10, 0, number);
        }
        assert!(branches.branches.len() <= BRANCHES);
        assert_eq!(branches.see(&KEY), Visible::Unknown);
        branches.begins();
        on(&mut branches, 1, 0, 1);
        for number in 0..=WRITES as u64 {
            let key = u128::from(number).to_le_bytes();
            branches.write(KeyDigest { key, ..KEY }, 2, 1);
        }
        on(&mut branches, 0, 0, 3);
        on(&mut branches, 1, 0, 4);
        assert!(branches.writes <= WRITES);
        assert_eq!(branches.see(&KEY), Visible::Unknown);
    }
}
