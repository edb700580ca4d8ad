//! Concludes where no step differs: whether two recordings are equal, and if that is unknown,
//! why.

use std::collections::BTreeSet;

use super::app_hash_dispute::Dispute;
use super::finding::{
    ActivityDivergence, ActivityMeaning, ComparedExtent, Conclusion, Outcome, Undecided,
};
use super::judgements::Judgements;
use super::pair::{ActivityParting, Comparison, Coverage};
use super::recording::Recording;
use super::side::{Side, Who};

/// The conclusion if no step differs.
pub(super) fn conclude(
    recordings: [&Recording; 2],
    comparison: &Comparison,
    judgements: Option<&Judgements>,
) -> Conclusion {
    if let Some(dissent) = judgements.and_then(|judgements| judgements.certain.clone()) {
        let (dissent, is_final) = (Box::new(dissent), true);
        return Conclusion::Recorders { dissent, is_final };
    }
    if let Some(at) = comparison.activity {
        let means = meaning(at, comparison);
        return Conclusion::Activity(ActivityDivergence { at, means });
    }
    let gone = judgements.map(|judgements| &judgements.gone);
    let dispute = Dispute::of(recordings, comparison);
    let other_app_hash = dispute.other_app_hash(comparison);
    let led = |why: &Undecided| is_led(why, other_app_hash, comparison);
    if let Some(why) = undecided(comparison, gone).filter(|why| !led(why)) {
        return Conclusion::Undecided {
            why,
            other_app_hash,
        };
    }
    if let Some(dissent) = judgements.and_then(|judgements| judgements.doubtful.clone()) {
        let (dissent, is_final) = (Box::new(dissent), false);
        return Conclusion::Recorders { dissent, is_final };
    }
    if let Some(outcome) = outcome(&dispute, recordings, comparison) {
        return Conclusion::Outcome {
            outcome,
            other_app_hash,
        };
    }
    Conclusion::Identical(ComparedExtent {
        whole: comparison.whole,
        amount: comparison.amount(),
        judged: judgements.map(|judgements| (judgements.alike, judgements.open)),
    })
}

/// What it means that all steps are equal and an activityhash is not.
fn meaning(activity: ActivityParting, comparison: &Comparison) -> ActivityMeaning {
    if comparison.is_left_out() && has_gaps_before(comparison, activity.height) {
        return ActivityMeaning::Dropped;
    }
    if activity.before == 0 && is_open_before(comparison, activity.height) {
        return ActivityMeaning::Before;
    }
    let mut breaks = comparison.sides.iter().flat_map(|side| &side.breaks);
    let in_run = breaks.any(|(_, found)| found.in_run);
    match activity.between_runs && !in_run {
        true => ActivityMeaning::HiddenWork,
        false => ActivityMeaning::BrokenChain,
    }
}

/// Whether a side has the height before this one, and it was not found equal: the cause may be in
/// what was not compared of it.
fn is_open_before(comparison: &Comparison, height: u64) -> bool {
    let Some(before) = height.checked_sub(1) else {
        return false;
    };
    let common = &comparison.common;
    let lacks = |side: &Coverage| side.gaps.contains(before);
    !common.same.contains(before)
        && (common.all.contains(before) || comparison.sides.iter().any(lacks))
}

/// Whether a height before this one is missing, or could not be compared.
fn has_gaps_before(comparison: &Comparison, height: u64) -> bool {
    let missing = |side: &Coverage| side.missing.iter().any(|missing| *missing < height);
    let unknown = comparison.common.first_unknown;
    comparison.sides.iter().any(missing) || unknown.is_some_and(|unknown| unknown < height)
}

/// Why it is unknown whether the recordings are equal: something that could differ was not
/// seen.
fn undecided(comparison: &Comparison, gone: Option<&BTreeSet<u64>>) -> Option<Undecided> {
    if comparison.is_left_out() {
        return Some(dropped(comparison));
    }
    inconsistent(comparison)
        .or_else(|| not_covered(comparison, gone))
        .or_else(|| replaced(comparison, gone).map(Undecided::Replaced))
}

/// Whether the AppHashes differ already below the height that is not covered, after a height that
/// both have whole.
fn is_led(why: &Undecided, other_app_hash: Option<u64>, comparison: &Comparison) -> bool {
    let Undecided::NotCovered { height, .. } = why else {
        return false;
    };
    let seen = comparison.other_app_hash;
    let is_whole = |other: u64| match seen.filter(|seen| seen.height == other) {
        Some(seen) => seen.whole,
        None => comparison.common.same.contains(other),
    };
    other_app_hash.is_some_and(|other| other < *height && is_whole(other))
}

/// Describes senders that drop entries.
fn dropped(comparison: &Comparison) -> Undecided {
    let drops = comparison.sides.each_ref();
    Undecided::Dropped {
        who: Who::of(drops.map(|side| side.summary.wrapped > 0)),
        heights: usize::try_from(comparison.common.partial).unwrap_or(usize::MAX),
        cranks: comparison.cranks.0,
    }
}

/// The first height that both have and at which a side's entries are not in the order in which
/// its kernel wrote them.
fn inconsistent(comparison: &Comparison) -> Option<Undecided> {
    let first = comparison
        .sides
        .each_ref()
        .map(|side| side.common_fault.as_ref());
    let (height, who, why) = match first {
        [Some((a, why)), Some((b, other))] if a == b && why == other => (*a, Who::Both, why),
        [Some((a, why)), other] if other.is_none_or(|(b, of_b)| (a, why) < (b, of_b)) => {
            (*a, Who::One(Side::A), why)
        }
        [_, Some((b, why))] => (*b, Who::One(Side::B), why),
        _ => return None,
    };
    let why = why.clone();
    Some(Undecided::Inconsistent { who, height, why })
}

/// The lowest height that a side does not have whole, in the middle of what is equal
/// otherwise. The result does not depend on which source was named first.
fn not_covered(comparison: &Comparison, gone: Option<&BTreeSet<u64>>) -> Option<Undecided> {
    let stands = |height: u64| !gone.is_some_and(|gone| gone.contains(&height));
    // The verdicts at a height that found no room were not compared.
    let unjudged = comparison.common.same.left_out().filter(|_| gone.is_some());
    let unjudged = unjudged.map(|height| (height, Who::Both));
    let found = [comparison.lacking(&stands), comparison.in_part, unjudged];
    let found = found.into_iter().flatten();
    let (height, who) = found.min_by_key(|(height, who)| (*height, rank(*who)))?;
    Some(Undecided::NotCovered { who, height })
}

/// Decides what is shown if the sides lack the same height in different ways.
fn rank(who: Who) -> u8 {
    match who {
        Who::One(Side::A) => 0,
        Who::One(Side::B) => 1,
        Who::Both => 2,
    }
}

/// The first height at which the sides have different blocks and neither side says that its
/// own no longer stands.
pub(super) fn replaced(comparison: &Comparison, gone: Option<&BTreeSet<u64>>) -> Option<u64> {
    let stands = |height: u64| !gone.is_some_and(|gone| gone.contains(&height));
    comparison.replaced.first(&stands)
}

/// What is known of the outcome of the blocks, if the outcome is not known to be equal.
fn outcome(
    dispute: &Dispute,
    recordings: [&Recording; 2],
    comparison: &Comparison,
) -> Option<Outcome> {
    dispute
        .judge(comparison)
        .or_else(|| one_sided(comparison))
        .or_else(|| unhashed(recordings, comparison))
}

/// One side alone records steps that may decide the outcome.
fn one_sided(comparison: &Comparison) -> Option<Outcome> {
    let (height, only) = comparison.one_sided?;
    Some(Outcome::OneSided(height, only.named(comparison.streams())))
}

/// The digests are equal, but the host may have traced nothing, and no AppHash proves that the
/// state is equal.
fn unhashed(recordings: [&Recording; 2], comparison: &Comparison) -> Option<Outcome> {
    let height = comparison.unhashed?;
    recordings[0].vocabulary.step_tracker()?;
    let fingerprints = match recordings.map(|recording| recording.source.is_fingerprint()) {
        [true, true] => Who::Both,
        [true, false] => Who::One(Side::A),
        _ => Who::One(Side::B),
    };
    Some(Outcome::Unhashed {
        height,
        fingerprints,
    })
}

#[cfg(test)]
mod tests;
