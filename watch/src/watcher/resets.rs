//! Detects reset loops: a node that invalidates a block, rewinds and takes the same
//! transaction again, without end.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::message::ChainId;

/// Number of windows of one source and chain that are a loop ...
const MANY: usize = 3;
/// ... if they open within this time.
const WITHIN: Duration = Duration::from_secs(600);

/// Times at which windows opened, by source and chain.
#[derive(Debug, Default)]
pub(super) struct Resets {
    opened: BTreeMap<(String, ChainId), Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    at: VecDeque<Instant>,
    is_reported: bool,
}

impl Resets {
    /// Adds a window. Returns whether it makes a loop; `true` only once until there are
    /// fewer windows again.
    pub(super) fn opens(&mut self, source: &str, chain: ChainId, now: Instant) -> bool {
        let of = (source.to_owned(), chain);
        self.opened.entry(of).or_default().opens(now)
    }

    /// Current loops, as sentences.
    pub(super) fn concerns(&self) -> Vec<String> {
        let loops = self.opened.iter().filter(|(_, opened)| opened.goes_on());
        loops
            .map(|((source, chain), _)| format!("chain {chain}: {source} resets repeatedly"))
            .collect()
    }
}

impl Opened {
    fn opens(&mut self, now: Instant) -> bool {
        let is_old = |at: &Instant| now.duration_since(*at) > WITHIN;
        while self.at.front().is_some_and(is_old) {
            self.at.pop_front();
        }
        // More than that many are not needed.
        if self.at.len() == MANY {
            self.at.pop_front();
        }
        self.at.push_back(now);
        let many = self.at.len() == MANY;
        let is_news = many && !self.is_reported;
        self.is_reported = many;
        is_news
    }

    fn goes_on(&self) -> bool {
        self.is_reported && self.at.back().is_some_and(|at| at.elapsed() <= WITHIN)
    }
}

/// The alert about a loop.
pub(super) fn words(source: &str, chain: ChainId) -> String {
    format!(
        "chain {chain}: {source} has reset {MANY} times within {} minutes: most likely an invalid \
         transaction comes back from the sequencer's pool each time; drop it there, and engage \
         the failsafe",
        WITHIN.as_secs() / 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_resets_within_ten_minutes_are_a_loop_and_told_once() {
        let mut resets = Resets::default();
        let begin = Instant::now();
        let mut opens =
            |seconds| resets.opens("a", 901.into(), begin + Duration::from_secs(seconds));
        let told: Vec<bool> = [0, 590, 605, 610, 620, 2000, 2010, 2020]
            .into_iter()
            .map(&mut opens)
            .collect();
        // At 605 s the first one is too old.
        assert_eq!(told, [false, false, false, true, false, false, false, true]);
        assert!(
            !resets.opens("b", 901.into(), begin),
            "each source by itself"
        );
        assert_eq!(resets.concerns().len(), 1);
    }
}
