//! Whether two recordings can be compared at all.

use super::equal::replaced;
use super::finding::Incomparable;
use super::pair::{Comparison, Coverage};
use super::recording::Recording;
use super::side::{Side, Who};

/// Why two recordings cannot be compared; `None` if they can.
pub(super) fn incomparable(
    a: &Recording,
    b: &Recording,
    comparison: &Comparison,
) -> Option<Incomparable> {
    by_profile(a, b)
        .or_else(|| by_keys(a, b))
        .or_else(|| by_content(a, comparison))
        .or_else(|| by_digests(a, b, comparison))
        .or_else(|| without_whole_height(comparison))
}

fn by_profile(a: &Recording, b: &Recording) -> Option<Incomparable> {
    let names = || [a, b].map(|recording| recording.profile.name.clone());
    match (a.rules(), b.rules()) {
        (one, other) if one != other => Some(Incomparable::Profiles(names())),
        (None, _) => Some(Incomparable::NoSlog(a.profile.name.clone())),
        _ => None,
    }
}

/// A value and the digest that replaces it are the same value.
fn by_keys(a: &Recording, b: &Recording) -> Option<Incomparable> {
    let keys = [a, b].map(|recording| recording.source.redaction_keys());
    (keys[0] != keys[1]).then_some(Incomparable::Redacted(keys))
}

fn by_content(a: &Recording, comparison: &Comparison) -> Option<Incomparable> {
    let [one, other] = comparison.sides.each_ref();
    let chains = one
        .summary
        .chain_id
        .clone()
        .zip(other.summary.chain_id.clone());
    if let Some((x, y)) = chains.filter(|(x, y)| x != y) {
        return Some(Incomparable::Chains([x, y]));
    }
    let without = [one, other].map(|side| side.blocks == 0);
    if without == [false; 2] {
        return None;
    }
    let lacking = || [one, other].into_iter().filter(|side| side.blocks == 0);
    let most = |of: fn(&Coverage) -> u64| lacking().map(of).max().unwrap_or(0);
    Some(Incomparable::NoBlocks {
        who: Who::of(without),
        prefixed: most(|side| side.summary.prefixed),
        cranks: most(|side| side.summary.cranks),
        in_range: a.range != (0..=u64::MAX),
    })
}

/// A fingerprint holds digests of bytes. A recording that was rewritten, or whose sender
/// dropped entries, does not have these bytes, so a difference would prove nothing.
fn by_digests(a: &Recording, b: &Recording, comparison: &Comparison) -> Option<Incomparable> {
    let prints = [a, b].map(|recording| recording.source.is_fingerprint());
    let [one, other] = comparison.sides.each_ref();
    // The side for which `is` holds while the other side is a fingerprint.
    let beside = |is: [bool; 2]| {
        let sides = (prints[0] && is[1]) || (prints[1] && is[0]);
        sides.then(|| if is[0] { Side::A } else { Side::B })
    };
    // Heights that were written otherwise are found by value alone, and digests allow no such
    // reading.
    let parted = comparison.parting.is_some();
    let rewritten =
        [one, other].map(|side| side.summary.rewritten && (parted || side.summary.unread));
    if let Some(side) = beside(rewritten) {
        return Some(Incomparable::Rewritten(side));
    }
    if let Some(side) = beside([one, other].map(|side| side.summary.wrapped > 0)) {
        return Some(Incomparable::Dropped(side));
    }
    let hashless = [one, other].map(|side| side.summary.without_hashes > 0);
    let apart =
        comparison.incomparable_digests > 0 || comparison.whole == 0 && hashless[0] != hashless[1];
    let is_print = prints[0] || prints[1];
    let who = match hashless {
        [true, true] => Who::Both,
        [true, false] => Who::One(Side::A),
        _ => Who::One(Side::B),
    };
    let is_apart = is_print && apart && comparison.parting.is_none();
    is_apart.then_some(Incomparable::Crankhashes(who))
}

fn without_whole_height(comparison: &Comparison) -> Option<Incomparable> {
    let in_part = comparison.is_left_out() && comparison.common.partial > 0;
    if comparison.whole > 0 || comparison.parting.is_some() || in_part {
        return None;
    }
    let replaced = replaced(comparison, None).map(Incomparable::Replaced);
    replaced.or(Some(Incomparable::NoWholeHeight))
}
