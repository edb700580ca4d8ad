//! Finds where two sources part. Digests show where bytes first differ, and the entries there
//! show whether the meaning differs.

use std::collections::BTreeSet;
use std::io;

use super::classify::ClassifyInput;
use super::evidence::{self, Evidence};
use super::pair::{self, Comparison, HeightRuns, Known, TraceReader};
use super::parting::Parting;
use super::recording::{Reading, Recording};
use super::remark::AfterRollback;
use crate::source::Blocks;

/// Limit of the pairs of height runs that are compared if a node went back, because each pair
/// is a reading of both sources. If there are more, the finding says that they were left out.
const PAIRS_LIMIT: usize = 64;

/// Two traces, and the entries where they part.
pub struct LocatedParting {
    /// The comparison of the traces.
    pub comparison: Comparison,
    /// The entries at the parting, if there is one and both sides have entries.
    pub evidence: Option<[Evidence; 2]>,
    /// Which executions were compared, if a node went back to a lower height.
    pub compared: AfterRollback,
    /// Number of pairs of runs that were left out, because there are too many. A difference in
    /// them is not found.
    pub left_out: u64,
    /// Some entries differ in bytes and are equal in their values.
    pub same_values: bool,
    /// How each source was read.
    readings: [Reading; 2],
}

/// Compares two sources. If a node went back to a lower height, compares first what stands,
/// and if that is equal, the earlier executions. If what stands differs behind a height that it
/// does not cover, earlier executions of that height are compared too.
///
/// # Errors
/// An error from reading a source.
pub fn settle(a: &Recording, b: &Recording) -> io::Result<LocatedParting> {
    let first = compare_runs(a, b, [HeightRuns::One(0), HeightRuns::One(0)])?;
    let executions = [0, 1].map(|side| &first.comparison.sides[side].executions);
    let counts = executions.map(|side| side.height_runs);
    if counts.iter().all(|count| *count <= 1) {
        return Ok(first);
    }
    let known = executions
        .iter()
        .all(|side| side.height_runs == side.starts.len());
    let standing = known.then(|| executions.map(|side| HeightRuns::standing(&side.starts)));
    let located = compare_several_runs(a, b, standing, counts)?.unwrap_or(first);
    let [of_a, of_b] = located.readings;
    a.read_as(of_a);
    b.read_as(of_b);
    Ok(located)
}

/// Compares what stands of two sources, then their runs in pairs, until something differs.
fn compare_several_runs(
    a: &Recording,
    b: &Recording,
    standing: Option<[HeightRuns; 2]>,
    counts: [usize; 2],
) -> io::Result<Option<LocatedParting>> {
    let mut best: Option<LocatedParting> = None;
    // The last runs stand as a whole, so they are not compared again.
    let compared = usize::from(standing.is_some());
    if let Some(standing) = standing {
        let found = compare_runs(a, b, standing)?;
        let goes_back = [(a, counts[0]), (b, counts[1])].into_iter();
        let mut goes_back = goes_back.filter(|(_, height_runs)| *height_runs > 1);
        let recovered = goes_back.all(|(recording, _)| is_of_one_execution(recording));
        // Other AppHashes without a place are a difference too.
        if place(&found.comparison).is_some() || found.comparison.other_app_hash.is_some() {
            let whole = match recovered {
                true => None,
                false => earlier_whole(a, b, &found.comparison, counts)?,
            };
            return Ok(Some(whole.unwrap_or(found)));
        }
        if recovered {
            return Ok(Some(LocatedParting {
                compared: AfterRollback::StandingOnly,
                ..found
            }));
        }
        best = Some(found);
    }
    // On a chain that replaces blocks the earlier executions were other blocks, by the choice of
    // the chain.
    if a.vocabulary.replaces_blocks() {
        return Ok(best);
    }
    let pairs = pairs_of_runs(counts);
    let all = (counts[0] as u64).saturating_mul(counts[1] as u64);
    let left_out = all.saturating_sub(pairs.iter().flatten().count() as u64);
    let mut lacking = Vec::new();
    for pairs in pairs.into_iter().skip(compared) {
        let mut parted: Option<LocatedParting> = None;
        for [one, other] in pairs {
            let found = compare_runs(a, b, [HeightRuns::One(one), HeightRuns::One(other)])?;
            lacking.extend(found.comparison.lacking(&|_| true));
            if let Some(place) = place(&found.comparison) {
                let before = parted
                    .as_ref()
                    .and_then(|parted| self::place(&parted.comparison));
                if before.is_none_or(|before| place < before) {
                    let compared = match [one + 1, other + 1] == counts {
                        true => AfterRollback::StandingFirst,
                        false => AfterRollback::Earlier,
                    };
                    parted = Some(LocatedParting { compared, ..found });
                }
            } else if best.as_ref().is_none_or(|best| rank(&found) > rank(best)) {
                best = Some(found);
            }
        }
        if parted.is_some() {
            return Ok(parted);
        }
    }
    Ok(best.map(|mut best| {
        best.comparison.lacks_too(&lacking);
        LocatedParting { left_out, ..best }
    }))
}

/// Earlier executions that differ at a height which what stands does not cover, just before it
/// differs too: then what stands differs in a consequence. Both must have that height whole, or
/// what stands says more.
fn earlier_whole(
    a: &Recording,
    b: &Recording,
    standing: &Comparison,
    counts: [usize; 2],
) -> io::Result<Option<LocatedParting>> {
    if a.vocabulary.replaces_blocks() {
        return Ok(None);
    }
    let Some((from, until)) = open_before_parting(standing) else {
        return Ok(None);
    };
    let mut lowest: Option<LocatedParting> = None;
    for [one, other] in pairs_of_runs(counts).into_iter().flatten() {
        let found = compare_runs(a, b, [HeightRuns::One(one), HeightRuns::One(other)])?;
        let below = lowest.as_ref().map_or(until, |lowest| {
            place(&lowest.comparison).map_or(until, |(height, _)| height)
        });
        let decides = |parting: &Parting| {
            let ((of_a, _), (of_b, _)) = (&parting.a, &parting.b);
            let whole = of_a.is_whole() && of_b.is_whole() && !parting.behind_gap;
            whole && (from..below).contains(&of_a.height)
        };
        if found.comparison.parting.as_ref().is_some_and(decides) {
            lowest = Some(LocatedParting {
                compared: AfterRollback::EarlierWhole,
                ..found
            });
        }
    }
    Ok(lowest)
}

/// The heights directly before the parting that were not found equal: the first one, and the height
/// of the parting.
fn open_before_parting(comparison: &Comparison) -> Option<(u64, u64)> {
    let (until, _) = place(comparison)?;
    // Rows that were left out may be equal.
    let all = comparison.rows.len() as u64 == comparison.common.count;
    let before = comparison
        .rows
        .iter()
        .rev()
        .filter(|row| row.height < until);
    let open = before.take_while(|row| !comparison.common.same.contains(row.height));
    let from = open.last().map(|row| row.height).filter(|_| all)?;
    Some((from, until))
}

/// Whether the source is a box of a block that its node executed once. A node that was
/// restored to an older state must not be accused, in all its later boxes, of what it
/// recovered from.
fn is_of_one_execution(recording: &Recording) -> bool {
    let Some((about, Blocks::Told(blocks))) = recording
        .source
        .about()
        .zip(Some(recording.source.blocks()))
    else {
        return false;
    };
    let executions = blocks.iter().filter(|block| block.attempt.height == about);
    executions.count() == 1
}

/// Which of two comparisons without a difference says more, whichever source was named first.
/// A run with another AppHash, or one that is broken or cannot be compared, ranks higher: it is not
/// equal because another run is.
fn rank(located: &LocatedParting) -> impl Ord + use<> {
    let comparison = &located.comparison;
    let open = comparison.is_broken() || comparison.incomparable_digests > 0;
    let [one, other] = &comparison.sides;
    let size = |side: &pair::Coverage| (side.summary.lines, side.summary.cranks);
    let larger = if size(one) < size(other) { other } else { one };
    (
        (
            comparison.other_app_hash.is_some(),
            open,
            comparison.whole,
            comparison.cranks.0,
        ),
        (comparison.common.count, one.blocks + other.blocks),
        larger.blocks,
    )
}

/// The pairs of runs to compare, the last ones first. Pairs that are equally far from the last
/// ones form a list, so that the result does not depend on which source was named first.
fn pairs_of_runs(counts: [usize; 2]) -> Vec<Vec<[usize; 2]>> {
    let at = |distance: usize| -> Vec<[usize; 2]> {
        let pairs = (0..=distance).map(|one| [one, distance - one]);
        let pairs = pairs.filter(|back| back[0] < counts[0] && back[1] < counts[1]);
        pairs
            .map(|back| [counts[0] - 1 - back[0], counts[1] - 1 - back[1]])
            .collect()
    };
    let mut room = PAIRS_LIMIT;
    let lists = (0..(counts[0] + counts[1]).saturating_sub(1)).map(at);
    let lists = lists.take_while(|pairs| {
        let fits = pairs.len() <= room;
        room = room.saturating_sub(pairs.len());
        fits
    });
    lists.collect()
}

/// Height and index of the place where two traces part.
fn place(comparison: &Comparison) -> Option<(u64, usize)> {
    let parting = comparison.parting.as_ref();
    let parting = parting.map(|parting| (parting.a.0.height, parting.a.1.min(parting.b.1)));
    let activity = comparison.activity.as_ref();
    parting.or_else(|| activity.map(|at| (at.height, at.before as usize)))
}

fn compare_runs(
    a: &Recording,
    b: &Recording,
    height_runs: [HeightRuns; 2],
) -> io::Result<LocatedParting> {
    let mut known = Known::new();
    let mut equal = BTreeSet::new();
    let mut same_values = false;
    // The sources may have been read by value before, with another source or in another run.
    a.read_by_bytes();
    b.read_by_bytes();
    loop {
        let [of_a, of_b] = height_runs.clone();
        let comparison = std::thread::scope(|scope| {
            let left = TraceReader::start(scope, a, of_a);
            let right = TraceReader::start(scope, b, of_b);
            pair::compare(left, right, &known)
        })?;
        let located = |comparison, evidence| LocatedParting {
            comparison,
            evidence,
            compared: AfterRollback::StandingFirst,
            left_out: 0,
            same_values,
            readings: [a, b].map(Recording::reading),
        };
        if a.source.is_fingerprint() || b.source.is_fingerprint() {
            return Ok(located(comparison, None));
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
            return Ok(located(comparison, None));
        };
        let entries = gather(a, b, parting)?;
        if !a.is_by_value() && classify_input(a, parting, &entries, &comparison).is_equal_by_value()
        {
            same_values = true;
            a.read_by_value();
            b.read_by_value();
            equal.clear();
            known.clear();
            continue;
        }
        let lacks = classify_input(a, parting, &entries, &comparison).lacks_entry();
        let entries = match lacks {
            Some(index) => gather_from(a, b, parting, index)?,
            None => entries,
        };
        return Ok(located(comparison, Some(entries)));
    }
}

/// Whether the sources must be read in another way, because of what this reading showed. Sets
/// that way.
fn read_otherwise(recordings: [&Recording; 2], comparison: &Comparison) -> bool {
    let any = |tells: &dyn Fn(&pair::Coverage) -> bool| comparison.sides.iter().any(tells);
    let parted = comparison.parting.is_some();
    if !recordings[0].is_by_sender() && any(&|side| side.summary.wrapped > 0) {
        recordings
            .iter()
            .for_each(|recording| recording.read_by_sender());
        return true;
    }
    // Another JSON writer may have formatted the heights differently, or the entries behind the
    // parting.
    let by_value = |side: &pair::Coverage| {
        side.blocks == 0 || side.summary.unread || side.summary.rewritten && parted
    };
    if !recordings[0].is_by_value() && any(&by_value) {
        recordings
            .iter()
            .for_each(|recording| recording.read_by_value());
        return true;
    }
    false
}

/// Whether some entry that both sides have of the unfinished crank differs.
fn differs(
    a: &Recording,
    b: &Recording,
    doubt: &Parting,
    comparison: &Comparison,
) -> io::Result<bool> {
    let entries = gather(a, b, doubt)?;
    Ok(classify_input(a, doubt, &entries, comparison).differs_in_part())
}

/// Reads the entries around a place.
pub(super) fn gather(a: &Recording, b: &Recording, at: &Parting) -> io::Result<[Evidence; 2]> {
    gather_from(a, b, at, 0)
}

/// Reads the entries around a place. If a unit is too large, its entries from an index on are
/// kept first.
fn gather_from(
    a: &Recording,
    b: &Recording,
    at: &Parting,
    from: usize,
) -> io::Result<[Evidence; 2]> {
    both(
        || evidence::gather(a, &at.a.0, at.a.1, from),
        || evidence::gather(b, &at.b.0, at.b.1, from),
    )
}

/// The input for [`ClassifyInput::judge`].
pub fn classify_input<'a>(
    a: &'a Recording,
    parting: &'a Parting,
    evidence: &'a [Evidence; 2],
    comparison: &'a Comparison,
) -> ClassifyInput<'a> {
    let [of_a, of_b] = evidence;
    let [one, other] = &comparison.sides;
    ClassifyInput {
        profile: &a.profile,
        vocabulary: a.vocabulary,
        by_value: a.is_by_value(),
        parting,
        evidence: [of_a, of_b],
        sides: [one, other],
    }
}

/// Reads both sources at the same time, each in a thread.
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
