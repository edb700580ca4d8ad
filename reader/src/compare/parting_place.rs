//! Where two sources part, for certain: digests say where bytes differ first, and
//! the entries there say whether they mean another thing.

use std::collections::BTreeSet;
use std::io;

use super::classify::Case;
use super::evidence::{self, Evidence};
use super::pair::{self, Comparison, Known, Rises, TapeReader};
use super::parting::Parting;
use super::party::{Party, Reading};
use crate::source::Blocks;

/// Rises of one source that are compared where its node went back, the last ones.
const RISES: usize = 4;

/// Two tapes and what stands where they part.
pub struct Settled {
    /// The tapes side by side.
    pub comparison: Comparison,
    /// The entries at the parting, if there is one and both sides have entries.
    pub evidence: Option<[Evidence; 2]>,
    /// Of sources whose nodes went back, the rises that were compared here are not
    /// the last ones: what stands is equal.
    pub earlier: bool,
    /// What stands is equal, and what was executed before it was not compared: the boxes are
    /// of blocks behind that.
    pub stands: bool,
    /// Entries were seen that differ in bytes and mean the same.
    pub same_values: bool,
    /// How the sources were read.
    readings: [Reading; 2],
}

/// Compares two sources: where a node went back to a lower height, what stands of what
/// it executed, and if that is equal, what it executed before.
///
/// # Errors
/// What reading gives.
pub fn settle(a: &Party, b: &Party) -> io::Result<Settled> {
    let first = of_rises(a, b, [Rises::One(0), Rises::One(0)])?;
    let of = [0, 1].map(|side| &first.comparison.sides[side].executions);
    let counts = of.map(|of| of.rises);
    if counts.iter().all(|count| *count <= 1) {
        return Ok(first);
    }
    let known = of.iter().all(|of| of.rises == of.starts.len());
    let standing = known.then(|| of.map(|of| Rises::standing(&of.starts)));
    let settled = of_many(a, b, standing, counts)?.unwrap_or(first);
    let [of_a, of_b] = settled.readings;
    a.read_as(of_a);
    b.read_as(of_b);
    Ok(settled)
}

/// Compares what stands of two sources, then their rises one by one, until something
/// differs.
fn of_many(
    a: &Party,
    b: &Party,
    standing: Option<[Rises; 2]>,
    counts: [usize; 2],
) -> io::Result<Option<Settled>> {
    let mut best: Option<Settled> = None;
    // The last rises stand whole: they are not compared again.
    let compared = usize::from(standing.is_some());
    if let Some(standing) = standing {
        let found = of_rises(a, b, standing)?;
        if place(&found.comparison).is_some() {
            return Ok(Some(found));
        }
        let goes_back = [(a, counts[0]), (b, counts[1])].into_iter();
        let mut goes_back = goes_back.filter(|(_, rises)| *rises > 1);
        if goes_back.all(|(party, _)| is_of_one_execution(party)) {
            let stands = true;
            return Ok(Some(Settled { stands, ..found }));
        }
        best = Some(found);
    }
    // What stood before was another block, of the chain's own choice.
    if a.vocabulary.replaces_blocks() {
        return Ok(best);
    }
    for pairs in pairs_of_rises(counts).into_iter().skip(compared) {
        let mut parted: Option<Settled> = None;
        for [one, other] in pairs {
            let found = of_rises(a, b, [Rises::One(one), Rises::One(other)])?;
            if let Some(place) = place(&found.comparison) {
                let before = parted.as_ref().and_then(|of| self::place(&of.comparison));
                if before.is_none_or(|before| place < before) {
                    let earlier = [one + 1, other + 1] != counts;
                    parted = Some(Settled { earlier, ..found });
                }
            } else if best.as_ref().is_none_or(|best| rank(&found) > rank(best)) {
                best = Some(found);
            }
        }
        if parted.is_some() {
            return Ok(parted);
        }
    }
    Ok(best)
}

/// A box of a block that its node executed once: one that was put back to an older state
/// is not accused, in all later boxes, of what it recovered from.
fn is_of_one_execution(party: &Party) -> bool {
    let Some((about, Blocks::Told(blocks))) = party.source.about().zip(Some(party.source.blocks()))
    else {
        return false;
    };
    let of = blocks.iter().filter(|block| block.of.height == about);
    of.count() == 1
}

/// Which of two comparisons that found nothing tells more, whichever source was named
/// first. What is broken in one rise, or cannot be compared, is not equal because
/// another one is.
fn rank(of: &Settled) -> impl Ord + use<> {
    let comparison = &of.comparison;
    let open = comparison.is_broken() || comparison.apart > 0;
    let [one, other] = &comparison.sides;
    let size = |side: &pair::Coverage| (side.summary.lines, side.summary.cranks);
    let larger = if size(one) < size(other) { other } else { one };
    (
        (open, comparison.whole, comparison.cranks.0),
        (comparison.rows.len(), one.blocks + other.blocks),
        larger.blocks,
    )
}

/// The rises to be compared, the last ones first: those that stand equally far from the
/// last ones go together, whichever source was named first.
fn pairs_of_rises(counts: [usize; 2]) -> Vec<Vec<[usize; 2]>> {
    let of = counts.map(|count| count.min(RISES));
    let at = |distance: usize| {
        let pairs = (0..=distance).map(|one| [one, distance - one]);
        let pairs = pairs.filter(|back| back[0] < of[0] && back[1] < of[1]);
        pairs
            .map(|back| [counts[0] - 1 - back[0], counts[1] - 1 - back[1]])
            .collect()
    };
    (0..of[0] + of[1] - 1).map(at).collect()
}

/// Where two tapes part.
fn place(comparison: &Comparison) -> Option<(u64, usize)> {
    let parting = comparison.parting.as_ref();
    let parting = parting.map(|parting| (parting.a.0.height, parting.a.1.min(parting.b.1)));
    let activity = comparison.activity.as_ref();
    parting.or_else(|| activity.map(|of| (of.height, of.before as usize)))
}

fn of_rises(a: &Party, b: &Party, rises: [Rises; 2]) -> io::Result<Settled> {
    let mut known = Known::new();
    let mut equal = BTreeSet::new();
    let mut same_values = false;
    // They were compared with other sources before, or in other rises.
    a.read_by_bytes();
    b.read_by_bytes();
    loop {
        let [of_a, of_b] = rises.clone();
        let comparison = std::thread::scope(|scope| {
            let left = TapeReader::start(scope, a, of_a);
            let right = TapeReader::start(scope, b, of_b);
            pair::compare(left, right, &known)
        })?;
        let settled = |comparison, evidence| Settled {
            comparison,
            evidence,
            earlier: false,
            stands: false,
            same_values,
            readings: [a, b].map(Party::reading),
        };
        if a.source.is_fingerprint() || b.source.is_fingerprint() {
            return Ok(settled(comparison, None));
        }
        if read_otherwise([a, b], &comparison) {
            same_values = false;
            equal.clear();
            known.clear();
            continue;
        }
        let doubts = comparison.doubts.iter();
        let open = doubts.map(|doubt| (doubt.a.0.height, doubt));
        let mut open = open.filter(|(height, _)| !equal.contains(height));
        if let Some((height, doubt)) = open.next() {
            match differs(a, b, doubt, &comparison)? {
                true => known.insert(height),
                false => equal.insert(height),
            };
            continue;
        }
        let Some(parting) = &comparison.parting else {
            return Ok(settled(comparison, None));
        };
        let found = gather(a, b, parting)?;
        if !a.is_by_value() && case(a, parting, &found, &comparison).is_equal_by_value() {
            same_values = true;
            a.read_by_value();
            b.read_by_value();
            equal.clear();
            known.clear();
            continue;
        }
        return Ok(settled(comparison, Some(found)));
    }
}

/// Whether both have to be read in another way than they were, by what that told.
fn read_otherwise(parties: [&Party; 2], comparison: &Comparison) -> bool {
    let any = |tells: &dyn Fn(&pair::Coverage) -> bool| comparison.sides.iter().any(tells);
    let parted = comparison.parting.is_some();
    if !parties[0].is_told() && any(&|side| side.summary.wrapped > 0) {
        parties.iter().for_each(|party| party.read_as_told());
        return true;
    }
    // Another writer may have written the heights otherwise, or what stands behind the
    // place where they part.
    let by_value = |side: &pair::Coverage| {
        side.blocks == 0 || side.summary.unread || side.summary.rewritten && parted
    };
    if !parties[0].is_by_value() && any(&by_value) {
        parties.iter().for_each(|party| party.read_by_value());
        return true;
    }
    false
}

/// Whether the entries that both have of a crank differ.
fn differs(a: &Party, b: &Party, doubt: &Parting, comparison: &Comparison) -> io::Result<bool> {
    let found = gather(a, b, doubt)?;
    Ok(case(a, doubt, &found, comparison).differs_in_part())
}

/// The entries around a place.
pub(super) fn gather(a: &Party, b: &Party, at: &Parting) -> io::Result<[Evidence; 2]> {
    both(
        || evidence::gather(a, &at.a.0, at.a.1),
        || evidence::gather(b, &at.b.0, at.b.1),
    )
}

/// The case of a parting.
pub fn case<'a>(
    a: &'a Party,
    parting: &'a Parting,
    evidence: &'a [Evidence; 2],
    comparison: &'a Comparison,
) -> Case<'a> {
    let [of_a, of_b] = evidence;
    let [one, other] = &comparison.sides;
    Case {
        profile: &a.profile,
        vocabulary: a.vocabulary,
        by_value: a.is_by_value(),
        parting,
        evidence: [of_a, of_b],
        sides: [one, other],
    }
}

/// Reads both sources at once.
pub fn both<T: Send>(
    of_a: impl FnOnce() -> io::Result<T> + Send,
    of_b: impl FnOnce() -> io::Result<T>,
) -> io::Result<[T; 2]> {
    std::thread::scope(|scope| {
        let of_a = scope.spawn(of_a);
        let of_b = of_b()?;
        let lost = |_| io::Error::other("the reader thread stopped unexpectedly");
        Ok([of_a.join().map_err(lost)??, of_b])
    })
}
